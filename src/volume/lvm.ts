/**
 * Snapshots of logical volumes, thick and thin. A thick one needs room in its volume group for what is written while it
 * exists and is void when that is used up, so it is watched; a thin one shares its pool. Read by mounting it read-only.
 * A restore is a new logical volume (thin: a snapshot of the snapshot, thick: a copy) that takes the old one's name, so
 * what /etc/fstab says stays true. LVM's tags mark what this tool made.
 */
import { basename } from "node:path";
import * as v from "valibot";
import { ActionError } from "../errors.ts";
import type { Host } from "./host.ts";
import { groupParts, locateChainstate, type ChainstatePart } from "./locate.ts";
import { listVolumes, removeVolume, runTag, type LogicalVolume } from "./lvm-report.ts";
import { commitLvmRestore, prepareLvmRestore } from "./lvm-restore.ts";
import { nameFor, notOurs, runIdOf, toolName } from "./names.ts";
import { Gathered, probing } from "./outcome.ts";
import { partsAt } from "./parts.ts";
import type { FixRequest, OpenPart, VolumeRecord, VolumeSnapshotter } from "./port.ts";
import { commonFields, parseRecords } from "./records.ts";
import { mountScratch, unmountAllScratch, unmountScratch } from "./scratch-mounts.ts";
import { formatBytes } from "../system/space.ts";

const lvmWord = v.pipe(v.string(), v.regex(/^[A-Za-z0-9_+.][A-Za-z0-9_+.-]*$/));

export const lvmSchema = v.looseObject({
  ...commonFields,
  driver: v.literal("lvm"),
  group: lvmWord,
  origin: lvmWord,
  /** Name of the snapshot's logical volume in the group. */
  volume: lvmWord,
  thin: v.boolean(),
  sizeBytes: v.number(),
});
export type LvmRecord = v.InferOutput<typeof lvmSchema>;

interface Target {
  readonly origin: LogicalVolume;
  /** Of a thin volume. */
  readonly pool: LogicalVolume | undefined;
  readonly parts: readonly ChainstatePart[];
}

/** Of the origin's size: what a thick snapshot gets, and the least that it is taken with. */
const wantedShare = 0.2;
const leastShare = 0.05;
const fullPoolPercent = 95;

