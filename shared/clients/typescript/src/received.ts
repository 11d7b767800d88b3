/** What the server says about items, written to the local store. */
import { count } from "./digest.ts";
import { type ItemRecord, type Meta, type ServerItem, NO_HASH, NO_ITEMS, withoutServer } from "./records.ts";
import type { Json } from "./store.ts";
import type { Current, ItemType } from "./types.ts";

/** Returns the state of an item on the server from a response. */
export function serverItem(item: { sync_version: number }): ServerItem {
  const { sync_version, ...data } = item;
  return { sync_version, data: data as Readonly<Record<string, unknown>> as { readonly [field: string]: Json } };
}

/** Returns `meta` without the contribution of an item to the digest. */
export function uncounted(meta: Meta, item: ItemRecord): Meta {
  const isCounted = item.hash !== undefined && item.round === meta.round;
  return isCounted ? withDigest(meta, item.type, item.hash, -1) : meta;
}

/** Returns `meta` with the contribution of an item that a download has delivered. */
export const counted = (meta: Meta, type: ItemType, hash: string): Meta => withDigest(meta, type, hash, 1);

const withDigest = (meta: Meta, type: ItemType, hash: string, sign: 1 | -1): Meta =>
  ({ ...meta, digest: { ...meta.digest, [type]: count(meta.digest[type], hash, sign) } });

/** Returns `meta` at the start of a full sync. */
export function startFullSync(meta: Meta): Meta {
  return { ...meta, round: meta.round + 1, full: true, digest: NO_ITEMS };
}

/**
 * Takes the state of an item from the response to a write. A state that this device has already, or a newer one, stays: it may come
 * from a download. Until a download delivers it, the item counts with a hash of zero. So a write that the server has forgotten since,
 * because it was restored from a backup, shows in the digest.
 */
export function take(meta: Meta, item: ItemRecord, server: ServerItem): [Meta, ItemRecord] {
  if (item.server && item.server.sync_version >= server.sync_version) {
    return [meta, item];
  }
  const next = { ...uncounted(meta, item), taken: meta.taken + 1 };
  const taken = received(item, server, meta.round);
  return server.data ? [counted(next, item.type, NO_HASH), { ...taken, hash: NO_HASH }] : [next, taken];
}

/**
 * Returns an item with the state that was received. The version of a deleted one is remembered, because it may be created anew on top of
 * it; entries of the query history are not.
 */
export function received(item: ItemRecord, server: ServerItem, round: number): ItemRecord {
  const rest = { ...withoutServer(item), round };
  return server.data || item.type !== "query_history" ? { ...rest, server } : rest;
}

/** Returns the state that `current` of a response describes; `undefined` if the response left the data out because of its size. */
export function currentItem(current: Current): ServerItem | undefined {
  if (current.deleted) {
    return { sync_version: current.sync_version };
  }
  return current.data && serverItem(current.data);
}

