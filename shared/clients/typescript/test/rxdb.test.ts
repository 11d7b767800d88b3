import assert from "node:assert/strict";
import { type TestContext, mock, test } from "node:test";
import { type RxCollection, type RxConflictHandler, type RxJsonSchema, createRxDatabase, defaultConflictHandler } from "rxdb";
import type { RxReplicationState } from "rxdb/plugins/replication";
import { getRxStorageMemory } from "rxdb/plugins/storage-memory";
import { wrappedValidateAjvStorage } from "rxdb/plugins/validate-ajv";
import { type Change, type Rejection, type RemoteClient, ServiceError, download } from "../src/adapters/remote.ts";
import type { Result } from "../src/result.ts";
import type { DownloadPage } from "../src/types.ts";
import { type Checkpoint, type ReplicateOptions, replicate } from "../src/adapters/rxdb.ts";
import { type TestAccount, type TestDevice, UNKNOWN_CURSOR, signUp, storedQueries, until, uploadQueries } from "./adapters.support.ts";
import { type Query, SCHEMA, text } from "./adapters.rxdb.ts";
import { gate, startProxy } from "./proxy.ts";

type Conflict = Parameters<RxConflictHandler<Query>["resolve"]>[0];

/** Database of a device. */
interface Local {
  readonly device: TestDevice;
  readonly queries: RxCollection<Query>;
  /** Conflicts that the conflict handler has seen. */
  readonly conflicts: Conflict[];
  readonly rejected: Array<[Change, Rejection]>;
  readonly errors: string[];
  start(options?: Partial<ReplicateOptions<Query>>): RxReplicationState<Query, Checkpoint>;
  texts(): Promise<Record<string, string>>;
}

let databases = 0;

type Resolve = (conflict: Conflict) => Conflict["realMasterState"];

/** Joins the texts of both sides. */
const join: Resolve = ({ newDocumentState: mine, realMasterState: theirs }) =>
  ({ ...mine, query: [...new Set([theirs.query, mine.query])].join(" | ") });

/** Opens an empty database, whose storage validates documents. */
async function open(test: TestContext, device: TestDevice, resolve: Resolve = join): Promise<Local> {
  databases += 1;
  const storage = wrappedValidateAjvStorage({ storage: getRxStorageMemory() });
  const database = await createRxDatabase({ name: `studio${databases}`, storage, multiInstance: false });
  test.after(() => database.close());
  const conflicts: Conflict[] = [];
  const conflictHandler: RxConflictHandler<Query> = {
    isEqual: defaultConflictHandler.isEqual,
    resolve: async (conflict) => {
      conflicts.push(conflict);
      return resolve(conflict);
    },
  };
  const collections = await database.addCollections<{ queries: RxCollection<Query> }>({ queries: { schema: SCHEMA, conflictHandler } });
  const local: Local = {
    device, queries: collections.queries, conflicts, rejected: [], errors: [],
    start: (options = {}) => {
      const state = replicate<Query>({
        client: device, collection: local.queries, type: "saved_query", interval: 3_600_000, retryTime: 10,
        onRejected: (change, rejection) => local.rejected.push([change, rejection]), ...options,
      });
      state.error$.subscribe((error) => local.errors.push(`${error.code} ${error.message}`));
      return state;
    },
    texts: async () => Object.fromEntries((await local.queries.find().exec()).map(({ id, query }) => [id, query])),
  };
  return local;
}

const query = (id: string, sql: string, fields: Partial<Query> = {}): Query => ({ id, name: id, query: sql, ...fields });

/** Waits until a device shows these texts, after downloads. */
async function shows(local: Local, state: RxReplicationState<Query, Checkpoint>, texts: Record<string, string>): Promise<void> {
  let shown = {};
  const expected = JSON.stringify(sorted(texts));
  try {
    await until(`shows ${expected}`, async () => {
      state.subjects.active.getValue() || state.reSync();
      shown = sorted(await local.texts());
      return JSON.stringify(shown) === expected;
    });
  } catch (error) {
    assert.deepEqual(shown, sorted(texts), String(error));
  }
}

