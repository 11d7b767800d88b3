/**
 * Replication of RxDB collections.
 *
 * The collection's primary key is `id`, and its schema has the number `sync_version`, not required: the version of the item that the
 * document is based on, which the application leaves alone. The schema has to name all fields of the item type, because the service
 * removes those that an edit leaves out; other fields stay on the service untouched. If the application updates `updated_at`, it is
 * the time of the edit.
 *
 * A document that another device has edited, too, goes to the collection's conflict handler. A document that the service rejects, for
 * example because it contains a password, stays as it is on this device and is reported. It is not sent again before its next edit,
 * and a newer version of another device replaces it.
 */
import type { ReplicationOptions, ReplicationPullHandler, ReplicationPushHandler, RxCollection, RxError, WithDeleted } from "rxdb";
import { type RxReplicationState, replicateRxCollection } from "rxdb/plugins/replication";
import { sameContent, unknownFields } from "../fields.ts";
import {
  type Change, type Edit, type Endpoint, type Fields, type ItemType, type Rejection, type RemoteClient, type ServerItem, changeOf,
  download, statesIn, upload,
} from "./remote.ts";

export type { Change, Rejection, RemoteClient } from "./remote.ts";
export { ServiceError } from "./remote.ts";

/** Document of a replicated collection. */
export interface ReplicatedDocument {
  /** Primary key: id of the item. */
  readonly id: string;
  /** Version of the item that the document is based on. */
  readonly sync_version?: number;
}

/** Position in the changes of the account. */
export interface Checkpoint {
  /** `sync_timestamp` of the last page. */
  readonly since: string;
  /** Whether a full download is incomplete. */
  readonly full: boolean;
}

type Settings = "live" | "retryTime" | "waitForLeadership" | "autoStart" | "toggleOnDocumentVisible";

/** Settings of a replication. */
export interface ReplicateOptions<T extends ReplicatedDocument> extends Pick<ReplicationOptions<T, Checkpoint>, Settings> {
  /** Client whose session is used. */
  readonly client: RemoteClient;
  /** Id of the account. The collection is not replicated with another one that has logged in meanwhile. */
  readonly account?: string;
  /** Collection to replicate. */
  readonly collection: RxCollection<T>;
  /** Type of the items. */
  readonly type: ItemType;
  /** Name under which RxDB keeps the state of the replication; `sql-studio-` and the type by default. */
  readonly replicationIdentifier?: string;
  /** Time between downloads of a live replication, in milliseconds; 15 s by default. */
  readonly interval?: number;
  /** Most documents of a download or an upload; 1,000 by default. */
  readonly batchSize?: number;
  /** Called for each document that the service rejects, which is reported by `error$`, too. */
  readonly onRejected?: (change: Change, rejection: Rejection) => void;
}

/** What the pull and the push of a replication share. */
interface Context<T> {
  readonly collection: RxCollection<T>;
  readonly type: ItemType;
  readonly endpoint: Endpoint;
  /** Documents that were uploaded since they were last downloaded, with the versions that the uploads made. */
  readonly uploaded: Map<string, ServerItem>;
  /** Downloaded documents that RxDB has not written yet. */
  readonly incoming: Map<string, WithDeleted<T>>;
  readonly reject: (change: Change, rejection: Rejection) => void;
}

