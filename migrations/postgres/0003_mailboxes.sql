-- Limits of emails per mailbox and kind: token buckets, stored as the time at which the bucket is full. A mailbox is the hash of an
-- address without its tag, and has no row while its bucket is full.
CREATE TABLE mailboxes (
    mailbox text        NOT NULL PRIMARY KEY,
    full_at timestamptz NOT NULL
);

CREATE INDEX mailboxes_full ON mailboxes (full_at);
