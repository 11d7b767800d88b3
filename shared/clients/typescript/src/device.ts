/** State of this device at the start: its identity, the types that it syncs, and the account that its data belongs to. */
import type { Local } from "./collection.ts";
import { edit, visible } from "./edits.ts";
import {
  type Meta, type Writes, CONFLICTS, ITEMS, ITEM_TYPES, META, NO_ITEMS, itemOf, metaIn, rejectedKey, toJson,
  unsentKey, without, writeItem,
} from "./records.ts";
import { type Result, failure, success } from "./result.ts";
import type { Records, Store } from "./store.ts";
import { LEASES } from "./stores/shared.ts";
import type { Account, ItemType } from "./types.ts";

/** Returns the state of a device that has no data. */
function newMeta(deviceId: string, types: readonly ItemType[], seq: number): Meta {
  return { format: 1, device_id: deviceId, types, round: 0, full: false, digest: NO_ITEMS, seq, taken: 0 };
}

/** Prepares the store for a tab that syncs `types`, and returns the state of the device. */
export async function openDevice(local: Omit<Local, "tab" | "device">, tabId: string, types: readonly ItemType[]): Promise<Meta> {
  const synced = ITEM_TYPES.filter((type) => types.includes(type));
  const read = (records: Records): Meta | undefined => (records.has(META) ? metaIn(records) : undefined);
  const stored = await local.store.transact({ keys: [META] }, (records) => ({ result: read(records) }));
  const isReady = ({ types }: Meta): boolean => types.join() === synced.join();
  if (stored && isReady(stored)) {
    return stored;
  }
  return local.store.transact({ keys: [META], prefixes: [ITEMS, CONFLICTS] }, (records) => {
    const before = read(records);
    if (before && isReady(before)) {
      return { result: before };
    }
    const writes: Writes = new Map();
    if (before) {
      changeTypes(writes, before, synced, records, {
        ...local, tab: { id: tabId, openedAt: before.seq }, device: { id: before.device_id },
      });
    } else {
      writes.set(META, toJson(newMeta(local.newId(), synced, 0)));
    }
    return { writes, result: metaIn(writes as Records) };
  });
}

/**
 * Changes the types that are synced. Items of a type that no longer is stay on this device, with their edits. Items of a type that now
 * is become edits, unless they stay here by a choice of their own. A full download follows, because a cursor belongs to its types; it has
 * the conflicts, too.
 */
function changeTypes(writes: Writes, before: Meta, types: readonly ItemType[], records: Records, local: Local): void {
  writes.set(META, toJson({ ...without(before, "cursor"), types }));
  for (const [key, json] of records) {
    if (key.startsWith(CONFLICTS)) {
      writes.set(key, undefined);
    }
    if (!key.startsWith(ITEMS)) {
      continue;
    }
    const item = itemOf(json);
    const isSynced = types.includes(item.type);
    const data = visible(item)?.data;
    if (!isSynced && !item.device && item.changes.length > 0) {
      // A rejected edit that a later one has replaced stays in the list of changes.
      const [kept, moved] = [item.changes.filter(({ superseded }) => superseded), item.changes.filter(({ superseded }) => !superseded)];
      for (const { seq } of moved) {
        writes.set(unsentKey(seq), undefined).set(rejectedKey(seq), undefined);
      }
      writeItem(writes, { ...item, changes: kept, device: { ...(data && { data }), byType: true } });
    } else if (isSynced && item.device?.byType) {
      const made = { now: local.now().toISOString(), changeId: local.newId(), ...(data && { data }) };
      const shared = without(item, "device");
      const written = edit(writes, metaIn(writes as Records), shared, local.tab, made);
      if (!written) {
        writeItem(writes, shared);
      }
    }
  }
}

/** Lets the data of this device belong to `account`, unless it is that of another one. */
export function claim(store: Store, account: Account): Promise<Result<void>> {
  return store.transact({ keys: [META] }, (records) => {
    const meta = metaIn(records);
    if (meta.user_id !== undefined && meta.user_id !== account.id) {
      const message = "this device has the data of another account; call logOut({ wipe: true }) to remove it, or use another store";
      return { result: failure({ code: "OTHER_ACCOUNT", message }) };
    }
    // Each sync asks: what is known already is not written again.
    const writes: Writes = new Map(meta.user_id ? [] : [[META, toJson({ ...meta, user_id: account.id })]]);
    return { writes, result: success(undefined) };
  });
}

/** Removes all data of this device, unsent edits included. It is a new device afterwards. */
export async function wipe({ store, newId, device }: Local): Promise<void> {
  const id = newId();
  await store.transact({ prefixes: [""] }, (records) => {
    const meta = metaIn(records);
    const writes: Writes = new Map([...records.keys()].filter((key) => !key.startsWith(LEASES)).map((key) => [key, undefined]));
    // Sequence numbers go on: open tabs know up to which one they have read.
    writes.set(META, toJson(newMeta(id, meta.types, meta.seq)));
    return { writes, result: undefined };
  });
  device.id = id;
}

