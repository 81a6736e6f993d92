import { mkdir, mkdtemp, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CreateSnapshotCommand, DescribeSnapshotsCommand, DescribeVolumesCommand } from "@aws-sdk/client-ec2";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { systemClock } from "../../../../src/system/clock.ts";
import { readMounts } from "../../../../src/system/mounts.ts";
import { privilegeFor } from "../../../../src/system/privilege.ts";
import { AwsEbsDisks } from "../../../../src/volume/cloud/aws/ebs.ts";
import { CloudSnapshotter } from "../../../../src/volume/cloud/snapshotter.ts";
import { hostOf, type Host } from "../../../../src/volume/host.ts";
import type { UndoStep, VolumeRecord } from "../../../../src/volume/port.ts";
import { volumeCases } from "../../../conformance/volume.ts";
import { AwsWorld, ec2Error, motoEndpoint } from "../../aws-world.ts";

const moto = await motoEndpoint();
const base = hostOf(privilegeFor("auto"), systemClock);
const signal = new AbortController().signal;

const root = moto === undefined ? "/nowhere" : await mkdtemp(join(tmpdir(), "ebs-"));
const stateDir = join(root, "state");
const chainstateDir = join(root, "mount/mainnet");
const opened = moto === undefined ? undefined : await AwsWorld.open(root, moto, base);

