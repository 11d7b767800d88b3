import assert from "node:assert/strict";
import { test } from "node:test";
import { Database, appSchema, tableSchema } from "@nozbe/watermelondb";
import loki from "@nozbe/watermelondb/adapters/lokijs/index.js";
import { addColumns, schemaMigrations } from "@nozbe/watermelondb/Schema/migrations/index.js";
import type { SyncConflictResolver } from "@nozbe/watermelondb/sync/index.js";
import type { Change, Rejection } from "../src/adapters/remote.ts";
import { type Row, type SynchronizeOptions, ServiceError, synchronizeWith } from "../src/adapters/watermelondb.ts";
import {
  type TestAccount, type TestDevice, UNKNOWN_CURSOR, signUp, storedQueries, uploadQueries,
} from "./adapters.support.ts";
import { COLUMNS, Note, SAVED_QUERIES, SavedQuery, newAdapter, text } from "./adapters.watermelondb.ts";
import { startProxy } from "./proxy.ts";

interface Conflict {
  readonly local: Row;
  readonly remote: Row;
}

/** Database of a device. */
interface Local {
  readonly device: TestDevice;
  readonly database: Database;
  readonly conflicts: Conflict[];
  readonly rejected: Array<[Change, Rejection]>;
  sync(options?: Partial<SynchronizeOptions>): Promise<void>;
  create(id: string, columns: Row): Promise<void>;
  edit(id: string, columns: Row): Promise<void>;
  remove(id: string): Promise<void>;
  rows(): Promise<Map<string, Row>>;
  texts(): Promise<Record<string, string>>;
}

/** Creates an empty database. WatermelonDB reports what it considers a mistake of the backend to `console.error`. */
function open(device: TestDevice, adapter = newAdapter()): Local {
  const database = new Database({ adapter, modelClasses: [SavedQuery, Note] });
  const queries = database.get<SavedQuery>("saved_queries");
  const conflictResolver: SyncConflictResolver = (_, row, remote, resolved) => {
    if (row["_changed"]) {
      local.conflicts.push({ local: { ...row }, remote: { ...remote } });
    }
    return resolved;
  };
  const local: Local = {
    device, database, conflicts: [], rejected: [],
    sync: (options = {}) => synchronizeWith({
      client: device, database, tables: { saved_queries: SAVED_QUERIES }, conflictResolver,
      onRejected: (change, rejection) => local.rejected.push([change, rejection]), ...options,
    }),
    create: (id, columns) => database.write(async () => {
      const row = queries.prepareCreate((row) => {
        row._raw.id = id;
        row._setRaw("name", id);
        Object.entries(columns).forEach(([name, value]) => row._setRaw(name, value as string));
      });
      await database.batch(row);
    }),
    edit: (id, columns) => database.write(async () => {
      await (await queries.find(id)).update((row) => {
        Object.entries(columns).forEach(([name, value]) => row._setRaw(name, value as string));
      });
    }),
    remove: (id) => database.write(async () => (await queries.find(id)).markAsDeleted()),
    rows: async () => new Map((await queries.query().fetch()).map(({ id, _raw }) => [id, { ..._raw }])),
    texts: async () => Object.fromEntries([...await local.rows()].map(([id, { query }]): [string, string] => [id, String(query)]).sort()),
  };
  return local;
}

async function stored(account: TestAccount): Promise<Record<string, string>> {
  const items = [...await storedQueries(account.device("reader"))];
  return Object.fromEntries(items.map(([id, { query }]): [string, string] => [id, String(query)]).sort());
}

const numbered = (count: number): Record<string, string> =>
  Object.fromEntries(Array.from({ length: count }, (_, index): [string, string] => [`q${index}`, `SELECT ${index}`]).sort());

const query = (item_id: string, sql: string, sync_version = 0): Partial<Change> =>
  ({ item_id, action: "update", data: { name: item_id, query: sql }, sync_version });
