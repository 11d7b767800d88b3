import type { Result } from "./result.ts";

/** Request to the service on behalf of the signed-in user. */
export interface RemoteRequest {
  /** HTTP method. */
  readonly method: "GET" | "POST" | "DELETE";
  /** Path of the route, from `/`, with its parameters percent-encoded. */
  readonly path: string;
  /** Parameters of the query. An array repeats the parameter; `undefined` leaves it out. */
  readonly query?: Readonly<Record<string, string | number | readonly string[] | undefined>>;
  /** Value that is sent as JSON. */
  readonly body?: unknown;
  /** Whether a large body is compressed, if the platform can. */
  readonly compress?: boolean;
  /** Id of the account that the request is for. It is not sent on behalf of another one that has logged in meanwhile. */
  readonly account?: string | undefined;
}

/** The service, as the signed-in user calls it. */
export interface Remote {
  /** Sends a request. Refreshes the access token if it has expired. */
  send<T>(request: RemoteRequest): Promise<Result<T>>;
}
