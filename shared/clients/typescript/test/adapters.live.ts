/**
 * Two live databases per adapter with 2,000 documents, edited on both at random, over a bad network: `node test/adapters.live.ts`.
 * Afterwards the databases and the service must have the same documents, and every edit must be in them, be resolved by a conflict
 * handler, or belong to a document that was deleted by somebody who had seen it.
 *
 * Each edit appends a word of its own to a document, and the conflict handlers keep the words of both sides. `SECONDS` sets the duration,
 * `SEED` the sequence of edits.
 */
import assert from "node:assert/strict";
import { Database } from "@nozbe/watermelondb";
import logger from "@nozbe/watermelondb/utils/common/logger/index.js";
import { type RxCollection, createRxDatabase, defaultConflictHandler } from "rxdb";
import { getRxStorageMemory } from "rxdb/plugins/storage-memory";
import { wrappedValidateAjvStorage } from "rxdb/plugins/validate-ajv";
import { replicate } from "../src/adapters/rxdb.ts";
import { ServiceError, synchronizeWith } from "../src/adapters/watermelondb.ts";
import { type Query, SCHEMA } from "./adapters.rxdb.ts";
import { type TestAccount, type TestDevice, signUp, storedQueries, until, uploadQueries } from "./adapters.support.ts";
import { Note, SAVED_QUERIES, SavedQuery, newAdapter } from "./adapters.watermelondb.ts";

const SECONDS = Number(process.env["SECONDS"] ?? 20);
const SEED = Number(process.env["SEED"] ?? Date.now() % 1_000_000);
const DOCUMENTS = 2_000;
/** Documents that half of the edits are about. */
const HOT = 40;

let seed = SEED;

/** Returns a random whole number from 0 to `count` − 1. */
function random(count: number): number {
  seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
  return Math.floor(seed / 2 ** 32 * count);
}

const pause = (milliseconds: number) => new Promise<void>((resolve) => setTimeout(resolve, milliseconds));

type Texts = Map<string, { readonly text: string; readonly version: number }>;

/** Live database of a device. */
interface Live {
  readonly device: TestDevice;
  readonly network: Network;
  /** Number of conflicts that the conflict handler has resolved. */
  conflicts(): number;
  insert(id: string, text: string): Promise<void>;
  /** Appends a word to a document. Returns whether the document exists. */
  append(id: string, word: string): Promise<boolean>;
  /** Deletes a document. Returns its text, or `undefined` if it does not exist. */
  remove(id: string): Promise<string | undefined>;
  texts(): Promise<Texts>;
  /** Returns whether there is nothing to upload. */
  isSettled(): Promise<boolean>;
  close(): Promise<void>;
}

interface Network {
  isBad: boolean;
  isDown: boolean;
  cut: number;
  lost: number;
  readonly fetch: typeof fetch;
}

/** A network that is down at times, and loses each tenth response. */
function badNetwork(): Network {
  const network: Network = {
    isBad: true, isDown: false, cut: 0, lost: 0,
    fetch: async (input, init) => {
      if (network.isBad && network.isDown) {
        network.cut += 1;
        throw new Error("the network is down");
      }
      const response = await fetch(input, init);
      if (network.isBad && (network.isDown || random(10) === 0)) {
        network.lost += 1;
        throw new Error("the response was lost");
      }
      return response;
    },
  };
  return network;
}

const join = (one: string, other: string): string => [...new Set(`${one} ${other}`.split(" "))].join(" ");

let databases = 0;

async function openRxdb(account: TestAccount, id: string): Promise<Live> {
  databases += 1;
  const network = badNetwork();
  const device = account.device(id, { fetch: network.fetch });
  let conflicts = 0;
  const storage = wrappedValidateAjvStorage({ storage: getRxStorageMemory() });
  const database = await createRxDatabase({ name: `live${databases}`, storage, multiInstance: false });
  const { queries } = await database.addCollections<{ queries: RxCollection<Query> }>({
    queries: {
      schema: SCHEMA,
      conflictHandler: {
        isEqual: defaultConflictHandler.isEqual,
        resolve: async ({ newDocumentState: mine, realMasterState: theirs }) => {
          conflicts += 1;
          return mine._deleted || theirs._deleted ? (mine._deleted ? theirs : mine) : { ...mine, query: join(theirs.query, mine.query) };
        },
      },
    },
  });
  const state = replicate<Query>({ client: device, collection: queries, type: "saved_query", interval: 200, retryTime: 50 });
  return {
    device, network, conflicts: () => conflicts,
    insert: async (id, text) => void await queries.insert({ id, name: id, query: text }),
    append: async (id, word) => {
      const document = await queries.findOne(id).exec();
      const edited = await document?.incrementalModify((data: Query) => ({ ...data, query: `${data.query} ${word}` }));
      return edited !== undefined && !edited.deleted;
    },
    remove: async (id) => (await (await queries.findOne(id).exec())?.incrementalRemove())?.query,
    texts: async () => new Map((await queries.find().exec()).map(
      ({ id, query, sync_version }) => [id, { text: query, version: sync_version ?? 0 }])),
    isSettled: async () => !state.subjects.active.getValue(),
    close: async () => void await database.close(),
  };
}

