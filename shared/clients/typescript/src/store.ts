/** A value that JSON can represent. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [field: string]: Json };

/** Records that a transaction reads: single keys, and all keys that start with a prefix. */
export interface Reads {
  /** Keys of single records. */
  readonly keys?: readonly string[];
  /** Prefixes of keys; the empty one reads all records. */
  readonly prefixes?: readonly string[];
}

/** Records that a transaction read, by key. A key without a record is absent. */
export type Records = ReadonlyMap<string, Json>;

/** Decision of a transaction. */
export interface Decision<T> {
  /** Records to write; `undefined` deletes one. */
  readonly writes?: ReadonlyMap<string, Json | undefined>;
  /** Result of the transaction. */
  readonly result: T;
}

/**
 * A durable key-value store that holds the data of one user on one device.
 *
 * The client depends on three properties. A transaction is atomic and isolated, also from other tabs and processes that use the same
 * store. Once its promise is fulfilled, it survives the end of the process. A failed one has written nothing.
 *
 * Records are values: the client does not modify a record that it has read or written.
 *
 * Keys are well-formed strings, and those that start with `lease/` are reserved for locks. A key or prefix with a lone surrogate fails with
 * a `TypeError`.
 */
export interface Store {
  /**
   * Reads records, calls `decide` with them, and applies its writes in the same transaction. `decide` is synchronous and pure: a store
   * may call it again if the transaction has to be repeated. If it throws, nothing is written, and the promise is rejected with what
   * it threw.
   */
  transact<T>(reads: Reads, decide: (records: Records) => Decision<T>): Promise<T>;

  /**
   * Returns the records whose keys start with `prefix`, ordered by key: the first `limit` of those after the key `after`. Keys of ASCII
   * characters are ordered by their codes. `limit` is an integer and not negative.
   */
  list(prefix: string, options?: { readonly after?: string; readonly limit?: number }): Promise<Array<[string, Json]>>;

  /**
   * Calls `listener` after each committed transaction that wrote records, with their keys. An empty list means that any records may have
   * changed: SQLite does not tell which records another process wrote. The listener is called for a transaction of this handle
   * before the promise of `transact` is fulfilled; for those of other tabs and processes later, and perhaps once for several. An
   * exception of the listener becomes an uncaught error, and affects neither the transaction nor other listeners. Returns a
   * function that ends the subscription.
   */
  subscribe(listener: (keys: readonly string[]) => void): () => void;

  /**
   * Runs `run` while no other tab or process that uses this store runs under the same name. Waits for its turn. The lock ends with
   * `run`, or with the tab or process. It saves requests; correctness depends on transactions alone. A lock cannot be taken twice: `run`
   * must not wait for a lock of the same name.
   */
  lock<T>(name: string, run: () => Promise<T>): Promise<T>;

  /**
   * Closes this handle of the store, once its transactions have ended. Later calls fail, and so do calls of `lock` that wait for their
   * turn. Can be called twice.
   */
  close(): Promise<void>;
}
