/** What the package contains, and that it works where it is installed: `node test/package/installed.ts URL`, with the URL of a service. */
import assert from "node:assert/strict";
import { copyFile, globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import { promisify } from "node:util";
import { PACKAGE, type Project, installPackage, run, runTool } from "./project.ts";

const url = process.argv[2];
assert.ok(url, "usage: node test/package/installed.ts URL");

const read = (path: string): string => readFileSync(join(PACKAGE, path), "utf8");

let project: Project;
before(async () => {
  project = await installPackage();
});

describe("the package", () => {
  test("contains the compiled sources, their types and the documents, and nothing else", () => {
    const sources = globSync("**/*.ts", { cwd: join(PACKAGE, "src") }).map((path) => path.replace(/\.ts$/, ""));
    assert.ok(sources.length > 20);
    const compiled = sources.flatMap((path) => [`dist/${path}.d.ts`, `dist/${path}.js`]);
    assert.deepEqual(project.files, ["CHANGELOG.md", "LICENSE", "README.md", "package.json", ...compiled].sort());
    assert.equal(read("LICENSE"), read("../../../LICENSE"));
  });

  test("is built before it is published", () => {
    assert.equal(JSON.parse(read("package.json")).scripts.prepack, "npm run build");
  });

  test("installs nothing else", () => {
    const { packages } = JSON.parse(readFileSync(join(project.folder, "package-lock.json"), "utf8"));
    assert.deepEqual(Object.keys(packages), ["", "node_modules/@sql-studio/sync"]);
    assert.equal(packages["node_modules/@sql-studio/sync"].dependencies, undefined);
  });

  test("follows the rules of publint", async () => {
    await runTool("publint/src/cli.js", ["run", project.tarball, "--strict"]);
  });

  test("is imported and required, and keeps no process running", async () => {
    const stores = ["memoryStore", "indexedDbStore", "sqliteStore"];
    const modules = ["@sql-studio/sync", "@sql-studio/sync/indexeddb", "@sql-studio/sync/sqlite"];
    const report = "console.log(JSON.stringify(modules.map((module, i) => typeof module[stores[i]])))";
    const names = `const stores = ${JSON.stringify(stores)}, names = ${JSON.stringify(modules)};`;
    const imported = `${names} const modules = await Promise.all(names.map((name) => import(name))); ${report}`;
    const required = `${names} const modules = names.map((name) => require(name)); ${report}`;
    for (const [type, script] of [["module", imported], ["commonjs", required]] as const) {
      const output = await run(process.execPath, [`--input-type=${type}`, "--eval", script], { cwd: project.folder });
      assert.deepEqual(JSON.parse(output), ["function", "function", "function"]);
    }
  });
});

describe("the first lines of the README", () => {
  test("are the script, of at most ten lines", () => {
    const [, lines] = /```ts\n(.*?)```/s.exec(read("README.md")) ?? [];
    assert.equal(lines, read("test/package/start.ts"));
    assert.ok(lines.trimEnd().split("\n").length <= 10);
  });

  test("sync two processes", async () => {
    const script = join(project.folder, "start.ts");
    await promisify(copyFile)(join(PACKAGE, "test/package/start.ts"), script);
    /** Runs a process that adds tags to the query, syncs and prints its queries. Returns the tags. */
    const start = async (service: string, file: string, ...tags: string[]): Promise<string[]> => {
      const output = await run(process.execPath, [script, file, ...tags], { cwd: project.folder, env: { SYNC_URL: service } });
      const [, code] = /error: \{\s+code: '(\w+)'/.exec(output) ?? [];
      assert.equal(code, service === url ? undefined : "OFFLINE", output);
      assert.match(output, /conflicts: 0,\s+rejected: 0/);
      const [, list = ""] = /tags: \[(.*?)\]/s.exec(output) ?? [];
      return list.split(",").map((tag) => tag.trim().replaceAll("'", ""));
    };
    assert.deepEqual(await start(url, "laptop.db", "shop"), ["shop"]);
    assert.deepEqual(await start(url, "phone.db"), ["shop"]);
    // Both edit the version that they have read, the laptop without a network.
    assert.deepEqual(await start("http://127.0.0.1:1", "laptop.db", "paid"), ["shop", "paid"]);
    assert.deepEqual(await start(url, "phone.db", "daily"), ["shop", "daily"]);
    assert.deepEqual(await start(url, "laptop.db"), ["shop", "daily", "paid"]);
    assert.deepEqual(await start(url, "phone.db"), ["shop", "daily", "paid"]);
    // Both edit at the same time.
    await Promise.all([start(url, "laptop.db", "new"), start(url, "phone.db", "old")]);
    const merged = await Promise.all([start(url, "laptop.db"), start(url, "phone.db")]);
    assert.deepEqual(merged[0], merged[1]);
    assert.deepEqual(merged[0].sort(), ["daily", "new", "old", "paid", "shop"]);
  });
});
