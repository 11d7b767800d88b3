/**
 * Device with two tabs, whose requests pass through a proxy. Access tokens live for a day, so the proxy answers with `TOKEN_EXPIRED` for
 * those that the test declares expired. All else is the service.
 */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import type { TestContext } from "node:test";
import { Http } from "../src/http.ts";
import { success, type Result } from "../src/result.ts";
import { Session, type SessionOptions, type TokenStore, type Tokens, storedTokens } from "../src/session.ts";
import { memoryStore } from "../src/stores/memory.ts";
import type { Schemas } from "../src/types.ts";
import { errorReply, gate, pass, serviceUrl, startProxy, type Handler, type Proxy } from "./proxy.ts";
import { valueOf } from "./results.ts";

export type Authenticated = Schemas["Authenticated"];
export type User = { username: string; email: string; password: string };

export const REFRESH = "POST /api/auth/refresh";
export const PROFILE = { method: "GET", path: "/api/auth/profile" } as const;

/** The service itself. */
export const service = new Http({ url: serviceUrl() });

export const newUser = (): User => ({ username: `u${randomUUID()}`, email: `${randomUUID()}@example.com`, password: "Sesame42" });

export const signUp = async (user: User): Promise<Authenticated> =>
  valueOf(await service.send<Authenticated>({ method: "POST", path: "/api/auth/signup", body: user }));

export const logIn = async ({ username, password }: User): Promise<Authenticated> =>
  valueOf(await service.send<Authenticated>({ method: "POST", path: "/api/auth/login", body: { username, password } }));

/** Uses a refresh token up, as another device would. */
export const refresh = (refresh_token: string): Promise<Result<Authenticated>> =>
  service.send<Authenticated>({ method: "POST", path: "/api/auth/refresh", body: { refresh_token } });

/** Returns the code of the service's response to a request with `token`, or `ok`. */
export async function answerTo(token: string): Promise<string> {
  const result = await service.send({ ...PROFILE, token });
  return result.ok ? "ok" : result.error.code;
}

/** Device with two tabs, on which a user has logged in. */
export interface Device {
  readonly proxy: Proxy;
  readonly user: User;
  readonly tokens: TokenStore;
  readonly first: Tokens;
  readonly left: Session;
  readonly right: Session;
  /** Reasons for which the service ended the session, as both tabs learnt them. */
  readonly ended: string[];
  /** Access tokens that have expired. */
  readonly expired: Set<string>;
  /** Number of refreshes that were sent. */
  refreshes(): number;
  /** Response to a refresh; by default that of the service. */
  onRefresh: Handler;
  deviceToken(): Promise<string | undefined>;
}

/** Returns a device. The access token has expired, unless `fresh`. */
export async function device(t: TestContext, options: Partial<SessionOptions> & { fresh?: boolean } = {}): Promise<Device> {
  const expired = new Set<string>();
  const proxy = await startProxy(t, async (request, forward) => {
    if (request.path === "/api/auth/refresh") {
      return made.onRefresh(request, forward);
    }
    const token = String(request.headers.authorization).replace("Bearer ", "");
    return expired.has(token) ? errorReply(401, "TOKEN_EXPIRED") : forward();
  });
  const store = memoryStore();
  const tokens = options.tokens ?? storedTokens(store);
  const ended: string[] = [];
  const openTab = (): Session => {
    const session = new Session({ http: new Http({ url: proxy.url }), store: store.open(), tokens, ...options });
    session.onSignedOut((reason) => ended.push(reason.code));
    return session;
  };
  const [left, right, user] = [openTab(), openTab(), newUser()];
  valueOf(await left.open(await signUp(user)));
  const first = await tokens.load();
  assert.ok(first);
  if (!options.fresh) {
    expired.add(first.token);
  }
  const made: Device = {
    proxy, user, tokens, first, left, right, ended, expired,
    refreshes: () => proxy.seen.filter((seen) => seen === REFRESH).length,
    onRefresh: pass,
    deviceToken: () => left.deviceToken(),
  };
  return made;
}

/** Holds back the response of the service to the next refresh. */
export function holdRefresh(made: Device): { readonly arrived: Promise<Authenticated | undefined>; release(): void } {
  const [arrived, released] = [Promise.withResolvers<Authenticated | undefined>(), gate()];
  made.onRefresh = async (_, forward) => {
    made.onRefresh = pass;
    const reply = await forward();
    arrived.resolve(reply.status === 200 ? JSON.parse(reply.body.toString()) : undefined);
    await released.opened;
    return reply;
  };
  return { arrived: arrived.promise, release: released.open };
}

/** Requests the profile, and returns the user name. */
export const profile = async (session: Session): Promise<Result<string>> => {
  const result = await session.send<Schemas["Profile"]>(PROFILE);
  return result.ok ? success(result.value.user.username) : result;
};
