// Behaviour that every `Store` has in common. Runs in Node.js, in pages and in workers: no imports of the platform or of a test framework.
import type { Json, Store } from "../src/store.ts";
import { listCases } from "./store-contract-lists.ts";
import { lockCases } from "./store-contract-locks.ts";
import { check, equal, increment, pause, put, read, rejects, type StoreCase, until } from "./store-contract-tools.ts";

export type { StoreCase } from "./store-contract-tools.ts";

/** Values of every kind that JSON knows. */
const VALUES: readonly Json[] = [
  null, true, false, 0, -1.5, 1e21, 5e-324, "", "text", "a\0b", "\u2028", "😀", "\ud800", "x\udfff", [], [null, [1, [2]]], {},
  { a: { b: [null, { c: "" }] }, "": 1, constructor: 2, toString: null }, JSON.parse('{"__proto__":{"polluted":true}}'),
];

/** An object that cannot be stored, as its field cannot be read. */
const unreadable = (): Json => Object.defineProperty({}, "field", {
  enumerable: true,
  get: () => {
    throw new RangeError("unreadable");
  },
});

/** Subscribes to the store, and returns the calls of the listener. */
function calls(store: Store): string[][] {
  const made: string[][] = [];
  store.subscribe((keys) => made.push([...keys].sort()));
  return made;
}

const transactions: StoreCase[] = [
  {
    name: "reads what it has written",
    async run(open) {
      const store = await open();
      equal(await read(store, "a"), undefined, "absent at first");
      equal(await put(store, { a: 1, b: { c: [2] } }), undefined, "result of a write");
      equal(await store.transact({ keys: ["a", "b", "c"] }, (records) => ({ result: [...records] })), [["a", 1], ["b", { c: [2] }]], "written");
      await put(store, { a: "again" });
      equal(await store.list(""), [["a", "again"], ["b", { c: [2] }]], "replaced");
    },
  },
  {
    name: "transactions without reads or writes work",
    async run(open) {
      const store = await open();
      const result = {};
      check((await store.transact({}, () => ({ result }))) === result, "the result is passed on as it is");
      equal(await store.transact({ keys: [], prefixes: [] }, (records) => ({ result: records.size, writes: new Map([["a", 1]]) })), 0, "nothing read");
      equal(await store.list(""), [["a", 1]], "written without reading");
    },
  },
  {
    name: "stores values of every kind, and keeps them when it is reopened",
    async run(open) {
      const store = await open();
      await put(store, Object.fromEntries(VALUES.map((value, index) => [`v${index}`, value])));
      await store.close();
      const again = await open();
      for (const [index, value] of VALUES.entries()) equal(await read(again, `v${index}`), value, `value ${index}`);
      equal((await again.list("")).length, VALUES.length, "number of records");
    },
  },
  {
    name: "writes nothing if decide throws",
    async run(open) {
      const store = await open();
      await put(store, { a: 1 });
      const told = calls(store);
      const error = new Error("no");
      for (const reads of [{}, { keys: ["a"] }, { prefixes: ["a"] }]) {
        const failed = store.transact(reads, () => {
          throw error;
        });
        check((await rejects(failed)) === error, "the error itself is passed on");
      }
      equal(await store.list(""), [["a", 1]], "unchanged");
      equal(told, [], "no listener is called");
      equal(await increment(store, "a"), 2, "the next transaction works");
    },
  },
  {
    name: "writes nothing if one of the writes fails",
    async run(open) {
      const store = await open();
      await put(store, { a: 1, b: 1, d: 1 });
      const told = calls(store);
      check((await rejects(put(store, { a: 2, d: undefined, b: unreadable(), c: 2 }))) instanceof Error, "an error");
      check((await rejects(put(store, { a: 2, d: undefined, "\ud800": 1, c: 2 }))) instanceof TypeError, "a TypeError");
      equal(await store.list(""), [["a", 1], ["b", 1], ["d", 1]], "unchanged");
      equal(told, [], "no listener is called");
      equal(await increment(store, "a"), 2, "the next transaction works");
    },
  },
  {
    name: "rejects keys with lone surrogates",
    async run(open) {
      const store = await open();
      await put(store, { "\ufffd": 1, "\ufffdx": 1 });
      for (const key of ["\ud800", "\udc00x", "a\ud83d"]) {
        const nothing = () => ({ result: undefined });
        check((await rejects(store.transact({ keys: [key] }, nothing))) instanceof TypeError, "key read");
        check((await rejects(store.transact({ prefixes: [key] }, nothing))) instanceof TypeError, "prefix read");
        check((await rejects(put(store, { [key]: 1 }))) instanceof TypeError, "key written");
        check((await rejects(store.list(key))) instanceof TypeError, "prefix listed");
        check((await rejects(store.list("", { after: key }))) instanceof TypeError, "key to list after");
      }
      equal(await store.list(""), [["\ufffd", 1], ["\ufffdx", 1]], "unchanged");
    },
  },
  {
    name: "deletes records",
    async run(open) {
      const store = await open();
      await put(store, { a: 1, b: null, c: 3 });
      await put(store, { a: undefined, b: undefined, missing: undefined, d: 4 });
      equal(await read(store, "a"), undefined, "deleted");
      equal(await store.list(""), [["c", 3], ["d", 4]], "the others remain");
      await store.close();
      equal(await (await open()).list(""), [["c", 3], ["d", 4]], "after reopening");
    },
  },
  {
    name: "loses no increment of several handles",
    async run(open) {
      const stores = [await open(), await open(), await open()];
      const results = await Promise.all(Array.from({ length: 30 }, () => stores.map((store) => increment(store, "n"))).flat());
      equal(results.sort((a, b) => a - b), Array.from({ length: 90 }, (_, index) => index + 1), "each result once");
      for (const store of stores) equal(await read(store, "n"), 90, "sum");
    },
  },
  {
    name: "isolates its values from those of the program",
    async run(open) {
      const store = await open();
      const written = { list: [1], nested: { a: 1 } };
      await put(store, { a: written });
      written.list.push(2);
      written.nested.a = 2;
      const found = await read(store, "a");
      const [listed] = await store.list("a");
      for (const value of [found, listed?.[1]]) if (typeof value === "object" && value) Object.assign(value, { list: 0 });
      equal(await read(store, "a"), { list: [1], nested: { a: 1 } }, "unchanged");
    },
  },
];

