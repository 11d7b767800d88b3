/**
 * Accounts, with the service in `SERVICE_URL`, which has been started with `RATE_LIMITS=off`:
 * `SERVICE_URL=http://127.0.0.1:8500 SERVICE_OUTBOX=data/outbox node --test test/account.test.ts`. Without the folder of the
 * emails, `SERVICE_OUTBOX`, the links in them are not tested.
 */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { describe, test, type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Accounts } from "../src/account.ts";
import { Http } from "../src/http.ts";
import { failure, type Failure } from "../src/result.ts";
import { Session, storedTokens, type TokenStore } from "../src/session.ts";
import { memoryStore } from "../src/stores/memory.ts";
import { startProxy, type Proxy } from "./proxy.ts";
import { errorOf, valueOf } from "./results.ts";

const OUTBOX = process.env["SERVICE_OUTBOX"];
const LINKS = { skip: OUTBOX === undefined && "SERVICE_OUTBOX is not set" };
const [PASSWORD, OTHER] = ["Sesame42", "Barley77"];

interface Device {
  readonly accounts: Accounts;
  readonly session: Session;
  readonly tokens: TokenStore;
  readonly proxy: Proxy;
}

async function device(t: TestContext, deviceName: string): Promise<Device> {
  const [proxy, store] = [await startProxy(t), memoryStore()];
  const [http, tokens] = [new Http({ url: proxy.url }), storedTokens(store)];
  const session = new Session({ http, store, tokens });
  return { accounts: new Accounts({ http, session, deviceName }), session, tokens, proxy };
}

const newUser = (): { username: string; email: string; password: string } =>
  ({ username: `u${randomUUID()}`, email: `${randomUUID()}@example.com`, password: PASSWORD });

/** Returns the JSON of the last request with this method and path. */
function bodyOf({ requests, seen }: Proxy, request: string): unknown {
  return JSON.parse(requests[seen.lastIndexOf(request)]?.body.toString() ?? "");
}

/** Returns the id of the device in a device token. */
function deviceIn(token: string | undefined): unknown {
  const claims: { jti?: unknown } = JSON.parse(Buffer.from(token?.split(".")[1] ?? "", "base64url").toString());
  assert.ok(claims.jti);
  return claims.jti;
}

/** Waits for an email with a link to `page`, and returns the token in it. */
async function linkTo(page: string, address: string): Promise<string> {
  const folder = OUTBOX ?? "";
  for (let attempts = 0; attempts < 200; attempts += 1) {
    for (const name of await readdir(folder)) {
      const text = name.endsWith(".txt") ? await readFile(join(folder, name), "utf8") : "";
      const token = new RegExp(`/${page}#token=(\\S+)`).exec(text)?.[1];
      if (token !== undefined && text.includes(`To: ${address}`)) {
        return token;
      }
    }
    await sleep(50);
  }
  throw new Error(`no email with a link to ${page}`);
}

test("signing up, logging out and logging in open and close sessions", async (t) => {
  const { accounts, session, tokens, proxy } = await device(t, "laptop");
  const user = newUser();
  const account = valueOf(await accounts.signUp(user));
  assert.deepEqual([account.username, account.email, account.email_verified], [user.username, user.email, false]);
  assert.deepEqual(await session.account(), account);
  assert.deepEqual(bodyOf(proxy, "POST /api/auth/signup"), { ...user, device: "laptop" });
  const device_token = await session.deviceToken();
  assert.ok(device_token);

  valueOf(await accounts.logOut());
  assert.equal(await tokens.load(), undefined);
  assert.equal(errorOf(await accounts.profile()).code, "SIGNED_OUT");

  assert.equal(errorOf(await accounts.logIn({ username: user.email, password: OTHER })).code, "INVALID_CREDENTIALS");
  assert.equal(await tokens.load(), undefined);
  assert.deepEqual(valueOf(await accounts.logIn({ username: user.email, password: PASSWORD })), account);
  const sent = { username: user.email, password: PASSWORD, device: "laptop", device_token };
  assert.deepEqual(bodyOf(proxy, "POST /api/auth/login"), sent);
  // The service has recognised the device.
  assert.equal(deviceIn(await session.deviceToken()), deviceIn(device_token));
  assert.deepEqual(valueOf(await accounts.profile()), account);
});

