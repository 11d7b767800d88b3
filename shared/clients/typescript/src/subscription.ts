import type { Store } from "./store.ts";
import { throwLater } from "./uncaught.ts";

/**
 * Calls `listener` with the result of `read`: now, and after each change of a record whose key starts with one of `prefixes`, one
 * call after the other. Returns a function that ends the subscription.
 */
export function subscribeTo<T>(
  store: Store, prefixes: readonly string[], read: () => Promise<T>, listener: (value: T) => void,
): () => void {
  let isOpen = true;
  let isScheduled = false;
  let last: Promise<void> = Promise.resolve();
  const publish = async (): Promise<void> => {
    isScheduled = false;
    try {
      const value = await read();
      if (isOpen) {
        listener(value);
      }
    } catch (error) {
      if (isOpen) {
        throwLater(error);
      }
    }
  };
  // A change before the next read has begun needs no read of its own.
  const schedule = (): void => {
    if (!isScheduled) {
      isScheduled = true;
      last = last.then(publish);
    }
  };
  const end = store.subscribe((keys) => {
    if (keys.length === 0 || keys.some((key) => prefixes.some((prefix) => key.startsWith(prefix)))) {
      schedule();
    }
  });
  schedule();
  return () => {
    isOpen = false;
    end();
  };
}
