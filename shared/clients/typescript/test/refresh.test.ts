/**
 * Refreshes of tokens, with the service in `SERVICE_URL`, which has been started with `RATE_LIMITS=off`:
 * `SERVICE_URL=http://127.0.0.1:8500 node --test test/refresh.test.ts`. Takes about 12 s: a refresh token may be used again for 10 s.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { success } from "../src/result.ts";
import { type TokenStore, type Tokens, memoryTokens } from "../src/session.ts";
import { errorReply, gate, json, pass, type Handler, type Reply } from "./proxy.ts";
import { errorOf, valueOf } from "./results.ts";
import { type Device, PROFILE, REFRESH, device, profile, refresh, service } from "./tabs.ts";

/** Returns a handler that passes requests on, and spoils the first `count` responses. */
function spoiling(count: number, spoil: (reply: Reply) => Awaited<ReturnType<Handler>>): Handler {
  let left = count;
  return async (_, forward) => {
    left -= 1;
    const spoils = left >= 0;
    const reply = await forward();
    assert.equal(reply.status, 200);
    return spoils ? spoil(reply) : reply;
  };
}

describe("a refresh", { timeout: 20_000 }, () => {
  /** Sends 10 requests of each tab, and holds the refresh back until all of them were refused. */
  const sendMany = async (made: Device): Promise<void> => {
    const refused = gate();
    let requests = 0;
    const next = made.proxy.handler;
    made.proxy.handler = async (request, forward) => {
      requests += request.path === PROFILE.path ? 1 : 0;
      if (requests === 20) {
        refused.open();
      }
      return next(request, forward);
    };
    made.onRefresh = async (_, forward) => {
      await refused.opened;
      return forward();
    };
    const results = await Promise.all(Array.from({ length: 20 }, (_, index) => profile(index % 2 ? made.left : made.right)));
    assert.deepEqual(results, Array(20).fill(success(made.user.username)));
    assert.equal(made.refreshes(), 1);
    assert.equal(made.proxy.seen.length, 20 + 1 + 20);
    const now = await made.tokens.load();
    assert.ok(now && now.token !== made.first.token && now.refreshToken !== made.first.refreshToken);
    assert.equal(valueOf(await refresh(now.refreshToken)).user.id, made.first.account.id);
  };

  test("happens once for 20 requests of two tabs whose token has expired", async (t) => sendMany(await device(t)));

  test("happens once for a custom token store, and a token that the service itself refuses", async (t) => {
    const kept = memoryTokens();
    const slow = { load: () => sleep(1).then(kept.load), save: (tokens?: Tokens) => sleep(1).then(() => kept.save(tokens)) };
    const made = await device(t, { tokens: slow, fresh: true });
    await kept.save({ ...made.first, token: `${made.first.token.slice(0, -2)}xx` });
    await sendMany(made);
  });

  test("is not needed by a tab that learns late that its token has expired", async (t) => {
    const made = await device(t);
    const [refused, released, next] = [gate(), gate(), made.proxy.handler];
    made.proxy.handler = async (request, forward) => {
      made.proxy.handler = next;
      const reply = await next(request, forward);
      refused.open();
      await released.opened;
      return reply;
    };
    const late = profile(made.right);
    await refused.opened;
    valueOf(await profile(made.left));
    released.open();
    valueOf(await late);
    assert.equal(made.refreshes(), 1);
  });

  test("repeats a request once", async (t) => {
    const made = await device(t);
    made.onRefresh = async (_, forward) => {
      const reply = await forward();
      made.expired.add(JSON.parse(reply.body.toString()).token);
      return reply;
    };
    assert.equal(errorOf(await profile(made.left)).code, "TOKEN_EXPIRED");
    assert.deepEqual(made.proxy.seen, ["GET /api/auth/profile", REFRESH, "GET /api/auth/profile"]);
  });

  /** Returns a token store whose second save waits. */
  const waitingTokens = (): { tokens: TokenStore; saving: Promise<void>; save(): void } => {
    const [kept, saving, saved] = [memoryTokens(), gate(), gate()];
    let saves = 0;
    const save = async (tokens: Tokens | undefined): Promise<void> => {
      saves += 1;
      if (saves === 2) {
        saving.open();
        await saved.opened;
      }
      await kept.save(tokens);
    };
    return { tokens: { load: kept.load, save }, saving: saving.opened, save: saved.open };
  };

  test("saves the new tokens before it uses them", async (t) => {
    const { tokens, saving, save } = waitingTokens();
    const made = await device(t, { tokens });
    const request = profile(made.left);
    await saving;
    // A premature request would be on its way by now.
    await sleep(100);
    assert.deepEqual(made.proxy.seen, ["GET /api/auth/profile", REFRESH]);
    save();
    valueOf(await request);
  });

  test("is not undone by a description of the account", async (t) => {
    const { tokens, saving, save } = waitingTokens();
    const made = await device(t, { tokens });
    const described = made.right.describe({ ...made.first.account, email_verified: true });
    await saving;
    const request = profile(made.left);
    // A refresh that did not wait would have saved its tokens by now.
    await sleep(100);
    save();
    await Promise.all([described, request]);
    assert.notEqual((await tokens.load())?.refreshToken, made.first.refreshToken);
    assert.equal(made.refreshes(), 1);
  });
});

