/**
 * Synchronisation of WatermelonDB databases.
 *
 * A synchronised table has the column `{ name: "sync_version", type: "number" }`: the version of the item that the row is based on, which
 * the application leaves alone. `fromRow` has to return all fields of the item type, because the service removes those that an edit
 * leaves out; other fields stay on the service untouched.
 *
 * A row that another device has edited, too, goes to `conflictResolver`, or is resolved column by column. An edit wins over a deletion:
 * a row that was deleted here and edited elsewhere comes back, and one that was edited here and deleted elsewhere is uploaded again;
 * then `conflictResolver` gets a remote row with `_deleted`. A row that the service rejects, for example because it contains a password,
 * stays unsent and is reported. It is sent again when it has changed, or if the account had reached its quota.
 */
import type { Database, Model } from "@nozbe/watermelondb";
import * as Q from "@nozbe/watermelondb/QueryDescription/index.js";
import {
  type SyncArgs, type SyncDatabaseChangeSet, type SyncPullResult, type SyncTableChangeSet, synchronize,
} from "@nozbe/watermelondb/sync/index.js";
import { sameContent } from "../fields.ts";
import {
  type Change, type Edit, type Endpoint, type Fields, type ItemType, type Rejection, type RemoteClient, type ServerItem, changeOf,
  download, statesIn, upload,
} from "./remote.ts";

export type { Change, Rejection, RemoteClient } from "./remote.ts";
export { ServiceError } from "./remote.ts";

/** Columns of a row, by name. */
export type Row = Readonly<Record<string, unknown>>;

/** Table that is synchronised with the items of a type. */
export interface SyncedTable {
  /** Type of the items. */
  readonly type: ItemType;
  /** Returns the columns of an item, apart from `id` and `sync_version`. */
  readonly toRow: (item: Fields) => Row;
  /** Returns the fields of a row. `updated_at`, if it is among them, is the time of the last edit. */
  readonly fromRow: (row: Row) => Fields;
}

type Settings = "database" | "log" | "conflictResolver" | "migrationsEnabledAtVersion" | "onWillApplyRemoteChanges" | "onDidPullChanges";

/** Settings of a synchronisation. */
export interface SynchronizeOptions extends Pick<SyncArgs, Settings> {
  /** Client whose session is used. */
  readonly client: RemoteClient;
  /** Id of the account. The database is not synchronised with another one that has logged in meanwhile. */
  readonly account?: string;
  /** Synchronised tables, by name. Others keep their changes. */
  readonly tables: Readonly<Record<string, SyncedTable>>;
  /** Most items of a page; 1,000 by default. */
  readonly pageSize?: number;
  /** Ends waiting for the service. */
  readonly signal?: AbortSignal;
  /** Called for each row that the service rejects. */
  readonly onRejected?: (change: Change, rejection: Rejection) => void;
}

/** Number of times that rows which other devices edit at the same moment are uploaded. The next call continues. */
const ROUNDS = 3;

/** States of items on the service, by table and id. */
type States = Map<string, Map<string, ServerItem>>;

interface Context {
  readonly database: Database;
  readonly tables: Readonly<Record<string, SyncedTable>>;
  readonly endpoint: Endpoint;
  readonly pageSize: number;
  readonly onRejected: SynchronizeOptions["onRejected"];
  /** Rows that were refused for these states. */
  refused: States;
  /** Versions that uploads have made. */
  uploaded: States;
}

/** Rejected changes that are not sent again, as JSON, by table and id. */
const rejectedChanges = new WeakMap<Database, Map<string, string>>();