const lifetime: StoreCase[] = [
  {
    name: "keeps what it has confirmed, and shows it to other handles",
    async run(open) {
      const [first, second] = [await open(), await open()];
      await put(first, { a: 1 });
      equal(await read(second, "a"), 1, "seen by another handle");
      await put(second, { a: 2, b: 1 });
      await Promise.all([first.close(), second.close()]);
      equal(await (await open()).list(""), [["a", 2], ["b", 1]], "after reopening");
    },
  },
  {
    name: "fails once it is closed",
    async run(open) {
      const [store, other] = [await open(), await open()];
      await put(store, { a: 1 });
      const told = calls(store);
      await store.close();
      await store.close();
      for (const call of [put(store, { a: 2 }), read(store, "a"), store.list(""), store.lock("l", async () => 1)]) {
        const error = await rejects(call);
        check(error instanceof Error && error.message.includes("closed"), `${error} names the cause`);
      }
      const error = await rejects((async () => store.subscribe(() => {}))());
      check(error instanceof Error && error.message.includes("closed"), `${error} names the cause`);
      equal(await increment(other, "a"), 2, "other handles work");
      equal(await other.lock("l", async () => "run"), "run", "locks of other handles work");
      equal(told, [], "its listeners are not called");
    },
  },
  {
    name: "ends running transactions before it closes",
    async run(open) {
      const store = await open();
      const writes = Array.from({ length: 5 }, (_, index) => put(store, { [`k${index}`]: index }));
      const listed = store.list("k");
      await pause();
      const last = increment(store, "n");
      const closed = store.close();
      const late = rejects(increment(store, "n"));
      await closed;
      equal(await Promise.all(writes), writes.map(() => undefined), "all succeed");
      check(Array.isArray(await listed), "the list succeeds");
      equal(await last, 1, "the last one succeeds");
      check((await late) instanceof Error, "a call after close fails");
      const again = await open();
      equal([(await again.list("k")).length, await read(again, "n")], [5, 1], "all is stored");
    },
  },
];

