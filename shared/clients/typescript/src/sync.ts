/** Exchanges the changes of this device with the server. */
import type { Local } from "./collection.ts";
import { applyPage, isDownloadPage, prepare, readsOf } from "./download.ts";
import { type Meta, ITEM_TYPES, META, metaIn } from "./records.ts";
import type { Remote } from "./remote.ts";
import { type Failure, type Result, SIGNED_OUT } from "./result.ts";
import type { DownloadPage, Strategy } from "./types.ts";
import { SLOW, UNEXPECTED, Uploader } from "./uploader.ts";

/** Longest time that a sync waits for the service before it gives up, in seconds. */
const MAX_WAIT = 60;

/** Most items of a page of the service. */
const MAX_PAGE = 1_000;

/** Number of times in a row that a sync repeats a request that the service was too busy for. */
const MAX_REPEATS = 5;

/** Result of a sync. */
export interface SyncReport {
  /** Reason for which the sync is incomplete; absent if this device and the server now agree. */
  readonly error?: Failure;
  /** Number of changes that the server accepted. */
  readonly uploaded: number;
  /** Number of items and deletions that were received. */
  readonly downloaded: number;
  /** Number of changes that conflicted. Those that wait for the user are in `client.conflicts`. */
  readonly conflicts: number;
  /** Number of changes that the server rejected. They are in `client.changes`. */
  readonly rejected: number;
  /** Whether everything was downloaded anew, because the server asked for it. */
  readonly reset: boolean;
  /** Whether the digest of this device differed from that of the server, and everything was downloaded anew. */
  readonly healed: boolean;
}

/** Settings of a sync. */
export interface SyncOptions {
  readonly strategy: Exclude<Strategy, "refuse">;
  /** Most items of a page of a download. */
  readonly pageSize?: number | undefined;
  /** Waits for a number of milliseconds, or until the signal is aborted. */
  readonly sleep: (milliseconds: number, signal: AbortSignal) => Promise<void>;
  /** Random number from 0 to 1. */
  readonly random: () => number;
  /** Lets the data of this device belong to the account that is signed in, unless it is that of another one. */
  readonly claim: () => Promise<Result<void>>;
}

/** Report of a sync that is running. */
export type Progress = { -readonly [K in keyof SyncReport]: SyncReport[K] };

/** Result of a step: whether another one follows, or why it failed. */
export type Step = "next" | "done" | Failure;

/**
 * A step is one request with the transactions around it, under a lock that all tabs share. Tabs take turns between steps, and what one
 * has done the others need not do again.
 */
export class Sync {
  readonly #local: Local;
  readonly #remote: Remote;
  readonly #options: SyncOptions;
  readonly #uploader: Uploader;
  /** Most items of the next page. It shrinks while the network is too slow for larger ones. */
  #pageSize: number;
  readonly #stopped = new AbortController();
  /** Whether this tab has computed the digest from all records: once, because later syncs keep it up to date. */
  #isRecounted = false;
  #running: Promise<SyncReport> | undefined;
  #following: Promise<SyncReport> | undefined;

  constructor(local: Local, remote: Remote, options: SyncOptions) {
    this.#local = local;
    this.#remote = remote;
    this.#options = options;
    this.#uploader = new Uploader(local, remote, options.strategy);
    this.#pageSize = options.pageSize ?? MAX_PAGE;
  }

