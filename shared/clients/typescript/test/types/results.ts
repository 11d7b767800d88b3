// Results, conflicts and changes: mistakes that must not compile. This code is not run.
import {
  type Account, type Conflict, type Difference, type Failure, type Result, type SyncReport, type UnsyncedChange, differences, memoryStore,
  openClient,
} from "@sql-studio/sync";

const client = await openClient({ url: "http://127.0.0.1:8500", store: memoryStore() });
const [conflict] = await client.conflicts.list();
const [change] = await client.changes.list();

// A result has a value or an error, and `ok` says which.
const login: Result<Account> = await client.logIn({ username: "ada", password: "four words of mine" });
export const text: string = login.ok ? login.value.email : `${login.error.code}: ${login.error.message}`;
const report: SyncReport = await client.sync();
if (report.error?.code === "OFFLINE" || report.error?.code === "RATE_LIMIT_EXCEEDED") console.log(report.error.retryAfter);
client.onSignedOut((reason: Failure) => console.log(reason.message));
await client.logOut({ wipe: true });

/** Settles a conflict in each way. */
export async function settle(seen: Conflict): Promise<void> {
  const found: Difference[] = differences(seen.local_version.data, seen.remote_version.data);
  console.log(found.map(({ field, local, remote }) => [field, local, remote]), seen.item_type === "saved_query");
  await client.conflicts.resolve(seen, { keep: "local" });
  await client.conflicts.resolve(seen, { strategy: "keep_both" });
  const resolved: Result<void> = await client.conflicts.resolve(seen, { merged: { name: "Orders", query: "SELECT 1" } });
  if (!resolved.ok) console.log(resolved.error.conflict?.revision, resolved.error.current?.sync_version);
}

/** Lists the versions of a query, and restores one. */
export async function restore(): Promise<void> {
  const page = await client.savedQueries.versions("orders", { limit: 10 });
  if (page.ok && page.value.versions[1] && page.value.versions[0]) {
    const [current, previous] = page.value.versions;
    await client.savedQueries.restore("orders", previous.sync_version, current.sync_version);
  }
}

/** Takes a rejected change back, or sends it again. */
export async function repair(rejected: UnsyncedChange): Promise<void> {
  const where = rejected.rejected?.details.map(({ field, rule, start }) => [field, rule, start]);
  const done: boolean = where ? await client.changes.discard(rejected) : await client.changes.retry(rejected);
  console.log(done);
}

/** Results that must not compile. */
export async function results(): Promise<void> {
  // @ts-expect-error: a failure has no value
  console.log(login.value.email);
  // @ts-expect-error: a success has no error
  console.log(login.error.code);
  // @ts-expect-error: unknown code
  if (!login.ok && login.error.code === "NO_NETWORK") console.log("offline");
  // @ts-expect-error: there may be no error
  console.log(report.error.code);
  // @ts-expect-error: a report is read
  report.uploaded = 1;
  // @ts-expect-error: a sync is awaited
  console.log(client.sync().uploaded);
  // @ts-expect-error: the email address is missing
  await client.signUp({ username: "ada", password: "four words of mine" });
  // @ts-expect-error: misspelled field
  await client.logIn({ user: "ada", password: "four words of mine" });
  // @ts-expect-error: the new password is missing
  await client.account.changePassword({ current: "four words of mine" });
}

/** Decisions that must not compile. */
export async function decisions(): Promise<void> {
  if (!conflict || !change) return;
  // @ts-expect-error: the choice is missing
  await client.conflicts.resolve(conflict);
  // @ts-expect-error: an empty choice
  await client.conflicts.resolve(conflict, {});
  // @ts-expect-error: unknown version
  await client.conflicts.resolve(conflict, { keep: "both" });
  // @ts-expect-error: unknown strategy
  await client.conflicts.resolve(conflict, { strategy: "refuse" });
  // @ts-expect-error: two decisions
  await client.conflicts.resolve(conflict, { keep: "local", strategy: "keep_both" });
  // @ts-expect-error: a merged query has a text
  await client.conflicts.resolve(conflict, { merged: { name: "Orders" } });
  // @ts-expect-error: the conflict that was seen, not its id
  await client.conflicts.resolve(conflict.id, { keep: "local" });
  // @ts-expect-error: a conflict is no change
  await client.changes.retry(conflict);
  // @ts-expect-error: unknown item type
  if (change.item_type === "query") console.log(change);
  // @ts-expect-error: the expected version is missing
  await client.savedQueries.restore("orders", 1);
}
