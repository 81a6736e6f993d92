/**
 * Snapshots of cloud disks, the same for every cloud: which disks a chainstate is on, the file systems flushed and frozen
 * for as long as the call takes, the wait until a snapshot is complete; and back: a new disk attached, found by what it
 * says it is and not by its device name, mounted where the old one was. The old disk is detached and kept.
 */
import type { VolumeDriver } from "../../domain/options.ts";
import { ActionError } from "../../domain/errors.ts";
import type { Mount } from "../../system/mounts.ts";
import { poll } from "../../system/poll.ts";
import { VolumeExchange } from "../exchange.ts";
import type { Host } from "../host.ts";
import type { Disk } from "../mounts/block-devices.ts";
import { groupParts, locateChainstate, type ChainstatePart } from "../mounts/locate.ts";
import { mountScratch, unmountAllScratch, unmountScratch } from "../mounts/scratch-mounts.ts";
import { OpenedSnapshot } from "../opened.ts";
import { CollectedErrors, probing } from "../outcome.ts";
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
import { attachNew, cloudSchema, isMounted, type CloudRecord } from "./attach.ts";
import { mayPass, type CloudDisk, type CloudDisks } from "./disks.ts";
import { frozenPoints, whileFrozen } from "./freeze.ts";
import { commitCloudRestore, planCloudExchanges } from "./restore.ts";

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

/** An archive cannot be read of these: a snapshot is looked into as a new disk, which takes minutes. */
export class CloudSnapshotter implements VolumeSnapshotter {
  readonly driver: VolumeDriver;
  readonly isInstant = true;
  readonly #host: Host;
  readonly #cloud: CloudDisks;
  readonly #named: readonly string[];
  readonly #options: CloudSnapshotterOptions;

  constructor(
    host: Host,
    cloud: CloudDisks,
    named: readonly string[] = [],
    options: CloudSnapshotterOptions = {},
  ) {
    this.driver = cloud.driver;
    this.#host = host;
    this.#cloud = cloud;
    this.#named = named;
    this.#options = options;
  }

