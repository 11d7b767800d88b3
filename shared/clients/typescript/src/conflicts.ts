import { serverItem, take } from "./received.ts";
import {
  type Writes, CONFLICTS, META, conflictKey, conflictOf, itemIn, itemKey, metaIn, newItem, toJson, writeItem,
} from "./records.ts";
import type { Remote } from "./remote.ts";
import { type Result, success } from "./result.ts";
import type { Records, Store } from "./store.ts";
import { subscribeTo } from "./subscription.ts";
import type { Conflict, ItemType, Schemas } from "./types.ts";

/**
 * Decision on a conflict: one of the two versions becomes the item (`keep`), or what the user has made of both (`merged`), or the later
 * one (`last_write_wins`), or both are kept, one as a copy (`keep_both`).
 */
export type Choice =
  | { readonly keep: "local" | "remote"; readonly merged?: never; readonly strategy?: never }
  | { readonly merged: Schemas["Content"]; readonly keep?: never; readonly strategy?: never }
  | { readonly strategy: Schemas["Rule"]; readonly keep?: never; readonly merged?: never };

/** What `Conflicts` and `Versions` need of the client. */
export interface Online {
  readonly store: Store;
  readonly remote: Remote;
  /** Runs a write to the server and the transaction that takes its result, while no other tab does. */
  readonly exclusive: <T>(run: () => Promise<T>) => Promise<T>;
}

/** Conflicts that wait for the user. */
export class Conflicts {
  readonly #online: Online;

  constructor(online: Online) {
    this.#online = online;
  }

  /** Returns the open conflicts as of the last sync, newest first. */
  async list(): Promise<Conflict[]> {
    const records = await this.#online.store.list(CONFLICTS);
    const conflicts = records.map(([, json]) => conflictOf(json).conflict);
    return conflicts.sort((one, other) => Date.parse(other.detected_at) - Date.parse(one.detected_at));
  }

  /** Calls `listener` with the open conflicts: now, and after each change. Returns a function that ends it. */
  subscribe(listener: (conflicts: Conflict[]) => void): () => void {
    return subscribeTo(this.#online.store, [CONFLICTS], () => this.list(), listener);
  }

  /**
   * Settles a conflict that the user has seen. Needs the network. If the conflict or the item has changed since, the failure is
   * `CONFLICT`, nothing is changed, and `list` has the conflict as it is now.
   */
  async resolve(conflict: Conflict, choice: Choice): Promise<Result<void>> {
    const path = `/api/sync/conflicts/${encodeURIComponent(conflict.id)}/resolve`;
    const body: Schemas["ResolveRequest"] = { ...decision(choice), revision: conflict.revision };
    return this.#online.exclusive(async () => {
      const result = await this.#online.remote.send<Schemas["ResolveResponse"]>({ method: "POST", path, body });
      if (result.ok) {
        await this.#write(conflict, undefined, result.value.item);
        return success(undefined);
      }
      if (result.error.conflict) {
        await this.#write(conflict, result.error.conflict);
      }
      return result;
    });
  }

  async #write(seen: Conflict, now: Conflict | undefined, item?: Schemas["ResolveResponse"]["item"]): Promise<void> {
    const isOpen = now !== undefined && now.resolved_at === undefined;
    const keys = [META, conflictKey(seen.id), ...(item ? [itemKey(seen.item_type, item.id)] : [])];
    await this.#online.store.transact({ keys }, (records) => {
      const writes: Writes = new Map();
      writes.set(conflictKey(seen.id), isOpen ? toJson({ conflict: now, round: metaIn(records).round }) : undefined);
      if (item) {
        takeItem(writes, records, seen.item_type, item);
      }
      return { writes, result: undefined };
    });
  }
}

/** Takes an item from the response to a write. */
export function takeItem(
  writes: Writes, records: Records, type: ItemType, item: { readonly id: string; readonly sync_version: number },
): void {
  const stored = itemIn(records, itemKey(type, item.id)) ?? newItem(type, item.id);
  const [meta, taken] = take(metaIn(records), stored, serverItem(item));
  writes.set(META, toJson(meta));
  writeItem(writes, taken);
}

function decision({ keep, merged, strategy }: Choice): Schemas["ResolveRequest"] {
  if (strategy) {
    return { strategy };
  }
  return keep ? { strategy: "user_choice", chosen_version: keep } : { strategy: "user_choice", merged_data: merged };
}
