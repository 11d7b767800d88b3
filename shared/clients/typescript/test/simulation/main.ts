/**
 * Simulation of several devices of one account that use the SDK, under random schedules: `main.ts SERVICE_URL CONTROL_URL`.
 *
 * The seed determines a schedule: edits in tabs that have read something older, syncs of two tabs at once, calls that interleave,
 * requests and responses that are lost, clients that are killed between any two calls of their store and the network, clocks off by a
 * day, all strategies, resolutions, restored versions, purges, an expired session, and a server that is busy, is restarted, or is
 * restored from a backup. Every other schedule has an account that is soon full. At the end all devices have the state of the
 * server, and no edit is lost.
 *
 * `FIRST_SEED`, `END_SEED` and `SEED_STEP` select the seeds; a single one prints its steps. With `KEEP_GOING`, a failed schedule does not end
 * the run. `tests/sdk/simulation.rs` starts it.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Control } from "./control.ts";
import { World } from "./world.ts";

const [url, controlUrl] = process.argv.slice(2);
if (!url || !controlUrl) {
  throw new Error("usage: node main.ts SERVICE_URL CONTROL_URL");
}
const number = (name: string, otherwise: number): number => Number(process.env[name] ?? otherwise);
const [first, end, step] = [number("FIRST_SEED", 0), number("END_SEED", 100), number("SEED_STEP", 1)];
const isSingle = end - first <= step;
const control = new Control(controlUrl);
const folder = mkdtempSync(join(tmpdir(), "sdk-simulation-"));
const start = Date.now();
let [schedules, edits] = [0, 0];

// Listeners of the clients run in the background: what they throw is a defect, too.
let current: World | undefined;
for (const event of ["uncaughtException", "unhandledRejection"]) {
  process.on(event, (error: unknown) => current?.fail(error));
}

for (let seed = first; seed < end; seed += step) {
  const lines: string[] = [];
  const world = new World({ url, control, folder, seed, log: (line) => (isSingle ? console.log(line) : lines.push(line)) });
  current = world;
  try {
    await world.run();
  } catch (error) {
    // The last actions, without the steps that they consist of.
    console.log(lines.filter((line) => !line.includes("Z   ")).slice(-30).map((line) => line.slice(0, 300)).join("\n"));
    console.log(error);
    console.log(`schedule ${seed} failed; reproduce: SIMULATION_SEED=${seed} tests/run sdk`);
    process.exitCode = 1;
    if (process.env["KEEP_GOING"] === undefined) {
      break;
    }
  }
  schedules += 1;
  edits += world.edits.all.length;
}
rmSync(folder, { recursive: true });
console.log(`${schedules} schedules with ${edits} edits in ${Math.round((Date.now() - start) / 1_000)} s`);
process.exit();
