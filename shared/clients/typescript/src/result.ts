import type { Schemas } from "./types.ts";

/**
 * Code of a failure: one of the service; `OFFLINE` if there was no response; `SIGNED_OUT` if there is no session; `OTHER_ACCOUNT` if the
 * local store has the data of another account; `LOCAL_FAILURE` if the local store failed.
 */
export type FailureCode = Schemas["ErrorCode"] | "OFFLINE" | "SIGNED_OUT" | "OTHER_ACCOUNT" | "LOCAL_FAILURE";

/** An expected failure: of the network, of the service, or refused input. Mistakes in the program are thrown instead. */
export interface Failure {
  /** Cause, for the program. */
  readonly code: FailureCode;
  /** Cause and remedy, for a person. */
  readonly message: string;
  /** Invalid fields, for `INVALID_REQUEST`. */
  readonly details?: readonly Schemas["FieldError"][];
  /** HTTP status, if there was a response. */
  readonly status?: number;
  /** Seconds after which a repetition may succeed, if the service said so. */
  readonly retryAfter?: number;
  /** Id under which the service logged the request. */
  readonly requestId?: string;
  /** Current state of the item, for a `CONFLICT` of a restore. */
  readonly current?: Schemas["Current"];
  /** Current state of the conflict, for a `CONFLICT` of a resolution. */
  readonly conflict?: Schemas["Conflict"];
}

/** Value of an operation, or its failure. */
export type Result<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: Failure };

/** Failure of a request that needs a session. */
export const SIGNED_OUT: Failure = { code: "SIGNED_OUT", message: "there is no session on this device; log in" };

export const success = <T>(value: T): Result<T> => ({ ok: true, value });
export const failure = (error: Failure): Result<never> => ({ ok: false, error });