const sorted = (texts: Record<string, string>): Record<string, string> =>
  Object.fromEntries(Object.entries(texts).sort(([one], [other]) => (one < other ? -1 : 1)));

async function stored(account: TestAccount): Promise<Record<string, string>> {
  const items = [...await storedQueries(account.device("reader"))];
  return sorted(Object.fromEntries(items.map(([id, { query }]): [string, string] => [id, String(query)])));
}

async function storedAs(account: TestAccount, texts: Record<string, string>): Promise<void> {
  await until(`the server has ${JSON.stringify(texts)}`, async () => JSON.stringify(await stored(account)) === JSON.stringify(sorted(texts)));
}

const numbered = (count: number, name = "q"): Record<string, string> =>
  Object.fromEntries(Array.from({ length: count }, (_, index) => [`${name}${index}`, `SELECT ${index}`]));

/** Makes requests of a kind fail while `isDown`. */
function failing(path: RegExp): { isDown: boolean; readonly fetch: typeof fetch } {
  const network = {
    isDown: true,
    fetch: async (input: string | URL | Request, init?: RequestInit) => {
      if (network.isDown && path.test(String(input))) {
        throw new Error("the network is down");
      }
      return fetch(input, init);
    },
  };
  return network;
}

const uploads = ({ sent }: TestDevice) => sent.filter(({ path }) => path === "/api/sync/upload");
const downloads = ({ sent }: TestDevice) => sent.filter(({ path }) => path === "/api/sync/download");

test("the first sync goes both ways, in pages", async (test) => {
  const account = await signUp();
  const others = Object.entries(numbered(20)).map(([item_id, sql]): Partial<Change> =>
    ({ item_id, action: "create", data: { name: item_id, query: sql } }));
  await uploadQueries(account.device("other"), others);
  const one = await open(test, account.device("one"));
  const here = numbered(15, "here");
  await one.queries.bulkInsert(Object.entries(here).map(([id, sql]) => query(id, sql)));
  const state = one.start({ batchSize: 7, account: account.id });
  await state.awaitInitialReplication();
  const all = { ...numbered(20), ...here };
  await shows(one, state, all);
  await storedAs(account, all);
  assert.ok(downloads(one.device).every((request) => request.query?.["limit"] === 7));
  assert.ok(downloads(one.device).every((request) => String(request.query?.["item_type"]) === "saved_query"));
  assert.ok(uploads(one.device).every(({ body }) => JSON.stringify(body).includes('"refuse"')));
  const two = await open(test, account.device("two"));
  await shows(two, two.start({ batchSize: 7 }), all);
  const fields = (await two.queries.findOne("q3").exec())?.toMutableJSON();
  assert.ok(fields?.created_at && fields.updated_at && fields.sync_version === 1);
  assert.deepEqual([one.conflicts, two.conflicts, one.errors, two.errors], [[], [], [], []]);
});

test("edits, deletions and new documents of both devices arrive", async (test) => {
  const account = await signUp();
  const [one, two] = [await open(test, account.device("one")), await open(test, account.device("two"))];
  const [first, second] = [one.start(), two.start()];
  await one.queries.insert(query("a", "1", { description: "text", folder: "work", tags: ["x"], favorite: true, metadata: { k: "v" } }));
  await one.queries.insert(query("b", "1"));
  await storedAs(account, { a: "1", b: "1" });
  await shows(two, second, { a: "1", b: "1" });
  const copy = (await two.queries.findOne("a").exec())?.toMutableJSON();
  assert.deepEqual(
    [copy?.description, copy?.folder, copy?.tags, copy?.favorite, copy?.metadata], ["text", "work", ["x"], true, { k: "v" }]);
  // Fields that the edit leaves out are removed, those of the application and lists, too.
  await two.queries.upsert(query("a", "2"));
  await two.queries.findOne("b").remove();
  await storedAs(account, { a: "2" });
  const item = (await storedQueries(account.device("reader"))).get("a");
  assert.deepEqual(Object.keys(item ?? {}).filter((name) => name.startsWith("_")), []);
  assert.deepEqual([item?.["description"], item?.["folder"], item?.["tags"], item?.["favorite"]], [undefined, undefined, [], false]);
  await shows(one, first, { a: "2" });
  await one.queries.insert(query("b", "again"));
  await storedAs(account, { a: "2", b: "again" });
  await shows(two, second, { a: "2", b: "again" });
  assert.deepEqual([one.conflicts, two.conflicts, one.errors, two.errors], [[], [], [], []]);
});

