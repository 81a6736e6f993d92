/**
 * Snapshots of cloud disks, the same for every cloud: which disks a chainstate is on, the file systems flushed and frozen
 * for as long as the call takes, the wait until a snapshot is complete; and back: a new disk attached, found by what it
 * says it is and not by its device name, mounted where the old one was. The old disk is detached and kept.
 */
import { stat } from "node:fs/promises";
import { ActionError } from "../errors.ts";
import type { Disk } from "./block-devices.ts";
import { attachNew, cloudSchema } from "./cloud-attach.ts";
import type { CloudDisk, CloudDisks } from "./cloud-disks.ts";
import { commitCloudRestore, prepareCloudRestore } from "./cloud-restore.ts";
import type { Host } from "./host.ts";
import { groupParts, locateChainstate, type ChainstatePart } from "./locate.ts";
import { freezeFileSystem, reusableOptions, syncFileSystem, thawFileSystem } from "./mounting.ts";
import { Gathered, probing } from "./outcome.ts";
import { partsAt } from "./parts.ts";
import type { FixRequest, OpenPart, UndoStep, VolumeRecord, VolumeSnapshotter } from "./port.ts";
import { parseRecords } from "./records.ts";
import { mountScratch, unmountAllScratch, unmountScratch } from "./scratch-mounts.ts";

interface Target {
  readonly parts: readonly ChainstatePart[];
  readonly disk: Disk;
  readonly cloud: CloudDisk;
}

export interface CloudSnapshotterOptions {
  /** Between two looks at a pending snapshot. Default 5 s. */
  readonly lookEveryMs?: number;
  /** A snapshot whose progress does not change for this long is given up. Default 1 h. */
  readonly noProgressMs?: number;
}

