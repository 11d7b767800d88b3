/** Fields of items: which ones the API defines, what an edit makes of them, and how two versions differ. */
import type { Fields } from "./records.ts";
import type { Json } from "./store.ts";
import type { ItemType, Schemas } from "./types.ts";

type Known<T> = Readonly<Record<keyof T, true>>;

const CONNECTION: Known<Schemas["Connection"]> = {
  name: true, type: true, database: true, host: true, port: true, username: true, use_ssh: true, ssh_host: true,
  ssh_port: true, ssh_user: true, color: true, icon: true, metadata: true,
};
const SAVED_QUERY: Known<Schemas["SavedQuery"]> = {
  name: true, query: true, description: true, connection_id: true, tags: true, favorite: true, metadata: true,
};
const HISTORY: Known<Schemas["QueryHistory"]> = {
  query: true, connection_id: true, executed_at: true, duration_ms: true, rows_affected: true, success: true, error: true,
  metadata: true,
};
const KNOWN = { connection: CONNECTION, saved_query: SAVED_QUERY, query_history: HISTORY };

/** Fields that the client or the server sets, which are not part of the content. */
const SET_BY_SYNC = ["id", "created_at", "updated_at", "sync_version"];

/** Returns the fields that the API does not define. */
export function unknownFields(type: ItemType, data: Fields): Fields {
  return Object.fromEntries(Object.entries(data).filter(([name]) => !Object.hasOwn(KNOWN[type], name) && name !== "id"));
}

/**
 * Returns an item after an update, as the server computes it: fields that the API does not define keep their value if the update
 * leaves them out, and `null` removes a field.
 */
export function updated(type: ItemType, before: Fields | undefined, data: Fields): Fields {
  const given = { ...unknownFields(type, before ?? {}), ...data };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== null));
}

/** Returns whether two versions of an item have the same content. */
export function sameContent(one: Fields | undefined, other: Fields | undefined): boolean {
  return one === other || (!!one && !!other && differences(one, other).length === 0);
}

/** Difference of two versions of an item in one field. */
export interface Difference {
  /** Name of the field; entries of `metadata` are fields of their own, such as `metadata.folder`. */
  readonly field: string;
  /** Value in the first version; absent if it lacks the field. */
  readonly local?: Json;
  /** Value in the second version; absent if it lacks the field. */
  readonly remote?: Json;
}

/** Returns the fields in which two versions of an item differ, sorted by name. A version that is deleted has no fields. */
export function differences(local: Fields | undefined, remote: Fields | undefined): Difference[] {
  const [one, other] = [flat(local), flat(remote)];
  const names = [...new Set([...one.keys(), ...other.keys()])].sort();
  return names.filter((field) => !equal(one.get(field), other.get(field))).map((field) => {
    const [a, b] = [one.get(field), other.get(field)];
    return { field, ...(a !== undefined && { local: a }), ...(b !== undefined && { remote: b }) };
  });
}

/** Values of fields that are equal to an absent one. */
const DEFAULTS: Readonly<Record<string, Json>> = { tags: [], favorite: false, use_ssh: false };

function flat(data: Fields | undefined): Map<string, Json> {
  const fields = new Map<string, Json>();
  for (const [name, value] of Object.entries(data ?? {})) {
    if (name === "metadata" && isObject(value)) {
      Object.entries(value).forEach(([key, entry]) => fields.set(`metadata.${key}`, entry));
    } else if (!SET_BY_SYNC.includes(name) && value !== null && !(Object.hasOwn(DEFAULTS, name) && equal(value, DEFAULTS[name]))) {
      fields.set(name, value);
    }
  }
  return fields;
}

/** Returns whether two JSON values are equal; the order of the fields of an object does not matter. */
export function equal(one: Json | undefined, other: Json | undefined): boolean {
  if (Array.isArray(one) && Array.isArray(other)) {
    return one.length === other.length && one.every((value, index) => equal(value, other[index]));
  }
  if (isObject(one) && isObject(other)) {
    const names = Object.keys(one);
    return names.length === Object.keys(other).length && names.every((name) => Object.hasOwn(other, name) && equal(one[name], other[name]));
  }
  return one === other;
}

const isObject = (value: Json | undefined): value is Fields => typeof value === "object" && value !== null && !Array.isArray(value);
