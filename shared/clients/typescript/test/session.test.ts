/**
 * Sessions, with the service in `SERVICE_URL`, which has been started with `RATE_LIMITS=off`:
 * `SERVICE_URL=http://127.0.0.1:8500 node --test test/session.test.ts`.
 */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, test, type TestContext } from "node:test";
import { Http } from "../src/http.ts";
import { failure, success, type Failure, type Result } from "../src/result.ts";
import { Session, type TokenStore, memoryTokens } from "../src/session.ts";
import { memoryStore } from "../src/stores/memory.ts";
import type { Account } from "../src/types.ts";
import { json, startProxy } from "./proxy.ts";
import { errorOf, valueOf } from "./results.ts";
import {
  type Authenticated, PROFILE, answerTo, device, holdRefresh, logIn, newUser, profile, refresh, service, signUp,
} from "./tabs.ts";

describe("a session", () => {
  test("is needed", async (t) => {
    const proxy = await startProxy(t);
    const session = new Session({ http: new Http({ url: proxy.url }), store: memoryStore() });
    assert.equal(errorOf(await session.send(PROFILE)).code, "SIGNED_OUT");
    assert.equal(await session.account(), undefined);
    assert.deepEqual(proxy.seen, []);
  });

  test("is that of the account that a request names", async (t) => {
    const { left, proxy, first } = await device(t, { fresh: true });
    assert.equal(errorOf(await left.send({ ...PROFILE, account: randomUUID() })).code, "SIGNED_OUT");
    assert.deepEqual(proxy.seen, []);
    valueOf(await left.send({ ...PROFILE, account: first.account.id }));
  });

  test("is missing if its record is damaged", async (t) => {
    for (const record of [null, "text", [], { token: "t" }, { token: "t", refreshToken: "r", account: null }]) {
      const proxy = await startProxy(t);
      const session = new Session({ http: new Http({ url: proxy.url }), store: memoryStore([["tokens", record]]) });
      assert.equal(errorOf(await session.send(PROFILE)).code, "SIGNED_OUT");
    }
  });

  test("replaces and ends the one before", async (t) => {
    const { left, right, user, first, tokens } = await device(t, { fresh: true });
    const next = await logIn(user);
    valueOf(await right.open(next));
    assert.equal((await tokens.load())?.token, next.token);
    assert.equal(await left.deviceToken(), next.device_token);
    assert.deepEqual([await answerTo(first.token), await answerTo(next.token)], ["UNAUTHORIZED", "ok"]);
  });

  test("is not opened with a response that has no tokens", async (t) => {
    const { left, tokens, first, proxy } = await device(t, { fresh: true });
    proxy.handler = async () => json(200, { portal: true });
    const answer = valueOf(await new Http({ url: proxy.url }).send<Authenticated>({ method: "POST", path: "/api/auth/login" }));
    assert.equal(errorOf(await left.open(answer)).code, "OFFLINE");
    assert.deepEqual(await tokens.load(), first);
  });
});

describe("onSignedIn", () => {
  type Hook = (account: Account) => Promise<Result<void>>;
  const open = async (t: TestContext, onSignedIn: Hook): Promise<[Authenticated, Session, TokenStore]> => {
    const { proxy, user } = await device(t, { fresh: true });
    const tokens = memoryTokens();
    return [await logIn(user), new Session({ http: new Http({ url: proxy.url }), store: memoryStore(), tokens, onSignedIn }), tokens];
  };

  test("runs before the tokens are used", async (t) => {
    const seen: unknown[] = [];
    const [answer, session, tokens] = await open(t, async (account) => {
      seen.push(account.id, await tokens.load());
      return success(undefined);
    });
    valueOf(await session.open(answer));
    assert.deepEqual(seen, [answer.user.id, undefined]);
    assert.equal((await tokens.load())?.token, answer.token);
  });

  test("refuses an account, whose session ends", async (t) => {
    const refusal: Failure = { code: "FORBIDDEN", message: "this device has the data of another account" };
    const [answer, session, tokens] = await open(t, async () => failure(refusal));
    assert.deepEqual(errorOf(await session.open(answer)), refusal);
    assert.equal(await tokens.load(), undefined);
    assert.equal(await session.deviceToken(), undefined);
    assert.equal(await answerTo(answer.token), "UNAUTHORIZED");
  });

  test("may throw, and the session ends", async (t) => {
    const [answer, session, tokens] = await open(t, () => Promise.reject(new Error("the disk is full")));
    await assert.rejects(session.open(answer), /the disk is full/);
    assert.equal(await tokens.load(), undefined);
    assert.equal(await answerTo(answer.token), "UNAUTHORIZED");
  });
});