export function cloudSnapshotter(
  host: Host,
  cloud: CloudDisks,
  named: readonly string[] = [],
  options: CloudSnapshotterOptions = {},
): VolumeSnapshotter {
  const find = async (chainstateDir: string, signal: AbortSignal): Promise<readonly Target[]> => {
    const parts = await locateChainstate(chainstateDir, host);
    const located: { readonly parts: readonly ChainstatePart[]; readonly disk: Disk }[] = [];
    for (const [, group] of groupParts(parts, (part) => part.mount.source)) {
      for (const disk of await disksOf(group, host)) located.push({ parts: group, disk });
    }
    const disks = await cloud.identify(
      located.map(({ disk }) => disk),
      signal,
    );
    const targets = located.flatMap((each, index) => {
      const found = disks[index];
      return found === undefined ? [] : [{ ...each, cloud: found }];
    });
    requireNamed(
      named,
      targets.map((target) => target.cloud.id),
    );
    return targets;
  };

  const take = async (targets: readonly Target[], request: FixRequest): Promise<readonly VolumeRecord[]> => {
    const unique = [...new Map(targets.map((target) => [target.cloud.id, target.cloud])).values()];
    const run = { runId: request.runId, ...(request.facts === undefined ? {} : { facts: request.facts }) };
    const taken = await whileFrozen(
      targets,
      request,
      host,
      async () => await cloud.takeSnapshots(unique, run, request.signal),
    );
    const createdAt = new Date(host.clock.now()).toISOString();
    return targets.map(({ parts, disk, cloud: { id, details } }) => {
      const snapshot = taken.find((each) => each.diskId === id)?.snapshotId;
      if (snapshot === undefined)
        throw new ActionError("SNAPSHOT_FAILED", `The cloud took no snapshot of ${id}.`);
      const mount = parts[0]?.mount;
      return {
        driver: cloud.driver,
        source: id,
        snapshot,
        createdAt,
        runId: request.runId,
        parts: parts.map(({ at, within }) => ({ at, within })),
        mountPoint: mount?.mountPoint ?? "/",
        fsType: mount?.fsType ?? "ext4",
        mountOptions: mount === undefined ? [] : [...reusableOptions(mount)],
        partition: disk.partition,
        direct: disk.direct,
        details,
      };
    });
  };

  return {
    driver: cloud.driver,
    isInstant: true,

    probe: async (request) =>
      await probing(async () => {
        const targets = await find(request.chainstateDir, request.signal);
        for (const point of await frozenPoints(targets, request, host)) {
          await host.privilege.require(
            ["fsfreeze", "--freeze", point],
            "to hold the file system still for the snapshot",
          );
          await host.privilege.require(["fsfreeze", "--unfreeze", point], "to let writes through again");
        }
        await cloud.requireSnapshots(
          targets.map((target) => target.cloud),
          request.runId,
          request.signal,
        );
        const sources = [...new Set(targets.map((target) => target.cloud.id))];
        return { usable: true, reason: `${sources.join(" and ")} can be snapshotted`, sources };
      }),

    async freeze(request) {
      return await take(await find(request.chainstateDir, request.signal), request);
    },

    async describe(records, limits) {
      const parsed = parseRecords(cloud.driver, records, cloudSchema);
      for (const snapshot of new Set(parsed.map((record) => record.snapshot))) {
        await waitForSnapshot(snapshot, limits);
      }
      return records;
    },

    async open(records, request) {
      const parsed = parseRecords(cloud.driver, records, cloudSchema);
      const mounted: string[] = [];
      const disks: string[] = [];
      // Clean-up goes on when the run is cancelled; each step has its own limit.
      const calm = new AbortController().signal;
      const close = async (): Promise<void> => {
        for (const mountPoint of mounted.toReversed()) await unmountScratch(mountPoint, host);
        for (const disk of disks) {
          await cloud.detach(disk, calm);
          await cloud.deleteDisk(disk, calm);
        }
      };
      try {
        const parts: OpenPart[] = [];
        for (const [index, record] of parsed.entries()) {
          const device = await attachNew(
            record,
            { runId: request.runId, index },
            host,
            cloud,
            request.signal,
            (disk) => disks.push(disk),
          );
          const mountPoint = await mountScratch(
            request,
            String(index),
            { device, fsType: record.fsType, options: ["ro"] },
            host,
          );
          mounted.push(mountPoint);
          parts.push(...partsAt(mountPoint, record.parts));
        }
        return {
          parts: parts.toSorted((a, b) => a.at.length - b.at.length),
          async assertHeld() {
            await Promise.resolve();
          },
          close,
        };
      } catch (error) {
        await close();
        throw error;
      }
    },

    async restore(records, request) {
      const parsed = parseRecords(cloud.driver, records, cloudSchema);
      for (const { snapshot } of parsed) await requireComplete(snapshot, request.signal);
      return await prepareCloudRestore(parsed, request, host, cloud);
    },

    commit: async (undo, request) => await commitCloudRestore(undo, request, cloud),

    async list(request) {
      const targets = await find(request.chainstateDir, request.signal);
      const found = await cloud.listSnapshots(
        targets.map((target) => target.cloud),
        request.signal,
      );
      return found.map(({ snapshotId, diskId, createdAt, state, runId }) => ({
        driver: cloud.driver,
        snapshot: snapshotId,
        source: diskId,
        createdAt,
        state,
        runId,
      }));
    },

    async delete(record, signal) {
      const [parsed] = parseRecords(cloud.driver, [record], cloudSchema);
      if (parsed !== undefined) await cloud.deleteSnapshot(parsed.snapshot, signal);
    },

    async cleanUp(runId, request) {
      const { signal } = request;
      const gathered = new Gathered("Disks or snapshots of a dead run could not be removed");
      await gathered.attempt(async () => await unmountAllScratch({ ...request, runId }, host));
      const left = await cloud.findOfRun(runId, signal);
      for (const disk of left.disks) {
        await gathered.attempt(async () => {
          if (await isMounted(disk, cloud, host, signal)) return;
          await cloud.detach(disk, signal);
          await cloud.deleteDisk(disk, signal);
        });
      }
      for (const snapshot of left.snapshots) {
        if (request.keep?.(snapshot) !== true)
          await gathered.attempt(async () => await cloud.deleteSnapshot(snapshot, signal));
      }
      gathered.finish();
    },
  };

  async function requireComplete(snapshot: string, signal: AbortSignal): Promise<void> {
    const { state, detail } = await cloud.snapshotState(snapshot, signal);
    if (state === "error") throw inError(snapshot, detail);
    if (state === "completed") return;
    throw new ActionError("SNAPSHOT_PENDING", `The snapshot ${snapshot} is not complete yet (${detail}).`, {
      hint: "Wait until it is, then run again.",
    });
  }

  async function waitForSnapshot(
    snapshot: string,
    limits: { readonly timeoutMs: number; readonly signal: AbortSignal },
  ): Promise<void> {
    const { clock } = host;
    const deadline = clock.now() + limits.timeoutMs;
    let last = "";
    let movedAt = clock.now();
    for (;;) {
      const { state, progressPercent, detail } = await cloud.snapshotState(snapshot, limits.signal);
      if (state === "completed") return;
      if (state === "error") throw inError(snapshot, detail);
      const progress = `${progressPercent ?? ""} ${detail}`;
      if (progress !== last) [last, movedAt] = [progress, clock.now()];
      const isStuck = clock.now() - movedAt > (options.noProgressMs ?? 3600_000);
      if (isStuck || clock.now() > deadline) {
        throw new ActionError(
          "SNAPSHOT_TIMEOUT",
          `The snapshot ${snapshot} is not complete (${detail}${progressPercent === undefined ? "" : `, ${progressPercent} %`}).`,
          {
            hint: "The node runs. A first snapshot of a large disk takes hours: give the job more time. The unfinished snapshot is removed by the next run.",
          },
        );
      }
      await clock.sleep(options.lookEveryMs ?? 5_000, limits.signal);
    }
  }
}

