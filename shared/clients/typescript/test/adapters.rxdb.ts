/** RxDB schema of a collection of saved queries. */
import type { RxJsonSchema } from "rxdb";

export interface Query {
  id: string;
  name: string;
  query: string;
  description?: string;
  connection_id?: string;
  tags?: string[];
  favorite?: boolean;
  metadata?: Record<string, string>;
  /** Field of the application's own. */
  folder?: string;
  created_at?: string;
  updated_at?: string;
  sync_version?: number;
}

export const text = { type: "string" } as const;
export const SCHEMA: RxJsonSchema<Query> = {
  version: 0,
  primaryKey: "id",
  type: "object",
  properties: {
    id: { type: "string", maxLength: 128 }, name: text, query: text, description: text, connection_id: text,
    tags: { type: "array", items: text }, favorite: { type: "boolean" }, metadata: { type: "object" }, folder: text,
    created_at: text, updated_at: text, sync_version: { type: "number" },
  },
  required: ["id", "name", "query"],
};
