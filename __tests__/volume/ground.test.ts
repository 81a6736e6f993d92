import { mkdir, mkdtemp, realpath, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { systemClock } from "../../src/system/clock.ts";
import { parseMounts } from "../../src/system/mounts.ts";
import { privilegeFor } from "../../src/system/privilege.ts";
import { partitionPath, sysfsDevices } from "../../src/volume/mounts/block-devices.ts";
import { BtrfsSnapshotter } from "../../src/volume/btrfs/btrfs.ts";
import { hostOf, type Host } from "../../src/volume/host.ts";
import { locateChainstate } from "../../src/volume/mounts/locate.ts";
import { LvmSnapshotter } from "../../src/volume/lvm/lvm.ts";
import { fstabEntry, reusableOptions } from "../../src/volume/mounts/mounting.ts";
import { nameFor, runIdOf } from "../../src/volume/names.ts";
import type { VolumeRecord } from "../../src/volume/port.ts";
import { chooseVolumeSnapshotter } from "../../src/volume/registry.ts";
import { parseUndoSteps, undoVolumeSteps } from "../../src/volume/undo.ts";
import { ZfsSnapshotter } from "../../src/volume/zfs/zfs.ts";

const signal = new AbortController().signal;
/** Nothing may be run: what these tests expect happens before the first command. */
const idle: Host = {
  ...hostOf(privilegeFor("never"), systemClock),
  ask: async (argv) => await Promise.reject(new Error(`ran ${argv.join(" ")}`)),
  do: async (argv) => await Promise.reject(new Error(`ran ${argv.join(" ")}`)),
};

describe("names", () => {
  it("carry the run's id there and back, and nothing that could leave a name", () => {
    expect(runIdOf(nameFor("20261122T020014Z-a1b2c3"))).toBe("20261122T020014Z-a1b2c3");
    expect(runIdOf("nightly")).toBeUndefined();
    for (const bad of ["", "a/b", "a b", "../x", "a..b", "a@b", "-x"])
      expect(() => nameFor(bad)).toThrow(/cannot name/);
  });
});

describe("fstab and mount options", () => {
  it("finds the entry of a mount point, spaces and all", () => {
    const table = [
      "# x /data ext4",
      "UUID=1 / ext4 defaults 0 1",
      "UUID=2 /my\\040data xfs noatime,nofail,x-systemd.automount,logbsize=256k 0 2",
    ].join("\n");
    expect(fstabEntry(table, "/my data")).toEqual({ spec: "UUID=2", options: ["noatime", "logbsize=256k"] });
    expect(fstabEntry(table, "/data")).toBeUndefined();
  });

  it("keeps what `mount` takes again", () => {
    const [mount] = parseMounts(
      Buffer.from("36 35 98:0 / /mnt ro,noatime shared:1 - ext4 /dev/sda1 rw,errors=continue,stripe=16\n"),
    );
    expect(mount === undefined ? [] : reusableOptions(mount)).toEqual(["ro", "noatime", "errors=continue"]);
  });

  it("knows how partitions are called", () => {
    expect([
      partitionPath("/dev/nvme1n1", 1),
      partitionPath("/dev/sdb", 2),
      partitionPath("/dev/sdb", null),
    ]).toEqual(["/dev/nvme1n1p1", "/dev/sdb2", "/dev/sdb"]);
  });

  it("sees through /sys which disks are below a device", async () => {
    expect(await sysfsDevices.disksBelow("/dev/null")).toEqual([]);
    expect(await sysfsDevices.findBySerial("no such serial", null)).toBeUndefined();
  });
});

describe("where a chainstate is", () => {
  let root: string;
  beforeEach(async () => {
    root = await realpath(await mkdtemp(join(tmpdir(), "locate-")));
    await mkdir(join(root, "mainnet/chainstate/vm"), { recursive: true });
  });
  afterEach(async () => {
    await rm(root, { recursive: true });
  });

  it("links that lead out and mounts inside are parts; links inside, to nothing and what ZFS mounts are not", async () => {
    const dir = join(root, "mainnet");
    await writeFile(join(root, "blobs"), "b");
    await symlink(join(root, "blobs"), join(dir, "chainstate/vm/marf.sqlite.blobs"));
    await symlink("chainstate/vm", join(dir, "inside"));
    await symlink("/no/such/thing", join(dir, "dangling"));
    const line = (id: number, point: string, type: string): string =>
      `${id} 1 0:${id} / ${point} rw - ${type} src${id} rw\n`;
    const table =
      line(1, "/", "ext4") +
      line(2, root, "xfs") +
      line(3, `${dir}/chainstate`, "zfs") +
      line(4, `${dir}/.zfs/snapshot/x`, "zfs");
    const host = { ...idle, readMounts: async () => await Promise.resolve(parseMounts(Buffer.from(table))) };
    const parts = await locateChainstate(dir, host);
    expect(parts.map(({ at, mount, within }) => [at, mount.source, within])).toEqual([
      ["", "src2", "mainnet"],
      ["chainstate", "src3", ""],
      ["chainstate/vm/marf.sqlite.blobs", "src2", "blobs"],
    ]);
  });

  it("a directory that is not there", async () => {
    await expect(locateChainstate(join(root, "none"), idle)).rejects.toMatchObject({
      code: "CHAINSTATE_DIR_MISSING",
    });
  });

  it("auto says of every driver why it is not taken", async () => {
    const request = { chainstateDir: join(root, "mainnet"), stateDir: root, runId: "r", signal };
    const environment = {
      AWS_EC2_METADATA_SERVICE_ENDPOINT: "http://127.0.0.1:9",
      GCE_METADATA_HOST: "127.0.0.1:9",
    };
    const deps = { privilege: privilegeFor("never"), clock: systemClock, environment };
    const chosen = await chooseVolumeSnapshotter(
      "auto",
      [],
      { ...request, chainstateDir: "/proc/self" },
      deps,
    ).catch((error: unknown) => error);
    expect(chosen).toMatchObject({ code: "VOLUME_UNSUPPORTED" });
    for (const driver of ["zfs", "btrfs", "lvm", "aws-ebs", "azure-disk", "gcp-disk"])
      expect(String(chosen)).toContain(`not ${driver}:`);
  });
});

describe("records and undo steps come from outside", () => {
  const common = {
    createdAt: "2026-11-22T02:00:14.000Z",
    runId: "r",
    parts: [{ at: "", within: "" }],
    mountPoint: "/data",
    fsType: "ext4",
    mountOptions: [],
  };
  const requestFor = { chainstateDir: "/data", stateDir: "/tmp", runId: "r", signal };

  it.each<[string, "zfs" | "btrfs" | "lvm", Partial<VolumeRecord>]>([
    ["an option in place of a dataset", "zfs", { source: "tank", snapshot: "-r@x" }],
    ["a snapshot that is a dataset", "zfs", { source: "tank", snapshot: "tank" }],
    [
      "a group that is an option",
      "lvm",
      { source: "g/v", snapshot: "g/s", group: "--all", origin: "v", volume: "s", thin: false, sizeBytes: 1 },
    ],
    [
      "a file system whose type names a program",
      "lvm",
      { group: "g", origin: "v", volume: "s", thin: true, sizeBytes: 1, fsType: "fuse./tmp/prog" },
    ],
    ...[Infinity, -1, 1.5].map((sizeBytes): [string, "lvm", Partial<VolumeRecord>] => [
      `a size of ${sizeBytes} bytes`,
      "lvm",
      { group: "g", origin: "v", volume: "s", thin: true, sizeBytes },
    ]),
    [
      "a path that climbs out",
      "btrfs",
      { source: "/data", snapshot: "/data/.chainstate-snapshot-volumes/../../etc" },
    ],
    [
      "a part that climbs out",
      "btrfs",
      {
        source: "/data",
        snapshot: "/data/.chainstate-snapshot-volumes/chainstate-snapshot-r",
        parts: [{ at: "", within: "../.." }],
      },
    ],
    [
      "another driver's record",
      "btrfs",
      { driver: "zfs", source: "tank", snapshot: "tank@chainstate-snapshot-r" },
    ],
  ])("%s is refused before any command", async (_, driver, record) => {
    const Make = { zfs: ZfsSnapshotter, btrfs: BtrfsSnapshotter, lvm: LvmSnapshotter }[driver];
    const records = [{ driver, source: "x", snapshot: "y", ...common, ...record }];
    await expect(new Make(idle).open(records, requestFor)).rejects.toMatchObject({
      code: "VOLUME_RECORD_INVALID",
    });
    await expect(
      new Make(idle).restore(records, { ...requestFor, driverIsNamed: true, staging: "/x" }),
    ).rejects.toMatchObject({
      code: "VOLUME_RECORD_INVALID",
    });
  });

  it("undo steps are checked, and each is done although another fails", async () => {
    expect(() =>
      parseUndoSteps([{ do: "mount", device: "relative", mountPoint: "/x", fsType: "xfs", options: [] }]),
    ).toThrow(/damaged/);
    expect(() =>
      parseUndoSteps([{ do: "mount", device: "/dev/x", mountPoint: "/x", fsType: "-o", options: [] }]),
    ).toThrow(/damaged/);
    expect(() =>
      parseUndoSteps([
        { do: "mount", device: "/dev/x", mountPoint: "/x", fsType: "fuse./prog", options: [] },
      ]),
    ).toThrow(/damaged/);
    expect(() => parseUndoSteps([{ do: "rm", path: "/" }])).toThrow(/damaged/);
    const thawed: string[] = [];
    const host: Host = {
      ...idle,
      ask: async (argv) => {
        thawed.push(argv.join(" "));
        const exitCode = argv.includes("/one") ? 1 : 0;
        return await Promise.resolve({
          argv,
          exitCode,
          signal: null,
          stdout: "",
          stderr: "",
          timedOut: argv[0] === "touch",
        });
      },
    };
    const steps = parseUndoSteps([
      { do: "thaw", mountPoint: "/one" },
      { do: "thaw", mountPoint: "/two" },
    ]);
    await expect(undoVolumeSteps(steps, host)).rejects.toMatchObject({ code: "UNDO_FAILED" });
    expect(thawed).toContain("fsfreeze --unfreeze /two");
  });
});
