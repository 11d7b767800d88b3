-- Accounts and sessions of the local server, beside the sync data in the same file. Times are whole microseconds since
-- 1970.

-- The keys are the caseless forms of name and address; both become NULL, and can be used again, when the
-- deletion of the account starts.
CREATE TABLE users (
    id                TEXT    NOT NULL PRIMARY KEY,
    username          TEXT    NOT NULL,
    username_key      TEXT    UNIQUE,
    email             TEXT    NOT NULL,
    email_key         TEXT    UNIQUE,
    password_hash     TEXT    NOT NULL,
    email_verified_at INTEGER,
    created_at        INTEGER NOT NULL,
    deleted_at        INTEGER
) STRICT;

CREATE INDEX users_deleted ON users (deleted_at) WHERE deleted_at IS NOT NULL;

-- The newest one-time link of each user and purpose, by the SHA-256 of its token.
CREATE TABLE mail_tokens (
    user_id    TEXT    NOT NULL,
    purpose    TEXT    NOT NULL,
    token_hash TEXT    NOT NULL UNIQUE,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (user_id, purpose)
) STRICT;

CREATE INDEX mail_tokens_expire ON mail_tokens (expires_at);

CREATE TABLE sessions (
    id           TEXT    NOT NULL PRIMARY KEY,
    user_id      TEXT    NOT NULL,
    device       TEXT    NOT NULL,
    ip           TEXT    NOT NULL,
    created_at   INTEGER NOT NULL,
    last_seen_at INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL
) STRICT;

CREATE INDEX sessions_by_user ON sessions (user_id, last_seen_at);
CREATE INDEX sessions_expire  ON sessions (expires_at);

-- Rotated tokens stay until they expire, so that their reuse is recognised.
CREATE TABLE refresh_tokens (
    token_hash TEXT    NOT NULL PRIMARY KEY,
    session_id TEXT    NOT NULL,
    rotated_at INTEGER,
    expires_at INTEGER NOT NULL
) STRICT;

CREATE INDEX refresh_tokens_by_session ON refresh_tokens (session_id);
CREATE INDEX refresh_tokens_expire     ON refresh_tokens (expires_at);
