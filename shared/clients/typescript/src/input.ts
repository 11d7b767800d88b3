/** Checks of what the application passes. They throw: a wrong argument is a mistake in the program. */
import type { Fields } from "./records.ts";

/** Longest id, in characters. */
const MAX_ID = 128;

/** Returns `id` if it can be the id of an item: 1 to 128 characters without control characters. */
export function checkedId(id: unknown): string {
  if (typeof id !== "string" || id === "" || [...id].length > MAX_ID || !id.isWellFormed() || /\p{Cc}/u.test(id)) {
    throw new TypeError(`the id of an item must be a string of 1 to ${MAX_ID} characters, not ${JSON.stringify(id)}`);
  }
  return id;
}

/** Item as the application passes it, without the fields that sync sets. */
export interface ParsedItem {
  readonly id?: string;
  readonly sync_version?: number;
  readonly updated_at?: string;
  readonly data: Fields;
}

/** Returns a copy of an item that the application passes. */
export function parseItem(item: object): ParsedItem {
  if (typeof item !== "object" || item === null || Array.isArray(item)) {
    throw new TypeError("an item must be an object");
  }
  // A copy: what the application does with its object later is no edit.
  const copy: unknown = JSON.parse(JSON.stringify(item), checkedText);
  if (typeof copy !== "object" || copy === null) {
    throw new TypeError("an item must be an object with fields");
  }
  const { id, sync_version, updated_at, ...data } = copy as Fields;
  if (sync_version !== undefined && !(Number.isSafeInteger(sync_version) && Number(sync_version) >= 0)) {
    throw new TypeError(`sync_version must be the number that was read, not ${JSON.stringify(sync_version)}`);
  }
  return {
    ...(id !== undefined && { id: checkedId(id) }),
    ...(sync_version !== undefined && { sync_version: Number(sync_version) }),
    ...(typeof updated_at === "string" && { updated_at }),
    data,
  };
}

/** Throws if a text has no UTF-8 form: half of a surrogate pair. The service would refuse the whole upload. */
function checkedText(name: string, value: unknown): unknown {
  if (!name.isWellFormed() || (typeof value === "string" && !value.isWellFormed())) {
    throw new TypeError(`${name} must be a text without halves of surrogate pairs`);
  }
  return value;
}
