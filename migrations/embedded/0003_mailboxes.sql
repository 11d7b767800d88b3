-- Limits of emails per mailbox and kind: token buckets, stored as the time at which the bucket is full. A mailbox is the hash of an
-- address without its tag, and has no row while its bucket is full.
CREATE TABLE mailboxes (
    mailbox TEXT    NOT NULL PRIMARY KEY,
    full_at INTEGER NOT NULL
) STRICT;

CREATE INDEX mailboxes_full ON mailboxes (full_at);
