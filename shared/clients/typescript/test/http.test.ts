/**
 * Requests to the service, in `SERVICE_URL`, which has been started with `RATE_LIMITS=off`:
 * `SERVICE_URL=http://127.0.0.1:8500 node --test test/http.test.ts`.
 */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { createServer } from "node:net";
import { describe, test } from "node:test";
import { gunzipSync } from "node:zlib";
import { COMPRESSION_THRESHOLD, Http, type HttpRequest } from "../src/http.ts";
import type { Failure } from "../src/result.ts";
import type { Limits, Schemas } from "../src/types.ts";
import { errorReply, json, serviceUrl, startProxy, type Proxy } from "./proxy.ts";
import { errorOf, valueOf } from "./results.ts";

type Authenticated = Schemas["Authenticated"];

const GET: HttpRequest = { method: "GET", path: "/api/sync/limits" };

/** Returns the failure that a client sees in `reply`. */
async function failureBy(proxy: Proxy, reply: Awaited<ReturnType<Proxy["handler"]>>): Promise<Failure> {
  proxy.handler = async () => reply;
  return errorOf(await new Http({ url: proxy.url }).send(GET));
}

describe("the service", () => {
  test("answers", async () => {
    const limits = valueOf(await new Http({ url: `${serviceUrl()}/` }).send<Limits>(GET));
    assert.equal(limits.changes_per_upload, 5_000);
  });

  test("reports an error with its details", async () => {
    const http = new Http({ url: serviceUrl() });
    const body = { username: "", email: "none", password: "short" };
    const error = errorOf(await http.send({ method: "POST", path: "/api/auth/signup", body }));
    assert.deepEqual([error.code, error.status], ["INVALID_REQUEST", 400]);
    assert.deepEqual(error.details?.map(({ field }) => field).sort(), ["email", "password", "username"]);
    assert.match(error.requestId ?? "", /^[0-9a-f-]{36}$/);
    assert.equal("retryAfter" in error || "current" in error || "conflict" in error, false);
  });

  test("shows rate limits", async () => {
    const http = new Http({ url: serviceUrl() });
    assert.equal(http.rateLimit("/api/auth/login"), undefined);
    await http.send({ method: "POST", path: "/api/auth/login", body: { username: "nobody", password: "Sesame42" } });
    await http.send({ method: "GET", path: "/api/sync/status" });
    const limitOf = (path: string): number | undefined => http.rateLimit(path)?.limit;
    assert.deepEqual(["/api/auth/refresh", "/api/sync/download", "/api/sync/upload"].map(limitOf), [20, 20, undefined]);
  });
});

