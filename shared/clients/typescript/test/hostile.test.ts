// What goes wrong around a client: wiped stores, foreign tokens, damaged responses, firewalls, listeners that throw. SERVICE_URL: a service
// without rate limits.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Client, type Tokens, type TokenStore, memoryStore, memoryTokens, openClient } from "../src/index.ts";
import { TestAccount, devices, intercepted, only, synced, url } from "./devices.ts";
import { valueOf } from "./results.ts";

const ORDERS = { id: "orders", name: "Orders", query: "SELECT 1" };
const LEAK = "ALTER USER ada PASSWORD 'Xq7-bTz2-mK9'";

const json = (body: unknown, status = 200): Response =>
  new Response(JSON.stringify(body), { status, headers: { "content-type": "application/json" } });

test("a rejected edit is not sent again over a later one, or from an item that stays here now", async () => {
  const account = new TestAccount();
  const store = memoryStore();
  const laptop = await account.device({ store });
  const tab = await openClient({ url, store: store.open() });
  await laptop.savedQueries.put({ ...ORDERS, query: LEAK });
  await synced(laptop);
  const rejected = only(await laptop.changes.list());
  await tab.savedQueries.put({ ...ORDERS, query: "SELECT later" });
  await synced(tab);
  assert.equal(await laptop.changes.retry(rejected), false);
  await synced(laptop);
  assert.equal((await laptop.savedQueries.get("orders"))?.query, "SELECT later");
  assert.equal(only(await laptop.changes.list()).change_id, rejected.change_id);
});

test("a field that made the service reject an edit is gone once the edit is made without it", async () => {
  const [laptop] = await devices(1);
  await laptop!.savedQueries.put({ ...ORDERS, api_token: "ghp_0123456789abcdefghijABCDEFGHIJ456789" } as typeof ORDERS);
  assert.equal((await synced(laptop!)).rejected, 1);
  await laptop!.savedQueries.put(ORDERS);
  assert.deepEqual([(await synced(laptop!)).uploaded, await laptop!.changes.list()], [1, []]);
});

test("tokens of another account neither upload nor download", async () => {
  const mine = memoryTokens();
  const laptop = await new TestAccount().device({ tokens: mine });
  await laptop.savedQueries.put(ORDERS);
  await synced(laptop);
  const foreign = memoryTokens();
  await new TestAccount().device({ tokens: foreign });
  const uploads: string[] = [];
  const store = memoryStore();
  const tokens: TokenStore & { current: TokenStore } = {
    current: mine, load: () => tokens.current.load(), save: (saved: Tokens | undefined) => tokens.current.save(saved),
  };
  const fetch = intercepted((path, send) => { uploads.push(path); return send(); });
  const phone = await openClient({ url, store, tokens, fetch });
  await synced(phone);
  tokens.current = foreign;
  await phone.savedQueries.put({ ...ORDERS, query: "SELECT mine" });
  uploads.length = 0;
  assert.equal((await phone.sync()).error?.code, "OTHER_ACCOUNT");
  assert.deepEqual(uploads, []);
});

test("a tab that shows wiped data writes none of it for the next account", async () => {
  const store = memoryStore();
  const laptop = await new TestAccount().device({ store });
  const tab = await openClient({ url, store: store.open() });
  const shown = await tab.savedQueries.put(ORDERS);
  await synced(laptop);
  valueOf(await laptop.logOut({ wipe: true }));
  await new TestAccount().signIn(laptop);
  await assert.rejects(tab.savedQueries.put({ ...shown, query: "SELECT 2" }), /open the client again/);
  await assert.rejects(tab.importAll(await tab.exportAll().then((file) => ({ ...file, saved_queries: [shown] }))), /open the client again/);
  await laptop.savedQueries.put({ ...ORDERS, id: "next" });
  await synced(laptop);
  assert.deepEqual((await laptop.savedQueries.list()).map(({ id }) => id), ["next"]);
});

test("an import keeps items on the device however the file is written", async () => {
  const [laptop] = await devices(1);
  const file = {
    ...(await laptop!.exportAll()), saved_queries: [ORDERS], device_only: [{ item_id: "orders", item_type: "saved_query", note: "" }],
  };
  await laptop!.importAll(file);
  assert.equal((await synced(laptop!)).uploaded, 0);
  await assert.rejects(laptop!.importAll({ ...file, device_only: ["orders"] }), /device_only\[0\]/);
});

test("responses that are not those of the service end the sync, and change nothing", async () => {
  const account = new TestAccount();
  let answer: ((changes: { item_id: string }[]) => unknown) | undefined;
  let uploads = 0;
  const laptop = await account.device({
    fetch: intercepted((path, send, init) => {
      uploads += path.endsWith("/upload") ? 1 : 0;
      return path.startsWith("/api/sync") && answer ? Promise.resolve(json(answer(path.endsWith("/upload") ? JSON.parse(String(init?.body)).changes : []))) : send();
    }),
  });
  await laptop.savedQueries.put(ORDERS);
  const foreign = { change_id: "another", item_type: "saved_query", item_id: "orders", sync_version: 1 };
  for (const wrong of [{}, { applied: [], conflicts: [], rejected: [] }, { applied: [foreign], conflicts: [], rejected: [] }, []]) {
    answer = () => wrong;
    uploads = 0;
    assert.ok((await laptop.sync()).error, JSON.stringify(wrong));
    assert.ok(uploads <= 2, `${uploads} uploads`);
  }
  answer = undefined;
  assert.equal((await synced(laptop)).uploaded, 1);
});

