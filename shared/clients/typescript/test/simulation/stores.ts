import { AsyncLocalStorage } from "node:async_hooks";
import { type Json, type Store } from "../../src/index.ts";
import type { Random } from "./random.ts";
import type { Owner, Scheduler } from "./scheduler.ts";

interface Call {
  readonly onCommit: (keys: readonly string[]) => void;
  readonly onNewId: (id: string) => void;
}

/** Call of the client that runs. */
const running = new AsyncLocalStorage<Call>();

/**
 * Runs a call of the client. `onCommit` is called with the keys of the records that a transaction of it has written, also if the client
 * is killed then; `onNewId` with each id that it makes.
 */
export function calling<T>(call: () => Promise<T>, onCommit: Call["onCommit"], onNewId: Call["onNewId"] = () => {}): Promise<T> {
  return running.run({ onCommit, onNewId }, call);
}

/** Tells the running call of an id, and returns it. */
export function told(id: string): string {
  running.getStore()?.onNewId(id);
  return id;
}

/** Failure of a store, such as a full disk. */
export class StoreFailure extends Error {}

/** Defects that stores may have. */
export interface StoreFaults {
  /** Probability that a transaction fails. */
  readonly failure: number;
  /** Probability that a lock does not exclude others, as one that has expired while its holder was suspended. */
  readonly expiredLock: number;
}

interface Waiting {
  readonly owner: Owner;
  readonly resume: () => void;
}

/** The local store of a device, which its tabs share. What is written survives that a tab is killed; its locks and listeners do not. */
export class DeviceStore {
  readonly #scheduler: Scheduler;
  readonly #random: Random;
  readonly #faults: () => StoreFaults;
  readonly #listeners = new Set<{ readonly owner: Owner; readonly call: (keys: readonly string[]) => void }>();
  /** Those that hold a lock and those that wait for it, by its name. */
  readonly #locks = new Map<string, Waiting[]>();
  /** The store. */
  inner: Store;

  constructor(inner: Store, scheduler: Scheduler, random: Random, faults: () => StoreFaults) {
    this.inner = inner;
    this.#scheduler = scheduler;
    this.#random = random;
    this.#faults = faults;
  }

  /** Returns the store as a tab sees it: each call is a step, and sometimes its result is another one. */
  of(owner: Owner): Store {
    const step = async <T>(name: string, call: () => Promise<T>): Promise<T> => {
      await this.#scheduler.turn(owner, name);
      const result = await this.#scheduler.work(call);
      if (this.#random.chance(0.25)) {
        await this.#scheduler.turn(owner, `result of ${name}`);
      }
      return result;
    };
    return {
      transact: (reads, decide) => {
        const name = `transaction of ${[...(reads.keys ?? []), ...(reads.prefixes ?? []).map((prefix) => `${prefix}…`)]}`;
        return step(name, async () => {
          if (this.#random.chance(this.#faults().failure)) {
            throw new StoreFailure("the disk is full");
          }
          let written: ReadonlyMap<string, Json | undefined> | undefined;
          const result = await this.inner.transact(reads, (records) => {
            // A store may call it again.
            const decision = this.#random.chance(0.1) && decide(records) ? decide(records) : decide(records);
            written = decision.writes;
            return decision;
          });
          this.#committed([...(written?.keys() ?? [])]);
          return result;
        });
      },
      list: (prefix, options) => step(`list of ${prefix}`, () => this.inner.list(prefix, options)),
      subscribe: (call) => {
        const listener = { owner, call };
        this.#listeners.add(listener);
        return () => void this.#listeners.delete(listener);
      },
      lock: (name, run) => this.#locked(owner, name, run),
      close: async () => {},
    };
  }

  /** Frees the locks of a tab that was killed, and forgets its listeners. */
  forget(owner: Owner): void {
    this.#listeners.forEach((listener) => listener.owner === owner && this.#listeners.delete(listener));
    for (const [name, [holder, ...waiting]] of this.#locks) {
      const left = waiting.filter((other) => other.owner !== owner);
      if (holder) {
        this.#locks.set(name, [holder, ...left]);
      }
      if (holder?.owner === owner) {
        this.#release(name);
      }
    }
  }

  #committed(keys: readonly string[]): void {
    if (keys.length === 0) {
      return;
    }
    running.getStore()?.onCommit(keys);
    for (const { owner, call } of [...this.#listeners]) {
      this.#scheduler.as(owner, () => running.exit(() => call(keys)));
    }
  }

  async #locked<T>(owner: Owner, name: string, run: () => Promise<T>): Promise<T> {
    if (this.#random.chance(this.#faults().expiredLock)) {
      return run();
    }
    await new Promise<void>((resume) => {
      const queue = this.#locks.get(name) ?? [];
      this.#locks.set(name, [...queue, { owner, resume }]);
      if (queue.length === 0) {
        resume();
      }
    });
    try {
      return await run();
    } finally {
      this.#release(name);
    }
  }

  /** Lets the next one have a lock. */
  #release(name: string): void {
    const [, ...waiting] = this.#locks.get(name) ?? [];
    this.#locks.set(name, waiting);
    waiting[0]?.resume();
  }
}
