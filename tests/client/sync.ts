// Sync of two devices.
import assert from "node:assert/strict";
import type { Change, QueryHistory, ResolveRequest } from "./api.js";
import { fields, expectError, step, expectSuccess } from "./calls.js";
import { type Device, onlyConflict, only, queryOf } from "./device.js";

/** Returns the time `minute` minutes into a fixed hour in the past. */
const at = (minute: number): string => new Date(Date.UTC(2026, 0, 1, 10, minute)).toISOString();

const run = (query: string): QueryHistory => ({
  query,
  connection_id: "shop",
  executed_at: at(0),
  duration_ms: 12,
  rows_affected: -1,
  success: true,
});

export async function shareItems(laptop: Device, phone: Device): Promise<void> {
  step("the laptop uploads, the phone downloads it page by page");
  const shop: Change = {
    item_type: "connection",
    item_id: "shop",
    action: "create",
    updated_at: at(1),
    data: { name: "Shop", type: "postgres", database: "shop", port: 5432, created_at: at(0) },
  };
  const history = ["SELECT 1", "SELECT 2", "SELECT 3"].map((query, index): Change => {
    return { item_type: "query_history", item_id: `run ${index}`, action: "create", data: run(query) };
  });
  const changes = [shop, laptop.writes("orders", "SELECT 1", at(1)), ...history];
  const result = await laptop.uploads(changes);
  assert.deepEqual([result.success, result.conflicts, result.rejected], [true, [], []]);
  assert.deepEqual(result.applied.map((item) => item.item_id), changes.map((change) => change.item_id));
  assert.ok(result.applied.every((item) => item.sync_version === 1));

  const pages = await phone.downloads(2);
  assert.deepEqual(pages.map((page) => page.reset), [true, false, false]);
  assert.deepEqual(pages.map((page) => page.has_more), [true, true, false]);
  const connection = only(pages.flatMap((page) => page.connections));
  assert.deepEqual([connection.type, connection.port, connection.host], ["postgres", 5432, undefined]);
  assert.equal(Date.parse(connection.created_at ?? ""), Date.parse(at(0)));
  assert.deepEqual(only(pages.flatMap((page) => page.saved_queries)).tags, ["report"]);
  const runs = pages.flatMap((page) => page.query_history);
  assert.deepEqual(runs.map((item) => item.query).sort(), ["SELECT 1", "SELECT 2", "SELECT 3"]);
  assert.equal(only(await phone.downloads()).reset, false);
}

export async function resolveByStrategy(laptop: Device, phone: Device): Promise<void> {
  step("last_write_wins: the phone wrote last");
  await laptop.downloads();
  await laptop.uploads([laptop.writes("orders", "SELECT 2", at(2))]);
  const won = onlyConflict(await phone.uploads([phone.writes("orders", "SELECT 3", at(3))], "last_write_wins"));
  assert.deepEqual([won.resolution, won.winner, won.copy_id], ["last_write_wins", "local", undefined]);
  assert.deepEqual([queryOf(won.remote_version), queryOf(won.local_version)], ["SELECT 2", "SELECT 3"]);
  await laptop.downloads();
  assert.equal(laptop.queries.get("orders")?.query, "SELECT 3");

  step("keep_both: a copy is created");
  await phone.downloads();
  await laptop.uploads([laptop.writes("orders", "SELECT 4", at(4))]);
  const kept = onlyConflict(await phone.uploads([phone.writes("orders", "SELECT 5", at(5))], "keep_both"));
  assert.deepEqual([kept.resolution, kept.winner], ["keep_both", undefined]);
  await laptop.downloads();
  const both = ["orders", kept.copy_id ?? ""].map((id) => laptop.queries.get(id)?.query);
  assert.deepEqual(both.sort(), ["SELECT 4", "SELECT 5"]);
}

