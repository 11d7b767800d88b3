/** The package as its users get it: packed, and installed into an empty project. */
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

/** Folder of the package. */
export const PACKAGE = join(import.meta.dirname, "../..");

const execute = promisify(execFile);

/** Time that a program may take, in milliseconds. */
const DEADLINE = 120_000;

/** Settings of a program. */
export interface RunOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs a program in the folder of the package, or in `cwd`, and returns its output. Throws an error with the output if it fails. */
export async function run(program: string, args: readonly string[], { cwd = PACKAGE, env = {} }: RunOptions = {}): Promise<string> {
  try {
    const { stdout } = await execute(program, args, { cwd, env: { ...process.env, NO_COLOR: "1", ...env }, timeout: DEADLINE });
    return stdout;
  } catch (error) {
    const { stdout = "", stderr = "" } = error as { stdout?: string; stderr?: string };
    throw new Error(`${program} ${args.join(" ")} failed:\n${stdout}${stderr}`);
  }
}

/** Runs a script of an installed development dependency. */
export function runTool(script: string, args: readonly string[]): Promise<string> {
  return run(process.execPath, [join(PACKAGE, "node_modules", script), ...args]);
}

/** Creates a folder, which is removed at the end of the process. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "sql-studio-sync-"));
  process.on("exit", () => rmSync(folder, { recursive: true }));
  return folder;
}

/** Empty project with the package. */
export interface Project {
  readonly folder: string;
  readonly tarball: string;
  /** Paths in the tarball, sorted. */
  readonly files: readonly string[];
}

/** Packs the built package and installs it into an empty project, without access to a registry or to packages of earlier installs. */
export async function installPackage(): Promise<Project> {
  const folder = temporaryFolder();
  const env = { npm_config_cache: join(folder, ".npm"), npm_config_update_notifier: "false" };
  const packed = await run("npm", ["pack", "--ignore-scripts", "--json", "--pack-destination", folder], { env });
  const [{ filename, files }]: [{ filename: string; files: { path: string }[] }] = JSON.parse(packed);
  await writeFile(join(folder, "package.json"), JSON.stringify({ private: true, type: "module" }));
  const tarball = join(folder, filename);
  await run("npm", ["install", "--offline", "--ignore-scripts", "--no-audit", "--no-fund", tarball], { cwd: folder, env });
  return { folder, tarball, files: files.map(({ path }) => path).sort() };
}
