import type { Conflict, ItemType, Json } from "../../src/index.ts";
import { LISTS } from "../../src/digest.ts";
import { ITEM_TYPES } from "../../src/records.ts";
import type { DigestOfPage, DownloadPage, VersionRecord } from "../../src/types.ts";
import { type Key, keyOf } from "./edits.ts";

export type Fields = { readonly [field: string]: Json };

/** State of the server, as a new device downloads it. */
export interface ServerState {
  readonly items: ReadonlyMap<Key, Fields>;
  readonly digest: DigestOfPage | undefined;
}

/** Name and password of the account of a schedule. */
export const CREDENTIALS = { username: "ada", password: "correct horse 42" };

/** The service as the checks call it: without the client under test, and without faults. */
export class Api {
  readonly #url: string;
  #token = "";

  constructor(url: string) {
    this.#url = url;
  }

  async signUp(): Promise<void> {
    const response = await this.#post("/api/auth/signup", { ...CREDENTIALS, email: "ada@example.com" });
    this.#token = response.token;
  }

  /** Returns all items. */
  async download(): Promise<ServerState> {
    const items = new Map<Key, Fields>();
    for (let since = ""; ;) {
      const page = await this.#get<DownloadPage>(`/api/sync/download?device_id=checks${since}`);
      for (const type of ITEM_TYPES) {
        for (const item of page[LISTS[type]]) {
          const fields: Fields = JSON.parse(JSON.stringify(item));
          items.set(keyOf(type, item.id), fields);
        }
      }
      if (!page.has_more) {
        return { items, digest: page.digest };
      }
      since = `&since=${page.sync_timestamp}`;
    }
  }

  /** Returns all versions of an item that the server has. */
  versions(type: ItemType, id: string): Promise<VersionRecord[]> {
    const path = `/api/sync/versions?item_type=${type}&item_id=${encodeURIComponent(id)}`;
    return this.#pages(path, ({ versions }: { versions: VersionRecord[] }) => versions);
  }

  /** Returns all conflicts with a status. */
  conflicts(status: "open" | "resolved" | "all"): Promise<Conflict[]> {
    return this.#pages(`/api/sync/conflicts?status=${status}`, ({ conflicts }: { conflicts: Conflict[] }) => conflicts);
  }

  async #pages<Page, T>(path: string, listOf: (page: Page) => T[]): Promise<T[]> {
    const all: T[] = [];
    for (let cursor = ""; ;) {
      const page = await this.#get<Page & { next_cursor?: string }>(path + cursor);
      all.push(...(page ? listOf(page) : []));
      if (page?.next_cursor === undefined) {
        return all;
      }
      cursor = `&cursor=${page.next_cursor}`;
    }
  }

  /** Returns the body of a response. Of an unknown item it is `undefined`, if `T` allows it. */
  async #get<T>(path: string): Promise<T> {
    const response = await this.#send(path, { headers: { authorization: `Bearer ${this.#token}` } });
    if (response.status === 401) {
      const { token } = await this.#post("/api/auth/login", CREDENTIALS);
      this.#token = token;
      return this.#get(path);
    }
    return this.#json(response);
  }

  async #post(path: string, body: object): Promise<{ token: string }> {
    const headers = { "content-type": "application/json" };
    return this.#json(await this.#send(path, { method: "POST", headers, body: JSON.stringify(body) }));
  }

  /** Sends a request again if the server has closed the connection meanwhile: it was restarted. */
  async #send(path: string, init: RequestInit): Promise<Response> {
    const attempt = (): Promise<Response> => fetch(this.#url + path, init);
    return attempt().catch(attempt);
  }

  async #json<T>(response: Response): Promise<T> {
    if (response.status === 404) {
      return JSON.parse("null");
    }
    if (!response.ok) {
      throw new Error(`${response.url}: ${response.status} ${await response.text()}`);
    }
    return JSON.parse(await response.text());
  }
}
