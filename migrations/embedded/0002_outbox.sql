-- Emails to send, at most one of each kind per user, without address, link and text. A row whose due_at is NULL is
-- completed; it stays for the minute within which no further link is sent. For an unknown address, a row of a user that
-- does not exist is written.
CREATE TABLE outbox (
    user_id   TEXT    NOT NULL,
    kind      TEXT    NOT NULL,
    queued_at INTEGER NOT NULL,
    due_at    INTEGER,
    attempts  INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (user_id, kind)
) STRICT;

CREATE INDEX outbox_due     ON outbox (due_at)    WHERE due_at IS NOT NULL;
CREATE INDEX outbox_settled ON outbox (queued_at) WHERE due_at IS NULL;
