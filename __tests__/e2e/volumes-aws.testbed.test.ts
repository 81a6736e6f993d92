/**
 * EBS snapshots through the action, with moto for Amazon and loop devices for NVMe disks: taken, verified, restored onto
 * the running node, pruned; and what Amazon refuses. The action runs from source, because its devices are stood in for.
 */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { DescribeSnapshotsCommand, DescribeVolumesCommand, type Volume } from "@aws-sdk/client-ec2";
import { afterEach, describe, expect, it } from "vitest";
import { Job, type StepResult } from "../../simulator/runner.ts";
import { systemClock } from "../../src/system/clock.ts";
import { readMounts } from "../../src/system/mounts.ts";
import { privilegeFor } from "../../src/system/privilege.ts";
import { hostOf } from "../../src/volume/host.ts";
import { AwsWorld, ec2Error, motoEndpoint } from "../volume/aws-world.ts";
import { setUp, until, visibleSnapshots, type Setup } from "./support.ts";

const moto = await motoEndpoint();
const entries = join(import.meta.dirname, "aws-entries");

interface Bed {
  readonly world: AwsWorld;
  readonly setup: Setup;
  readonly firstVolume: string;
  readonly mountPoint: string;
  readonly jobs: Job[];
}

const open: Bed[] = [];
afterEach(async () => {
  for (const { world, setup, jobs } of open.splice(0)) {
    for (const pid of setup.pids()) process.kill(pid, "SIGTERM");
    await until("the node ends", () => setup.pids().length === 0);
    await world.close();
    for (const job of jobs) job.remove();
    await setup.remove();
  }
});

/** A node that runs on an ext4 of its own, on the one data volume of an instance. */
async function fresh(): Promise<Bed> {
  const root = mkdtempSync(join(tmpdir(), "ebs-"));
  const world = await AwsWorld.open(root, moto ?? "", hostOf(privilegeFor("auto"), systemClock));
  const setup = await setUp({
    makeDirectory(path) {
      world.mount(dirname(path));
      mkdirSync(path);
    },
  });
  const mountPoint = dirname(setup.chainstate);
  const bed = { world, setup, mountPoint, firstVolume: (await world.volumeAt(mountPoint)) ?? "", jobs: [] };
  open.push(bed);
  return bed;
}

/** `main` and `post`, which must end well. */
async function run(
  { world, setup, jobs }: Bed,
  inputs: Readonly<Record<string, string>>,
): Promise<StepResult> {
  const env = {
    ...world.environment,
    HOME: setup.directory,
    CHAINSTATE_SNAPSHOT_STATE_DIR: join(setup.directory, "state"),
  };
  const job = new Job(inputs, { entries, env });
  jobs.push(job);
  const { main, post } = await job.run();
  expect(post.exitCode, post.log).toBe(0);
  return main;
}

const inputsOf = ({ setup }: Bed, more: Readonly<Record<string, string>> = {}) => ({
  ...setup.snapshotInputs,
  method: "volume",
  "volume-driver": "aws-ebs",
  ...more,
});

interface ManifestLike {
  readonly kind: string;
  readonly cut: { readonly method: string; readonly freezer: string };
  readonly volumes: readonly { readonly source: string; readonly snapshot: string }[];
  readonly archive?: unknown;
  readonly chain: { readonly stacksHeight: number };
}

interface Taken {
  readonly id: string;
  readonly manifest: ManifestLike;
  readonly snapshot: string;
}

async function take(bed: Bed, more: Readonly<Record<string, string>> = {}): Promise<Taken> {
  const main = await run(bed, inputsOf(bed, more));
  expect(main.exitCode, main.log).toBe(0);
  const manifest = JSON.parse(readFileSync(main.outputs["manifest-path"] ?? "", "utf8")) as ManifestLike;
  return {
    id: main.outputs["snapshot-id"] ?? "",
    manifest,
    snapshot: manifest.volumes[0]?.snapshot ?? "",
  };
}

async function volumeOf({ world }: Bed, id: string | undefined): Promise<Volume | undefined> {
  return (await world.ec2.send(new DescribeVolumesCommand({ VolumeIds: [id ?? ""] }))).Volumes?.[0];
}

