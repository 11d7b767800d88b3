import type { Json, Records, Store } from "../store.ts";
import { closedError, LEASES, queue } from "./shared.ts";

/** Milliseconds after which a lease expires unless its holder renews it. */
export const LEASE_DURATION = 10_000;
const RENEWAL_INTERVAL = LEASE_DURATION / 4;
/** Bounds of the pause between two attempts to acquire a lease, in milliseconds. */
const [MIN_PAUSE, MAX_PAUSE] = [50, 250];

/** Record of a lease. Times are those of the device's clock, in milliseconds since 1970. */
type Lease = {
  readonly owner: string;
  readonly until: number;
  /** Whether another handle waits for the lease. */
  readonly wanted: boolean;
};

/** Locks as leases. */
export interface Leases {
  readonly lock: Store["lock"];
  /** Releases the leases held, and lets those that wait fail. */
  close(): Promise<void>;
}

const pause = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Returns the lease under `key` if it has not expired. */
function current(records: Records, key: string): Lease | undefined {
  const lease = parse(records.get(key));
  const left = lease ? lease.until - Date.now() : 0;
  // No lease lasts longer than its duration: if more is left, the clock was set back, and waiting for `until` might take hours.
  return left > 0 && left <= LEASE_DURATION ? lease : undefined;
}

function parse(record: Json | undefined): Lease | undefined {
  if (typeof record !== "object" || record === null || !("owner" in record)) return undefined;
  const { owner, until, wanted } = record;
  return typeof owner === "string" && typeof until === "number" ? { owner, until, wanted: wanted === true } : undefined;
}

const writing = <T>(key: string, lease: Lease | undefined, result: T) => ({ writes: new Map([[key, lease]]), result });

/**
 * Returns locks for stores that several processes share, as records `lease/<name>` written by `transact`. The holder renews its lease until
 * it is done. If the process ends, the lease expires. A process that was suspended for longer than the duration has lost its
 * lease without knowing it; hence correctness must not depend on the lock. Within a handle the locks are granted in the order of the calls;
 * among handles the order is random, but a handle that releases a lease that others want does not take it again at once.
 */
export function leases(transact: Store["transact"]): Leases {
  const inOrder = queue();
  const held = new Set<() => Promise<void>>();
  /** Pauses that leave a released lease to others, by key. */
  const yields = new Map<string, Promise<void>>();
  let closed = false;

  /** Takes the lease if it is free, and otherwise marks it as wanted. Returns whether `owner` holds it. */
  const take = (key: string, owner: string): Promise<boolean> =>
    transact({ keys: [key] }, (records) => {
      const lease = current(records, key);
      if (!lease) return writing(key, { owner, until: Date.now() + LEASE_DURATION, wanted: false }, true);
      return lease.wanted ? { result: false } : writing(key, { ...lease, wanted: true }, false);
    });

  /** Extends the lease. If it expired and another handle took it, it is left to that one. */
  const renew = (key: string, owner: string): Promise<void> =>
    transact({ keys: [key] }, (records) => {
      const lease = parse(records.get(key));
      if (lease?.owner !== owner) return { result: undefined };
      return writing(key, { ...lease, until: Date.now() + LEASE_DURATION }, undefined);
    });

  /** Gives the lease up. Returns whether another handle wants it. */
  const release = (key: string, owner: string): Promise<boolean> =>
    transact({ keys: [key] }, (records) => {
      const lease = parse(records.get(key));
      return lease?.owner === owner ? writing(key, undefined, lease.wanted) : { result: false };
    });

  /** Waits until `owner` holds the lease. */
  const acquire = async (key: string, owner: string): Promise<void> => {
    await yields.get(key);
    for (;;) {
      if (closed) throw closedError();
      if (await take(key, owner)) return;
      await pause(MIN_PAUSE + Math.random() * (MAX_PAUSE - MIN_PAUSE));
    }
  };

  const hold = async <T>(key: string, run: () => Promise<T>): Promise<T> => {
    // `crypto.randomUUID` exists in secure contexts only, where browsers have Web Locks too.
    const owner = crypto.getRandomValues(new Uint32Array(4)).join("-");
    await acquire(key, owner);
    // A failed renewal is repeated by the next one. A lease that cannot be released expires.
    const renewal = setInterval(() => void renew(key, owner).catch(() => {}), RENEWAL_INTERVAL);
    const end = async () => {
      if (!held.delete(end)) return;
      clearInterval(renewal);
      if (await release(key, owner).catch(() => false)) yields.set(key, pause(MAX_PAUSE + MIN_PAUSE));
    };
    held.add(end);
    try {
      return await run();
    } finally {
      await end();
    }
  };

  return {
    lock: (name, run) => inOrder(name, () => hold(LEASES + name, run)),
    async close() {
      closed = true;
      await Promise.all([...held].map((end) => end()));
    },
  };
}
