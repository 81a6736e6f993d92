/** No room left, wherever the action writes. Needs root, for small file systems of its own. */
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, statfsSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { isRoot } from "../freeze/loop-mount.ts";
import { isScratch, setUp, treeOf, until, visibleSnapshots, type Setup } from "./support.ts";
import { serveDirectory } from "./web.ts";

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
      await until("the node goes on", async () => (await setup.height()) > height + 5);
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
      await main.waitForLog(/::group::Stop /);
      fill(small);
      const { exitCode, log } = await main.ended;
      await job.post();
      await until("the node runs", () => setup.pids().length === 1);
      expect(setup.pids()).not.toEqual(before);
      // A journal has space of its own; what spools has not, and then nothing is published.
      const said = exitCode === 0 ? /is published/ : /What to do/;
      expect(log).toMatch(said);
      expect(visibleSnapshots(setup.store)).toHaveLength(exitCode === 0 ? 1 : 0);
    },
  );
});

const MiB = 1024 ** 2;
const large = "chainstate/blocks";

/** A chainstate that is hardly smaller as an archive: 96 MiB of it are random. */
const incompressible = {
  running: false,
  fill: (chainstate: string): void => {
    for (let file = 0; file < 16; file += 1) {
      const directory = join(chainstate, large, `00${file.toString(16)}a`, "0001");
      mkdirSync(directory, { recursive: true });
      writeFileSync(join(directory, file.toString(16).padStart(64, "0")), randomBytes(6 * MiB));
    }
  },
} as const;

function freeBytes(path: string): number {
  const { bavail, bsize } = statfsSync(path);
  return bavail * bsize;
}

function bytesOf(tree: Readonly<Record<string, string>>): number {
  return Object.values(tree).reduce((sum, entry) => sum + Number(/^file \d+ (\d+)/.exec(entry)?.[1] ?? 0), 0);
}

describe.skipIf(!isRoot)("a disk with room for only what is missing", () => {
  /** Restores from the web until the server has sent that much and stands still, and kills it; then the post step. */
  async function killAfter(
    setup: Setup,
    web: Awaited<ReturnType<typeof serveDirectory>>,
    sentBytes: number,
    inputs: Readonly<Record<string, string>>,
  ): Promise<void> {
    web.stallAfterBytes = sentBytes;
    const job = setup.job(inputs);
    const main = job.startMain();
    await until("the server stands still", () => web.stalled > 0 && web.idleMs() > 2_000);
    main.child.kill("SIGKILL");
    expect((await main.ended).signal).toBe("SIGKILL");
    const post = await job.post();
    expect(post.exitCode, post.log).toBe(0);
    Object.assign(web, { stallAfterBytes: Infinity, archiveBytesSent: 0 });
  }

  it("holds what a killed restore of a snapshot has staged: another process fetches the rest alone", async () => {
    const setup = await fresh(incompressible);
    const taken = await setup.job(setup.snapshotInputs).run();
    expect(taken.main.exitCode, taken.main.log).toBe(0);
    const size = Number(taken.main.outputs["size-bytes"]);
    // On a large disk and at one go.
    const elsewhere = join(setup.directory, "elsewhere", "mainnet");
    const restored = { command: "restore", "node-manager": "none", storage: `file://${setup.store}` };
    const once = await setup.job({ ...restored, "chainstate-dir": elsewhere }).run();
    expect(once.main.exitCode, once.main.log).toBe(0);
    const expected = treeOf(elsewhere);
    const whole = bytesOf(expected);
    const small = mountSmall(join(setup.directory, "small"), `size=${Math.round(whole * 1.06)}`);
    const target = join(small, "mainnet");
    const web = await serveDirectory(setup.store);
    try {
      const restore = { ...restored, storage: web.url, "chainstate-dir": target };
      await killAfter(setup, web, size * 0.6, restore);
      const [place = ""] = readdirSync(small);
      const staged = treeOf(join(small, place, "tree"));
      const digestOf = (entry = ""): string | undefined => entry.split(" ")[3];
      const kept = Object.entries(staged).filter(
        ([path, entry]) => path.startsWith(large) && digestOf(entry) === digestOf(expected[path]),
      );
      // What is not in whole files, and what is smaller in the archive, is not counted: the rest is no larger than that.
      const keptBytes = bytesOf(Object.fromEntries(kept));
      expect(keptBytes).toBeGreaterThan(size / 3);
      expect(freeBytes(small)).toBeLessThan(whole * 0.7);

      const { main } = await setup.job(restore).run();
      expect(main.exitCode, main.log).toBe(0);
      expect(web.archiveBytesSent).toBeGreaterThan(0);
      expect(web.archiveBytesSent).toBeLessThanOrEqual(1.05 * (size - keptBytes));
      expect(treeOf(target)).toEqual(expected);
      expect(readdirSync(small)).toEqual(["mainnet"]);
    } finally {
      await web.close();
    }
  });

  it("holds what came of an archive made elsewhere: another process fetches the rest alone", async () => {
    const setup = await fresh(incompressible);
    const expected = treeOf(setup.chainstate, isScratch);
    const file = join(setup.directory, "latest.tar.zst");
    // A name says nothing: it is a plain tar.
    execFileSync("tar", [
      "-C",
      join(setup.directory, "node"),
      "--sort=name",
      "--format=pax",
      "-cf",
      file,
      "mainnet",
    ]);
    const { size } = statSync(file);
    // So much that what comes is kept beside what is unpacked of it, for as long as the server sends.
    const small = mountSmall(join(setup.directory, "small"), `size=${2 * size}`);
    const target = join(small, "mainnet");
    const web = await serveDirectory(setup.directory);
    try {
      const snapshot = `${web.url}/latest.tar.zst`;
      const restore = { command: "restore", snapshot, "node-manager": "none", "chainstate-dir": target };
      await killAfter(setup, web, size * 0.6, restore);
      const [place = ""] = readdirSync(small);
      expect(readdirSync(join(small, place))).toEqual(["fetched"]);
      const kept = statSync(join(small, place, "fetched")).size;
      expect(kept).toBeGreaterThan(size / 3);
      // Nothing unpacked stays of a stream: what was kept of it has to make room as it is unpacked.
      const others = freeBytes(small) - Math.round(bytesOf(expected) * 1.06 - kept);
      writeFileSync(join(small, "others"), Buffer.alloc(others));

      const { main } = await setup.job(restore).run();
      expect(main.exitCode, main.log).toBe(0);
      expect(main.log).toContain("which an interrupted run left in");
      expect(main.log).toContain("not kept any more");
      expect(web.archiveBytesSent).toBeGreaterThan(0);
      expect(web.archiveBytesSent).toBeLessThanOrEqual(1.05 * (size - kept));
      expect(treeOf(target, isScratch)).toEqual(expected);
      expect(readdirSync(small).sort()).toEqual(["mainnet", "others"]);
    } finally {
      await web.close();
    }
  });
});
