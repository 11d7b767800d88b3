import { gunzipSync } from "node:zlib";
import type { FailureCode } from "../../src/index.ts";
import type { Edits } from "./edits.ts";
import type { Random } from "./random.ts";
import type { Owner, Scheduler } from "./scheduler.ts";
import type { UploadBody, UploadResult } from "./wire.ts";

/**
 * Failures that a sync may report. A token is refused although it was just refreshed if days pass, or a backup is restored, between the
 * two requests.
 */
export const EXPECTED_OF_SYNC: readonly FailureCode[] = [
  "OFFLINE", "SIGNED_OUT", "RATE_LIMIT_EXCEEDED", "SERVICE_UNAVAILABLE", "TOKEN_EXPIRED", "UNAUTHORIZED",
];

/** Probabilities of what may happen to a request. */
export interface Faults {
  /** It does not reach the service. */
  readonly lostRequest: number;
  /** The service processes it, and the response is lost. */
  readonly lostResponse: number;
  /** The service is too busy. */
  readonly busy: number;
}

export const HEALTHY: Faults = { lostRequest: 0, lostResponse: 0, busy: 0 };

interface Exchange {
  readonly url: string;
  readonly method: string;
  readonly headers: Headers;
  readonly body: string | ArrayBuffer | undefined;
}

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

const UPLOAD = "/api/sync/upload";

const send = globalThis.fetch;

/** What the network needs of the schedule. */
export interface Hooks {
  /** Is called before a request reaches the service. */
  readonly beforeRequest: () => Promise<unknown>;
  /** Takes what a request or a response shows to be wrong: the client regards an exception of `fetch` as a failure of the network. */
  readonly onDefect: (error: unknown) => void;
}

/** The network between the devices and the service. */
export class Network {
  faults: Faults = HEALTHY;
  readonly #scheduler: Scheduler;
  readonly #random: Random;
  readonly #edits: Edits;
  readonly #hooks: Hooks;

  constructor(scheduler: Scheduler, random: Random, edits: Edits, hooks: Hooks) {
    this.#scheduler = scheduler;
    this.#random = random;
    this.#edits = edits;
    this.#hooks = hooks;
  }

  /** Returns the `fetch` of a tab. The request and its response are a step each. */
  fetchOf(owner: Owner): typeof fetch {
    return async (input, init = {}) => {
      const exchange = exchangeOf(String(input), init);
      const { pathname, search } = new URL(exchange.url);
      const [name, body] = [`${exchange.method} ${pathname}${search}`, textOf(exchange)];
      this.#check(() => this.#edits.send(body));
      if (pathname === UPLOAD) {
        this.#check(() => this.#edits.upload(JSON.parse(body)));
      }
      await this.#scheduler.turn(owner, `${name} ${body}`);
      const fault = this.#fault();
      if (fault === "lostRequest") {
        throw new TypeError("the request is lost");
      }
      const answer = fault === "busy" ? this.#busy() : await this.#scheduler.work(() => this.#perform(exchange));
      this.#edits.requests += 1;
      const place = this.#edits.requests;
      await this.#scheduler.turn(owner, `${fault ?? ""} response to ${name}: ${answer.status} ${answer.text}`);
      if (fault === "lostResponse") {
        throw new TypeError("the response is lost");
      }
      if (answer.status === 200) {
        this.#check(() => this.#received(pathname, body, answer, place));
      }
      return new Response(answer.text, { status: answer.status, headers: answer.headers });
    };
  }

  #received(path: string, body: string, { text }: Answer, place: number): void {
    if (path === UPLOAD) {
      const [upload, result]: [UploadBody, UploadResult] = [JSON.parse(body), JSON.parse(text)];
      this.#edits.receive(upload, result, place);
    } else if (path.endsWith("/resolve")) {
      this.#edits.accept(body, place);
    }
  }

  #check(check: () => void): void {
    try {
      check();
    } catch (error) {
      this.#hooks.onDefect(error);
    }
  }

  #fault(): keyof Faults | undefined {
    const { lostRequest, lostResponse, busy } = this.faults;
    const fault = this.#random.weighted({ lostRequest, lostResponse, busy, none: 1 - lostRequest - lostResponse - busy });
    return fault === "none" ? undefined : fault;
  }

  async #perform({ url, method, headers, body }: Exchange): Promise<Answer> {
    await this.#hooks.beforeRequest();
    const response = await send(url, { method, headers, body: body ?? null });
    const kept = [...response.headers].filter(([name]) => !["content-encoding", "content-length"].includes(name));
    return { status: response.status, headers: new Headers(kept), text: await response.text() };
  }

  #busy(): Answer {
    const [status, code] = this.#random.chance(0.5) ? [429, "RATE_LIMIT_EXCEEDED"] : [503, "SERVICE_UNAVAILABLE"];
    const headers = new Headers({ "content-type": "application/json", "retry-after": String(this.#random.below(90)) });
    return { status, headers, text: JSON.stringify({ error: true, code, message: "try again later", request_id: "busy" }) };
  }
}

function exchangeOf(url: string, { method = "GET", headers, body }: RequestInit): Exchange {
  if (body !== undefined && body !== null && typeof body !== "string" && !(body instanceof ArrayBuffer)) {
    throw new TypeError("the client sends text and bytes only");
  }
  return { url, method, headers: new Headers(headers), body: body ?? undefined };
}

function textOf({ body }: Exchange): string {
  return body instanceof ArrayBuffer ? gunzipSync(body).toString() : body ?? "";
}
