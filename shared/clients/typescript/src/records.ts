/**
 * Records of the local store. The state of an item and its unsent changes are one record, so that a transaction reads and writes both
 * together.
 *
 * - `meta`: the device, the account, the cursor, the digest.
 * - `item/<type>/<id>`: an item, see `ItemRecord`.
 * - `unsent/<seq>` and `rejected/<seq>`: key of the item with the change of that sequence number.
 * - `conflict/<id>`: an open conflict.
 */
import type { FailureCode } from "./result.ts";
import type { Json, Records } from "./store.ts";
import type { Conflict, ItemType, Schemas } from "./types.ts";

/** Fields of an item by name, as JSON. */
export type Fields = { readonly [field: string]: Json };

/** State of an item on the server, as far as this device knows. */
export interface ServerItem {
  readonly sync_version: number;
  /** Fields without `sync_version`; absent if the item is deleted. */
  readonly data?: Fields;
}

/** Reason for which the server refused a change. */
export interface Rejection {
  /** Code of the reason, for the program. */
  readonly code: Schemas["RejectionCode"] | FailureCode;
  /** Reason and remedy, for a person. */
  readonly reason: string;
  /** Fields at fault; for a credential, with the rule and the place in the text. */
  readonly details: readonly Schemas["FieldError"][];
}

/** Edit of an item that the server has not acknowledged. */
export interface LocalChange {
  /** Sequence number on this device, from 1. */
  readonly seq: number;
  /** Id by which the server recognises a repetition. Its content never changes once it may have been sent. */
  readonly id: string;
  readonly action: Schemas["Action"];
  /** Fields as the application gave them; absent for a deletion. */
  readonly data?: Fields;
  readonly updated_at: string;
  /** Version of the item that the edit is based on. */
  readonly base: number;
  /** Tab that made the edit. */
  readonly tab: string;
  /** Whether it may have been sent. */
  readonly sent?: boolean;
  readonly rejected?: Rejection;
  /** Whether a later change of the item was acknowledged, so that this rejected one is no longer its visible state. */
  readonly superseded?: boolean;
}

/** Item that stays on this device. */
export interface DeviceItem {
  /** Absent if the item is deleted on this device only. */
  readonly data?: Fields;
  /** Whether it stays because its type is not synced, not by a choice for the item. */
  readonly byType: boolean;
}

/** Item with its unsent changes. */
export interface ItemRecord {
  readonly type: ItemType;
  readonly id: string;
  readonly server?: ServerItem;
  /** Contribution to the digest; absent if the item is deleted. */
  readonly hash?: string;
  /** Full sync in or after which `server` was received, by `Meta.round`. */
  readonly round: number;
  /** Unsent and rejected changes, oldest first. */
  readonly changes: readonly LocalChange[];
  readonly device?: DeviceItem;
}

/** Open conflict. */
export interface ConflictRecord {
  readonly conflict: Conflict;
  readonly round: number;
}

/** Number of live items of a type and the sum of their hashes, as 16 hexadecimal digits. */
export interface TypeDigest {
  readonly count: number;
  readonly hash: string;
}

/** State of this device. */
export interface Meta {
  readonly format: 1;
  readonly device_id: string;
  /** Account that the data belongs to; absent before the first login. */
  readonly user_id?: string;
  /** Item types that are synced; the cursor belongs to them. */
  readonly types: readonly ItemType[];
  /** `sync_timestamp` of the last page; absent before the first one. */
  readonly cursor?: string;
  /** Number of full syncs that have started. */
  readonly round: number;
  /** Whether a full sync is incomplete. */
  readonly full: boolean;
  /** Digest of what downloads delivered. */
  readonly digest: Readonly<Record<ItemType, TypeDigest>>;
  /** Sequence number of the newest change. */
  readonly seq: number;
  /** Number of states that were taken from responses to writes. A page that was requested before may be older. */
  readonly taken: number;
}

export const META = "meta";
export const ITEMS = "item/";
export const UNSENT = "unsent/";
export const REJECTED = "rejected/";
export const CONFLICTS = "conflict/";

export const ITEM_TYPES: readonly ItemType[] = ["connection", "saved_query", "query_history"];
/** Hash of an item that contributes only to the count. */
export const NO_HASH = "0".repeat(16);
const EMPTY: TypeDigest = { count: 0, hash: NO_HASH };
export const NO_ITEMS: Meta["digest"] = { connection: EMPTY, saved_query: EMPTY, query_history: EMPTY };

export const itemKey = (type: ItemType, id: string): string => `${ITEMS}${type}/${id}`;
export const conflictKey = (id: string): string => CONFLICTS + id;
export const unsentKey = (seq: number): string => UNSENT + String(seq).padStart(16, "0");
export const rejectedKey = (seq: number): string => REJECTED + String(seq).padStart(16, "0");

/** Writes of a transaction, by key; `undefined` deletes a record. */
export type Writes = Map<string, Json | undefined>;

// Records are written by this client alone, so their types are those that it wrote.
const read = <T>(records: Records, key: string): T | undefined => records.get(key) as T | undefined;
/** Returns a record as the JSON that it is: interfaces have no index signature, which `Json` demands. */
export const toJson = (record: object): Json => record as Json;

export const conflictIn = (records: Records, id: string): ConflictRecord | undefined => read(records, conflictKey(id));
export const itemIn = (records: Records, key: string): ItemRecord | undefined => read(records, key);
export const itemOf = (json: Json): ItemRecord => json as unknown as ItemRecord;
export const conflictOf = (json: Json): ConflictRecord => json as unknown as ConflictRecord;

/** Returns the state of this device. Throws if the store was emptied behind the client's back. */
export function metaIn(records: Records): Meta {
  const meta = read<Meta>(records, META);
  if (meta?.format !== 1) {
    throw new Error(meta ? "a newer version of the client has written the local store" : "the local store was emptied; open it again");
  }
  return meta;
}

/** Returns the state of `device`. Throws if another tab has wiped the store: the items that this tab shows are not those of the store. */
export function metaOf(records: Records, device: { readonly id: string }): Meta {
  const meta = metaIn(records);
  if (meta.device_id !== device.id) {
    throw new Error("another tab has removed the data of this device; open the client again");
  }
  return meta;
}

/** Returns the record of an item that the store does not have yet. */
export const newItem = (type: ItemType, id: string): ItemRecord => ({ type, id, round: 0, changes: [] });

/** Returns whether a record holds nothing. */
export const isEmpty = ({ server, device, changes }: ItemRecord): boolean => !server && !device && changes.length === 0;

/** Writes an item, or deletes its record if it holds nothing any more. */
export function writeItem(writes: Writes, item: ItemRecord): void {
  writes.set(itemKey(item.type, item.id), isEmpty(item) ? undefined : toJson(item));
}

/** Returns an item without its state on the server. */
export const withoutServer = (item: ItemRecord): ItemRecord => without(without(item, "server"), "hash");

/** Returns a copy of `object` without the optional field `field`. */
export function without<T extends object, K extends keyof T>(object: T, field: K): Omit<T, K> {
  const { [field]: _, ...rest } = object;
  return rest;
}