test("fields that the schema does not know survive an edit", async (test) => {
  const account = await signUp();
  const data = { name: "a", query: "1", pinned_by: "a newer client" };
  await uploadQueries(account.device("other"), [{ item_id: "a", action: "create", data }]);
  const one = await open(test, account.device("one"));
  await shows(one, one.start(), { a: "1" });
  await one.queries.findOne("a").incrementalPatch({ query: "2" });
  await storedAs(account, { a: "2" });
  assert.equal((await storedQueries(account.device("reader"))).get("a")?.["pinned_by"], "a newer client");
});

test("the time of an edit is that of the application, or now", async (test) => {
  const account = await signUp();
  const one = await open(test, account.device("one"));
  one.start();
  const time = "2026-01-02T03:04:05.678000Z";
  await one.queries.insert(query("a", "1", { updated_at: time }));
  await storedAs(account, { a: "1" });
  const read = async () => String((await storedQueries(account.device("reader"))).get("a")?.["updated_at"]);
  assert.equal(await read(), time);
  await one.queries.findOne("a").incrementalPatch({ query: "2" });
  await storedAs(account, { a: "2" });
  assert.ok(await read() > time);
});

test("an edit before the next download is based on the upload before it", async (test) => {
  const account = await signUp();
  const network = failing(/download/);
  network.isDown = false;
  const one = await open(test, account.device("one", { fetch: network.fetch }));
  const state = one.start();
  await state.awaitInitialReplication();
  network.isDown = true;
  await one.queries.insert(query("a", "1"));
  await storedAs(account, { a: "1" });
  await one.queries.findOne("a").incrementalPatch({ query: "2" });
  await storedAs(account, { a: "2" });
  await one.queries.findOne("a").incrementalPatch({ query: "3" });
  await storedAs(account, { a: "3" });
  assert.equal(uploads(one.device).length, 3, "no edit was refused");
  await state.awaitInSync();
  await state.cancel();
  // After a restart the adapter does not know what it uploaded. The service has what was edited, so nothing is lost.
  one.start();
  await one.queries.findOne("a").incrementalPatch({ query: "4" });
  await storedAs(account, { a: "4" });
  await one.queries.findOne("a").remove();
  await storedAs(account, {});
  assert.deepEqual(one.conflicts, []);
});

test("the conflict handler sees both sides, and what it makes of them is stored", async (test) => {
  const account = await signUp();
  const one = await open(test, account.device("one"));
  const first = one.start();
  await one.queries.insert(query("a", "base"));
  await storedAs(account, { a: "base" });
  const two = await open(test, account.device("two"));
  await shows(two, two.start(), { a: "base" });
  await one.queries.findOne("a").incrementalPatch({ query: "one" });
  await storedAs(account, { a: "one" });
  await two.queries.findOne("a").incrementalPatch({ query: "two" });
  await storedAs(account, { a: "one | two" });
  await shows(one, first, { a: "one | two" });
  const [conflict] = two.conflicts;
  assert.ok(conflict && two.conflicts.length === 1);
  assert.deepEqual(
    [conflict.assumedMasterState?.query, conflict.newDocumentState.query, conflict.realMasterState.query], ["base", "two", "one"]);
  assert.deepEqual(one.conflicts, []);
});

