/**
 * Snapshots of logical volumes, thick and thin. A thick one needs space in its volume group for what is written while it
 * exists and is void when that is used up, so it is watched; a thin one shares its pool. Read by mounting it read-only.
 * A restore is a new logical volume (thin: a snapshot of the snapshot, thick: a copy) that takes the old one's name, so
 * what /etc/fstab says stays true. LVM's tags mark what this tool made.
 */
import { basename } from "node:path";
import { ActionError } from "../../domain/errors.ts";
import type { Mount } from "../../system/mounts.ts";
import { formatBytes } from "../../system/space.ts";
import { VolumeExchange } from "../exchange.ts";
import type { Host } from "../host.ts";
import { groupParts, locateChainstate, type ChainstatePart } from "../mounts/locate.ts";
import { mountArgv } from "../mounts/mounting.ts";
import { mountScratch, unmountAllScratch, unmountScratch } from "../mounts/scratch-mounts.ts";
import { nameFor, notOurs, runIdOf } from "../names.ts";
import { OpenedSnapshot } from "../opened.ts";
import { CollectedErrors, orTakeBack, probing } from "../outcome.ts";
import type {
  CleanUpRequest,
  CommitRequest,
  OpenSnapshot,
  PreparedRestore,
  RestoreRequest,
  SnapshotRequest,
  VolumeProbe,
  VolumeRecord,
  VolumeRequest,
  VolumeSnapshotter,
} from "../port.ts";
import { parseRecords, requireFileSystem } from "../records.ts";
import {
  activateArgv,
  fullName,
  listVolumes,
  lvmSchema,
  markArgv,
  removeVolume,
  type LogicalVolume,
  type LvmRecord,
} from "./report.ts";
import { commitLvmRestore, planLvmExchanges } from "./restore.ts";

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

export class LvmSnapshotter implements VolumeSnapshotter {
  readonly driver = "lvm";
  readonly isInstant = true;
  readonly #host: Host;
  readonly #named: readonly string[];

  constructor(host: Host, named: readonly string[] = []) {
    this.#host = host;
    this.#named = named;
  }

  async probe(request: SnapshotRequest): Promise<VolumeProbe> {
    return await probing(async () => {
      const targets = await this.#find(request.chainstateDir);
      const plans = planSnapshots(targets, request);
      for (const plan of plans) await this.#requirePrivileges(plan, request);
      const tight = plans.find(
        ({ sizeBytes = Infinity, target }) => sizeBytes < target.origin.sizeBytes * wantedShare,
      );
      const space = formatBytes(tight?.sizeBytes ?? 0);
      return {
        usable: true,
        reason: plans.map((plan) => plan.words).join("; "),
        sources: targets.map(({ origin }) => fullName(origin)),
        ...(tight === undefined ? {} : { risk: `the volume group has space for only ${space} of changes` }),
      };
    });
  }

