-- The databases of sync data, and the one that holds the data of each user.

-- Id of the set of databases, in one row. Every database of the set holds it, too.
CREATE TABLE database_set (
    id      uuid    NOT NULL DEFAULT gen_random_uuid(),
    is_only boolean NOT NULL DEFAULT true PRIMARY KEY CHECK (is_only)
);

INSERT INTO database_set DEFAULT VALUES;

-- `ordinal` counts the databases in the order of their registration. `weight` is the share of the new users.
CREATE TABLE databases (
    id      uuid    NOT NULL PRIMARY KEY,
    ordinal integer NOT NULL UNIQUE,
    weight  integer NOT NULL
);

-- NULL until `migrate` has recorded the placement of a user whom the release before this one has created. `move_epoch` is the
-- fencing token of the newest move.
ALTER TABLE users
    ADD COLUMN database_id uuid REFERENCES databases,
    ADD COLUMN move_epoch  bigint NOT NULL DEFAULT 0;

CREATE INDEX users_by_database ON users (database_id, id);
