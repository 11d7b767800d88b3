import { type Edit, type Tab, type Visible, edit, isFixed, visible } from "./edits.ts";
import { checkedId, parseItem } from "./input.ts";
import { type ItemRecord, type Writes, ITEMS, META, itemIn, itemKey, itemOf, metaOf, newItem } from "./records.ts";
import type { Store } from "./store.ts";
import { subscribeTo } from "./subscription.ts";
import type { ItemType } from "./types.ts";

/** Options of `put`. */
export interface PutOptions {
  /** Whether the item stays on this device. If other devices have it, it is deleted there. By default it stays as it is. */
  readonly deviceOnly?: boolean;
}

/** Fields of every item as an application reads it. */
export interface ItemFields {
  /** Id of the item: 1 to 128 characters. */
  readonly id: string;
  /** Time of creation, by the clock of the device that created the item. */
  readonly created_at?: string;
  /** Time of the last edit, by the clock of its device. */
  readonly updated_at?: string;
  /** Version that an edit of this object is based on; 0 before the first upload. */
  readonly sync_version: number;
}

/** What a collection needs of the client. */
export interface Local {
  readonly store: Store;
  readonly tab: Tab;
  readonly now: () => Date;
  readonly newId: () => string;
  /** The device that the tab has opened. */
  readonly device: { id: string };
}

/**
 * Items of one type. Reads and writes are local: they work without a network, and `sync` exchanges them with other devices.
 *
 * `Item` is an item as it is read, `Input` as it is written.
 */
export class Collection<Item extends ItemFields, Input extends object> {
  readonly #local: Local;
  readonly #type: ItemType;

  constructor(local: Local, type: ItemType) {
    this.#local = local;
    this.#type = type;
  }

  /** Returns an item, or `undefined` if there is none with this id. */
  async get(id: string): Promise<Item | undefined> {
    const key = itemKey(this.#type, checkedId(id));
    return this.#local.store.transact({ keys: [key] }, (records) => {
      const shown = visible(itemIn(records, key));
      return { result: shown && toItem<Item>(shown) };
    });
  }

  /** Returns all items, ordered by id; entries of the query history by the time of their run, the newest first. */
  async list(): Promise<Item[]> {
    const records = await this.#local.store.list(this.#prefix);
    const items = records.flatMap(([, json]) => visible(itemOf(json)) ?? []);
    if (this.#type === "query_history") {
      const ranAt = ({ data }: Visible): number => Date.parse(String(data["executed_at"]));
      items.sort((one, other) => ranAt(other) - ranAt(one));
    }
    return items.map((shown) => toItem<Item>(shown));
  }

  /**
   * Creates or replaces an item, and returns it. Without an `id` it gets a new one.
   *
   * The edit is based on the `sync_version` of the object: pass the object that you have read, or a copy of it with changed fields, and
   * an edit that another device has made since is merged, not overwritten. Without `sync_version`, the edit is based on the newest
   * version of this device. Fields that are left out are removed; those that this version of the client does not know keep their
   * value unless they are `null`. An entry of the query history that exists already stays as it is.
   *
   * Throws a `TypeError` if the item has no JSON form, or an invalid id.
   */
  async put(item: Input, { deviceOnly }: PutOptions = {}): Promise<Item> {
    const { id = this.#local.newId(), sync_version, updated_at, data } = parseItem(item);
    const key = itemKey(this.#type, checkedId(id));
    const made: Edit = {
      ...this.#edit(sync_version), data,
      ...(updated_at !== undefined && { readAt: updated_at }), ...(deviceOnly !== undefined && { deviceOnly }),
    };
    return this.#local.store.transact({ keys: [META, key] }, (records) => {
      const [writes, stored]: [Writes, ItemRecord] = [new Map(), itemIn(records, key) ?? newItem(this.#type, id)];
      const written = isFixed(stored) && deviceOnly === undefined ? undefined : edit(writes, metaOf(records, this.#local.device), stored, this.#local.tab, made);
      return { writes, result: toItem<Item>(visible(written ?? stored)) };
    });
  }

  /**
   * Deletes an item. Pass the object that the user has seen, so that an edit by another device in the meantime is not deleted unseen.
   * Returns whether it existed.
   */
  async delete(item: string | Pick<Item, "id" | "sync_version">): Promise<boolean> {
    const [id, base] = typeof item === "string" ? [item, undefined] : [item.id, item.sync_version];
    const key = itemKey(this.#type, checkedId(id));
    const made = this.#edit(base);
    return this.#local.store.transact({ keys: [META, key] }, (records) => {
      const [writes, stored]: [Writes, ItemRecord | undefined] = [new Map(), itemIn(records, key)];
      const written = stored && edit(writes, metaOf(records, this.#local.device), stored, this.#local.tab, made);
      return { writes, result: written !== undefined };
    });
  }

  /** Calls `listener` with all items: now, and after each change on this device or by a sync. Returns a function that ends it. */
  subscribe(listener: (items: Item[]) => void): () => void {
    return subscribeTo(this.#local.store, [this.#prefix], () => this.list(), listener);
  }

  get #prefix(): string {
    return `${ITEMS}${this.#type}/`;
  }

  #edit(base: number | undefined): Edit {
    return { now: this.#local.now().toISOString(), changeId: this.#local.newId(), ...(base !== undefined && { base }) };
  }
}

/** Returns what is visible of an item as an application reads it. */
function toItem<Item>({ data, sync_version }: Partial<Visible> = {}): Item {
  // The server has validated the fields that it has stored, and the type of `put` those that this device has added.
  return { ...data, sync_version } as Item;
}
