// Two devices of one user, by the generated client: `node story.js http://127.0.0.1:8500`.
import assert from "node:assert/strict";
import { keepingSessions, leaving, loggingIn, mailing, signingUp } from "./account.js";
import { called, connect, step, told } from "./calls.js";
import { Device } from "./device.js";
import { choosing, deleting, refusing, settling, sharing } from "./sync.js";

async function reading(base: string, laptop: Device): Promise<void> {
  step("status and limits are read");
  const status = told(await laptop.api.GET("/api/sync/status"));
  assert.deepEqual(status.counts, { connection: 1, saved_query: 1, query_history: 3 });
  assert.deepEqual(status.devices.map((device) => device.device_id).sort(), ["laptop", "phone"]);
  assert.equal(status.open_conflicts, 0);
  const api = connect(base);
  const limits = told(await api.GET("/api/sync/limits"));
  assert.deepEqual(limits.strategies, ["last_write_wins", "keep_both", "user_choice"]);
  assert.ok(limits.strategies.includes(limits.default_strategy));
  assert.ok(limits.changes_per_upload > 0 && limits.fields.name > 0 && limits.rates_per_minute.upload > 0);
  assert.equal(told(await api.GET("/health")).status, "healthy");
  assert.equal(told(await api.GET("/ready")).status, "ready");
}

/** Every operation of the document has been called, but for the pages that people open. */
async function forgettingNothing(base: string): Promise<void> {
  step("every operation was called");
  const { paths } = told(await connect(base).GET("/openapi.json"));
  const operations = entries(paths).flatMap(([path, methods]) => {
    return entries(methods).map(([method]) => `${method.toUpperCase()} ${path}`);
  });
  const missing = operations.filter((operation) => !called.has(operation));
  assert.deepEqual(missing.sort(), ["GET /reset-password", "GET /verify-email"]);
}

function entries(value: unknown): [string, unknown][] {
  assert.ok(typeof value === "object" && value !== null);
  return Object.entries(value);
}

const [base] = process.argv.slice(2);
assert.ok(base, "usage: node story.js URL");
const session = await signingUp(base);
const laptop = new Device(base, "laptop", session);
const phone = new Device(base, "phone", await loggingIn(base, "phone"));
await sharing(laptop, phone);
await settling(laptop, phone);
await choosing(laptop, phone);
await deleting(laptop, phone);
await refusing(laptop);
await reading(base, laptop);
await keepingSessions(base, session);
await mailing(base, session);
await leaving(base, session);
await forgettingNothing(base);
