/**
 * Environment of a page, which is complete before other modules are loaded: calls by the test, the list of uncaught errors, and what the
 * query of the page demands.
 *
 * - `locks=none`: the browser has no Web Locks.
 * - `timers=short`: timers of a second or more do not run out.
 */

/** Functions that the test can call, by name. Set by `page.ts`. */
declare const commands: Readonly<Record<string, (argument: unknown) => unknown>>;

/** Result of a call, or the error that it ended with. */
type Outcome = { readonly value: unknown } | { readonly error: string };

/** Time that `poll` waits, in milliseconds. */
const POLL = 200;

const calls: Promise<Outcome>[] = [];
const uncaught: string[] = [];

const describe = (error: unknown): string => (error instanceof Error ? (error.stack ?? String(error)) : String(error));

/** Starts a call of a command. Returns its index. */
function begin(name: string, argument: unknown): number {
  const result = Promise.resolve().then(() => commands[name]?.(argument));
  return calls.push(result.then((value) => ({ value: value ?? null }), (error: unknown) => ({ error: describe(error) }))) - 1;
}

/** Returns the outcome of a call if it ends soon, and the uncaught errors of the page so far. */
async function poll(index: number): Promise<{ outcome: Outcome | null; uncaught: readonly string[] }> {
  const outcome = await Promise.race([calls[index], new Promise<null>((resolve) => setTimeout(resolve, POLL, null))]);
  return { outcome: outcome ?? null, uncaught };
}

addEventListener("unhandledrejection", ({ reason }) => uncaught.push(`unhandled rejection: ${describe(reason)}`));
addEventListener(
  "error",
  ({ target, error, message }) => {
    uncaught.push(target instanceof HTMLScriptElement ? `cannot load ${target.src}` : `uncaught error: ${describe(error ?? message)}`);
  },
  // Errors of loading do not bubble.
  { capture: true },
);

const demands = new URLSearchParams(location.search);
if (demands.get("locks") === "none") {
  Object.defineProperty(navigator, "locks", { value: undefined });
}
if (demands.get("timers") === "short") {
  const original = globalThis.setTimeout;
  const limited = (run: (value: unknown) => void, milliseconds = 0, value?: unknown): unknown =>
    milliseconds < 1_000 ? original(run, milliseconds, value) : 0;
  Object.assign(globalThis, { setTimeout: limited });
}

Object.assign(globalThis, { begin, poll, uncaught });

export {};