async function openWatermelondb(account: TestAccount, id: string): Promise<Live> {
  const network = badNetwork();
  const device = account.device(id, { fetch: network.fetch });
  let [conflicts, isOpen] = [0, true];
  const database = new Database({ adapter: newAdapter(), modelClasses: [SavedQuery, Note] });
  const queries = database.get<SavedQuery>("saved_queries");
  const find = async (id: string) => (await queries.query().fetch()).find((row) => row.id === id);
  const textOf = (row: SavedQuery): string => String(row._getRaw("query"));
  const run = async (): Promise<void> => {
    while (isOpen) {
      await synchronizeWith({
        client: device, database, tables: { saved_queries: SAVED_QUERIES },
        conflictResolver: (_, local, remote, resolved) => {
          const isConflict = local["_changed"] !== "";
          conflicts += isConflict ? 1 : 0;
          return isConflict ? { ...resolved, query: join(String(remote["query"]), String(local["query"])) } : resolved;
        },
      }).catch((error: unknown) => assert.ok(error instanceof ServiceError, String(error)));
      await pause(200);
    }
  };
  const running = run();
  return {
    device, network, conflicts: () => conflicts,
    insert: (id, text) => database.write(async () => {
      await database.batch(queries.prepareCreate((row) => {
        row._raw.id = id;
        row._setRaw("name", id);
        row._setRaw("query", text);
      }));
    }),
    append: (id, word) => database.write(async () => {
      const row = await find(id);
      await row?.update(() => row._setRaw("query", `${textOf(row)} ${word}`));
      return row !== undefined;
    }),
    remove: (id) => database.write(async () => {
      const row = await find(id);
      const text = row && textOf(row);
      await row?.markAsDeleted();
      return text;
    }),
    texts: async () => new Map((await queries.query().fetch()).map(
      (row) => [row.id, { text: textOf(row), version: Number(row._getRaw("sync_version")) }])),
    isSettled: async () => {
      const deleted = await database.adapter.getDeletedRecords("saved_queries");
      return deleted.length === 0 && (await queries.query().fetch()).every(({ syncStatus }) => syncStatus === "synced");
    },
    close: async () => {
      isOpen = false;
      await running;
    },
  };
}

/** Words of all edits, and those that somebody saw who deleted the document. */
interface Journal {
  readonly words: Map<string, string>;
  readonly deleted: Set<string>;
  deletions: number;
  insertions: number;
}

/** Edits a database at random until `end`. */
async function edit(live: Live, journal: Journal, end: number): Promise<void> {
  for (let count = 0; Date.now() < end; count += 1) {
    const word = `${live.device.deviceId}${count}`;
    const id = `q${random(random(2) === 0 ? HOT : DOCUMENTS)}`;
    const kind = random(100);
    if (kind < 4) {
      (await live.remove(id))?.split(" ").forEach((seen) => journal.deleted.add(seen));
      journal.deletions += 1;
    } else if (kind < 8) {
      await live.insert(`new-${word}`, word);
      journal.words.set(word, `new-${word}`);
      journal.insertions += 1;
    } else if (await live.append(id, word)) {
      journal.words.set(word, id);
    }
    await pause(random(20));
  }
}

/** Cuts the connection at random until `end`. */
async function cut({ network }: Live, end: number): Promise<void> {
  while (Date.now() < end) {
    await pause(500 + random(2_000));
    network.isDown = true;
    await pause(100 + random(1_500));
    network.isDown = false;
  }
}

async function run(name: string, openLive: (account: TestAccount, id: string) => Promise<Live>): Promise<void> {
  const account = await signUp();
  const other = account.device("other");
  for (let start = 0; start < DOCUMENTS; start += 1_000) {
    await uploadQueries(other, Array.from({ length: 1_000 }, (_, index) => {
      const id = `q${start + index}`;
      return { item_id: id, action: "create", data: { name: id, query: id } } as const;
    }));
  }
  const devices = [await openLive(account, "one"), await openLive(account, "two")];
  for (const { texts } of devices) {
    await until("the first download is complete", async () => (await texts()).size === DOCUMENTS);
  }
  const journal: Journal = { words: new Map(), deleted: new Set(), deletions: 0, insertions: 0 };
  const end = Date.now() + SECONDS * 1_000;
  await Promise.all(devices.flatMap((live) => [edit(live, journal, end), cut(live, end)]));
  devices.forEach(({ network }) => network.isBad = false);
  const settling = Date.now();
  const texts = async (): Promise<Texts[]> => [
    new Map([...await storedQueries(other)].map(([id, item]) => [id, { text: String(item["query"]), version: item.sync_version }])),
    ...await Promise.all(devices.map((live) => live.texts())),
  ];
  const asJson = (states: Texts): string => JSON.stringify([...states].sort(([one], [another]) => (one < another ? -1 : 1)));
  await until("all have the same documents, in the same versions", async () => {
    const isSettled = (await Promise.all(devices.map((live) => live.isSettled()))).every(Boolean);
    return isSettled && new Set((await texts()).map(asJson)).size === 1;
  });
  const [server = new Map()] = await texts();
  const lost = [...journal.words].filter(([word, id]) => !journal.deleted.has(word) && !server.get(id)?.text.split(" ").includes(word));
  const requests = devices.flatMap(({ device }) => device.sent);
  const sum = (count: (live: Live) => number): number => devices.reduce((total, live) => total + count(live), 0);
  console.log(name, {
    documents: server.size, edits: journal.words.size - journal.insertions, insertions: journal.insertions, deletions: journal.deletions,
    conflicts: sum((live) => live.conflicts()), uploads: requests.filter(({ method }) => method === "POST").length,
    downloads: requests.filter(({ path }) => path.endsWith("download")).length, requestsCut: sum(({ network }) => network.cut),
    responsesLost: sum(({ network }) => network.lost), settledAfterMs: Date.now() - settling, lost: lost.length,
  });
  assert.deepEqual(lost, []);
  await Promise.all(devices.map((live) => live.close()));
}

logger.default.silence();
console.log({ seed: SEED, seconds: SECONDS });
await run("RxDB", openRxdb);
await run("WatermelonDB", openWatermelondb);
