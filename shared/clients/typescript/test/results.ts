/** Assertions on results. */
import assert from "node:assert/strict";
import type { Failure, Result } from "../src/result.ts";

/** Returns the value of a result, which must be a success. */
export function valueOf<T>(result: Result<T>): T {
  assert.ok(result.ok, JSON.stringify(result));
  return result.value;
}

/** Returns the failure that a result must be. */
export function errorOf(result: Result<unknown>): Failure {
  assert.ok(!result.ok, JSON.stringify(result));
  return result.error;
}