test("an edit that a firewall refuses is marked, and the others are uploaded", async () => {
  const account = new TestAccount();
  const laptop = await account.device({
    fetch: intercepted((path, send, init) =>
      path.endsWith("/upload") && String(init?.body).includes("xp_cmdshell") ? Promise.resolve(new Response("<h1>Forbidden</h1>", { status: 403 })) : send()),
  });
  for (let index = 0; index < 9; index++) {
    await laptop.savedQueries.put({ id: `q${index}`, name: "Q", query: index === 4 ? "EXEC xp_cmdshell 'dir'" : "SELECT 1" });
  }
  const report = await synced(laptop);
  assert.deepEqual([report.uploaded, report.rejected], [8, 1]);
  assert.deepEqual([only(await laptop.changes.list()).item_id, only(await laptop.changes.list()).rejected?.code], ["q4", "FORBIDDEN"]);
});

test("a refused application marks no edit", async () => {
  const account = new TestAccount();
  let isRefused = false;
  const refusal = { error: true, code: "FORBIDDEN", message: "the API key is missing", request_id: "1" };
  const laptop = await account.device({
    fetch: intercepted((path, send) => (isRefused && path.startsWith("/api/sync") ? Promise.resolve(json(refusal, 403)) : send())),
  });
  await laptop.savedQueries.put(ORDERS);
  isRefused = true;
  assert.equal((await laptop.sync()).error?.code, "FORBIDDEN");
  assert.equal(only(await laptop.changes.list()).rejected, undefined);
});

test("listeners that throw, and a store that is closed or fails, break nothing", async () => {
  const thrown: unknown[] = [];
  // The test runner takes uncaught errors for failures of the test.
  const others = process.listeners("uncaughtException");
  process.removeAllListeners("uncaughtException");
  const record = (error: unknown): void => void thrown.push(error);
  process.on("uncaughtException", record);
  const account = new TestAccount();
  const store = memoryStore();
  let isBroken = false;
  const laptop = await account.device({
    store: {
      ...store,
      transact: (reads, decide) => (isBroken ? Promise.reject(new Error("disk full")) : store.transact(reads, decide)),
    },
  });
  laptop.onSync(() => { throw new Error("listener of syncs"); });
  const end = laptop.savedQueries.subscribe(() => { throw new Error("listener of items"); });
  await laptop.savedQueries.put(ORDERS);
  await synced(laptop);
  isBroken = true;
  assert.deepEqual((await laptop.sync()).error, { code: "LOCAL_FAILURE", message: "Error: disk full" });
  await assert.rejects(laptop.savedQueries.put({ ...ORDERS, query: "SELECT 2" }), /disk full/);
  isBroken = false;
  await laptop.savedQueries.put({ ...ORDERS, query: "SELECT 2" });
  assert.equal((await synced(laptop)).uploaded, 1);
  end();
  laptop.savedQueries.subscribe(() => undefined);
  isBroken = true;
  void laptop.sync().catch(() => undefined);
  await laptop.close();
  await new Promise((resolve) => setTimeout(resolve, 50));
  await assert.rejects(store.list(""), /closed/);
  process.off("uncaughtException", record);
  others.forEach((listener) => process.on("uncaughtException", listener));
  const messages = new Set(thrown.map((error) => (error as Error).message));
  assert.deepEqual([...messages].sort(), ["listener of items", "listener of syncs"]);
});

test("names of fields and ids that objects have by themselves are ordinary ones", async () => {
  const [laptop, phone] = await devices(2);
  const own = JSON.parse('{ "constructor": "a", "toString": "b", "hasOwnProperty": "c" }') as object;
  await laptop!.savedQueries.put({ ...ORDERS, id: "__proto__", ...own });
  assert.equal((await synced(laptop!)).uploaded, 1);
  await laptop!.savedQueries.put({ ...ORDERS, id: "__proto__", query: "SELECT 2" });
  await synced(laptop!);
  await synced(phone!);
  for (const device of [laptop!, phone!] as Client[]) {
    const item = only(await device.savedQueries.list());
    assert.deepEqual(Object.fromEntries(Object.keys(own).map((name) => [name, (item as unknown as Record<string, unknown>)[name]])), own);
    assert.deepEqual([item.id, item.query], ["__proto__", "SELECT 2"]);
  }
});

