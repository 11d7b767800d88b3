/** Syncs by itself: after changes, when the application returns to the foreground or the network, and at an interval. */
import type { Http } from "./http.ts";
import { UNSENT } from "./records.ts";
import type { Store } from "./store.ts";
import type { SyncReport } from "./sync.ts";
import { TOKENS } from "./tokens.ts";
import { throwLater } from "./uncaught.ts";

/** Settings of `start`. */
export interface StartOptions {
  /** Time between two syncs while nothing changes on this device, in milliseconds; 30 s by default. */
  readonly interval?: number;
  /** Time after a change before it is uploaded, in milliseconds, for further ones; 500 ms by default. */
  readonly delay?: number;
}

/** Longest pause between attempts while the service cannot be reached, in milliseconds. */
const MAX_BACKOFF = 300_000;

/** Longest duration of a timer, in milliseconds: longer ones run out at once. */
const MAX_TIMER = 2 ** 31 - 1;

/** Factor by which the interval grows while the application is in the background. */
const BACKGROUND_FACTOR = 10;

/** What the schedule needs of the client. */
export interface Scheduled {
  readonly store: Store;
  readonly http: Pick<Http, "rateLimit">;
  readonly random: () => number;
  readonly sync: () => Promise<SyncReport>;
}

/** Runs `sync` as long as it is not stopped. */
export class Schedule {
  readonly #scheduled: Scheduled;
  readonly #interval: number;
  readonly #delay: number;
  readonly #ended = new AbortController();
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Time at which the timer runs out, by the monotonic clock. */
  #due = Infinity;
  #failures = 0;
  #isRunning = false;

  constructor(scheduled: Scheduled, options: StartOptions) {
    this.#scheduled = scheduled;
    this.#interval = duration("interval", options.interval ?? 30_000);
    this.#delay = duration("delay", options.delay ?? 500);
    const unsubscribe = scheduled.store.subscribe((keys) => {
      if (keys.includes(TOKENS)) {
        // Another tab has logged in.
        this.now();
      } else if (keys.length === 0 || keys.some((key) => key.startsWith(UNSENT))) {
        void this.#changed().catch(throwLater);
      }
    });
    this.#ended.signal.addEventListener("abort", unsubscribe);
    this.#listen();
    this.#wake(0);
  }

  /** Ends the schedule. A sync in progress ends by itself. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#ended.abort();
  }

  /** Syncs at once, also after failures. */
  now(): void {
    this.#failures = 0;
    this.#wake(0);
  }

  #listen(): void {
    const now = (): void => {
      if (!("document" in globalThis) || document.visibilityState === "visible") {
        this.now();
      }
    };
    for (const target of [globalThis, globalThis.document]) {
      for (const name of ["online", "focus", "visibilitychange"]) {
        target?.addEventListener?.(name, now, { signal: this.#ended.signal });
      }
    }
  }

  /** Wakes if there is something to upload: an upload also changes these records. A service that failed is not asked sooner. */
  async #changed(): Promise<void> {
    if (this.#failures === 0 && !this.#ended.signal.aborted && (await this.#hasUnsent())) {
      this.#wake(this.#delay);
    }
  }

  async #hasUnsent(): Promise<boolean> {
    return (await this.#scheduled.store.list(UNSENT, { limit: 1 })).length > 0;
  }

  /** Runs in `milliseconds`, unless it runs sooner. */
  #wake(milliseconds: number): void {
    const due = performance.now() + milliseconds;
    if (this.#ended.signal.aborted || this.#isRunning || due >= this.#due) {
      return;
    }
    clearTimeout(this.#timer);
    this.#due = due;
    this.#timer = setTimeout(() => void this.#run().catch(throwLater), Math.min(milliseconds, MAX_TIMER));
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    this.#due = Infinity;
    const pause = this.#pauseAfter(await this.#scheduled.sync());
    this.#isRunning = false;
    this.#wake(pause);
    await this.#changed();
  }

  #pauseAfter({ error }: SyncReport): number {
    const { random } = this.#scheduled;
    if (error) {
      this.#failures += 1;
      const backoff = Math.min(MAX_BACKOFF, 1_000 * 2 ** Math.min(this.#failures, 10));
      return Math.max(1_000 * (error.retryAfter ?? 0), backoff * (0.5 + random() / 2));
    }
    this.#failures = 0;
    const isHidden = "document" in globalThis && document.visibilityState === "hidden";
    const interval = this.#interval * (isHidden ? BACKGROUND_FACTOR : 1) * (0.9 + random() / 5);
    return Math.max(interval, this.#affordable());
  }

  /** Returns the interval at which the user's token bucket does not run dry, also if other devices use it at the same rate, in milliseconds. */
  #affordable(): number {
    const bucket = this.#scheduled.http.rateLimit("/api/sync/download");
    const isLow = bucket !== undefined && bucket.remaining < bucket.limit / 4;
    return isLow ? (1_000 * bucket.reset) / Math.max(1, bucket.remaining) : 0;
  }
}

/** Returns a duration that can be waited for. Throws a `TypeError` if `milliseconds` is none. */
function duration(name: string, milliseconds: number): number {
  if (!(milliseconds > 0)) {
    throw new TypeError(`${name} must be a positive number of milliseconds`);
  }
  return milliseconds;
}