describe("a request", () => {
  test("has the prefix of the base URL, its query, and the headers", async (t) => {
    const proxy = await startProxy(t, async () => json(200, {}));
    const http = new Http({ url: `${proxy.url}/prod/`, apiKey: "key", clientVersion: "studio 1.2" });
    const query = { since: "2026-01-31T12:00:00+00:00", item_type: ["connection", "saved_query"], limit: 5, cursor: undefined };
    valueOf(await http.send({ method: "GET", path: "/api/sync/download", query, token: "secret" }));
    valueOf(await http.send({ method: "DELETE", path: "/x", body: { password: "p" } }));
    valueOf(await new Http({ url: proxy.url }).send(GET));
    assert.deepEqual(proxy.seen, [
      "GET /prod/api/sync/download?since=2026-01-31T12%3A00%3A00%2B00%3A00&item_type=connection&item_type=saved_query&limit=5",
      "DELETE /prod/x",
      "GET /api/sync/limits",
    ]);
    const headers = proxy.requests.map((request) => request.headers);
    assert.deepEqual(headers.map((h) => [h["authorization"], h["x-api-key"], h["x-client-version"], h["content-type"]]), [
      ["Bearer secret", "key", "studio 1.2", undefined],
      [undefined, "key", "studio 1.2", "application/json"],
      [undefined, undefined, undefined, undefined],
    ]);
    assert.equal(proxy.requests[1]?.body.toString(), '{"password":"p"}');
  });

  test("sends neither cookies nor follows redirects, and is not cached", async (t) => {
    const seen: RequestInit[] = [];
    const proxy = await startProxy(t, async (request) =>
      request.path === "/api/sync/limits" ? { status: 302, headers: { location: "/portal" }, body: "" } : json(200, {}));
    const http = new Http({
      url: proxy.url,
      fetch: (input, init = {}) => {
        seen.push(init);
        return fetch(input, init);
      },
    });
    assert.equal(errorOf(await http.send(GET)).code, "OFFLINE");
    assert.deepEqual(proxy.seen, ["GET /api/sync/limits"]);
    assert.deepEqual(seen.map(({ credentials, cache, redirect }) => [credentials, cache, redirect]), [["omit", "no-store", "error"]]);
  });

  test("compresses a large body, as the service accepts it", async (t) => {
    const proxy = await startProxy(t);
    const http = new Http({ url: proxy.url });
    const user = { username: `u${randomUUID()}`, email: `${randomUUID()}@example.com`, password: "Sesame42" };
    const { token } = valueOf(await http.send<Authenticated>({ method: "POST", path: "/api/auth/signup", body: user }));
    const send = async (length: number, compress?: boolean): Promise<[string | undefined, number, Failure]> => {
      const body = { device_id: "laptop", changes: [], padding: "" };
      body.padding = "x".repeat(length - JSON.stringify(body).length);
      const options = { token, body, ...(compress !== undefined && { compress }) };
      const result = await http.send({ method: "POST", path: "/api/sync/upload", ...options });
      const request = proxy.requests.at(-1);
      assert.ok(request);
      const type = request.headers["content-type"];
      const sent = type === "application/gzip" ? gunzipSync(request.body) : request.body;
      assert.deepEqual(JSON.parse(sent.toString()), body);
      return [type, request.body.length, errorOf(result)];
    };
    const [type, length, error] = await send(COMPRESSION_THRESHOLD + 1, true);
    // The service has read the body: it misses changes.
    assert.deepEqual([type, error.code, error.details?.map(({ field }) => field)], ["application/gzip", "INVALID_REQUEST", ["changes"]]);
    assert.ok(length < 1_000);
    assert.equal((await send(COMPRESSION_THRESHOLD, true))[0], "application/json");
    assert.equal((await send(COMPRESSION_THRESHOLD + 1))[0], "application/json");
  });

  test("is refused if the options are no use", () => {
    for (const url of ["", "studio", "ftp://studio", "http://", "https://user:pass@studio", "https://studio/?x", "https://studio/#x"]) {
      assert.throws(() => new Http({ url }), { name: "TypeError", message: /`url`/ }, url);
    }
    assert.throws(() => new Http({ url: "http://studio", apiKey: "a\nb" }), { name: "TypeError", message: /`apiKey`/ });
    assert.throws(() => new Http({ url: "http://studio", clientVersion: "版" }), { name: "TypeError", message: /`clientVersion`/ });
  });
});

describe("a network failure", { timeout: 20_000 }, () => {
  test("is OFFLINE if nobody listens", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    const address = server.address();
    assert.ok(typeof address === "object" && address);
    await new Promise((resolve) => server.close(resolve));
    const error = errorOf(await new Http({ url: `http://127.0.0.1:${address.port}` }).send(GET));
    assert.deepEqual([error.code, error.status], ["OFFLINE", undefined]);
  });

  test("is OFFLINE if the connection ends before or within the response", async (t) => {
    const proxy = await startProxy(t);
    assert.equal((await failureBy(proxy, "drop")).code, "OFFLINE");
    assert.equal((await failureBy(proxy, { half: json(200, { padding: "x".repeat(1_000) }), then: "drop" })).code, "OFFLINE");
    assert.equal((await failureBy(proxy, { half: errorReply(401, "UNAUTHORIZED"), then: "drop" })).code, "OFFLINE");
  });

  test("is OFFLINE after the deadline, which covers the body", async (t) => {
    const proxy = await startProxy(t, async () => "stall");
    const http = new Http({ url: proxy.url, deadline: 200 });
    assert.match(errorOf(await http.send(GET)).message, /200 ms/);
    assert.match(errorOf(await http.send({ ...GET, deadline: 100 })).message, /100 ms/);

    proxy.handler = async () => ({ half: json(200, { padding: "x".repeat(1_000) }), then: "stall" });
    assert.match(errorOf(await http.send(GET)).message, /200 ms/);
  });
});

