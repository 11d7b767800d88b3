-- The databases of sync data, if that is on servers while the accounts are in this file. Without such servers the tables stay
-- empty.

-- Id of the set of databases, in one row. Every database of the set holds it, too. A random UUID of version 4.
CREATE TABLE database_set (
    id TEXT NOT NULL PRIMARY KEY
) STRICT;

INSERT INTO database_set (id)
SELECT substr(h, 1, 8) || '-' || substr(h, 9, 4) || '-4' || substr(h, 14, 3) || '-a' || substr(h, 18, 3) || '-' || substr(h, 21, 12)
FROM (SELECT lower(hex(randomblob(16))) AS h);

-- `ordinal` counts the databases in the order of their registration. `weight` is the share of the new users.
CREATE TABLE databases (
    id      TEXT    NOT NULL PRIMARY KEY,
    ordinal INTEGER NOT NULL UNIQUE,
    weight  INTEGER NOT NULL
) STRICT;

-- NULL if the data of the user is in this file. `move_epoch` is the fencing token of the newest move.
ALTER TABLE users ADD COLUMN database_id TEXT REFERENCES databases (id);
ALTER TABLE users ADD COLUMN move_epoch  INTEGER NOT NULL DEFAULT 0;

CREATE INDEX users_by_database ON users (database_id, id);

-- Hints of the sessions of a user: where the data was when the account store was asked last. The accounts may be on a server.
CREATE TABLE database_hints (
    user_id     TEXT NOT NULL PRIMARY KEY,
    database_id TEXT NOT NULL
) STRICT;