test("a change that the service rejects without naming its id is marked, and the sync ends", async () => {
  const [laptop] = await devices(1);
  const deep = JSON.parse("[".repeat(150) + "]".repeat(150)) as unknown;
  await laptop!.savedQueries.put({ ...ORDERS, deep } as typeof ORDERS);
  await laptop!.savedQueries.put({ ...ORDERS, id: "second" });
  const report = await synced(laptop!);
  assert.deepEqual([report.uploaded, report.rejected], [1, 1]);
  assert.equal(only(await laptop!.changes.list()).item_id, "orders");
});

test("an offline device has one change of an item, however often it tries to sync", async () => {
  const account = new TestAccount();
  let isOffline = false;
  const laptop = await account.device({ fetch: intercepted((_, send) => (isOffline ? Promise.reject(new TypeError("offline")) : send())) });
  await laptop.savedQueries.put(ORDERS);
  await synced(laptop);
  isOffline = true;
  for (let index = 0; index < 20; index++) {
    await laptop.savedQueries.put({ ...ORDERS, query: `SELECT ${index}` });
    await laptop.history.put({ query: "SELECT 1", connection_id: "c", executed_at: new Date().toISOString(), duration_ms: 1, rows_affected: 1, success: true });
    await laptop.sync();
  }
  // The first one may have been sent; all later ones are one.
  assert.equal((await laptop.changes.list()).filter(({ item_id }) => item_id === "orders").length, 2);
});

test("two forms that show the same object both keep their edits", async () => {
  const [laptop] = await devices(1);
  await laptop!.savedQueries.put(ORDERS);
  await synced(laptop!);
  const read = (await laptop!.savedQueries.get("orders"))!;
  await laptop!.savedQueries.put({ ...read, name: "Renamed" });
  await laptop!.savedQueries.put({ ...read, query: "SELECT 2" });
  await synced(laptop!);
  const versions = valueOf(await laptop!.savedQueries.versions("orders")).versions;
  assert.ok(versions.some(({ data }) => data && "name" in data && data.name === "Renamed"), JSON.stringify(versions));
});

test("the content of an item that was kept here before it was sent never reaches the service", async () => {
  const account = new TestAccount();
  const bodies: string[] = [];
  const store = memoryStore();
  const laptop = await account.device({
    store, fetch: intercepted((_, send, init) => { bodies.push(String(init?.body)); return send(); }),
  });
  const tab = await openClient({ url, store: store.open() });
  await laptop.savedQueries.put({ ...ORDERS, query: "SELECT private" });
  await tab.savedQueries.put({ ...ORDERS, query: "SELECT private" }, { deviceOnly: true });
  await synced(laptop);
  assert.equal(bodies.join().includes("private"), false);
  await tab.savedQueries.put({ ...ORDERS, own: "mine" } as typeof ORDERS);
  await tab.savedQueries.put(ORDERS, { deviceOnly: false });
  assert.equal((await tab.savedQueries.get("orders") as unknown as { own: string }).own, "mine");
});

test("a change at which the service fails keeps the others back no longer than its batch", async () => {
  const account = new TestAccount();
  const failure = { error: true, code: "INTERNAL_ERROR", message: "a defect", request_id: "1" };
  let isDefect = true;
  const laptop = await account.device({
    fetch: intercepted((path, send, init) =>
      isDefect && path.endsWith("/upload") && String(init?.body).includes("poison") ? Promise.resolve(json(failure, 500)) : send()),
  });
  for (let index = 0; index < 5; index++) {
    await laptop.savedQueries.put({ id: `q${index}`, name: "Q", query: index === 1 ? "SELECT poison" : "SELECT 1" });
  }
  const report = await laptop.sync();
  assert.deepEqual([report.uploaded, report.error?.code], [4, "INTERNAL_ERROR"]);
  assert.equal(only(await laptop.changes.list()).rejected, undefined);
  isDefect = false;
  assert.equal((await synced(laptop)).uploaded, 1);
});

test("deletions by others, and of the query history, leave no records behind", async () => {
  const account = new TestAccount();
  const store = memoryStore();
  const laptop = await account.device({ store });
  const phone = await account.device();
  await synced(laptop);
  await phone.savedQueries.put(ORDERS);
  await synced(phone);
  await phone.savedQueries.delete("orders");
  await synced(phone);
  const entry = { query: "SELECT 1", connection_id: "c", executed_at: new Date().toISOString(), duration_ms: 1, rows_affected: 1, success: true };
  const { id } = await laptop.history.put(entry);
  await synced(laptop);
  await laptop.history.delete(id);
  await synced(laptop);
  assert.deepEqual(await store.list("item/"), []);
});

test("wrong settings are refused with their name", async () => {
  const store = memoryStore();
  for (const [options, message] of [
    [{ types: ["saved_querys"] }, /types/], [{ strategy: "refuse" }, /strategy/], [{ url: "ftp://example.com" }, /url/],
  ] as const) {
    await assert.rejects(openClient({ url, store, ...options } as unknown as Parameters<typeof openClient>[0]), message);
  }
  const client = await openClient({ url, store });
  for (const interval of [0, -1, NaN]) {
    assert.throws(() => client.start({ interval }), /interval/);
  }
});