export function lvmSnapshotter(host: Host, named: readonly string[] = []): VolumeSnapshotter {
  const find = async (chainstateDir: string): Promise<readonly Target[]> => {
    const [parts, volumes] = await Promise.all([locateChainstate(chainstateDir, host), listVolumes(host)]);
    const targets: Target[] = [];
    for (const [device, group] of groupParts(parts, (part) => part.mount.device)) {
      const origin = volumes.find((volume) => volume.device === device);
      const [first] = group;
      if (origin === undefined || first === undefined) throw notLogical(group);
      if (first.mount.fsType === "btrfs") {
        throw new ActionError(
          "VOLUME_WRONG_TYPE",
          "A second copy of a btrfs file system must not be visible to the kernel.",
          {
            hint: "Use `volume-driver: btrfs` (or `freeze-with: btrfs`) there.",
          },
        );
      }
      const pool = volumes.find((volume) => volume.group === origin.group && volume.name === origin.pool);
      targets.push({ origin, pool, parts: group });
    }
    const strange = named.find((name) => !targets.some(({ origin }) => sameVolume(name, origin)));
    if (strange !== undefined) {
      throw new ActionError("VOLUME_MISMATCH", `The chainstate is not on the logical volume ${strange}.`, {
        hint: `It is on ${targets.map(({ origin }) => fullName(origin)).join(", ")}.`,
      });
    }
    return targets;
  };

  return {
    driver: "lvm",
    isInstant: true,

    probe: async (request) =>
      await probing(async () => {
        const targets = await find(request.chainstateDir);
        const plans = planSnapshots(targets, request);
        const scratch = `${request.stateDir}/volumes/${nameFor(request.runId)}/0`;
        for (const { argv, name, target } of plans) {
          const [part] = target.parts;
          await host.privilege.require(argv, "to snapshot the logical volume");
          const device = `/dev/${target.origin.group}/${name}`;
          await host.privilege.require(
            ["mount", "-t", part?.mount.fsType ?? "ext4", "-o", "ro", device, scratch],
            "to read the snapshot",
          );
          await host.privilege.require(
            [
              "lvchange",
              "--yes",
              "--ignoreactivationskip",
              "--activate",
              "y",
              `${target.origin.group}/${name}`,
            ],
            "to activate the snapshot",
          );
          await host.privilege.require(["umount", scratch], "to let go of the snapshot");
          await host.privilege.require(
            ["lvremove", "--yes", `${target.origin.group}/${name}`],
            "to remove the snapshot again",
          );
        }
        const tight = plans.find(
          (plan) =>
            plan.sizeBytes !== undefined && plan.sizeBytes < plan.target.origin.sizeBytes * wantedShare,
        );
        return {
          usable: true,
          reason: plans.map((plan) => plan.words).join("; "),
          sources: targets.map(({ origin }) => fullName(origin)),
          ...(tight === undefined
            ? {}
            : { risk: `the volume group has room for only ${formatBytes(tight.sizeBytes ?? 0)} of changes` }),
        };
      }),

    async freeze(request) {
      const plans = planSnapshots(await find(request.chainstateDir), request);
      const made: VolumeRecord[] = [];
      try {
        for (const plan of plans) {
          // dm's suspend flushes and freezes the file system for the moment of the snapshot.
          await host.do(plan.argv, 2 * 60_000);
          made.push(recordOf(plan, request, host));
        }
        return made;
      } catch (cause) {
        for (const record of made) await host.ask(["lvremove", "--yes", record.snapshot]);
        throw cause;
      }
    },

    async describe(records) {
      return await Promise.resolve(records);
    },

    async open(records, request) {
      const parsed = parseRecords("lvm", records, lvmSchema);
      const mounted: string[] = [];
      const close = async (): Promise<void> => {
        for (const mountPoint of mounted.toReversed()) await unmountScratch(mountPoint, host);
      };
      try {
        const parts: OpenPart[] = [];
        for (const [index, record] of parsed.entries()) {
          await requireHeld(record, host);
          await host.do([
            "lvchange",
            "--yes",
            "--ignoreactivationskip",
            "--activate",
            "y",
            fullName(nameOf(record)),
          ]);
          const device = `/dev/${record.group}/${record.volume}`;
          const plan = { device, fsType: record.fsType, options: ["ro"] };
          const mountPoint = await mountScratch(request, String(index), plan, host);
          mounted.push(mountPoint);
          parts.push(...partsAt(mountPoint, record.parts));
        }
        return {
          parts: parts.toSorted((a, b) => a.at.length - b.at.length),
          async assertHeld() {
            for (const record of parsed) await requireHeld(record, host);
          },
          close,
        };
      } catch (error) {
        await close();
        throw error;
      }
    },

    async restore(records, request) {
      const parsed = parseRecords("lvm", records, lvmSchema);
      for (const record of parsed) await requireHeld(record, host);
      return await prepareLvmRestore(parsed, request, host);
    },

    commit: async (undo, request) => await commitLvmRestore(undo, request, host),

    async list(request) {
      const targets = await find(request.chainstateDir);
      const groups = new Set(targets.map(({ origin }) => origin.group));
      return (await listVolumes(host))
        .filter((volume) => groups.has(volume.group) && isOurSnapshot(volume))
        .map((volume) => ({
          driver: "lvm" as const,
          snapshot: fullName(volume),
          source: `${volume.group}/${volume.origin}`,
          createdAt: volume.createdAt,
          state: volume.isVoid ? "error" : "available",
          runId: volume.runId ?? "",
        }));
    },

    async delete(record) {
      const [parsed] = parseRecords("lvm", [record], lvmSchema);
      if (parsed === undefined) return;
      const found = (await listVolumes(host)).find((volume) => fullName(volume) === fullName(nameOf(parsed)));
      if (runIdOf(parsed.volume) === undefined)
        throw notOurs(`The logical volume ${fullName(nameOf(parsed))}`);
      if (found === undefined) return;
      if (!isOurSnapshot(found)) throw notOurs(`The logical volume ${fullName(found)}`);
      await removeVolume(found, host);
    },

    async cleanUp(runId, request) {
      const gathered = new Gathered("Logical volumes of a dead run could not be removed");
      await gathered.attempt(async () => await unmountAllScratch({ ...request, runId }, host));
      const ours = (await listVolumes(host)).filter(
        (volume) => volume.runId === runId && volume.name.startsWith(nameFor(runId)),
      );
      const mounted = new Set((await host.readMounts()).map((mount) => mount.device));
      for (const volume of ours) {
        // A restored volume that came into use has lost its run's name; what is mounted is in use whatever its name.
        const isNew = /\.new\d+$/.test(volume.name) && !mounted.has(volume.device);
        const isSnapshot = isOurSnapshot(volume) && request.keep?.(fullName(volume)) !== true;
        if (isNew || isSnapshot) await gathered.attempt(async () => await removeVolume(volume, host));
      }
      gathered.finish();
    },
  };
}

interface SnapshotPlan {
  readonly target: Target;
  readonly name: string;
  readonly argv: readonly string[];
  /** Undefined for a thin snapshot. */
  readonly sizeBytes: number | undefined;
  readonly words: string;
}