/** Snapshots of this bed's volumes, with their tags. */
async function snapshotsOf(
  { world }: Bed,
  volumeId: string,
): Promise<ReadonlyMap<string, Readonly<Record<string, string>>>> {
  const { Snapshots } = await world.ec2.send(
    new DescribeSnapshotsCommand({ Filters: [{ Name: "volume-id", Values: [volumeId] }] }),
  );
  return new Map(
    (Snapshots ?? []).map(({ SnapshotId, Tags }) => [
      SnapshotId ?? "",
      Object.fromEntries((Tags ?? []).map(({ Key, Value }) => [Key, Value])) as Record<string, string>,
    ]),
  );
}

/** Volumes with a run's tag that were made of this snapshot, journals, and mounts that are not the chainstate's. */
async function leavings({ world, setup, mountPoint }: Bed, ...snapshots: string[]): Promise<string[]> {
  const { Volumes } = await world.ec2.send(
    new DescribeVolumesCommand({ Filters: [{ Name: "tag-key", Values: ["chainstate-snapshot:run"] }] }),
  );
  const volumes = (Volumes ?? []).filter(({ SnapshotId }) => snapshots.includes(SnapshotId ?? ""));
  const state = existsSync(join(setup.directory, "state")) ? readdirSync(join(setup.directory, "state")) : [];
  const mounts = (await readMounts()).map((mount) => mount.mountPoint);
  return [
    ...volumes.map(({ VolumeId }) => VolumeId ?? ""),
    ...state.filter((name) => name.endsWith(".json")),
    ...mounts.filter((point) => point.startsWith(`${setup.directory}/`) && point !== mountPoint),
    ...readdirSync(mountPoint).filter((name) => name.startsWith(".")),
  ];
}

/** A write would wait for ever on a file system that is still frozen: blocks go on. */
async function nodeGoesOn({ setup }: Bed): Promise<void> {
  expect(setup.pids()).toHaveLength(1);
  const from = await setup.height();
  await until("the node makes a block", async () => (await setup.height()) > from);
}

