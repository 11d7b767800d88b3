import { Accounts } from "./account.ts";
import { Changes } from "./changes.ts";
import { type Local, Collection } from "./collection.ts";
import type {
  Connection, ConnectionInput, ExtraFields, HistoryEntry, HistoryEntryInput, SavedQuery, SavedQueryInput,
} from "./collections.ts";
import { Conflicts } from "./conflicts.ts";
import { claim, openDevice, wipe } from "./device.ts";
import { Http } from "./http.ts";
import { ITEM_TYPES } from "./records.ts";
import type { Remote } from "./remote.ts";
import { type Failure, type Result, success } from "./result.ts";
import { type StartOptions, Schedule } from "./schedule.ts";
import { Session } from "./session.ts";
import { sleep } from "./sleep.ts";
import type { Store } from "./store.ts";
import { subscribers } from "./stores/shared.ts";
import { type SyncReport, Sync } from "./sync.ts";
import type { TokenStore } from "./tokens.ts";
import { type ExportFile, type ImportReport, exportAll, importAll } from "./transfer.ts";
import type { Account, ItemType, Strategy } from "./types.ts";
import { VersionedCollection } from "./versions.ts";

/** Settings of a client. */
export interface ClientOptions {
  /** Base URL of the service, such as `https://sync.example.com`. */
  readonly url: string;
  /** Keeps the data on this device: `memoryStore()`, `indexedDbStore(name)` or `sqliteStore(path)`. */
  readonly store: Store;
  /** API key of the application, if the service is behind API Gateway. */
  readonly apiKey?: string | undefined;
  /** Name and version of the application, shown in the list of devices. */
  readonly clientVersion?: string | undefined;
  /** Name of this device, shown in the list of sessions. */
  readonly deviceName?: string | undefined;
  /** Keeps the tokens of the session; the local store by default. */
  readonly tokens?: TokenStore | undefined;
  /**
   * What becomes of an item that two devices have edited: `merge` (by default) merges field by field and leaves what contradicts to the
   * user, `user_choice` leaves every conflict to the user, `last_write_wins` takes the later edit, `keep_both` makes a copy.
   */
  readonly strategy?: Exclude<Strategy, "refuse"> | undefined;
  /** Types of items that are synced; all by default. Items of other types stay on this device. */
  readonly types?: readonly ItemType[] | undefined;
  /** Most items of a page of a download; 1,000 by default. */
  readonly pageSize?: number | undefined;
  /** Replaces the global `fetch`. */
  readonly fetch?: typeof fetch;
  /** Replaces the clock, for tests. */
  readonly now?: () => Date;
  /** Replaces the source of random numbers from 0 to 1, for tests. */
  readonly random?: () => number;
  /** Replaces the source of ids, for tests. */
  readonly newId?: () => string;
  /** Replaces waiting, for tests. */
  readonly sleep?: (milliseconds: number, signal: AbortSignal) => Promise<void>;
}

const STRATEGIES: readonly Strategy[] = ["merge", "last_write_wins", "keep_both", "user_choice"];

/** A user's data on this device, and the service that keeps it the same on all of them. */
export class Client<E extends ExtraFields = {}> {
  /** Connection templates. */
  readonly connections: VersionedCollection<Connection<E>, ConnectionInput<E>>;
  /** Saved queries. */
  readonly savedQueries: VersionedCollection<SavedQuery<E>, SavedQueryInput<E>>;
  /** Query history. Entries can be added and deleted, but not changed. */
  readonly history: Collection<HistoryEntry<E>, HistoryEntryInput<E>>;
  /** Conflicts that wait for the user. */
  readonly conflicts: Conflicts;
  /** Edits that the server does not have. */
  readonly changes: Changes;
  /** Account and its sessions. */
  readonly account: Accounts;
  /** The service, for calls that the client has no method for. */
  readonly remote: Remote;
  readonly #local: Local;
  readonly #http: Http;
  readonly #session: Session;
  readonly #sync: Sync;
  readonly #random: () => number;
  readonly #listeners = subscribers<SyncReport>();
  #schedule: Schedule | undefined;

