// Options, stores and token stores: mistakes that must not compile. This code is not run.
import * as sync from "@sql-studio/sync";
import { type ClientOptions, type Json, type Store, type TokenStore, type Tokens, memoryStore, memoryTokens, openClient } from "@sql-studio/sync";
import { indexedDbStore } from "@sql-studio/sync/indexeddb";

const url = "http://127.0.0.1:8500";
const store: Store = memoryStore();
await openClient({ url, store: indexedDbStore("sql-studio"), strategy: "user_choice", types: ["connection", "saved_query"] });
const environment: { apiKey?: string } = {};
await openClient({ url, store, apiKey: environment.apiKey, deviceName: undefined });
const TYPES = ["connection"] as const;
await openClient({
  url, store, types: TYPES, tokens: memoryTokens(), apiKey: "key", clientVersion: "1.0.0", deviceName: "Laptop", pageSize: 100,
  fetch: (input, init) => fetch(input, init), now: () => new Date(0), random: () => 0.5, newId: () => "1",
});

/** A store of an application. */
export const logged: Store = {
  transact: (reads, decide) => store.transact(reads, decide),
  list: (prefix, options) => store.list(prefix, options),
  subscribe: (listener) => store.subscribe(listener),
  lock: (name, run) => store.lock(name, run),
  close: () => store.close(),
};

/** A token store of an application. */
export class Keychain implements TokenStore {
  #kept: Tokens | undefined;
  async load(): Promise<Tokens | undefined> {
    return this.#kept;
  }
  async save(tokens: Tokens | undefined): Promise<void> {
    this.#kept = tokens;
  }
}

/** Options that must not compile. */
export async function options(): Promise<void> {
  // @ts-expect-error: the store is missing
  await openClient({ url });
  // @ts-expect-error: the URL is missing
  await openClient({ store });
  // @ts-expect-error: misspelled option
  await openClient({ url, store, devicename: "Laptop" });
  // @ts-expect-error: the client merges by itself
  await openClient({ url, store, strategy: "refuse" });
  // @ts-expect-error: unknown strategy
  await openClient({ url, store, strategy: "newest" });
  // @ts-expect-error: unknown type of items
  await openClient({ url, store, types: ["query"] });
  // @ts-expect-error: a store is not a promise
  await openClient({ url, store: Promise.resolve(store) });
  // @ts-expect-error: a clock returns a date
  await openClient({ url, store, now: () => Date.now() });
  const client = await openClient({ url, store });
  // @ts-expect-error: an interval is a number of milliseconds
  client.start({ interval: "30 s" });
  // @ts-expect-error: clients are opened, not made
  new sync.Client({ url, store });
  // @ts-expect-error: collections are fixed
  client.savedQueries = client.history;
  const wrong: ClientOptions[] = [];
  // @ts-expect-error: options are not modified
  wrong.forEach((given) => (given.url = url));
}

/** Stores that must not compile. */
export const stores: Store[] = [
  // @ts-expect-error: no transactions
  { list: logged.list, subscribe: logged.subscribe, lock: logged.lock, close: logged.close },
  // @ts-expect-error: transactions without a result
  { ...logged, transact: async () => {} },
  // @ts-expect-error: a list of values without their keys
  { ...logged, list: async (): Promise<Json[]> => [] },
  // @ts-expect-error: a subscription that cannot be ended
  { ...logged, subscribe: () => undefined },
];

/** Transactions that must not compile. */
export async function transactions(): Promise<void> {
  // @ts-expect-error: a decision is synchronous
  await store.transact({ keys: ["a"] }, async () => ({ result: 1 }));
  // @ts-expect-error: a record is JSON
  await store.transact({}, () => ({ writes: new Map([["a", new Date()]]), result: 1 }));
  // @ts-expect-error: a decision has a result
  await store.transact({}, () => ({ writes: new Map() }));
}
