// The part of the store's contract that is about locks.
import { check, equal, pause, rejects, type StoreCase } from "./store-contract-tools.ts";

/** Rounds of a handle that takes a lock again and again. */
const ROUNDS = 300;

/** Returns a promise, and the function that fulfils it. */
function gate(): { opened: Promise<void>; open: () => void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { opened: promise, open: () => resolve() };
}

export const lockCases: readonly StoreCase[] = [
  {
    name: "runs one holder of a lock at a time",
    async run(open) {
      const stores = [await open(), await open(), await open()];
      let [active, runs] = [0, 0];
      const results = stores.flatMap((store, handle) => [0, 1, 2].map((call) => store.lock("sync", async () => {
        active += 1;
        for (let turn = 0; turn < 5; turn += 1) {
          check(active === 1, `${active} holders`);
          await pause();
        }
        active -= 1;
        runs += 1;
        return `${handle}.${call}`;
      })));
      equal(await Promise.all(results), ["0.0", "0.1", "0.2", "1.0", "1.1", "1.2", "2.0", "2.1", "2.2"], "results");
      equal(runs, 9, "number of runs");
    },
  },
  {
    name: "locks of different names are independent",
    async run(open) {
      const store = await open();
      equal(await store.lock("a", () => store.lock("b", async () => "both")), "both", "nested");
    },
  },
  {
    name: "grants a lock in the order of the calls of a handle",
    async run(open) {
      const store = await open();
      const order: number[] = [];
      await Promise.all([0, 1, 2, 3, 4].map((call) => store.lock("sync", async () => {
        await pause(call % 2);
        order.push(call);
      })));
      equal(order, [0, 1, 2, 3, 4], "order");
    },
  },
  {
    name: "frees a lock if the holder throws",
    async run(open) {
      const [store, other] = [await open(), await open()];
      const error = new Error("no");
      const throwing = (): Promise<never> => {
        throw error;
      };
      check((await rejects(store.lock("sync", async () => throwing()))) === error, "rejected");
      check((await rejects(store.lock("sync", throwing))) === error, "thrown at once");
      const failing = rejects(store.lock("sync", () => pause().then(throwing)));
      equal(await store.lock("sync", async () => 0), 0, "a call that waits for one that fails");
      check((await failing) === error, "rejected later");
      equal(await store.lock("sync", async () => 1), 1, "the same handle");
      equal(await other.lock("sync", async () => 2), 2, "another handle");
    },
  },
  {
    name: "a handle that takes a lock again and again does not keep it from others",
    async run(open) {
      const [store, other] = [await open(), await open()];
      let [granted, rounds] = [false, 0];
      const { opened, open: start } = gate();
      const holding = store.lock("sync", () => opened);
      const waiting = other.lock("sync", async () => {
        granted = true;
      });
      // Long enough for the other handle to find that the lock is taken. If it is not, the case passes as well.
      await pause(300);
      start();
      await holding;
      for (; !granted && rounds < ROUNDS; rounds += 1) await store.lock("sync", () => pause());
      check(granted, `not granted within ${rounds} rounds`);
      await waiting;
    },
  },
  {
    name: "a handle that is closed gives up waiting",
    async run(open) {
      const [store, other, third] = [await open(), await open(), await open()];
      const { opened, open: end } = gate();
      const held = gate();
      const holding = store.lock("sync", () => {
        held.open();
        return opened;
      });
      await held.opened;
      let ran = false;
      const waiting = rejects(other.lock("sync", async () => {
        ran = true;
      }));
      await pause();
      await other.close();
      end();
      await holding;
      const error = await waiting;
      check(error instanceof Error && error.message.includes("closed"), `${error} names the cause`);
      check(!ran, "the waiting call does not run");
      equal(await third.lock("sync", async () => 1), 1, "others get the lock");
    },
  },
  {
    name: "a handle that is closed while it holds a lock does not keep it",
    async run(open) {
      const [store, other] = [await open(), await open()];
      const { opened, open: end } = gate();
      const held = gate();
      const holding = store.lock("sync", () => {
        held.open();
        return opened;
      });
      await held.opened;
      await store.close();
      end();
      await holding;
      equal(await other.lock("sync", async () => 1), 1, "another handle gets it");
    },
  },
];
