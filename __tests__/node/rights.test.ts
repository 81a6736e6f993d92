/** What the node's user has put into a program or an environment is acted on with that user's rights, and with no others. */
import { spawn } from "node:child_process";
import { chmodSync, chownSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { launch, type ProcessRecipe } from "../../src/node/process/launch.ts";
import { versionCommandOf, versionCommandOfFile } from "../../src/node/version.ts";
import { query } from "../../src/system/exec.ts";
import { privilegeFor } from "../../src/system/privilege.ts";
import { readStatus } from "../../src/system/proc.ts";

const user = 12_345;
const privilege = privilegeFor("never");

describe.runIf(process.geteuid?.() === 0)("as root", () => {
  /** Who a command is run as, and what it finds in its environment. */
  async function lookAt(command: readonly string[] | undefined): Promise<string> {
    process.env["AWS_SECRET_ACCESS_KEY"] = "hush";
    onTestFinished(() => {
      delete process.env["AWS_SECRET_ACCESS_KEY"];
    });
    const { stdout } = await query([
      ...(command ?? []).slice(0, -2),
      "sh",
      "-c",
      "id -u; id -G; env | grep -v ^PWD=",
    ]);
    return stdout.trim();
  }

  test("the version of what runs is asked with its own rights and nothing of the job's environment", async () => {
    const child = spawn("sleep", ["60"], { uid: user, gid: user, stdio: "ignore" });
    onTestFinished(() => void child.kill());
    const pid = child.pid ?? 0;
    const command = await versionCommandOf({ pid, startTicks: 0 }, privilege);
    expect(command?.slice(-1)).toEqual(["version"]);
    expect(await lookAt(command)).toBe(`${user}\n${user}\nPATH=/usr/bin:/bin`);
  });

  test("that of a program that does not run is asked with nobody's", async () => {
    expect(await lookAt(versionCommandOfFile("/opt/stacks-node"))).toBe("65534\n65534\nPATH=/usr/bin:/bin");
  });

  test("what the node exported is seen by no program of root's when it is started again", async () => {
    const directory = mkdtempSync(join(tmpdir(), "rights-"));
    onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
    const seen = join(directory, "seen");
    mkdirSync(seen);
    chmodSync(directory, 0o755);
    for (const path of [directory, seen]) chownSync(path, user, user);
    const recipe: ProcessRecipe = {
      manager: "process",
      name: "node",
      executable: "/bin/sleep",
      argv: ["sleep", "30"],
      // The dynamic linker says of each program that has these who ran it.
      environment: { LD_DEBUG: "files", LD_DEBUG_OUTPUT: join(seen, "by"), PATH: "/usr/bin:/bin" },
      directory,
      uid: user,
      gid: user,
      groups: [],
      stdout: join(directory, "log"),
      stderr: join(directory, "log"),
      sudo: false,
      process: { pid: 1, startTicks: 1 },
    };
    const started = await launch(recipe, privilege);
    const { pid } = started!;
    onTestFinished(() => void process.kill(pid));
    expect(readStatus(pid)?.uid).toBe(user);
    await expect.poll(() => readdirSync(seen).length).toBeGreaterThan(0);
    expect([...new Set(readdirSync(seen).map((name) => statSync(join(seen, name)).uid))]).toEqual([user]);
  });
});
