import { AsyncLocalStorage } from "node:async_hooks";
import { createHash } from "node:crypto";

/** Something whose code can be stopped for good, as if its process had been killed. */
export interface Owner {
  readonly name: string;
  isDead: boolean;
}

/** Call of a client that waits until the schedule lets it continue. */
export interface Step {
  readonly owner: Owner;
  readonly name: string;
  readonly resume: () => void;
}

/** Owner of the code that runs. */
const running = new AsyncLocalStorage<Owner>();

const setRealTimeout = globalThis.setTimeout;
const clearRealTimeout = globalThis.clearTimeout;
const realElapsed = performance.now.bind(performance);

/**
 * Decides in which order the clients continue. Every call of a store or of the network is a step: it waits for its turn. Between two
 * turns all code of the clients runs until it waits for further turns, so that the order of the turns determines the run.
 */
export class Scheduler {
  #waiting: Step[] = [];
  readonly #work = new Set<Promise<unknown>>();
  readonly #timers = new Map<object, Step>();
  #now = realElapsed;

  /** Steps whose turn can come. */
  get waiting(): readonly Step[] {
    return this.#waiting;
  }

  /** Runs code of an owner. */
  as<T>(owner: Owner, code: () => T): T {
    return running.run(owner, code);
  }

  /** Waits for a turn. Never settles if the owner is killed. */
  turn(owner: Owner, name: string): Promise<void> {
    return new Promise((resume) => {
      if (!owner.isDead) {
        this.#waiting.push({ owner, name, resume });
      }
    });
  }

  /** Does work outside the clients, such as a request, which the next turn waits for. */
  async work<T>(run: () => Promise<T>): Promise<T> {
    const promise = running.exit(run);
    this.#work.add(promise);
    try {
      return await promise;
    } finally {
      this.#work.delete(promise);
    }
  }

  /** Lets a step continue, and waits until all code waits for further turns. */
  async resume(step: Step): Promise<void> {
    this.#waiting = this.#waiting.filter((other) => other !== step);
    step.resume();
    await this.settle();
  }

  /** Waits until all code waits for turns. */
  async settle(): Promise<void> {
    do {
      await Promise.allSettled(this.#work);
      await new Promise((resolve) => setImmediate(resolve));
    } while (this.#work.size > 0);
  }

  /** Stops the code of an owner for good. */
  kill(owner: Owner): void {
    owner.isDead = true;
    this.#waiting = this.#waiting.filter((step) => step.owner !== owner);
  }

  /** Makes timers of the clients steps, and hashes synchronous: their duration would be random. `now` is the time of the schedule. */
  replaceGlobals(now: () => number): void {
    this.#now = now;
    Object.assign(globalThis, { setTimeout: this.#setTimeout, clearTimeout: this.#clearTimeout });
    Object.defineProperty(performance, "now", { value: this.#elapsed, configurable: true });
    Object.defineProperty(crypto.subtle, "digest", {
      configurable: true,
      value: async (_: string, data: Uint8Array) => Uint8Array.from(createHash("sha256").update(data).digest()).buffer,
    });
  }

  readonly #setTimeout = (run: (...values: unknown[]) => void, milliseconds?: number, ...values: unknown[]): unknown => {
    const owner = running.getStore();
    if (!owner) {
      return setRealTimeout(run, milliseconds, ...values);
    }
    const timer = {};
    const resume = (): void => {
      this.#timers.delete(timer);
      running.run(owner, () => run(...values));
    };
    const step = { owner, name: `timer of ${milliseconds} ms`, resume };
    this.#timers.set(timer, step);
    if (!owner.isDead) {
      this.#waiting.push(step);
    }
    return timer;
  };

  readonly #clearTimeout = (timer: unknown): void => {
    const step = typeof timer === "object" && timer !== null ? this.#timers.get(timer) : undefined;
    if (step) {
      this.#waiting = this.#waiting.filter((other) => other !== step);
    } else {
      Reflect.apply(clearRealTimeout, undefined, [timer]);
    }
  };

  /** Time in milliseconds by the monotonic clock; for clients that of the schedule, which `replaceGlobals` sets. */
  readonly #elapsed = (): number => (running.getStore() ? this.#now() : realElapsed());
}
