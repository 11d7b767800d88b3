/** Commands by which a test drives a page. */
import { type Client, type StartOptions, type SyncReport, openClient } from "../../src/index.ts";
import { indexedDbStore } from "../../src/stores/indexeddb.ts";
import { type Settings, type Text, logIn, signUp, textsOf, write } from "./application.ts";
import { fails, runContract } from "./stores.ts";
import { callWorker, registerWorker } from "./worker-client.ts";

/** Client that the page has opened. */
let opened: Client | undefined;

/** Texts of the saved queries, as the subscription of the page reported them last. */
let seen: readonly Text[] = [];

/** Reports of all syncs of the page, including those that it started by itself. */
const reports: SyncReport[] = [];

function client(): Client {
  if (!opened) {
    throw new Error("the page has not opened a client");
  }
  return opened;
}

const commands = {
  async open({ url, database, pageSize }: Settings) {
    opened = await openClient({ url, store: indexedDbStore(database), ...(pageSize !== undefined && { pageSize }) });
    opened.onSync((report) => void reports.push(report));
    opened.savedQueries.subscribe((items) => {
      seen = textsOf(items);
    });
  },
  signUp: (name: string) => signUp(client(), name),
  logIn: (name: string) => logIn(client(), name),
  start: (options: StartOptions) => client().start(options),
  sync: () => client().sync(),
  close: () => client().close(),

  /** Writes saved queries with these ids, several at the same time, and reports each group to `confirm` once it is written. */
  write: ({ ids, text, confirm }: { ids: string[]; text: string; confirm?: string }) => write(client(), ids, text, confirm),
  async writeAndSync(edit: { ids: string[]; text: string; confirm?: string }) {
    await commands.write(edit);
    return commands.sync();
  },
  /** Returns the message of the error with which the write of a saved query fails. */
  failedWrite: (edit: { ids: string[]; text: string }) => fails(commands.write(edit)),
  failedSync: async () => (await commands.sync()).error?.message ?? "no error",

  texts: async () => textsOf(await client().savedQueries.list()),
  seen: () => seen,
  reports: () => reports,
  unsent: async () => (await client().changes.list()).length,
  async state() {
    return { texts: await commands.texts(), unsent: await commands.unsent() };
  },
  /** Syncs, and returns the state afterwards. */
  async synced() {
    return { report: await commands.sync(), ...(await commands.state()) };
  },

  /** Sends a request that is no part of a sync. */
  async profile() {
    const result = await client().account.profile();
    return result.ok ? result.value.username : result.error.code;
  },

  isOnline: () => navigator.onLine,
  hasLocks: () => navigator.locks !== undefined,
  runContract,
  registerWorker,
  callWorker,
  deleteDatabase: (name: string) =>
    new Promise<string>((resolve) => {
      const request = indexedDB.deleteDatabase(name);
      request.onsuccess = () => resolve("deleted");
      request.onerror = () => resolve("failed");
      request.onblocked = () => resolve("blocked");
    }),
};

Object.assign(globalThis, { commands });