function planSnapshots(targets: readonly Target[], request: FixRequest): readonly SnapshotPlan[] {
  const free = new Map<string, number>();
  return targets.map((target, index) => {
    const { origin } = target;
    const name = index === 0 ? nameFor(request.runId) : `${nameFor(request.runId)}.${index}`;
    const tags = ["--addtag", toolName, "--addtag", runTag(request.runId)];
    if (origin.pool !== "") {
      requirePoolRoom(target);
      const argv = [
        "lvcreate",
        "--yes",
        "--snapshot",
        "--setactivationskip",
        "n",
        "--name",
        name,
        ...tags,
        fullName(origin),
      ];
      return { target, name, argv, sizeBytes: undefined, words: `${fullName(origin)} is thin` };
    }
    const room = free.get(origin.group) ?? origin.groupFreeBytes;
    const sizeBytes = Math.min(room, roundUp(origin.sizeBytes * wantedShare, origin.extentBytes));
    if (sizeBytes < origin.sizeBytes * leastShare || sizeBytes <= 0) throw groupFull(origin, room);
    free.set(origin.group, room - sizeBytes);
    const argv = [
      "lvcreate",
      "--yes",
      "--snapshot",
      "--size",
      `${sizeBytes}b`,
      "--name",
      name,
      ...tags,
      fullName(origin),
    ];
    return {
      target,
      name,
      argv,
      sizeBytes,
      words: `${fullName(origin)} can be snapshotted, with room for ${formatBytes(sizeBytes)} of changes`,
    };
  });
}

function roundUp(bytes: number, unit: number): number {
  return Math.ceil(bytes / unit) * unit;
}

function groupFull(origin: LogicalVolume, freeBytes: number): ActionError {
  const least = formatBytes(origin.sizeBytes * leastShare);
  return new ActionError(
    "VOLUME_GROUP_FULL",
    `The volume group ${origin.group} has ${formatBytes(freeBytes)} free; a snapshot of ${fullName(origin)} needs ${least} at least.`,
    {
      hint: `Add a disk with \`vgextend ${origin.group} …\`, shrink or remove a logical volume, or use \`freeze-with: sqlite\`.`,
    },
  );
}

function requirePoolRoom({ origin, pool }: Target): void {
  const used = Math.max(pool?.dataPercent ?? 0, pool?.metadataPercent ?? 0);
  if (used < fullPoolPercent) return;
  throw new ActionError(
    "VOLUME_GROUP_FULL",
    `The thin pool ${origin.group}/${origin.pool} is ${used.toFixed(0)} % full.`,
    {
      hint: `Extend it with \`lvextend ${origin.group}/${origin.pool} …\`: a full pool makes every volume in it fail.`,
    },
  );
}

function recordOf(plan: SnapshotPlan, request: FixRequest, host: Host): VolumeRecord {
  const { origin, parts } = plan.target;
  const mount = parts[0]?.mount;
  return {
    driver: "lvm",
    source: fullName(origin),
    snapshot: `${origin.group}/${plan.name}`,
    createdAt: new Date(host.clock.now()).toISOString(),
    runId: request.runId,
    parts: parts.map(({ at, within }) => ({ at, within })),
    mountPoint: mount?.mountPoint ?? "/",
    fsType: mount?.fsType ?? "ext4",
    mountOptions: [],
    group: origin.group,
    origin: origin.name,
    volume: plan.name,
    thin: origin.pool !== "",
    sizeBytes: origin.sizeBytes,
  };
}

/** Throws SNAPSHOT_VOID where the snapshot is gone or holds no longer. */
async function requireHeld(record: LvmRecord, host: Host): Promise<void> {
  const found = (await listVolumes(host)).find((volume) => fullName(volume) === fullName(nameOf(record)));
  if (found === undefined || !isOurSnapshot(found)) {
    throw new ActionError(
      "SNAPSHOT_VOID",
      `The logical volume ${fullName(nameOf(record))} is not there any more.`,
      {
        hint: "Choose another snapshot; `command: list` shows what there is.",
      },
    );
  }
  if (!found.isVoid) return;
  throw new ActionError("SNAPSHOT_VOID", `The snapshot ${fullName(found)} ran full and holds no longer.`, {
    hint: `More was written than its ${formatBytes(found.sizeBytes)} could take. Give the volume group ${found.group} more free room, or use thin volumes.`,
  });
}

function isOurSnapshot(volume: LogicalVolume): boolean {
  return (
    volume.runId !== undefined &&
    volume.name.startsWith(nameFor(volume.runId)) &&
    !/\.(new|old)\d+$/.test(volume.name)
  );
}

function nameOf(record: LvmRecord): { readonly group: string; readonly name: string } {
  return { group: record.group, name: record.volume };
}

export function fullName(volume: { readonly group: string; readonly name: string }): string {
  return `${volume.group}/${volume.name}`;
}

function sameVolume(name: string, volume: LogicalVolume): boolean {
  const plain = name.replace(/^\/dev\//, "");
  return (
    plain === fullName(volume) || name === volume.mapperPath || basename(name) === basename(volume.mapperPath)
  );
}

function notLogical(parts: readonly ChainstatePart[]): ActionError {
  const [part] = parts;
  return new ActionError(
    "VOLUME_WRONG_TYPE",
    `${part?.path ?? "The chainstate"} is on ${part?.mount.source ?? "something"}, which is no logical volume.`,
    {
      hint: "Choose another `volume-driver` or `freeze-with`.",
    },
  );
}
