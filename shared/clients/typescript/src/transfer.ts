/** Export and import of all items as one JSON file. */
import type { Local } from "./collection.ts";
import { LISTS } from "./digest.ts";
import { edit, isFixed, visible } from "./edits.ts";
import { checkedId, parseItem } from "./input.ts";
import { type Fields, type Writes, ITEMS, ITEM_TYPES, META, itemIn, itemKey, itemOf, metaIn, metaOf, newItem, toJson } from "./records.ts";
import type { Records } from "./store.ts";
import type { ItemType } from "./types.ts";

/** Name and version of the format. */
const FORMAT = "sql-studio-export/1";

/** Number of items that an import writes in one transaction. */
const CHUNK = 200;

/** All items of this device, as JSON: those that stay here and those that the service has rejected, too, with what they contain. */
export interface ExportFile {
  /** Name and version of the format. */
  readonly format: typeof FORMAT;
  /** Time of the export, by the clock of this device. */
  readonly exported_at: string;
  /** Connection templates. */
  readonly connections: readonly Fields[];
  /** Saved queries. */
  readonly saved_queries: readonly Fields[];
  /** Query history. */
  readonly query_history: readonly Fields[];
  /** Items among these that stay on their device. */
  readonly device_only: readonly { readonly item_type: ItemType; readonly item_id: string }[];
}

/** Result of an import. */
export interface ImportReport {
  /** Number of items that were created or changed. */
  readonly imported: number;
  /** Number of items that were the same already. */
  readonly unchanged: number;
}

/** Returns all items, with the edits that are not uploaded yet. */
export async function exportAll({ store, now }: Local): Promise<ExportFile> {
  const items = (await store.list(ITEMS)).map(([, json]) => itemOf(json));
  const live = items.flatMap((item) => {
    const data = visible(item)?.data;
    return data ? [{ item, data }] : [];
  });
  const of = (type: ItemType): Fields[] => live.filter(({ item }) => item.type === type).map(({ data }) => data);
  return {
    format: FORMAT,
    exported_at: now().toISOString(),
    connections: of("connection"),
    saved_queries: of("saved_query"),
    query_history: of("query_history"),
    device_only: live.filter(({ item }) => item.device?.byType === false).map(({ item }) => ({ item_type: item.type, item_id: item.id })),
  };
}

/** Item of a file. */
interface Imported {
  readonly key: string;
  readonly type: ItemType;
  readonly id: string;
  readonly data: Fields;
  readonly deviceOnly: boolean;
}

/**
 * Writes the items of a file as edits of this device. Items that the file lacks stay. Throws a `TypeError` that names the field, and
 * writes nothing, if the file is invalid.
 */
export async function importAll(local: Local, file: unknown): Promise<ImportReport> {
  const items = parseFile(file);
  let imported = 0;
  for (let start = 0; start < items.length; start += CHUNK) {
    const chunk = items.slice(start, start + CHUNK);
    imported += await local.store.transact({ keys: [META, ...chunk.map(({ key }) => key)] }, (records) => importChunk(local, chunk, records));
  }
  return { imported, unchanged: items.length - imported };
}

function importChunk(local: Local, items: readonly Imported[], records: Records): { writes: Writes; result: number } {
  const writes: Writes = new Map([[META, toJson(metaOf(records, local.device))]]);
  const now = local.now().toISOString();
  const made = items.filter(({ key, type, id, data, deviceOnly }) => {
    const stored = itemIn(records, key) ?? newItem(type, id);
    const change = { data, now, changeId: local.newId(), ...(deviceOnly && { deviceOnly }) };
    return !isFixed(stored) && edit(writes, metaIn(writes as Records), stored, local.tab, change) !== undefined;
  });
  return { writes, result: made.length };
}

function parseFile(file: unknown): Imported[] {
  const fields = (typeof file === "object" && file !== null ? file : {}) as Partial<Record<string, unknown>>;
  if (fields["format"] !== FORMAT) {
    throw new TypeError(`format must be "${FORMAT}"`);
  }
  const deviceOnly = new Set(listOf(fields, "device_only").map(keyOf));
  const items = ITEM_TYPES.flatMap((type) => listOf(fields, LISTS[type]).map((item, index) => {
    try {
      const { id, data } = parseItem(item);
      const item_id = checkedId(id);
      const key = itemKey(type, item_id);
      return { key, type, id: item_id, data, deviceOnly: deviceOnly.has(key) };
    } catch (error) {
      throw new TypeError(`${LISTS[type]}[${index}]: ${error instanceof Error ? error.message : String(error)}`);
    }
  }));
  // Of items with the same id the last one counts, so that a transaction writes each once.
  return [...new Map(items.map((item) => [item.key, item])).values()];
}

/** Returns the key of an item that the file names. */
function keyOf(item: object, index: number): string {
  const { item_type, item_id } = item as { item_type?: unknown; item_id?: unknown };
  const type = ITEM_TYPES.find((type) => type === item_type);
  if (!type || typeof item_id !== "string") {
    throw new TypeError(`device_only[${index}] must have an item_type and an item_id`);
  }
  return itemKey(type, item_id);
}

function listOf(fields: Partial<Record<string, unknown>>, name: string): object[] {
  const list = fields[name] ?? [];
  if (!Array.isArray(list)) {
    throw new TypeError(`${name} must be an array`);
  }
  return list;
}