describe("slowly", { concurrency: true, timeout: 60_000 }, () => {
  describe("a lost response to a refresh", { concurrency: true }, () => {
    const losses: [string, (reply: Reply) => Awaited<ReturnType<Handler>>][] = [
      ["is missing", () => "drop"],
      ["breaks off", (half) => ({ half, then: "drop" })],
      ["does not come", () => "stall"],
      ["is replaced by a proxy", () => ({ status: 504, body: "<html>" })],
      ["is replaced by a captive portal", () => ({ status: 200, body: "<html>" })],
      ["is replaced by other JSON", () => json(200, { portal: true })],
    ];
    for (const [what, spoil] of losses) {
      test(`costs no session: it ${what}`, async (t) => {
        const made = await device(t);
        made.onRefresh = spoiling(1, spoil);
        valueOf(await profile(made.left));
        assert.equal(made.refreshes(), 2);
        const now = await made.tokens.load();
        assert.ok(now && now.token !== made.first.token);
        made.expired.add(now.token);
        valueOf(await profile(made.right));
        assert.deepEqual(made.ended, []);
      });
    }

    test("costs no session on a slow network", async (t) => {
      const made = await device(t);
      let attempts = 0;
      made.onRefresh = async (_, forward) => {
        attempts += 1;
        const reply = await forward();
        if (attempts < 3) {
          return "stall";
        }
        await sleep(3_000);
        return reply;
      };
      valueOf(await profile(made.left));
      assert.equal(attempts, 3);
    });

    test("costs no session if none arrives for now, and is asked for by one request at a time", async (t) => {
      const made = await device(t);
      made.onRefresh = spoiling(3, () => "drop");
      const results = await Promise.all(Array.from({ length: 5 }, () => profile(made.left)));
      assert.deepEqual(results.map((result) => errorOf(result).code), Array(5).fill("OFFLINE"));
      assert.equal(made.refreshes(), 3);
      assert.deepEqual(await made.tokens.load(), made.first);
      valueOf(await profile(made.right));
      assert.equal(made.refreshes(), 4);
    });

    test("is not asked for again after the time in which the service gives it", async (t) => {
      const made = await device(t);
      made.onRefresh = async () => errorReply(503, "SERVICE_UNAVAILABLE", { "retry-after": "9" });
      const error = errorOf(await profile(made.left));
      assert.deepEqual([error.code, error.retryAfter, made.refreshes()], ["SERVICE_UNAVAILABLE", 9, 1]);
      assert.deepEqual(await made.tokens.load(), made.first);
    });
  });

  describe("a refused refresh", { concurrency: true }, () => {
    test("keeps the session if the reason is another one", async (t) => {
      const made = await device(t);
      const replies: [Reply, string][] = [
        [errorReply(429, "RATE_LIMIT_EXCEEDED", { "retry-after": "3" }), "RATE_LIMIT_EXCEEDED"],
        [errorReply(403, "FORBIDDEN"), "FORBIDDEN"],
      ];
      for (const [reply, code] of replies) {
        made.onRefresh = async () => reply;
        assert.equal(errorOf(await profile(made.left)).code, code);
      }
      assert.equal(made.refreshes(), 2);
      made.onRefresh = async () => ({ status: 401, body: "<html>Proxy authentication</html>" });
      assert.equal(errorOf(await profile(made.left)).code, "OFFLINE");
      assert.deepEqual([await made.tokens.load(), made.ended], [made.first, []]);
      made.onRefresh = pass;
      valueOf(await profile(made.left));
    });

    test("ends the session if the service has ended it", async (t) => {
      const made = await device(t, { fresh: true });
      valueOf(await service.send({ method: "POST", path: "/api/auth/logout", token: made.first.token }));
      const error = errorOf(await profile(made.left));
      assert.deepEqual([error.code, error.status], ["SIGNED_OUT", 401]);
      assert.deepEqual([await made.tokens.load(), made.ended], [undefined, ["UNAUTHORIZED"]]);
      assert.ok(await made.deviceToken());
      const { length } = made.proxy.seen;
      assert.equal(errorOf(await profile(made.right)).code, "SIGNED_OUT");
      assert.equal(made.proxy.seen.length, length);
      assert.deepEqual(made.ended, ["UNAUTHORIZED"]);
    });

    test("ends the session if the refresh token was used by somebody else", async (t) => {
      const made = await device(t);
      valueOf(await refresh(made.first.refreshToken));
      await sleep(11_000);
      assert.equal(errorOf(await profile(made.left)).code, "SIGNED_OUT");
      assert.deepEqual([await made.tokens.load(), made.ended, made.refreshes()], [undefined, ["REFRESH_TOKEN_REUSED"], 1]);
      assert.ok(await made.deviceToken());
    });

    test("is not reported after the end of a subscription", async (t) => {
      const made = await device(t);
      const seen: string[] = [];
      const end = made.left.onSignedOut(() => seen.push("first"));
      made.left.onSignedOut(() => seen.push("second"));
      end();
      made.onRefresh = async () => errorReply(401, "UNAUTHORIZED");
      errorOf(await profile(made.left));
      assert.deepEqual(seen, ["second"]);
    });
  });
});