const deletion = (item_id: string, sync_version: number): Partial<Change> => ({ item_id, action: "delete", sync_version });

const uploads = ({ sent }: TestDevice) => sent.filter(({ path }) => path === "/api/sync/upload");
const downloads = ({ sent }: TestDevice) => sent.filter(({ path }) => path === "/api/sync/download");

async function isClean(local: Local): Promise<boolean> {
  const deleted = await local.database.adapter.getDeletedRecords("saved_queries");
  return deleted.length === 0 && [...(await local.rows()).values()].every(({ _status }) => _status === "synced");
}

/** Creates two devices that have the saved query `a` with the text `base`. */
async function pair(): Promise<{ account: TestAccount; one: Local; two: Local }> {
  const account = await signUp();
  const [one, two] = [open(account.device("one")), open(account.device("two"))];
  await one.create("a", { query: "base" });
  await one.sync();
  await two.sync();
  assert.deepEqual(await two.texts(), { a: "base" });
  return { account, one, two };
}

/** Errors of WatermelonDB, which are about the backend. */
const complaints: unknown[] = [];
console.error = (...message: unknown[]) => complaints.push(message);
console.log = console.warn = () => undefined;

test("the first sync goes both ways, in pages", async () => {
  const account = await signUp();
  await uploadQueries(account.device("other"), Object.entries(numbered(20)).map(([id, sql]) => query(id, sql)));
  const one = open(account.device("one"));
  await one.create("here", { query: "mine" });
  await one.sync({ pageSize: 7, account: account.id });
  const all = { here: "mine", ...numbered(20) };
  assert.deepEqual([await one.texts(), await stored(account)], [all, all]);
  assert.equal(downloads(one.device).length, 3);
  assert.deepEqual(downloads(one.device).map(({ query }) => [query?.["limit"], String(query?.["item_type"])])[0], [7, "saved_query"]);
  assert.equal((await one.rows()).get("here")?.["sync_version"], 1, "the version that the upload has made");
  const two = open(account.device("two"));
  await two.sync({ pageSize: 7 });
  assert.deepEqual(await two.texts(), all);
  assert.ok(await isClean(one) && await isClean(two));
  await two.sync();
  assert.equal(uploads(two.device).length, 0);
  assert.match(String(downloads(two.device).at(-1)?.query?.["since"]), /Z$/);
  assert.deepEqual([one.conflicts, two.conflicts, complaints], [[], [], []]);
});

test("an empty account has a cursor, too", async () => {
  const account = await signUp();
  const one = open(account.device("one"));
  await one.sync();
  await one.sync();
  assert.deepEqual(downloads(one.device).map((request) => request.query?.["since"]), [undefined, "1970-01-01T00:00:00.000Z"]);
});

test("edits and deletions of both devices arrive", async () => {
  const { account, one, two } = await pair();
  await one.edit("a", { description: "text", folder: "work", tags: '["x"]', favorite: true, metadata: '{"k":"v"}' });
  await one.create("b", { query: "1" });
  await one.sync();
  await two.sync();
  const row = (await two.rows()).get("a");
  assert.deepEqual(
    [row?.["description"], row?.["folder"], row?.["tags"], row?.["favorite"], row?.["metadata"]],
    ["text", "work", '["x"]', true, '{"k":"v"}']);
  await two.edit("a", { query: "2", description: null, folder: null, tags: "[]" });
  await two.remove("b");
  await two.sync();
  const item = (await storedQueries(account.device("reader"))).get("a");
  assert.deepEqual([item?.["query"], item?.["description"], item?.["folder"], item?.["tags"]], ["2", undefined, undefined, []]);
  await one.sync();
  assert.deepEqual([await one.texts(), await two.texts()], [{ a: "2" }, { a: "2" }]);
  assert.ok(await isClean(one) && await isClean(two));
  assert.deepEqual([one.conflicts, two.conflicts, complaints], [[], [], []]);
});

