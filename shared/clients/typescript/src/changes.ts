import {
  type ItemRecord, type LocalChange, type Rejection, type Writes, REJECTED, UNSENT, itemIn, itemKey, itemOf, rejectedKey, unsentKey,
  without, writeItem,
} from "./records.ts";
import type { Store } from "./store.ts";
import { subscribeTo } from "./subscription.ts";
import type { ItemType } from "./types.ts";

/** Edit that the server does not have. */
export interface UnsyncedChange {
  /** Type of the item. */
  readonly item_type: ItemType;
  /** Id of the item. */
  readonly item_id: string;
  /** Id of the edit, which changes if another edit replaces it. */
  readonly change_id: string;
  /** Kind of edit. */
  readonly action: LocalChange["action"];
  /** Fields of the edit; absent for a deletion. */
  readonly data?: NonNullable<LocalChange["data"]>;
  /** Time of the edit, by the clock of this device. */
  readonly updated_at: string;
  /** Reason for which the server rejected it; absent if it is yet to be sent. */
  readonly rejected?: Rejection;
}

/** Edits of this device that the server does not have: unsent and rejected ones. */
export class Changes {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  /** Returns all, oldest first. */
  async list(): Promise<UnsyncedChange[]> {
    const markers = [...await this.#store.list(UNSENT), ...await this.#store.list(REJECTED)];
    const keys = [...new Set(markers.map(([, key]) => String(key)))];
    return this.#store.transact({ keys }, (records) => {
      const items = [...records.values()].map(itemOf);
      const changes = items.flatMap((item) => item.changes.map((change) => ({ item, change })));
      return { result: changes.sort((one, other) => one.change.seq - other.change.seq).map(({ item, change }) => ({
        item_type: item.type, item_id: item.id, change_id: change.id, action: change.action, updated_at: change.updated_at,
        ...(change.data && { data: change.data }), ...(change.rejected && { rejected: change.rejected }),
      })) };
    });
  }

  /** Calls `listener` with all: now, and after each change of the list. Returns a function that ends it. */
  subscribe(listener: (changes: UnsyncedChange[]) => void): () => void {
    return subscribeTo(this.#store, [UNSENT, REJECTED], () => this.list(), listener);
  }

  /**
   * Sends a rejected change again at the next sync. Returns whether it will be: not if it is no longer in the list, if a later edit of the
   * item was accepted, or if the item stays on this device now.
   */
  retry(change: UnsyncedChange): Promise<boolean> {
    return this.#replace(change, (found, item) => (found.superseded || item.device ? found : without(found, "rejected")));
  }

  /** Drops a rejected change: the item is again what the server has. Returns whether it still was in the list. */
  discard(change: UnsyncedChange): Promise<boolean> {
    return this.#replace(change, () => undefined);
  }

  /** Replaces a rejected change, or removes it. Returns whether anything has changed. */
  #replace(
    { item_type, item_id, change_id }: UnsyncedChange, by: (found: LocalChange, item: ItemRecord) => LocalChange | undefined,
  ): Promise<boolean> {
    const key = itemKey(item_type, item_id);
    return this.#store.transact({ keys: [key] }, (records) => {
      const item = itemIn(records, key);
      const found = item?.changes.find((change) => change.id === change_id && change.rejected);
      const next = item && found && by(found, item);
      if (!item || !found || next === found) {
        return { result: false };
      }
      const writes: Writes = new Map([[rejectedKey(found.seq), undefined]]);
      if (next) {
        writes.set(unsentKey(next.seq), key);
      }
      writeItem(writes, { ...item, changes: item.changes.flatMap((change) => (change === found ? next ?? [] : change)) });
      return { writes, result: true };
    });
  }
}