export async function resolveByUser(laptop: Device, phone: Device): Promise<void> {
  step("user_choice: open conflicts are listed, and resolved");
  const merged = { name: "orders", query: "SELECT 6, 7", tags: [] };
  await resolveConflict(laptop, phone, { strategy: "user_choice", merged_data: merged }, "merged");
  await resolveConflict(laptop, phone, { strategy: "user_choice", chosen_version: "local" }, "local");

  const path = { id: "00000000-0000-4000-8000-000000000000" };
  const nowhere = { params: { path }, body: { strategy: "keep_both" } } as const;
  expectError(await laptop.api.POST("/api/sync/conflicts/{id}/resolve", nowhere), 404, "NOT_FOUND");
  const query = { status: "all", limit: 3 } as const;
  const page = expectSuccess(await laptop.api.GET("/api/sync/conflicts", { params: { query } }));
  assert.deepEqual([page.count, page.conflicts.length], [4, 3]);
  const rest = { params: { query: { ...query, cursor: page.next_cursor ?? "" } } };
  assert.equal(expectSuccess(await laptop.api.GET("/api/sync/conflicts", rest)).next_cursor, undefined);
}

async function resolveConflict(laptop: Device, phone: Device, body: ResolveRequest, winner: string): Promise<void> {
  await Promise.all([laptop.downloads(), phone.downloads()]);
  await laptop.uploads([laptop.writes("orders", "SELECT 6", at(6))]);
  const open = onlyConflict(await phone.uploads([phone.writes("orders", "SELECT 7", at(7))], "user_choice"));
  assert.deepEqual([open.resolution, open.winner, open.resolved_at], [undefined, undefined, undefined]);
  const listed = expectSuccess(await laptop.api.GET("/api/sync/conflicts"));
  assert.equal(only(listed.conflicts).id, open.id);
  assert.equal(only((await laptop.downloads()).flatMap((page) => page.conflicts)).id, open.id);

  const params = { path: { id: open.id } };
  const resolved = expectSuccess(await laptop.api.POST("/api/sync/conflicts/{id}/resolve", { params, body }));
  assert.ok(resolved.item && "query" in resolved.item);
  const other = { params, body: { strategy: "keep_both" } } as const;
  expectError(await laptop.api.POST("/api/sync/conflicts/{id}/resolve", other), 409, "CONFLICT");
  await phone.downloads();
  assert.equal(phone.queries.get("orders")?.query, resolved.item.query);
  const resolvedList = expectSuccess(await phone.api.GET("/api/sync/conflicts", { params: { query: { status: "resolved" } } }));
  assert.equal(resolvedList.conflicts.find((conflict) => conflict.id === open.id)?.winner, winner);
}

export async function deleteItem(laptop: Device, phone: Device): Promise<void> {
  step("a deletion on the laptop reaches the phone as a tombstone");
  await laptop.downloads();
  await laptop.uploads([laptop.deletes("saved_query", "orders", at(8))]);
  const tombstone = only((await phone.downloads()).flatMap((page) => page.deleted));
  assert.deepEqual([tombstone.item_type, tombstone.item_id], ["saved_query", "orders"]);
  assert.ok(!phone.queries.has("orders"));
}

export async function checkRejections(laptop: Device): Promise<void> {
  step("a credential is rejected, with its field");
  const change = laptop.writes("leak", "ALTER USER ada PASSWORD 'Xq7-bTz2-mK9'", at(9));
  const result = await laptop.uploads([change]);
  assert.equal(result.success, false);
  const rejected = only(result.rejected);
  assert.deepEqual([rejected.code, rejected.change.id], ["CREDENTIALS_PRESENT", change.id]);
  const found = only(rejected.details);
  assert.equal(found.field, "changes[0].data.query");
  assert.equal("ALTER USER ada PASSWORD 'Xq7-bTz2-mK9'".slice(found.start, found.end), "Xq7-bTz2-mK9");

  step("invalid requests are refused with all invalid fields");
  const query = { device_id: "", limit: 0, since: "yesterday" };
  const wrong = await laptop.api.GET("/api/sync/download", { params: { query } });
  assert.deepEqual(fields(expectError(wrong, 400, "INVALID_REQUEST")), ["device_id", "limit", "since"]);
}