test("signing up fails with the invalid fields, or the one that is taken", async (t) => {
  const { accounts, tokens } = await device(t, "laptop");
  const user = newUser();
  const error = errorOf(await accounts.signUp({ username: "", email: "none", password: "short" }));
  assert.deepEqual([error.code, error.details?.length], ["INVALID_REQUEST", 3]);
  valueOf(await accounts.signUp(user));
  const before = await tokens.load();
  const taken = errorOf(await accounts.signUp(user));
  assert.deepEqual([taken.code, taken.details?.[0]?.field], ["CONFLICT", "username"]);
  assert.deepEqual(await tokens.load(), before);
});

test("an account that the device refuses is not logged in", async (t) => {
  const { accounts, proxy } = await device(t, "laptop");
  const user = newUser();
  valueOf(await accounts.signUp(user));
  const refusal: Failure = { code: "FORBIDDEN", message: "other data" };
  const [http, store] = [new Http({ url: proxy.url }), memoryStore()];
  const session = new Session({ http, store, onSignedIn: async () => failure(refusal) });
  assert.deepEqual(errorOf(await new Accounts({ http, session }).logIn(user)), refusal);
  assert.equal(await session.account(), undefined);
  assert.equal(valueOf(await accounts.sessions.list()).length, 1);
});

test("sessions are listed and ended", async (t) => {
  const user = newUser();
  const [laptop, phone, tablet] = [await device(t, "laptop"), await device(t, "phone"), await device(t, "tablet")];
  valueOf(await laptop.accounts.signUp(user));
  valueOf(await phone.accounts.logIn(user));
  valueOf(await tablet.accounts.logIn(user));
  const list = async (): Promise<[string, boolean][]> =>
    valueOf(await laptop.accounts.sessions.list()).map(({ device, current }): [string, boolean] => [device, current]);
  assert.deepEqual((await list()).sort(), [["laptop", true], ["phone", false], ["tablet", false]]);

  const id = valueOf(await laptop.accounts.sessions.list()).find(({ device }) => device === "phone")?.id ?? "";
  valueOf(await laptop.accounts.sessions.end(id));
  assert.equal(errorOf(await phone.accounts.profile()).code, "SIGNED_OUT");
  assert.equal(errorOf(await laptop.accounts.sessions.end(id)).code, "NOT_FOUND");
  assert.equal(errorOf(await laptop.accounts.sessions.end("../profile?x")).code, "NOT_FOUND");
  assert.equal(laptop.proxy.seen.at(-1), "DELETE /api/auth/sessions/..%2Fprofile%3Fx");

  valueOf(await laptop.accounts.sessions.endOthers());
  assert.deepEqual(await list(), [["laptop", true]]);
  assert.equal(errorOf(await tablet.accounts.profile()).code, "SIGNED_OUT");
});

test("a new password ends the other sessions and keeps this one", async (t) => {
  const user = newUser();
  const [laptop, phone] = [await device(t, "laptop"), await device(t, "phone")];
  valueOf(await laptop.accounts.signUp(user));
  valueOf(await phone.accounts.logIn(user));
  const before = await laptop.tokens.load();
  assert.equal(errorOf(await laptop.accounts.changePassword({ current: OTHER, new: OTHER })).code, "INVALID_CREDENTIALS");
  const weak = errorOf(await laptop.accounts.changePassword({ current: PASSWORD, new: "short" }));
  assert.deepEqual(weak.details?.map(({ field }) => field), ["new_password"]);
  valueOf(await laptop.accounts.changePassword({ current: PASSWORD, new: OTHER }));
  valueOf(await laptop.accounts.profile());
  assert.deepEqual(await laptop.tokens.load(), before);
  // A wrong password is no reason to refresh.
  assert.equal(laptop.proxy.seen.includes("POST /api/auth/refresh"), false);
  assert.equal(errorOf(await phone.accounts.profile()).code, "SIGNED_OUT");
  assert.equal(errorOf(await phone.accounts.logIn(user)).code, "INVALID_CREDENTIALS");
  valueOf(await phone.accounts.logIn({ ...user, password: OTHER }));
});