describe("logging out", () => {
  test("ends the session here and on the service, and keeps the device token", async (t) => {
    const { left, right, first, tokens, ended, deviceToken } = await device(t, { fresh: true });
    valueOf(await left.close());
    assert.equal(await tokens.load(), undefined);
    assert.equal(await answerTo(first.token), "UNAUTHORIZED");
    assert.equal(errorOf(await right.send(PROFILE)).code, "SIGNED_OUT");
    assert.match((await deviceToken()) ?? "", /\..*\./);
    assert.deepEqual(ended, []);
    valueOf(await right.close());
  });

  test("ends a session whose access token has expired", async (t) => {
    const { left, first, tokens } = await device(t);
    valueOf(await left.close());
    assert.equal(await tokens.load(), undefined);
    assert.equal(await answerTo(first.token), "UNAUTHORIZED");
    assert.equal(errorOf(await refresh(first.refreshToken)).code, "UNAUTHORIZED");
  });

  test("succeeds if the session has ended", async (t) => {
    const { left, first } = await device(t, { fresh: true });
    valueOf(await service.send({ method: "POST", path: "/api/auth/logout", token: first.token }));
    valueOf(await left.close());
  });

  test("forgets the session without the service", async (t) => {
    const { left, proxy, first, tokens } = await device(t, { fresh: true });
    proxy.handler = async () => "drop";
    assert.equal(errorOf(await left.close()).code, "OFFLINE");
    assert.equal(await tokens.load(), undefined);
    assert.equal(await answerTo(first.token), "ok");
  });
});

describe("during a refresh of one tab, the other", { timeout: 20_000 }, () => {
  test("logs out: the session stays closed", async (t) => {
    const made = await device(t);
    const held = holdRefresh(made);
    const request = profile(made.left);
    const rotated = await held.arrived;
    assert.ok(rotated);
    valueOf(await made.right.close());
    held.release();
    assert.equal(errorOf(await request).code, "SIGNED_OUT");
    assert.deepEqual([await made.tokens.load(), made.ended], [undefined, []]);
    assert.equal(await answerTo(rotated.token), "UNAUTHORIZED");
  });

  test("logs in: the new session stays, and serves the request", async (t) => {
    const made = await device(t);
    const held = holdRefresh(made);
    const request = profile(made.left);
    const rotated = await held.arrived;
    assert.ok(rotated);
    const next = await logIn(made.user);
    valueOf(await made.right.open(next));
    held.release();
    assert.equal(valueOf(await request), made.user.username);
    assert.equal((await made.tokens.load())?.token, next.token);
    assert.deepEqual([await answerTo(next.token), await answerTo(rotated.token)], ["ok", "UNAUTHORIZED"]);
  });

  test("logs in: the new session survives the end of the old one", async (t) => {
    const made = await device(t, { fresh: true });
    valueOf(await service.send({ method: "POST", path: "/api/auth/logout", token: made.first.token }));
    const held = holdRefresh(made);
    const request = profile(made.left);
    assert.equal(await held.arrived, undefined);
    const next = await logIn(made.user);
    valueOf(await made.right.open(next));
    held.release();
    assert.equal(valueOf(await request), made.user.username);
    assert.deepEqual([(await made.tokens.load())?.token, made.ended], [next.token, []]);
  });

  test("logs out: the end of the old session is not reported", async (t) => {
    const made = await device(t, { fresh: true });
    valueOf(await service.send({ method: "POST", path: "/api/auth/logout", token: made.first.token }));
    const held = holdRefresh(made);
    const request = profile(made.left);
    assert.equal(await held.arrived, undefined);
    valueOf(await made.right.close());
    held.release();
    assert.equal(errorOf(await request).code, "SIGNED_OUT");
    assert.deepEqual([await made.tokens.load(), made.ended], [undefined, []]);
  });

  test("logs in with another account: the request is not sent under it", async (t) => {
    const made = await device(t);
    const held = holdRefresh(made);
    const request = profile(made.left);
    await held.arrived;
    valueOf(await made.right.close());
    const other = await signUp(newUser());
    valueOf(await made.right.open(other));
    held.release();
    assert.equal(errorOf(await request).code, "SIGNED_OUT");
    assert.equal((await made.tokens.load())?.token, other.token);
    const sent = made.proxy.requests.filter((request) => request.headers.authorization === `Bearer ${other.token}`);
    assert.deepEqual(sent, []);
  });
});
