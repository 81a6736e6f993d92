/**
 * The program that `testbed/vm-volumes.sh` runs in the virtual machine, without a test runner because every line of
 * JavaScript is slow there: the conformance cases on LVM and ZFS, and what only they can show.
 */
import assert from "node:assert/strict";
import { mkdir, open, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { requireOnePlace } from "../../src/chainstate/spans.ts";
import { systemClock } from "../../src/system/clock.ts";
import { readMounts } from "../../src/system/mounts.ts";
import { privilegeFor } from "../../src/system/privilege.ts";
import { hostOf } from "../../src/volume/host.ts";
import { LvmSnapshotter } from "../../src/volume/lvm/lvm.ts";
import { ZfsSnapshotter } from "../../src/volume/zfs/zfs.ts";
import { undoVolumeSteps } from "../../src/volume/undo.ts";
import type { VolumeRecord } from "../../src/volume/port.ts";
import { volumeCases, type VolumeCase, type VolumeWorld } from "../conformance/volume.ts";

const what = process.argv[2] ?? "";
const host = hostOf(privilegeFor("auto"), systemClock);
const signal = new AbortController().signal;
/** Set by `testbed/vm-volumes.sh every`. */
const faultsEvery = Number(process.env["VM_FAULTS_EVERY"] ?? 4);
// Another process runs the other cases at the same time.
const stateDir = `/tmp/state-${what}`;
await mkdir(stateDir, { recursive: true });

async function stateMounts(): Promise<readonly string[]> {
  return (await readMounts()).map((mount) => mount.mountPoint).filter((point) => point.startsWith(stateDir));
}

/** LVM and ZFS restore to volumes, never into a directory. */
async function removeTree(directory: string): Promise<void> {
  await assert.rejects(stat(directory), { code: "ENOENT" });
}

function lvmWorld(name: "thick" | "thin"): VolumeWorld {
  return {
    host,
    make: (host) => new LvmSnapshotter(host),
    chainstateDir: `/tmp/${name}/mainnet`,
    stateDir,
    removeTree,
    faultsEvery,
    external: (record) => ({ ...record, snapshot: `group/${name}`, volume: name }),
    async leavings() {
      const volumes = (await host.do(["lvs", "--noheadings", "-o", "lv_name", "group"])).split(/\s+/);
      // What a committed restore keeps is reported, not left.
      return [
        ...volumes.filter((each) => each !== "" && !/\.old\d/.test(each)),
        ...(await stateMounts()),
      ].toSorted();
    },
  };
}

const zfsWorld: VolumeWorld = {
  host,
  make: (host) => new ZfsSnapshotter(host),
  chainstateDir: "/tmp/zfs/mainnet",
  stateDir,
  removeTree,
  faultsEvery,
  external: (record) => ({ ...record, snapshot: "tank/stacks/chain@nightly" }),
  async leavings() {
    const names = (await host.do(["zfs", "list", "-H", "-r", "-t", "all", "-o", "name", "tank"])).split("\n");
    return [...names.filter(Boolean), ...(await stateMounts())].toSorted();
  },
};

const requestFor = (world: VolumeWorld, runId: string) => ({
  chainstateDir: world.chainstateDir,
  stateDir,
  runId,
  signal,
  driverIsNamed: false,
});

function lvmThickCases(world: VolumeWorld): readonly VolumeCase[] {
  return [
    {
      title: "a thick snapshot that runs full is void, and said to be",
      run: async () => {
        const snapshotter = world.make(host);
        const request = requestFor(world, "overflow");
        const records = await snapshotter.freeze(request);
        const view = await snapshotter.open(records, request);
        try {
          const file = await open(`${world.chainstateDir}/filler`, "w");
          for (let mebibytes = 0; mebibytes < 32; mebibytes += 1)
            await file.write(Buffer.alloc(1 << 20, mebibytes + 1));
          await file.sync();
          await file.close();
          await assert.rejects(view.assertFrozen(), { code: "SNAPSHOT_VOID" });
        } finally {
          await rm(`${world.chainstateDir}/filler`);
          await view.close();
          await snapshotter.cleanUp("overflow", request);
        }
      },
    },
    {
      title: "a full volume group is refused before anything happens",
      run: async () => {
        const snapshotter = world.make(host);
        await host.do(["lvcreate", "--yes", "-Wn", "-Zn", "-l", "100%FREE", "-n", "stuffing", "group"]);
        try {
          const probe = await snapshotter.probe(requestFor(world, "full"));
          assert.equal(probe.usable, false);
          assert.match(probe.reason, /volume group group has 0 B free/);
          await assert.rejects(snapshotter.freeze(requestFor(world, "full")), { code: "VOLUME_GROUP_FULL" });
        } finally {
          await host.do(["lvremove", "--yes", "group/stuffing"]);
        }
      },
    },
    busyCase(world),
  ];
}

/** Something besides the node has the volume in use: the swap fails, and the old state stays. */
function busyCase(world: VolumeWorld): VolumeCase {
  return {
    title: "a busy volume is not exchanged, and the error says what to look for",
    run: async () => {
      const snapshotter = world.make(host);
      const request = requestFor(world, "busy");
      await writeFile(`${world.chainstateDir}/who`, "then");
      const records = await snapshotter.freeze(request);
      await writeFile(`${world.chainstateDir}/who`, "now");
      const prepared = await snapshotter.restore(records, { ...request, staging: "/nowhere" });
      assert.equal(prepared.kind, "volume");
      if (prepared.kind !== "volume") return;
      const user = await open(`${world.chainstateDir}/who`, "r");
      await assert.rejects(prepared.swap(), { code: "VOLUME_BUSY" });
      await user.close();
      await undoVolumeSteps(prepared.undo, host);
      assert.equal(await readFile(`${world.chainstateDir}/who`, "utf8"), "now");
      await prepared.discard();
      await snapshotter.cleanUp("busy", request);
    },
  };
}

function zfsCases(world: VolumeWorld): readonly VolumeCase[] {
  return [
    busyCase(world),
    {
      title: "a dataset below the directory is seen before anything is frozen",
      run: async () => {
        await host.do([
          "zfs",
          "create",
          "-o",
          `mountpoint=${world.chainstateDir}/child`,
          "tank/stacks/chain/child",
        ]);
        try {
          await assert.rejects(requireOnePlace(world.chainstateDir, "zfs", signal), {
            code: "CHAINSTATE_DIR_SPANS",
          });
        } finally {
          await host.do(["zfs", "destroy", "tank/stacks/chain/child"]);
        }
      },
    },
    {
      title: "a .blobs on another dataset is of the same moment, and both are restored",
      run: async () => {
        const snapshotter = world.make(host);
        const request = requestFor(world, "two");
        await writeFile("/tmp/blobs/marf.blobs", "then");
        await symlink("/tmp/blobs/marf.blobs", `${world.chainstateDir}/marf.blobs`);
        const records = await snapshotter.freeze(request);
        assert.equal(records.length, 2);
        await writeFile("/tmp/blobs/marf.blobs", "now");
        const view = await snapshotter.open(records, request);
        assert.deepEqual(
          view.parts.map((part) => part.at),
          ["", "marf.blobs"],
        );
        assert.equal(await readFile(view.parts[1]?.path ?? "", "utf8"), "then");
        await view.close();
        const prepared = await snapshotter.restore(records, { ...request, staging: "/nowhere" });
        assert.equal(prepared.kind, "volume");
        if (prepared.kind !== "volume") return;
        // The link in the clone leads to the running node's: it is not what is checked.
        assert.equal(await readFile(prepared.elsewhere?.get("marf.blobs") ?? "", "utf8"), "then");
        await prepared.swap();
        assert.equal(await readFile(`${world.chainstateDir}/marf.blobs`, "utf8"), "then");
        await undoVolumeSteps(prepared.undo, host);
        assert.equal(await readFile(`${world.chainstateDir}/marf.blobs`, "utf8"), "now");
        await prepared.discard();
        await snapshotter.cleanUp("two", request);
        await rm(`${world.chainstateDir}/marf.blobs`);
      },
    },
    {
      title: "a restore of an older snapshot leaves the newer ones to be looked into, restored and removed",
      run: async () => {
        const snapshotter = world.make(host);
        const who = `${world.chainstateDir}/who`;
        const take = async (runId: string): Promise<readonly VolumeRecord[]> => {
          await writeFile(who, runId);
          return await snapshotter.freeze(requestFor(world, runId));
        };
        const restore = async (records: readonly VolumeRecord[], runId: string): Promise<void> => {
          const request = { ...requestFor(world, runId), keepPrevious: false, staging: "/nowhere" };
          const prepared = await snapshotter.restore(records, request);
          assert.equal(prepared.kind, "volume");
          if (prepared.kind !== "volume") return;
          await prepared.swap();
          await snapshotter.commit?.(prepared.undo, request);
        };
        const [older, newer] = [await take("older"), await take("newer")];
        await restore(older, "back");
        assert.equal(await readFile(who, "utf8"), "older");
        const request = requestFor(world, "look");
        const view = await snapshotter.open(newer, request);
        assert.equal(await readFile(`${view.parts[0]?.path}/who`, "utf8"), "newer");
        await view.close();
        await restore(newer, "forth");
        assert.equal(await readFile(who, "utf8"), "newer");
        for (const record of [...older, ...newer]) {
          await snapshotter.delete(record, signal);
          await assert.rejects(snapshotter.open([record], request), { code: "SNAPSHOT_VOID" });
        }
        for (const kept of (await world.leavings()).filter((name) => /\.old\d+$/.test(name)))
          await host.do(["zfs", "destroy", kept]);
      },
    },
    {
      title: "a snapshot with a hold is not destroyed under its reader",
      run: async () => {
        const snapshotter = world.make(host);
        const request = requestFor(world, "held");
        const [record, ...rest] = await snapshotter.freeze(request);
        assert.ok(record !== undefined && rest.length === 0);
        const view = await snapshotter.open([record], request);
        await assert.rejects(snapshotter.delete(record, signal), { code: "VOLUME_BUSY" });
        await view.close();
        // A run that dies while it looks into another's snapshot must not keep that from being removed.
        const reader = requestFor(world, "reader");
        await snapshotter.open([record], reader);
        await snapshotter.cleanUp("reader", reader);
        await snapshotter.delete(record, signal);
      },
    },
  ];
}

/** How long the node would be down for the freeze, beside what the bare command takes on this slow machine. */
function timingCase(world: VolumeWorld, bare: readonly (readonly string[])[]): VolumeCase {
  return {
    title: "timing",
    run: async () => {
      const snapshotter = world.make(host);
      const request = requestFor(world, "timed");
      const bareStart = performance.now();
      for (const argv of bare) await host.do(argv);
      const bareMs = performance.now() - bareStart;
      const start = performance.now();
      const records = await snapshotter.freeze(request);
      const freezeMs = performance.now() - start;
      const view = await snapshotter.open(records, request);
      const openedMs = performance.now() - start;
      await view.close();
      for (const record of records) await snapshotter.delete(record, signal);
      console.log(
        `# freeze ${freezeMs.toFixed(0)} ms, open to be read ${openedMs.toFixed(0)} ms after the call; the bare commands (make, remove) ${bareMs.toFixed(0)} ms`,
      );
    },
  };
}

/** `except`: cases that another of the worlds here stands for, because every command is slow. */
async function runAll(
  name: string,
  world: VolumeWorld,
  extra: readonly VolumeCase[],
  except: RegExp,
): Promise<number> {
  await mkdir(world.chainstateDir, { recursive: true });
  let failed = 0;
  const only = process.argv[3] ?? "";
  for (const { title, run } of [...extra, ...volumeCases(world)]) {
    if (!title.includes(only) || except.test(title)) continue;
    const start = performance.now();
    try {
      await run();
      console.log(`ok ${name}: ${title} (${((performance.now() - start) / 1000).toFixed(1)} s)`);
    } catch (error) {
      failed += 1;
      console.log(`not ok ${name}: ${title}`);
      console.log(error);
    }
  }
  return failed;
}

let failed = 0;
if (what === "lvm" || what === "lvm-thick") {
  const world = lvmWorld("thick");
  const bare = [
    ["lvcreate", "--yes", "-s", "-L", "32M", "-n", "bare", "group/thick"],
    ["lvremove", "--yes", "group/bare"],
  ];
  failed += await runAll("lvm-thick", world, [timingCase(world, bare), ...lvmThickCases(world)], /^killed/);
}
if (what === "lvm" || what === "lvm-thin") {
  const world = lvmWorld("thin");
  const bare = [
    ["lvcreate", "--yes", "-s", "-n", "bare", "group/thin"],
    ["lvremove", "--yes", "group/bare"],
  ];
  failed += await runAll("lvm-thin", world, [timingCase(world, bare)], /^a swap that fails/);
}
if (what === "zfs") {
  const bare = [
    ["zfs", "snapshot", "tank/stacks/chain@bare"],
    ["zfs", "destroy", "tank/stacks/chain@bare"],
  ];
  failed += await runAll(
    "zfs",
    zfsWorld,
    [timingCase(zfsWorld, bare), ...zfsCases(zfsWorld)],
    /^a swap that fails/,
  );
}
console.log(failed === 0 ? `all of ${what} passed` : `${failed} of ${what} failed`);
process.exitCode = failed === 0 ? 0 : 1;
