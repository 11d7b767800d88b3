// The part of the store's contract that is about prefixes, lists and large amounts.
import { check, equal, put, read, type StoreCase } from "./store-contract-tools.ts";

const KEYS = [
  "", "a", "a/", "a/1", "a/1/x", "a/10", "a/2",
  "a/\0", "a/~", "a/\u00e9", "a/\ud7ff", "a/\ue000", "a/\uffff", "a/\uffffx", "a/😀", "a/\u{10ffff}",
  "a/\u{10ffff}z", "a0", "b", "ab", "\uffff", "\uffff\uffff", "\uffffz", "\u{10ffff}", "é",
];

const PREFIXES = [
  "", "a", "a/", "a/1", "a/\uffff", "a/\u{10ffff}", "a/\ud7ff", "a/\ue000", "\uffff",
  "\uffff\uffff", "\u{10ffff}", "b", "B", "a//", "zz",
];

export const listCases: readonly StoreCase[] = [
  {
    name: "reads and lists by prefix",
    async run(open) {
      const store = await open();
      await put(store, Object.fromEntries(KEYS.map((key) => [key, `value of ${key}`])));
      for (const prefix of PREFIXES) {
        const expected = KEYS.filter((key) => key.startsWith(prefix)).sort().map((key) => [key, `value of ${key}`]);
        const found = await store.transact({ prefixes: [prefix] }, (records) => ({ result: [...records].sort() }));
        equal(found, expected.sort(), `records with the prefix ${JSON.stringify(prefix)}`);
        equal((await store.list(prefix)).sort(), expected.sort(), `list of the prefix ${JSON.stringify(prefix)}`);
      }
      const reads = { keys: ["a/1", "b", "missing"], prefixes: ["a/1", "a/", "\uffff"] };
      const found = await store.transact(reads, (records) => ({ result: [...records.keys()].sort() }));
      equal(found, KEYS.filter((key) => /^(a\/|\uffff|b$)/.test(key)).sort(), "keys and prefixes that overlap");
    },
  },
  {
    name: "lists in the order of the keys, by pages",
    async run(open) {
      const store = await open();
      const keys = ["p", "p ", "p-", "p.", "p/", "p/1", "p/10", "p/2", "p/A", "p/Z", "p/_", "p/a", "p/~", "p0"];
      await put(store, Object.fromEntries([...keys.toReversed(), "o", "q"].map((key) => [key, key.length])));
      const list = async (prefix: string, options?: { after?: string; limit?: number }) =>
        (await store.list(prefix, options)).map(([key]) => key);
      equal(await list("p"), keys, "in order");
      equal(await list("p", { limit: 3 }), keys.slice(0, 3), "the first");
      equal(await list("p", { limit: 0 }), [], "none");
      equal(await list("p", { limit: 99 }), keys, "fewer than the limit");
      equal(await list("p", { after: "p/1" }), keys.slice(6), "after a key");
      equal(await list("p", { after: "p/1", limit: 2 }), keys.slice(6, 8), "after a key, the first");
      equal(await list("p", { after: "p/11" }), keys.slice(7), "after an absent key");
      equal(await list("p/", { after: "a" }), keys.slice(4, 13), "after a key before the prefix");
      equal(await list("p/", { after: "" }), keys.slice(4, 13), "after the empty key");
      for (const after of ["p/~", "p0", "p/\uffff", "q", "z"]) equal(await list("p/", { after }), [], `after ${after}`);
      equal(await list("", { after: "p0" }), ["q"], "of all, after a key");
    },
  },
  {
    name: "pages visit every key once",
    async run(open) {
      const store = await open();
      await put(store, Object.fromEntries(KEYS.map((key) => [key, key])));
      for (const prefix of ["", "a/"]) {
        const seen: string[] = [];
        for (;;) {
          const after = seen.at(-1);
          const page = await store.list(prefix, after === undefined ? { limit: 2 } : { after, limit: 2 });
          if (!page.length) break;
          seen.push(...page.map(([key]) => key));
          check(seen.length <= KEYS.length, "the pages end");
        }
        equal(seen.sort(), KEYS.filter((key) => key.startsWith(prefix)).sort(), `pages of ${JSON.stringify(prefix)}`);
      }
    },
  },
  {
    name: "stores values of 5 MB",
    async run(open) {
      const store = await open();
      const value = "0123456789abcdé\n".repeat(5 * 65_536);
      await put(store, { big: { value } });
      await store.close();
      const found = await read(await open(), "big");
      check(typeof found === "object" && found !== null && "value" in found && found.value === value, "the value is complete");
    },
  },
  {
    name: "stores 10,000 records",
    async run(open) {
      const store = await open();
      const keys = Array.from({ length: 10_000 }, (_, index) => `r/${String(index).padStart(5, "0")}`);
      await put(store, Object.fromEntries(keys.map((key, index) => [key, { index, text: key }])));
      equal(await store.transact({ prefixes: ["r/"] }, (records) => ({ result: [...records.keys()].sort() })), keys, "all in one transaction");
      const page = await store.list("r/", { after: "r/04999", limit: 100 });
      equal(page, keys.slice(5000, 5100).map((key, index) => [key, { index: 5000 + index, text: key }]), "a page");
      await put(store, Object.fromEntries(keys.slice(1).map((key) => [key, undefined])));
      equal(await store.list(""), [["r/00000", { index: 0, text: "r/00000" }]], "all but one deleted");
    },
  },
];
