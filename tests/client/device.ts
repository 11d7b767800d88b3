// Device of a user: stores the version of each item that it has downloaded.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import type {
  Authenticated,
  Change,
  Conflict,
  Current,
  DownloadResponse,
  ItemType,
  SavedQuery,
  Strategy,
  UploadResponse,
  VersionRecord,
} from "./api.js";
import { type Api, connect, expectSuccess } from "./calls.js";

export class Device {
  readonly api: Api;
  /** Saved queries by id. */
  readonly queries = new Map<string, SavedQuery>();
  private readonly versions = new Map<string, number>();
  private since: string | undefined;

  constructor(base: string, readonly id: string, session: Authenticated) {
    this.api = connect(base, session.token);
  }

  /** Returns a change of a saved query, based on the version that this device knows. */
  writes(id: string, query: string, updated_at: string): Change {
    const sync_version = this.version("saved_query", id);
    const action = sync_version === 0 ? "create" : "update";
    const data = { name: id, query, tags: ["report"], favorite: true };
    return { id: randomUUID(), item_type: "saved_query", item_id: id, action, data, updated_at, sync_version };
  }

  deletes(item_type: ItemType, item_id: string, updated_at: string): Change {
    const sync_version = this.version(item_type, item_id);
    return { id: randomUUID(), item_type, item_id, action: "delete", updated_at, sync_version };
  }

  async uploads(changes: Change[], strategy?: Strategy): Promise<UploadResponse> {
    const body = {
      device_id: this.id,
      changes,
      ...(strategy && { conflict_strategy: strategy }),
      ...(this.since && { last_sync_at: this.since }),
    };
    const result = expectSuccess(await this.api.POST("/api/sync/upload", { body }));
    for (const applied of result.applied) {
      this.knows(applied.item_type, applied.item_id, applied.sync_version);
    }
    return result;
  }

  /** Downloads all pages and returns them. */
  async downloads(limit?: number): Promise<DownloadResponse[]> {
    const pages: DownloadResponse[] = [];
    for (;;) {
      const query = { device_id: this.id, ...(this.since && { since: this.since }), ...(limit && { limit }) };
      const page = expectSuccess(await this.api.GET("/api/sync/download", { params: { query } }));
      this.takes(page);
      pages.push(page);
      if (!page.has_more) {
        return pages;
      }
    }
  }

  private takes(page: DownloadResponse): void {
    if (page.reset) {
      this.versions.clear();
      this.queries.clear();
    }
    for (const item of page.connections) {
      this.knows("connection", item.id, item.sync_version);
    }
    for (const item of page.saved_queries) {
      this.knows("saved_query", item.id, item.sync_version);
      this.queries.set(item.id, item);
    }
    for (const item of page.query_history) {
      this.knows("query_history", item.id, item.sync_version);
    }
    for (const tombstone of page.deleted) {
      this.knows(tombstone.item_type, tombstone.item_id, tombstone.sync_version);
      if (tombstone.item_type === "saved_query") {
        this.queries.delete(tombstone.item_id);
      }
    }
    this.since = page.sync_timestamp;
  }

  private version(type: ItemType, id: string): number {
    return this.versions.get(`${type} ${id}`) ?? 0;
  }

  private knows(type: ItemType, id: string, version: number): void {
    this.versions.set(`${type} ${id}`, version);
  }
}

/** Returns the only element of `list`. */
export function only<T>(list: T[]): T {
  const [first] = list;
  assert.ok(first !== undefined && list.length === 1, `${list.length} instead of 1`);
  return first;
}

/** Returns the query text of a version of a conflict. */
export function queryOf(version: VersionRecord): string | undefined {
  return version.data && "query" in version.data ? version.data.query : undefined;
}

/** Asserts that an upload caused exactly one conflict and returns it. */
export function onlyConflict(result: UploadResponse): Conflict {
  assert.deepEqual([result.success, result.applied, result.rejected], [true, [], []]);
  const conflict = only(result.conflicts);
  assert.ok("id" in conflict);
  return conflict;
}

/** Asserts that an upload was refused, and returns the item that the server has. */
export function onlyRefusal(result: UploadResponse): Current {
  assert.deepEqual([result.success, result.applied, result.rejected], [true, [], []]);
  const refusal = only(result.conflicts);
  assert.ok("refused" in refusal && refusal.current);
  return refusal.current;
}