test("the time of an edit is that of the row", async () => {
  const { account, one } = await pair();
  await one.edit("a", { query: "2" });
  const { updated_at } = (await one.rows()).get("a") ?? {};
  await one.sync();
  const item = (await storedQueries(account.device("reader"))).get("a");
  assert.equal(Date.parse(String(item?.["updated_at"])), updated_at);
  assert.equal((await one.rows()).get("a")?.["updated_at"], updated_at, "storing the version leaves it alone");
});

test("columns that only one device changed are kept, others go to the conflict resolver", async () => {
  const { account, one, two } = await pair();
  await one.edit("a", { query: "one", folder: "work" });
  await one.sync();
  await two.edit("a", { query: "two", description: "text" });
  await two.sync();
  const item = (await storedQueries(account.device("reader"))).get("a");
  assert.deepEqual([item?.["query"], item?.["folder"], item?.["description"]], ["two", "work", "text"]);
  assert.deepEqual(two.conflicts.map(({ local, remote }) => [local["query"], remote["query"]]), [["two", "one"]]);
  assert.equal(uploads(two.device).length, 1, "the newer version came before the upload");
  assert.ok(await isClean(two));
});

test("a resolver decides, but not on the version", async () => {
  const { account, one, two } = await pair();
  await one.edit("a", { query: "one" });
  await one.sync();
  await two.edit("a", { query: "two" });
  await two.sync({ conflictResolver: (_, local, remote) => ({ ...local, query: `${remote["query"]} | ${local["query"]}` }) });
  assert.deepEqual(await stored(account), { a: "one | two" });
  assert.equal(uploads(two.device).length, 1);
});

/** Runs `edit` once, between the download and the upload of a device's next sync. */
function beforeUpload(account: TestAccount, id: string, edit: () => Promise<unknown>): Local {
  let isDone = false;
  const intercept: typeof fetch = async (input, init) => {
    if (!isDone && String(input).includes("upload")) {
      isDone = true;
      await edit();
    }
    return fetch(input, init);
  };
  return open(account.device(id, { fetch: intercept }));
}

test("an edit between download and upload is refused, resolved and uploaded", async () => {
  const account = await signUp();
  const other = account.device("other");
  await uploadQueries(other, [query("a", "base"), query("b", "base")]);
  const one = beforeUpload(account, "one", () => uploadQueries(other, [query("a", "theirs", 1)]));
  await one.sync();
  await one.edit("a", { query: "mine" });
  await one.edit("b", { query: "mine" });
  await one.sync();
  assert.deepEqual(await stored(account), { a: "mine", b: "mine" });
  assert.deepEqual(one.conflicts.map(({ local, remote }) => [local["query"], remote["query"]]), [["mine", "theirs"]]);
  assert.equal(uploads(one.device).length, 2);
  assert.ok(await isClean(one));
});

test("an item that others edit all the time is left to the next call", async () => {
  const account = await signUp();
  const other = account.device("other");
  await uploadQueries(other, [query("a", "0")]);
  let version = 1;
  const one = open(account.device("one", {
    fetch: async (input, init) => {
      if (version < 5 && String(input).includes("upload")) {
        await uploadQueries(other, [query("a", `theirs ${version}`, version)]);
        version += 1;
      }
      return fetch(input, init);
    },
  }));
  await one.sync();
  await one.edit("a", { query: "mine" });
  await one.sync();
  assert.equal(uploads(one.device).length, 3);
  assert.deepEqual(await stored(account), { a: "theirs 3" });
  await one.sync();
  assert.deepEqual(await stored(account), { a: "mine" });
  assert.ok(await isClean(one));
});