test("taking the version of the service uploads nothing", async (test) => {
  const account = await signUp();
  const other = account.device("other");
  const one = await open(test, account.device("one"), ({ realMasterState }) => realMasterState);
  const state = one.start();
  await one.queries.insert(query("a", "base"));
  await storedAs(account, { a: "base" });
  await uploadQueries(other, [{ item_id: "a", action: "update", data: { name: "a", query: "theirs" }, sync_version: 1 }]);
  await one.queries.findOne("a").incrementalPatch({ query: "mine" });
  await shows(one, state, { a: "theirs" });
  await one.queries.insert(query("b", "later"));
  await storedAs(account, { a: "theirs", b: "later" });
  await state.awaitInSync();
  assert.equal(one.conflicts.length, 1);
  assert.equal(uploads(one.device).filter(({ body }) => JSON.stringify(body).includes('"item_id":"a"')).length, 2);
});

test("a deletion and an edit conflict", async (test) => {
  const account = await signUp();
  const keepMine: Resolve = ({ newDocumentState }) => newDocumentState;
  const [one, two] = [await open(test, account.device("one"), keepMine), await open(test, account.device("two"), keepMine)];
  const [first, second] = [one.start(), two.start()];
  await one.queries.bulkInsert([query("a", "1"), query("b", "1")]);
  await storedAs(account, { a: "1", b: "1" });
  await shows(two, second, { a: "1", b: "1" });
  await one.queries.findOne("a").remove();
  await one.queries.findOne("b").incrementalPatch({ query: "2" });
  await storedAs(account, { b: "2" });
  await two.queries.findOne("a").incrementalPatch({ query: "2" });
  await storedAs(account, { a: "2", b: "2" });
  await two.queries.findOne("b").remove();
  await storedAs(account, { a: "2" });
  await shows(one, first, { a: "2" });
  const seen = two.conflicts.map(({ newDocumentState: mine, realMasterState: theirs }) => [mine.id, mine._deleted, theirs._deleted]);
  assert.deepEqual(seen, [["a", false, true], ["b", true, false]]);
  assert.deepEqual(two.errors, [], "a deleted document satisfies the schema");
});

test("an upload whose response was lost is no conflict, although it was overtaken", async (test) => {
  const account = await signUp();
  const overtaken = gate();
  let isLost = false;
  const proxy = await startProxy(test, async (request, forward) => {
    const reply = await forward();
    if (!isLost && request.path === "/api/sync/upload" && String(request.body).includes("mine")) {
      isLost = true;
      await uploadQueries(other, [{ item_id: "a", action: "update", data: { name: "a", query: "on top of mine" }, sync_version: 2 }]);
      overtaken.open();
      return "drop";
    }
    return reply;
  });
  const other = account.device("other");
  await uploadQueries(other, [{ item_id: "a", action: "create", data: { name: "a", query: "base" } }]);
  const one = await open(test, account.device("one", { url: proxy.url }));
  const state = one.start();
  await shows(one, state, { a: "base" });
  await one.queries.findOne("a").incrementalPatch({ query: "mine" });
  await overtaken.opened;
  await shows(one, state, { a: "on top of mine" });
  assert.deepEqual(await stored(account), { a: "on top of mine" });
  assert.deepEqual(one.conflicts, []);
  assert.equal(one.errors.length, 1);
});

