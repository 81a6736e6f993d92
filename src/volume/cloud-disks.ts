/**
 * What the three clouds have in common, as the port that their providers implement: disks attached to this machine,
 * snapshots that become complete after a while, new disks made of them. `cloud-snapshotter.ts` does the rest once.
 */
import * as v from "valibot";
import type { VolumeDriver } from "../config.ts";
import type { Disk } from "./block-devices.ts";
import type { SnapshotFacts } from "./port.ts";

/** Of a disk, as its provider needs it to make one like it. Goes into the record. */
export const diskDetailsSchema = v.record(
  v.string(),
  v.union([v.string(), v.number(), v.boolean(), v.null()]),
);
export type DiskDetails = v.InferOutput<typeof diskDetailsSchema>;

export interface CloudDisk {
  /** The provider's id: "vol-…", a resource id, "projects/…/disks/…". */
  readonly id: string;
  readonly details: DiskDetails;
}

export interface SnapshotState {
  readonly state: "pending" | "completed" | "error";
  /** 0 to 100, where the provider tells. */
  readonly progressPercent?: number;
  /** The provider's own words. */
  readonly detail: string;
}

export interface TakenSnapshot {
  readonly diskId: string;
  readonly snapshotId: string;
}

export interface ListedCloudSnapshot {
  readonly snapshotId: string;
  readonly diskId: string;
  readonly createdAt: string;
  readonly state: string;
  readonly runId: string;
}

export interface CloudDisks {
  readonly driver: VolumeDriver;
  /**
   * The cloud's disks behind these devices of this machine, in the same order. Errors: NOT_IN_CLOUD, DISK_UNKNOWN (a device that
   * is no disk of the cloud: an instance store).
   */
  identify(disks: readonly Disk[], signal: AbortSignal): Promise<readonly CloudDisk[]>;
  /** Whether these can be snapshotted now: permissions and limits, tried without doing it. Throws why not. */
  requireSnapshots(disks: readonly CloudDisk[], runId: string, signal: AbortSignal): Promise<void>;
  /** All of them at one moment, or an error and none. When it returns, the moment is fixed. */
  takeSnapshots(
    disks: readonly CloudDisk[],
    run: { readonly runId: string; readonly facts?: SnapshotFacts },
    signal: AbortSignal,
  ): Promise<readonly TakenSnapshot[]>;
  /** SNAPSHOT_VOID where there is none. */
  snapshotState(snapshotId: string, signal: AbortSignal): Promise<SnapshotState>;
  /** A new disk like `details` in this machine's zone, ready to be attached. Marked with the run's id. */
  createDisk(
    snapshotId: string,
    details: DiskDetails,
    run: { readonly runId: string; readonly index: number },
    signal: AbortSignal,
  ): Promise<string>;
  /** Attaches it to this machine and waits. Returns how to find its device. */
  attach(diskId: string, signal: AbortSignal): Promise<DeviceLookup>;
  /** Waits until it is detached; a disk that is not attached is no error. */
  detach(diskId: string, signal: AbortSignal): Promise<void>;
  /** One that is gone is no error. Refuses disks that are not marked with a run (NOT_OURS). */
  deleteDisk(diskId: string, signal: AbortSignal): Promise<void>;
  /** The same for snapshots. */
  deleteSnapshot(snapshotId: string, signal: AbortSignal): Promise<void>;
  /** Takes the run's mark off a disk that has come into use. */
  adopt(diskId: string, signal: AbortSignal): Promise<void>;
  listSnapshots(disks: readonly CloudDisk[], signal: AbortSignal): Promise<readonly ListedCloudSnapshot[]>;
  /** What carries this run's mark. */
  findOfRun(
    runId: string,
    signal: AbortSignal,
  ): Promise<{ readonly snapshots: readonly string[]; readonly disks: readonly string[] }>;
}

export type DeviceLookup =
  | { readonly by: "serial"; readonly serial: string }
  | { readonly by: "link"; readonly links: readonly string[] };
