// Scenario of two devices of one user with the generated client: `node story.js http://127.0.0.1:8500`.
import assert from "node:assert/strict";
import { manageSessions, deleteAccount, logIn, requestEmails, signUp } from "./account.js";
import { called, connect, step, expectSuccess } from "./calls.js";
import { Device } from "./device.js";
import { checkRejections, deleteItem, resolveByStrategy, resolveByUser, shareItems } from "./sync.js";
import { checkDigest, mergeEdits, refuseOutdatedEdit, restoreVersion } from "./versions.js";

async function readStatus(base: string, laptop: Device): Promise<void> {
  step("status and limits are read");
  const status = expectSuccess(await laptop.api.GET("/api/sync/status"));
  assert.deepEqual(status.counts, { connection: 1, saved_query: 1, query_history: 3 });
  assert.deepEqual(status.devices.map((device) => device.device_id).sort(), ["laptop", "phone"]);
  assert.equal(status.open_conflicts, 0);
  const api = connect(base);
  const limits = expectSuccess(await api.GET("/api/sync/limits"));
  assert.deepEqual(limits.strategies, ["last_write_wins", "keep_both", "user_choice", "merge", "refuse"]);
  assert.ok(status.storage.bytes < limits.user_bytes && status.storage.items <= limits.user_items);
  assert.ok(limits.strategies.includes(limits.default_strategy));
  assert.ok(limits.changes_per_upload > 0 && limits.fields.name > 0 && limits.rates_per_minute.upload > 0);
  assert.equal(expectSuccess(await api.GET("/health")).status, "healthy");
  assert.equal(expectSuccess(await api.GET("/ready")).status, "ready");
}

/** Checks that every operation of the document was called, except the pages for users. */
async function checkCoverage(base: string): Promise<void> {
  step("every operation was called");
  const { paths } = expectSuccess(await connect(base).GET("/openapi.json"));
  const operations = entries(paths).flatMap(([path, methods]) => {
    return entries(methods).map(([method]) => `${method.toUpperCase()} ${path}`);
  });
  const missing = operations.filter((operation) => !called.has(operation));
  assert.deepEqual(missing.sort(), ["GET /docs", "GET /reset-password", "GET /verify-email"]);
}

function entries(value: unknown): [string, unknown][] {
  assert.ok(typeof value === "object" && value !== null);
  return Object.entries(value);
}

const [base] = process.argv.slice(2);
assert.ok(base, "usage: node story.js URL");
const session = await signUp(base);
const laptop = new Device(base, "laptop", session);
const phone = new Device(base, "phone", await logIn(base, "phone"));
await shareItems(laptop, phone);
await resolveByStrategy(laptop, phone);
await resolveByUser(laptop, phone);
await mergeEdits(laptop, phone);
await refuseOutdatedEdit(laptop, phone);
await restoreVersion(laptop, phone);
await checkDigest(phone);
await deleteItem(laptop, phone);
await checkRejections(laptop);
await readStatus(base, laptop);
await manageSessions(base, session);
await requestEmails(base, session);
await deleteAccount(base, session);
await checkCoverage(base);
