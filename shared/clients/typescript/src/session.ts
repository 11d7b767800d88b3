import type { Http } from "./http.ts";
import type { RemoteRequest } from "./remote.ts";
import { SIGNED_OUT, failure, success, type Failure, type Result } from "./result.ts";
import { sleep } from "./sleep.ts";
import type { Store } from "./store.ts";
import { subscribers } from "./stores/shared.ts";
import { type TokenStore, type Tokens, deviceTokenIn, keepDeviceToken, storedTokens, tokensOf } from "./tokens.ts";
import type { Account, Schemas } from "./types.ts";

export { type TokenStore, type Tokens, memoryTokens, storedTokens } from "./tokens.ts";

export interface SessionOptions {
  readonly http: Http;
  readonly store: Store;
  /** Keeps the tokens; `storedTokens(store)` by default. */
  readonly tokens?: TokenStore;
  /**
   * Decides, before a new session is used, whether the local store takes the account. A failure ends the new session. It runs under
   * the lock `tokens`, so it must neither open nor close a session, nor wait for the user or for another lock.
   */
  readonly onSignedIn?: (account: Account) => Promise<Result<void>>;
}

/** Number of times that a refresh is sent. */
const ATTEMPTS = 3;

/** Time from the first attempt to the start of the last, in milliseconds: a refresh token works for 10 s after its first use. */
const LAST_ATTEMPT = 8_000;

/** Deadline of all attempts but the last, in milliseconds. The last has the usual one, so that a slow network costs no session. */
const ATTEMPT_DEADLINE = 2_500;

/** Pause before the second attempt, in milliseconds. */
const PAUSE = 500;

/** Deadline of requests that end a session which this device no longer has, in milliseconds. */
const END_DEADLINE = 5_000;

/**
 * The session of this device, which all tabs share: they have one token store.
 *
 * Two locks order their changes. `tokens` is held while tokens are compared and replaced, and never during a request. `refresh` is held
 * during a refresh, so that the tabs wait for the one that does it. A refresh replaces only those tokens that it began with: it neither
 * revives a session that was closed meanwhile nor replaces another one.
 */
export class Session {
  readonly #http: Http;
  readonly #store: Store;
  readonly #tokens: TokenStore;
  readonly #onSignedIn: (account: Account) => Promise<Result<void>>;
  readonly #listeners = subscribers<Failure>();
  /** Refreshes in progress, by the access token that was refused. */
  readonly #refreshes = new Map<string, Promise<Result<Tokens>>>();

  constructor({ http, store, tokens = storedTokens(store), onSignedIn = async () => success(undefined) }: SessionOptions) {
    this.#http = http;
    this.#store = store;
    this.#tokens = tokens;
    this.#onSignedIn = onSignedIn;
  }

  /**
   * Sends a request with the access token. If the service refuses the token, refreshes it and repeats the request once. Fails with
   * `SIGNED_OUT`, without a request, if there is no session.
   */
  async send<T>({ account, ...request }: RemoteRequest): Promise<Result<T>> {
    const tokens = await this.#tokens.load();
    if (!tokens || (account !== undefined && account !== tokens.account.id)) {
      return signedOut();
    }
    const result = await this.#http.send<T>({ ...request, token: tokens.token });
    if (result.ok || !refusesToken(result.error)) {
      return result;
    }
    const fresh = await this.#refresh(tokens.token);
    if (!fresh.ok) {
      return fresh;
    }
    // Another tab may have logged in with another account, which the request was not made for.
    return fresh.value.account.id === tokens.account.id ? this.#http.send<T>({ ...request, token: fresh.value.token }) : signedOut();
  }

