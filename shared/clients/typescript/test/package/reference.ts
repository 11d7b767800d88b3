/** Everything that the package exports is documented, and the reference of it can be written. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { runTool, temporaryFolder } from "./project.ts";

test("everything exported is documented", async () => {
  const reference = temporaryFolder();
  await runTool("typedoc/bin/typedoc", ["--out", reference]);
  for (const page of ["functions/index.openClient", "functions/stores_sqlite.sqliteStore"]) {
    assert.ok(existsSync(join(reference, `${page}.html`)), page);
  }
});
