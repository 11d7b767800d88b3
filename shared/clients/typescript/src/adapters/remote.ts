/**
 * What the adapters for other local databases share: requests, pages of downloads, and uploads that replace exactly the version that
 * they name (strategy `refuse`), so that each database resolves conflicts in its own way.
 *
 * Changes have no id of their own: the service derives one from the content, and recognises a repetition by it. The digest of a
 * download is not compared, because these databases do not keep the times of the server in full.
 */
import { LISTS } from "../digest.ts";
import { currentItem, serverItem } from "../received.ts";
import type { Fields, Rejection, ServerItem } from "../records.ts";
import type { Remote, RemoteRequest } from "../remote.ts";
import type { Failure } from "../result.ts";
import { sleep } from "../sleep.ts";
import type { Change, Current, DownloadPage, ItemType, Schemas, UploadRequest, UploadResponse } from "../types.ts";

export type { Fields, Rejection, ServerItem } from "../records.ts";
export type { Remote } from "../remote.ts";
export type { Change, ItemType } from "../types.ts";

/** Part of a client that the adapters use. */
export interface RemoteClient {
  /** The service, on behalf of the signed-in user. */
  readonly remote: Remote;
  /** Id of this device. */
  readonly deviceId: string;
}

/** The service, on behalf of an account. */
export interface Endpoint {
  readonly client: RemoteClient;
  /** Id of the account. Nothing is sent on behalf of another one that has logged in meanwhile. */
  readonly account?: string | undefined;
  /** Ends waiting for the service. */
  readonly signal?: AbortSignal | undefined;
}

/** Failure of a request, as an error. */
export class ServiceError extends Error {
  /** Name of the class. */
  override readonly name = "ServiceError";
  /** Reason for which the request failed. */
  readonly failure: Failure;

  constructor(failure: Failure) {
    super(failure.message);
    this.failure = failure;
  }
}

/** Number of times that a request is sent if the service says when a repetition may succeed. */
const ATTEMPTS = 3;

/** Most changes of an upload. */
const MAX_CHANGES = 1_000;

/** Number of times that an edit is based anew on an item that only has another version number. */
const REBASES = 3;

/** Sends a request. Throws a `ServiceError` if it fails, not before the service expects a repetition. */
async function call<T>({ client, account, signal }: Endpoint, request: RemoteRequest): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    signal?.throwIfAborted();
    const result = await client.remote.send<T>({ ...request, account });
    if (result.ok) {
      return result.value;
    }
    if (result.error.retryAfter !== undefined) {
      await sleep(1_000 * result.error.retryAfter, signal);
    }
    if (result.error.retryAfter === undefined || attempt === ATTEMPTS) {
      throw new ServiceError(result.error);
    }
  }
}

/** Downloads a page of the changes after `since`; without it, a page of the whole state. */
export function download(
  endpoint: Endpoint, types: readonly ItemType[], since: string | undefined, limit: number,
): Promise<DownloadPage> {
  const query = { device_id: endpoint.client.deviceId, item_type: types, since, limit };
  return call(endpoint, { method: "GET", path: "/api/sync/download", query });
}

/** Returns the items of a type in a page, by id. */
export function statesIn(page: DownloadPage, type: ItemType): Array<[string, ServerItem]> {
  const live = page[LISTS[type]].map((item): [string, ServerItem] => [item.id, serverItem(item)]);
  const deleted = page.deleted.filter(({ item_type }) => item_type === type);
  return [...live, ...deleted.map(({ item_id, sync_version }): [string, ServerItem] => [item_id, { sync_version }])];
}

/** Edit of an item. */
export interface Edit {
  readonly change: Change;
  /** Returns whether this state of the item is the one that was edited, so that only its version number has changed. */
  readonly isBasedOn: (state: ServerItem) => boolean;
}

/** Result of an edit: the version that it made, the state that it was refused for, or the reason why the service never accepts it. */
export type Outcome =
  | { readonly version: number }
  | { readonly current: ServerItem }
  | { readonly rejection: Rejection };

/**
 * Returns the edit of an item of version `base`: its new fields, or a deletion without any. `data.updated_at` is the time of the edit;
 * by default it is now.
 */
