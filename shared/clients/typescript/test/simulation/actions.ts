import type { Choice, Conflict, Failure, ItemType, Json, Result } from "../../src/index.ts";
import { META } from "../../src/records.ts";
import { type Fields } from "./api.ts";
import type { Device, ReadItem, Tab } from "./devices.ts";
import { type Edit, type Intent, type Key, type Part, keyOf, markersIn } from "./edits.ts";
import { EXPECTED_OF_SYNC } from "./network.ts";
import { calling } from "./stores.ts";
import { CREDENTIALS } from "./api.ts";
import type { World } from "./world.ts";

/** Failures of calls that need the network, which a user expects. */
const EXPECTED: readonly Failure["code"][] = [
  ...EXPECTED_OF_SYNC, "CONFLICT", "NOT_FOUND", "QUOTA_EXCEEDED",
];

type RestorableType = "connection" | "saved_query";

/** What users do. Each action runs in a tab, beside others. */
export class Actions {
  readonly #world: World;
  #historyIds = 0;
  /** Ids that no entry of the history has yet, or one with the same id on purpose. */
  readonly #newHistory = new Set<string>();

  constructor(world: World) {
    this.#world = world;
  }

  /** Begins a random action on a device. */
  begin(device: Device): void {
    const { random } = this.#world;
    const open = device.tabs.filter((tab) => tab.isOpen && tab.actions < 3);
    if (device.tabs.length === 0 || (device.tabs.length < device.maxTabs && random.chance(0.2))) {
      if (device.tabs.length === 0 && this.#world.changesTypes && random.chance(0.3)) {
        device.changeTypes(this.#world);
      }
      const tab = device.newTab();
      this.#world.start(tab, "open", () => tab.open(this.#world));
    } else if (open.length > 0) {
      this.#beginIn(random.pick(open));
    }
  }

  #beginIn(tab: Tab): void {
    const world = this.#world;
    if (tab.device.isSignedOut && world.random.chance(0.5)) {
      return world.start(tab, "log in", () => this.logIn(tab));
    }
    const name = world.random.weighted({ edit: 45, sync: 30, resolve: 8, restore: 5, settle: 6, advance: 6, logOut: 0.6, wipe: 0.4 });
    switch (name) {
      case "edit":
        return world.start(tab, "edit", () => this.#edit(tab));
      case "sync":
        return world.start(tab, "sync", () => tab.client.sync());
      case "resolve":
        return world.start(tab, "resolve a conflict", () => this.#resolve(tab));
      case "restore":
        return world.start(tab, "restore a version", () => this.#restore(tab));
      case "settle":
        return world.start(tab, "retry or discard a rejected change", () => this.#settleRejected(tab));
      case "logOut":
        return world.start(tab, "log out", () => tab.client.logOut());
      case "wipe":
        return world.start(tab, "wipe", () => this.#wipe(tab));
      case "advance":
        return world.start(tab, "wait", async () => {
          world.advance(world.random.pick([1, 1_000, 60_000]));
        });
    }
  }

  /** Signs in. */
  async logIn(tab: Tab): Promise<string> {
    const result = await tab.client.logIn(CREDENTIALS);
    tab.device.isSignedOut = !result.ok && tab.device.isSignedOut;
    return result.ok ? "signed in" : this.#expected(result.error);
  }

  /** Signs out and removes all data. The tokens and the data go in two transactions. */
  #wipe(tab: Tab): Promise<unknown> {
    const { edits } = this.#world;
    tab.device.isWiped = true;
    return calling(() => tab.client.logOut({ wipe: true }), (keys) => keys.includes(META) && edits.wipe(tab.device.name));
  }

  /** Edits an item as a form does: it has read the item, now or some time ago. */
  async #edit(tab: Tab): Promise<unknown> {
    const { random } = this.#world;
    const type = random.pick<ItemType>(["saved_query", "saved_query", "saved_query", "connection", "query_history"]);
    const collection = tab.collection(type);
    const id = await this.#randomId(tab, type);
    const form = tab.forms.get(keyOf(type, id));
    const item = form && random.chance(0.3) ? form : await collection.get(id);
    if (item) {
      tab.forms.set(keyOf(type, id), item);
    }
    const isBlind = random.chance(0.1);
    if (item && random.chance(0.12)) {
      return this.#delete(tab, type, item, isBlind);
    }
    if (type === "query_history" && (item || !this.#newHistory.delete(id))) {
      return "an entry of the history is not changed";
    }
    return this.#put(tab, type, id, item, isBlind);
  }

  async #randomId(tab: Tab, type: ItemType): Promise<string> {
    const { random } = this.#world;
    if (type === "query_history" && random.chance(0.7)) {
      const id = random.chance(0.05) ? "h-twice" : `h${this.#historyIds++}`;
      this.#newHistory.add(id);
      return id;
    }
    const items = type === "query_history" || random.chance(0.3) ? await tab.collection(type).list() : [];
    // The ids of items that stay on a device are their own.
    const isOwn = type !== "query_history" && random.chance(0.1);
    return isOwn ? `own-${random.below(2)}` : items.length > 0 ? random.pick(items).id : `i${random.below(4)}`;
  }

  async #delete(tab: Tab, type: ItemType, item: ReadItem, isBlind: boolean): Promise<unknown> {
    const key = keyOf(type, item.id);
    const edit = this.#begin(tab, { key, item, isBlind, overwrites: ["known", "folder"] });
    const isDeleted = await this.#make(edit, () => tab.collection(type).delete(isBlind ? item.id : item));
    return `deletes ${key} (${edit.marker}): ${isDeleted}`;
  }

  async #put(tab: Tab, type: ItemType, id: string, item: ReadItem | undefined, isBlind: boolean): Promise<unknown> {
    const { random } = this.#world;
    const key = keyOf(type, id);
    const part = type !== "query_history" && random.chance(0.25) ? "folder" : "known";
    const before = item && random.chance(0.2) ? withoutFolder(item) : item;
    const isInvalid = part === "known" ? type === "saved_query" && random.chance(0.06) : before !== undefined && cannotBeUploaded(before);
    const overwrites: Part[] = part === "folder" || before?.["folder"] !== undefined ? ["known", "folder"] : ["known"];
    const deviceOnly = this.#deviceOnly(tab, key);
    const edit = this.#begin(tab, { key, item, isBlind, part, overwrites, isInvalid, ...deviceOnly });
    const version = isBlind ? {} : { sync_version: before?.sync_version ?? 0 };
    const data = { ...content(type), ...(before ?? {}), id, ...this.#change(edit, type), sync_version: undefined, ...version };
    const result = await this.#make(edit, () => tab.collection(type).put(data, deviceOnly));
    tab.forms.set(key, result);
    if (edit.stored !== undefined && !markersIn(result).has(edit.marker)) {
      throw new Error(`put returns ${JSON.stringify(result)} without ${edit.marker}`);
    }
    return `writes ${edit.marker} to ${key}, on ${JSON.stringify(item)}`;
  }

  /** Returns the option for a put: some items are meant for one device from the start, others are moved there and back. */
  #deviceOnly({ device }: Tab, key: Key): { deviceOnly?: boolean } {
    const { random, edits } = this.#world;
    const isLocal = edits.isLocal(device.name, key);
    if (key.startsWith("query_history/") || !random.chance(key.includes("/own-") ? 0.8 : isLocal ? 0.15 : 0.03)) {
      return {};
    }
    return { deviceOnly: !isLocal || random.chance(0.7) };
  }

  #make<T>(edit: Edit, call: () => Promise<T>): Promise<T> {
    return calling(call, () => this.#world.edits.store(edit), (id) => (edit.changeId = id));
  }

  /** Returns the fields that an edit changes. */
  #change({ marker, part, isInvalid }: Edit, type: ItemType): Fields {
    const { random } = this.#world;
    const other: Fields = random.chance(0.3) ? { metadata: { [`key ${random.below(3)}`]: String(random.below(9)) } } : {};
    if (part === "folder") {
      return { folder: { name: marker }, ...(type === "saved_query" && random.chance(0.3) && { name: `name ${random.below(9)}` }) };
    }
    const text = { [type === "connection" ? "database" : "query"]: `select '${marker}'` };
    if (isInvalid) {
      return random.chance(0.5) ? { query: `ALTER USER ada PASSWORD '${CREDENTIAL}' -- ${marker}` } : { ...text, tags: "report" };
    }
    return { ...other, ...text, ...(type === "saved_query" && { tags: ["report"] }) };
  }

