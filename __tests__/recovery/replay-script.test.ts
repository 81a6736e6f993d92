/** `replay.sh` is run by root at boot: whatever the state directory is called, it is one word. */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { replayScript } from "../../src/recovery/watchdog.ts";

const base = mkdtempSync(join(tmpdir(), "replay-"));
afterAll(() => rmSync(base, { recursive: true, force: true }));

test.each([
  "it's here",
  `a' "$(touch hit)" '`,
  "$(touch hit)`touch hit`",
  "two\nlines; touch hit",
  "-n $HOME",
])("%j", (name) => {
  const directory = join(base, name);
  mkdirSync(directory);
  const program = join(directory, "program.mjs");
  writeFileSync(program, "console.log(JSON.stringify(process.argv.slice(2)))");
  const script = join(base, "replay.sh");
  writeFileSync(script, replayScript(program, directory), { mode: 0o700 });
  const { stdout, stderr } = spawnSync(script, ["--swap-only"], { cwd: base, encoding: "utf8" });
  expect({ stdout, stderr }).toEqual({
    stdout: `${JSON.stringify(["replay", directory, "--swap-only"])}\n`,
    stderr: "",
  });
  expect(readdirSync(base)).not.toContain("hit");
});
