/**
 * Builds `dist` from `src`: tsc strips the types, ncc bundles the steps (`action.js` and its parts) and each program of
 * `src/entries` on its own, so that those which outlive the job (watchdog, keeper, archive worker …) carry none of the
 * cloud SDKs. `main.js`, `post.js` and `cli.js` are a few lines that load
 * `action.js`. Output is the same from any path.
 *
 *   node scripts/build.ts [OUT_DIR]
 */
import { execFileSync } from "node:child_process";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";
import { buildSync, transformSync } from "esbuild";

const root = resolve(import.meta.dirname, "..");
const out = resolve(process.argv[2] ?? join(root, "dist"));
const build = join(root, "build");

function runNode(...args: string[]): void {
  execFileSync(process.execPath, args, { cwd: root, stdio: ["ignore", "ignore", "inherit"] });
}

rmSync(build, { recursive: true, force: true });
execFileSync(join(root, "node_modules/.bin/tsc"), ["-p", "tsconfig.build.json"], {
  cwd: root,
  stdio: "inherit",
});

/** Programs that are a few lines around `action.js`, with the module of theirs that stands for it. */
const around: Readonly<Record<string, string>> = {
  main: "./app/steps.js",
  post: "./app/steps.js",
  cli: "./app/steps.js",
  "entries/transfer-worker": "../app/steps.js",
};
const programs = readdirSync(join(root, "src/entries")).map((file) => `entries/${basename(file, ".ts")}`);
const entries = ["action", ...programs.filter((each) => !(each in around)).map((each) => basename(each))];
rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });
const licenses: string[] = [];
for (const entry of entries) {
  const source = join(build, entry === "action" ? "app/steps.js" : `entries/${entry}.js`);
  const target = mkdtempSync(join(tmpdir(), "bundle-"));
  runNode(
    "node_modules/@vercel/ncc/dist/ncc/cli.js",
    "build",
    source,
    "-o",
    target,
    "--minify",
    "--license",
    "licenses.txt",
    "--quiet",
  );
  for (const file of readdirSync(target)) {
    if (file === "licenses.txt") licenses.push(readFileSync(join(target, file), "utf8"));
    else if (file === "index.js") renameOrCopy(join(target, file), join(out, `${entry}.js`));
    else if (file === "package.json") renameOrCopy(join(target, file), join(out, file));
    else if (entry === "action") renameOrCopy(join(target, file), join(out, file));
    else
      throw new Error(
        `${entry} needs a further file, ${file}: only the main bundle may load parts on demand`,
      );
  }
  rmSync(target, { recursive: true });
}
// ncc minifies the entry alone; the parts that are loaded on demand are minified here.
for (const part of readdirSync(out).filter((file) => file.endsWith(".index.js"))) {
  const file = join(out, part);
  const options = { minify: true, format: "esm", target: "node24" } as const;
  writeFileSync(file, transformSync(readFileSync(file, "utf8"), options).code);
}
for (const [program, steps] of Object.entries(around)) {
  const name = basename(program);
  const { outputFiles } = buildSync({
    entryPoints: [join(build, `${program}.js`)],
    external: [steps],
    bundle: true,
    write: false,
    minify: true,
    format: "esm",
    platform: "node",
    target: "node24",
  });
  writeFileSync(
    join(out, `${name}.js`),
    outputFiles.map(({ text }) => text.replace(steps, "./action.js")).join(""),
    // The command line is called by its name.
    { mode: name === "cli" ? 0o755 : 0o644 },
  );
}
writeFileSync(
  join(out, "licenses.txt"),
  [...new Set(licenses.flatMap(splitNotices))].toSorted().join("\n\n"),
);

/** ncc writes one notice a package, each headed by the package's name, separated by blank lines before the next. */
function splitNotices(text: string): string[] {
  return text.split(/\n\n(?=(?:@[\w-]+\/)?[\w.-]+\n[A-Z][\w .()-]*\n)/).map((notice) => notice.trim());
}

function renameOrCopy(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch {
    cpSync(from, to, { recursive: true });
  }
}
