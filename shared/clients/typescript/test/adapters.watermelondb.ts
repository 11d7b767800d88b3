/** WatermelonDB database with a table of saved queries, in memory. */
import { Model, appSchema, tableSchema } from "@nozbe/watermelondb";
import loki from "@nozbe/watermelondb/adapters/lokijs/index.js";
import type { SyncedTable } from "../src/adapters/watermelondb.ts";

export const text = (name: string) => ({ name, type: "string", isOptional: true }) as const;
export const COLUMNS = [
  { name: "name", type: "string" }, { name: "query", type: "string" }, text("description"), text("connection_id"), text("tags"),
  { name: "favorite", type: "boolean" }, text("metadata"), text("folder"), { name: "sync_version", type: "number" },
  { name: "updated_at", type: "number" },
] as const;

export class SavedQuery extends Model {
  static override table = "saved_queries";

  get updatedAt(): Date {
    return new Date(Number(this._getRaw("updated_at")));
  }
}

export class Note extends Model {
  static override table = "notes";
}

export const SAVED_QUERIES: SyncedTable = {
  type: "saved_query",
  toRow: ({ tags, metadata, updated_at, ...item }) => ({
    ...item, tags: JSON.stringify(tags ?? []), metadata: JSON.stringify(metadata ?? {}), updated_at: Date.parse(String(updated_at)),
  }),
  fromRow: ({ name, query, description, connection_id, tags, favorite, metadata, folder, updated_at }) => ({
    name: String(name), query: String(query), description: textOrNull(description), connection_id: textOrNull(connection_id),
    tags: JSON.parse(String(tags ?? "[]")), favorite: Boolean(favorite), metadata: JSON.parse(String(metadata ?? "{}")),
    folder: textOrNull(folder), updated_at: new Date(Number(updated_at)).toISOString(),
  }),
};

const textOrNull = (value: unknown): string | null => (typeof value === "string" ? value : null);

let databases = 0;

const SCHEMA = appSchema({
  version: 1, tables: [
    tableSchema({ name: "saved_queries", columns: [...COLUMNS] }),
    tableSchema({ name: "notes", columns: [{ name: "text", type: "string" }] }),
  ],
});

/** Returns the adapter of an empty database. */
export function newAdapter(): InstanceType<typeof loki.default> {
  databases += 1;
  return new loki.default({
    dbName: `studio${databases}`, schema: SCHEMA, useWebWorker: false, useIncrementalIndexedDB: false, extraLokiOptions: { autosave: false },
  });
}