describe.skipIf(opened === undefined)("aws-ebs on moto's EC2", () => {
  const world = opened as AwsWorld;
  const host: Host = { ...base, devices: world?.devices };
  let externalSnapshot = "";

  beforeAll(async () => {
    world.mount(join(root, "mount"));
    await mkdir(chainstateDir);
    await mkdir(stateDir);
    const { Volumes } = await world.ec2.send(
      new DescribeVolumesCommand({
        Filters: [{ Name: "attachment.instance-id", Values: [world.instanceId] }],
      }),
    );
    const data = Volumes?.find((volume) => volume.Size === 1);
    externalSnapshot =
      (await world.ec2.send(new CreateSnapshotCommand({ VolumeId: data?.VolumeId }))).SnapshotId ?? "";
  });
  afterAll(async () => {
    await world.close();
  });
  afterEach(() => {
    world.answer = () => undefined;
    world.rewrite = (_, answer) => answer;
  });

  const make = (on: Host, named: readonly string[] = []) =>
    new CloudSnapshotter(on, new AwsEbsDisks(world.environment, on.clock), named, {
      lookEveryMs: 50,
      noProgressMs: 1_000,
    });
  const requestFor = (runId: string) => ({ chainstateDir, stateDir, runId, signal, driverIsNamed: false });

  const cases =
    opened === undefined
      ? []
      : volumeCases({
          host,
          make,
          chainstateDir,
          stateDir,
          removeTree: async () => await Promise.resolve(),
          external: (record: VolumeRecord) => ({ ...record, snapshot: externalSnapshot }),
          async leavings() {
            const { Snapshots } = await world.ec2.send(new DescribeSnapshotsCommand({ OwnerIds: ["self"] }));
            const { Volumes } = await world.ec2.send(new DescribeVolumesCommand({}));
            const mounts = (await readMounts())
              .map((mount) => mount.mountPoint)
              .filter((point) => point.startsWith(stateDir));
            // Volumes in use, whichever they are: a committed restore exchanges one for the other and keeps the old one.
            const used = (Volumes ?? []).filter((volume) => volume.State === "in-use").length;
            const ours = (Volumes ?? [])
              .filter((volume) => volume.Tags?.some((tag) => tag.Key === "chainstate-snapshot:run"))
              .map((volume) => volume.VolumeId ?? "");
            return [
              ...(Snapshots ?? []).map((snapshot) => snapshot.SnapshotId ?? ""),
              ...ours,
              `${used} in use`,
              ...mounts,
            ].toSorted();
          },
        });

  it.each(cases)("$title", async ({ run }) => {
    await expect(run()).resolves.toBeUndefined();
  });

  it("takes every volume in one call, tagged as an operator would look for it, the file system thawed after", async () => {
    world.requests.length = 0;
    const journal: (readonly UndoStep[])[] = [];
    const facts = { snapshotId: "mainnet-57-x", network: "mainnet", stacksHeight: 57, burnHeight: 240 };
    const records = await make(host).freeze({
      ...requestFor("tagged"),
      facts,
      journal: async (steps) => void (await Promise.resolve(journal.push(steps))),
    });
    await writeFile(join(chainstateDir, "thawed"), "yes");
    expect(journal).toEqual([[{ do: "thaw", mountPoint: join(root, "mount") }], []]);
    const calls = world.requests
      .map((body) => new URLSearchParams(body))
      .filter((form) => form.get("Action") === "CreateSnapshots");
    expect(calls).toHaveLength(1);
    expect(calls[0]?.get("InstanceSpecification.ExcludeBootVolume")).toBe("true");
    const { Snapshots } = await world.ec2.send(
      new DescribeSnapshotsCommand({ SnapshotIds: records.map((record) => record.snapshot) }),
    );
    const tags = Object.fromEntries((Snapshots?.[0]?.Tags ?? []).map(({ Key, Value }) => [Key, Value]));
    expect(tags).toEqual({
      Name: "Stacks Snapshot",
      type: "chainstate",
      "chainstate-snapshot:run": "tagged",
      "chainstate-snapshot:id": "mainnet-57-x",
      "chainstate-snapshot:network": "mainnet",
      "chainstate-snapshot:stacks-height": "57",
      "chainstate-snapshot:burn-height": "240",
    });
    await make(host).cleanUp("tagged", requestFor("tagged"));
  });

  it.each([
    ["ConcurrentSnapshotLimitExceeded", "SNAPSHOTS_PENDING"],
    ["UnauthorizedOperation", "CLOUD_DENIED"],
    ["SnapshotLimitExceeded", "CLOUD_LIMIT"],
    ["InternalFailure", "CLOUD_UNREACHABLE"],
  ])("%s when the snapshot is asked for: %s, and the file system is thawed", async (code, expected) => {
    world.answer = (body) => (/Action=CreateSnapshots/.test(body) ? ec2Error(code) : undefined);
    await expect(make(host).freeze(requestFor("refused"))).rejects.toMatchObject({ code: expected });
    await writeFile(join(chainstateDir, "thawed"), code);
  });

  it("five pending snapshots are seen before the node is stopped", async () => {
    const records = await make(host).freeze(requestFor("pending"));
    const volume = records[0]?.source ?? "";
    const items = Array.from(
      { length: 5 },
      (_, index) =>
        `<item><snapshotId>snap-${index}</snapshotId><volumeId>${volume}</volumeId><status>pending</status></item>`,
    ).join("");
    world.answer = (body) =>
      /Action=DescribeSnapshots/.test(body)
        ? {
            status: 200,
            body: `<DescribeSnapshotsResponse><requestId>r</requestId><snapshotSet>${items}</snapshotSet></DescribeSnapshotsResponse>`,
          }
        : undefined;
    const probe = await make(host).probe(requestFor("sixth"));
    expect(probe).toMatchObject({ usable: false });
    expect(probe.reason).toContain("5 snapshots");
    expect(probe.hint).toContain("snap-0");
    world.answer = () => undefined;
    await make(host).cleanUp("pending", requestFor("pending"));
  });

  it("waits for a pending snapshot, gives up on one in error, and on one that does not move", async () => {
    const records = await make(host).freeze(requestFor("slow"));
    let looks = 0;
    world.rewrite = (action, answer) =>
      action === "DescribeSnapshots" && ++looks < 4
        ? answer.replace("<status>completed", "<status>pending")
        : answer;
    await make(host).describe(records, { timeoutMs: 60_000, signal });
    expect(looks).toBeGreaterThanOrEqual(4);

    world.rewrite = (action, answer) =>
      action === "DescribeSnapshots" ? answer.replace("<status>completed", "<status>error") : answer;
    await expect(make(host).describe(records, { timeoutMs: 60_000, signal })).rejects.toMatchObject({
      code: "SNAPSHOT_IN_ERROR",
    });
    await expect(
      make(host).restore(records, { ...requestFor("r"), staging: "/nowhere" }),
    ).rejects.toMatchObject({ code: "SNAPSHOT_IN_ERROR" });

    world.rewrite = (action, answer) =>
      action === "DescribeSnapshots" ? answer.replace("<status>completed", "<status>pending") : answer;
    await expect(make(host).describe(records, { timeoutMs: 60_000, signal })).rejects.toMatchObject({
      code: "SNAPSHOT_TIMEOUT",
    });
    world.rewrite = (_, answer) => answer;
    await make(host).cleanUp("slow", requestFor("slow"));
  });

  it("a volume of another machine or zone, or not the chainstate's, is refused by name", async () => {
    expect((await make(host, ["vol-0123456789abcdef0"]).probe(requestFor("other"))).reason).toContain(
      "not on vol-0123456789abcdef0",
    );
    const own = world.instanceId;
    world.instanceId = "i-0123456789abcdef0";
    world.zone = "us-east-1b";
    const probe = await make(host).probe(requestFor("elsewhere"));
    world.instanceId = own;
    world.zone = "us-east-1a";
    expect(probe).toMatchObject({ usable: false });
    expect(probe.reason).toContain(
      "us-east-1a and not attached to this instance (i-0123456789abcdef0 in us-east-1b)",
    );
  });

  it("a disk that does not say who it is is not used, and nothing is left of the restore", async () => {
    const records = await make(host).freeze(requestFor("lost"));
    const impatient = {
      ...host,
      devices: { ...host.devices, findBySerial: async () => await Promise.resolve(undefined) },
      clock: { now: fastTime(), sleep: async () => await Promise.resolve() },
    };
    await expect(
      make(impatient).restore(records, { ...requestFor("lost"), staging: "/nowhere" }),
    ).rejects.toMatchObject({ code: "DEVICE_NOT_FOUND" });
    const { Volumes } = await world.ec2.send(
      new DescribeVolumesCommand({ Filters: [{ Name: "tag:chainstate-snapshot:run", Values: ["lost"] }] }),
    );
    expect(Volumes).toEqual([]);
    await make(host).cleanUp("lost", requestFor("lost"));
  });

  it("what Amazon does not know yet is not taken for gone", async () => {
    const disks = new AwsEbsDisks(world.environment, systemClock);
    const records = await make(host).freeze(requestFor("fresh"));
    const [snapshot, details] = [records[0]?.snapshot ?? "", records[0]?.["details"] as object];
    const forget = (action: string, code: string, times: number): void => {
      let left = times;
      world.answer = (body) =>
        new RegExp(`Action=${action}&`).test(body) && (left -= 1) >= 0 ? ec2Error(code) : undefined;
    };
    forget("DescribeVolumes", "InvalidVolume.NotFound", 2);
    const volume = await disks.createDisk(snapshot, { ...details }, { runId: "fresh", index: 0 }, signal);
    forget("DescribeVolumes", "InvalidVolume.NotFound", 2);
    await disks.deleteDisk(volume, signal);
    world.answer = () => undefined;
    expect((await disks.findOfRun("fresh", signal)).disks).toEqual([]);

    const [taken] = await disks.takeSnapshots(
      [{ id: records[0]?.source ?? "", details: {} }],
      { runId: "fresh" },
      signal,
    );
    forget("DescribeSnapshots", "InvalidSnapshot.NotFound", 2);
    expect((await disks.snapshotState(taken?.snapshotId ?? "", signal)).state).toBe("completed");
    forget("DescribeSnapshots", "InvalidSnapshot.NotFound", 2);
    await disks.deleteSnapshot(taken?.snapshotId ?? "", signal);
    world.answer = () => undefined;
    await make(host).cleanUp("fresh", requestFor("fresh"));
    expect(await disks.findOfRun("fresh", signal)).toEqual({ snapshots: [], disks: [] });
  });

  it("a .blobs on a disk of nobody's is an error before anything is frozen", async () => {
    await symlink("/proc/self/status", join(chainstateDir, "marf.sqlite.blobs"));
    await expect(make(host).freeze(requestFor("spread"))).rejects.toMatchObject({
      code: "VOLUME_WRONG_TYPE",
    });
  });
});

/** A clock on which every look is ten seconds after the last. */
function fastTime(): () => number {
  let now = 0;
  return () => (now += 10_000);
}
