import { type ItemFields, type Local, Collection } from "./collection.ts";
import { type Online, takeItem } from "./conflicts.ts";
import { type Writes, META, itemKey } from "./records.ts";
import { type Result, success } from "./result.ts";
import type { Schemas } from "./types.ts";

/** Page of the versions of an item, newest first. */
export interface VersionPage {
  /** Versions of this page. */
  readonly versions: readonly Schemas["KeptVersion"][];
  /** Value of `cursor` for the next page; absent on the last one. */
  readonly next_cursor?: string;
}

/** Collection whose items have versions: what another write has replaced is kept for 30 days, the newest 100 of an item. */
export class VersionedCollection<Item extends ItemFields, Input extends object> extends Collection<Item, Input> {
  readonly #online: Online;
  readonly #type: Schemas["RestorableType"];

  constructor(local: Local, online: Online, type: Schemas["RestorableType"]) {
    super(local, type);
    this.#online = online;
    this.#type = type;
  }

  /** Returns the versions that the server has of an item, the current one first. Needs the network. */
  versions(id: string, page: { readonly limit?: number; readonly cursor?: string } = {}): Promise<Result<VersionPage>> {
    const query = { item_type: this.#type, item_id: id, limit: page.limit, cursor: page.cursor };
    return this.#online.remote.send<VersionPage>({ method: "GET", path: "/api/sync/versions", query });
  }

  /**
   * Writes a version of an item anew. `expected` is the current version that the user has seen; if the item has changed since, the
   * failure is `CONFLICT`, with `current`. Needs the network.
   */
  restore(id: string, sync_version: number, expected: number): Promise<Result<void>> {
    const body: Schemas["RestoreRequest"] = { item_type: this.#type, item_id: id, sync_version, expected_version: expected };
    return this.#online.exclusive(async () => {
      const result = await this.#online.remote.send<Schemas["RestoreResponse"]>({ method: "POST", path: "/api/sync/restore", body });
      if (!result.ok) {
        return result;
      }
      const { item } = result.value;
      if (item) {
        await this.#online.store.transact({ keys: [META, itemKey(this.#type, item.id)] }, (records) => {
          const writes: Writes = new Map();
          takeItem(writes, records, this.#type, item);
          return { writes, result: undefined };
        });
      }
      return success(undefined);
    });
  }
}
