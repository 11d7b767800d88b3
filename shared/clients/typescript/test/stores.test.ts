import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync, StatementSync } from "node:sqlite";
import { after, describe, mock, test, type TestContext } from "node:test";
import { memoryStore } from "../src/stores/memory.ts";
import { sqliteStore } from "../src/stores/sqlite.ts";
import type { Store } from "../src/store.ts";
import { storeCases } from "./store-contract.ts";
import { increment, put } from "./store-contract-tools.ts";

const TIMEOUT = { timeout: 60_000 };
const directory = mkdtempSync(join(tmpdir(), "stores-"));
after(() => rmSync(directory, { recursive: true }));
let files = 0;
const newPath = (): string => join(directory, `${(files += 1)}.db`);

describe("memory", () => {
  for (const { name, run } of storeCases) {
    test(name, TIMEOUT, () => {
      const store = memoryStore();
      return run(() => store.open());
    });
  }

  test("starts with given records", async () => {
    const value = { list: [1] };
    const store = memoryStore([["b", value], ["a", null]]);
    value.list.push(2);
    assert.deepEqual(await store.list(""), [["a", null], ["b", { list: [1] }]]);
    const copy = memoryStore(await store.list(""));
    await put(copy, { a: undefined });
    assert.deepEqual([(await copy.list("")).length, (await store.list("")).length], [1, 2]);
    assert.throws(() => memoryStore([["\ud800", 1]]), TypeError);
  });
});

describe("sqlite", () => {
  for (const { name, run } of storeCases) {
    test(name, TIMEOUT, (context) => {
      const path = newPath();
      return run(() => opened(context, path));
    });
  }
});

/** Opens a store, which is closed when the test ends. */
function opened(context: TestContext, path: string): Store {
  const store = sqliteStore(path);
  context.after(() => store.close());
  return store;
}

describe("sqlite, subscriptions by polling", () => {
  test("are told once of several transactions of others, and not of locks", async (context) => {
    mock.timers.enable({ apis: ["setInterval"] });
    context.after(() => mock.timers.reset());
    const path = newPath();
    const [store, other] = [opened(context, path), opened(context, path)];
    await increment(other, "before");
    const seen: string[][] = [];
    const told = (): string[][] => seen;
    const end = store.subscribe((keys) => seen.push([...keys]));
    const poll = () => mock.timers.tick(500);

    await other.lock("sync", async () => poll());
    poll();
    assert.deepEqual(told(), [], "nothing has changed");
    await increment(other, "a");
    await increment(other, "b");
    assert.deepEqual(told(), [], "not polled yet");
    poll();
    poll();
    assert.deepEqual(told(), [[]]);
    await increment(store, "c");
    poll();
    assert.deepEqual(told(), [[], ["c"]], "its own is not announced again");
    await increment(other, "d");
    await increment(store, "e");
    poll();
    assert.deepEqual(told(), [[], ["c"], []], "those of others are not missed if the own one comes first");
    end();
    await increment(other, "f");
    const get = context.mock.method(StatementSync.prototype, "get");
    poll();
    assert.deepEqual([told().length, get.mock.callCount()], [3, 0], "ended");
    store.subscribe((keys) => seen.push([...keys]));
    poll();
    assert.equal(told().length, 3, "a later subscription does not begin with the past");
  });

  test("do not keep the process alive", TIMEOUT, async (context) => {
    const code = `import { sqliteStore } from ${JSON.stringify(new URL("../src/stores/sqlite.ts", import.meta.url).href)};
      sqliteStore(":memory:").subscribe(() => {});`;
    const child = spawn(process.execPath, ["--input-type=module", "--eval", code], { stdio: "inherit" });
    context.after(() => child.kill("SIGKILL"));
    assert.equal(await new Promise((resolve) => child.on("close", resolve)), 0);
  });
});

describe("sqlite files", () => {
  const make = (sql: string): string => {
    const path = newPath();
    const db = new DatabaseSync(path);
    db.exec(sql);
    db.close();
    return path;
  };

  test("a file that is not a store is refused, and left as it is", () => {
    const text = newPath();
    writeFileSync(text, "This is not a database.\n".repeat(100));
    const refused: [string, RegExp][] = [
      [text, /not a database/],
      [make("CREATE TABLE users (id); INSERT INTO users VALUES (1)"), /another program/],
      [make("PRAGMA user_version = 1"), /another program/],
      [make("PRAGMA application_id = 7"), /another program/],
      [make(`PRAGMA application_id = ${0x53514c53}; PRAGMA user_version = 2; CREATE TABLE records (key, value, more)`), /format 2/],
    ];
    for (const [path, message] of refused) {
      const before = readFileSync(path);
      assert.throws(() => sqliteStore(path), (error) => error instanceof Error && message.test(error.message) && error.message.includes(path));
      assert.ok(readFileSync(path).equals(before), path);
      assert.deepEqual(readdirSync(directory).filter((name) => name.startsWith(`${path.split("/").at(-1)}-`)), []);
    }
  });

  test("a file that cannot be created is named in the error", () => {
    const path = join(directory, "missing", "s.db");
    assert.throws(() => sqliteStore(path), (error) => error instanceof Error && error.message.includes(path));
  });

  test("an empty file becomes a store", async (context) => {
    const path = newPath();
    writeFileSync(path, "");
    assert.equal(await increment(opened(context, path), "n"), 1);
  });

  test("other users of the computer cannot read the files", { skip: process.platform === "win32" }, async (context) => {
    const path = newPath();
    await increment(opened(context, path), "n");
    for (const file of [path, `${path}-wal`, `${path}-shm`]) assert.equal(statSync(file).mode & 0o077, 0, file);
  });

  test("a commit waits for the disk", async (context) => {
    const { prepare } = DatabaseSync.prototype;
    let db: DatabaseSync | undefined;
    context.mock.method(DatabaseSync.prototype, "prepare", function (this: DatabaseSync, sql: string) {
      db = this;
      return prepare.call(this, sql);
    });
    opened(context, newPath());
    assert.deepEqual({ ...db?.prepare("PRAGMA journal_mode").get() }, { journal_mode: "wal" });
    assert.deepEqual({ ...db?.prepare("PRAGMA synchronous").get() }, { synchronous: 2 });
  });

  test("a store in memory is its own", async (context) => {
    const [store, other] = [opened(context, ":memory:"), opened(context, ":memory:")];
    assert.equal(await store.lock("sync", () => increment(store, "n")), 1);
    assert.deepEqual([await store.list("n"), await other.list("")], [[["n", 1]], []]);
  });
});
