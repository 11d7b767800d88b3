// Items: what can be read and written, and mistakes that must not compile. This code is not run.
import { type Connection, type HistoryEntry, type SavedQuery, memoryStore, openClient } from "@sql-studio/sync";

const client = await openClient({ url: "http://127.0.0.1:8500", store: memoryStore() });
const { connections, savedQueries, history } = client;
const now = new Date().toISOString();

// Items are written as literals, and as changed copies of what was read.
const created: SavedQuery = await savedQueries.put({ name: "Orders", query: "SELECT * FROM orders" });
const read: SavedQuery | undefined = await savedQueries.get(created.id);
await savedQueries.put({ ...created, name: "All orders", tags: [...(created.tags ?? []), "shop"], metadata: { folder: "shop" } });
await savedQueries.put({ ...created, description: null }, { deviceOnly: true });
await savedQueries.put(created);
// Optional fields can be `undefined`, lists constant.
const TAGS = ["shop", "daily"] as const;
await savedQueries.put({ ...created, description: undefined, tags: TAGS });
const description: string | undefined = created.description;
const shop: Connection = await connections.put({ id: "shop", name: "Shop", type: "postgres", host: "localhost", port: 5432, database: "shop" });
const ran = { query: "SELECT 1", connection_id: shop.id, executed_at: now, duration_ms: 3, rows_affected: 1, success: true };
const entry: HistoryEntry = await history.put(ran);
const wasThere: boolean = await savedQueries.delete(created);
await history.delete(entry.id);
const names: string[] = (await connections.list()).map(({ name }) => name);
const end: () => void = savedQueries.subscribe((queries) => console.log(queries.map(({ query, favorite }) => [query, favorite])));
const version: number = created.sync_version;
export const used = [read, description, wasThere, names, end, version];

/** Fields that must not compile. */
export async function fields(): Promise<void> {
  // @ts-expect-error: misspelled field
  await savedQueries.put({ name: "Orders", query: "SELECT 1", favourite: true });
  // @ts-expect-error: misspelled field of a copy
  await savedQueries.put({ ...created, nmae: "Orders" });
  // @ts-expect-error: the query has no text
  await savedQueries.put({ name: "Orders" });
  // @ts-expect-error: the connection has no type
  await connections.put({ name: "Shop", database: "shop" });
  // @ts-expect-error: unknown type of database
  await connections.put({ name: "Shop", type: "oracle", database: "shop" });
  // @ts-expect-error: a port is a number
  await connections.put({ name: "Shop", type: "mysql", database: "shop", port: "3306" });
  // @ts-expect-error: a name is a string
  await savedQueries.put({ name: 7, query: "SELECT 1" });
  // @ts-expect-error: a required field cannot be removed
  await savedQueries.put({ ...created, name: null });
  // @ts-expect-error: a required field cannot be undefined
  await savedQueries.put({ ...created, name: undefined });
  // @ts-expect-error: tags are strings
  await savedQueries.put({ ...created, tags: [1] });
  // @ts-expect-error: metadata are strings
  await savedQueries.put({ ...created, metadata: { position: 1 } });
  // @ts-expect-error: a field that the application has not declared
  await savedQueries.put({ ...created, folder: "shop" });
  const { executed_at: _, ...untimed } = ran;
  // @ts-expect-error: the time is missing
  await history.put(untimed);
  // @ts-expect-error: a time is a string
  await history.put({ ...ran, executed_at: new Date() });
  // @ts-expect-error: the version is the number that was read
  await savedQueries.put({ ...created, sync_version: "3" });
  // @ts-expect-error: an item is an object
  await savedQueries.put("SELECT 1");
  // @ts-expect-error: an item of another collection
  await connections.put(created);
  // @ts-expect-error: unknown option
  await savedQueries.put(created, { local: true });
}

/** Credentials, which must not compile. */
export async function credentials(): Promise<void> {
  // @ts-expect-error: a password
  await connections.put({ name: "Shop", type: "mysql", database: "shop", password: "secret" });
  // @ts-expect-error: a key
  await connections.put({ name: "Shop", type: "mysql", database: "shop", ssh_key: "-----BEGIN" });
  const login = { name: "Shop", type: "mysql", database: "shop", password: "secret" } as const;
  // @ts-expect-error: a password in an object that was made elsewhere
  await connections.put(login);
  // @ts-expect-error: a password in the metadata
  await connections.put({ ...shop, metadata: { password: "secret" } });
  // @ts-expect-error: a token in another kind of item
  await savedQueries.put({ ...created, token: "secret" });
}

/** Reads and deletions that must not compile. */
export async function reads(): Promise<void> {
  // @ts-expect-error: an item may be missing
  (await savedQueries.get("orders")).name.trim();
  // @ts-expect-error: the version is set by syncs
  created.sync_version = 7;
  // @ts-expect-error: the id is fixed
  created.id = "other";
  // @ts-expect-error: unknown field
  console.log(created.text);
  // @ts-expect-error: a field may be missing
  created.description.trim();
  // @ts-expect-error: an id is a string
  await savedQueries.get(7);
  // @ts-expect-error: the version of what is deleted is missing
  await savedQueries.delete({ id: "orders" });
  // @ts-expect-error: `delete` returns a promise
  if (savedQueries.delete("orders")) console.log("deleted");
  // @ts-expect-error: history has no versions
  await history.versions(entry.id);
  // @ts-expect-error: `subscribe` needs a listener
  savedQueries.subscribe();
}