function inError(snapshot: string, detail: string): ActionError {
  return new ActionError(
    "SNAPSHOT_IN_ERROR",
    `The snapshot ${snapshot} is in the state "${detail}" and will never be complete.`,
    {
      hint: "Take another one; if that fails as well, look at the key that encrypts the disk and at the provider's status page.",
    },
  );
}

async function disksOf(parts: readonly ChainstatePart[], host: Host): Promise<readonly Disk[]> {
  const [part] = parts;
  const source = part?.mount.source ?? "";
  const disks = await host.devices.disksBelow(source);
  if (disks.length > 0) return disks;
  throw new ActionError(
    "VOLUME_WRONG_TYPE",
    `${part?.path ?? "The chainstate"} is on ${source} (${part?.mount.fsType ?? "?"}), below which no disk can be seen.`,
    {
      hint: "Choose another `volume-driver`, or run on the host and not in a container.",
    },
  );
}

/** Disks named by the input must be exactly those the chainstate is on: a snapshot of some other disk is worth nothing. */
function requireNamed(named: readonly string[], found: readonly string[]): void {
  if (named.length === 0) return;
  const matches = (name: string, id: string): boolean => id === name || id.endsWith(`/${name}`);
  const strange = named.find((name) => !found.some((id) => matches(name, id)));
  if (strange !== undefined) {
    throw new ActionError("VOLUME_MISMATCH", `The chainstate is not on ${strange}.`, {
      hint: `It is on ${found.join(", ")}: correct \`volume\` or leave it out. A disk of another zone or machine cannot hold this directory.`,
    });
  }
  const missed = found.find((id) => !named.some((name) => matches(name, id)));
  if (missed === undefined) return;
  throw new ActionError(
    "VOLUME_MISMATCH",
    `Part of the chainstate is on ${missed}, which \`volume\` does not name.`,
    {
      hint: "Name every disk, one a line, or leave `volume` out.",
    },
  );
}

/** Mount points to freeze: not the root, and not where this program keeps its journal, or nobody could thaw. */
async function frozenPoints(
  targets: readonly Target[],
  request: FixRequest,
  host: Host,
): Promise<readonly string[]> {
  const points = new Map(
    targets.flatMap(({ parts }) => parts.map(({ mount }) => [mount.mountPoint, mount] as const)),
  );
  const own = new Set<number>();
  for (const path of [request.stateDir, process.cwd(), process.execPath]) {
    const found = await stat(path).catch(() => undefined);
    if (found !== undefined) own.add(found.dev);
  }
  const frozen: string[] = [];
  for (const [point] of points) {
    const { dev } = await stat(point);
    const isRoot =
      point === "/" ||
      (await host.readMounts()).some(
        (mount) => mount.mountPoint === "/" && mount.device === points.get(point)?.device,
      );
    if (!isRoot && !own.has(dev)) frozen.push(point);
  }
  return frozen;
}

/**
 * Flushes every file system and freezes what can be frozen safely while `work` runs. The thaw is in the journal before
 * the freeze, done in `finally`, and not under the run's signal.
 */
async function whileFrozen<T>(
  targets: readonly Target[],
  request: FixRequest,
  host: Host,
  work: () => Promise<T>,
): Promise<T> {
  const points = await frozenPoints(targets, request, host);
  for (const mountPoint of new Set(
    targets.flatMap(({ parts }) => parts.map(({ mount }) => mount.mountPoint)),
  ))
    await syncFileSystem(mountPoint);
  const steps: readonly UndoStep[] = points.map((mountPoint) => ({ do: "thaw", mountPoint }));
  await request.journal?.(steps);
  const failures = new Gathered("A file system could not be thawed");
  const frozen: string[] = [];
  try {
    for (const point of points) {
      frozen.push(point);
      await freezeFileSystem(point, host);
    }
    return await work();
  } finally {
    for (const point of frozen.toReversed()) {
      await failures.attempt(async () => await thawFileSystem(point, host));
    }
    failures.finish();
    await request.journal?.([]);
  }
}

async function isMounted(
  diskId: string,
  cloud: CloudDisks,
  host: Host,
  signal: AbortSignal,
): Promise<boolean> {
  for (const mount of await host.readMounts()) {
    if (!mount.source.startsWith("/dev/")) continue;
    const disks = await host.devices.disksBelow(mount.source);
    if (disks.length === 0) continue;
    const ids = await cloud.identify(disks, signal).catch(() => []);
    if (ids.some(({ id }) => id === diskId)) return true;
  }
  return false;
}
