// Calls by the generated client, and what comes of them.
import assert from "node:assert/strict";
import createClient, { type Client } from "openapi-fetch";
import type { ErrorBody, ErrorCode, paths } from "./api.js";

export type Api = Client<paths>;

type Success<T> = { data: T; error?: never; response: Response };
type Failure = { data?: never; error: ErrorBody; response: Response };

/** The operations that were called, as `GET /health`. */
export const called = new Set<string>();

/** The API at `baseUrl`, for whoever holds `token`. */
export function connect(baseUrl: string, token?: string): Api {
  const api = createClient<paths>({ baseUrl, headers: { authorization: token && `Bearer ${token}` } });
  api.use({
    onRequest({ request, schemaPath }) {
      called.add(`${request.method} ${schemaPath}`);
    },
  });
  return api;
}

/** What a call that must succeed was answered. */
export function told<T>(answer: Success<T> | Failure): T {
  if (answer.error) {
    assert.fail(`${answer.response.url}: ${JSON.stringify(answer.error)}`);
  }
  return answer.data;
}

/** The error of a call that must be refused in this way. */
export function refused(answer: Success<unknown> | Failure, status: number, code: ErrorCode): ErrorBody {
  assert.equal(answer.response.status, status);
  assert.ok(answer.error);
  assert.equal(answer.error.error, true);
  assert.equal(answer.error.code, code);
  assert.equal(answer.error.request_id, answer.response.headers.get("x-request-id"));
  assert.notEqual(answer.error.message, "");
  return answer.error;
}

/** The fields at fault, in order. */
export function fields(error: ErrorBody): string[] {
  return (error.details ?? []).map((detail) => detail.field).sort();
}

export function step(what: string): void {
  console.log(`- ${what}`);
}
