import type { Decision, Json, Reads, Records, Store } from "../store.ts";
import { leases } from "./lease.ts";
import { announced, checkKeys, checkReads, closedError, lifecycle, subscribers } from "./shared.ts";

/** Version of the database's object stores. */
const VERSION = 1;
const RECORDS = "records";

/**
 * Returns a store in the IndexedDB database `name` of the origin. The first call opens the database. The connection is closed when another
 * tab deletes or upgrades the database, or by the browser; the next call opens it again.
 */
export function indexedDbStore(name: string): Store {
  const { check, track, close } = lifecycle();
  const listeners = subscribers<readonly string[]>();
  const scope = `@sql-studio/sync/${name}`;
  const channel = new BroadcastChannel(scope);
  channel.onmessage = ({ data }) => {
    if (Array.isArray(data)) listeners.notify(data);
  };
  const abort = new AbortController();
  const connection = connect(name);

  const transact: Store["transact"] = (reads, decide) =>
    track(async () => {
      const { result, keys } = await connection.run("readwrite", (transaction) => commit(transaction, reads, decide));
      if (keys.length) {
        channel.postMessage(keys);
        listeners.notify(keys);
      }
      return result;
    });

  const locks = leases(transact);
  return {
    async transact(reads, decide) {
      check();
      checkReads(reads);
      return transact(reads, decide);
    },
    async list(prefix, { after, limit } = {}) {
      check();
      checkKeys([prefix, after ?? ""]);
      const range = rangeOf(prefix, after);
      // To IndexedDB, a limit of 0 is none.
      if (!range || limit === 0) return [];
      return track(() => connection.run("readonly", (transaction) => list(transaction, range, limit)));
    },
    subscribe(listener) {
      check();
      return listeners.add(listener);
    },
    async lock(lockName, run) {
      check();
      // Missing outside secure contexts.
      if (!navigator.locks) return locks.lock(lockName, run);
      return navigator.locks.request(`${scope}/${lockName}`, { signal: abort.signal }, () => run());
    },
    close: () =>
      close(() => {
        listeners.clear();
        channel.close();
        connection.close();
      }, () => {
        abort.abort(closedError());
        return locks.close();
      }),
  };
}

/** Returns the connection to a database, which is opened when it is needed. */
function connect(name: string) {
  let db: IDBDatabase | undefined;
  let opening: Promise<IDBDatabase> | undefined;
  let isClosed = false;

  const open = () => new Promise<IDBDatabase>((resolve, reject) => {
    const request = indexedDB.open(name, VERSION);
    request.onupgradeneeded = () => request.result.createObjectStore(RECORDS);
    // The request goes on. Until it succeeds, further calls fail with the same error.
    request.onblocked = () => reject(new Error(`another tab uses an older version of the database ${name}; close it`));
    request.onerror = () => {
      opening = undefined;
      reject(explain(name, request.error));
    };
    request.onsuccess = () => {
      const { result } = request;
      opening = undefined;
      if (isClosed) result.close();
      else db = result;
      result.onclose = () => forget(result);
      result.onversionchange = () => {
        result.close();
        forget(result);
      };
      resolve(result);
    };
  });

  const forget = (closed: IDBDatabase) => {
    if (db === closed) db = undefined;
  };

  /** Begins a transaction, and passes it to `use` at once: it would commit by itself. */
  const run = async <T>(mode: IDBTransactionMode, use: (transaction: IDBTransaction) => Promise<T>, isRetry = false): Promise<T> => {
    const current = db ?? (await (opening ??= open()));
    let transaction;
    try {
      transaction = current.transaction(RECORDS, mode, { durability: "strict" });
    } catch (error) {
      if (isRetry || !(error instanceof DOMException && error.name === "InvalidStateError")) throw error;
      // The connection was closed in the meantime.
      forget(current);
      return run(mode, use, true);
    }
    return use(transaction);
  };

  const close = () => {
    isClosed = true;
    db?.close();
  };
  return { run, close };
}

const explain = (name: string, error: DOMException | null): Error | null =>
  error?.name === "VersionError"
    ? new Error(`the database ${name} was written by a newer version of this package; reload the page`, { cause: error })
    : error;

function commit<T>(transaction: IDBTransaction, reads: Reads, decide: (records: Records) => Decision<T>) {
  return new Promise<{ result: T; keys: string[] }>((resolve, reject) => {
    const records = transaction.objectStore(RECORDS);
    const ranges = (reads.prefixes ?? []).map((prefix) => getAll(records, rangeOf(prefix)));
    const gets = (reads.keys ?? []).map((key) => ({ key, request: records.get(key) }));
    let failure: unknown;
    transaction.onabort = () => reject(failure ?? transaction.error);

    // Makes its requests at once: the transaction commits as soon as it has none left.
    const apply = () => {
      try {
        const found = new Map(ranges.flatMap(({ entries }) => entries()));
        for (const { key, request } of gets) if (request.result !== undefined) found.set(key, request.result);
        const { writes = new Map<string, undefined>(), result } = decide(found);
        checkKeys(writes.keys());
        for (const [key, value] of writes) {
          if (value === undefined) records.delete(key);
          else records.put(value, key);
        }
        transaction.oncomplete = () => resolve({ result, keys: announced(writes) });
      } catch (error) {
        failure = error;
        transaction.abort();
      }
    };
    // Requests succeed in their order.
    const last = gets.at(-1)?.request ?? ranges.at(-1)?.last;
    if (last) last.onsuccess = apply;
    else apply();
  });
}

function list(transaction: IDBTransaction, range: IDBKeyRange, limit?: number): Promise<Array<[string, Json]>> {
  return new Promise((resolve, reject) => {
    const { entries } = getAll(transaction.objectStore(RECORDS), range, limit);
    transaction.oncomplete = () => resolve(entries());
    transaction.onabort = () => reject(transaction.error);
  });
}

/** Requests the records of a range. `entries` returns them once `last` has succeeded. */
function getAll(records: IDBObjectStore, range?: IDBKeyRange, limit?: number) {
  const keys = records.getAllKeys(range, limit);
  const last = records.getAll(range, limit);
  return { last, entries: () => keys.result.map((key, index): [string, Json] => [String(key), last.result[index]]) };
}

/** Returns the range of the keys that start with `prefix` and follow `after`, or nothing if there can be none. */
function rangeOf(prefix: string, after?: string): IDBKeyRange | undefined {
  const isOpen = after !== undefined && after >= prefix;
  const start = isOpen ? after : prefix;
  const end = endOf(prefix);
  if (end === undefined) return IDBKeyRange.lowerBound(start, isOpen);
  return start < end ? IDBKeyRange.bound(start, end, isOpen, true) : undefined;
}

/** Returns the first string that follows all strings with the given prefix. There is none if the prefix consists of U+FFFF. */
function endOf(prefix: string): string | undefined {
  const stem = prefix.replace(/\uFFFF+$/, "");
  return stem ? stem.slice(0, -1) + String.fromCharCode(stem.charCodeAt(stem.length - 1) + 1) : undefined;
}
