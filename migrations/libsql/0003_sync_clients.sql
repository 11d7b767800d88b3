-- Downloads that any client may follow: conflicts in the change sequence, several full syncs of one device, and cursors from
-- before a restore. The release before this one runs on these tables, too. It uses `walks`, which the release after this one
-- removes.

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

-- Cursors of full syncs carry the purge generation, and are valid while it is the current one. It changes when a purge moves a
-- horizon beyond the head at which it changed last: then what was purged was written after a full sync may have started. That
-- takes as long as tombstones and resolved conflicts are kept. A trigger sees the purges of the release before this one, too.
ALTER TABLE sync_heads ADD COLUMN purge_generation INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sync_heads ADD COLUMN generation_head  INTEGER NOT NULL DEFAULT 0;

CREATE TRIGGER sync_heads_purged AFTER UPDATE OF purged_through, conflicts_purged_through ON sync_heads
WHEN max(new.purged_through, new.conflicts_purged_through) > new.generation_head BEGIN
    UPDATE sync_heads SET purge_generation = new.purge_generation + 1, generation_head = new.head WHERE user_id = new.user_id;
END;

-- Version below which no item is written.
ALTER TABLE sync_heads ADD COLUMN version_floor INTEGER NOT NULL DEFAULT 0;

-- Conflicts are part of the change sequence, those that are resolved too.
CREATE INDEX conflicts_by_seq ON conflicts (user_id, seq, resolved_at, item_type, bytes);
DROP INDEX conflicts_open;
