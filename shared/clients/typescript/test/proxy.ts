/** HTTP server between a client and the service, which spoils responses. */
import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from "node:http";
import { buffer } from "node:stream/consumers";
import type { TestContext } from "node:test";

/** Returns the base URL of the service under test. */
export function serviceUrl(): string {
  const url = process.env["SERVICE_URL"];
  if (!url) {
    throw new Error("SERVICE_URL must be the base URL of a running service");
  }
  return url;
}

export interface SeenRequest {
  readonly method: string;
  /** Path with the query. */
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

export interface Reply {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: string | Buffer;
}

/** End of a response: the connection is closed, or nothing more is sent. */
type End = "drop" | "stall";

/** Decides on the response to a request: a reply, none, or half of one. `forward` sends the request to the service. */
export type Handler = (request: SeenRequest, forward: () => Promise<Reply>) => Promise<Reply | End | { half: Reply; then: End }>;

export interface Proxy {
  readonly url: string;
  /** All requests, oldest first, as `POST /api/auth/refresh`. */
  readonly seen: string[];
  /** Full requests, in the same order. */
  readonly requests: SeenRequest[];
  handler: Handler;
}

export const pass: Handler = (_, forward) => forward();

/** Returns a reply with a JSON body. */
export function json(status: number, body: unknown, headers: Readonly<Record<string, string>> = {}): Reply {
  return { status, headers: { "content-type": "application/json", ...headers }, body: JSON.stringify(body) };
}

/** Returns a reply that has the shape of an error of the service. */
export function errorReply(status: number, code: string, headers: Readonly<Record<string, string>> = {}): Reply {
  return json(status, { error: true, code, message: `${code} of the proxy`, request_id: "proxy" }, headers);
}

/** Starts a proxy that ends with the test. */
export async function startProxy(test: TestContext, handler: Handler = pass): Promise<Proxy> {
  const server = createServer((incoming, outgoing) => {
    void serve(proxy, incoming, outgoing).catch((error: unknown) => outgoing.destroy(error instanceof Error ? error : undefined));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  test.after(() => {
    server.close();
    server.closeAllConnections();
  });
  const address = server.address();
  const port = typeof address === "object" && address ? address.port : 0;
  const proxy: Proxy = { url: `http://127.0.0.1:${port}`, seen: [], requests: [], handler };
  return proxy;
}

async function serve(proxy: Proxy, incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
  const { method = "", url: path = "", headers } = incoming;
  const request = { method, path, headers, body: await buffer(incoming) };
  proxy.seen.push(`${method} ${path}`);
  proxy.requests.push(request);
  const outcome = await proxy.handler(request, () => forward(request));
  const end = typeof outcome === "string" ? outcome : "then" in outcome ? outcome.then : undefined;
  if (typeof outcome === "object") {
    const reply = "half" in outcome ? outcome.half : outcome;
    const body = Buffer.from(reply.body);
    outgoing.writeHead(reply.status, { ...reply.headers, "content-length": String(body.length) });
    await new Promise<void>((sent) => outgoing.write(end ? body.subarray(0, body.length / 2) : body, () => sent()));
  }
  if (end === "drop") {
    incoming.socket.destroy();
  } else if (!end) {
    outgoing.end();
  }
}

async function forward({ method, path, headers, body }: SeenRequest): Promise<Reply> {
  const names = ["authorization", "content-type", "x-api-key", "x-client-version"];
  const sent = names.flatMap((name): [string, string][] => (headers[name] === undefined ? [] : [[name, String(headers[name])]]));
  const init = { method, headers: sent, ...(body.length > 0 && { body: new Uint8Array(body) }) };
  const response = await fetch(serviceUrl() + path, init);
  const received = Object.fromEntries([...response.headers].filter(([name]) => !/^(content-|transfer-|connection|vary)/.test(name)));
  return {
    status: response.status,
    headers: { ...received, "content-type": response.headers.get("content-type") ?? "" },
    body: Buffer.from(await response.arrayBuffer()),
  };
}

/** A promise that the test fulfils. */
export function gate(): { readonly opened: Promise<void>; open(): void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { opened: promise, open: () => resolve() };
}