/** Synchronises tables of a database. Calls must not overlap. Throws a `ServiceError` if a request fails. */
export async function synchronizeWith(options: SynchronizeOptions): Promise<void> {
  const { client, account, signal, tables, pageSize = 1_000, onRejected, conflictResolver, ...settings } = options;
  const { database } = settings;
  const endpoint = { client, account, signal };
  const context: Context = { database, tables, endpoint, pageSize, onRejected, refused: new Map(), uploaded: new Map() };
  for (let round = 1; round === 1 || (context.refused.size > 0 && round <= ROUNDS); round += 1) {
    await synchronize({
      ...settings,
      sendCreatedAsUpdated: true,
      conflictResolver: (table, local, remote, resolved) => {
        // An unsent edit of the version that was downloaded is no conflict.
        const decided = versionOf(local) === versionOf(remote) ? resolved : conflictResolver?.(table, local, remote, resolved) ?? resolved;
        return { ...decided, sync_version: versionOf(remote) };
      },
      // The cursor does not cover tables and columns that a migration has added.
      pullChanges: ({ lastPulledAt, migration }) => pull(context, migration ? undefined : sinceOf(lastPulledAt)),
      pushChanges: async ({ changes }) => ({ experimentalRejectedIds: await push(context, changes) }),
    });
    await storeVersions(context);
  }
}

/** Returns the cursor that WatermelonDB keeps in milliseconds. It does not keep 0, the cursor of an empty account, so that is 1 there. */
const sinceOf = (time: number | null | undefined): string | undefined => (time ? new Date(time === 1 ? 0 : time).toISOString() : undefined);

async function pull(context: Context, cursor: string | undefined): Promise<SyncPullResult> {
  const { database, tables, endpoint, pageSize, refused } = context;
  const synced = Object.entries(tables);
  const states: States = new Map(synced.map(([name]) => [name, new Map(refused.get(name))]));
  let [since, isFull, hasMore] = [cursor, false, true];
  while (hasMore) {
    const page = await download(endpoint, [...new Set(synced.map(([, { type }]) => type))], since, pageSize);
    if (page.reset) {
      isFull = true;
      states.forEach((ofTable) => ofTable.clear());
    }
    for (const [name, { type }] of synced) {
      statesIn(page, type).forEach(([id, state]) => states.get(name)?.set(id, state));
    }
    since = page.sync_timestamp;
    hasMore = page.has_more;
  }
  const changes: Record<string, SyncTableChangeSet> = {};
  for (const [name, table] of synced) {
    const ofTable = states.get(name) ?? new Map<string, ServerItem>();
    for (const id of isFull ? await database.get(name).query().fetchIds() : []) {
      ofTable.has(id) || ofTable.set(id, { sync_version: 0 });
    }
    changes[name] = { created: [], updated: await database.write(() => prepare(context, name, table, ofTable)), deleted: [] };
  }
  context.refused = new Map();
  return { changes, timestamp: Math.max(1, Date.parse(since ?? "")) };
}

/**
 * Returns the rows for the states of items, and carries out their deletions. This happens in a writer, so that no edit comes in between:
 * WatermelonDB would delete rows with their unsent edits. Without such edits a row is deleted; with them, it is based on the deletion.
 */
async function prepare(
  { database }: Context, name: string, { toRow, fromRow }: SyncedTable, states: ReadonlyMap<string, ServerItem>,
): Promise<Row[]> {
  const updated: Row[] = [];
  const removed: string[] = [];
  for (const [id, { sync_version, data }] of states) {
    data ? updated.push({ ...toRow(data), id, sync_version }) : removed.push(id);
  }
  const rows = removed.length > 0 ? await database.get(name).query(Q.where("id", Q.oneOf(removed))).fetch() : [];
  await database.batch(rows.filter(({ syncStatus }) => syncStatus === "synced").map((row) => row.prepareDestroyPermanently()));
  for (const { syncStatus, id, _raw } of rows) {
    if (syncStatus !== "deleted") {
      const { _status, _changed, ...columns } = _raw;
      updated.push({ ...columns, sync_version: states.get(id)?.sync_version ?? 0, _deleted: true });
    }
  }
  const revived = (await deletedRows(database, name, states.keys())).filter((row) => {
    const { sync_version = 0, data } = states.get(row.id) ?? {};
    return data && sync_version !== versionOf(row) && !sameContent(fromRow(row), data);
  });
  if (revived.length > 0) {
    await database.adapter.destroyDeletedRecords(name, revived.map(({ id }) => id));
  }
  return updated;
}

const versionOf = (row: Row): number => Number(row["sync_version"]) || 0;

