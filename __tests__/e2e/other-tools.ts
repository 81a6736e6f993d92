/** What others make of an archive: every tool named in the documentation takes it, and gives back the same tree. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { framesBySeekTable } from "../archive/seekable-reader.ts";
import { has } from "../tools.ts";
import { isScratch, treeOf } from "./support.ts";

/** `expected`: as `treeOf` saw the source. A tool that this machine lacks is left out. */
export function expectOthersToTakeIt(
  file: string,
  scratch: string,
  expected: Readonly<Record<string, string>>,
): void {
  for (const [tool, ...argv] of [
    ["tar", "--zstd", "-xf", file, "-C"],
    ["bsdtar", "-xpf", file, "-C"],
  ] as const) {
    if (!has(tool) || !has("zstd")) continue;
    const out = join(scratch, `by-${tool}`);
    mkdirSync(out);
    execFileSync(tool, [...argv, out]);
    expect(treeOf(join(out, readdirSync(out)[0] ?? ""), isScratch)).toEqual(expected);
  }
  const tar = createHash("sha256");
  for (const frame of framesBySeekTable(readFileSync(file))) tar.update(frame);
  const digest = tar.digest("hex");
  for (const tool of ["zstd", "pzstd"]) {
    if (!has(tool)) continue;
    execFileSync(tool, ["-tq", file]);
    const script = `set -o pipefail; ${tool} -dcq "$1" | sha256sum`;
    const whole = execFileSync("bash", ["-c", script, "bash", file], { encoding: "utf8" });
    expect(whole.slice(0, 64), tool).toBe(digest);
  }
}
