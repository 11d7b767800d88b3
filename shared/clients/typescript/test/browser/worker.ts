/** Service worker: syncs, and lets the page load without a network. */
import { openClient } from "../../src/index.ts";
import { indexedDbStore } from "../../src/stores/indexeddb.ts";
import { type Settings, type Text, logIn, textsOf, write } from "./application.ts";

/** Task that a page gives to the service worker: to log in, write an item and sync. */
export interface WorkerTask extends Settings {
  /** User name. */
  readonly name: string;
  readonly id: string;
  readonly text: string;
}

/** Cache of the page's files. */
const CACHE = "files";

// The types of the DOM are those of windows, which lack what a service worker has in addition.
declare global {
  interface WindowEventMap {
    readonly install: ExtendableEvent;
    readonly activate: ExtendableEvent;
    readonly fetch: FetchEvent;
  }
  function skipWaiting(): Promise<void>;
  const clients: { claim(): Promise<void> };
}

interface ExtendableEvent extends Event {
  waitUntil(work: Promise<unknown>): void;
}

interface FetchEvent extends ExtendableEvent {
  readonly request: Request;
  respondWith(response: Promise<Response>): void;
}

addEventListener("install", (event) => event.waitUntil(skipWaiting()));
addEventListener("activate", (event) => event.waitUntil(clients.claim()));

// Requests to the service are of another origin, and stay those of the page.
addEventListener("fetch", (event) => {
  if (event.request.method === "GET" && new URL(event.request.url).origin === location.origin) {
    event.respondWith(load(event.request));
  }
});

/** Returns a file from the server, or from the cache if the server cannot be reached. */
async function load(request: Request): Promise<Response> {
  const cache = await caches.open(CACHE);
  try {
    const response = await fetch(request);
    await cache.put(request, response.clone());
    return response;
  } catch (error) {
    const cached = await cache.match(request);
    if (!cached) {
      throw error;
    }
    return cached;
  }
}

addEventListener("message", (event: MessageEvent<WorkerTask>) => {
  const [port] = event.ports;
  const work = run(event.data).then((result) => ({ result }), (error: unknown) => ({ error: String(error) }));
  const answered = work.then((answer) => port?.postMessage(answer));
  if ("waitUntil" in event && typeof event.waitUntil === "function") {
    event.waitUntil(answered);
  }
});

async function run({ url, database, name, id, text }: WorkerTask): Promise<{ texts: Text[]; unsent: number }> {
  const client = await openClient({ url, store: indexedDbStore(database) });
  await logIn(client, name);
  await write(client, [id], text);
  const { error } = await client.sync();
  if (error) {
    throw new Error(JSON.stringify(error));
  }
  const [texts, unsent] = [textsOf(await client.savedQueries.list()), (await client.changes.list()).length];
  await client.close();
  return { texts, unsent };
}
