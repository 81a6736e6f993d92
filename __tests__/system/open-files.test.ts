/** Who has a file open or mapped is found alike by the line that sudoers allows and by the shorter one that needs no sudo. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { privilegeFor, type Privilege } from "../../src/system/privilege.ts";
import { fileKey, findHolders } from "../../src/system/proc.ts";

const own = privilegeFor("never");
/** Runs what it is to elevate as this user. */
const elevating: Privilege = { ...own, elevate: (argv) => ["env", ...argv] };

test.each([
  ["the short line", own],
  ["the line of sudoers", elevating],
])("%s finds what a process has open and, as root, what it has mapped", async (_, privilege) => {
  const directory = mkdtempSync(join(tmpdir(), "open-files-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const [mapped, open] = [join(directory, "program"), join(directory, "file")];
  copyFileSync("/bin/sleep", mapped);
  writeFileSync(open, "");
  const child = spawn("sh", ["-c", 'exec 9<"$2"; exec "$1" 60', "sh", mapped, open]);
  onTestFinished(() => void child.kill());
  await once(child, "spawn");
  const [program, file] = [mapped, open].map((path) => fileKey(statSync(path).dev, statSync(path).ino));
  const wanted = new Set([program!, file!]);
  const isRoot = process.geteuid?.() === 0;
  await expect
    .poll(async () => (await findHolders(wanted, privilege)).holders.get(child.pid!))
    .toEqual(isRoot ? wanted : new Set([file]));
});
