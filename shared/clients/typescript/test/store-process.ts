// A process that uses a SQLite store, for tests with several processes: `node store-process.ts <action> <path> [argument]`.
// Each action reports its progress in lines.
import { closeSync, existsSync, openSync, unlinkSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { sqliteStore } from "../src/stores/sqlite.ts";
import { increment, pause } from "./store-contract-tools.ts";

const [action, path = "", argument = ""] = process.argv.slice(2);
const report = (line: string | number): void => void process.stdout.write(`${line}\n`);

const actions: Record<string, () => Promise<void>> = {
  /** Opens a store that several processes create at the same time. */
  async open() {
    report("ready");
    while (!existsSync(argument));
    const store = sqliteStore(path);
    report(await increment(store, "n"));
    await store.close();
  },
  /** Locks the file for a while, as a process does that creates it. */
  async create() {
    const db = new DatabaseSync(path);
    db.exec("BEGIN IMMEDIATE");
    report("locked");
    await pause(500);
    db.close();
  },
  /** Increments a counter `argument` times, together with a copy of it and a log. Reports each value once it is confirmed. */
  async increment() {
    const store = sqliteStore(path);
    for (let round = 0; round < Number(argument); round += 1) {
      const next = await store.transact({ keys: ["n"] }, (records) => {
        const value = Number(records.get("n") ?? 0) + 1;
        const log = `log/${String(value).padStart(6, "0")}`;
        return { result: value, writes: new Map<string, string | number>([["n", value], [log, "x".repeat(5000)], ["copy", value]]) };
      });
      report(next);
    }
    await store.close();
  },
  /** Takes a lock several times, and verifies with a file that it is the only holder. */
  async exclude() {
    const store = sqliteStore(path);
    for (let round = 0; round < Number(argument); round += 1) {
      await store.lock("sync", async () => {
        closeSync(openSync(`${path}.held`, "ax"));
        await pause(2);
        unlinkSync(`${path}.held`);
      });
      report(round);
    }
    await store.close();
  },
  /** Takes a lock and keeps it. */
  async hold() {
    const store = sqliteStore(path);
    await store.lock("sync", async () => {
      report("held");
      await pause(600_000);
    });
  },
};

if (action) await actions[action]?.();