test("an edit wins over a deletion", async () => {
  const { account, one, two } = await pair();
  await one.create("b", { query: "1" });
  await one.sync();
  await two.sync();
  await one.remove("a");
  await one.edit("b", { query: "edited here" });
  await one.sync();
  await two.edit("a", { query: "edited there" });
  await two.remove("b");
  await two.sync();
  await one.sync();
  const both = { a: "edited there", b: "edited here" };
  assert.deepEqual([await stored(account), await one.texts(), await two.texts()], [both, both, both]);
  assert.deepEqual(two.conflicts.map(({ local, remote }) => [local["id"], remote["_deleted"]]), [["a", true]]);
  assert.ok(await isClean(one) && await isClean(two));
  assert.deepEqual(complaints, []);
});

test("an edit wins over a deletion that comes between download and upload", async () => {
  const account = await signUp();
  const other = account.device("other");
  await uploadQueries(other, [query("a", "base"), query("b", "base")]);
  const one = beforeUpload(account, "one", () => uploadQueries(other, [query("a", "theirs", 1), deletion("b", 1)]));
  await one.sync();
  await one.remove("a");
  await one.edit("b", { query: "mine" });
  await one.sync();
  const both = { a: "theirs", b: "mine" };
  assert.deepEqual([await stored(account), await one.texts()], [both, both]);
  assert.ok(await isClean(one));
});

test("a device does not conflict with itself", async () => {
  const { account, one } = await pair();
  await one.edit("a", { query: "1" });
  await one.sync();
  await one.edit("a", { query: "2" });
  await one.remove("a");
  await one.sync();
  assert.deepEqual([await stored(account), await one.texts()], [{}, {}]);
  assert.equal(uploads(one.device).length, 3);
});

test("an upload whose response was lost is recognised", async (test) => {
  const account = await signUp();
  let isLost = true;
  const proxy = await startProxy(test, async ({ path }, forward) => {
    const reply = await forward();
    return isLost && path === "/api/sync/upload" ? "drop" : reply;
  });
  const one = open(account.device("one", { url: proxy.url }));
  const lose = async (): Promise<void> => {
    isLost = true;
    await assert.rejects(one.sync(), ServiceError);
    isLost = false;
  };
  await one.create("a", { query: "1" });
  await one.create("b", { query: "1" });
  await one.create("c", { query: "1" });
  await lose();
  assert.deepEqual(await stored(account), { a: "1", b: "1", c: "1" });
  // Edited, deleted, and left alone afterwards.
  await one.edit("a", { query: "2" });
  await one.remove("b");
  await one.sync();
  assert.deepEqual([await stored(account), await one.texts()], [{ a: "2", c: "1" }, { a: "2", c: "1" }]);
  assert.ok(await isClean(one));
  await one.edit("a", { query: "3" });
  await one.remove("c");
  await lose();
  await one.sync();
  assert.deepEqual([await stored(account), await one.texts()], [{ a: "3" }, { a: "3" }]);
  await one.edit("a", { query: "4" });
  await lose();
  await one.remove("a");
  await one.sync();
  assert.deepEqual([await stored(account), await one.texts()], [{}, {}]);
  assert.equal((await storedQueries(account.device("reader"))).size, 0);
  assert.ok(await isClean(one));
});

test("an edit during an upload is uploaded by the next sync", async () => {
  const account = await signUp();
  const one = beforeUpload(account, "one", () => one.edit("a", { query: "2" }));
  await one.create("a", { query: "1" });
  await one.create("b", { query: "1" });
  await one.sync();
  assert.deepEqual([await stored(account), await one.texts()], [{ a: "1", b: "1" }, { a: "2", b: "1" }]);
  await one.remove("a");
  await one.sync();
  assert.deepEqual(await stored(account), { b: "1" });
});

