/** Devices of an account on the service under test, without the client. */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import type { Fields, RemoteClient } from "../src/adapters/remote.ts";
import { Http } from "../src/http.ts";
import type { RemoteRequest } from "../src/remote.ts";
import type { Change, DownloadPage, Schemas, UploadResponse } from "../src/types.ts";
import { serviceUrl } from "./proxy.ts";
import { valueOf } from "./results.ts";

export interface TestAccount {
  readonly id: string;
  /** Returns a device that sends its requests to `url`, through `fetch`. */
  device(id: string, options?: { readonly url?: string; readonly fetch?: typeof fetch }): TestDevice;
}

export interface TestDevice extends RemoteClient {
  /** Requests in the order in which they were sent, with their bodies. */
  readonly sent: RemoteRequest[];
  /** Cursor that the next download sends instead of its own. */
  since: string | undefined;
  /** Whether downloads lack deletions, as if they had been purged. */
  isPurged: boolean;
}

/** Signs up a new user. */
export async function signUp(): Promise<TestAccount> {
  const name = `u${randomUUID().replaceAll("-", "").slice(0, 20)}`;
  const body = { username: name, email: `${name}@example.com`, password: `Barley ${randomUUID()}` };
  const http = new Http({ url: serviceUrl() });
  const { token, user } = valueOf(await http.send<Schemas["Authenticated"]>({ method: "POST", path: "/api/auth/signup", body }));
  return {
    id: user.id,
    device: (deviceId, { url = serviceUrl(), fetch } = {}) => {
      const remote = new Http({ url, ...(fetch && { fetch }) });
      const device: TestDevice = {
        deviceId,
        sent: [],
        since: undefined,
        isPurged: false,
        remote: {
          send: async <T>({ account, ...request }: RemoteRequest) => {
            assert.ok(account === undefined || account === user.id);
            const isDownload = request.path === "/api/sync/download" && device.since !== undefined;
            const query = isDownload ? { ...request.query, since: device.since } : request.query ?? {};
            device.since = isDownload ? undefined : device.since;
            device.sent.push({ ...request, query });
            const result = await remote.send<T>({ ...request, query, token });
            if (device.isPurged && result.ok) {
              Object.assign(result.value ?? {}, { deleted: [] });
            }
            return result;
          },
        },
      };
      return device;
    },
  };
}

/** Returns a cursor after all changes: the service answers it with the whole state. */
export const UNKNOWN_CURSOR = "2999-01-01T00:00:00Z";

/** Uploads changes of saved queries, as another client would. */
export async function uploadQueries(client: RemoteClient, changes: readonly Partial<Change>[]): Promise<UploadResponse> {
  const all = changes.map((change) => ({ item_type: "saved_query", updated_at: new Date().toISOString(), ...change }));
  const body = { device_id: client.deviceId, conflict_strategy: "last_write_wins", changes: all };
  return valueOf(await client.remote.send<UploadResponse>({ method: "POST", path: "/api/sync/upload", body }));
}

/** Returns the saved queries of the account, by id. */
export async function storedQueries(client: RemoteClient): Promise<Map<string, Fields & { readonly sync_version: number }>> {
  const stored = new Map<string, Fields & { readonly sync_version: number }>();
  for (let since: string | undefined; ;) {
    const query = { device_id: client.deviceId, since };
    const page: DownloadPage = valueOf(await client.remote.send({ method: "GET", path: "/api/sync/download", query }));
    page.saved_queries.forEach((item) => stored.set(item.id, { ...item }));
    since = page.sync_timestamp;
    if (!page.has_more) {
      return stored;
    }
  }
}

/** Waits until `condition` holds. Fails after 60 s. */
export async function until(description: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  for (const start = Date.now(); !await condition();) {
    assert.ok(Date.now() - start < 60_000, `not within 60 s: ${description}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
