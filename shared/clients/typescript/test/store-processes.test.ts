// Several processes that use one SQLite file, some of which are killed.
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { DatabaseSync } from "node:sqlite";
import { after, describe, test, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { sqliteStore } from "../src/stores/sqlite.ts";
import { pause, read } from "./store-contract-tools.ts";

const TIMEOUT = { timeout: 60_000 };
const directory = mkdtempSync(join(tmpdir(), "stores-"));
after(() => rmSync(directory, { recursive: true }));
let files = 0;
const newPath = (): string => join(directory, `${(files += 1)}.db`);

const PROCESS = fileURLToPath(new URL("store-process.ts", import.meta.url));

/** A process of store-process.ts: its lines so far, and its exit code, which is null if it was killed. */
interface Child {
  readonly process: ChildProcess;
  readonly lines: string[];
  readonly exit: Promise<number | null>;
}

function start(context: TestContext, ...args: string[]): Child {
  const child = spawn(process.execPath, [PROCESS, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  context.after(() => child.kill("SIGKILL"));
  const lines: string[] = [];
  createInterface(child.stdout).on("line", (line) => lines.push(line));
  const { promise: exit, resolve } = Promise.withResolvers<number | null>();
  child.on("close", resolve);
  return { process: child, lines, exit };
}

/** Waits until the process has written `count` lines. Fails if it ends before. */
async function lines(child: Child, count: number): Promise<void> {
  let ended = false;
  void child.exit.then(() => (ended = true));
  while (child.lines.length < count) {
    assert.ok(!ended, `the process ended after ${child.lines.length} lines`);
    await pause(1);
  }
}

/** Asserts that transactions of the action `increment` are stored as a whole, and returns their number. */
async function wholeIncrements(path: string): Promise<number> {
  const store = sqliteStore(path);
  const [n, copy] = [Number(await read(store, "n") ?? 0), Number(await read(store, "copy") ?? 0)];
  const log = (await store.list("log/")).map(([key]) => Number(key.slice(4)));
  await store.close();
  assert.equal(copy, n);
  assert.deepEqual(log, Array.from({ length: n }, (_, index) => index + 1));
  const db = new DatabaseSync(path);
  assert.deepEqual({ ...db.prepare("PRAGMA integrity_check").get() }, { integrity_check: "ok" });
  db.close();
  return n;
}

describe("sqlite, several processes", () => {
  test("two processes lose no increment", TIMEOUT, async (context) => {
    const path = newPath();
    const children = [start(context, "increment", path, "200"), start(context, "increment", path, "200")];
    assert.deepEqual(await Promise.all(children.map(({ exit }) => exit)), [0, 0]);
    const values = children.flatMap(({ lines }) => lines.map(Number)).sort((a, b) => a - b);
    assert.deepEqual(values, Array.from({ length: 400 }, (_, index) => index + 1));
    assert.equal(await wholeIncrements(path), 400);
  });

  test("a killed process leaves whole transactions, and all that it has confirmed", TIMEOUT, async (context) => {
    const path = newPath();
    const other = start(context, "increment", path, "200");
    let confirmed = 0;
    for (let round = 0; round < 8; round += 1) {
      const killed = start(context, "increment", path, "1000000");
      await lines(killed, 1 + Math.floor(Math.random() * 40));
      await pause(Math.random() * 10);
      killed.process.kill("SIGKILL");
      assert.equal(await killed.exit, null);
      confirmed = Math.max(confirmed, Number(killed.lines.at(-1)));
      assert.ok((await wholeIncrements(path)) >= confirmed, `${confirmed} are confirmed`);
    }
    assert.equal(await other.exit, 0);
    assert.equal(other.lines.length, 200);
    assert.ok((await wholeIncrements(path)) >= Math.max(confirmed, Number(other.lines.at(-1))));
  });

  test("several processes create one file", TIMEOUT, async (context) => {
    for (let round = 0; round < 3; round += 1) {
      const path = newPath();
      const children = Array.from({ length: 5 }, () => start(context, "open", path, `${path}.go`));
      await Promise.all(children.map((child) => lines(child, 1)));
      writeFileSync(`${path}.go`, "");
      assert.deepEqual(await Promise.all(children.map(({ exit }) => exit)), [0, 0, 0, 0, 0]);
      assert.deepEqual(children.map(({ lines }) => Number(lines[1])).sort(), [1, 2, 3, 4, 5]);
    }
  });

  test("a file is opened once another process has created it", TIMEOUT, async (context) => {
    const path = newPath();
    const child = start(context, "create", path);
    await lines(child, 1);
    const store = sqliteStore(path);
    context.after(() => store.close());
    assert.equal(await read(store, "n"), undefined);
    assert.equal(await child.exit, 0);
  });

  test("one process at a time holds a lock", TIMEOUT, async (context) => {
    const path = newPath();
    const children = Array.from({ length: 3 }, () => start(context, "exclude", path, "5"));
    assert.deepEqual(await Promise.all(children.map(({ exit }) => exit)), [0, 0, 0]);
    assert.deepEqual(children.map(({ lines }) => lines.length), [5, 5, 5]);
  });

  test("the lock of a killed process is freed", TIMEOUT, async (context) => {
    const path = newPath();
    const child = start(context, "hold", path);
    await lines(child, 1);
    const store = sqliteStore(path);
    context.after(() => store.close());
    let running = true;
    const waiting = store.lock("sync", async () => running);
    child.process.kill("SIGKILL");
    await child.exit;
    running = false;
    assert.equal(await waiting, false);
  });

  test("subscribers learn of transactions of other processes", TIMEOUT, async (context) => {
    const path = newPath();
    const store = sqliteStore(path);
    context.after(() => store.close());
    const seen: (readonly string[])[] = [];
    const told = new Promise<void>((resolve) => store.subscribe((keys) => {
      seen.push(keys);
      resolve();
    }));
    assert.equal(await start(context, "increment", path, "1").exit, 0);
    await told;
    assert.deepEqual(seen[0], []);
    assert.equal(await read(store, "n"), 1);
  });
});
