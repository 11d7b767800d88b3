/** IndexedDB stores in a page. */
import { indexedDbStore } from "../../src/stores/indexeddb.ts";
import type { Store } from "../../src/store.ts";
import { storeCases } from "../store-contract.ts";
import { pause } from "../store-contract-tools.ts";

/** Time limit of a case, in milliseconds. */
const TIMEOUT = 30_000;

/** Runs the contract of stores on IndexedDB. Returns the name and the error, if there was one, of each case. */
export async function runContract(): Promise<Array<{ name: string; error?: string }>> {
  const results = [];
  for (const { name, run } of storeCases) {
    const handles: Store[] = [];
    const open = (): Store => {
      const store = indexedDbStore(`contract: ${name}`);
      handles.push(store);
      return store;
    };
    const timeout = pause(TIMEOUT).then(() => {
      throw new Error(`takes longer than ${TIMEOUT} ms`);
    });
    const error = await Promise.race([run(open), timeout]).then(() => undefined, String);
    await Promise.all(handles.map((store) => store.close()));
    results.push({ name, ...(error !== undefined && { error }) });
  }
  return results;
}

/** Returns the error with which a promise is rejected, as a text. */
export async function fails(promise: Promise<unknown>): Promise<string> {
  try {
    return `no error, but ${JSON.stringify(await promise)}`;
  } catch (error) {
    return String(error);
  }
}
