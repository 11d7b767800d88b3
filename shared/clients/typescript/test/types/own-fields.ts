// Fields of the application's own: declared ones have types, others must not compile. This code is not run.
import { type Client, type SavedQuery, memoryStore, openClient } from "@sql-studio/sync";

/** Fields that an application stores with its items. */
interface OwnFields {
  savedQuery: { folder?: string; position: number };
  connection: { environment?: "test" | "production" };
}

const store = memoryStore();
const client: Client<OwnFields> = await openClient<OwnFields>({ url: "http://127.0.0.1:8500", store });
const { connections, savedQueries, history } = client;

const orders: SavedQuery<OwnFields> = await savedQueries.put({ name: "Orders", query: "SELECT 1", folder: "shop", position: 1 });
const folder: string | undefined = orders.folder;
const position: number = orders.position;
// Other versions of the application may not know the fields: they can be left out, and `null` removes one.
await savedQueries.put({ name: "Orders", query: "SELECT 1" });
await savedQueries.put({ ...orders, folder: null, position: 2 });
await savedQueries.put({ ...orders, folder: undefined });
await connections.put({ name: "Shop", type: "sqlite", database: "shop.db", environment: "test" });
export const inFolder = await openClient<{ savedQuery: { folder?: string } }>({ url: "http://127.0.0.1:8500", store });
export const used = [folder, position];

/** Mistakes that must not compile. */
export async function mistakes(): Promise<void> {
  // @ts-expect-error: misspelled field
  await savedQueries.put({ ...orders, fodler: "shop" });
  // @ts-expect-error: wrong type
  await savedQueries.put({ ...orders, folder: 7 });
  // @ts-expect-error: unknown value
  await connections.put({ name: "Shop", type: "sqlite", database: "shop.db", environment: "staging" });
  // @ts-expect-error: a field of another collection
  await connections.put({ name: "Shop", type: "sqlite", database: "shop.db", folder: "shop" });
  const ran = { query: "SELECT 1", connection_id: "shop", executed_at: "", duration_ms: 3, rows_affected: 1, success: true };
  // @ts-expect-error: history has no fields of its own
  await history.put({ ...ran, folder: "shop" });
  // @ts-expect-error: a password remains one
  await savedQueries.put({ ...orders, password: "secret" });
  // @ts-expect-error: the field may be missing
  orders.folder.trim();
  // @ts-expect-error: unknown collection
  await openClient<{ saved_query: { folder?: string } }>({ url: "http://127.0.0.1:8500", store });
  // @ts-expect-error: fields are declared by an object
  await openClient<{ savedQuery: "folder" }>({ url: "http://127.0.0.1:8500", store });
}