test("a rejected document is reported, stays here, and blocks nothing", async (test) => {
  const account = await signUp();
  const one = await open(test, account.device("one"));
  const secret = "ALTER USER ada PASSWORD 'Sesame-42-Barley'";
  await one.queries.bulkInsert([query("a", "1"), query("bad", secret), query("c", "1")]);
  const state = one.start();
  await storedAs(account, { a: "1", c: "1" });
  await until("the rejection is reported", () => one.rejected.length > 0 && one.errors.length > 0);
  const [rejected] = one.rejected;
  assert.deepEqual([rejected?.[0].item_id, rejected?.[1].code], ["bad", "CREDENTIALS_PRESENT"]);
  assert.match(one.errors[0] ?? "", /^RC_PUSH /);
  await one.queries.insert(query("d", "1"));
  await storedAs(account, { a: "1", c: "1", d: "1" });
  // The whole state lacks the rejected document, which stays nevertheless.
  one.device.since = UNKNOWN_CURSOR;
  await uploadQueries(account.device("other"), [{ item_id: "e", action: "create", data: { name: "e", query: "1" } }]);
  await shows(one, state, { a: "1", bad: secret, c: "1", d: "1", e: "1" });
  assert.equal(one.rejected.length, 1, "it is not sent again by itself");
  await one.queries.findOne("bad").incrementalPatch({ query: "good" });
  await storedAs(account, { a: "1", bad: "good", c: "1", d: "1", e: "1" });
  assert.deepEqual(one.conflicts, []);
});

test("an edit of a history entry is rejected", async (test) => {
  const account = await signUp();
  const one = await open(test, account.device("one"));
  const entry = { connection_id: "c", executed_at: "2026-01-02T03:04:05Z", duration_ms: 1, rows_affected: 1, success: true };
  const schema: RxJsonSchema<Query & typeof entry> = {
    ...SCHEMA,
    properties: {
      ...SCHEMA.properties, executed_at: text, duration_ms: { type: "number" }, rows_affected: { type: "number" },
      success: { type: "boolean" },
    },
    required: ["id"],
  };
  const { history } = await one.queries.database.addCollections<{ history: RxCollection<Query & typeof entry> }>({ history: { schema } });
  await history.insert({ id: "h", name: "", query: "SELECT 1", ...entry });
  const rejected: string[] = [];
  const state = replicate({
    client: one.device, collection: history, type: "query_history", interval: 3_600_000,
    onRejected: (_, { reason }) => rejected.push(reason),
  });
  await state.awaitInSync();
  await history.findOne("h").incrementalPatch({ query: "SELECT 2" });
  await until("the rejection is reported", () => rejected.length > 0);
  assert.match(rejected.join(), /cannot be changed/);
  await history.findOne("h").remove();
  await until("the deletion is uploaded", async () => {
    const page = await download({ client: account.device("reader") }, ["query_history"], undefined, 100);
    return page.query_history.length === 0;
  });
});

/** A device with 20 documents whose replication has ended, and another one that deletes q0 to q9 afterwards. */
async function outdated(test: TestContext, network: { fetch: typeof fetch }): Promise<{ account: TestAccount; one: Local }> {
  const account = await signUp();
  const one = await open(test, account.device("one", { fetch: network.fetch }));
  await one.queries.bulkInsert(Object.entries(numbered(20)).map(([id, sql]) => query(id, sql)));
  const state = one.start({ batchSize: 7 });
  await storedAs(account, numbered(20));
  await until("versions are downloaded", async () => {
    state.reSync();
    return (await one.queries.find().exec()).every(({ sync_version }) => sync_version === 1);
  });
  await state.awaitInSync();
  await state.cancel();
  const deletions = Object.keys(numbered(10)).map((item_id): Partial<Change> => ({ item_id, action: "delete", sync_version: 1 }));
  await uploadQueries(account.device("other"), deletions);
  one.device.isPurged = true;
  return { account, one };
}

const rest = (): Record<string, string> => Object.fromEntries(Object.entries(numbered(20)).slice(10));