/** Replicates a collection with the items of a type. */
export function replicate<T extends ReplicatedDocument>(options: ReplicateOptions<T>): RxReplicationState<T, Checkpoint> {
  const { client, account, collection, type, interval = 15_000, batchSize = 1_000, onRejected, ...settings } = options;
  if (String(collection.schema.primaryPath) !== "id" || !("sync_version" in collection.schema.jsonSchema.properties)) {
    throw new TypeError("the schema of the collection must have the primary key `id` and the property `sync_version`");
  }
  const stop = new AbortController();
  const reject = (change: Change, rejection: Rejection): void => {
    state.subjects.error.next(rejectionError(change, rejection));
    // An error of the callback must not block the replication.
    queueMicrotask(() => onRejected?.(change, rejection));
  };
  const endpoint = { client, account, signal: stop.signal };
  const context: Context<T> = { collection, type, endpoint, uploaded: new Map(), incoming: new Map(), reject };
  const state: RxReplicationState<T, Checkpoint> = replicateRxCollection<T, Checkpoint>({
    replicationIdentifier: `sql-studio-${type}`,
    ...settings,
    collection,
    pull: { batchSize, handler: pullHandler(context) },
    push: { batchSize, handler: pushHandler(context) },
  });
  state.received$.subscribe(({ id }) => context.incoming.delete(id));
  // Documents with unsent edits are not written.
  state.active$.subscribe((isActive) => isActive || context.incoming.clear());
  if (settings.live !== false) {
    const poll = (): void => {
      if (!state.isStoppedOrPaused() && !state.subjects.active.getValue()) {
        state.reSync();
      }
    };
    const timer = setInterval(poll, interval);
    state.onCancel.push(() => clearInterval(timer));
  }
  state.onCancel.push(() => stop.abort());
  return state;
}

function pullHandler<T extends ReplicatedDocument>(context: Context<T>): ReplicationPullHandler<T, Checkpoint> {
  const { type, endpoint, uploaded } = context;
  /** Ids that a full download has delivered until `since`. */
  let full: { readonly since: string; readonly ids: ReadonlySet<string> } | undefined;
  /** RxDB does not store the checkpoint of a page without documents. */
  let ahead: { readonly from: string | undefined; readonly to: Checkpoint } | undefined;
  return async (stored, batchSize) => {
    const start = ahead && ahead.from === stored?.since ? ahead.to : stored;
    // The delivered ids are lost with the process; then a full download starts over.
    let since = start?.full && start.since !== full?.since ? undefined : start?.since;
    let ids = start?.full && since !== undefined ? new Set(full?.ids) : undefined;
    let documents: WithDeleted<T>[] = [];
    let hasMore = true;
    while (hasMore && documents.length < batchSize) {
      const page = await download(endpoint, [type], since, batchSize);
      if (page.reset) {
        ids = new Set();
        documents = [];
        uploaded.clear();
      }
      const states = statesIn(page, type);
      for (const [id, { sync_version, data }] of states) {
        data && ids?.add(id);
        sync_version >= (uploaded.get(id)?.sync_version ?? 0) && uploaded.delete(id);
      }
      documents.push(...await documentsOf(context, states, documents));
      since = page.sync_timestamp;
      hasMore = page.has_more;
    }
    if (ids && !hasMore) {
      documents.push(...await undelivered(context, ids));
    }
    full = ids && hasMore ? { since: since ?? "", ids } : undefined;
    // RxDB merges checkpoints, so that a field which is left out keeps its value.
    const checkpoint = { since: since ?? "", full: full !== undefined };
    documents.forEach((document) => context.incoming.set(document.id, document));
    ahead = documents.length === 0 ? { from: stored?.since, to: checkpoint } : undefined;
    return { checkpoint, documents };
  };
}

/**
 * Returns the documents of items that follow `before`. A deleted one keeps the fields that it has here, because the schema may require
 * them; one that was never here is left out.
 */
async function documentsOf<T extends ReplicatedDocument>(
  context: Context<T>, states: ReadonlyArray<[string, ServerItem]>, before: readonly WithDeleted<T>[],
): Promise<WithDeleted<T>[]> {
  const deleted = new Set(states.filter(([, { data }]) => !data).map(([id]) => id));
  const stored = await context.collection.storageInstance.findDocumentsById([...deleted], true);
  const here = new Map<string, object>([...stored, ...context.incoming.values(), ...before].map((document) => [document.id, document]));
  return states.flatMap(([id, state]) => {
    const fields = state.data ?? here.get(id);
    return fields ? [documentOf(context, state, fields)] : [];
  });
}

