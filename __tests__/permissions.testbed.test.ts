/** The sudoers lines of docs/permissions.md, asked of the real sudo: they allow what the program runs, word for word, and no more. */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ServiceManager } from "../src/node/systemd/service-manager.ts";
import { dropInPath, installDropInCommand, removeDropInCommand } from "../src/node/systemd/unit.ts";
import { privilegeFor } from "../src/system/privilege.ts";
import { openFilesCommand } from "../src/system/proc.ts";

const system = new ServiceManager(undefined, privilegeFor("never"));
const systemctl = (...words: string[]): readonly string[] => system.command(...words);
const reloadCommand = systemctl("daemon-reload");
const unit = "stacks-node.service";
const file = "/etc/sudoers.d/chainstate-snapshot-readme-test";
const canAsk = process.geteuid?.() === 0 && existsSync("/usr/sbin/visudo") && existsSync("/etc/sudoers.d");

/** Whether `nobody` may run it, without running it. */
function isAllowed(argv: readonly string[]): boolean {
  return spawnSync("sudo", ["-n", "-l", "-U", "nobody", ...argv]).status === 0;
}

describe.skipIf(!canAsk)("the sudoers lines of docs/permissions.md (needs root and sudo)", () => {
  beforeAll(() => {
    const readme = readFileSync(join(import.meta.dirname, "../docs/permissions.md"), "utf8");
    const blocks = [...readme.matchAll(/```sudoers\n([\s\S]*?)```/g)].map(([, block = ""]) => block);
    if (blocks.length !== 3) throw new Error("docs/permissions.md has not three blocks of sudoers lines");
    writeFileSync(file, blocks.join("\n").replaceAll(/^stacks /gm, "nobody "), { mode: 0o440 });
    execFileSync("/usr/sbin/visudo", ["-c", "-f", file]);
  });
  afterAll(() => rmSync(file, { force: true }));

  test.each([
    ["stop", systemctl("stop", "--no-block", unit)],
    ["start", systemctl("start", "--no-block", unit)],
    ["open files", openFilesCommand],
    ["put the drop-in", installDropInCommand(dropInPath(unit))],
    ["remove it", removeDropInCommand(dropInPath(unit))],
    ["reload", reloadCommand],
    ["end what never ends", ["kill", "-KILL", "12345"]],
  ])("allow: %s", (_name, argv) => expect(isAllowed(argv)).toBe(true));

  test.each([
    [systemctl("stop", "--no-block", "ssh.service")],
    [systemctl("stop", unit)],
    [installDropInCommand(dropInPath("ssh.service"))],
    [removeDropInCommand("/etc/passwd")],
    [["find", "/root"]],
    [[...openFilesCommand, "-exec", "sh"]],
    [openFilesCommand.map((word) => (word === "/proc" ? "/root" : word))],
    [["kill", "-KILL", "-1"]],
    [["kill", "-TERM", "12345"]],
    [["sh"]],
  ])("do not allow: %j", (argv) => expect(isAllowed(argv)).toBe(false));
});