  async freeze(request: SnapshotRequest): Promise<readonly VolumeRecord[]> {
    const plans = planSnapshots(await this.#find(request.chainstateDir), request);
    const made: VolumeRecord[] = [];
    return await orTakeBack(
      async () => {
        for (const plan of plans) {
          // dm's suspend flushes and freezes the file system for the moment of the snapshot.
          await this.#host.do(plan.argv, 2 * 60_000);
          made.push(recordOf(plan, request, this.#host));
        }
        return made;
      },
      async () => {
        for (const record of made) await this.#host.do(["lvremove", "--yes", record.snapshot]);
      },
    );
  }

  async describe(records: readonly VolumeRecord[]): Promise<readonly VolumeRecord[]> {
    return await Promise.resolve(records);
  }

  async open(records: readonly VolumeRecord[], request: VolumeRequest): Promise<OpenSnapshot> {
    const host = this.#host;
    const parsed = parseRecords("lvm", records, lvmSchema);
    const assertFrozen = async (): Promise<void> => await requireValid(parsed, host);
    return await OpenedSnapshot.open(assertFrozen, async (opened) => {
      await assertFrozen();
      for (const [index, record] of parsed.entries()) {
        await host.do(activateArgv(nameOf(record)));
        const plan = { device: `/dev/${nameOf(record)}`, fsType: record.fsType, options: ["ro"] };
        const mountPoint = await mountScratch(request, String(index), plan, host);
        opened.onClose(async () => await unmountScratch(mountPoint, host));
        await opened.add(mountPoint, record.parts);
      }
    });
  }

  async restore(records: readonly VolumeRecord[], request: RestoreRequest): Promise<PreparedRestore> {
    const parsed = parseRecords("lvm", records, lvmSchema);
    await requireValid(parsed, this.#host);
    const exchanges = await planLvmExchanges(parsed, request, this.#host);
    return await VolumeExchange.prepare(exchanges, request, this.#host);
  }

  async commit(undo: readonly { readonly do: string }[], request: CommitRequest): Promise<readonly string[]> {
    return await commitLvmRestore(undo, request, this.#host);
  }

  async delete(record: VolumeRecord): Promise<void> {
    const [parsed] = parseRecords("lvm", [record], lvmSchema);
    if (parsed === undefined) return;
    if (runIdOf(parsed.volume) === undefined) throw notOurs(`The logical volume ${nameOf(parsed)}`);
    const found = (await listVolumes(this.#host)).find((volume) => fullName(volume) === nameOf(parsed));
    if (found === undefined) return;
    if (!isOurSnapshot(found)) throw notOurs(`The logical volume ${fullName(found)}`);
    await removeVolume(found, this.#host);
  }

  async cleanUp(runId: string, request: CleanUpRequest): Promise<void> {
    const host = this.#host;
    const errors = new CollectedErrors("Logical volumes of a dead run could not be removed");
    await errors.attempt(async () => await unmountAllScratch({ ...request, runId }, host));
    const ours = (await listVolumes(host)).filter(
      (volume) => volume.runId === runId && volume.name.startsWith(nameFor(runId)),
    );
    const mounted = new Set((await host.readMounts()).map((mount) => mount.device));
    for (const volume of ours) {
      // A restored volume that came into use has lost its run's name; what is mounted is in use whatever its name.
      const isNew = /\.new\d+$/.test(volume.name) && !mounted.has(volume.device);
      const isSnapshot = isOurSnapshot(volume) && request.keep?.(fullName(volume)) !== true;
      if (isNew || isSnapshot) await errors.attempt(async () => await removeVolume(volume, host));
    }
    errors.finish();
  }

  async #find(chainstateDir: string): Promise<readonly Target[]> {
    const [parts, volumes] = await Promise.all([
      locateChainstate(chainstateDir, this.#host),
      listVolumes(this.#host),
    ]);
    const targets: Target[] = [];
    for (const [device, group] of groupParts(parts, (part) => part.mount.device)) {
      const origin = volumes.find((volume) => volume.device === device);
      const [first] = group;
      if (origin === undefined || first === undefined) throw notLogical(group);
      requireMountable(first.mount);
      const pool = volumes.find((volume) => volume.group === origin.group && volume.name === origin.pool);
      targets.push({ origin, pool, parts: group });
    }
    const unknown = this.#named.find((name) => !targets.some(({ origin }) => sameVolume(name, origin)));
    if (unknown !== undefined) {
      throw new ActionError("VOLUME_MISMATCH", `The chainstate is not on the logical volume ${unknown}.`, {
        hint: `It is on ${targets.map(({ origin }) => fullName(origin)).join(", ")}.`,
      });
    }
    return targets;
  }

  async #requirePrivileges({ argv, name, target }: SnapshotPlan, request: SnapshotRequest): Promise<void> {
    const { privilege } = this.#host;
    const scratch = `${request.stateDir}/volumes/${nameFor(request.runId)}/0`;
    const snapshot = `${target.origin.group}/${name}`;
    const fsType = target.parts[0]?.mount.fsType ?? "ext4";
    const plan = { device: `/dev/${snapshot}`, mountPoint: scratch, fsType, options: ["ro"] };
    await privilege.require(argv, "to snapshot the logical volume");
    await privilege.require(mountArgv(plan), "to read the snapshot");
    await privilege.require(activateArgv(snapshot), "to activate the snapshot");
    await privilege.require(["umount", scratch], "to let go of the snapshot");
    await privilege.require(["lvremove", "--yes", snapshot], "to remove the snapshot again");
  }
}

/** Two copies of one btrfs must not be visible to the kernel at once. */
function requireMountable(mount: Mount): void {
  requireFileSystem(mount);
  if (mount.fsType !== "btrfs") return;
  throw new ActionError(
    "VOLUME_WRONG_TYPE",
    "A second copy of a btrfs file system must not be visible to the kernel.",
    { hint: "Use `volume-driver: btrfs` (or `freeze-with: btrfs`) there." },
  );
}

interface SnapshotPlan {
  readonly target: Target;
  readonly name: string;
  readonly argv: readonly string[];
  /** Undefined for a thin snapshot. */
  readonly sizeBytes: number | undefined;
  readonly words: string;
}

function planSnapshots(targets: readonly Target[], request: SnapshotRequest): readonly SnapshotPlan[] {
  const free = new Map<string, number>();
  return targets.map((target, index) => {
    const { origin } = target;
    const name = index === 0 ? nameFor(request.runId) : `${nameFor(request.runId)}.${index}`;
    const create = ["lvcreate", "--yes", "--snapshot"];
    const named = ["--name", name, ...markArgv(request.runId), fullName(origin)];
    if (origin.pool !== "") {
      requirePoolSpace(target);
      const argv = [...create, "--setactivationskip", "n", ...named];
      return { target, name, argv, sizeBytes: undefined, words: `${fullName(origin)} is thin` };
    }
    const available = free.get(origin.group) ?? origin.groupFreeBytes;
    const sizeBytes = Math.min(available, roundUp(origin.sizeBytes * wantedShare, origin.extentBytes));
    if (sizeBytes < origin.sizeBytes * leastShare || sizeBytes <= 0) throw groupFull(origin, available);
    free.set(origin.group, available - sizeBytes);
    const words = `${fullName(origin)} can be snapshotted, with space for ${formatBytes(sizeBytes)} of changes`;
    return { target, name, argv: [...create, "--size", `${sizeBytes}b`, ...named], sizeBytes, words };
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

function requirePoolSpace({ origin, pool }: Target): void {
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

function recordOf(plan: SnapshotPlan, request: SnapshotRequest, host: Host): VolumeRecord {
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
    group: origin.group,
    origin: origin.name,
    volume: plan.name,
    thin: origin.pool !== "",
    sizeBytes: origin.sizeBytes,
  };
}

/** SNAPSHOT_VOID where one of the snapshots is gone or was overrun. */
async function requireValid(records: readonly LvmRecord[], host: Host): Promise<void> {
  const volumes = await listVolumes(host);
  for (const record of records) {
    const name = nameOf(record);
    const found = volumes.find((volume) => fullName(volume) === name);
    if (found === undefined || !isOurSnapshot(found)) {
      throw new ActionError("SNAPSHOT_VOID", `The logical volume ${name} is not there any more.`, {
        hint: "Choose another snapshot; `command: list` shows what there is.",
      });
    }
    if (!found.isVoid) continue;
    throw new ActionError("SNAPSHOT_VOID", `The snapshot ${name} ran full and is void.`, {
      hint: `More was written than its ${formatBytes(found.sizeBytes)} could take. Give the volume group ${found.group} more free space, or use thin volumes.`,
    });
  }
}

function isOurSnapshot(volume: LogicalVolume): boolean {
  return (
    volume.runId !== undefined &&
    volume.name.startsWith(nameFor(volume.runId)) &&
    !/\.(new|old)\d+$/.test(volume.name)
  );
}

function nameOf(record: LvmRecord): string {
  return fullName({ group: record.group, name: record.volume });
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
