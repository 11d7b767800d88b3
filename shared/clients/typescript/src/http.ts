import type { RemoteRequest } from "./remote.ts";
import { failure, success, type Failure, type FailureCode, type Result } from "./result.ts";
import type { Schemas } from "./types.ts";

/** Length of a JSON body, in UTF-16 code units, up to which it is not compressed. */
export const COMPRESSION_THRESHOLD = 32_768;

/** Deadline of a request by default, in milliseconds. The service has one of 25 s itself. */
const DEADLINE = 30_000;

/** Greatest `retryAfter`, in seconds. */
const MAX_RETRY_AFTER = 3_600;

/** Routes below `/api/sync` that share the rate limit of another one. */
const SHARED_LIMITS: Readonly<Record<string, string>> = { status: "download", versions: "download", restore: "conflicts" };

export interface HttpOptions {
  /** Base URL of the service, with its path prefix if it has one. */
  readonly url: string;
  /** API key of the client application. */
  readonly apiKey?: string | undefined;
  /** Version of the client application. */
  readonly clientVersion?: string | undefined;
  /** Replaces the global `fetch`. */
  readonly fetch?: typeof fetch;
  /** Time after which a request is abandoned, including the transfer of its response, in milliseconds. */
  readonly deadline?: number;
}

export interface HttpRequest extends Omit<RemoteRequest, "account"> {
  /** Access token. */
  readonly token?: string;
  /** Replaces the deadline of the options, in milliseconds. */
  readonly deadline?: number | undefined;
}

/** State of a token bucket of the service. */
export interface RateLimit {
  /** Capacity of the bucket, in requests. */
  readonly limit: number;
  /** Number of requests left. */
  readonly remaining: number;
  /** Time until the bucket is full, in seconds. */
  readonly reset: number;
}

/** Sends requests to the service. */
export class Http {
  readonly #base: string;
  readonly #headers: Headers;
  readonly #fetch: typeof fetch;
  readonly #deadline: number;
  readonly #rateLimits = new Map<string, RateLimit>();

  /** Throws a `TypeError` if an option is unusable. */
  constructor(options: HttpOptions) {
    this.#base = baseOf(options.url);
    this.#headers = new Headers({ Accept: "application/json" });
    setHeader(this.#headers, "X-Api-Key", "apiKey", options.apiKey);
    setHeader(this.#headers, "X-Client-Version", "clientVersion", options.clientVersion);
    this.#fetch = options.fetch ?? ((input, init) => globalThis.fetch(input, init));
    this.#deadline = options.deadline ?? DEADLINE;
  }

  /**
   * Sends a request once and returns the JSON object of its response. Fails with `OFFLINE` if there is no response before the deadline,
   * or one that is not from the service, such as the page of a captive portal.
   */
  async send<T>(request: HttpRequest): Promise<Result<T>> {
    if (!request.path.startsWith("/")) {
      throw new TypeError("path must start with /");
    }
    const headers = new Headers(this.#headers);
    if (request.token !== undefined) {
      headers.set("Authorization", `Bearer ${request.token}`);
    }
    const body = request.body === undefined ? null : await encode(request, headers);
    const deadline = request.deadline ?? this.#deadline;
    // Browsers require that `fetch` is not called as a method of another object.
    const fetch = this.#fetch;
    let response: Response;
    let text: string;
    try {
      response = await fetch(this.#base + request.path + queryOf(request), {
        method: request.method,
        headers,
        body,
        redirect: "error",
        credentials: "omit",
        cache: "no-store",
        signal: AbortSignal.timeout(deadline),
      });
      text = await response.text();
    } catch (error) {
      return failure({ code: "OFFLINE", message: `the service did not respond (${reasonOf(error, deadline)}); try again later` });
    }
    this.#readRateLimit(request.path, response.headers);
    const value = response.ok ? parseObject<T>(text) : undefined;
    return value === undefined ? failure(failureOf(response, text)) : success(value);
  }

  /** Returns the rate limit that the last response to a request of `path`, or of a route that shares its limit, showed. */
  rateLimit(path: string): RateLimit | undefined {
    return this.#rateLimits.get(limitedGroup(path));
  }

  #readRateLimit(path: string, headers: Headers): void {
    const [limit, remaining, reset] = ["Limit", "Remaining", "Reset"].map((name) => wholeNumber(headers.get(`RateLimit-${name}`)));
    if (limit !== undefined && remaining !== undefined && reset !== undefined) {
      this.#rateLimits.set(limitedGroup(path), { limit, remaining, reset });
    }
  }
}

/** Returns the base URL without a slash at its end. */
function baseOf(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || !/^https?:$/.test(url.protocol) || url.username || url.password || url.search || url.hash) {
    throw new TypeError("`url` must be an http or https URL without credentials, query and fragment");
  }
  return url.origin + url.pathname.replace(/\/+$/, "");
}

