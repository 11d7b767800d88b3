/** What an application does with a client, in pages and in workers. */
import type { Client, Result, SavedQuery } from "../../src/index.ts";

/** Settings of a client. */
export interface Settings {
  /** Base URL of the service. */
  readonly url: string;
  /** Name of the IndexedDB database. */
  readonly database: string;
  readonly pageSize?: number;
}

/** Saved query. */
export interface Text {
  readonly id: string;
  readonly text: string;
  readonly version: number;
}

/** Number of items that are written at the same time. */
const GROUP = 20;

const PASSWORD = "Sesame42";

export const signUp = async (client: Client, name: string): Promise<string> =>
  valueOf(await client.signUp({ username: name, email: `${name}@example.com`, password: PASSWORD })).username;

export const logIn = async (client: Client, name: string): Promise<string> =>
  valueOf(await client.logIn({ username: name, password: PASSWORD })).username;

export const textsOf = (items: readonly SavedQuery[]): Text[] =>
  items.map(({ id, query, sync_version }) => ({ id, text: query, version: sync_version }));

/** Writes saved queries in groups. Reports each group to the URL `confirm` once it is written. */
export async function write(client: Client, ids: readonly string[], text: string, confirm?: string): Promise<void> {
  for (let first = 0; first < ids.length; first += GROUP) {
    const group = ids.slice(first, first + GROUP);
    await Promise.all(group.map((id) => client.savedQueries.put({ id, name: id, query: text })));
    if (confirm !== undefined) {
      await fetch(confirm, { method: "POST", body: JSON.stringify([text, group]) });
    }
  }
}

function valueOf<T>(result: Result<T>): T {
  if (!result.ok) {
    throw new Error(JSON.stringify(result.error));
  }
  return result.value;
}