describe.skipIf(moto === undefined)("an EBS snapshot through the action", { timeout: 300_000 }, () => {
  it("is published, verified, restored onto the running node, taken of the new volume, and pruned", async () => {
    const bed = await fresh();
    const { world, setup, mountPoint, firstVolume } = bed;
    const started = setup.pids();
    const first = await take(bed);
    expect(first.manifest).toMatchObject({
      kind: "volume",
      cut: { method: "frozen", freezer: "aws-ebs" },
      volumes: [{ source: firstVolume, snapshot: expect.stringMatching(/^snap-/) as string }],
    });
    expect(first.manifest.archive).toBeUndefined();
    expect([...(await snapshotsOf(bed, firstVolume))]).toEqual([
      [
        first.snapshot,
        expect.objectContaining({
          "chainstate-snapshot:id": first.id,
          "chainstate-snapshot:stacks-height": String(first.manifest.chain.stacksHeight),
        }),
      ],
    ]);
    expect(setup.pids()).not.toEqual(started);
    expect(await leavings(bed, first.snapshot)).toEqual([]);
    await nodeGoesOn(bed);

    const verified = await run(bed, { command: "verify", storage: `file://${setup.store}` });
    expect(verified.exitCode, verified.log).toBe(0);
    expect(await leavings(bed, first.snapshot)).toEqual([]);

    const before = setup.pids();
    writeFileSync(join(setup.chainstate, "written-after"), "x");
    const restored = await run(bed, inputsOf(bed, { command: "restore", "allow-lower-height": "true" }));
    expect(restored.exitCode, restored.log).toBe(0);
    expect(restored.outputs["stacks-height"]).toBe(String(first.manifest.chain.stacksHeight));
    expect(setup.pids()).not.toEqual(before);
    expect(existsSync(join(setup.chainstate, "written-after"))).toBe(false);
    expect(await setup.height()).toBeGreaterThanOrEqual(first.manifest.chain.stacksHeight);
    await nodeGoesOn(bed);
    const newVolume = await world.volumeAt(mountPoint);
    expect(newVolume).not.toBe(firstVolume);
    expect(await volumeOf(bed, newVolume)).toMatchObject({
      State: "in-use",
      SnapshotId: first.snapshot,
      Attachments: [{ InstanceId: world.instanceId }],
    });
    expect(await volumeOf(bed, firstVolume)).toMatchObject({ State: "available" });
    expect(restored.summary).toContain(`The old disk ${firstVolume} is detached and kept`);
    expect(await leavings(bed, first.snapshot)).toEqual([]);

    const second = await take(bed, { "keep-last": "1" });
    expect(second.manifest.volumes).toMatchObject([{ source: newVolume }]);
    expect(visibleSnapshots(setup.store)).toEqual([second.id]);
    expect([...(await snapshotsOf(bed, firstVolume)).keys()]).toEqual([]);
    expect([...(await snapshotsOf(bed, newVolume ?? "")).keys()]).toEqual([second.snapshot]);
  });

  it("gives way to the old volume when the node does not come up healthy on the restored one", async () => {
    const bed = await fresh();
    const { world, setup, mountPoint, firstVolume } = bed;
    const { snapshot } = await take(bed);
    writeFileSync(join(setup.chainstate, "written-after"), "x");
    // Everything but the node's answer is as it should be: nobody can be at that height.
    const main = await run(
      bed,
      inputsOf(bed, {
        command: "restore",
        "allow-lower-height": "true",
        "sync-blocks": "1000000",
        "sync-timeout": "3s",
      }),
    );
    expect(main.exitCode, main.log).toBe(1);
    expect(main.log).toContain("Swap into");
    expect(main.outputs["node-running"]).toBe("true");
    expect(await world.volumeAt(mountPoint)).toBe(firstVolume);
    expect(existsSync(join(setup.chainstate, "written-after"))).toBe(true);
    await nodeGoesOn(bed);
    expect(await volumeOf(bed, firstVolume)).toMatchObject({ State: "in-use" });
    expect(await leavings(bed, snapshot)).toEqual([]);
    expect([...(await snapshotsOf(bed, firstVolume)).keys()]).toEqual([snapshot]);
  });

  it("that Amazon refuses at the last moment leaves the node running and nothing published", async () => {
    const bed = await fresh();
    const { world, setup, firstVolume } = bed;
    const before = setup.pids();
    world.answer = (body) =>
      /Action=CreateSnapshots/.test(body) && !/DryRun=true/.test(body)
        ? ec2Error("ConcurrentSnapshotLimitExceeded")
        : undefined;
    const main = await run(bed, inputsOf(bed));
    expect(main.exitCode, main.log).toBe(1);
    expect(main.log).toContain("SNAPSHOTS_PENDING");
    expect(main.outputs["node-running"]).toBe("true");
    expect(setup.pids()).not.toEqual(before);
    await nodeGoesOn(bed);
    expect(visibleSnapshots(setup.store)).toEqual([]);
    expect([...(await snapshotsOf(bed, firstVolume)).keys()]).toEqual([]);
    expect(await leavings(bed)).toEqual([]);
  });

  it("that ends in error is removed, and one that has become so is not restored", async () => {
    const bed = await fresh();
    const { world, setup, mountPoint, firstVolume } = bed;
    const kept = await take(bed);
    world.rewrite = (action, answer) =>
      action === "DescribeSnapshots" ? answer.replaceAll("<status>completed", "<status>error") : answer;
    const failed = await run(bed, inputsOf(bed));
    expect(failed.exitCode, failed.log).toBe(1);
    expect(failed.log).toContain("SNAPSHOT_IN_ERROR");
    expect(failed.outputs["node-running"]).toBe("true");
    await nodeGoesOn(bed);
    expect(visibleSnapshots(setup.store)).toEqual([kept.id]);
    expect([...(await snapshotsOf(bed, firstVolume)).keys()]).toEqual([kept.snapshot]);

    const before = setup.pids();
    const refused = await run(bed, inputsOf(bed, { command: "restore", "allow-lower-height": "true" }));
    expect(refused.exitCode, refused.log).toBe(1);
    expect(refused.log).toContain(kept.snapshot);
    expect(refused.log).toContain("SNAPSHOT_IN_ERROR");
    expect(setup.pids()).toEqual(before);
    expect(await world.volumeAt(mountPoint)).toBe(firstVolume);
    expect(await leavings(bed, kept.snapshot)).toEqual([]);
  });
});