  #begin(
    tab: Tab,
    { key, item, overwrites, isInvalid = false, ...rest }: Pick<Intent, "key" | "isBlind" | "part" | "deviceOnly"> &
      { item: { readonly sync_version?: number } | undefined; overwrites: Part[]; isInvalid?: boolean },
  ): Edit {
    const read = markersIn(item);
    const readVersion = item?.sync_version ?? 0;
    return this.#world.edits.begin({ ...rest, readVersion, key, device: tab.device.name, tab: tab.name, read, overwrites: new Set(overwrites), isInvalid });
  }

  async #resolve(tab: Tab): Promise<unknown> {
    const { random } = this.#world;
    const conflicts = await tab.client.conflicts.list();
    if (conflicts.length === 0) {
      return "there is none";
    }
    const conflict = random.pick(conflicts);
    const choice = this.#choice(tab, conflict);
    const result = await tab.client.conflicts.resolve(conflict, choice);
    return [conflict.id, choice, this.#outcome(result)];
  }

  #choice(tab: Tab, conflict: Conflict): Choice {
    const { random } = this.#world;
    switch (random.weighted({ local: 2, remote: 2, merged: 2, last_write_wins: 1, keep_both: 1 })) {
      case "local":
        return { keep: "local" };
      case "remote":
        return { keep: "remote" };
      case "last_write_wins":
        return { strategy: "last_write_wins" };
      case "keep_both":
        return { strategy: "keep_both" };
      case "merged": {
        const key = keyOf(conflict.item_type, conflict.item_id);
        // It is not an edit of this device until the server has accepted it: the markers of both versions stay in the conflict.
        const edit = this.#begin(tab, { key, item: conflict.remote_version, isBlind: false, part: "known", overwrites: [] });
        const merged = { ...content(conflict.item_type), ...this.#change(edit, conflict.item_type) };
        return { merged: JSON.parse(JSON.stringify(merged)) };
      }
    }
  }

  async #restore(tab: Tab): Promise<unknown> {
    const { random } = this.#world;
    const type = random.pick<RestorableType>(["saved_query", "connection"]);
    const collection = type === "connection" ? tab.client.connections : tab.client.savedQueries;
    const id = `i${random.below(4)}`;
    const page = await collection.versions(id, { limit: random.pick([1, 3, 100]) });
    if (!page.ok) {
      return this.#expected(page.error);
    }
    const [current] = page.value.versions;
    const kept = page.value.versions.filter(({ deleted }) => !deleted);
    if (!current || kept.length === 0) {
      return "there is none";
    }
    const version = random.pick(kept).sync_version;
    return [id, version, this.#outcome(await collection.restore(id, version, current.sync_version))];
  }

  async #settleRejected(tab: Tab): Promise<unknown> {
    const { random } = this.#world;
    const rejected = (await tab.client.changes.list()).filter((change) => change.rejected);
    if (rejected.length === 0) {
      return "there is none";
    }
    const change = random.pick(rejected);
    if (random.chance(0.5)) {
      return ["retry", change.change_id, await tab.client.changes.retry(change)];
    }
    // The user decides that the edit is not needed.
    this.#world.edits.pardon(markersIn(change.data), "discarded");
    return ["discard", change.change_id, await tab.client.changes.discard(change)];
  }

  #outcome(result: Result<void>): string {
    return result.ok ? "done" : this.#expected(result.error);
  }

  #expected(error: Failure): string {
    if (!EXPECTED.includes(error.code)) {
      throw new Error(JSON.stringify(error));
    }
    return error.code;
  }
}

/** Returns the fields of a new item, without a marker. */
function content(type: ItemType): Fields {
  const metadata: Json = {};
  switch (type) {
    case "connection":
      return { name: "shop", type: "postgres", host: "db.example.com", port: 5432, database: "shop", username: "ada", use_ssh: false, metadata };
    case "saved_query":
      return { name: "orders", query: "select 1", tags: ["report"], favorite: false, metadata };
    case "query_history":
      return { query: "select 1", connection_id: "c", executed_at: "2026-01-01T00:00:00Z", duration_ms: 12, rows_affected: 3, success: true, metadata };
  }
}

const CREDENTIAL = "Xq7-bTz2-mK9";

/** Returns whether the server rejects an item with these fields. */
const cannotBeUploaded = (item: Fields): boolean => typeof item["tags"] === "string" || JSON.stringify(item).includes(CREDENTIAL);

/** Returns an item as a client writes it that does not know the field. */
function withoutFolder({ id, sync_version, folder: _, ...fields }: ReadItem): ReadItem {
  return { ...fields, id, sync_version };
}
