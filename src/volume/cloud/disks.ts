/**
 * What the three clouds have in common, as the port that their providers implement: disks attached to this machine,
 * snapshots that become complete after a while, new disks made of them. `snapshotter.ts` does the rest once.
 */
import * as v from "valibot";
import { ActionError, hasCode } from "../../domain/errors.ts";
import type { VolumeDriver } from "../../domain/options.ts";
import type { Disk } from "../mounts/block-devices.ts";
import type { SnapshotFacts } from "../port.ts";

/** Of a disk, as its provider needs it to make one like it. Goes into the record. */
export const diskDetailsSchema = v.record(
  v.string(),
  v.union([v.string(), v.pipe(v.number(), v.finite()), v.boolean(), v.null()]),
);
export type DiskDetails = v.InferOutput<typeof diskDetailsSchema>;

export interface CloudDisk {
  /** The provider's id: "vol-…", a resource id, "projects/…/disks/…". */
  readonly id: string;
  readonly details: DiskDetails;
}

export interface Run {
  readonly runId: string;
  /** For the tags. */
  readonly facts?: SnapshotFacts;
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
    run: Run,
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
  /**
   * How the device of an attached disk is found on this machine; undefined where the cloud says that it is attached to none. Throws
   * where that cannot be told, and where another machine has it (VOLUME_ELSEWHERE).
   */
  attachment(diskId: string, signal: AbortSignal): Promise<DeviceLookup | undefined>;
  /** Waits until it is detached; a disk that is not attached is no error. */
  detach(diskId: string, signal: AbortSignal): Promise<void>;
  /** One that is gone is no error. Refuses disks that are not marked with a run (NOT_OURS). */
  deleteDisk(diskId: string, signal: AbortSignal): Promise<void>;
  /** The same for snapshots. */
  deleteSnapshot(snapshotId: string, signal: AbortSignal): Promise<void>;
  /** Takes the run's mark off a disk that has come into use. */
  adopt(diskId: string, signal: AbortSignal): Promise<void>;
  /** What carries this run's mark. */
  findOfRun(
    runId: string,
    signal: AbortSignal,
  ): Promise<{ readonly snapshots: readonly string[]; readonly disks: readonly string[] }>;
}

export type DeviceLookup =
  | { readonly by: "serial"; readonly serial: string }
  | { readonly by: "link"; readonly links: readonly string[] };

/** Whether a failed request may succeed when it is made again: the cloud was not reached, or failed for a moment. */
export function mayPass(error: unknown): boolean {
  return hasCode(error, "CLOUD_UNREACHABLE");
}

export function snapshotGone(what: string): ActionError {
  return new ActionError("SNAPSHOT_VOID", `The snapshot ${what} is not there any more.`, {
    hint: "Choose another snapshot.",
  });
}

/** A disk that another machine has is nothing for this one to detach or remove. */
export function attachedElsewhere(diskId: string, machine: string): ActionError {
  return new ActionError("VOLUME_ELSEWHERE", `${diskId} is attached to another machine (${machine}).`, {
    hint: "Detach it there; remove it when nothing uses it.",
  });
}
