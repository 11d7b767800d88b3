// Edits, syncs and conflicts of a client. SERVICE_URL: a service without rate limits.
import assert from "node:assert/strict";
import { test } from "node:test";
import { differences, memoryStore, openClient } from "../src/index.ts";
import { TestAccount, devices, intercepted, only, synced, url } from "./devices.ts";
import { valueOf } from "./results.ts";

const ORDERS = { id: "orders", name: "Orders", query: "SELECT 1" };
const LEAK = { name: "Leak", query: "ALTER USER ada PASSWORD 'Xq7-bTz2-mK9'" };

const run = (query: string, minute = 0) => ({
  query, connection_id: "shop", executed_at: new Date(Date.UTC(2026, 0, 1, 10, minute)).toISOString(), duration_ms: 1,
  rows_affected: 1, success: true,
});

test("an item is readable before it is uploaded, and has the same fields afterwards", async () => {
  const [laptop, phone] = await devices(2);
  const item = await laptop!.savedQueries.put({ ...ORDERS, folder: "shop" } as typeof ORDERS);
  assert.equal(item.sync_version, 0);
  assert.deepEqual(await laptop!.savedQueries.get("orders"), item);
  assert.equal((await synced(laptop!)).uploaded, 1);
  await synced(phone!);
  const { sync_version, created_at, updated_at, ...content } = (await phone!.savedQueries.get("orders"))!;
  assert.deepEqual(content, { ...ORDERS, folder: "shop", tags: [], favorite: false, metadata: {} });
  assert.deepEqual([sync_version, Date.parse(created_at!), Date.parse(updated_at!)], [1, Date.parse(item.created_at!), Date.parse(item.updated_at!)]);
  assert.deepEqual(await laptop!.savedQueries.get("orders"), await phone!.savedQueries.get("orders"));
});

/** Opens two devices. The phone has read an item, and the laptop has edited it since. */
async function editedElsewhere() {
  const [laptop, phone] = await devices(2);
  assert.ok(laptop && phone);
  await laptop.savedQueries.put(ORDERS);
  await synced(laptop);
  await synced(phone);
  const read = (await phone.savedQueries.get("orders"))!;
  await laptop.savedQueries.put({ ...read, query: "SELECT laptop" });
  await synced(laptop);
  await synced(phone);
  return { laptop, phone, read };
}

test("an edit is based on what was read, not on what has arrived since", async () => {
  const { laptop, phone, read } = await editedElsewhere();
  await phone.savedQueries.put({ ...read, name: "Phone" });
  await synced(phone);
  await synced(laptop);
  for (const device of [laptop, phone]) {
    const { name, query } = (await device.savedQueries.get("orders"))!;
    assert.deepEqual([name, query], ["Phone", "SELECT laptop"]);
  }
});

test("a deletion of what was read does not delete a newer edit", async () => {
  const { phone, read } = await editedElsewhere();
  assert.equal(await phone.savedQueries.delete(read), true);
  assert.equal((await synced(phone)).conflicts, 1);
  assert.equal((await phone.savedQueries.get("orders"))?.query, "SELECT laptop");
  assert.equal(only(await phone.conflicts.list()).local_version.deleted, true);
});

test("further edits before an upload are one change; nothing is uploaded for what did not change", async () => {
  const [laptop] = await devices(1);
  for (const query of ["SELECT 1", "SELECT 2", "SELECT 3"]) {
    await laptop!.savedQueries.put({ ...ORDERS, query });
  }
  assert.equal((await synced(laptop!)).uploaded, 1);
  await laptop!.savedQueries.put((await laptop!.savedQueries.get("orders"))!);
  await laptop!.savedQueries.put({ ...ORDERS, query: "SELECT 3", tags: [] });
  assert.deepEqual(await laptop!.changes.list(), []);
  assert.equal((await laptop!.savedQueries.get("orders"))?.sync_version, 1);
});

