// Devices of one account, for tests against the service at SERVICE_URL.
import assert from "node:assert/strict";
import { type Client, type ClientOptions, type SyncReport, memoryStore, openClient } from "../src/index.ts";

export const url = process.env["SERVICE_URL"] ?? assert.fail("SERVICE_URL must be the base URL of a service without rate limits");

const PASSWORD = "four words of mine";

export class TestAccount {
  readonly name = `user-${crypto.randomUUID()}`;

  /** Opens a device and signs in: the first one signs up. */
  async device(options: Partial<ClientOptions> = {}): Promise<Client> {
    const client = await openClient({ url, store: memoryStore(), sleep: async () => {}, ...options });
    await this.signIn(client);
    return client;
  }

  async signIn(client: Client): Promise<void> {
    const { name: username } = this;
    const result = this.#exists
      ? await client.logIn({ username, password: PASSWORD })
      : await client.signUp({ username, email: `${username}@example.com`, password: PASSWORD });
    assert.ok(result.ok, JSON.stringify(result));
    this.#exists = true;
  }

  #exists = false;
}

/** Opens `count` devices of a new account. */
export async function devices(count: number, options: Partial<ClientOptions> = {}): Promise<Client[]> {
  const account = new TestAccount();
  const opened: Client[] = [];
  while (opened.length < count) {
    opened.push(await account.device(options));
  }
  return opened;
}

/** Syncs, and asserts that nothing failed. */
export async function synced(client: Client): Promise<SyncReport> {
  const report = await client.sync();
  assert.equal(report.error, undefined);
  return report;
}

/** Returns a `fetch` that passes each request to `intercept`, which may send it with `send`. */
export function intercepted(intercept: (path: string, send: () => Promise<Response>, init?: RequestInit) => Promise<Response>): typeof fetch {
  return (input, init) => intercept(new URL(input instanceof Request ? input.url : input).pathname, () => fetch(input, init), init);
}

/** Returns the only element of `list`. */
export function only<T>(list: readonly T[]): T {
  assert.equal(list.length, 1);
  return list[0] as T;
}
