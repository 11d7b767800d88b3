// Tools of the store's contract. They run on every platform.
import type { Json, Store } from "../src/store.ts";

/** A case of the contract. */
export interface StoreCase {
  readonly name: string;
  /** `open` returns a further handle of a store that is empty at first. Throws if the store breaks the contract. */
  run(open: () => Store | Promise<Store>): Promise<void>;
}

export function check(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Error(`not true: ${what}`);
}

/** Compares by content: the order of fields counts, and `undefined` is a value. */
export function equal(actual: unknown, expected: unknown, what: string): void {
  const text = (value: unknown) => JSON.stringify(value, (_, part) => (part === undefined ? "(undefined)" : part));
  const [a, b] = [text(actual), text(expected)];
  if (a !== b) throw new Error(`${what}: ${a?.slice(0, 500)} instead of ${b?.slice(0, 500)}`);
}

/** Returns the error with which the promise is rejected. */
export async function rejects(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error("not rejected");
}

export const pause = (milliseconds = 0): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Waits for a condition. The time limit of the runner ends this. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await pause(5);
}

/** Writes records; `undefined` deletes one. */
export const put = (store: Store, records: Readonly<Record<string, Json | undefined>>): Promise<void> =>
  store.transact({}, () => ({ writes: new Map(Object.entries(records)), result: undefined }));

export const read = (store: Store, key: string): Promise<Json | undefined> =>
  store.transact({ keys: [key] }, (records) => ({ result: records.get(key) }));

/** Increments a counter, and returns its value. */
export const increment = (store: Store, key: string): Promise<number> =>
  store.transact({ keys: [key] }, (records) => {
    const next = Number(records.get(key) ?? 0) + 1;
    return { writes: new Map([[key, next]]), result: next };
  });
