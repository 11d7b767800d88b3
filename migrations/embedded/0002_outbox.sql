-- The mails that wait to be sent, one of each kind for a user: neither address, nor link, nor words. A row whose due_at is
-- NULL is settled; it stays for the minute within which no further link is sent. For an address that nobody has, a row
-- of a user that is none is written.
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
