import assert from "node:assert/strict";
import type { Change, Schemas } from "../../src/types.ts";
import { type Edit, keyOf } from "./edits.ts";

type Applied = Schemas["Applied"];

/** Body of an upload, as far as the record of edits needs it. */
export interface UploadBody {
  readonly device_id: string;
  readonly changes: readonly (Pick<Change, "item_type" | "item_id" | "data" | "updated_at" | "sync_version"> & { readonly id: string })[];
}

interface SentChange {
  readonly content: string;
  readonly version: number;
}

/** Response to an upload, as far as the record of edits needs it. */
export interface UploadResult {
  readonly applied: readonly Pick<Applied, "change_id" | "item_type" | "item_id" | "sync_version" | "current">[];
  readonly conflicts: UploadResult["applied"];
  readonly rejected: readonly { readonly change: { readonly id: string }; readonly code: string }[];
}

/** Checks what devices upload. */
export class Wire {
  /** Changes as they were sent first, by id, and ids by their content. */
  readonly #sent = new Map<string, SentChange>();
  readonly #ids = new Map<string, string>();
  /** Versions that the server has made of changes of a device without altering them, by device and item. */
  readonly #ownVersions = new Set<string>();

  /**
   * Records that an upload leaves a device. The server recognises a repetition by its id, and compares the version of the edit with its own:
   * a change keeps both, and its content. A version is one that the user has read, or that the device itself has made of an earlier edit.
   */
  upload({ device_id, changes }: UploadBody, editOf: (changeId: string) => Edit | undefined): void {
    for (const change of changes) {
      const { id, item_type, item_id, data, updated_at } = change;
      const sync_version = change.sync_version ?? 0;
      const key = keyOf(item_type, item_id);
      const content = JSON.stringify([device_id, key, updated_at, data]);
      const first = this.#sent.get(id);
      assert.ok(!first || (first.content === content && first.version === sync_version), `${id} is sent again, but not as before`);
      this.#sent.set(id, { content, version: sync_version });
      assert.ok(!data || (this.#ids.get(content) ?? id) === id, `${id} was sent as ${this.#ids.get(content)} before`);
      this.#ids.set(content, id);
      const edit = editOf(id);
      const isKnown = !edit || edit.isBlind || sync_version <= edit.readVersion || this.#ownVersions.has(`${device_id} ${key} ${sync_version}`);
      assert.ok(isKnown, `${edit?.marker} is on version ${sync_version}, but its user has read ${edit?.readVersion}`);
    }
  }

  /** Records that a device has received the response to an upload. */
  receive(body: UploadBody, response: UploadResult): void {
    for (const { item_type, item_id, sync_version, current } of [...response.applied, ...response.conflicts]) {
      if (!current) {
        this.#ownVersions.add(`${body.device_id} ${keyOf(item_type, item_id)} ${sync_version}`);
      }
    }
    // The server forgets what it has rejected.
    response.rejected.forEach(({ change }) => this.#sent.delete(change.id));
  }
}
