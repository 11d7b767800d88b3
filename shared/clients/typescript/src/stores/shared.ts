import type { Reads, Store } from "../store.ts";
import { throwLater } from "../uncaught.ts";

/** Prefix of the keys of leases. Their changes are not announced to subscribers. */
export const LEASES = "lease/";

export const closedError = (): Error => new DOMException("the store is closed", "AbortError");

/** Throws unless all keys can be stored by every store: SQLite, which stores UTF-8, has no lone surrogates. */
export function checkKeys(keys: Iterable<string> = []): void {
  for (const key of keys) {
    if (!key.isWellFormed()) throw new TypeError(`key ${JSON.stringify(key)} contains a lone surrogate`);
  }
}

/** Throws unless all keys and prefixes of `reads` can be stored. */
export function checkReads(reads: Reads): void {
  checkKeys(reads.keys);
  checkKeys(reads.prefixes);
}

/** State of a handle: the calls in progress, and whether it is closed. */
export interface Lifecycle {
  /** Throws if the handle is closed. */
  check(): void;
  /** Runs `work` after the current code. `close` waits for it. */
  track<T>(work: () => T | Promise<T>): Promise<T>;
  /** Lets `check` fail from now on, calls `release`, waits for the tracked calls, and calls `end`. Later calls do nothing more. */
  close(end: () => void, release?: () => Promise<void>): Promise<void>;
}

export function lifecycle(): Lifecycle {
  const running = new Set<Promise<unknown>>();
  let closing: Promise<void> | undefined;
  return {
    check: () => {
      if (closing) throw closedError();
    },
    async track(work) {
      const call = Promise.resolve().then(work);
      running.add(call);
      try {
        return await call;
      } finally {
        running.delete(call);
      }
    },
    close: (end, release) =>
      (closing ??= (async () => {
        await release?.();
        await Promise.allSettled(running);
        end();
      })()),
  };
}

/** Functions that are called with values. */
export interface Subscribers<T> {
  /** Adds a listener. Returns a function that removes it. */
  add(listener: (value: T) => void): () => void;
  /** Calls all listeners. An exception of a listener becomes an uncaught error and affects nothing else. */
  notify(value: T): void;
  clear(): void;
  readonly size: number;
}

export function subscribers<T>(): Subscribers<T> {
  const listeners = new Set<(value: T) => void>();
  return {
    add(listener) {
      // A function that is subscribed twice is called twice.
      const entry = (value: T): void => listener(value);
      listeners.add(entry);
      return () => void listeners.delete(entry);
    },
    notify(value) {
      for (const listener of [...listeners]) {
        // An earlier listener may have ended this subscription.
        if (!listeners.has(listener)) continue;
        try {
          listener(value);
        } catch (error) {
          throwLater(error);
        }
      }
    },
    clear: () => listeners.clear(),
    get size() {
      return listeners.size;
    },
  };
}

/** Returns the keys of `writes` that subscribers are told of. */
export const announced = (writes: ReadonlyMap<string, unknown> | undefined): string[] =>
  [...(writes?.keys() ?? [])].filter((key) => !key.startsWith(LEASES));

/** Returns a function that runs calls of the same name one after the other, in the order of the calls. */
export function queue(): Store["lock"] {
  const tails = new Map<string, Promise<unknown>>();
  return async (name, run) => {
    const turn = (tails.get(name) ?? Promise.resolve()).then(() => run());
    const tail = turn.catch(() => {});
    tails.set(name, tail);
    try {
      return await turn;
    } finally {
      if (tails.get(name) === tail) tails.delete(name);
    }
  };
}