/** Returns the rows among `ids` that were deleted on this device and whose deletions are not sent. */
async function deletedRows(database: Database, name: string, ids: Iterable<string>): Promise<Array<Model["_raw"]>> {
  const all = new Set(await database.adapter.getDeletedRecords(name));
  const wanted = [...ids].filter((id) => all.has(id));
  if (wanted.length === 0) {
    return [];
  }
  const collection = database.get(name);
  const query = collection.query(Q.where("id", Q.oneOf(wanted)));
  // The other description of a query leaves out deleted rows.
  query.description = query._rawDescription;
  const rows: Array<Record<string, unknown>> = await query.unsafeFetchRaw();
  return rows.map((row) => collection.disposableFromDirtyRaw(row)._raw);
}

async function push(context: Context, changes: SyncDatabaseChangeSet): Promise<Record<string, string[]>> {
  const { database, tables, endpoint, onRejected } = context;
  const rejected = rejectedChanges.get(database) ?? new Map<string, string>();
  rejectedChanges.set(database, rejected);
  const kept: Record<string, string[]> = {};
  const edits: Array<Edit & { readonly table: string; readonly key: string; readonly json: string }> = [];
  for (const [table, { created, updated, deleted }] of Object.entries<SyncTableChangeSet>(changes)) {
    const synced = tables[table];
    kept[table] = synced ? [] : [...[...created, ...updated].map(({ id }) => String(id)), ...deleted];
    for (const edit of synced ? [
      ...[...created, ...updated].map((row) => editOf(synced, row)),
      ...(await deletedRows(database, table, deleted)).map((row) => deletionOf(synced, row)),
    ] : []) {
      const { updated_at: _, ...content } = edit.change;
      const [key, json] = [`${table} ${edit.change.item_id}`, JSON.stringify(content)];
      rejected.get(key) === json ? kept[table]?.push(edit.change.item_id) : edits.push({ ...edit, table, key, json });
    }
  }
  const outcomes = await upload(endpoint, edits);
  for (const [index, { table, key, json, change }] of edits.entries()) {
    const outcome = outcomes[index];
    const add = (states: States, state: ServerItem) => states.set(table, new Map(states.get(table)).set(change.item_id, state));
    if (!outcome || "version" in outcome) {
      outcome && add(context.uploaded, { sync_version: outcome.version });
      continue;
    }
    kept[table]?.push(change.item_id);
    if ("current" in outcome) {
      add(context.refused, outcome.current);
    } else {
      outcome.rejection.code === "QUOTA_EXCEEDED" || rejected.set(key, json);
      onRejected?.(change, outcome.rejection);
    }
  }
  return kept;
}

/** Returns the edit of a row. One that is based on no version does not conflict with a deletion. */
const editOf = ({ type, fromRow }: SyncedTable, row: Row): Edit => ({
  change: changeOf(type, String(row["id"]), versionOf(row), fromRow(row)),
  isBasedOn: ({ data }) => versionOf(row) === 0 && !data,
});

/** Returns the deletion of a row: of what it was, whatever version number that has. */
const deletionOf = ({ type, fromRow }: SyncedTable, row: Model["_raw"]): Edit => ({
  change: changeOf(type, row.id, versionOf(row), undefined),
  isBasedOn: ({ data }) => data !== undefined && sameContent(fromRow(row), data),
});

/** Stores the versions that uploads have made, so that later edits are based on them. */
async function storeVersions(context: Context): Promise<void> {
  const { database, uploaded } = context;
  if (uploaded.size === 0) {
    return;
  }
  context.uploaded = new Map();
  await database.write(async () => {
    for (const [name, states] of uploaded) {
      const rows = await database.get(name).query(Q.where("id", Q.oneOf([...states.keys()]))).fetch();
      const outdated = rows.filter(({ id, _raw }) => versionOf(_raw) !== states.get(id)?.sync_version);
      await database.batch(outdated.map((row) => {
        const columns = { ...row._raw, sync_version: states.get(row.id)?.sync_version };
        // Restores what an update changes by itself: the status, and the time of the last edit.
        return row.prepareUpdate(() => void Object.assign(row._raw, columns));
      }));
    }
  });
}