  /** Uploads and downloads. A call during a sync waits for it and starts another one, for edits that the first one may have missed. */
  run(): Promise<SyncReport> {
    if (this.#running) {
      this.#following ??= this.#running.then(() => {
        this.#following = undefined;
        return this.run();
      });
      return this.#following;
    }
    this.#running = this.#exchange().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  /** Ends waits, and lets a running sync end after its current request. */
  stop(): void {
    this.#stopped.abort();
  }

  /** Waits until no sync is running. */
  async idle(): Promise<void> {
    await this.#running?.catch(() => undefined);
  }

  /** Runs a write to the server and the transaction that takes its result, while no other tab does. */
  exclusive<T>(run: () => Promise<T>): Promise<T> {
    return this.#local.store.lock("sync", run);
  }

  async #exchange(): Promise<SyncReport> {
    const report: Progress = { uploaded: 0, downloaded: 0, conflicts: 0, rejected: 0, reset: false, healed: false };
    const { postponed } = this.#uploader;
    postponed.clear();
    try {
      const claimed = await this.exclusive(this.#options.claim);
      let error = claimed.ok ? await this.#pass(report) : claimed.error;
      if (!error && postponed.size > 0) {
        postponed.clear();
        error = await this.#pass(report) ?? [...postponed.values()][0];
      }
      return error ? { ...report, error } : report;
    } catch (error) {
      // The store fails, such as on a full disk. What was stored before stays, and the next sync continues there.
      return { ...report, error: { code: "LOCAL_FAILURE", message: String(error) } };
    }
  }

  /** Uploads, then downloads, which delivers what the upload has made of the changes. */
  async #pass(report: Progress): Promise<Failure | undefined> {
    const error = await this.#repeat(() => this.#uploader.step(report));
    // A refused upload does not keep this device from what others have done.
    const isOver = error && (error === STOPPED || error.code === "OFFLINE" || error.code === "SIGNED_OUT");
    return isOver ? error : await this.#repeat(() => this.#download(report)).then((other) => error ?? other);
  }

  /** Runs steps until none follows. Repeats a failed one if the service asks for it. Returns the failure that ended it. */
  async #repeat(step: () => Promise<Step>): Promise<Failure | undefined> {
    for (let failures = 0; ;) {
      const result = this.#stopped.signal.aborted ? STOPPED : await this.exclusive(step);
      if (result === "done") {
        return undefined;
      }
      if (result === "next") {
        failures = 0;
      } else if (!(await this.#waits(result, ++failures))) {
        return result;
      }
    }
  }

  /** Waits before a failed request is repeated. Returns whether it should be. */
  async #waits(failure: Failure, failures: number): Promise<boolean> {
    const isBusy = failure.code === "RATE_LIMIT_EXCEEDED" || failure.code === "SERVICE_UNAVAILABLE";
    const seconds = failure.retryAfter ?? 0.25 * 2 ** failures;
    const repeats = failure.code === "OFFLINE" ? 1 : isBusy ? MAX_REPEATS : 0;
    if (failures > repeats || seconds > MAX_WAIT) {
      return false;
    }
    // Devices that were refused at the same time do not come back at the same time.
    await this.#options.sleep(1_000 * (seconds + this.#options.random() * Math.max(0.5, seconds / 10)), this.#stopped.signal);
    return !this.#stopped.signal.aborted;
  }

  async #download(report: Progress): Promise<Step> {
    const { store } = this.#local;
    const meta = await store.transact({ keys: [META] }, (records) => ({ result: metaIn(records) }));
    if (meta.types.length === 0) {
      return "done";
    }
    if (meta.user_id === undefined) {
      return SIGNED_OUT;
    }
    const received = await this.#page(meta);
    if (!received.ok) {
      return received.error;
    }
    const page = received.value;
    if (!isDownloadPage(page) || (page.has_more && page.sync_timestamp === meta.cursor)) {
      return UNEXPECTED;
    }
    const prepared = await prepare(page);
    const heals = !report.healed;
    const options = { asked: meta, recounts: !this.#isRecounted, heals };
    const effect = await store.transact(readsOf(prepared, meta, options.recounts), (records) => applyPage(prepared, options, records));
    if (effect === "stale") {
      return "next";
    }
    this.#isRecounted ||= !page.has_more;
    report.downloaded += prepared.delivered.length + page.deleted.length;
    report.reset ||= page.reset && meta.cursor !== undefined;
    if (effect === "digest differs") {
      report.healed = true;
      return heals ? "next" : DIFFERS;
    }
    return page.has_more ? "next" : "done";
  }

  async #page(meta: Meta): Promise<Result<DownloadPage>> {
    const query = {
      device_id: meta.device_id,
      since: meta.cursor,
      limit: this.#pageSize,
      item_type: meta.types.length < ITEM_TYPES.length ? meta.types : undefined,
    };
    const started = performance.now();
    const page = await this.#remote.send<DownloadPage>({ method: "GET", path: "/api/sync/download", query, account: meta.user_id });
    if (page.ok) {
      this.#pageSize = Math.min(this.#options.pageSize ?? MAX_PAGE, 2 * this.#pageSize);
    } else if (page.error.status === undefined && performance.now() - started > SLOW) {
      this.#pageSize = Math.ceil(this.#pageSize / 2);
    }
    return page;
  }
}

const DIFFERS: Failure = { code: "INTERNAL_ERROR", message: "after a full download, the data still differs from that of the service" };
const STOPPED: Failure = { code: "OFFLINE", message: "the client was closed" };