test("a reset deletes what is gone, and keeps unsent edits", async (test) => {
  const network = failing(/upload/);
  network.isDown = false;
  const { account, one } = await outdated(test, network);
  network.isDown = true;
  await one.queries.findOne("q0").incrementalPatch({ query: "unsent edit of a deleted one" });
  await one.queries.findOne("q15").incrementalPatch({ query: "unsent edit" });
  await one.queries.insert(query("new", "unsent"));
  await one.queries.findOne("q16").remove();
  one.device.since = UNKNOWN_CURSOR;
  const state = one.start({ batchSize: 7 });
  const { q16: _, ...unsent }: Record<string, string> = { ...rest(), q0: "unsent edit of a deleted one", q15: "unsent edit", new: "unsent" };
  await until("what is gone is deleted", async () => JSON.stringify(sorted(await one.texts())) === JSON.stringify(sorted(unsent)));
  assert.deepEqual(one.conflicts, []);
  network.isDown = false;
  await storedAs(account, { ...unsent, q0: "unsent edit of a deleted one" });
  await shows(one, state, unsent);
  assert.deepEqual(one.conflicts.map(({ newDocumentState: { id }, realMasterState: { _deleted } }) => [id, _deleted]), [["q0", true]]);
});

test("a full download that was interrupted starts over", async (test) => {
  let pages = 0;
  const network = {
    isCut: false,
    fetch: async (input: string | URL | Request, init?: RequestInit) => {
      pages += /download/.test(String(input)) ? 1 : 0;
      if (network.isCut && pages > 1) {
        throw new Error("the network is down");
      }
      return fetch(input, init);
    },
  };
  const { one } = await outdated(test, network);
  one.device.since = UNKNOWN_CURSOR;
  pages = 0;
  network.isCut = true;
  const interrupted = one.start({ batchSize: 7 });
  await until("the second page fails", () => one.errors.length > 0);
  await until("the checkpoint of the first page is stored", () =>
    JSON.stringify(interrupted.internalReplicationState?.lastCheckpointDoc).includes('"full":true'));
  await interrupted.cancel();
  network.isCut = false;
  const before = downloads(one.device).length;
  await shows(one, one.start({ batchSize: 7 }), rest());
  assert.equal(downloads(one.device)[before]?.query?.["since"], undefined);
});

test("a reset in the middle of the replication's life needs no restart", async (test) => {
  const network = failing(/upload/);
  network.isDown = false;
  const { account, one } = await outdated(test, network);
  one.device.isPurged = false;
  const state = one.start({ batchSize: 7 });
  await shows(one, state, rest());
  await state.awaitInSync();
  const gone = ["q10", "q11"];
  const left = Object.fromEntries(Object.entries(rest()).filter(([id]) => !gone.includes(id)));
  await uploadQueries(account.device("other"), gone.map((item_id) => ({ item_id, action: "delete", sync_version: 1 })));
  // The whole state follows, without deletions.
  one.device.isPurged = true;
  one.device.since = UNKNOWN_CURSOR;
  await shows(one, state, left);
  assert.equal(one.device.since, undefined);
  await one.queries.insert(query("new", "1"));
  await storedAs(account, { ...left, new: "1" });
  assert.deepEqual(one.conflicts, []);
});

type Page = Pick<DownloadPage, "saved_queries" | "has_more" | "reset"> & { readonly deleted?: readonly string[] };

/** Returns a client whose downloads are these pages, then empty ones. */
function scripted(pages: readonly Page[]): RemoteClient {
  let count = 0;
  const send = async <T>(): Promise<Result<T>> => {
    const { deleted = [], ...page } = pages[count] ?? { saved_queries: [], has_more: false, reset: false };
    count += 1;
    const tombstones = deleted.map((item_id) => ({ item_type: "saved_query", item_id, sync_version: 2, deleted_at: "2026-01-01T00:00:00Z" }));
    const sync_timestamp = new Date(count * 1_000).toISOString();
    const value: unknown = { connections: [], query_history: [], conflicts: [], ...page, deleted: tombstones, sync_timestamp };
    return { ok: true, value: value as T };
  };
  return { deviceId: "one", remote: { send } };
}

const items = (...ids: string[]): Page["saved_queries"] => ids.map((id) => ({ id, name: id, query: "1", sync_version: 1 }));