/** Returns the deletions of documents that came from the service and are gone there. RxDB keeps those with unsent edits. */
async function undelivered<T extends ReplicatedDocument>(
  context: Context<T>, ids: ReadonlySet<string>,
): Promise<WithDeleted<T>[]> {
  const stored = (await context.collection.find().exec()).map((document) => document.toMutableJSON());
  const all = [...stored, ...context.incoming.values()];
  const gone = all.filter(({ id, sync_version }) => sync_version && !ids.has(id));
  return gone.map((fields) => documentOf(context, { sync_version: 0 }, fields));
}

/** Returns the document of an item with the fields that the schema knows. */
function documentOf<T>(context: Context<T>, { sync_version, data }: ServerItem, fields: object): WithDeleted<T> {
  const document: unknown = { ...known(context, fields), sync_version, _deleted: !data };
  // The service validates items, and the storage may validate documents.
  return document as WithDeleted<T>;
}

/** Returns the fields of a document or an item that the schema knows, without those of RxDB. */
function known<T>({ collection }: Context<T>, fields: object): Fields {
  const { properties } = collection.schema.jsonSchema;
  return Object.fromEntries(Object.entries(fields).filter(([name]) => name in properties && !name.startsWith("_")));
}

function pushHandler<T extends ReplicatedDocument>(context: Context<T>): ReplicationPushHandler<T> {
  const { endpoint, uploaded, reject } = context;
  /** Edits by document: RxDB repeats a failed push with the same objects, and the service recognises the same change. */
  const made = new WeakMap<object, Edit>();
  return async (rows) => {
    // RxDB also pushes a conflict that was resolved by taking the version of the service.
    const edited = rows.filter((row) => JSON.stringify(row.newDocumentState) !== JSON.stringify(row.assumedMasterState));
    const edits = edited.map(({ newDocumentState: document, assumedMasterState: base }) => {
      const edit = made.get(document) ?? editOf(context, document, base);
      made.set(document, edit);
      return edit;
    });
    const outcomes = await upload(endpoint, edits);
    return edited.flatMap(({ newDocumentState: document }, index) => {
      const [outcome, edit] = [outcomes[index], edits[index]];
      if (!outcome || !edit) {
        return [];
      }
      if ("current" in outcome) {
        return [documentOf(context, outcome.current, outcome.current.data ?? document)];
      }
      if ("rejection" in outcome) {
        reject(edit.change, outcome.rejection);
      } else {
        const data = contentOf(context, document);
        uploaded.set(document.id, { sync_version: outcome.version, ...(data && { data }) });
      }
      return [];
    });
  };
}

function editOf<T extends ReplicatedDocument>(
  context: Context<T>, document: WithDeleted<T>, base: WithDeleted<T> | undefined,
): Edit {
  const { type, uploaded } = context;
  const [before, after] = [contentOf(context, base), contentOf(context, document)];
  const mine = uploaded.get(document.id);
  const version = Math.max(base?.sync_version ?? 0, mine && sameContent(mine.data, before) ? mine.sync_version : 0);
  const removed = Object.keys(unknownFields(type, before ?? {})).filter((name) => after && !(name in after));
  // A time that the edit has left alone is not its time.
  const { updated_at, ...fields } = after ?? {};
  const isTimed = updated_at !== undefined && updated_at !== before?.["updated_at"];
  const data = { ...fields, ...Object.fromEntries(removed.map((name) => [name, null])), ...(isTimed && { updated_at }) };
  return {
    change: changeOf(type, document.id, version, after && data),
    isBasedOn: (state) => sameContent(before, state.data && known(context, state.data)),
  };
}

/** Returns the content of a document; `undefined` if it is deleted. */
function contentOf<T>(context: Context<T>, document: WithDeleted<T> | undefined): Fields | undefined {
  return document && !document._deleted ? known(context, document) : undefined;
}

/** Returns a rejection as `error$` emits it. */
function rejectionError(change: Change, { code, reason }: Rejection): RxError {
  const parameters: RxError["parameters"] = { direction: "push", args: { change, code } };
  return Object.assign(new Error(reason), { code: "RC_PUSH", parameters, rxdb: true, url: "", typeError: false } as const);
}
