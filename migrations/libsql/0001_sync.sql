-- Sync data: the items of each user, their conflicts, and the state that synchronisation needs.
--
-- Times are in microseconds since 1970. `seq` is the position of a row in the sequence of its user's changes: the server
-- time of the write. `bytes` is the maximum size of the row in a download, by which pages are divided. A row with
-- `deleted_at` is a tombstone.

CREATE TABLE connections (
    user_id       TEXT    NOT NULL,
    id            TEXT    NOT NULL,
    name          TEXT    NOT NULL,
    type          TEXT    NOT NULL,
    host          TEXT,
    port          INTEGER,
    database_name TEXT    NOT NULL,
    username      TEXT,
    use_ssh       INTEGER NOT NULL,
    ssh_host      TEXT,
    ssh_port      INTEGER,
    ssh_user      TEXT,
    color         TEXT,
    icon          TEXT,
    metadata      TEXT    NOT NULL,
    created_at    INTEGER NOT NULL,
    updated_at    INTEGER NOT NULL,
    sync_version  INTEGER NOT NULL,
    deleted_at    INTEGER,
    seq           INTEGER NOT NULL,
    device_id     TEXT    NOT NULL,
    bytes         INTEGER NOT NULL,
    PRIMARY KEY (user_id, id)
) STRICT;

CREATE TABLE saved_queries (
    user_id       TEXT    NOT NULL,
    id            TEXT    NOT NULL,
    name          TEXT    NOT NULL,
    description   TEXT,
    query         TEXT    NOT NULL,
    connection_id TEXT,
    tags          TEXT    NOT NULL,
    favorite      INTEGER NOT NULL,
    metadata      TEXT    NOT NULL,
    created_at    INTEGER NOT NULL,
    updated_at    INTEGER NOT NULL,
    sync_version  INTEGER NOT NULL,
    deleted_at    INTEGER,
    seq           INTEGER NOT NULL,
    device_id     TEXT    NOT NULL,
    bytes         INTEGER NOT NULL,
    PRIMARY KEY (user_id, id)
) STRICT;

CREATE TABLE query_history (
    user_id       TEXT    NOT NULL,
    id            TEXT    NOT NULL,
    query         TEXT    NOT NULL,
    connection_id TEXT    NOT NULL,
    executed_at   INTEGER NOT NULL,
    duration_ms   INTEGER NOT NULL,
    rows_affected INTEGER NOT NULL,
    success       INTEGER NOT NULL,
    error         TEXT,
    metadata      TEXT    NOT NULL,
    sync_version  INTEGER NOT NULL,
    deleted_at    INTEGER,
    seq           INTEGER NOT NULL,
    device_id     TEXT    NOT NULL,
    bytes         INTEGER NOT NULL,
    PRIMARY KEY (user_id, id)
) STRICT;

-- The end of a page is found in these alone, without reading the rows.
CREATE INDEX connections_by_seq   ON connections   (user_id, seq, deleted_at, bytes);
CREATE INDEX saved_queries_by_seq ON saved_queries (user_id, seq, deleted_at, bytes);
CREATE INDEX query_history_by_seq ON query_history (user_id, seq, deleted_at, bytes);

-- For the purge.
CREATE INDEX connections_deleted   ON connections   (deleted_at) WHERE deleted_at IS NOT NULL;
CREATE INDEX saved_queries_deleted ON saved_queries (deleted_at) WHERE deleted_at IS NOT NULL;
CREATE INDEX query_history_deleted ON query_history (deleted_at) WHERE deleted_at IS NOT NULL;

-- `item_version` is the version of the item after the conflict. `device_id` and `base_version` identify the branch.
CREATE TABLE conflicts (
    user_id        TEXT    NOT NULL,
    id             TEXT    NOT NULL,
    item_type      TEXT    NOT NULL,
    item_id        TEXT    NOT NULL,
    local_version  TEXT    NOT NULL,
    remote_version TEXT    NOT NULL,
    item_version   INTEGER NOT NULL,
    detected_at    INTEGER NOT NULL,
    resolved_at    INTEGER,
    resolution     TEXT,
    winner         TEXT,
    copy_id        TEXT,
    seq            INTEGER NOT NULL,
    bytes          INTEGER NOT NULL,
    device_id      TEXT    GENERATED ALWAYS AS (local_version ->> '$.device_id') VIRTUAL,
    base_version   INTEGER GENERATED ALWAYS AS (local_version ->> '$.sync_version') VIRTUAL,
    PRIMARY KEY (user_id, id)
) STRICT;

CREATE INDEX conflicts_open      ON conflicts (user_id, seq, bytes) WHERE resolved_at IS NULL;
CREATE INDEX conflicts_by_time   ON conflicts (user_id, detected_at, bytes);
CREATE INDEX conflicts_by_branch ON conflicts (user_id, item_type, item_id, device_id, base_version);
CREATE INDEX conflicts_resolved  ON conflicts (resolved_at) WHERE resolved_at IS NOT NULL;

-- One row per user. `head` is the newest `seq` of the user. It is also the lock of optimistic concurrency: an upload
-- replaces the value that it was planned for; if another value is there, it sets NULL, which violates the constraint and
-- aborts the transaction. `purged_through` is the newest `seq` of the purged tombstones, before which no delta download
-- starts; `purged_version` is the highest version of any of them, above which the versions of new items start.
-- `closed_at` is set when the account is deleted.
CREATE TABLE sync_heads (
    user_id        TEXT    NOT NULL PRIMARY KEY,
    head           INTEGER NOT NULL,
    purged_through INTEGER NOT NULL DEFAULT 0,
    purged_version INTEGER NOT NULL DEFAULT 0,
    closed_at      INTEGER
) STRICT;

CREATE INDEX sync_heads_closed ON sync_heads (closed_at) WHERE closed_at IS NOT NULL;

-- The result of each change, so that a repeated change gets the same response. Kept as long as the account. `device_id` is
-- '' for the resolution of a conflict.
CREATE TABLE receipts (
    user_id      TEXT    NOT NULL,
    device_id    TEXT    NOT NULL,
    change_id    TEXT    NOT NULL,
    item_type    TEXT    NOT NULL,
    item_id      TEXT    NOT NULL,
    sync_version INTEGER NOT NULL,
    conflict_id  TEXT,
    seq          INTEGER NOT NULL,
    PRIMARY KEY (user_id, device_id, change_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE sync_metadata (
    user_id         TEXT    NOT NULL,
    device_id       TEXT    NOT NULL,
    last_sync_at    INTEGER NOT NULL,
    total_synced    INTEGER NOT NULL,
    conflicts_count INTEGER NOT NULL,
    version         TEXT    NOT NULL,
    PRIMARY KEY (user_id, device_id)
) STRICT;

-- Devices that started a full download before the last purge, and the position from which they may continue.
CREATE TABLE walks (
    user_id   TEXT    NOT NULL,
    device_id TEXT    NOT NULL,
    head      INTEGER NOT NULL,
    cursor    INTEGER NOT NULL,
    previous  INTEGER NOT NULL,
    PRIMARY KEY (user_id, device_id)
) STRICT;
