/**
 * What the program needs of something that can snapshot a whole volume: a dataset, a subvolume, a logical volume, a
 * cloud disk. Providers: zfs, btrfs, lvm, xfs (a dump to the store), aws-ebs, azure-disk, gcp-disk. Every provider passes
 * `__tests__/conformance/volume.ts`.
 *
 * Everything a later process needs (the post step, the restart watchdog, the next run, a restore months later) is plain
 * JSON: the records of the manifest, and the undo steps of the journal.
 */
import type { VolumeDriver } from "../domain/options.ts";
import type { VolumeRecord } from "../domain/manifest.ts";
import type { Probe } from "../freeze/port.ts";
import type { UndoStep } from "./undo.ts";

export type { VolumeDriver, VolumeRecord, UndoStep };

/** What a snapshot is tagged with, where the provider has tags. All known before the moment is fixed. */
export interface SnapshotFacts {
  readonly snapshotId: string;
  readonly network: string;
  readonly stacksHeight: number;
  readonly burnHeight: number | null;
}

export interface VolumeRequest {
  readonly chainstateDir: string;
  /** Part of every name that is made, so that nothing of anybody else is ever removed. */
  readonly runId: string;
  /** Outside RUNNER_TEMP; mounts of snapshots are made below it. */
  readonly stateDir: string;
  readonly signal: AbortSignal;
}

export interface SnapshotRequest extends VolumeRequest {
  /** Undefined for a view that only this run reads. */
  readonly facts?: SnapshotFacts;
  /**
   * Called with what has to be undone, before it is done (a frozen file system is to be thawed). Returns when that
   * stands in the journal; called with an empty list when nothing has to be undone any more.
   */
  readonly journal?: (steps: readonly UndoStep[]) => Promise<void>;
  /** Records of the newest earlier snapshot of this chainstate; `xfs` bases its incremental dump on them. */
  readonly previous?: readonly VolumeRecord[];
}

/** One part of the chainstate read from a snapshot. */
export interface OpenPart {
  /** Path below the chainstate directory that this part stands for; "" is the directory itself. */
  readonly at: string;
  /** Absolute path at which the frozen state of it can be read: a directory, or a file where `at` is a symlink's place. */
  readonly path: string;
}

export interface OpenSnapshot {
  /** The part at "" first. */
  readonly parts: readonly OpenPart[];
  /** Throws a SNAPSHOT_VOID error when the snapshot holds no longer (a thick LVM snapshot that is full). */
  assertFrozen(): Promise<void>;
  /** Unmounts and detaches what `open` mounted and attached. Safe to call twice. */
  close(): Promise<void>;
}

export interface RestoreRequest extends VolumeRequest {
  /**
   * Where a driver that restores into a directory puts the new chainstate; it does not exist yet and lies beside the
   * target on the same mount (`recovery/swap.ts` plans it).
   */
  readonly staging: string;
  /** True where the input names the driver; otherwise the manifest does, and the file system there has to agree. */
  readonly driverIsNamed: boolean;
}

/** A restored chainstate beside the running node, to be checked and then put in its place. */
export type PreparedRestore =
  | {
      /** The chainstate stands in `directory`, which is the request's `staging`: swap it in as an archive's is. */
      readonly kind: "directory";
      readonly directory: string;
      /** Removes what the preparation made, for when the swap does not happen. */
      discard(): Promise<void>;
    }
  | {
      /** The chainstate is on a volume of its own: this object swaps the volumes. */
      readonly kind: "volume";
      /** Where the new chainstate can be read before the swap. */
      readonly directory: string;
      /** See `blobsElsewhere`. */
      readonly elsewhere: ReadonlyMap<string, string> | undefined;
      /** What takes the old state back from any point of `swap`; for `commit` too. To be in the journal before `swap` is called. */
      readonly undo: readonly UndoStep[];
      /** The node must be verified to have stopped. Puts the new volume where the old one was. */
      swap(): Promise<void>;
      /** Removes the new volume. Before `swap`, or after `undo` has been done. */
      discard(): Promise<void>;
    };

export interface VolumeSnapshotter {
  readonly driver: VolumeDriver;
  /** True when `freeze` has fixed the moment within seconds; false for `xfs`, which reads the whole file system. */
  readonly isInstant: boolean;
  /**
   * Whether it can serve this chainstate: the volume, tools, privileges (each tried without doing it), space. Never
   * throws for what it finds; `reason` says it.
   */
  probe(request: SnapshotRequest): Promise<VolumeProbe>;
  /** The node is verified to have stopped. When it returns, the moment is fixed and the node may start. */
  freeze(request: SnapshotRequest): Promise<readonly VolumeRecord[]>;
  /** Waits until the snapshots are complete (`timeoutMs`, and no progress) and returns their final records. */
  describe(
    records: readonly VolumeRecord[],
    limits: { readonly timeoutMs: number; readonly signal: AbortSignal },
  ): Promise<readonly VolumeRecord[]>;
  /** Opens snapshots for reading. OPEN_UNSUPPORTED for `xfs`. */
  open(records: readonly VolumeRecord[], request: VolumeRequest): Promise<OpenSnapshot>;
  restore(records: readonly VolumeRecord[], request: RestoreRequest): Promise<PreparedRestore>;
  /**
   * After a restore that swapped volumes, when the node is healthy on them: lets go of the old ones (cloud volumes and what something
   * else still needs are kept in any case). From the restore's undo steps alone, as a journal gives them back, so that a later run can do it; what is done
   * already is not done again. Returns what was kept and what to do with it, in sentences. Absent: restores are directories.
   */
  commit?(undo: readonly { readonly do: string }[], request: CommitRequest): Promise<readonly string[]>;
  /** Removes a snapshot named by a record; one that is gone already is no error. Refuses names that are not ours. */
  delete(record: VolumeRecord, signal: AbortSignal): Promise<void>;
  /**
   * Removes what a run left: mounts, clones, volumes that never came into use, and its snapshots unless `keep` says that
   * a manifest names them. Best effort over the whole list, then one error with everything that could not be removed.
   */
  cleanUp(runId: string, request: CleanUpRequest): Promise<void>;
}

export interface CommitRequest {
  /** The run that restored. */
  readonly runId: string;
  readonly keepPrevious: boolean;
  readonly signal: AbortSignal;
}

export interface CleanUpRequest extends Pick<VolumeRequest, "chainstateDir" | "stateDir" | "signal"> {
  /** True for a snapshot that has been published. Default: none has. */
  readonly keep?: (snapshot: string) => boolean;
}

export interface VolumeProbe extends Probe {
  /** Set where taking the snapshot carries a risk that `auto` must not take by itself. */
  readonly risk?: string;
  /** What the driver would snapshot: datasets, subvolumes, volumes, disks. */
  readonly sources: readonly string[];
}