test("what was created and deleted before an upload is never uploaded", async () => {
  const [laptop] = await devices(1);
  await laptop!.savedQueries.put(ORDERS);
  assert.equal(await laptop!.savedQueries.delete("orders"), true);
  assert.equal(await laptop!.savedQueries.delete("orders"), false);
  assert.deepEqual([await laptop!.changes.list(), await laptop!.savedQueries.list()], [[], []]);
  assert.equal((await synced(laptop!)).uploaded, 0);
});

test("an edit during an upload is a change of its own, based on the first one", async () => {
  const account = new TestAccount();
  let during = async (): Promise<unknown> => undefined;
  const laptop = await account.device({
    fetch: intercepted(async (path, send) => {
      const response = await send();
      if (path.endsWith("/upload")) {
        await during();
      }
      return response;
    }),
  });
  await laptop.savedQueries.put(ORDERS);
  during = async () => {
    during = async () => undefined;
    return laptop.savedQueries.put({ ...ORDERS, query: "SELECT 2" });
  };
  assert.equal((await synced(laptop)).uploaded, 2);
  const versions = valueOf(await laptop.savedQueries.versions("orders")).versions;
  assert.deepEqual(versions.map(({ data, sync_version }) => [data && "query" in data && data.query, sync_version]), [["SELECT 2", 2], ["SELECT 1", 1]]);
});

test("an unanswered upload is repeated with the same changes, and applied once", async () => {
  const account = new TestAccount();
  const bodies: string[] = [];
  let losses = 2;
  const laptop = await account.device({
    fetch: intercepted(async (path, send, init) => {
      const response = await send();
      if (path.endsWith("/upload")) {
        bodies.push(String(init?.body));
        if (losses-- > 0) {
          throw new TypeError("connection lost");
        }
      }
      return response;
    }),
  });
  await laptop.savedQueries.put(ORDERS);
  assert.equal((await laptop.sync()).error?.code, "OFFLINE");
  await synced(laptop);
  assert.equal(bodies.length, 3);
  assert.equal(new Set(bodies).size, 1);
  assert.equal(valueOf(await laptop.savedQueries.versions("orders")).versions.length, 1);
});

test("a rejected change stays with its reason, blocks nothing, and is replaced by a correction", async () => {
  const [laptop, phone] = await devices(2);
  await laptop!.savedQueries.put({ id: "leak", ...LEAK });
  await laptop!.savedQueries.put(ORDERS);
  const report = await synced(laptop!);
  assert.deepEqual([report.uploaded, report.rejected], [1, 1]);
  const { rejected, data, item_id } = only(await laptop!.changes.list());
  assert.deepEqual([item_id, data?.["query"], rejected?.code], ["leak", LEAK.query, "CREDENTIALS_PRESENT"]);
  const [detail] = rejected!.details;
  assert.equal(detail?.field, "query");
  assert.equal(LEAK.query.slice(detail.start, detail.end), "Xq7-bTz2-mK9");
  assert.equal((await laptop!.savedQueries.get("leak"))?.query, LEAK.query);
  assert.equal((await synced(laptop!)).rejected, 0);

  await laptop!.savedQueries.put({ ...(await laptop!.savedQueries.get("leak"))!, query: "ALTER USER ada PASSWORD $1" });
  assert.equal((await synced(laptop!)).uploaded, 1);
  assert.deepEqual(await laptop!.changes.list(), []);
  await synced(phone!);
  assert.equal((await phone!.savedQueries.list()).length, 2);
});

test("a rejected change can be discarded, or sent again", async () => {
  const [laptop] = await devices(1);
  await laptop!.savedQueries.put(ORDERS);
  await synced(laptop!);
  await laptop!.savedQueries.put({ ...ORDERS, ...LEAK });
  await synced(laptop!);
  const change = only(await laptop!.changes.list());
  assert.equal(await laptop!.changes.retry(change), true);
  assert.equal(only(await laptop!.changes.list()).rejected, undefined);
  assert.equal((await synced(laptop!)).rejected, 1);
  assert.equal(await laptop!.changes.discard(change), true);
  assert.equal(await laptop!.changes.discard(change), false);
  assert.equal((await laptop!.savedQueries.get("orders"))?.query, "SELECT 1");
  assert.deepEqual(await laptop!.changes.list(), []);
});

