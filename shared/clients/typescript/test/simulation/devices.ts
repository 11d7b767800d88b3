import { join } from "node:path";
import {
  type Client, type Conflict, type ItemType, type Store, type Strategy, type UnsyncedChange, memoryStore, openClient,
} from "../../src/index.ts";
import { ITEM_TYPES } from "../../src/records.ts";
import { sqliteStore } from "../../src/stores/sqlite.ts";
import type { Fields } from "./api.ts";
import type { Random } from "./random.ts";
import type { Owner } from "./scheduler.ts";
import { DeviceStore, told } from "./stores.ts";
import type { World } from "./world.ts";

const DAY = 86_400_000;

/** Item as a tab reads it. */
export type ReadItem = Fields & { readonly id: string; readonly sync_version: number };

/** Collection of any type. */
export interface AnyCollection {
  get(id: string): Promise<ReadItem | undefined>;
  list(): Promise<ReadItem[]>;
  put(item: object, options?: { deviceOnly?: boolean }): Promise<ReadItem>;
  delete(item: string | { id: string; sync_version: number }): Promise<boolean>;
}

/** A client in a tab. */
export class Tab implements Owner {
  isDead = false;
  readonly name: string;
  readonly device: Device;
  /** Number of actions in progress. */
  actions = 0;
  /** Whether it syncs by itself. */
  isStarted = false;
  /** Items as the user's forms have read them. */
  readonly forms = new Map<string, ReadItem>();
  /** What the user sees by subscriptions. */
  readonly shown: { queries?: readonly object[]; conflicts?: readonly Conflict[]; changes?: readonly UnsyncedChange[] } = {};
  #client: Client | undefined;

  constructor(device: Device, name: string) {
    this.device = device;
    this.name = name;
  }

  get isOpen(): boolean {
    return !this.isDead && this.#client !== undefined;
  }

  get client(): Client {
    if (!this.#client) {
      throw new Error(`${this.name} is not open`);
    }
    return this.#client;
  }

  collection(type: ItemType): AnyCollection {
    const { connections, savedQueries, history } = this.client;
    // The simulation treats items of all types alike.
    return { connection: connections, saved_query: savedQueries, query_history: history }[type] as unknown as AnyCollection;
  }

  /** Opens the client. */
  async open(world: World): Promise<void> {
    const { device } = this;
    let ids = 0;
    const client = await openClient({
      url: world.url,
      store: device.store.of(this),
      strategy: device.strategy,
      types: device.types,
      pageSize: device.pageSize,
      fetch: world.network.fetchOf(this),
      now: () => new Date(world.now + device.skew),
      random: world.random.fraction,
      newId: () => told(`${this.name}-${++ids}`),
      sleep: (milliseconds) => world.scheduler.turn(this, `sleep of ${milliseconds} ms`),
    });
    client.savedQueries.subscribe((queries) => (this.shown.queries = queries));
    client.conflicts.subscribe((conflicts) => (this.shown.conflicts = conflicts));
    client.changes.subscribe((changes) => (this.shown.changes = changes));
    client.onSync((report) => world.checkReport(this, report));
    this.#client = client;
    if (!world.isEnding && world.random.chance(0.15)) {
      client.start();
      this.isStarted = true;
    }
  }

  /** Ends what the client does by itself. */
  stop(): void {
    this.#client?.stop();
    this.isStarted = false;
  }
}

/** A device: a local store, and the tabs that use it. */
export class Device {
  readonly name: string;
  readonly strategy: Exclude<Strategy, "refuse">;
  readonly pageSize: number;
  /** Offset of its clock, in milliseconds. */
  skew: number;
  types: readonly ItemType[];
  readonly store: DeviceStore;
  readonly maxTabs: number;
  tabs: Tab[] = [];
  /** Whether a sync has said that there is no session. */
  isSignedOut = true;
  /** Number of complete syncs until the device has certainly noticed that the server was restored from a backup. */
  syncsToHeal = 0;
  /** Whether its user has removed its data. */
  isWiped = false;
  readonly #file: string | undefined;
  #opened = 0;

  constructor(world: World, name: string) {
    const { random } = world;
    this.name = name;
    this.strategy = random.pick(["merge", "merge", "user_choice", "last_write_wins", "keep_both"]);
    this.pageSize = random.pick([1, 2, 7, 1_000]);
    this.skew = randomSkew(random);
    this.types = random.chance(0.15) ? randomTypes(random) : ITEM_TYPES;
    this.maxTabs = 1 + random.below(2);
    const kind = random.weighted({ memory: 6, sqlite: 1, file: 1 });
    this.#file = kind === "file" ? join(world.folder, `${name}-${random.below(1e9)}.db`) : undefined;
    const inner = kind === "memory" ? memoryStore() : sqliteStore(this.#file ?? ":memory:");
    this.store = new DeviceStore(inner, world.scheduler, random, () => world.storeFaults);
    world.edits.setTypes(name, this.types);
  }

  /** Lets the device have what the server does not: the server was restored. One sync of each tab may have begun before. */
  mayHeal(): void {
    this.syncsToHeal = this.maxTabs + 1;
  }

  /** Creates the next tab. */
  newTab(): Tab {
    const tab = new Tab(this, `${this.name}-tab-${++this.#opened}`);
    this.tabs.push(tab);
    return tab;
  }

  /** Lets the next tab sync other types, as a new version of the application may. */
  changeTypes(world: World): void {
    this.types = randomTypes(world.random);
    world.edits.setTypes(this.name, this.types);
    world.log(`${this.name} will sync ${this.types}`);
  }

  /** Kills a tab. Without tabs, a store in a file is opened anew, as by a new process. */
  kill(world: World, tab: Tab): void {
    world.scheduler.kill(tab);
    this.store.forget(tab);
    this.tabs = this.tabs.filter((other) => other !== tab);
    if (this.tabs.length === 0 && this.#file !== undefined) {
      void this.store.inner.close();
      this.store.inner = sqliteStore(this.#file);
    }
  }

  get inner(): Store {
    return this.store.inner;
  }
}

export const randomSkew = (random: Random): number => random.pick([0, 0, 1, DAY, -DAY]);

/** Returns at least one type. */
export function randomTypes(random: Random): readonly ItemType[] {
  const types = ITEM_TYPES.filter(() => random.chance(0.5));
  return types.length > 0 ? types : ["saved_query"];
}
