/** The part that is the same for every cloud, against one that fails once at each of its calls. */
import { mkdirSync, mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { CloudDisks } from "../../../src/volume/cloud/disks.ts";
import { CloudSnapshotter } from "../../../src/volume/cloud/snapshotter.ts";
import type { PreparedRestore, VolumeRecord } from "../../../src/volume/port.ts";
import { parseUndoSteps, undoVolumeSteps } from "../../../src/volume/undo.ts";
import { failingOnce, MemoryCloud, MemoryMachine, type Moment } from "./memory-cloud.ts";

const signal = new AbortController().signal;
const runId = "r";
const roots: string[] = [];

class World {
  readonly root = realpathSync(mkdtempSync(join(tmpdir(), "cloud-")));
  readonly mountPoint = join(this.root, "mount");
  readonly cloud = new MemoryCloud();
  readonly machine = new MemoryMachine(this.cloud);
  readonly request = {
    chainstateDir: join(this.mountPoint, "mainnet"),
    stateDir: join(this.root, "state"),
    runId,
    signal,
    staging: "/nowhere",
    driverIsNamed: false,
  };

  constructor() {
    roots.push(this.root);
    mkdirSync(this.request.stateDir);
    // Neither is of this action.
    this.cloud.disks.set("data", { run: undefined, attached: true });
    this.cloud.snapshots.set("nightly", { run: undefined });
    // Of another run, which is under way.
    this.cloud.disks.set("other", { run: "other", attached: true });
    this.cloud.snapshots.set("other", { run: "other" });
    this.machine.mount("/dev/data", this.mountPoint);
  }

  snapshotter(cloud: CloudDisks = this.cloud): CloudSnapshotter {
    return new CloudSnapshotter(this.machine.host, cloud);
  }

  get mounted(): string | undefined {
    return this.machine.mountedAt(this.mountPoint);
  }

  /** What is not this run's. */
  get others() {
    const { disks, snapshots } = this.cloud;
    return {
      snapshots: ["nightly", "other"].filter((name) => snapshots.has(name)),
      data: disks.has("data"),
      other: disks.get("other"),
    };
  }
}

const untouched = { snapshots: ["nightly", "other"], data: true, other: { run: "other", attached: true } };

afterEach(() => {
  for (const root of roots.splice(0)) rmSync(root, { recursive: true, force: true });
});

function codeOf(failure: unknown): unknown {
  return failure instanceof Error && "code" in failure ? failure.code : failure;
}

const moments: readonly Moment[] = ["before", "after"];

describe("a cloud that fails once, at any call", () => {
  it.each(moments)(
    "(%s it is done): a snapshot and its restore end well and whole, or leave nothing",
    async (moment) => {
      let endedWell = 0;
      for (let at = 1, failed = true; failed; at += 1) {
        const world = new World();
        const twin = failingOnce(world.cloud, at, moment);
        const snapshotter = world.snapshotter(twin.cloud);
        let prepared: PreparedRestore | undefined;
        let records: readonly VolumeRecord[] = [];
        const work = async (): Promise<void> => {
          records = await snapshotter.freeze(world.request);
          await snapshotter.describe(records, { timeoutMs: 60_000, signal });
          prepared = await snapshotter.restore(records, world.request);
          if (prepared.kind === "volume") await prepared.swap();
        };
        const failure: unknown = await work().catch((error: unknown) => error ?? "failed");
        failed = twin.hasFailed();
        expect(world.others).toEqual(untouched);
        const undo = prepared?.kind === "volume" ? prepared.undo : [];
        const left = async () => ({
          mounted: world.mounted,
          data: world.cloud.disks.get("data")?.attached,
          marked: await world.cloud.findOfRun(runId),
        });
        if (failure === undefined) {
          endedWell += 1;
          const commit = async () => await snapshotter.commit(undo, { runId, keepPrevious: false, signal });
          // A commit that failed is made again, as a later run does.
          await commit().catch(commit);
          failed = twin.hasFailed();
        } else {
          await undoVolumeSteps(parseUndoSteps(undo), world.machine.host);
          await prepared?.discard();
          await world.snapshotter().cleanUp(runId, world.request);
        }
        const [step] = undo;
        const newDisk = step?.do === "mount" ? step.newDisk : undefined;
        const snapshots = records.map(({ snapshot }) => snapshot);
        const whole = { mounted: `/dev/${newDisk}`, data: false, marked: { snapshots, disks: [] } };
        const nothing = { mounted: "/dev/data", data: true, marked: { snapshots: [], disks: [] } };
        expect(await left(), `call ${at}`).toEqual(failure === undefined ? whole : nothing);
        expect([undefined, "CLOUD_UNREACHABLE"], String(failure)).toContain(codeOf(failure));
        expect(world.others).toEqual(untouched);
        expect(at).toBeLessThan(50);
      }
      expect(endedWell).toBeGreaterThan(0);
    },
  );

  it.each(moments)(
    "(%s it is done): an opened snapshot is closed, or what is left is cleaned up",
    async (moment) => {
      for (let at = 1, failed = true; failed; at += 1) {
        const world = new World();
        const records = await world.snapshotter().freeze(world.request);
        const twin = failingOnce(world.cloud, at, moment);
        const work = async (): Promise<void> => {
          const open = await world.snapshotter(twin.cloud).open(records, world.request);
          expect(open.parts).toHaveLength(1);
          await open.close().catch(async () => await open.close());
        };
        const failure = await work().catch((error: unknown) => error);
        expect([undefined, "CLOUD_UNREACHABLE"], String(failure)).toContain(codeOf(failure));
        failed = twin.hasFailed();
        const keep = (snapshot: string): boolean => snapshot === records[0]?.snapshot;
        await world.snapshotter().cleanUp(runId, { ...world.request, keep });
        expect(await world.cloud.findOfRun(runId)).toEqual({
          snapshots: records.map(({ snapshot }) => snapshot),
          disks: [],
        });
        expect(world.machine.mounts).toHaveLength(1);
        expect(world.others).toEqual(untouched);
        expect(at).toBeLessThan(50);
      }
    },
  );
});

it("the wait for a snapshot survives looks that fail", async () => {
  const world = new World();
  const records = await world.snapshotter().freeze(world.request);
  const twin = failingOnce(world.cloud, 1, "before");
  await world.snapshotter(twin.cloud).describe(records, { timeoutMs: 60_000, signal });
  expect(twin.hasFailed()).toBe(true);
});

describe("what a dead run left", () => {
  let world: World;
  beforeEach(() => {
    world = new World();
    for (const [id, attached] of [
      ["used", true],
      ["attached", true],
      ["loose", false],
    ] as const)
      world.cloud.disks.set(id, { run: runId, attached });
    world.cloud.snapshots.set("unpublished", { run: runId });
    // A restore that died before its commit: the new disk carries the run's mark and the node runs on it.
    world.machine.mount("/dev/used", world.mountPoint);
  });

  it("goes, but for the disk that is mounted", async () => {
    await world.snapshotter().cleanUp(runId, world.request);
    expect(await world.cloud.findOfRun(runId)).toEqual({ snapshots: [], disks: ["used"] });
    expect(world.cloud.disks.get("used")?.attached).toBe(true);
    expect(world.others).toEqual(untouched);
  });

  it.each(moments)(
    "stays where the cloud fails %s any call, and is never taken for unmounted",
    async (moment) => {
      for (let at = 1, failed = true; failed; at += 1) {
        const twin = failingOnce(world.cloud, at, moment);
        const code = await world
          .snapshotter(twin.cloud)
          .cleanUp(runId, world.request)
          .then(() => "done", codeOf);
        expect(["done", "CLEAN_UP_FAILED", "CLOUD_UNREACHABLE"]).toContain(code);
        failed = twin.hasFailed();
        expect(world.cloud.disks.get("used"), `call ${at}`).toEqual({ run: runId, attached: true });
        expect(world.others).toEqual(untouched);
        expect(at).toBeLessThan(50);
      }
      await world.snapshotter().cleanUp(runId, world.request);
      expect(await world.cloud.findOfRun(runId)).toEqual({ snapshots: [], disks: ["used"] });
    },
  );

  it("stays where the disk is attached and its device cannot be found: nobody knows whether it is mounted", async () => {
    const { host } = world.machine;
    const blind = {
      ...host,
      devices: { ...host.devices, findBySerial: async () => await Promise.resolve(undefined) },
    };
    await expect(
      new CloudSnapshotter(blind, world.cloud).cleanUp(runId, world.request),
    ).rejects.toMatchObject({
      code: "CLEAN_UP_FAILED",
    });
    expect((await world.cloud.findOfRun(runId)).disks).toEqual(["used", "attached"]);
    expect(world.cloud.disks.get("attached")?.attached).toBe(true);
  });
});

it("a manifest's driver is not taken for a mount that is no disk of its cloud, unless the input names it", async () => {
  const world = new World();
  const records = await world.snapshotter().freeze(world.request);
  world.machine.mount("/dev/local", world.mountPoint);
  await expect(world.snapshotter().restore(records, world.request)).rejects.toMatchObject({
    code: "VOLUME_MISMATCH",
  });
  expect((await world.cloud.findOfRun(runId)).disks).toEqual([]);
  const named = await world.snapshotter().restore(records, { ...world.request, driverIsNamed: true });
  await named.discard();
  expect((await world.cloud.findOfRun(runId)).disks).toEqual([]);
});

it("a restored volume is mounted without set-uid programs and devices", async () => {
  const world = new World();
  const asked: string[] = [];
  const { host } = world.machine;
  const listening = {
    ...host,
    ask: async (argv: readonly string[]) => {
      asked.push(argv.join(" "));
      return await host.ask(argv);
    },
  };
  const snapshotter = new CloudSnapshotter(listening, world.cloud);
  const prepared = await snapshotter.restore(await snapshotter.freeze(world.request), world.request);
  if (prepared.kind === "volume") await prepared.swap();
  const mounts = asked.filter((command) => command.startsWith("mount "));
  expect(mounts).toHaveLength(2);
  for (const command of mounts) expect(command).toMatch(/ -o \S*\b(nosuid,nodev|nodev,nosuid)\b/);
});