test("a conflict is listed, described field by field, and resolved", async () => {
  const [laptop, phone] = await devices(2);
  await laptop!.savedQueries.put(ORDERS);
  await synced(laptop!);
  await synced(phone!);
  await laptop!.savedQueries.put({ ...ORDERS, query: "SELECT laptop", tags: ["a"] });
  await phone!.savedQueries.put({ ...ORDERS, query: "SELECT phone", metadata: { color: "red" } });
  await synced(laptop!);
  assert.equal((await synced(phone!)).conflicts, 1);
  const seen: number[] = [];
  const end = phone!.conflicts.subscribe((conflicts) => seen.push(conflicts.length));
  const conflict = only(await phone!.conflicts.list());
  assert.deepEqual(differences(conflict.local_version.data, conflict.remote_version.data), [
    { field: "metadata.color", local: "red" },
    { field: "query", local: "SELECT phone", remote: "SELECT laptop" },
    { field: "tags", remote: ["a"] },
  ]);
  await synced(laptop!);
  valueOf(await phone!.conflicts.resolve(conflict, { merged: { name: "Orders", query: "SELECT both" } }));
  assert.equal((await phone!.savedQueries.get("orders"))?.query, "SELECT both");
  assert.deepEqual(await phone!.conflicts.list(), []);
  await synced(phone!);
  assert.deepEqual([seen[0], seen.at(-1)], [1, 0]);
  end();
  // The laptop has seen the conflict as it was, and decides otherwise.
  const late = await laptop!.conflicts.resolve(conflict, { keep: "local" });
  assert.equal(late.ok ? undefined : late.error.code, "CONFLICT");
  await synced(laptop!);
  assert.deepEqual(await laptop!.conflicts.list(), []);
});

test("a version is restored unless the item has changed", async () => {
  const [laptop] = await devices(1);
  await laptop!.savedQueries.put(ORDERS);
  await synced(laptop!);
  await laptop!.savedQueries.put({ ...ORDERS, query: "SELECT 2" });
  await synced(laptop!);
  const late = await laptop!.savedQueries.restore("orders", 1, 1);
  assert.equal(late.ok ? undefined : late.error.current?.sync_version, 2);
  valueOf(await laptop!.savedQueries.restore("orders", 1, 2));
  assert.equal((await laptop!.savedQueries.get("orders"))?.query, "SELECT 1");
  assert.equal((await synced(laptop!)).healed, false);
});

test("items that stay on the device are not uploaded until they are shared", async () => {
  const [laptop, phone] = await devices(2);
  const sent: string[] = [];
  const account = new TestAccount();
  const tablet = await account.device({
    fetch: intercepted((path, send, init) => {
      if (path.endsWith("/upload")) {
        sent.push(String(init?.body));
      }
      return send();
    }),
  });
  await tablet.savedQueries.put({ ...ORDERS, query: "SELECT private" }, { deviceOnly: true });
  await tablet.savedQueries.put({ ...ORDERS, id: "shared" });
  await synced(tablet);
  assert.deepEqual([sent.length, sent.join().includes("private")], [1, false]);
  await tablet.savedQueries.put((await tablet.savedQueries.get("orders"))!, { deviceOnly: false });
  assert.equal((await synced(tablet)).uploaded, 1);

  // An item that others have leaves them when it is kept here.
  await laptop!.savedQueries.put(ORDERS);
  await synced(laptop!);
  await synced(phone!);
  await laptop!.savedQueries.put({ ...ORDERS, query: "SELECT here" }, { deviceOnly: true });
  await synced(laptop!);
  await synced(phone!);
  assert.equal(await phone!.savedQueries.get("orders"), undefined);
  assert.equal((await laptop!.savedQueries.get("orders"))?.query, "SELECT here");
  await laptop!.savedQueries.delete("orders");
  assert.deepEqual(await laptop!.savedQueries.list(), []);
});