test("a document that is deleted while it is downloaded does not stay", async (test) => {
  const account = await signUp();
  const pages = [
    { saved_queries: items("a", "b"), has_more: true, reset: true },
    { saved_queries: items("c"), deleted: ["a"], has_more: true, reset: false },
    { saved_queries: items("d"), deleted: ["c", "never here"], has_more: false, reset: false },
  ];
  for (const [batchSize, name] of [[1, "each page by itself"], [9, "all pages at once"]] as const) {
    const one = await open(test, account.device("one"));
    const state = one.start({ client: scripted(pages), batchSize });
    await state.awaitInitialReplication();
    assert.deepEqual([await one.texts(), one.errors], [{ b: "1", d: "1" }, []], name);
  }
});

test("a reset between two pages discards the first", async (test) => {
  const account = await signUp();
  const pages = [
    { saved_queries: items("a", "b"), has_more: true, reset: true },
    { saved_queries: items("b", "c"), has_more: true, reset: true },
    { saved_queries: items("d"), has_more: false, reset: false },
  ];
  for (const batchSize of [1, 9]) {
    const one = await open(test, account.device("one"));
    const state = one.start({ client: scripted(pages), batchSize });
    await state.awaitInitialReplication();
    assert.deepEqual(await one.texts(), { b: "1", c: "1", d: "1" }, `batch size ${batchSize}`);
  }
});

test("after a restored backup, an old version number does not stand for a new content", async (test) => {
  const [account, restored] = [await signUp(), await signUp()];
  const [before, after, other] = [account.device("one"), restored.device("one"), restored.device("other")];
  let current = before;
  const client: RemoteClient = { deviceId: "one", remote: { send: (request) => current.remote.send(request) } };
  const one = await open(test, before);
  const state = one.start({ client });
  await state.awaitInitialReplication();
  await one.queries.insert(query("a", "1"));
  await storedAs(account, { a: "1" });
  await one.queries.findOne("a").incrementalPatch({ query: "2" });
  await storedAs(account, { a: "2" });
  await state.awaitInSync();
  // The device knows version 2 with this content. The backup has the content as version 1.
  await uploadQueries(other, [{ item_id: "a", action: "create", data: { name: "a", query: "2" } }]);
  current = after;
  after.since = UNKNOWN_CURSOR;
  await until("the backup is downloaded", async () => {
    state.reSync();
    return (await one.queries.findOne("a").exec())?.sync_version === 1;
  });
  await state.awaitInSync();
  await uploadQueries(other, [{ item_id: "a", action: "update", data: { name: "a", query: "theirs" }, sync_version: 1 }]);
  await one.queries.findOne("a").incrementalPatch({ query: "mine" });
  await storedAs(restored, { a: "theirs | mine" });
  assert.equal(one.conflicts.length, 1);
});

test("large documents are uploaded in parts, and large conflicts are read one by one", async (test) => {
  const account = await signUp();
  const large = (start: string): Query[] => Array.from({ length: 12 }, (_, index) => query(`q${index}`, start + "x".repeat(950_000)));
  const one = await open(test, account.device("one"));
  await one.queries.bulkInsert(large("1"));
  const first = one.start();
  await first.awaitInitialReplication();
  await first.awaitInSync();
  assert.equal((await storedQueries(account.device("reader"))).size, 12);
  assert.equal(uploads(one.device).length, 3, "one that is too large, and two halves");
  const two = await open(test, account.device("two"));
  await two.queries.bulkInsert(large("2"));
  two.start();
  await until("all conflicts are seen", () => two.conflicts.length === 12);
  assert.ok(two.conflicts.every(({ newDocumentState: mine, realMasterState: theirs }) => mine.query[0] === "2" && theirs.query[0] === "1"));
  assert.ok(two.device.sent.some(({ path }) => path === "/api/sync/versions"));
  // Both texts together are longer than a query may be.
  await until("the results are rejected", () => two.rejected.length === 12);
});

