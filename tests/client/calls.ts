// Calls with the generated client, and assertions on their responses.
import assert from "node:assert/strict";
import createClient, { type Client } from "openapi-fetch";
import type { ErrorBody, ErrorCode, paths } from "./api.js";

export type Api = Client<paths>;

type Success<T> = { data: T; error?: never; response: Response };
type Failure = { data?: never; error: ErrorBody; response: Response };

/** Operations that were called, such as `GET /health`. */
export const called = new Set<string>();

/** Connects to the API at `baseUrl` with an optional access token. */
export function connect(baseUrl: string, token?: string): Api {
  const api = createClient<paths>({ baseUrl, headers: { authorization: token && `Bearer ${token}` } });
  api.use({
    onRequest({ request, schemaPath }) {
      called.add(`${request.method} ${schemaPath}`);
    },
  });
  return api;
}

/** Asserts that a call succeeded and returns its data. */
export function expectSuccess<T>(result: Success<T> | Failure): T {
  if (result.error) {
    assert.fail(`${result.response.url}: ${JSON.stringify(result.error)}`);
  }
  return result.data;
}

/** Asserts that a call failed with this status and code and returns the error. */
export function expectError(result: Success<unknown> | Failure, status: number, code: ErrorCode): ErrorBody {
  assert.equal(result.response.status, status);
  assert.ok(result.error);
  assert.equal(result.error.error, true);
  assert.equal(result.error.code, code);
  assert.equal(result.error.request_id, result.response.headers.get("x-request-id"));
  assert.notEqual(result.error.message, "");
  return result.error;
}

/** Returns the invalid fields, sorted. */
export function fields(error: ErrorBody): string[] {
  return (error.details ?? []).map((detail) => detail.field).sort();
}

export function step(what: string): void {
  console.log(`- ${what}`);
}