test("types that are not synced stay on the device, and join when they are", async () => {
  const account = new TestAccount();
  const store = memoryStore();
  const laptop = await account.device({ store, types: ["saved_query"] });
  const phone = await account.device();
  await laptop.history.put({ id: "run", ...run("SELECT 1") });
  await laptop.savedQueries.put(ORDERS);
  assert.equal((await synced(laptop)).uploaded, 1);
  await phone.connections.put({ id: "shop", name: "Shop", type: "postgres", database: "shop" });
  await synced(phone);
  assert.equal((await synced(laptop)).downloaded, 0);
  assert.deepEqual([(await laptop.history.list()).length, (await phone.history.list()).length], [1, 0]);

  const all = await openClient({ url, store });
  await synced(all);
  await synced(phone);
  assert.equal((await all.connections.list()).length, 1);
  assert.equal((await phone.history.list()).length, 1);

  // A choice for an item outlasts the types.
  const queries = await openClient({ url, store, types: ["connection"] });
  await queries.savedQueries.put({ ...ORDERS, id: "mine" }, { deviceOnly: true });
  await queries.savedQueries.put({ ...ORDERS, id: "mine", query: "SELECT mine" });
  await openClient({ url, store });
  await synced(all);
  await synced(phone);
  assert.equal(await phone.savedQueries.get("mine"), undefined);

  const fewer = await openClient({ url, store, types: ["saved_query"] });
  await synced(fewer);
  await fewer.connections.put({ id: "shop", name: "Mine", type: "postgres", database: "shop" });
  await synced(fewer);
  assert.equal((await fewer.connections.get("shop"))?.name, "Mine");
  await synced(phone);
  assert.equal((await phone.connections.get("shop"))?.name, "Shop");
});

test("entries of the query history do not change, and are listed newest first", async () => {
  const [laptop] = await devices(1);
  for (const minute of [1, 3, 2]) {
    await laptop!.history.put({ id: `run ${minute}`, ...run(`SELECT ${minute}`, minute) });
  }
  const again = await laptop!.history.put({ id: "run 1", ...run("SELECT 9", 9) });
  assert.equal(again.query, "SELECT 1");
  assert.deepEqual((await laptop!.history.list()).map(({ id }) => id), ["run 3", "run 2", "run 1"]);
  await synced(laptop!);
  assert.equal(await laptop!.history.delete("run 2"), true);
  await synced(laptop!);
  assert.deepEqual((await laptop!.history.list()).map(({ id }) => id), ["run 3", "run 1"]);
});

test("1,500 edits with large texts go in several uploads, compressed, and arrive page by page", async () => {
  const account = new TestAccount();
  const types: (string | null)[] = [];
  const laptop = await account.device({
    fetch: intercepted((path, send, init) => {
      if (path.endsWith("/upload")) {
        types.push(new Headers(init?.headers).get("content-type"));
      }
      return send();
    }),
  });
  const filler = "x".repeat(6_000);
  const connections = Array.from({ length: 1_500 }, (_, index) => ({ id: `q${index}`, name: `Q ${index}`, query: `SELECT '${filler}'` }));
  const file = { ...(await laptop.exportAll()), saved_queries: connections };
  assert.deepEqual(await laptop.importAll(file), { imported: 1_500, unchanged: 0 });
  assert.equal((await synced(laptop)).uploaded, 1_500);
  assert.ok(types.length >= 3, `${types.length} uploads`);
  assert.deepEqual([...new Set(types)], ["application/gzip"]);
  const phone = await account.device({ pageSize: 400 });
  assert.equal((await synced(phone)).downloaded, 1_500);
  assert.deepEqual(await laptop.importAll(file), { imported: 0, unchanged: 1_500 });
});

test("an export goes to another account, without what it must not take along", async () => {
  const [laptop] = await devices(1);
  await laptop!.savedQueries.put(ORDERS);
  await synced(laptop!);
  await laptop!.savedQueries.put({ ...ORDERS, id: "private" }, { deviceOnly: true });
  await laptop!.history.put({ id: "run", ...run("SELECT 1") });
  const file = JSON.parse(JSON.stringify(await laptop!.exportAll()));
  const [other, phone] = await devices(2);
  assert.deepEqual(await other!.importAll(file), { imported: 3, unchanged: 0 });
  assert.equal((await synced(other!)).uploaded, 2);
  await synced(phone!);
  assert.equal((await phone!.savedQueries.get("orders"))?.created_at?.slice(0, 20), (await laptop!.savedQueries.get("orders"))?.created_at?.slice(0, 20));
  assert.equal(await phone!.savedQueries.get("private"), undefined);

  const invalid: [object, RegExp][] = [
    [{}, /format/], [{ ...file, format: "x/2" }, /format/], [{ ...file, connections: {} }, /connections must be an array/],
    [{ ...file, saved_queries: [{ id: "a" }, { name: "no id" }] }, /saved_queries\[1\]/],
    [{ ...file, query_history: ["text"] }, /query_history\[0\]/],
  ];
  for (const [wrong, message] of invalid) {
    await assert.rejects(other!.importAll(wrong), message);
  }
});

