/** What Azure's and Google's disks have in common: a snapshot for each disk, and nothing removed that is not marked with a run. */
import type { VolumeDriver } from "../../domain/options.ts";
import type { Disk } from "../mounts/block-devices.ts";
import { notOurs } from "../names.ts";
import { orTakeBack } from "../outcome.ts";
import type {
  CloudDisk,
  CloudDisks,
  DeviceLookup,
  DiskDetails,
  Run,
  SnapshotState,
  TakenSnapshot,
} from "./disks.ts";
import type { Resource, RestClient } from "./rest.ts";

export abstract class RestDisks implements CloudDisks {
  abstract readonly driver: VolumeDriver;
  protected readonly rest: RestClient;

  protected constructor(rest: RestClient) {
    this.rest = rest;
  }

  abstract identify(disks: readonly Disk[], signal: AbortSignal): Promise<readonly CloudDisk[]>;
  abstract requireSnapshots(disks: readonly CloudDisk[], runId: string, signal: AbortSignal): Promise<void>;
  abstract snapshotState(snapshotId: string, signal: AbortSignal): Promise<SnapshotState>;
  abstract createDisk(
    snapshotId: string,
    details: DiskDetails,
    run: { readonly runId: string; readonly index: number },
    signal: AbortSignal,
  ): Promise<string>;
  abstract attach(diskId: string, signal: AbortSignal): Promise<DeviceLookup>;
  abstract attachment(diskId: string, signal: AbortSignal): Promise<DeviceLookup | undefined>;
  abstract detach(diskId: string, signal: AbortSignal): Promise<void>;
  abstract adopt(diskId: string, signal: AbortSignal): Promise<void>;
  abstract findOfRun(
    runId: string,
    signal: AbortSignal,
  ): Promise<{ readonly snapshots: readonly string[]; readonly disks: readonly string[] }>;

  async takeSnapshots(
    disks: readonly CloudDisk[],
    run: Run,
    signal: AbortSignal,
  ): Promise<readonly TakenSnapshot[]> {
    const plans: TakenSnapshot[] = [];
    for (const [index, { id }] of disks.entries())
      plans.push({ diskId: id, snapshotId: await this.snapshotIdFor(run, index, signal) });
    return await orTakeBack(
      async () => {
        const taking = plans.map(async (plan) => await this.createSnapshot(plan, run, signal));
        // No `Limiter`: all at the same moment, so that the disks agree. Each to its end, so that none is made after the others have been taken back.
        for (const result of await Promise.allSettled(taking))
          if (result.status === "rejected") throw result.reason;
        return plans;
      },
      async () => {
        const neverAborted = new AbortController().signal;
        for (const { snapshotId } of plans) await this.deleteSnapshot(snapshotId, neverAborted);
      },
    );
  }

  async deleteDisk(diskId: string, signal: AbortSignal): Promise<void> {
    await this.#remove(diskId, "disk", signal);
  }

  async deleteSnapshot(snapshotId: string, signal: AbortSignal): Promise<void> {
    await this.#remove(snapshotId, "snapshot", signal);
  }

  async #remove(id: string, kind: string, signal: AbortSignal): Promise<void> {
    this.requireId(id);
    const found = await this.get(id, signal);
    if (found === undefined) return;
    if (this.runIn(found) === undefined) throw notOurs(`The ${kind} ${nameOf(id)}`);
    await this.deleteMarked(id, signal);
  }

  /** What comes from a record must be an id of this cloud and nothing else. VOLUME_RECORD_INVALID. */
  protected abstract requireId(id: string): void;
  protected abstract get(id: string, signal: AbortSignal): Promise<Resource | undefined>;
  /** The run that a disk or snapshot is marked with. */
  protected abstract runIn(resource: Resource): string | undefined;
  protected abstract snapshotIdFor(run: Run, index: number, signal: AbortSignal): Promise<string>;
  /** Returns when its moment is fixed. */
  protected abstract createSnapshot(plan: TakenSnapshot, run: Run, signal: AbortSignal): Promise<void>;
  protected abstract deleteMarked(id: string, signal: AbortSignal): Promise<void>;
}

export function nameOf(id: string): string {
  return id.slice(id.lastIndexOf("/") + 1);
}
