-- Who may sign in, and the one-time links in their mails.

-- The keys are the caseless forms of name and address; both are NULL, and free, once the deletion has begun. The code tells
-- by the names of their constraints which of the two is taken.
CREATE TABLE users (
    id                uuid        NOT NULL PRIMARY KEY,
    username          text        NOT NULL,
    username_key      text        CONSTRAINT users_username_taken UNIQUE,
    email             text        NOT NULL,
    email_key         text        CONSTRAINT users_email_taken UNIQUE,
    password_hash     text        NOT NULL,
    email_verified_at timestamptz,
    created_at        timestamptz NOT NULL,
    deleted_at        timestamptz
);

CREATE INDEX users_deleted ON users (deleted_at) WHERE deleted_at IS NOT NULL;

-- The newest one-time link of each user and purpose, by the SHA-256 of its token.
CREATE TABLE mail_tokens (
    user_id    uuid        NOT NULL REFERENCES users ON DELETE CASCADE,
    purpose    text        NOT NULL,
    token_hash text        NOT NULL UNIQUE,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (user_id, purpose)
);

CREATE INDEX mail_tokens_expire ON mail_tokens (expires_at);
