/** Types of the installed package: what compiles, and that each mistake in `test/types` does not, under several settings. */
import assert from "node:assert/strict";
import { copyFileSync, globSync, mkdirSync, readFileSync, symlinkSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { before, describe, test } from "node:test";
import ts from "typescript";
import { PACKAGE, type Project, installPackage } from "./project.ts";

const { ModuleKind, ModuleResolutionKind } = ts;
const nodeNext = { module: ModuleKind.NodeNext, moduleResolution: ModuleResolutionKind.NodeNext };
const bundler = { module: ModuleKind.ESNext, moduleResolution: ModuleResolutionKind.Bundler };
const browser = { lib: ["lib.es2024.d.ts", "lib.dom.d.ts"], types: [] };
const node = { lib: ["lib.es2024.d.ts"], types: ["node"], typeRoots: [join(PACKAGE, "node_modules/@types")] };

const { peerDependencies } = JSON.parse(readFileSync(join(PACKAGE, "package.json"), "utf8"));

/** Each pair of settings occurs. */
const SETTINGS: Readonly<Record<string, ts.CompilerOptions>> = {
  "nodenext in a browser with exactOptionalPropertyTypes": { ...nodeNext, ...browser, exactOptionalPropertyTypes: true },
  "nodenext in Node.js": { ...nodeNext, ...node },
  "bundler in Node.js with exactOptionalPropertyTypes": { ...bundler, ...node, exactOptionalPropertyTypes: true },
  "bundler in a browser": { ...bundler, ...browser },
};

let project: Project;
let files: string[];
before(async () => {
  project = await installPackage();
  for (const name of Object.keys(peerDependencies)) {
    const link = join(project.folder, "node_modules", name);
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(join(PACKAGE, "node_modules", name), link);
  }
  files = [...globSync("test/types/*.ts", { cwd: PACKAGE }), "test/package/start.ts"].map((path) => {
    copyFileSync(join(PACKAGE, path), join(project.folder, basename(path)));
    return join(project.folder, basename(path));
  });
});

/** Types of others, which are parsed once for all settings that resolve modules alike. */
const libraries = new Map<string, ts.SourceFile | undefined>();

/** Returns the errors in the files and in the types of the package. */
function compile(roots: readonly string[], settings: ts.CompilerOptions): string[] {
  const options = { strict: true, noEmit: true, skipLibCheck: false, target: ts.ScriptTarget.ES2023, ...settings };
  const host = ts.createCompilerHost(options);
  const parse = host.getSourceFile;
  host.getSourceFile = (path, ...rest) => {
    if (path.startsWith(project.folder)) {
      return parse(path, ...rest);
    }
    const key = `${settings.moduleResolution} ${path}`;
    const known = libraries.get(key) ?? parse(path, ...rest);
    libraries.set(key, known);
    return known;
  };
  const program = ts.createProgram(roots, options, host);
  const checked = program.getSourceFiles().filter(({ fileName }) => fileName.startsWith(project.folder));
  assert.ok(checked.some(({ fileName }) => fileName.endsWith("@sql-studio/sync/dist/index.d.ts")));
  const diagnostics = checked.flatMap((file) => [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)]);
  return [...program.getOptionsDiagnostics(), ...program.getGlobalDiagnostics(), ...diagnostics].map((diagnostic) => {
    const { line } = diagnostic.file?.getLineAndCharacterOfPosition(diagnostic.start ?? 0) ?? { line: 0 };
    const text = ts.flattenDiagnosticMessageText(diagnostic.messageText, "\n");
    return `${basename(diagnostic.file?.fileName ?? "")}:${line + 1}: ${text}`;
  });
}

describe("types allow correct code and refuse mistakes", () => {
  for (const [name, settings] of Object.entries(SETTINGS)) {
    test(name, () => {
      // `start.ts` needs Node.js.
      const isNode = settings.types?.includes("node");
      assert.deepEqual(compile(files.filter((file) => isNode || basename(file) !== "start.ts"), settings), []);
    });
  }
});
