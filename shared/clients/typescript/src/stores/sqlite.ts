import { closeSync, openSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import type { Json, Reads, Records, Store } from "../store.ts";
import { leases } from "./lease.ts";
import { announced, checkKeys, checkReads, lifecycle, subscribers } from "./shared.ts";

/** Marks the file as one of this module ("SQLS"). */
const APPLICATION_ID = 0x53514c53;
/** Version of the tables. */
const FORMAT = 1;
/** Milliseconds for which a transaction waits for one of another process. */
const BUSY_TIMEOUT = 10_000;
/** Primary result code of SQLite for a database that another connection has locked. */
const SQLITE_BUSY = 5;
/** Milliseconds between two checks for transactions of other processes, while there are subscribers. */
const POLL_INTERVAL = 500;

// `revision` counts the transactions that subscribers are told of. `PRAGMA data_version` would count those of leases too.
const SCHEMA = `
  CREATE TABLE records (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID, STRICT;
  CREATE TABLE revision (value INTEGER NOT NULL) STRICT;
  INSERT INTO revision VALUES (0);
  PRAGMA application_id = ${APPLICATION_ID};
  PRAGMA user_version = ${FORMAT};
`;

/**
 * Returns a store in the SQLite file `path`, which is created if it is missing, or in memory for `":memory:"`. Several processes may use
 * one file; it must not lie on a network file system. Throws if the file cannot be opened, belongs to another program, or was
 * written by a newer version of this package.
 *
 * Calls block the event loop while they access the file.
 */
export function sqliteStore(path: string): Store {
  const db = open(path);
  const { check, track, close } = lifecycle();
  const listeners = subscribers<readonly string[]>();
  const get = db.prepare("SELECT value FROM records WHERE key = ?");
  const range = db.prepare(
    `SELECT key, value FROM records
     WHERE key >= max(:prefix, coalesce(:after, '')) AND key < CAST(:end AS TEXT) AND (:after IS NULL OR key > :after)
     ORDER BY key LIMIT :limit`,
  );
  const put = db.prepare("INSERT OR REPLACE INTO records VALUES (?, ?)");
  const remove = db.prepare("DELETE FROM records WHERE key = ?");
  const revision = db.prepare("SELECT value FROM revision");
  const nextRevision = db.prepare("UPDATE revision SET value = value + 1 RETURNING value");
  /** Revision that the subscribers know. */
  let known = 0;
  let timer: NodeJS.Timeout | undefined;

  const read = (prefix: string, after: string | null = null, limit = -1): Array<[string, Json]> =>
    range.all({ prefix, end: endOf(prefix), after, limit }).map(({ key, value }) => [String(key), JSON.parse(String(value))]);

  const write = (key: string, value: Json | undefined) =>
    value === undefined ? remove.run(key) : put.run(key, JSON.stringify(value));

  const readAll = ({ prefixes = [], keys = [] }: Reads): Records => {
    const found = new Map(prefixes.flatMap((prefix) => read(prefix)));
    for (const key of keys) {
      const row = get.get(key);
      if (row) found.set(key, JSON.parse(String(row.value)));
    }
    return found;
  };

  const transact: Store["transact"] = (reads, decide) =>
    track(() => {
      const { result, keys, next } = transaction(db, "BEGIN IMMEDIATE", () => {
        const { writes = new Map<string, undefined>(), result } = decide(readAll(reads));
        checkKeys(writes.keys());
        for (const [key, value] of writes) write(key, value);
        const keys = announced(writes);
        return { result, keys, next: keys.length ? Number(nextRevision.get()?.value) : known };
      });
      if (keys.length) announce(next, keys);
      return result;
    });

  /** Tells the subscribers of revision `next`, written by this handle (with `keys`) or by another one. */
  const announce = (next: number, keys: readonly string[] = []): void => {
    const missed = next !== known + 1;
    known = next;
    listeners.notify(missed ? [] : keys);
  };

  const poll = (): void => {
    try {
      const next = Number(revision.get()?.value);
      if (next !== known) announce(next);
    } catch {
      // The next poll repeats the query.
    }
  };

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
      return track(() => read(prefix, after, limit));
    },
    subscribe(listener) {
      check();
      if (!listeners.size) {
        known = Number(revision.get()?.value);
        timer = setInterval(poll, POLL_INTERVAL).unref();
      }
      const end = listeners.add(listener);
      return () => {
        end();
        if (!listeners.size) clearInterval(timer);
      };
    },
    async lock(name, run) {
      check();
      return locks.lock(name, run);
    },
    close: () =>
      close(() => {
        listeners.clear();
        clearInterval(timer);
        db.close();
      }, locks.close),
  };
}

/** Returns the UTF-8 bytes of a text that follows all texts with the given prefix: no character contains the byte 255. */
function endOf(prefix: string): Uint8Array {
  return Uint8Array.from([...new TextEncoder().encode(prefix), 255]);
}

function open(path: string): DatabaseSync {
  if (path !== ":memory:") createPrivate(path);
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(path, { timeout: BUSY_TIMEOUT });
    initialize(db);
    return db;
  } catch (cause) {
    db?.close();
    throw new Error(`cannot open the store ${path}: ${cause instanceof Error ? cause.message : cause}`, { cause });
  }
}

/** Creates a missing file with access for its owner only. SQLite gives its other files the same permissions. */
function createPrivate(path: string): void {
  try {
    // Must not open an existing file: to close it would end the locks that SQLite has on it in this process.
    closeSync(openSync(path, "ax", 0o600));
  } catch {
    // The file exists, or SQLite will report that it cannot be created.
  }
}

function initialize(db: DatabaseSync): void {
  // A file of another program is left as it is.
  transaction(db, "BEGIN", () => isNew(db));
  enterWal(db);
  db.exec("PRAGMA synchronous = FULL");
  transaction(db, "BEGIN IMMEDIATE", () => {
    if (isNew(db)) db.exec(SCHEMA);
  });
}

/** Returns whether the database is empty. Throws unless it is empty or has the tables of this version. */
function isNew(db: DatabaseSync): boolean {
  const number = (sql: string): number => Number(Object.values(db.prepare(sql).get() ?? {})[0]);
  const id = number("PRAGMA application_id");
  const format = number("PRAGMA user_version");
  if (id === APPLICATION_ID && format > FORMAT) {
    throw new Error(`the file has format ${format}, but this version of the package knows formats up to ${FORMAT} only; update it`);
  }
  if (id === APPLICATION_ID && format === FORMAT) return false;
  if (id || format || number("SELECT count(*) FROM sqlite_schema")) throw new Error("the file is a database of another program");
  return true;
}

/** Enters the WAL mode. SQLite's own timeout does not apply to this: another process may be doing the same. */
function enterWal(db: DatabaseSync): void {
  const deadline = performance.now() + BUSY_TIMEOUT;
  for (;;) {
    try {
      return db.exec("PRAGMA journal_mode = WAL");
    } catch (error) {
      const isBusy = error instanceof Error && "errcode" in error && error.errcode === SQLITE_BUSY;
      if (!isBusy || performance.now() > deadline) throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
    }
  }
}

/** Runs `work` in a transaction, which is rolled back if it throws. */
function transaction<T>(db: DatabaseSync, begin: "BEGIN" | "BEGIN IMMEDIATE", work: () => T): T {
  db.exec(begin);
  try {
    const result = work();
    db.exec("COMMIT");
    return result;
  } catch (error) {
    // SQLite itself has rolled back after some errors, such as a full disk.
    if (db.isTransaction) db.exec("ROLLBACK");
    throw error;
  }
}
