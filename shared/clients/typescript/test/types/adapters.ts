// Replication of other local databases: mistakes that must not compile. This code is not run.
import type { Database } from "@nozbe/watermelondb";
import { memoryStore, openClient } from "@sql-studio/sync";
import { replicate } from "@sql-studio/sync/rxdb";
import { synchronizeWith } from "@sql-studio/sync/watermelondb";
import type { RxCollection } from "rxdb";

const client = await openClient({ url: "http://127.0.0.1:8500", store: memoryStore() });

/** RxDB. */
export async function rxdb(
  queries: RxCollection<{ id: string; name: string; sync_version?: number }>, unnamed: RxCollection<{ name: string }>,
): Promise<void> {
  const replication = replicate({ client, collection: queries, type: "saved_query", live: true, interval: 30_000 });
  replication.error$.subscribe((error) => console.log(error.message));
  await replication.cancel();
  // @ts-expect-error: the client is missing
  replicate({ collection: queries, type: "saved_query" });
  // @ts-expect-error: unknown item type
  replicate({ client, collection: queries, type: "query" });
  // @ts-expect-error: documents without an id
  replicate({ client, collection: unnamed, type: "saved_query" });
  // @ts-expect-error: misspelled setting
  replicate({ client, collection: queries, type: "saved_query", retrytime: 1_000 });
}

/** WatermelonDB. */
export async function watermelon(database: Database): Promise<void> {
  const queries = {
    type: "saved_query", toRow: ({ name = "", query = "" }) => ({ name, query }), fromRow: ({ name }) => ({ name: String(name), query: "" }),
  } as const satisfies Parameters<typeof synchronizeWith>[0]["tables"][string];
  await synchronizeWith({ client, database, tables: { queries } });
  // @ts-expect-error: the tables are missing
  await synchronizeWith({ client, database });
  // @ts-expect-error: unknown item type
  await synchronizeWith({ client, database, tables: { queries: { ...queries, type: "query" } } });
  const { fromRow: _, ...unwritten } = queries;
  // @ts-expect-error: rows cannot be uploaded
  await synchronizeWith({ client, database, tables: { queries: unwritten } });
}
