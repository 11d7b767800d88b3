-- Downloads that any client may follow: conflicts in the change sequence, several full syncs of one device, and cursors from
-- before a restore. The release before this one runs on these tables, too.

-- Cursors that full syncs returned before the purge horizon: a delta may continue from them, although tombstones after them
-- have been purged. `head` is the head at which the full sync started, `place` the order in which the cursors were returned.
-- `walks` served this purpose, with one full sync per device; the release after this one removes it.
CREATE TABLE full_sync_cursors (
    user_id   TEXT    NOT NULL,
    device_id TEXT    NOT NULL,
    cursor    INTEGER NOT NULL,
    head      INTEGER NOT NULL,
    place     INTEGER NOT NULL,
    PRIMARY KEY (user_id, device_id, cursor)
) STRICT, WITHOUT ROWID;

-- Gaps in the change sequence of a user: between the head before a write, and the first position of that write. No page ever
-- ended in a gap, so a cursor there comes from writes that a restore from a backup has undone.
CREATE TABLE head_gaps (
    user_id  TEXT    NOT NULL,
    from_seq INTEGER NOT NULL,
    to_seq   INTEGER NOT NULL,
    PRIMARY KEY (user_id, from_seq)
) STRICT, WITHOUT ROWID;

-- For the purge.
CREATE INDEX head_gaps_by_time ON head_gaps (to_seq);

-- Newest resolution of a purged conflict. No delta starts before it, because the device may still show the conflict as open.
ALTER TABLE sync_heads ADD COLUMN conflicts_purged_through INTEGER NOT NULL DEFAULT 0;

-- Version below which no item is written.
ALTER TABLE sync_heads ADD COLUMN version_floor INTEGER NOT NULL DEFAULT 0;

-- Conflicts are part of the change sequence, those that are resolved too.
CREATE INDEX conflicts_by_seq ON conflicts (user_id, seq, resolved_at, item_type, bytes);
DROP INDEX conflicts_open;
