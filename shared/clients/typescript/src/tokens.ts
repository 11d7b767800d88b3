import type { Json, Store } from "./store.ts";
import type { Account, Schemas } from "./types.ts";

/** Record of the local store with the tokens. */
export const TOKENS = "tokens";

/** Record of the local store with the token that the next login on this device presents. It outlives the session. */
const DEVICE_TOKEN = "device_token";

/** Tokens of a session, and the account that it belongs to. */
export interface Tokens {
  /** Access token. */
  readonly token: string;
  /** Refresh token, which works once. */
  readonly refreshToken: string;
  /** Account that the session belongs to. */
  readonly account: Account;
}

/**
 * Keeps the tokens of the session between runs of the application, such as in the keychain of the operating system. All clients that
 * share a local store must share the tokens, too. They compare and replace tokens under a lock of the local store, so `save` need not
 * compare anything.
 */
export interface TokenStore {
  /** Returns what was saved last, by whichever tab or process. */
  load(): Promise<Tokens | undefined>;
  /** Replaces the tokens, or removes them. Once the promise is fulfilled, they survive the end of the process. */
  save(tokens: Tokens | undefined): Promise<void>;
}

/** Keeps tokens in memory: the session ends with the process. */
export function memoryTokens(): TokenStore {
  let kept: Tokens | undefined;
  return {
    load: async () => kept,
    save: async (tokens) => {
      kept = tokens;
    },
  };
}

/** Keeps tokens in the record `tokens` of the local store. */
export function storedTokens(store: Store): TokenStore {
  return {
    load: () => read(store, TOKENS, (value) => (areTokens(value) ? value : undefined)),
    save: (tokens) => write(store, TOKENS, tokens && { ...tokens }),
  };
}

/** Returns the token that the next login on this device presents. */
export function deviceTokenIn(store: Store): Promise<string | undefined> {
  return read(store, DEVICE_TOKEN, (value) => (typeof value === "string" ? value : undefined));
}

/** Keeps the token that the next login on this device presents, or removes it. */
export function keepDeviceToken(store: Store, token: string | undefined): Promise<void> {
  return write(store, DEVICE_TOKEN, token);
}

/** Returns the tokens in the response to a login, a sign-up or a refresh, or `undefined` if it is not one. */
export function tokensOf({ token, refresh_token: refreshToken, user: account }: Schemas["Authenticated"]): Tokens | undefined {
  const tokens = { token, refreshToken, account };
  return areTokens(tokens) ? tokens : undefined;
}

function areTokens(value: unknown): value is Tokens {
  return (
    isObject(value) &&
    typeof value.token === "string" &&
    typeof value.refreshToken === "string" &&
    isObject(value.account) &&
    typeof value.account.id === "string"
  );
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

function read<T>(store: Store, key: string, decode: (value: Json | undefined) => T): Promise<T> {
  return store.transact({ keys: [key] }, (records) => ({ result: decode(records.get(key)) }));
}

function write(store: Store, key: string, value: Json | undefined): Promise<void> {
  return store.transact({}, () => ({ writes: new Map([[key, value]]), result: undefined }));
}
