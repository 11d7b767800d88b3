import type { SyncReport } from "../../src/index.ts";
import { Actions } from "./actions.ts";
import { Api } from "./api.ts";
import { checkEnd } from "./checks.ts";
import type { Control } from "./control.ts";
import { Device, type Tab, randomSkew } from "./devices.ts";
import { Edits } from "./edits.ts";
import { pardonDue } from "./purge.ts";
import { EXPECTED_OF_SYNC, type Faults, HEALTHY, Network } from "./network.ts";
import { Random } from "./random.ts";
import { type StoreFaults, StoreFailure } from "./stores.ts";
import { type Step, Scheduler } from "./scheduler.ts";

export const DAY = 86_400_000;

/** Start of every schedule, so that it is reproducible alone. */
const START = Date.parse("2026-01-01T00:00:00Z");

export interface Settings {
  readonly url: string;
  readonly control: Control;
  /** Folder for files of local stores. */
  readonly folder: string;
  readonly seed: number;
  /** Called with each line of the log. */
  readonly log: (line: string) => void;
}

/** A schedule: one account, its devices, and what happens to them. */
export class World {
  readonly url: string;
  readonly folder: string;
  readonly api: Api;
  readonly random: Random;
  readonly edits = new Edits();
  readonly scheduler = new Scheduler();
  readonly network: Network;
  readonly devices: Device[] = [];
  /** Time of the server. */
  now = START;
  /** Whether the schedule is over, and only the checks are left. */
  isEnding = false;
  /** Whether the account is soon full. */
  readonly hasSmallQuota: boolean;
  /** Whether devices sync other types after a while. */
  readonly changesTypes: boolean;
  storeFaults: StoreFaults;
  /** First defect that a client has shown in the background. */
  defect: unknown;
  readonly #control: Control;
  readonly #log: (line: string) => void;
  readonly #actions: Actions;
  #isClockSet = false;
  #hasBackup = false;

  constructor({ url, control, folder, seed, log }: Settings) {
    this.url = url;
    this.folder = folder;
    this.api = new Api(url);
    this.random = new Random(seed);
    this.hasSmallQuota = seed % 2 === 1;
    this.changesTypes = this.random.chance(0.3);
    this.storeFaults = { failure: this.random.chance(0.2) ? 0.003 : 0, expiredLock: this.random.chance(0.2) ? 0.1 : 0 };
    this.#control = control;
    this.#log = log;
    this.network = new Network(this.scheduler, this.random, this.edits, {
      beforeRequest: () => this.#setClock(),
      onDefect: (error) => this.fail(error),
    });
    this.#actions = new Actions(this);
  }

  log(line: string): void {
    this.#log(`${new Date(this.now).toISOString()} ${line}`);
  }

  /** Runs the schedule. Throws if a client is defective. */
  async run(): Promise<void> {
    this.scheduler.replaceGlobals(() => this.now);
    await this.#control.start(this.hasSmallQuota);
    await this.#setClock();
    await this.api.signUp();
    const count = 2 + this.random.below(3);
    for (let index = 0; index < count; index += 1) {
      this.devices.push(new Device(this, `device-${index}`));
    }
    this.network.faults = this.#randomFaults();
    for (let turns = 300 + this.random.below(900); turns > 0; turns -= 1) {
      await this.#turn();
    }
    await this.#calm();
    await checkEnd(this);
  }

  /** Starts an action of a user, in a tab. */
  start(tab: Tab, name: string, action: () => Promise<unknown>): void {
    tab.actions += 1;
    const describe = (result: unknown): void => this.log(`${tab.name}: ${name}: ${result === undefined ? "done" : JSON.stringify(result)}`);
    this.log(`${tab.name}: ${name} begins`);
    const ended = this.scheduler.as(tab, action).then(describe, (error: unknown) => this.#failedIn(tab, error));
    void ended.finally(() => (tab.actions -= 1));
  }

  /** Runs an action without faults, and returns its result. */
  async finish<T>(tab: Tab, name: string, action: () => Promise<T>): Promise<T> {
    const results: T[] = [];
    this.start(tab, name, async () => {
      results.push(await action());
    });
    await this.#drain();
    const [result] = results;
    if (results.length === 0) {
      throw new Error(`${tab.name}: ${name} does not end`);
    }
    return result as T;
  }

  /** Checks the report of a sync. */
  checkReport(tab: Tab, report: SyncReport): void {
    this.log(`${tab.name} has synced: ${JSON.stringify(report)}`);
    const code = report.error?.code;
    if (report.healed && tab.device.syncsToHeal === 0) {
      throw new Error(`${tab.name} had another state than the server, although none was restored since it has synced`);
    }
    tab.device.syncsToHeal -= code === undefined && tab.device.syncsToHeal > 0 ? 1 : 0;
    const isExpected = code === "LOCAL_FAILURE" ? this.storeFaults.failure > 0 : code === undefined || EXPECTED_OF_SYNC.includes(code);
    if (!isExpected) {
      throw new Error(`${tab.name} cannot sync: ${JSON.stringify(report.error)}`);
    }
    tab.device.isSignedOut = code === "SIGNED_OUT";
  }

  /** Takes an exception of an action. A tab whose data another one has removed is closed, and opened anew. */
  #failedIn(tab: Tab, error: unknown): void {
    if (tab.device.isWiped && error instanceof Error && error.message.startsWith("another tab has removed the data")) {
      this.log(`${tab.name} is closed, because ${error.message}`);
      tab.device.kill(this, tab);
    } else {
      this.fail(error);
    }
  }