test("a rejected row is reported, stays unsent, and blocks nothing", async () => {
  const account = await signUp();
  const one = open(account.device("one"));
  await one.create("a", { query: "1" });
  await one.create("bad", { query: "ALTER USER ada PASSWORD 'Sesame-42-Barley'" });
  await one.sync();
  assert.deepEqual(await stored(account), { a: "1" });
  assert.deepEqual(one.rejected.map(([{ item_id }, { code }]) => [item_id, code]), [["bad", "CREDENTIALS_PRESENT"]]);
  await one.create("c", { query: "1" });
  await one.sync();
  assert.deepEqual(await stored(account), { a: "1", c: "1" });
  assert.equal(one.rejected.length, 1, "it is not sent again as it is");
  assert.ok(!JSON.stringify(uploads(one.device).at(-1)).includes("Sesame"));
  one.device.since = UNKNOWN_CURSOR;
  await one.sync();
  assert.equal((await one.rows()).get("bad")?.["_status"], "created", "a reset keeps it");
  await one.edit("bad", { query: "good" });
  await one.sync();
  assert.deepEqual(await stored(account), { a: "1", bad: "good", c: "1" });
  assert.ok(await isClean(one));
});

test("a row that exceeded the quota is sent again", async () => {
  const account = await signUp();
  const device = account.device("one");
  const one = open(device);
  await one.create("a", { query: "1" });
  const { remote } = device;
  const full: typeof remote = {
    send: async <T>(request: Parameters<typeof remote.send>[0]) => {
      const result = await remote.send<T>({ ...request, ...(request.path.endsWith("upload") && { body: { ...Object(request.body), changes: [{
        item_type: "saved_query", item_id: "a", action: "create", data: {}, updated_at: "2026-01-01T00:00:00Z" }] } }) });
      const text = JSON.stringify(result).replaceAll("INVALID_CHANGE", "QUOTA_EXCEEDED");
      const changed: typeof result = JSON.parse(text);
      return changed;
    },
  };
  await one.sync({ client: { deviceId: "one", remote: full } });
  assert.deepEqual(one.rejected.map(([, { code }]) => code), ["QUOTA_EXCEEDED"]);
  await one.sync();
  assert.deepEqual(await stored(account), { a: "1" });
});

test("a reset deletes what is gone, and keeps unsent edits", async () => {
  const account = await signUp();
  const other = account.device("other");
  const one = open(account.device("one"));
  await uploadQueries(other, Object.entries(numbered(20)).map(([id, sql]) => query(id, sql)));
  await one.sync();
  await uploadQueries(other, [...Object.keys(numbered(10)).map((id) => deletion(id, 1)), query("q16", "SELECT 16b", 1)]);
  await one.edit("q0", { query: "unsent edit of a deleted one" });
  await one.edit("q15", { query: "unsent edit" });
  await one.create("new", { query: "unsent" });
  await one.remove("q1");
  await one.remove("q17");
  one.device.since = UNKNOWN_CURSOR;
  one.device.isPurged = true;
  await one.sync({ pageSize: 7 });
  const { q17: _, ...left }: Record<string, string> = Object.fromEntries(Object.entries(numbered(20)).filter(([id]) => Number(id.slice(1)) >= 10));
  const expected = Object.fromEntries(Object.entries(
    { ...left, q0: "unsent edit of a deleted one", q15: "unsent edit", q16: "SELECT 16b", new: "unsent" }).sort());
  assert.deepEqual([await one.texts(), await stored(account)], [expected, expected]);
  assert.deepEqual(one.conflicts.map(({ local, remote }) => [local["id"], remote["_deleted"]]), [["q0", true]]);
  assert.ok(await isClean(one));
  assert.deepEqual(complaints, []);
});

test("a reset between two pages discards the first", async () => {
  const account = await signUp();
  const other = account.device("other");
  const one = open(account.device("one", {
    fetch: async (input, init) => {
      const response = await fetch(input, init);
      if (!one.device.isPurged) {
        one.device.isPurged = true;
        one.device.since = UNKNOWN_CURSOR;
        await uploadQueries(other, [deletion("q0", 1)]);
      }
      return response;
    },
  }));
  await uploadQueries(other, Object.entries(numbered(20)).map(([id, sql]) => query(id, sql)));
  await one.sync({ pageSize: 7 });
  const { q0: _, ...left } = numbered(20);
  assert.deepEqual(await one.texts(), left);
});

