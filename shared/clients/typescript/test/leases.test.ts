// Leases with a clock of the test, on a store in memory.
import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, mock, test } from "node:test";
import { LEASE_DURATION, leases } from "../src/stores/lease.ts";
import { memoryStore } from "../src/stores/memory.ts";
import type { Json, Store } from "../src/store.ts";
import { put, read } from "./store-contract-tools.ts";

describe("leases", () => {
  const lease = (until: number): [string, Json] => ["lease/sync", { owner: "another", until, wanted: false }];
  beforeEach(() => mock.timers.enable({ apis: ["Date", "setTimeout", "setInterval"], now: 1_700_000_000_000 }));
  afterEach(() => mock.timers.reset());

  /** Lets the time pass in steps, with what happens in between. */
  async function pass(milliseconds: number): Promise<void> {
    for (let left = milliseconds; left > 0; left -= 50) {
      mock.timers.tick(50);
      await new Promise(setImmediate);
    }
  }

  /** Takes the lock, and returns the log of it: "run" once it is held. */
  function take(store: Store): string[] {
    const log: string[] = [];
    void leases(store.transact).lock("sync", async () => log.push("run"));
    return log;
  }

  test("a lease of another owner is respected until it expires", async () => {
    const log = take(memoryStore([lease(Date.now() + LEASE_DURATION)]));
    await pass(LEASE_DURATION - 50);
    assert.deepEqual(log, []);
    await pass(350);
    assert.deepEqual(log, ["run"]);
  });

  test("a lease from before the clock was set back does not count", async () => {
    const log = take(memoryStore([lease(Date.now() + 2 * 3_600_000)]));
    await pass(50);
    assert.deepEqual(log, ["run"]);
  });

  test("a waiting owner goes on when the clock is set back", async (context) => {
    const log = take(memoryStore([lease(Date.now() + LEASE_DURATION)]));
    await pass(1000);
    assert.deepEqual(log, []);
    const now = Date.now;
    context.mock.method(Date, "now", () => now() - 24 * 3_600_000);
    await pass(300);
    assert.deepEqual(log, ["run"]);
  });

  test("a record that is no lease does not block", async () => {
    for (const record of [null, 1, [], {}, { owner: "another" }, { owner: 1, until: Date.now() + 5000 }]) {
      const log = take(memoryStore([["lease/sync", record]]));
      await pass(50);
      assert.deepEqual(log, ["run"], JSON.stringify(record));
    }
  });

  test("a lease is renewed while its holder runs, and is gone afterwards", async (context) => {
    const store = memoryStore();
    const transact = context.mock.fn(store.transact);
    const { promise, resolve } = Promise.withResolvers<void>();
    const holding = leases(transact).lock("sync", () => promise);
    await pass(50);
    const log = take(store);
    await pass(10 * LEASE_DURATION);
    assert.deepEqual(log, []);
    resolve();
    await holding;
    const calls = transact.mock.callCount();
    await pass(2 * LEASE_DURATION);
    assert.deepEqual(log, ["run"]);
    assert.deepEqual(await store.list(""), []);
    assert.equal(transact.mock.callCount(), calls, "it is not renewed later");
  });

  test("a renewal keeps the mark that the lease is wanted", async () => {
    const store = memoryStore();
    const { promise, resolve } = Promise.withResolvers<void>();
    const holding = leases(store.transact).lock("sync", () => promise);
    await pass(50);
    const record = await read(store, "lease/sync");
    assert.ok(typeof record === "object" && record && "until" in record);
    await put(store, { "lease/sync": { ...record, wanted: true } });
    await pass(LEASE_DURATION / 2);
    const renewed = await read(store, "lease/sync");
    assert.ok(typeof renewed === "object" && renewed && "until" in renewed);
    assert.ok(Number(renewed.until) > Number(record.until));
    assert.deepEqual(renewed, { ...record, until: renewed.until, wanted: true });
    resolve();
    await holding;
  });

  test("leases that are held are released when the store is closed", async () => {
    const store = memoryStore();
    const locks = leases(store.transact);
    const { promise, resolve } = Promise.withResolvers<string>();
    const holding = locks.lock("sync", () => promise);
    await pass(50);
    assert.equal((await store.list("lease/")).length, 1);
    await locks.close();
    assert.deepEqual(await store.list(""), []);
    resolve("done");
    assert.equal(await holding, "done");
    await assert.rejects(locks.lock("sync", async () => {}), /closed/);
  });

  test("a holder that lost its lease does not take it back or end it", async () => {
    const store = memoryStore();
    const { promise, resolve } = Promise.withResolvers<void>();
    const holding = leases(store.transact).lock("sync", () => promise);
    await pass(50);
    const [key, record] = lease(Date.now() + 5000);
    await put(store, { [key]: record });
    await pass(LEASE_DURATION / 2 - 50);
    assert.deepEqual(await read(store, key), record);
    resolve();
    await holding;
    assert.deepEqual(await read(store, key), record);
  });

  test("a failure to renew or to release does not fail the holder", async () => {
    const store = memoryStore();
    let fails = false;
    const transact: Store["transact"] = (reads, decide) => (fails ? Promise.reject(new Error("disk full")) : store.transact(reads, decide));
    const { promise, resolve } = Promise.withResolvers<void>();
    const holding = leases(transact).lock("sync", () => promise.then(() => "done"));
    await pass(50);
    fails = true;
    await pass(LEASE_DURATION);
    resolve();
    assert.equal(await holding, "done");
    await assert.rejects(leases(transact).lock("sync", async () => {}), /disk full/);
  });
});