  /** Takes an exception of a client. */
  fail(error: unknown): void {
    if (error instanceof StoreFailure) {
      this.log("a store has failed");
    } else {
      this.defect ??= error;
    }
  }

  async #turn(): Promise<void> {
    const { random } = this;
    const weights = { step: this.scheduler.waiting.length > 0 ? 82 : 0, action: 15, event: 2, kill: 1.5 };
    switch (random.weighted(weights)) {
      case "step":
        await this.#resume(random.pick(this.scheduler.waiting));
        break;
      case "action":
        this.#actions.begin(random.pick(this.devices));
        break;
      case "event":
        await this.#event();
        break;
      case "kill":
        this.#kill();
    }
    await this.scheduler.settle();
    this.#throwDefect();
  }

  async #resume(step: Step): Promise<void> {
    this.log(`  ${step.owner.name}: ${step.name}`);
    await this.scheduler.resume(step);
  }

  /** Kills a tab, mostly one that waits for a turn. */
  #kill(): void {
    const tabs = this.devices.flatMap((device) => device.tabs);
    const waiting = this.scheduler.waiting.map(({ owner }) => tabs.find((tab) => tab === owner) ?? []).flat();
    const tab = waiting.length > 0 ? this.random.pick(waiting) : tabs.length > 0 ? this.random.pick(tabs) : undefined;
    if (tab) {
      this.log(`${tab.name} is killed`);
      tab.device.kill(this, tab);
    }
  }

  /** Lets something happen to the server, a clock or the network. */
  async #event(): Promise<void> {
    const { random } = this;
    const event = random.weighted({
      clock: 30, skew: 10, network: 20, restart: 10, purge: 10, backup: 8, restore: this.#hasBackup ? 12 : 0,
    });
    this.log(`event: ${event}`);
    switch (event) {
      case "clock":
        this.advance(random.pick([1_000, 60_000, 3_600_000, DAY, 8 * DAY]));
        break;
      case "skew":
        random.pick(this.devices).skew = randomSkew(random);
        break;
      case "network":
        this.network.faults = this.#randomFaults();
        break;
      case "restart":
        await this.#control.restart();
        break;
      case "purge":
        await this.#purge();
        break;
      case "backup":
        await this.#control.backUp();
        this.edits.backUp();
        this.#hasBackup = true;
        break;
      case "restore":
        await this.#restore();
    }
  }

  /** Advances the clock of the server, and with it those of the devices. */
  advance(milliseconds: number): void {
    this.now += milliseconds;
    this.#isClockSet = false;
  }

  async #setClock(): Promise<void> {
    if (!this.#isClockSet) {
      this.#isClockSet = true;
      await this.#control.setClock(new Date(this.now));
    }
  }

  #randomFaults(): Faults {
    const { random } = this;
    const kinds: readonly Faults[] = [
      HEALTHY,
      { lostRequest: 0.05, lostResponse: 0.1, busy: 0.03 },
      { lostRequest: 0.1, lostResponse: 0.4, busy: 0.1 },
      { lostRequest: 1, lostResponse: 0, busy: 0 },
    ];
    return random.pick(kinds);
  }

  async #purge(): Promise<void> {
    this.advance(this.random.pick([10, 31, 45]) * DAY);
    await this.#setClock();
    await pardonDue(this);
    this.log(JSON.stringify(await this.#control.purge()));
  }

  async #restore(): Promise<void> {
    // A device whose cursor the server has returned before cannot always tell that it was restored, but its digest can.
    this.advance(3_600_000);
    await this.#setClock();
    await this.#control.restore();
    this.edits.restore();
    this.devices.forEach((device) => device.mayHeal());
    if (this.random.chance(0.5)) {
      await this.#control.invalidateCursors();
    }
  }

  /** Ends everything that is in progress, without faults. */
  async #calm(): Promise<void> {
    this.log("the network is healthy from now on");
    this.isEnding = true;
    this.network.faults = HEALTHY;
    this.storeFaults = { failure: 0, expiredLock: 0 };
    this.devices.flatMap(({ tabs }) => tabs).forEach((tab) => this.scheduler.as(tab, () => tab.stop()));
    await this.#drain();
    const stuck = this.devices.flatMap(({ tabs }) => tabs).find(({ actions }) => actions > 0);
    if (stuck) {
      throw new Error(`an action of ${stuck.name} does not end`);
    }
  }

  /** Continues until all actions have ended. */
  async #drain(): Promise<void> {
    await this.scheduler.settle();
    for (let turns = 0; this.scheduler.waiting.length > 0; turns += 1) {
      await this.#resume(this.random.pick(this.scheduler.waiting));
      this.#throwDefect();
      if (turns > 20_000) {
        throw new Error("an action does not end");
      }
    }
    this.#throwDefect();
  }

  #throwDefect(): void {
    if (this.defect !== undefined) {
      throw this.defect;
    }
  }
}
