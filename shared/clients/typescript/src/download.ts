/** Downloads: what a page changes. */
import { agrees, hashItem, LISTS } from "./digest.ts";
import { equal } from "./fields.ts";
import { counted, received, serverItem, startFullSync, uncounted } from "./received.ts";
import {
  type ItemRecord, type Meta, type Writes, CONFLICTS, ITEMS, ITEM_TYPES, META, NO_ITEMS, conflictKey, conflictOf, isEmpty, itemIn, itemKey,
  itemOf, metaIn, newItem, toJson, without, withoutServer, writeItem,
} from "./records.ts";
import type { Decision, Json, Reads, Records } from "./store.ts";
import type { DownloadPage, ItemType } from "./types.ts";

/** Item of a page, with its hash for the digest. */
interface Delivered {
  readonly type: ItemType;
  readonly item: { readonly id: string; readonly sync_version: number };
  readonly hash: string;
}

/** Page that is ready to be applied: hashing is asynchronous, and a transaction is not. */
export interface PreparedPage {
  readonly page: DownloadPage;
  readonly delivered: readonly Delivered[];
}

/** Effect of a page. */
export type PageEffect = "applied" | "stale" | "digest differs";

/** Returns whether a response has the parts that are read. That of something else than the service may lack them. */
export function isDownloadPage(page: Partial<DownloadPage>): boolean {
  const lists = [page.connections, page.saved_queries, page.query_history, page.deleted, page.conflicts];
  return lists.every(Array.isArray) && typeof page.sync_timestamp === "string" && typeof page.has_more === "boolean";
}

/** Computes the hashes of the items of a page. */
export async function prepare(page: DownloadPage): Promise<PreparedPage> {
  const items = ITEM_TYPES.flatMap((type) => page[LISTS[type]].map((item) => ({ type, item })));
  const delivered = items.map(async ({ type, item }): Promise<Delivered> => {
    return { type, item, hash: await hashItem(type, item.id, item.sync_version, item.updated_at) };
  });
  return { page, delivered: await Promise.all(delivered) };
}

/**
 * Returns what `applyPage` reads: with the last page of a full sync everything, because the items that it lacks are removed, and if
 * the digest is computed anew.
 */
export function readsOf({ page, delivered }: PreparedPage, meta: Meta, recounts: boolean): Reads {
  if (!page.has_more && (meta.full || page.reset || recounts)) {
    return { keys: [META], prefixes: [ITEMS, CONFLICTS] };
  }
  const items = delivered.map(({ type, item }) => itemKey(type, item.id));
  const deleted = page.deleted.map(({ item_type, item_id }) => itemKey(item_type, item_id));
  return { keys: [META, ...items, ...deleted, ...page.conflicts.map(({ id }) => conflictKey(id))] };
}

/** Parts of the state of a device that a page was requested for. */
const FOUNDATION = ["cursor", "device_id", "types", "taken"] as const;

/** How a page is applied. */
export interface PageOptions {
  /** State of this device when the page was requested. */
  readonly asked: Meta;
  /** Whether the digest is computed anew with the last page, from all records. */
  readonly recounts: boolean;
  /** Whether a digest that differs removes the cursor, so that the next download is a full one. */
  readonly heals: boolean;
}

/**
 * Applies a page together with its cursor. If another tab has applied a page or the result of a write since this one was requested, or has
 * changed what is synced, it is `stale`.
 */
export function applyPage(prepared: PreparedPage, { asked, recounts, heals }: PageOptions, records: Records): Decision<PageEffect> {
  const { page } = prepared;
  const before = metaIn(records);
  if (FOUNDATION.some((field) => String(before[field]) !== String(asked[field]))) {
    return { result: "stale" };
  }
  const writes: Writes = new Map();
  let meta = applyItems(writes, page.reset ? startFullSync(before) : before, prepared, records);
  for (const conflict of page.conflicts) {
    writes.set(conflictKey(conflict.id), conflict.resolved_at === undefined ? toJson({ conflict, round: meta.round }) : undefined);
  }
  meta = { ...meta, cursor: page.sync_timestamp };
  if (!page.has_more && meta.full) {
    removeUndelivered(writes, meta, records);
    meta = { ...meta, full: false };
  }
  if (!page.has_more && recounts) {
    meta = recounted(meta, new Map([...records, ...writes]));
  }
  const differs = !page.has_more && page.digest !== undefined && !agrees(meta, page.digest);
  const after = toJson(differs && heals ? without(meta, "cursor") : meta);
  // Most polls find nothing, and then need not wait for the disk.
  if (!equal(after, toJson(before))) {
    writes.set(META, after);
  }
  return { writes, result: differs ? "digest differs" : "applied" };
}

/** Returns `meta` with the digest of the items that there are. */
function recounted(meta: Meta, records: ReadonlyMap<string, Json | undefined>): Meta {
  let next: Meta = { ...meta, digest: NO_ITEMS };
  for (const [key, json] of records) {
    const item = key.startsWith(ITEMS) && json !== undefined ? itemOf(json) : undefined;
    if (item?.hash !== undefined && item.round === meta.round) {
      next = counted(next, item.type, item.hash);
    }
  }
  return next;
}

function applyItems(writes: Writes, start: Meta, { page, delivered }: PreparedPage, records: Records): Meta {
  let meta = start;
  const write = (type: ItemType, id: string, change: (item: ItemRecord) => ItemRecord): void => {
    const key = itemKey(type, id);
    const written = writes.get(key);
    const item = written !== undefined ? itemOf(written) : itemIn(records, key) ?? newItem(type, id);
    meta = uncounted(meta, item);
    writeItem(writes, change({ ...item, round: meta.round }));
  };
  for (const { type, item, hash } of delivered) {
    write(type, item.id, (record) => ({ ...record, server: serverItem(item), hash }));
    meta = counted(meta, type, hash);
  }
  for (const { item_type, item_id, sync_version } of page.deleted) {
    // What this device has never had leaves no trace when others delete it.
    write(item_type, item_id, (record) => (isEmpty(record) ? record : received(record, { sync_version }, meta.round)));
  }
  return meta;
}

/** Removes what the full sync that has just ended did not deliver, of the types that it was about. Unsent edits stay. */
function removeUndelivered(writes: Writes, meta: Meta, records: Records): void {
  const isOver = (type: ItemType, round: number): boolean => round < meta.round && meta.types.includes(type);
  for (const [key, json] of records) {
    if (writes.has(key)) {
      continue;
    }
    if (key.startsWith(ITEMS)) {
      const item = itemOf(json);
      if (item.server && isOver(item.type, item.round)) {
        writeItem(writes, withoutServer(item));
      }
    } else if (key.startsWith(CONFLICTS) && isOver(conflictOf(json).conflict.item_type, conflictOf(json).round)) {
      writes.set(key, undefined);
    }
  }
}