export function changeOf(type: ItemType, id: string, base: number, data: Fields | undefined): Change {
  const { updated_at, sync_version: _, ...content } = data ?? {};
  const at = typeof updated_at === "string" ? updated_at : new Date().toISOString();
  const change = { item_type: type, item_id: id, sync_version: base, updated_at: at };
  // The server validates the fields.
  return data ? { ...change, action: base === 0 ? "create" : "update", data: content as never } : { ...change, action: "delete" };
}

/** Uploads edits, one per item, and returns their results in the same order. */
export async function upload(endpoint: Endpoint, edits: readonly Edit[]): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  for (let start = 0; start < edits.length; start += MAX_CHANGES) {
    outcomes.push(...await uploadPart(endpoint, edits.slice(start, start + MAX_CHANGES), REBASES));
  }
  return outcomes;
}

async function uploadPart(endpoint: Endpoint, edits: readonly Edit[], rebases: number): Promise<Outcome[]> {
  let response: UploadResponse;
  try {
    const changes = edits.map(({ change }) => change);
    const body: UploadRequest = { device_id: endpoint.client.deviceId, conflict_strategy: "refuse", changes };
    response = await call(endpoint, { method: "POST", path: "/api/sync/upload", body, compress: true });
  } catch (error) {
    if (!(error instanceof ServiceError) || error.failure.code !== "PAYLOAD_TOO_LARGE") {
      throw error;
    }
    if (edits.length === 1) {
      return [{ rejection: { code: "ITEM_TOO_LARGE", reason: error.message, details: [] } }];
    }
    const half = edits.length >> 1;
    const first = await uploadPart(endpoint, edits.slice(0, half), rebases);
    return [...first, ...await uploadPart(endpoint, edits.slice(half), rebases)];
  }
  const outcomes = await outcomesOf(endpoint, edits, response);
  const rebased = outcomes.flatMap((outcome, index) => {
    const edit = edits[index];
    const isSame = edit && "current" in outcome && outcome.current.sync_version !== edit.change.sync_version;
    return isSame && edit.isBasedOn(outcome.current)
      ? [{ index, edit: { ...edit, change: { ...edit.change, sync_version: outcome.current.sync_version } } }] : [];
  });
  if (rebased.length > 0 && rebases > 0) {
    const again = await uploadPart(endpoint, rebased.map(({ edit }) => edit), rebases - 1);
    again.forEach((outcome, position) => outcomes.splice(rebased[position]?.index ?? 0, 1, outcome));
  }
  return outcomes;
}

async function outcomesOf(endpoint: Endpoint, edits: readonly Edit[], response: UploadResponse): Promise<Outcome[]> {
  const keyOf = ({ item_type, item_id }: { item_type: string; item_id: string }): string => `${item_type} ${item_id}`;
  const results = new Map<string, Outcome>();
  for (const entry of response.applied) {
    results.set(keyOf(entry), entry.unchanged ? { rejection: APPEND_ONLY } : { version: entry.sync_version });
  }
  for (const entry of response.conflicts) {
    results.set(keyOf(entry), { current: await stateOf(endpoint, entry.item_type, entry.item_id, entry.current) });
  }
  for (const { change: { index }, ...rejection } of response.rejected) {
    const edit = edits[index];
    edit && results.set(keyOf(edit.change), { rejection });
  }
  return edits.map(({ change }) => {
    const outcome = results.get(keyOf(change));
    if (!outcome) {
      throw new Error(`the response has no result for ${keyOf(change)}`);
    }
    return outcome;
  });
}

const APPEND_ONLY: Rejection = { code: "INVALID_CHANGE", reason: "an entry of the query history cannot be changed", details: [] };

/** Returns the state of a refused item. A large response leaves its data out. */
async function stateOf(
  endpoint: Endpoint, item_type: ItemType, item_id: string, current: Current | undefined,
): Promise<ServerItem> {
  const known = current && currentItem(current);
  if (known) {
    return known;
  }
  const query = { item_type, item_id, limit: 1 };
  const { versions } = await call<Schemas["VersionList"]>(endpoint, { method: "GET", path: "/api/sync/versions", query });
  return (versions[0] && currentItem(versions[0])) ?? { sync_version: 0 };
}