test("a deleted account leaves nothing on the device", async (t) => {
  const { accounts, session, tokens, proxy } = await device(t, "laptop");
  const user = newUser();
  assert.equal(errorOf(await accounts.deleteAccount(PASSWORD)).code, "SIGNED_OUT");
  assert.deepEqual(proxy.seen, []);
  valueOf(await accounts.signUp(user));
  assert.equal(errorOf(await accounts.deleteAccount(OTHER)).code, "INVALID_CREDENTIALS");
  valueOf(await accounts.profile());
  valueOf(await accounts.deleteAccount(PASSWORD));
  assert.deepEqual([await tokens.load(), await session.deviceToken()], [undefined, undefined]);
  assert.equal(errorOf(await accounts.logIn(user)).code, "INVALID_CREDENTIALS");
});

test("the deletion of an account is not sent under another one", async (t) => {
  const [laptop, phone] = [await device(t, "laptop"), await device(t, "phone")];
  valueOf(await laptop.accounts.signUp(newUser()));
  valueOf(await phone.accounts.signUp(newUser()));
  const loads = [laptop.tokens, phone.tokens, phone.tokens];
  const tokens: TokenStore = { load: async () => loads.shift()?.load(), save: phone.tokens.save };
  const http = new Http({ url: laptop.proxy.url });
  const accounts = new Accounts({ http, session: new Session({ http, store: memoryStore(), tokens }) });
  assert.equal(errorOf(await accounts.deleteAccount(PASSWORD)).code, "SIGNED_OUT");
  valueOf(await phone.accounts.profile());
});

test("the deletion of an account leaves another one that has logged in meanwhile", async (t) => {
  const { accounts, session, proxy } = await device(t, "laptop");
  valueOf(await accounts.signUp(newUser()));
  const other = newUser();
  proxy.handler = async ({ method }, forward) => {
    const reply = await forward();
    if (method === "DELETE") {
      valueOf(await accounts.signUp(other));
    }
    return reply;
  };
  valueOf(await accounts.deleteAccount(PASSWORD));
  assert.equal((await session.account())?.username, other.username);
});

describe("an emailed link", () => {
  const UNKNOWN = "A".repeat(43);

  test("is refused if the service does not know it", async (t) => {
    const { accounts } = await device(t, "laptop");
    assert.equal(errorOf(await accounts.verifyEmail({ token: "none" })).code, "INVALID_REQUEST");
    assert.equal(errorOf(await accounts.verifyEmail({ token: UNKNOWN, password: PASSWORD })).code, "TOKEN_SPENT");
    assert.equal(errorOf(await accounts.resetPassword({ token: UNKNOWN, password: OTHER })).code, "TOKEN_SPENT");
    const weak = errorOf(await accounts.resetPassword({ token: UNKNOWN, password: "short" }));
    assert.deepEqual(weak.details?.map(({ field }) => field), ["new_password"]);
    assert.equal(errorOf(await accounts.resendVerification()).code, "SIGNED_OUT");
    assert.equal(errorOf(await accounts.requestPasswordReset("none")).code, "INVALID_REQUEST");
  });

  test("confirms an address", LINKS, async (t) => {
    const { accounts, session } = await device(t, "laptop");
    const user = newUser();
    valueOf(await accounts.signUp(user));
    valueOf(await accounts.resendVerification());
    valueOf(await accounts.verifyEmail({ token: await linkTo("verify-email", user.email) }));
    assert.equal((await session.account())?.email_verified, false);
    assert.equal(valueOf(await accounts.profile()).email_verified, true);
    assert.equal((await session.account())?.email_verified, true);
  });

  test("sets a new password", LINKS, async (t) => {
    const { accounts } = await device(t, "laptop");
    const user = newUser();
    valueOf(await accounts.signUp(user));
    valueOf(await accounts.requestPasswordReset(user.email));
    valueOf(await accounts.resetPassword({ token: await linkTo("reset-password", user.email), password: OTHER }));
    assert.equal(errorOf(await accounts.profile()).code, "SIGNED_OUT");
    valueOf(await accounts.logIn({ ...user, password: OTHER }));
  });
});
