/** Fails unless the committed `dist` is byte for byte what a rebuild of `src` gives. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const root = resolve(import.meta.dirname, "..");
const committed = join(root, "dist");
const rebuilt = mkdtempSync(join(tmpdir(), "dist-"));
try {
  execFileSync(process.execPath, [join(root, "scripts/build.ts"), rebuilt], { stdio: "inherit" });
  const names = new Set([...readdirSync(committed), ...readdirSync(rebuilt)]);
  const differing = [...names].filter((name) => read(join(committed, name)) !== read(join(rebuilt, name)));
  if (differing.length > 0) {
    console.error(
      `dist is not what src gives; differing: ${differing.join(", ")}. Run \`npm run build\` and commit dist.`,
    );
    process.exitCode = 1;
  } else {
    const bytes = [...names].reduce((sum, name) => sum + statSync(join(committed, name)).size, 0);
    console.log(`dist is what a rebuild gives: ${names.size} files, ${(bytes / 1e6).toFixed(2)} MB`);
  }
} finally {
  rmSync(rebuilt, { recursive: true, force: true });
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return undefined;
  }
}