  /** @internal Use `openClient`. */
  constructor(options: ClientOptions, local: Local) {
    const { store } = local;
    const http = new Http(options);
    const session = new Session({
      http, store, onSignedIn: (account) => claim(store, account), ...(options.tokens && { tokens: options.tokens }),
    });
    const random = options.random ?? Math.random;
    const sync = new Sync(local, session, {
      strategy: options.strategy ?? "merge", pageSize: options.pageSize, sleep: options.sleep ?? sleep, random,
      claim: async () => {
        const account = await session.account();
        return account ? claim(store, account) : success(undefined);
      },
    });
    const online = { store, remote: session, exclusive: <T>(run: () => Promise<T>) => sync.exclusive(run) };
    this.connections = new VersionedCollection(local, online, "connection");
    this.savedQueries = new VersionedCollection(local, online, "saved_query");
    this.history = new Collection(local, "query_history");
    this.conflicts = new Conflicts(online);
    this.changes = new Changes(store);
    this.account = new Accounts({ http, session, ...(options.deviceName !== undefined && { deviceName: options.deviceName }) });
    this.remote = session;
    this.#local = local;
    this.#http = http;
    this.#session = session;
    this.#sync = sync;
    this.#random = random;
  }

  /** Id of this device, made when its store was first opened. */
  get deviceId(): string {
    return this.#local.device.id;
  }

  /** Creates an account and signs in. What is on this device is uploaded to it. */
  signUp(account: { username: string; email: string; password: string }): Promise<Result<Account>> {
    return this.#signedIn(this.account.signUp(account));
  }

  /** Signs in with the user name or the email address. */
  logIn(credentials: { username: string; password: string }): Promise<Result<Account>> {
    return this.#signedIn(this.account.logIn(credentials));
  }

  async #signedIn(signingIn: Promise<Result<Account>>): Promise<Result<Account>> {
    const result = await signingIn;
    if (result.ok) {
      this.#schedule?.now();
    }
    return result;
  }

  /**
   * Signs out. The data stays on this device, unless `wipe` is set: then it is removed, with edits that are not uploaded. A failure says
   * that the service does not know yet; this device is signed out in any case.
   */
  async logOut({ wipe: wipes = false }: { readonly wipe?: boolean } = {}): Promise<Result<void>> {
    const result = await this.account.logOut();
    if (wipes) {
      await this.#sync.exclusive(() => wipe(this.#local));
    }
    return result;
  }

  /** Calls `listener` when the session ends other than by `logOut`: it expired, or was ended on another device. */
  onSignedOut(listener: (reason: Failure) => void): () => void {
    return this.#session.onSignedOut(listener);
  }

  /** Uploads the edits of this device, and downloads those of others. Never throws: the report has the error. */
  async sync(): Promise<SyncReport> {
    const report = await this.#sync.run();
    this.#listeners.notify(report);
    return report;
  }

  /** Calls `listener` after each sync. Returns a function that ends it. */
  onSync(listener: (report: SyncReport) => void): () => void {
    return this.#listeners.add(listener);
  }

  /** Syncs from now on by itself: after edits, on focus, when the network is back, and at an interval. */
  start(options: StartOptions = {}): void {
    this.stop();
    this.#schedule = new Schedule(
      { store: this.#local.store, http: this.#http, random: this.#random, sync: () => this.sync() }, options);
  }

  /** Ends what `start` began. A sync in progress ends by itself. */
  stop(): void {
    this.#schedule?.stop();
    this.#schedule = undefined;
  }

  /** Returns all items of this device as one JSON file. */
  exportAll(): Promise<ExportFile> {
    return exportAll(this.#local);
  }

  /**
   * Writes the items of a file from `exportAll` as edits of this device. Items that the file lacks stay. Throws a `TypeError` that names
   * the field, and writes nothing, if the file is invalid.
   */
  importAll(file: unknown): Promise<ImportReport> {
    return importAll(this.#local, file);
  }

  /** Ends syncing and closes the store. */
  async close(): Promise<void> {
    this.stop();
    this.#sync.stop();
    await this.#sync.idle();
    await this.#local.store.close();
  }
}

/**
 * Opens the data of this device. `E` describes fields of the application's own:
 *
 * ```ts
 * const client = await openClient<{ savedQuery: { folder?: string } }>({ url, store: indexedDbStore("studio") });
 * ```
 */
export async function openClient<E extends ExtraFields = {}>(options: ClientOptions): Promise<Client<E>> {
  const { store, now = () => new Date(), newId = () => crypto.randomUUID(), types = ITEM_TYPES, strategy = "merge" } = options;
  const unknown = types.find((type) => !ITEM_TYPES.includes(type));
  if (unknown !== undefined || !STRATEGIES.includes(strategy)) {
    throw new TypeError(unknown === undefined ? `strategy must be one of ${STRATEGIES.join(", ")}` : `types must be of ${ITEM_TYPES.join(", ")}`);
  }
  const id = newId();
  const meta = await openDevice({ store, now, newId }, id, types);
  return new Client<E>(options, { store, now, newId, tab: { id, openedAt: meta.seq }, device: { id: meta.device_id } });
}
