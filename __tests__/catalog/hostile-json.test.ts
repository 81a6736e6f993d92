/** Catalogues and manifests made to take the memory of whoever reads them: each is refused in a process that stays small. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { catalogBytes, smallBytes } from "../../src/catalog/small-objects.ts";

const directory = mkdtempSync(join(tmpdir(), "hostile-json-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));
const source = join(import.meta.dirname, "../../src/catalog");

const readers = {
  catalogue: [catalogBytes, `{"version":1,"snapshots":[`, `readCatalog(bytes, "x") === undefined`],
  manifest: [smallBytes, `{"version":1,"volumes":[`, `refuses(() => readManifest(bytes, "x", "x"))`],
} as const;
const units = [
  "[]",
  `{"a":0}`,
  "0",
  `""`,
  `{"id":"x","createdAt":"2026-11-20T00:00:00Z","archive":{"size":1}}`,
];

test.each(
  Object.keys(readers).flatMap((what) => units.map((unit) => [what as keyof typeof readers, unit] as const)),
)("a %s full of %s", (what, unit) => {
  const [size, head, read] = readers[what];
  const script = join(directory, "read.ts");
  writeFileSync(
    script,
    `import { readCatalog } from "${source}/catalog.ts";
       import { readManifest } from "${source}/manifest-text.ts";
       const refuses = (work: () => unknown): boolean => { try { work(); return false; } catch { return true; } };
       const [head, unit] = ${JSON.stringify([head, `${unit},`])};
       const bytes = Buffer.concat([Buffer.from(head), Buffer.from(unit.repeat(Math.floor((${size} - 100 - unit.length) / unit.length))), Buffer.from(unit.slice(0, -1) + "]}")]);
       const before = process.resourceUsage().maxRSS;
       const refused = ${read};
       console.log(JSON.stringify({ refused, tookMb: Math.round((process.resourceUsage().maxRSS - before) / 1000) }));`,
  );
  expect(module).not.toBe("");
  const { stdout } = spawnSync(process.execPath, ["--disable-warning=ExperimentalWarning", script], {
    encoding: "utf8",
  });
  const said = JSON.parse(stdout) as { refused: boolean; tookMb: number };
  expect(said.refused).toBe(true);
  expect(said.tookMb).toBeLessThan(400);
});
