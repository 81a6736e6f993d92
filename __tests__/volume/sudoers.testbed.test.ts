/** The sudoers lines of docs/volumes.md, word for word, with the real sudo: a user who is not root snapshots and restores by them. */
import { execFileSync, spawnSync } from "node:child_process";
import { chownSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { loopFileSystem } from "./testbed.ts";

const program = join(import.meta.dirname, "as-user.ts");
const sudoers = "/etc/sudoers.d/chainstate-snapshot-volumes-test";
const nobody = { uid: 65534, gid: 65534 };
const environment = { PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" };
const places = { btrfs: await loopFileSystem("btrfs"), xfs: await loopFileSystem("xfs") };
/** The user must be able to read the project: not where it was checked out below /root. */
const canRun =
  process.geteuid?.() === 0 &&
  existsSync("/usr/sbin/visudo") &&
  spawnSync("head", ["-c1", program], nobody).status === 0 &&
  spawnSync(process.execPath, ["--version"], nobody).status === 0;

/** The lines for one driver: those below comments that name it. */
function linesFor(driver: string): string {
  const document = readFileSync(join(import.meta.dirname, "../../docs/volumes.md"), "utf8");
  const block = /## sudoers[\s\S]*?```\n([\s\S]*?)```/.exec(document)?.[1] ?? "";
  const parts = block.split(/^(?=# )/m).filter((part) => part.startsWith(`# ${driver}`));
  return parts.join("").replaceAll(/^runner /gm, "nobody ");
}

describe.skipIf(!canRun)("docs/volumes.md's sudoers lines (needs root, sudo and a readable checkout)", () => {
  const made: string[] = [];
  afterEach(() => {
    rmSync(sudoers, { force: true });
    for (const root of made.splice(0)) {
      for (const name of readdirSync(root))
        spawnSync("btrfs", ["subvolume", "delete", join(root, name)], { stdio: "ignore" });
      rmSync(root, { recursive: true, force: true });
    }
  });

  const runAs = (driver: "btrfs" | "xfs", lines: string) => {
    const root = join(places[driver] ?? "", `as-user-${process.pid}`);
    made.push(root);
    mkdirSync(root);
    const chainstateDir = join(root, "mainnet");
    if (driver === "btrfs")
      execFileSync("btrfs", ["subvolume", "create", chainstateDir], { stdio: "ignore" });
    else mkdirSync(chainstateDir);
    for (const path of [root, chainstateDir]) chownSync(path, nobody.uid, nobody.gid);
    writeFileSync(sudoers, lines, { mode: 0o440 });
    execFileSync("/usr/sbin/visudo", ["-c", "-f", sudoers], { stdio: "ignore" });
    return spawnSync(process.execPath, ["--disable-warning=ExperimentalWarning", program, driver, root], {
      ...nobody,
      env: environment,
      encoding: "utf8",
      cwd: "/",
    });
  };

  it.skipIf(places.btrfs === undefined)("btrfs passes its whole conformance suite by them", () => {
    const { status, stdout, stderr } = runAs("btrfs", linesFor("btrfs"));
    expect(status, stderr).toBe(0);
    expect(stdout.match(/^ok /gm)?.length).toBeGreaterThanOrEqual(11);
  });

  it.skipIf(places.xfs === undefined)("xfs dumps and restores by them", () => {
    const { status, stderr } = runAs("xfs", linesFor("xfs"));
    expect(status, stderr).toBe(0);
  });

  it.skipIf(places.btrfs === undefined)("without one of them the probe says which command is missing", () => {
    const { status, stderr } = runAs(
      "btrfs",
      linesFor("btrfs").replace("/usr/bin/btrfs subvolume snapshot *, ", ""),
    );
    expect(status).not.toBe(0);
    expect(stderr).toContain("sudo -n btrfs subvolume snapshot -r");
  });
});
