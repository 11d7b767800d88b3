import type { Json, Store } from "../store.ts";
import { announced, checkKeys, checkReads, lifecycle, queue, subscribers, type Subscribers } from "./shared.ts";

/** A store in memory. Several clients can use one, as several tabs use one database. */
export interface MemoryStore extends Store {
  /** Returns another handle of the same records, which is closed on its own. The records remain as long as a handle is referenced. */
  open(): MemoryStore;
}

/** What the handles of a store in memory have in common. */
interface Shared {
  /** Values as JSON: a later modification of an object does not reach the store. */
  readonly records: Map<string, string>;
  readonly handles: Set<Subscribers<readonly string[]>>;
  readonly lock: Store["lock"];
}

/**
 * Returns a store that holds its records in memory: those of `from` at first. `memoryStore(await store.list(""))` copies a store.
 */
export function memoryStore(from: Iterable<readonly [string, Json]> = []): MemoryStore {
  const records = new Map<string, string>();
  for (const [key, value] of from) {
    checkKeys([key]);
    records.set(key, JSON.stringify(value));
  }
  return handle({ records, handles: new Set(), lock: queue() });
}

function handle(shared: Shared): MemoryStore {
  const { records, handles } = shared;
  const { check, track, close } = lifecycle();
  const own = subscribers<readonly string[]>();
  handles.add(own);

  /** Returns the records with the given prefix. Strings compare by code unit, as keys of IndexedDB do. */
  const range = (prefix: string, after?: string, limit?: number): Array<[string, Json]> =>
    [...records.keys()]
      .filter((key) => key.startsWith(prefix) && (after === undefined || key > after))
      .sort()
      .slice(0, limit)
      .map((key) => [key, read(key)]);
  const read = (key: string): Json => JSON.parse(records.get(key) ?? "null");

  return {
    async transact(reads, decide) {
      check();
      checkReads(reads);
      return track(() => {
        const found = new Map((reads.prefixes ?? []).flatMap((prefix) => range(prefix)));
        for (const key of reads.keys ?? []) if (records.has(key)) found.set(key, read(key));
        const { writes, result } = decide(found);
        checkKeys(writes?.keys());
        const changes = [...(writes ?? [])].map(([key, value]) => ({ key, text: value === undefined ? value : JSON.stringify(value) }));
        for (const { key, text } of changes) {
          if (text === undefined) records.delete(key);
          else records.set(key, text);
        }
        const keys = announced(writes);
        if (keys.length) for (const listeners of handles) listeners.notify(keys);
        return result;
      });
    },
    async list(prefix, { after, limit } = {}) {
      check();
      checkKeys([prefix, after ?? ""]);
      return track(() => range(prefix, after, limit));
    },
    subscribe(listener) {
      check();
      return own.add(listener);
    },
    async lock(name, run) {
      check();
      return shared.lock(name, async () => {
        check();
        return run();
      });
    },
    close: () => close(() => {
      own.clear();
      handles.delete(own);
    }),
    open: () => handle(shared),
  };
}
