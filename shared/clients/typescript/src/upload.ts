/** Uploads: which changes are sent, and what their results change. */
import { apply } from "./edits.ts";
import { currentItem, take } from "./received.ts";
import {
  type ItemRecord, type LocalChange, type Meta, type Rejection, type Writes, META, itemIn, itemKey, rejectedKey, toJson,
  unsentKey, writeItem,
} from "./records.ts";
import type { Records } from "./store.ts";
import type { Change, Current, UploadResponse } from "./types.ts";

/** Most changes of an upload. The service accepts 5,000; smaller ones are repeated sooner. */
export const MAX_CHANGES = 1_000;

/** Most bytes of JSON of an upload. The service accepts 10 MiB, and API Gateway 6 MB after compression and Base64. */
const MAX_BYTES = 4_000_000;

/** Changes of an upload. */
export interface Batch {
  readonly changes: readonly Change[];
  /** Key of the item of each change, by change id. */
  readonly keys: ReadonlyMap<string, string>;
}

/**
 * Returns the changes of the next upload, oldest first, and marks them as sent: of each item the oldest one, because its result decides
 * on which version the next one is based; none of an item whose oldest is in `skipped`.
 */
export function nextBatch(writes: Writes, records: Records, keys: readonly string[], skipped: { has(id: string): boolean }, limit: number): Batch {
  const changes: Change[] = [];
  const [keyOf, encoder] = [new Map<string, string>(), new TextEncoder()];
  let bytes = 0;
  for (const key of keys) {
    const item = itemIn(records, key);
    const change = item?.changes.find((change) => !change.rejected);
    if (!item || !change || skipped.has(change.id)) {
      continue;
    }
    const sent = wireChange(item, change);
    bytes += encoder.encode(JSON.stringify(sent)).length;
    if (changes.length === limit || (changes.length > 0 && bytes > MAX_BYTES)) {
      break;
    }
    changes.push(sent);
    keyOf.set(change.id, key);
    if (!change.sent) {
      writeItem(writes, { ...item, changes: item.changes.map((other) => (other === change ? { ...change, sent: true } : other)) });
    }
  }
  return { changes, keys: keyOf };
}

function wireChange(item: ItemRecord, change: LocalChange): Change {
  const { id, action, data, updated_at, base } = change;
  // The server validates the fields; see `toItem`.
  return { id, item_type: item.type, item_id: item.id, action, updated_at, sync_version: base, ...(data && { data: data as never }) };
}

/** Result of a change. */
interface Outcome {
  readonly sync_version: number;
  readonly current?: Current;
}

/** Returns whether a response has the lists that are read. That of something else than the service may lack them. */
export function isUploadResponse({ applied, conflicts, rejected }: Partial<UploadResponse>): boolean {
  return [applied, conflicts, rejected].every(Array.isArray);
}

/** Effect of the results of an upload. */
export interface ResultsEffect {
  /** Number of changes that are accepted or rejected. */
  readonly settled: number;
  /** Ids of changes that need a download before they are sent again. */
  readonly resync: readonly string[];
}

/** Writes the results of an upload. */
export function applyResults(writes: Writes, meta: Meta, records: Records, batch: Batch, response: UploadResponse): ResultsEffect {
  let next = meta;
  const settled = new Set<string>();
  const update = (id: string, decide: (item: ItemRecord, change: LocalChange | undefined) => ItemRecord): void => {
    const key = batch.keys.get(id);
    if (key === undefined) {
      return;
    }
    settled.add(id);
    const item = itemIn(records, key);
    if (item) {
      writeItem(writes, decide(item, item.changes.find((change) => change.id === id)));
    }
  };
  for (const entry of [...response.applied, ...response.conflicts]) {
    if (!("refused" in entry)) {
      update(entry.change_id, (item, change) => {
        let settled: ItemRecord;
        [next, settled] = settle(writes, next, item, change, entry);
        return settled;
      });
    }
  }
  const resync: string[] = [];
  for (const { change: { index, ...named }, code, reason, details } of response.rejected) {
    // What is wrong with the change may be its id.
    const id = named.id ?? batch.changes[index]?.id ?? undefined;
    if (id !== undefined && batch.keys.has(id) && code === "RESYNC_REQUIRED") {
      resync.push(id);
    } else if (id !== undefined) {
      update(id, (item, change) => (change ? reject(writes, item, change, { code, reason, details }) : item));
    }
  }
  writes.set(META, toJson(next));
  return { settled: settled.size, resync };
}

/** Removes a change that the server has accepted, and takes the version that it has made. */
function settle(
  writes: Writes, meta: Meta, item: ItemRecord, change: LocalChange | undefined, outcome: Outcome,
): [Meta, ItemRecord] {
  const isAsSent = outcome.current === undefined;
  const server = outcome.current ? currentItem(outcome.current) : change && {
    sync_version: outcome.sync_version, ...dataAfter(item, change),
  };
  const [next, taken] = server && server.sync_version > 0 ? take(meta, item, server) : [meta, item];
  if (!change) {
    return [next, taken];
  }
  writes.set(unsentKey(change.seq), undefined).set(rejectedKey(change.seq), undefined);
  const remaining = item.changes.filter((other) => other !== change).map((other) => {
    // An edit on top of this one is based on its version, unless the server has made something else of it.
    const isFollower = other.seq > change.seq && isAsSent && other.base === change.base;
    const isOlder = other.rejected && other.seq < change.seq;
    return { ...other, ...(isFollower && { base: outcome.sync_version }), ...(isOlder && { superseded: true }) };
  });
  return [next, { ...taken, changes: remaining }];
}

function dataAfter(item: ItemRecord, change: LocalChange): Pick<NonNullable<ItemRecord["server"]>, "data"> {
  const data = apply(item, item.server?.data, change);
  return data ? { data } : {};
}

/** Marks a change as rejected. It stays until the user edits the item again, or discards the change. */
export function reject(writes: Writes, item: ItemRecord, change: LocalChange, { code, reason, details }: Rejection): ItemRecord {
  writes.set(unsentKey(change.seq), undefined);
  writes.set(rejectedKey(change.seq), itemKey(item.type, item.id));
  // The application knows the fields of the item, not its place in an upload.
  const ofItem = (text: string): string => text.replace(/^changes\[\d+\]\.(data\.)?/, "");
  const rejected = { code, reason: ofItem(reason), details: details.map((detail) => ({ ...detail, field: ofItem(detail.field) })) };
  return { ...item, changes: item.changes.map((other) => (other === change ? { ...change, rejected } : other)) };
}