const subscriptions: StoreCase[] = [
  {
    name: "calls listeners after each commit, before its promise is fulfilled",
    async run(open) {
      const store = await open();
      const told = calls(store);
      await put(store, { a: 1, b: 2 });
      equal(told, [["a", "b"]], "written");
      await put(store, { a: undefined });
      equal(told, [["a", "b"], ["a"]], "deleted");
      await read(store, "b");
      await store.list("");
      await put(store, {});
      await store.lock("l", async () => {});
      equal(told.length, 2, "not for reads and locks");
      await Promise.all(["x", "y", "z"].map((key) => put(store, { [key]: 1 })));
      equal(told.slice(2), [["x"], ["y"], ["z"]], "one call for each transaction");
      const seen: Promise<Json | undefined>[] = [];
      store.subscribe(() => {
        if (!seen.length) seen.push(read(store, "c"));
      });
      await put(store, { c: 3 });
      equal(await Promise.all(seen), [3], "a listener reads what was written");
    },
  },
  {
    name: "ends subscriptions one by one",
    async run(open) {
      const store = await open();
      const told: string[] = [];
      const listener = () => void told.push("twice");
      const ends = [store.subscribe(listener), store.subscribe(listener)];
      const endFirst = store.subscribe(() => {
        told.push("first");
        endSecond();
        endFirst();
      });
      const endSecond = store.subscribe(() => told.push("second"));
      await put(store, { a: 1 });
      equal(told, ["twice", "twice", "first"], "a listener can end subscriptions");
      ends[0]?.();
      ends[0]?.();
      await put(store, { a: 2 });
      equal(told.slice(3), ["twice"], "one of two is left");
      ends[1]?.();
      await put(store, { a: 3 });
      equal(told.length, 4, "none is left");
    },
  },
  {
    name: "is not affected by exceptions of listeners",
    async run(open) {
      const store = await open();
      const original = globalThis.queueMicrotask;
      const uncaught: unknown[] = [];
      globalThis.queueMicrotask = (task) => original(() => {
        try {
          task();
        } catch (error) {
          uncaught.push(error);
        }
      });
      try {
        const error = new Error("listener");
        store.subscribe(() => {
          throw error;
        });
        const told = calls(store);
        equal(await increment(store, "a"), 1, "the transaction succeeds");
        equal(told, [["a"]], "the next listener is called");
        await pause();
        check(uncaught.length === 1 && uncaught[0] === error, "the error is not hidden");
      } finally {
        globalThis.queueMicrotask = original;
      }
      equal(await read(store, "a"), 1, "stored");
    },
  },
  {
    name: "tells the listeners of other handles",
    async run(open) {
      const [store, other] = [await open(), await open()];
      // Both are connected before the write.
      await Promise.all([store.list(""), other.list("")]);
      const seen: (Json | undefined)[] = [];
      const told: string[][] = [];
      other.subscribe(async (keys) => {
        told.push([...keys]);
        if (!seen.length) seen.push(await read(other, "a"));
      });
      await put(store, { a: 1 });
      await until(() => seen.length > 0);
      equal(seen[0], 1, "the listener reads what was written");
      check(told[0]?.length === 0 || told[0]?.[0] === "a", "with the keys, or with none");
    },
  },
];

/** All cases. */
export const storeCases: readonly StoreCase[] = [...transactions, ...listCases, ...lifetime, ...subscriptions, ...lockCases];