test("a document that no upload can hold is rejected", async (test) => {
  const account = await signUp();
  const one = await open(test, account.device("one"));
  await one.queries.bulkInsert([query("a", "1"), query("huge", "x".repeat(11_000_000)), query("c", "1")]);
  one.start();
  await storedAs(account, { a: "1", c: "1" });
  await until("the rejection is reported", () => one.rejected.length > 0);
  assert.deepEqual(one.rejected.map(([{ item_id }, { code }]) => [item_id, code]), [["huge", "ITEM_TOO_LARGE"]]);
});

test("a live replication downloads at an interval, also before anything is stored", async (test) => {
  const account = await signUp();
  const one = await open(test, account.device("one"));
  const state = one.start({ interval: 20 });
  await until("it has polled", () => downloads(one.device).length > 2);
  const cursors = downloads(one.device).map((request) => request.query?.["since"]);
  assert.deepEqual(cursors.slice(0, 3), [undefined, "1970-01-01T00:00:00.000000Z", "1970-01-01T00:00:00.000000Z"]);
  await uploadQueries(account.device("other"), [{ item_id: "a", action: "create", data: { name: "a", query: "1" } }]);
  await until("the edit of another device arrives", async () => (await one.texts())["a"] === "1");
  await state.cancel();
});

test("a replication that is not live ends", async (test) => {
  const account = await signUp();
  const one = await open(test, account.device("one"));
  await one.queries.insert(query("a", "1"));
  const state = one.start({ live: false });
  await state.awaitInitialReplication();
  await until("it has ended", () => state.isStopped());
  assert.deepEqual(await stored(account), { a: "1" });
});

test("a schema without a version is a mistake of the program", async (test) => {
  const account = await signUp();
  const one = await open(test, account.device("one"));
  const { sync_version: _, ...properties } = SCHEMA.properties;
  const { other } = await one.queries.database.addCollections<{ other: RxCollection<Query> }>({
    other: { schema: { ...SCHEMA, properties } },
  });
  assert.throws(() => replicate({ client: one.device, collection: other, type: "saved_query" }), TypeError);
});

test("a request is repeated when the service expects it", async () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  try {
    let sent = 0;
    const page = { sync_timestamp: "1970-01-01T00:00:00Z" };
    const unavailable = { code: "RATE_LIMIT_EXCEEDED", message: "too many", retryAfter: 30 } as const;
    const remote = {
      send: async <T>() => {
        sent += 1;
        const value: unknown = page;
        return sent % 3 !== 0 ? { ok: false, error: unavailable } as const : { ok: true, value: value as T } as const;
      },
    };
    const settle = () => new Promise<void>((resolve) => setImmediate(resolve));
    const endpoint = { client: { deviceId: "one", remote } };
    const waiting = download(endpoint, ["saved_query"], undefined, 1);
    await settle();
    mock.timers.tick(29_999);
    await settle();
    assert.equal(sent, 1);
    mock.timers.tick(1);
    await settle();
    assert.equal(sent, 2);
    mock.timers.tick(30_000);
    assert.equal(await waiting, page);

    const stop = new AbortController();
    const stopped = assert.rejects(download({ ...endpoint, signal: stop.signal }, ["saved_query"], undefined, 1), { name: "AbortError" });
    await settle();
    stop.abort();
    await stopped;
    assert.equal(sent, 4);

    sent = 0;
    const down = { send: async () => ({ ok: false, error: (sent += 1, unavailable) } as const) };
    const failed = assert.rejects(download({ client: { deviceId: "one", remote: down } }, [], undefined, 1), ServiceError);
    for (let wait = 0; wait < 3; wait += 1) {
      await settle();
      mock.timers.tick(30_000);
    }
    await failed;
    assert.equal(sent, 3);
  } finally {
    mock.timers.reset();
  }
});
