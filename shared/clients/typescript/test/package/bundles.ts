/** Sizes and contents of bundles with the installed package. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import { type Metafile, build } from "esbuild";
import { PACKAGE, type Project, installPackage } from "./project.ts";

/** Most bytes of a bundle, minified and compressed. */
const BUDGET = 20_000;

/** Files of the engine, which an application that does not open a client does without. */
const ENGINE = ["client", "collection", "session", "sync", "stores/indexeddb", "stores/sqlite"];

const { exports, peerDependencies } = JSON.parse(readFileSync(join(PACKAGE, "package.json"), "utf8"));
const peers = Object.keys(peerDependencies);

let project: Project;
before(async () => {
  project = await installPackage();
});

interface Bundle {
  /** Number of bytes, minified and compressed. */
  readonly size: number;
  /** Files of the package that are in it, without folder and extension. */
  readonly files: readonly string[];
  /** Modules that it imports. */
  readonly imports: readonly string[];
}

/** Bundles a page's code. Fails if it imports a module of Node.js or a package, apart from the databases that adapters are for. */
async function bundle(code: string): Promise<Bundle> {
  const { outputFiles, metafile } = await build({
    stdin: { contents: code, resolveDir: project.folder },
    external: peers.flatMap((name) => [name, `${name}/*`]),
    bundle: true, minify: true, write: false, metafile: true, logLevel: "silent",
    format: "esm", platform: "browser", target: "es2023", outfile: "bundle.js",
  });
  const [output]: Metafile["outputs"][string][] = Object.values(metafile.outputs);
  assert.ok(output && outputFiles[0]);
  const used = Object.entries(output.inputs).filter(([, { bytesInOutput }]) => bytesInOutput > 0).map(([path]) => path);
  const files = used.flatMap((path) => /\/dist\/(.*)\.js$/.exec(path)?.slice(1) ?? []);
  return { size: gzipSync(outputFiles[0].contents, { level: 9 }).length, files, imports: output.imports.map(({ path }) => path) };
}

function checkSize(name: string, { size, files }: Bundle): void {
  assert.ok(files.length > 0);
  console.log(`${name}: ${size.toLocaleString("en")} bytes`);
  assert.ok(size <= BUDGET, `${name} has ${size} bytes, more than ${BUDGET}`);
}

describe("a bundle", () => {
  test("of the client with IndexedDB is small and imports nothing", async () => {
    const whole = await bundle(`export * from "@sql-studio/sync"; export * from "@sql-studio/sync/indexeddb";`);
    checkSize("@sql-studio/sync with @sql-studio/sync/indexeddb", whole);
    assert.deepEqual(whole.imports, []);
  });

  const adapters = Object.keys(exports).filter((entry) => exports[entry].default?.startsWith("./dist/adapters/"));
  assert.ok(adapters.length > 0);
  for (const entry of adapters) {
    const name = entry.replace(".", "@sql-studio/sync");
    test(`of ${name} is small, imports its database and has no engine`, async () => {
      const adapter = await bundle(`export * from "${name}";`);
      checkSize(name, adapter);
      assert.deepEqual(adapter.files.filter((file) => ENGINE.includes(file)), []);
      const databases = new Set(adapter.imports.map((path) => peers.find((peer) => path === peer || path.startsWith(`${peer}/`))));
      assert.deepEqual([...databases], peers.filter((peer) => peer.endsWith(entry.slice("./".length))));
    });
  }

  test("of a single function has no engine", async () => {
    const { files } = await bundle(`export { memoryStore } from "@sql-studio/sync";`);
    assert.deepEqual([...files].sort(), ["stores/memory", "stores/shared", "uncaught"]);
  });

  test("of a page cannot have the store of Node.js", async () => {
    await assert.rejects(bundle(`export * from "@sql-studio/sync/sqlite";`), /Could not resolve "node:fs"/);
  });
});