test("a new row with the id of a deleted item is created", async () => {
  const { account, one, two } = await pair();
  await two.remove("a");
  await two.sync();
  await one.sync();
  const before = downloads(one.device).length;
  await one.create("a", { query: "again" });
  await one.sync();
  assert.deepEqual([await stored(account), await one.texts()], [{ a: "again" }, { a: "again" }]);
  assert.equal(downloads(one.device).length, before + 1, "this is no conflict");
});

test("a restored backup with lower versions ends no edit", async () => {
  const { account, one } = await pair();
  await one.sync();
  // The device has seen versions that the backup lacks.
  await one.database.write(async () => {
    const row = await one.database.get("saved_queries").find("a");
    await row.update(() => {
      row._setRaw("sync_version", 7);
      row._setRaw("query", "mine");
    });
  });
  await one.create("b", { query: "1" });
  await one.sync();
  assert.deepEqual(await stored(account), { a: "mine", b: "1" });
  assert.ok(await isClean(one));
});

test("an edit while a deletion is downloaded is kept", async () => {
  const account = await signUp();
  const other = account.device("other");
  await uploadQueries(other, [query("a", "base"), query("b", "base")]);
  let edit: (() => Promise<void>) | undefined;
  const one = open(account.device("one", {
    fetch: async (input, init) => {
      const response = await fetch(input, init);
      await edit?.();
      edit = undefined;
      return response;
    },
  }));
  await one.sync();
  await uploadQueries(other, [deletion("a", 1), deletion("b", 1)]);
  edit = () => one.edit("a", { query: "mine" });
  await one.sync();
  assert.deepEqual([await stored(account), await one.texts()], [{ a: "mine" }, { a: "mine" }]);
});

test("other tables keep their changes", async () => {
  const { one } = await pair();
  await one.database.write(async () => {
    await one.database.get("notes").create((note) => note._setRaw("text", "private"));
  });
  await one.create("b", { query: "1" });
  await one.sync();
  const [note] = await one.database.get("notes").query().fetch();
  assert.equal(note?.syncStatus, "created");
  assert.ok(!JSON.stringify(one.device.sent).includes("private"));
});

test("a migration that adds a column downloads everything", async () => {
  const account = await signUp();
  await uploadQueries(account.device("other"), [
    { item_id: "a", action: "create", data: { name: "a", query: "1", folder: "work" } as NonNullable<Change["data"]> }]);
  const columns = COLUMNS.filter(({ name }) => name !== "folder");
  const schema = appSchema({ version: 1, tables: [tableSchema({ name: "saved_queries", columns })] });
  const options = { useWebWorker: false, useIncrementalIndexedDB: false, dbName: "migrated" };
  const migrations = schemaMigrations({
    migrations: [{ toVersion: 2, steps: [addColumns({ table: "saved_queries", columns: [text("folder")] })] }],
  });
  const before = new loki.default({ ...options, schema, migrations: schemaMigrations({ migrations: [] }) });
  const old = new Database({ adapter: before, modelClasses: [SavedQuery] });
  const client = account.device("one");
  const tables = { saved_queries: SAVED_QUERIES };
  await synchronizeWith({ client, database: old, tables, migrationsEnabledAtVersion: 1 });
  const next = appSchema({ version: 2, tables: [tableSchema({ name: "saved_queries", columns: [...COLUMNS] })] });
  const adapter = await before.testClone({ schema: next, migrations, extraLokiOptions: { autosave: false } });
  const database = new Database({ adapter, modelClasses: [SavedQuery] });
  const read = async () => (await database.get("saved_queries").query().fetch()).map((row) => ({ ...row._raw }) as Row);
  assert.deepEqual((await read()).map(({ query, folder }) => [query, folder]), [["1", null]]);
  await synchronizeWith({ client, database, tables, migrationsEnabledAtVersion: 1 });
  assert.deepEqual((await read()).map(({ query, folder }) => [query, folder]), [["1", "work"]]);
});