  /** Returns the account of the session as the service described it last, or `undefined` if there is no session. */
  async account(): Promise<Account | undefined> {
    return (await this.#tokens.load())?.account;
  }

  /** Returns the token that a login on this device presents. */
  deviceToken(): Promise<string | undefined> {
    return deviceTokenIn(this.#store);
  }

  /** Opens the session that a login or a sign-up returned. Ends the one that it replaces. */
  async open(answer: Schemas["Authenticated"]): Promise<Result<Account>> {
    const tokens = tokensOf(answer);
    if (!tokens) {
      return failure(UNREADABLE);
    }
    let unused: Tokens | undefined = tokens;
    try {
      const allowed = await this.#exclusively(async () => {
        const allowed = await this.#onSignedIn(tokens.account);
        if (allowed.ok) {
          const replaced = await this.#tokens.load();
          await this.#tokens.save(tokens);
          unused = replaced;
        }
        return allowed;
      });
      if (!allowed.ok) {
        return allowed;
      }
      if (typeof answer.device_token === "string") {
        await keepDeviceToken(this.#store, answer.device_token);
      }
      return success(tokens.account);
    } finally {
      await this.#end(unused);
    }
  }

  /**
   * Closes the session: first on this device, then on the service. A failure of the latter is returned; the session then stays open
   * on the service until it expires, but this device has forgotten it.
   */
  async close(): Promise<Result<void>> {
    const closed = await this.#exclusively(async () => {
      const tokens = await this.#tokens.load();
      await this.#tokens.save(undefined);
      return tokens;
    });
    return this.#end(closed);
  }

  /** Removes all traces of an account that was deleted. */
  async forget(account: string): Promise<void> {
    await this.#change(({ account: { id } }) => id === account, undefined);
    await keepDeviceToken(this.#store, undefined);
  }

  /** Updates the description of the account. */
  async describe(account: Account): Promise<void> {
    await this.#exclusively(async () => {
      const tokens = await this.#tokens.load();
      if (tokens?.account.id === account.id) {
        await this.#tokens.save({ ...tokens, account });
      }
    });
  }

  /** Calls `listener` with the reason when the service has ended the session. Returns a function that ends the subscription. */
  onSignedOut(listener: (reason: Failure) => void): () => void {
    return this.#listeners.add(listener);
  }

  #exclusively<T>(run: () => Promise<T>): Promise<T> {
    return this.#store.lock("tokens", run);
  }

  /** Replaces the tokens by `next` if `applies` to them. Returns those that there are then, and whether they were replaced. */
  #change(applies: (tokens: Tokens) => boolean, next: Tokens | undefined): Promise<{ tokens: Tokens | undefined; changed: boolean }> {
    return this.#exclusively(async () => {
      const tokens = await this.#tokens.load();
      if (!tokens || !applies(tokens)) {
        return { tokens, changed: false };
      }
      await this.#tokens.save(next);
      return { tokens: next, changed: true };
    });
  }

  /** Returns tokens instead of those with the access token `refused`. Concurrent calls share one refresh. */
  #refresh(refused: string): Promise<Result<Tokens>> {
    const running = this.#refreshes.get(refused);
    if (running) {
      return running;
    }
    const refresh = this.#store.lock("refresh", () => this.#rotate(refused)).finally(() => this.#refreshes.delete(refused));
    this.#refreshes.set(refused, refresh);
    return refresh;
  }

  async #rotate(refused: string): Promise<Result<Tokens>> {
    const before = await this.#tokens.load();
    if (before?.token !== refused) {
      return before ? success(before) : signedOut();
    }
    const answer = await this.#exchange(before.refreshToken);
    if (!answer.ok && !refusesToken(answer.error)) {
      return answer;
    }
    const next = answer.ok ? answer.value : undefined;
    const { tokens, changed } = await this.#change(({ refreshToken }) => refreshToken === before.refreshToken, next);
    if (tokens) {
      return success(tokens);
    }
    if (answer.ok || !changed) {
      return signedOut();
    }
    this.#listeners.notify(answer.error);
    return failure({ ...answer.error, code: "SIGNED_OUT" });
  }

  /**
   * Exchanges a refresh token. An attempt without a usable answer may have used the token up, so it is repeated while the service
   * still accepts it.
   */
  async #exchange(refreshToken: string): Promise<Result<Tokens>> {
    const start = performance.now();
    for (let attempt = 1; ; attempt += 1) {
      const result = await this.#renew(refreshToken, attempt < ATTEMPTS ? ATTEMPT_DEADLINE : undefined);
      if (result.ok || !isUnanswered(result.error)) {
        return result;
      }
      const pause = Math.max(PAUSE * attempt, (result.error.retryAfter ?? 0) * 1_000);
      if (attempt === ATTEMPTS || performance.now() - start + pause > LAST_ATTEMPT) {
        return result;
      }
      await sleep(pause);
    }
  }

  async #renew(refreshToken: string, deadline: number | undefined): Promise<Result<Tokens>> {
    const body: Schemas["RefreshRequest"] = { refresh_token: refreshToken };
    const path = "/api/auth/refresh";
    const result = await this.#http.send<Schemas["Authenticated"]>({ method: "POST", path, body, deadline });
    if (!result.ok) {
      return result;
    }
    const tokens = tokensOf(result.value);
    return tokens ? success(tokens) : failure(UNREADABLE);
  }

  /** Ends a session on the service that this device no longer has. */
  async #end(tokens: Tokens | undefined): Promise<Result<void>> {
    const logOut = (token: string): Promise<Result<unknown>> =>
      this.#http.send({ method: "POST", path: "/api/auth/logout", token, deadline: END_DEADLINE });
    let result = tokens ? await logOut(tokens.token) : success(undefined);
    if (tokens && !result.ok && refusesToken(result.error)) {
      const renewed = await this.#renew(tokens.refreshToken, END_DEADLINE);
      result = renewed.ok ? await logOut(renewed.value.token) : renewed;
    }
    return result.ok || refusesToken(result.error) ? success(undefined) : result;
  }
}

const signedOut = (): Result<never> => failure(SIGNED_OUT);

const UNREADABLE: Failure = { code: "OFFLINE", message: "the response is not from the service; try again later" };

/** Returns whether a token was refused, rather than a password. */
function refusesToken({ code }: Failure): boolean {
  return code === "TOKEN_EXPIRED" || code === "UNAUTHORIZED" || code === "REFRESH_TOKEN_REUSED";
}

/** Returns whether the service may have processed the request although its answer is missing. */
function isUnanswered({ code, status = 0 }: Failure): boolean {
  return code === "OFFLINE" || status >= 500;
}