test("invalid arguments are refused with what is wrong", async () => {
  const client = await openClient({ url, store: memoryStore() });
  const put = (item: unknown) => client.savedQueries.put(item as typeof ORDERS);
  for (const id of ["", "x".repeat(129), "line\nbreak", "half \ud800", 7, null]) {
    await assert.rejects(put({ ...ORDERS, id }), /id (of an item )?must be/, String(id));
    await assert.rejects(client.savedQueries.get(id as string), /the id of an item must be/);
  }
  for (const [item, message] of [
    [{ ...ORDERS, query: "\udc00" }, /query/], [{ ...ORDERS, sync_version: "1" }, /sync_version/], [[], /object/], [null, /object/],
  ] as const) {
    await assert.rejects(put(item), message);
  }
  assert.deepEqual(await client.savedQueries.list(), []);
});

test("the data of one account is not uploaded to another", async () => {
  const store = memoryStore();
  const laptop = await new TestAccount().device({ store });
  await laptop.savedQueries.put(ORDERS);
  await synced(laptop);
  await laptop.savedQueries.put({ ...ORDERS, query: "SELECT 2" });
  valueOf(await laptop.logOut());
  assert.equal((await laptop.sync()).error?.code, "SIGNED_OUT");
  const other = new TestAccount();
  await other.device();
  const refused = await laptop.logIn({ username: other.name, password: "four words of mine" });
  assert.equal(refused.ok ? undefined : refused.error.code, "OTHER_ACCOUNT");
  assert.equal((await laptop.sync()).error?.code, "SIGNED_OUT");
  await laptop.logOut({ wipe: true });
  await other.signIn(laptop);
  await synced(laptop);
  assert.deepEqual(await laptop.savedQueries.list(), []);
});

test("what is edited before the first login is uploaded by it", async () => {
  const client = await openClient({ url, store: memoryStore() });
  await client.savedQueries.put(ORDERS);
  assert.equal((await client.sync()).error?.code, "SIGNED_OUT");
  await new TestAccount().signIn(client);
  assert.equal((await synced(client)).uploaded, 1);
});

test("a device whose digest differs downloads everything anew, once, and says so", async () => {
  const account = new TestAccount();
  const store = memoryStore();
  const laptop = await account.device({ store });
  await laptop.savedQueries.put(ORDERS);
  await laptop.savedQueries.put({ ...ORDERS, id: "second" });
  await synced(laptop);
  const edited = await laptop.savedQueries.put({ ...ORDERS, id: "second", query: "SELECT unsent" });
  // What a damaged disk does, or a defect: a record is gone. The next start of the application recounts.
  await store.transact({}, () => ({ writes: new Map([["item/saved_query/orders", undefined]]), result: undefined }));
  assert.equal(await laptop.savedQueries.get("orders"), undefined);
  const restarted = await openClient({ url, store, fetch: intercepted((path, send) => path.endsWith("/upload") ? Promise.reject(new TypeError()) : send()) });
  assert.deepEqual([(await restarted.sync()).error?.code, await restarted.savedQueries.get("second")], ["OFFLINE", edited]);

  const again = await openClient({ url, store });
  assert.equal((await synced(again)).healed, true);
  assert.equal((await again.savedQueries.get("orders"))?.query, "SELECT 1");
  assert.equal((await again.savedQueries.get("second"))?.query, "SELECT unsent");
  assert.equal((await synced(again)).healed, false);
});