  async probe(request: SnapshotRequest): Promise<VolumeProbe> {
    return await probing(async () => {
      const { privilege } = this.#host;
      const targets = await this.#find(request.chainstateDir, request.signal);
      for (const point of await frozenPoints(mountsOf(targets), request, this.#host)) {
        await privilege.require(
          ["fsfreeze", "--freeze", point],
          "to freeze the file system for the snapshot",
        );
        await privilege.require(["fsfreeze", "--unfreeze", point], "to let writes through again");
      }
      const disks = targets.map((target) => target.cloud);
      await this.#cloud.requireSnapshots(disks, request.runId, request.signal);
      const sources = [...new Set(disks.map(({ id }) => id))];
      return { usable: true, reason: `${sources.join(" and ")} can be snapshotted`, sources };
    });
  }

  async freeze(request: SnapshotRequest): Promise<readonly VolumeRecord[]> {
    const { runId, facts, signal } = request;
    const targets = await this.#find(request.chainstateDir, signal);
    const disks = [...new Map(targets.map((target) => [target.cloud.id, target.cloud])).values()];
    const run = { runId, ...(facts === undefined ? {} : { facts }) };
    const taken = await whileFrozen(
      mountsOf(targets),
      request,
      this.#host,
      async () => await this.#cloud.takeSnapshots(disks, run, signal),
    );
    const createdAt = new Date(this.#host.clock.now()).toISOString();
    return targets.map((target) => {
      const snapshot = taken.find((each) => each.diskId === target.cloud.id)?.snapshotId;
      if (snapshot === undefined)
        throw new ActionError("SNAPSHOT_FAILED", `The cloud took no snapshot of ${target.cloud.id}.`);
      return { ...recordOf(target, runId), driver: this.driver, snapshot, createdAt };
    });
  }

  async describe(
    records: readonly VolumeRecord[],
    limits: { readonly timeoutMs: number; readonly signal: AbortSignal },
  ): Promise<readonly VolumeRecord[]> {
    for (const snapshot of new Set(this.#parse(records).map((record) => record.snapshot)))
      await this.#waitForSnapshot(snapshot, limits);
    return records;
  }

  async open(records: readonly VolumeRecord[], request: VolumeRequest): Promise<OpenSnapshot> {
    const [host, cloud] = [this.#host, this.#cloud];
    const parsed = this.#parse(records);
    // Clean-up goes on when the run is cancelled; each step has its own limit.
    const neverAborted = new AbortController().signal;
    return await OpenedSnapshot.open(
      async () => await Promise.resolve(),
      async (opened) => {
        for (const [index, record] of parsed.entries()) {
          const run = { runId: request.runId, index };
          const device = await attachNew(record, run, host, cloud, request.signal, (disk) =>
            opened.onClose(async () => {
              await cloud.detach(disk, neverAborted);
              await cloud.deleteDisk(disk, neverAborted);
            }),
          );
          const plan = { device, fsType: record.fsType, options: ["ro"] };
          const mountPoint = await mountScratch(request, String(index), plan, host);
          opened.onClose(async () => await unmountScratch(mountPoint, host));
          await opened.add(mountPoint, record.parts);
        }
      },
    );
  }

  async restore(records: readonly VolumeRecord[], request: RestoreRequest): Promise<PreparedRestore> {
    const parsed = this.#parse(records);
    for (const { snapshot } of parsed) await this.#requireComplete(snapshot, request.signal);
    const exchanges = await planCloudExchanges(parsed, request, this.#host, this.#cloud);
    return await VolumeExchange.prepare(exchanges, request, this.#host);
  }

  async commit(undo: readonly { readonly do: string }[], request: CommitRequest): Promise<readonly string[]> {
    return await commitCloudRestore(undo, request, this.#cloud);
  }

  async delete(record: VolumeRecord, signal: AbortSignal): Promise<void> {
    for (const { snapshot } of this.#parse([record])) await this.#cloud.deleteSnapshot(snapshot, signal);
  }

  async cleanUp(runId: string, request: CleanUpRequest): Promise<void> {
    const { signal } = request;
    const errors = new CollectedErrors("Disks or snapshots of a dead run could not be removed");
    await errors.attempt(async () => await unmountAllScratch({ ...request, runId }, this.#host));
    const left = await this.#cloud.findOfRun(runId, signal);
    for (const disk of left.disks) {
      await errors.attempt(async () => {
        if (await isMounted(disk, this.#cloud, this.#host, signal)) return;
        await this.#cloud.detach(disk, signal);
        await this.#cloud.deleteDisk(disk, signal);
      });
    }
    for (const snapshot of left.snapshots) {
      if (request.keep?.(snapshot) !== true)
        await errors.attempt(async () => await this.#cloud.deleteSnapshot(snapshot, signal));
    }
    errors.finish();
  }

  #parse(records: readonly VolumeRecord[]): readonly CloudRecord[] {
    return parseRecords(this.driver, records, cloudSchema);
  }

  async #find(chainstateDir: string, signal: AbortSignal): Promise<readonly Target[]> {
    const parts = await locateChainstate(chainstateDir, this.#host);
    const located: { readonly parts: readonly ChainstatePart[]; readonly disk: Disk }[] = [];
    for (const [, group] of groupParts(parts, (part) => part.mount.source)) {
      for (const { mount } of group) requireFileSystem(mount);
      for (const disk of await disksOf(group, this.#host)) located.push({ parts: group, disk });
    }
    const disks = await this.#cloud.identify(
      located.map(({ disk }) => disk),
      signal,
    );
    const targets = located.flatMap((each, index) => {
      const cloud = disks[index];
      return cloud === undefined ? [] : [{ ...each, cloud }];
    });
    requireNamed(
      this.#named,
      targets.map((target) => target.cloud.id),
    );
    return targets;
  }

  async #requireComplete(snapshot: string, signal: AbortSignal): Promise<void> {
    const { state, detail } = await this.#cloud.snapshotState(snapshot, signal);
    if (state === "error") throw inError(snapshot, detail);
    if (state === "completed") return;
    throw new ActionError("SNAPSHOT_PENDING", `The snapshot ${snapshot} is not complete yet (${detail}).`, {
      hint: "Wait until it is, then run again.",
    });
  }

  async #waitForSnapshot(
    snapshot: string,
    { timeoutMs, signal }: { readonly timeoutMs: number; readonly signal: AbortSignal },
  ): Promise<void> {
    let progress = "not seen yet";
    const { lookEveryMs = 5_000, noProgressMs = 3600_000 } = this.#options;
    const isComplete = await poll(
      {
        everyMs: lookEveryMs,
        limitMs: timeoutMs,
        noProgressMs,
        progress: () => progress,
        passes: mayPass,
        signal,
        clock: this.#host.clock,
      },
      async () => {
        const { state, progressPercent, detail } = await this.#cloud.snapshotState(snapshot, signal);
        if (state === "error") throw inError(snapshot, detail);
        progress = progressPercent === undefined ? detail : `${detail}, ${progressPercent} %`;
        return state === "completed" ? true : undefined;
      },
    );
    if (isComplete === true) return;
    throw new ActionError("SNAPSHOT_TIMEOUT", `The snapshot ${snapshot} is not complete (${progress}).`, {
      hint: "The node runs. A first snapshot of a large disk takes hours: give the job more time. The unfinished snapshot is removed by the next run.",
    });
  }
}

function mountsOf(targets: readonly Target[]): readonly Mount[] {
  return targets.flatMap(({ parts }) => parts.map(({ mount }) => mount));
}

function recordOf({ parts, disk, cloud }: Target, runId: string) {
  const mount = parts[0]?.mount;
  return {
    source: cloud.id,
    runId,
    parts: parts.map(({ at, within }) => ({ at, within })),
    mountPoint: mount?.mountPoint ?? "/",
    fsType: mount?.fsType ?? "ext4",
    partition: disk.partition,
    direct: disk.direct,
    details: cloud.details,
  };
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
  const unknown = named.find((name) => !found.some((id) => matches(name, id)));
  if (unknown !== undefined) {
    throw new ActionError("VOLUME_MISMATCH", `The chainstate is not on ${unknown}.`, {
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