describe("a response of somebody else", () => {
  const page = (status: number): { status: number; headers: Record<string, string>; body: string } => ({
    status,
    headers: { "content-type": "text/html", "x-request-id": "gateway" },
    body: "<html>Log in to the network</html>",
  });

  test("is OFFLINE with a status that only the service may use", async (t) => {
    const proxy = await startProxy(t);
    for (const status of [200, 401, 403, 404, 511]) {
      const error = await failureBy(proxy, page(status));
      assert.deepEqual([error.code, error.status, error.requestId], ["OFFLINE", status, "gateway"]);
    }
    for (const body of ["", "null", "[]", '"ok"', "{"]) {
      assert.equal((await failureBy(proxy, { status: 200, body })).code, "OFFLINE", body);
    }
    for (const body of [{ message: "Unauthorized" }, { code: "UNAUTHORIZED" }, { error: true }, { error: true, code: 401 }]) {
      assert.equal((await failureBy(proxy, json(401, body))).code, "OFFLINE", JSON.stringify(body));
    }
  });

  test("says that the service is busy or refuses with a status that proxies use", async (t) => {
    const proxy = await startProxy(t);
    const codes: [number, string][] = [
      [500, "SERVICE_UNAVAILABLE"],
      [502, "SERVICE_UNAVAILABLE"],
      [504, "SERVICE_UNAVAILABLE"],
      [429, "RATE_LIMIT_EXCEEDED"],
      [408, "REQUEST_TIMEOUT"],
      [413, "PAYLOAD_TOO_LARGE"],
    ];
    for (const [status, code] of codes) {
      assert.equal((await failureBy(proxy, page(status))).code, code);
    }
  });
});

describe("an error of the service", () => {
  test("has all that the service says", async (t) => {
    const proxy = await startProxy(t);
    const current = { sync_version: 7, deleted: true };
    const conflict = { id: "c" };
    const details = [{ field: "f", message: "d" }];
    const body = { error: true, code: "CONFLICT", message: "m", request_id: "r", details, current, conflict };
    const expected = { code: "CONFLICT", message: "m", status: 409, requestId: "r", details, current, conflict };
    assert.deepEqual(await failureBy(proxy, json(409, body)), expected);
  });

  test("says when to try again, within an hour", async (t) => {
    const proxy = await startProxy(t);
    const date = "Tue, 01 Dec 2026 12:00:00 GMT";
    const headers: [Record<string, string>, number | undefined][] = [
      [{ "retry-after": "6" }, 6],
      [{ "retry-after": "0" }, 0],
      [{ "retry-after": "86400" }, 3_600],
      [{ "retry-after": "99999999999999999999999" }, 3_600],
      // Compared with the clock of the server, whatever that of the device says.
      [{ "retry-after": "Tue, 01 Dec 2026 12:01:30 GMT", date }, 90],
      [{ "retry-after": "Tue, 01 Dec 2026 11:00:00 GMT", date }, 0],
      [{ "retry-after": "Wed, 02 Dec 2026 12:00:00 GMT", date }, 3_600],
      [{ "retry-after": "soon" }, undefined],
      [{}, undefined],
    ];
    for (const [fields, seconds] of headers) {
      const error = await failureBy(proxy, errorReply(429, "RATE_LIMIT_EXCEEDED", fields));
      assert.deepEqual([error.code, error.retryAfter, "retryAfter" in error], ["RATE_LIMIT_EXCEEDED", seconds, seconds !== undefined]);
    }
    const outage = await failureBy(proxy, { status: 503, headers: { "retry-after": "9" }, body: "busy" });
    assert.deepEqual([outage.code, outage.retryAfter], ["SERVICE_UNAVAILABLE", 9]);
  });
});

test("the last rate limit of routes that share it is kept", async (t) => {
  const proxy = await startProxy(t);
  const http = new Http({ url: proxy.url });
  const limited = async (path: string, limit: string, remaining: string, reset: string): Promise<void> => {
    const headers = { "ratelimit-limit": limit, "ratelimit-remaining": remaining, "ratelimit-reset": reset };
    proxy.handler = async () => (remaining === "0" ? errorReply(429, "RATE_LIMIT_EXCEEDED", headers) : json(200, {}, headers));
    await http.send({ method: "GET", path });
  };
  await limited("/api/sync/download", "20", "19", "3");
  await limited("/api/sync/versions", "20", "0", "60");
  await limited("/api/sync/upload", "10", "9", "6");
  await limited("/api/sync/conflicts/5/resolve", "10", "8", "12");
  await limited("/api/auth/sessions/7", "20", "18", "6");
  await limited("/api/sync/upload", "10", "", "6");
  proxy.handler = async () => json(200, {});
  await http.send({ method: "GET", path: "/api/sync/download" });
  assert.deepEqual(http.rateLimit("/api/sync/download"), { limit: 20, remaining: 0, reset: 60 });
  assert.deepEqual(http.rateLimit("/api/sync/status"), { limit: 20, remaining: 0, reset: 60 });
  assert.deepEqual(http.rateLimit("/api/sync/upload"), { limit: 10, remaining: 9, reset: 6 });
  assert.deepEqual(http.rateLimit("/api/sync/restore"), { limit: 10, remaining: 8, reset: 12 });
  assert.deepEqual(http.rateLimit("/api/auth/refresh"), { limit: 20, remaining: 18, reset: 6 });
  assert.equal(http.rateLimit("/api/sync/limits"), undefined);
});
