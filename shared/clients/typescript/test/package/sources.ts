/** The sources compile strictly, and generated files are up to date. */
import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { PACKAGE, runTool, temporaryFolder } from "./project.ts";

const read = (...path: string[]): string => readFileSync(join(...path), "utf8");

test("sources and tests compile", async () => {
  await runTool("typescript/bin/tsc", []);
});

test("the sources use nothing of Node.js but in its store", async () => {
  await runTool("typescript/bin/tsc", ["--project", "tsconfig.web.json"]);
});

test("`src/openapi.ts` is up to date", async () => {
  const { generate } = JSON.parse(read(PACKAGE, "package.json")).scripts;
  const [, document] = /^openapi-typescript (\S+) --output src\/openapi\.ts$/.exec(generate) ?? [];
  assert.ok(document);
  const generated = join(temporaryFolder(), "openapi.ts");
  await runTool("openapi-typescript/bin/cli.js", [document, "--output", generated]);
  assert.ok(read(generated) === read(PACKAGE, "src/openapi.ts"), "src/openapi.ts is outdated: npm run generate");
});

test("`dist` is up to date", async () => {
  const built = temporaryFolder();
  await runTool("typescript/bin/tsc", ["--project", "tsconfig.build.json", "--noCheck", "--outDir", built]);
  const files = globSync("**/*.{js,d.ts}", { cwd: built }).sort();
  assert.ok(files.length > 0);
  assert.deepEqual(globSync("**/*.*", { cwd: join(PACKAGE, "dist") }).sort(), files, "dist is outdated: npm run build");
  const outdated = files.filter((file) => read(built, file) !== read(PACKAGE, "dist", file));
  assert.deepEqual(outdated, [], "dist is outdated: npm run build");
});
