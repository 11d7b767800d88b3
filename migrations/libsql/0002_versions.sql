-- Replaced versions, fields that the server does not know, and the size and digest of each account. The release before this
-- one runs on these tables, too: every column that it does not know has a default.

-- JSON object of the fields that the server does not know; NULL if there are none.
ALTER TABLE connections   ADD COLUMN extra TEXT;
ALTER TABLE saved_queries ADD COLUMN extra TEXT;
ALTER TABLE query_history ADD COLUMN extra TEXT;

-- Receipts of the last changes that wrote the item: a JSON array of [change, device, version, merged]. Older ones are rows of
-- `receipts`. So most changes need no receipt of their own, whose place in the table would be another page to write.
ALTER TABLE connections   ADD COLUMN recent TEXT;
ALTER TABLE saved_queries ADD COLUMN recent TEXT;

-- Whether the version was merged from the change and another device's edit.
ALTER TABLE receipts ADD COLUMN merged INTEGER NOT NULL DEFAULT 0;

-- `bytes` is the sum of the sizes of all rows of the user, `history_bytes` the part of the query history. The digest summarises
-- the live items: their number, and the sum of their hashes modulo 2^64. It is valid only while `digest_head` is `head`: a write
-- of the release before this one moves `head` alone.
ALTER TABLE sync_heads ADD COLUMN bytes               INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sync_heads ADD COLUMN history_bytes       INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sync_heads ADD COLUMN connections_count   INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sync_heads ADD COLUMN connections_hash    INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sync_heads ADD COLUMN saved_queries_count INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sync_heads ADD COLUMN saved_queries_hash  INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sync_heads ADD COLUMN history_count       INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sync_heads ADD COLUMN digest_head         INTEGER NOT NULL DEFAULT -1;

CREATE INDEX sync_heads_without_digest ON sync_heads (user_id) WHERE digest_head <> head AND closed_at IS NULL;

-- Replaced versions of connections and saved queries. `replaced_at` is the `seq` of the version that replaced this one, so that
-- the versions of an item form a chain, from its row backwards. The rows of a user are appended, in the order of time; an index
-- by item would have to be written in another place for each row. `data` is the content in the format of clients without the
-- unknown fields, and NULL for a deletion. It comes last, because a walk along the chain reads the columns before it.
CREATE TABLE item_versions (
    user_id      TEXT    NOT NULL,
    replaced_at  INTEGER NOT NULL,
    item_type    TEXT    NOT NULL,
    item_id      TEXT    NOT NULL,
    sync_version INTEGER NOT NULL,
    seq          INTEGER NOT NULL,
    bytes        INTEGER NOT NULL,
    created_at   INTEGER NOT NULL,
    updated_at   INTEGER NOT NULL,
    device_id    TEXT    NOT NULL,
    extra        TEXT,
    data         TEXT,
    PRIMARY KEY (user_id, replaced_at)
) STRICT, WITHOUT ROWID;

-- For the purge.
CREATE INDEX item_versions_by_time ON item_versions (replaced_at);

-- Conflicts that a renewal left behind, of which an item keeps the newest.
CREATE INDEX conflicts_left_behind ON conflicts (user_id, item_type, item_id, seq, bytes)
    WHERE resolution = 'last_write_wins' AND winner IS NULL;

-- Triggers keep the replaced versions, whatever statement of whatever release replaces them.
CREATE TRIGGER connections_replaced AFTER UPDATE ON connections WHEN new.seq <> old.seq BEGIN
    INSERT INTO item_versions (user_id, replaced_at, item_type, item_id, sync_version, seq, bytes, created_at, updated_at,
        device_id, extra, data)
    VALUES (old.user_id, new.seq, 'connection', old.id, old.sync_version, old.seq, old.bytes, old.created_at, old.updated_at,
        old.device_id, old.extra, iif(old.deleted_at IS NULL, json_object('name', old.name, 'type', old.type, 'host', old.host, 'port', old.port,
            'database', old.database_name, 'username', old.username,
            'use_ssh', json(iif(old.use_ssh, 'true', 'false')), 'ssh_host', old.ssh_host, 'ssh_port', old.ssh_port,
            'ssh_user', old.ssh_user, 'color', old.color, 'icon', old.icon, 'metadata', json(old.metadata)), NULL));
END;

CREATE TRIGGER saved_queries_replaced AFTER UPDATE ON saved_queries WHEN new.seq <> old.seq BEGIN
    INSERT INTO item_versions (user_id, replaced_at, item_type, item_id, sync_version, seq, bytes, created_at, updated_at,
        device_id, extra, data)
    VALUES (old.user_id, new.seq, 'saved_query', old.id, old.sync_version, old.seq, old.bytes, old.created_at, old.updated_at,
        old.device_id, old.extra, iif(old.deleted_at IS NULL, json_object('name', old.name, 'description', old.description, 'query', old.query,
            'connection_id', old.connection_id, 'tags', json(old.tags),
            'favorite', json(iif(old.favorite, 'true', 'false')), 'metadata', json(old.metadata)), NULL));
END;