function setHeader(headers: Headers, name: string, option: string, value: string | undefined): void {
  try {
    if (value !== undefined) {
      headers.set(name, value);
    }
  } catch {
    throw new TypeError(`\`${option}\` must be a valid value of an HTTP header`);
  }
}

function queryOf({ query = {} }: HttpRequest): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    for (const single of value === undefined ? [] : Array.isArray(value) ? value : [value]) {
      parameters.append(name, String(single));
    }
  }
  const text = String(parameters);
  return text === "" ? "" : `?${text}`;
}

/** Returns the bytes of the body, and sets their type in `headers`. */
async function encode(request: HttpRequest, headers: Headers): Promise<BodyInit> {
  const json = JSON.stringify(request.body);
  const compresses = request.compress === true && json.length > COMPRESSION_THRESHOLD && "CompressionStream" in globalThis;
  // API Gateway inflates a `Content-Encoding`, and then passes on at most 6 MB. It leaves a media type alone.
  headers.set("Content-Type", compresses ? "application/gzip" : "application/json");
  return compresses ? new Response(new Blob([json]).stream().pipeThrough(new CompressionStream("gzip"))).arrayBuffer() : json;
}

/** Returns the JSON object that `text` is, or `undefined` if it is something else. Its fields are not checked. */
function parseObject<T>(text: string): T | undefined {
  try {
    const value: T = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Returns the failure that a response reports. */
function failureOf({ status, headers }: Response, text: string): Failure {
  const parsed = parseObject<Partial<Schemas["Error"]>>(text);
  const body = parsed?.error === true && typeof parsed.code === "string" ? parsed : undefined;
  const code = body?.code ?? codeOfForeign(status);
  const message = body?.message ?? `the response with the status ${status} is not from the service; try again later`;
  const requestId = body?.request_id ?? headers.get("X-Request-Id");
  const retryAfter = retryAfterOf(headers);
  return {
    code,
    message,
    status,
    ...(body?.details && { details: body.details }),
    ...(body?.current && { current: body.current }),
    ...(body?.conflict && { conflict: body.conflict }),
    ...(requestId && { requestId }),
    ...(retryAfter !== undefined && { retryAfter }),
  };
}

/** Returns the code of a response that a proxy or a captive portal made. */
function codeOfForeign(status: number): FailureCode {
  switch (status) {
    case 408:
      return "REQUEST_TIMEOUT";
    case 413:
      return "PAYLOAD_TOO_LARGE";
    case 429:
      return "RATE_LIMIT_EXCEEDED";
    case 511: // Network Authentication Required
      return "OFFLINE";
    default:
      return status >= 500 ? "SERVICE_UNAVAILABLE" : "OFFLINE";
  }
}

/** Returns the time in `Retry-After`, in seconds. A date is compared with the clock of the server, where the response has it. */
function retryAfterOf(headers: Headers): number | undefined {
  const text = headers.get("Retry-After");
  const date = text === null ? NaN : Date.parse(text);
  const seconds = wholeNumber(text) ?? Math.ceil((date - (Date.parse(headers.get("Date") ?? "") || Date.now())) / 1_000);
  return Number.isNaN(seconds) ? undefined : Math.min(Math.max(seconds, 0), MAX_RETRY_AFTER);
}

function wholeNumber(text: string | null): number | undefined {
  return text !== null && /^\d+$/.test(text) ? Number(text) : undefined;
}

/** Returns the start of `path` that has a rate limit of its own. */
function limitedGroup(path: string): string {
  const [, area, route = ""] = /^\/api\/(auth|sync)(?:\/(\w+))?/.exec(path) ?? [];
  return area === "sync" ? (SHARED_LIMITS[route] ?? route) : (area ?? path);
}

function reasonOf(error: unknown, deadline: number): string {
  if (!(error instanceof Error)) {
    return String(error);
  }
  return error.name === "TimeoutError" ? `no response within ${deadline} ms` : error.message;
}
