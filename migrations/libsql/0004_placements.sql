-- Which database this is, and moves of users to other databases.

-- One row, which `migrate` writes: the id of this database, and that of the set of databases that it belongs to. Empty in the file
-- of the local server, which is never moved.
CREATE TABLE placement (
    database_id TEXT NOT NULL,
    set_id      TEXT NOT NULL
) STRICT;

-- State of the user in this database. `moved_to` is the database that holds the data of the user, NULL if it is this one. `moving`
-- is 1 in the source of a move from its start, which closes the head to writes, and in its target until the end. `move_epoch` is
-- the fencing token of the newest move that has reached this database: steps of older moves are refused. `moved_at` is the time
-- of its last step, until nothing is left to remove here.
ALTER TABLE sync_heads ADD COLUMN moved_to   TEXT;
ALTER TABLE sync_heads ADD COLUMN moving     INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sync_heads ADD COLUMN move_epoch INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sync_heads ADD COLUMN moved_at   INTEGER;

-- For the purge.
CREATE INDEX sync_heads_moved ON sync_heads (moved_at, user_id) WHERE moved_at IS NOT NULL;

-- Refuses writes of the release before this one, too, which does not look at the state.
CREATE TRIGGER sync_heads_elsewhere BEFORE UPDATE OF head ON sync_heads WHEN old.moving OR old.moved_to IS NOT NULL BEGIN
    SELECT RAISE(ABORT, 'the user is in another database, or is being moved');
END;
