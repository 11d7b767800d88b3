// Syncing by itself. SERVICE_URL: a service without rate limits.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type SyncReport, memoryStore, openClient } from "../src/index.ts";
import { type Scheduled, Schedule } from "../src/schedule.ts";
import { until } from "./adapters.support.ts";
import { TestAccount, intercepted, url } from "./devices.ts";

const HOUR = 3_600_000;
const DONE: SyncReport = { uploaded: 0, downloaded: 0, conflicts: 0, rejected: 0, reset: false, healed: false };

const pause = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Counts the requests of a client by path. */
function counting() {
  const counts = new Map<string, number>();
  const fetch = intercepted((path, send) => {
    counts.set(path, (counts.get(path) ?? 0) + 1);
    return send();
  });
  return { fetch, uploads: () => counts.get("/api/sync/upload") ?? 0, downloads: () => counts.get("/api/sync/download") ?? 0 };
}

test("edits are uploaded together after a delay, and cause no further sync", async () => {
  const requests = counting();
  const laptop = await new TestAccount().device({ fetch: requests.fetch });
  laptop.start({ interval: HOUR, delay: 100 });
  await until("the first sync", () => requests.downloads() === 1);
  for (const name of ["a", "b", "c"]) {
    await laptop.savedQueries.put({ name, query: "SELECT 1" });
  }
  await until("the upload", () => requests.downloads() === 2);
  await pause(400);
  assert.deepEqual([requests.uploads(), requests.downloads()], [1, 2]);
  laptop.stop();
  await laptop.savedQueries.put({ name: "d", query: "SELECT 1" });
  await pause(300);
  assert.equal(requests.uploads(), 1);
});

test("an edit during an upload is uploaded soon", async () => {
  const account = new TestAccount();
  let during = async (): Promise<unknown> => undefined;
  let uploads = 0;
  const laptop = await account.device({
    fetch: intercepted(async (path, send) => {
      if (path.endsWith("/upload")) {
        uploads += 1;
        await during();
      }
      return send();
    }),
  });
  during = async () => {
    during = async () => undefined;
    return laptop.savedQueries.put({ name: "second", query: "SELECT 2" });
  };
  await laptop.savedQueries.put({ name: "first", query: "SELECT 1" });
  laptop.start({ interval: HOUR, delay: 50 });
  await until("the second upload", async () => uploads === 2 && (await laptop.changes.list()).length === 0);
  laptop.stop();
});

test("edits of other devices arrive at the interval", async () => {
  const account = new TestAccount();
  const laptop = await account.device();
  const phone = await account.device();
  phone.start({ interval: 100 });
  await laptop.savedQueries.put({ id: "orders", name: "Orders", query: "SELECT 1" });
  await laptop.sync();
  await until("the item", async () => (await phone.savedQueries.get("orders")) !== undefined);
  phone.stop();
});

test("a login is followed by a sync at once", async () => {
  const requests = counting();
  const client = await openClient({ url, store: memoryStore(), fetch: requests.fetch });
  client.start({ interval: HOUR });
  await pause(100);
  assert.equal(requests.downloads(), 0);
  await new TestAccount().signIn(client);
  await until("the download", () => requests.downloads() >= 1);
  client.stop();
});

test("focus and the network's return sync at once", async () => {
  const target = new EventTarget();
  Object.assign(globalThis, { addEventListener: target.addEventListener.bind(target) });
  let syncs = 0;
  const schedule = started({ sync: async () => ({ ...DONE, ...(++syncs && { error: { code: "OFFLINE", message: "" } as const }) }) });
  await until("the first sync", () => syncs === 1);
  for (const [index, name] of ["focus", "online", "visibilitychange"].entries()) {
    await pause(20);
    target.dispatchEvent(new Event(name));
    await until(name, () => syncs === index + 2);
  }
  schedule.stop();
  target.dispatchEvent(new Event("online"));
  await pause(50);
  assert.equal(syncs, 4);
  Reflect.deleteProperty(globalThis, "addEventListener");
});

test("a service that cannot be reached is asked less and less often, and not more often because of edits", async () => {
  const { pauses, next } = recordedPauses();
  const store = memoryStore();
  const error = { code: "OFFLINE", message: "" } as const;
  let syncs = 0;
  const schedule = started({ store, sync: async () => { syncs += 1; return { ...DONE, error }; } });
  await next();
  await store.transact({}, () => ({ writes: new Map([["unsent/1", "item/1"]]), result: undefined }));
  await pause(50);
  assert.equal(syncs, 1);
  schedule.stop();
  const [first] = pauses;
  assert.ok(first !== undefined && first >= 1_000 && first <= 2_000, `${pauses}`);
});

test("the interval grows when the rate limit runs low, and a Retry-After is obeyed", async () => {
  for (const [bucket, report, least] of [
    [{ limit: 120, remaining: 100, reset: 10 }, DONE, 0],
    [{ limit: 120, remaining: 4, reset: 60 }, DONE, 15_000],
    [{ limit: 120, remaining: 0, reset: 60 }, DONE, 60_000],
    [undefined, { ...DONE, error: { code: "RATE_LIMIT_EXCEEDED", message: "", retryAfter: 90 } as const }, 90_000],
  ] as const) {
    const { pauses, next } = recordedPauses();
    const schedule = started({ sync: async () => report, http: { rateLimit: () => bucket } }, 1_000);
    await next();
    schedule.stop();
    const [actual] = pauses;
    assert.ok(actual !== undefined && actual >= least && (least > 0 || actual <= 1_100), `${actual}, not ${least}`);
  }
});

function started(scheduled: Partial<Scheduled>, interval = HOUR): Schedule {
  const defaults: Scheduled = { store: memoryStore(), http: { rateLimit: () => undefined }, random: Math.random, sync: async () => DONE };
  return new Schedule({ ...defaults, ...scheduled }, { interval, delay: 10 });
}

/** Records the durations of timers of half a second or more, which are the pauses between syncs. */
function recordedPauses(): { pauses: number[]; next: () => Promise<void> } {
  const [original, pauses]: [typeof setTimeout, number[]] = [globalThis.setTimeout, []];
  const recorded = (run: () => void, milliseconds = 0) => {
    if (milliseconds >= 500) {
      pauses.push(milliseconds);
    }
    return original(run, milliseconds);
  };
  globalThis.setTimeout = Object.assign(recorded, original) as typeof setTimeout;
  const next = async (): Promise<void> => {
    await until("a pause", () => pauses.length > 0);
    globalThis.setTimeout = original;
  };
  return { pauses, next };
}
