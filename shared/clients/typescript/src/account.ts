import type { Http } from "./http.ts";
import { failure, success, type Result } from "./result.ts";
import type { Session } from "./session.ts";
import type { Account, Schemas, Session as SessionRecord } from "./types.ts";

export interface AccountsOptions {
  readonly http: Http;
  readonly session: Session;
  /** Name of this device in the list of sessions. */
  readonly deviceName?: string;
}

/** Accounts and their sessions. */
export class Accounts {
  readonly #http: Http;
  readonly #session: Session;
  readonly #device: { device?: string };

  constructor({ http, session, deviceName }: AccountsOptions) {
    this.#http = http;
    this.#session = session;
    this.#device = deviceName === undefined ? {} : { device: deviceName };
  }

  /** Sessions of the account, on all devices. */
  readonly sessions = {
    /** Returns the open sessions, newest first. */
    list: async (): Promise<Result<readonly SessionRecord[]>> => {
      const result = await this.#session.send<Schemas["SessionList"]>({ method: "GET", path: SESSIONS });
      return result.ok ? success(result.value.sessions) : result;
    },
    /** Ends a session, such as that of a lost device. */
    end: async (id: string): Promise<Result<void>> =>
      acknowledged(await this.#session.send({ method: "DELETE", path: `${SESSIONS}/${encodeURIComponent(id)}` })),
    /** Ends all sessions but that of this device. */
    endOthers: async (): Promise<Result<void>> => acknowledged(await this.#session.send({ method: "DELETE", path: SESSIONS })),
  };

  /** Creates an account, opens a session of it, and lets the service email a link that confirms the address. */
  signUp({ username, email, password }: { username: string; email: string; password: string }): Promise<Result<Account>> {
    const body: Schemas["SignupRequest"] = { username, email, password, ...this.#device };
    return this.#open("/api/auth/signup", body);
  }

  /** Opens a session. `username` is the user name or the email address. */
  async logIn({ username, password }: { username: string; password: string }): Promise<Result<Account>> {
    const token = await this.#session.deviceToken();
    const body: Schemas["LoginRequest"] = { username, password, ...this.#device, ...(token && { device_token: token }) };
    return this.#open("/api/auth/login", body);
  }

  /** Closes the session. In any case this device has forgotten it; a failure says that the service does not know yet. */
  logOut(): Promise<Result<void>> {
    return this.#session.close();
  }

  /** Returns the account that is signed in on this device, as the service described it last, or `undefined`. Needs no network. */
  current(): Promise<Account | undefined> {
    return this.#session.account();
  }

  /** Returns the account as the service describes it now. */
  async profile(): Promise<Result<Account>> {
    const result = await this.#session.send<Schemas["Profile"]>({ method: "GET", path: PROFILE });
    if (!result.ok) {
      return result;
    }
    await this.#session.describe(result.value.user);
    return success(result.value.user);
  }

  /** Changes the password. Ends all other sessions; that of this device stays open. */
  async changePassword(passwords: { current: string; new: string }): Promise<Result<void>> {
    const body: Schemas["ChangePasswordRequest"] = { current_password: passwords.current, new_password: passwords.new };
    return acknowledged(await this.#session.send({ method: "POST", path: "/api/auth/change-password", body }));
  }

  /** Lets the service email a link that sets a new password, if there is an account with the address. */
  requestPasswordReset(email: string): Promise<Result<void>> {
    const body: Schemas["PasswordResetRequest"] = { email };
    return this.#post("/api/auth/request-password-reset", body);
  }

  /** Sets a new password with the token of an emailed link. Ends all sessions of the account. */
  resetPassword({ token, password }: { token: string; password: string }): Promise<Result<void>> {
    const body: Schemas["ResetPasswordRequest"] = { token, new_password: password };
    return this.#post("/api/auth/reset-password", body);
  }

  /**
   * Confirms an email address with the token of an emailed link. Fails with `FORBIDDEN` if the password is needed, too: no session of the
   * account was opened in this network.
   */
  verifyEmail({ token, password }: { token: string; password?: string }): Promise<Result<void>> {
    const body: Schemas["VerifyEmailRequest"] = { token, ...(password !== undefined && { password }) };
    return this.#post("/api/auth/verify-email", body);
  }

  /** Lets the service email another link that confirms the address. */
  async resendVerification(): Promise<Result<void>> {
    return acknowledged(await this.#session.send({ method: "POST", path: "/api/auth/resend-verification" }));
  }

  /** Deletes the account and all its data on the service, and closes the session. */
  async deleteAccount(password: string): Promise<Result<void>> {
    const account = (await this.#session.account())?.id ?? "";
    const body: Schemas["DeleteAccountRequest"] = { password };
    const result = await this.#session.send({ method: "DELETE", path: PROFILE, body, account });
    if (result.ok) {
      await this.#session.forget(account);
    }
    return acknowledged(result);
  }

  async #open(path: string, body: object): Promise<Result<Account>> {
    const result = await this.#http.send<Schemas["Authenticated"]>({ method: "POST", path, body });
    return result.ok ? this.#session.open(result.value) : result;
  }

  /** Sends a request without a session. */
  async #post(path: string, body: object): Promise<Result<void>> {
    return acknowledged(await this.#http.send({ method: "POST", path, body }));
  }
}

const PROFILE = "/api/auth/profile";
const SESSIONS = "/api/auth/sessions";

function acknowledged(result: Result<unknown>): Result<void> {
  return result.ok ? success(undefined) : failure(result.error);
}
