/** Digest of the live items, as the API documents it: it proves that a device has the state of the server. */
import { type Meta, type TypeDigest, NO_HASH, ITEM_TYPES } from "./records.ts";
import type { DigestOfPage, ItemType } from "./types.ts";

/** Name of the list of each item type in a page and in its digest. */
export const LISTS = { connection: "connections", saved_query: "saved_queries", query_history: "query_history" } as const;

/**
 * Returns the hash of an item: the first eight bytes of SHA-256 of its type, id, version and time in milliseconds, in hexadecimal.
 * Entries of the query history are only counted, because they never change.
 */
export async function hashItem(type: ItemType, id: string, version: number, updatedAt: string | undefined): Promise<string> {
  if (type === "query_history") {
    return NO_HASH;
  }
  const text = `${type}\0${id}\0${version}\0${Date.parse(updatedAt ?? "")}`;
  const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return toHex(new DataView(hash).getBigUint64(0));
}

/** Returns the digest with one more item (`sign` 1) or one less (−1). */
export function count(digest: TypeDigest, hash: string, sign: 1 | -1): TypeDigest {
  const sum = BigInt(`0x${digest.hash}`) + BigInt(sign) * BigInt(`0x${hash}`);
  return { count: digest.count + sign, hash: toHex(BigInt.asUintN(64, sum)) };
}

/** Returns whether the digest of this device is that of a page, for the types that the page is about. */
export function agrees(meta: Meta, page: DigestOfPage): boolean {
  return ITEM_TYPES.every((type) => {
    const expected: { count: number; hash?: string } | undefined = page[LISTS[type]];
    const actual = meta.digest[type];
    return !expected || (expected.count === actual.count && (expected.hash ?? actual.hash) === actual.hash);
  });
}

const toHex = (number: bigint): string => number.toString(16).padStart(16, "0");
