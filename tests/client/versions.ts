// Merged edits, replaced versions, and the digest.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { expectError, expectSuccess, step } from "./calls.js";
import { type Device, only, onlyRefusal } from "./device.js";

const item = { item_type: "saved_query", item_id: "orders" } as const;

export async function mergeEdits(laptop: Device, phone: Device): Promise<void> {
  step("merge: edits of different fields are merged, and a field that the server does not know survives");
  await Promise.all([laptop.downloads(), phone.downloads()]);
  const rewritten = laptop.writes("orders", "SELECT 8", "2026-01-01T10:07:30Z");
  const renamed = phone.writes("orders", phone.queries.get("orders")?.query ?? "", "2026-01-01T10:07:40Z");
  assert.ok(rewritten.data && renamed.data);
  const withFolder = { ...renamed.data, tags: ["report", "phone"], folder: "work" };
  await laptop.uploads([rewritten], "merge");
  const applied = only((await phone.uploads([{ ...renamed, data: withFolder }], "merge")).applied);
  assert.equal(applied.merged, true);
  const current = applied.current?.data;
  assert.ok(current && "query" in current && "tags" in current && "folder" in current);
  assert.deepEqual([current.query, current.tags, current.folder], ["SELECT 8", ["report", "phone"], "work"]);
  assert.equal(applied.current?.sync_version, applied.sync_version);
}

export async function refuseOutdatedEdit(laptop: Device, phone: Device): Promise<void> {
  step("refuse: an edit of an older version is not applied, and the answer has the newest one");
  await Promise.all([laptop.downloads(), phone.downloads()]);
  await laptop.uploads([laptop.writes("orders", "SELECT 9", "2026-01-01T10:07:50Z")], "refuse");
  const current = onlyRefusal(await phone.uploads([phone.writes("orders", "SELECT 10", "2026-01-01T10:07:55Z")], "refuse"));
  assert.ok(current.data && "query" in current.data);
  assert.equal(current.data.query, "SELECT 9");
  await phone.downloads();
  const again = await phone.uploads([phone.writes("orders", "SELECT 10", "2026-01-01T10:07:55Z")], "refuse");
  assert.equal(only(again.applied).sync_version, current.sync_version + 1);
  const query = { device_id: "phone", item_type: ["connection" as const] };
  assert.deepEqual(expectSuccess(await phone.api.GET("/api/sync/download", { params: { query } })).saved_queries, []);
}

export async function restoreVersion(laptop: Device, phone: Device): Promise<void> {
  step("a replaced version is listed and restored, but not over one that the user has not seen");
  const page = expectSuccess(await laptop.api.GET("/api/sync/versions", { params: { query: { ...item, limit: 2 } } }));
  const [newest, older] = page.versions;
  assert.ok(newest && older && page.next_cursor !== undefined);
  assert.deepEqual([newest.replaced_at, typeof older.replaced_at], [undefined, "string"]);
  const body = { ...item, sync_version: older.sync_version, expected_version: newest.sync_version };
  const outdated = { ...body, expected_version: older.sync_version };
  const refused = expectError(await phone.api.POST("/api/sync/restore", { body: outdated }), 409, "CONFLICT");
  assert.equal(refused.current?.sync_version, newest.sync_version);
  const restored = expectSuccess(await phone.api.POST("/api/sync/restore", { body }));
  assert.equal(restored.item?.sync_version, newest.sync_version + 1);
  assert.deepEqual(expectSuccess(await phone.api.POST("/api/sync/restore", { body })), restored);
  await laptop.downloads();
  assert.ok(restored.item && "query" in restored.item);
  assert.equal(laptop.queries.get("orders")?.query, restored.item.query);
}

export async function checkDigest(device: Device): Promise<void> {
  step("the digest is that of the downloaded items");
  const query = { device_id: "digest" };
  const page = expectSuccess(await device.api.GET("/api/sync/download", { params: { query } }));
  assert.equal(page.has_more, false);
  const digestOf = (type: string, items: typeof page.connections | typeof page.saved_queries) => {
    const hashes = items.map((item) => {
      const millis = Date.parse(item.updated_at ?? "");
      const text = [type, item.id, item.sync_version, millis].join("\0");
      return createHash("sha256").update(text).digest().readBigUInt64BE();
    });
    const sum = hashes.reduce((sum, hash) => BigInt.asUintN(64, sum + hash), 0n);
    return { count: items.length, hash: sum.toString(16).padStart(16, "0") };
  };
  assert.deepEqual(page.digest, {
    connections: digestOf("connection", page.connections),
    saved_queries: digestOf("saved_query", page.saved_queries),
    query_history: { count: page.query_history.length },
  });
}
