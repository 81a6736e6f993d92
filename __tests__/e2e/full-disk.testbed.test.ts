/** No room left, wherever the action writes. Needs root, for small file systems of its own. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { isRoot } from "../freeze/loop-mount.ts";
import { setUp, until, visibleSnapshots, type Setup } from "./support.ts";

const open: Setup[] = [];
const mounts: string[] = [];
afterEach(async () => {
  for (const setup of open.splice(0)) {
    for (const mount of mounts.splice(0)) execFileSync("umount", ["--lazy", mount]);
    await setup.remove();
  }
});

async function fresh(...args: Parameters<typeof setUp>): Promise<Setup> {
  const setup = await setUp(...args);
  open.push(setup);
  return setup;
}

function mountSmall(path: string, options: string): string {
  mkdirSync(path, { recursive: true });
  execFileSync("mount", ["-t", "tmpfs", "-o", options, "small", path]);
  mounts.push(path);
  return path;
}

function fill(directory: string): void {
  try {
    writeFileSync(join(directory, "filler"), Buffer.alloc(64 * 1024 * 1024, 1));
  } catch {
    // Full, as was wanted.
  }
}

describe.skipIf(!isRoot)("a disk that is full", () => {
  it("as the store: nothing is published, the node is back, and the error says where space is missing", async () => {
    const setup = await fresh({ height: 200, extraBytes: 20_000 });
    const store = mountSmall(join(setup.directory, "small"), "size=1m");
    const { main } = await setup.job({ ...setup.snapshotInputs, storage: `file://${store}` }).run();
    expect(main.exitCode, main.log).toBe(1);
    expect(main.log).toMatch(/small\/\S+ cannot be written: its file system has no space left/);
    expect(main.log).toMatch(/The node is running/);
    expect(main.log).toMatch(/What to do: Free some space/);
    expect(setup.pids()).toHaveLength(1);
    expect(visibleSnapshots(store)).toEqual([]);
  });

  it.each([
    ["by its size", "size=3m", /needs .* beside the old one/],
    // What `df` shows as free is of no use without inodes.
    ["by its inodes", "size=200m,nr_inodes=60", /runs out of inodes/],
  ])("as a restore's target, %s: the old chainstate stays, the node runs on", async (_, options, said) => {
    const setup = await fresh({ height: 200, extraBytes: 20_000 });
    const taken = await setup.job(setup.snapshotInputs).run();
    expect(taken.main.exitCode, taken.main.log).toBe(0);
    const target = join(mountSmall(join(setup.directory, "small"), options), "mainnet");
    const { main } = await setup
      .job({
        command: "restore",
        storage: `file://${setup.store}`,
        "chainstate-dir": target,
        "node-manager": "none",
      })
      .run();
    expect(main.exitCode, main.log).toBe(1);
    expect(main.log).toMatch(said);
    expect(main.log).toMatch(/What to do/);
    expect(existsSync(target)).toBe(false);
  });

  it.each(["none", "short"])(
    "as the chainstate's own, filling with WALs while it is held (downtime: %s): void, and the WALs can shrink again",
    async (downtime) => {
      // The freezer leaves 2 GiB to the node.
      const setup = await fresh({
        extraBytes: 200_000,
        makeDirectory: (path) => mountSmall(path, "size=2176m"),
        nodeArguments: ["--blocks-per-second", "40", "--bytes-per-block", "60000"],
      });
      const job = setup.job({
        ...setup.snapshotInputs,
        downtime,
        "freeze-with": "sqlite",
        "rate-limit-read": "256KiB",
      });
      const { main } = await job.run();
      expect(main.exitCode, main.log).toBe(1);
      expect(main.log).toMatch(
        /FREEZE_BROKEN.*given up: only .* are free in .* \(the WALs have grown by \d[\d.]* MiB\)/,
      );
      expect(main.log).toMatch(/What to do: Make the archive faster/);
      expect(visibleSnapshots(setup.store)).toEqual([]);
      expect(setup.pids()).toHaveLength(1);
      const height = await setup.height();
      await until("the node goes on", 20_000, async () => (await setup.height()) > height + 5);
    },
  );

  it("as the state directory from the start: refused with the node untouched", async () => {
    const setup = await fresh();
    const state = mountSmall(join(setup.directory, "small"), "size=64k,mode=700");
    fill(state);
    const before = setup.pids();
    const { main } = await setup.job(setup.snapshotInputs, { CHAINSTATE_SNAPSHOT_STATE_DIR: state }).run();
    expect(main.exitCode, main.log).toBe(1);
    expect(main.log).toContain(state);
    expect(main.log).toMatch(/What to do: Without a journal|What to do: .*[Ff]ree/);
    expect(setup.pids()).toEqual(before);
  });

  it.each(["state directory", "temporary directory"] as const)(
    "as the %s, full once the node is being stopped: the node is back",
    async (which) => {
      const setup = await fresh({ nodeArguments: ["--stop-delay-ms", "1500"] });
      const small = mountSmall(join(setup.directory, "small"), "size=2m,mode=700");
      const env = which === "state directory" ? "CHAINSTATE_SNAPSHOT_STATE_DIR" : "RUNNER_TEMP";
      const before = setup.pids();
      const job = setup.job(setup.snapshotInputs, { [env]: small });
      const main = job.startMain();
      await main.waitForLog(/::group::Stop /, 60_000);
      fill(small);
      const { exitCode, log } = await main.ended;
      await job.post();
      await until("the node runs", 60_000, () => setup.pids().length === 1);
      expect(setup.pids()).not.toEqual(before);
      // A journal has space of its own; what spools has not, and then nothing is published.
      const said = exitCode === 0 ? /is published/ : /What to do/;
      expect(log).toMatch(said);
      expect(visibleSnapshots(setup.store)).toHaveLength(exitCode === 0 ? 1 : 0);
    },
  );
});
