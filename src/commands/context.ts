/**
 * What a command is given to work with. Commands say in which order things happen; everything that touches the machine,
 * the node or a store comes in through here, made once by `wiring.ts` (or by a test).
 */
import type { NodeOptions, StorageLocation, SudoMode } from "../domain/options.ts";
import type { SnapshotConfig } from "../config/config.ts";
import type { StartRecipe } from "../domain/start-recipe.ts";
import type { FreezeRequest, Freezer, FrozenView, ViewOf } from "../freeze/port.ts";
import type { ChosenFreezer } from "../freeze/registry.ts";
import type { ForceStopRequest } from "../node/force-stop.ts";
import type { NodeNeeds } from "../node/neighbours.ts";
import type { NodeControl } from "../node/port.ts";
import type { ProgramUser } from "../node/programs/as-user.ts";
import type { ContainersOfRun, ProgramImage } from "../node/programs/runner.ts";
import type { FileOperations } from "../recovery/file-operations.ts";
import type { NodeStarter, VolumeRecovery } from "../recovery/recover.ts";
import type { Watchdog } from "../recovery/watchdog.ts";
import type { Reporter } from "../report/port.ts";
import type { ObjectStore } from "../store/port.ts";
import type { Clock } from "../system/clock.ts";
import type { Host } from "../system/host.ts";
import type { Privilege } from "../system/privilege.ts";
import type { SnapshotRequest, VolumeRecord, VolumeSnapshotter } from "../volume/port.ts";
import type { ChosenSnapshotter } from "../volume/registry.ts";

export interface RunContext {
  readonly host: Host;
  readonly report: Reporter;
  readonly clock: Clock;
  /** Aborted when the job is cancelled. What brings the node back does not listen to it. */
  readonly signal: AbortSignal;
  /** The environment of this process, for those who hand parts of it on. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Tells the post step where this run's journal is. */
  readonly rememberJournal: (path: string) => Promise<void>;
  /** Tells the post step what to remove at the end of the job; see `restore/remove-after-job.ts`. */
  readonly rememberRemoval: (restored: string) => Promise<void>;
  readonly privilege: (mode: SudoMode) => Privilege;
  readonly nodes: NodeStarter;
  readonly watchdog: Watchdog;
  /** Changes to the operator's directories. */
  readonly files: (privilege: Privilege, signal: AbortSignal) => FileOperations;
  readonly openStore: (location: StorageLocation) => Promise<ObjectStore>;
  readonly chooseNodeControl: (
    options: NodeOptions,
    chainstateDir: string,
    privilege: Privilege,
    /** Of a node that was started a moment ago and may have no file open yet. */
    recipe?: StartRecipe,
  ) => Promise<NodeControl>;
  /** Ends the process that was told to stop and has the directory open, by SIGKILL; see `node/force-stop.ts`. */
  readonly forceStop: (request: ForceStopRequest) => Promise<string | undefined>;
  /** What the running node says it needs, read from its configuration. */
  readonly readNodeNeeds: (chainstateDir: string, privilege: Privilege) => Promise<NodeNeeds>;
  /** A directory that stands still, as the archive sees it. */
  readonly viewOf: ViewOf;
  readonly chooseFreezer: (
    config: Pick<SnapshotConfig, "cut" | "freezeWith">,
    request: FreezeRequest,
    privilege: Privilege,
  ) => Promise<ChosenFreezer>;
  /** Every freezer there is, to clean up after a dead run by name. */
  readonly freezers: (privilege: Privilege) => readonly Freezer[];
  readonly volumes: VolumePorts;
  readonly images: ImagePort;
}

/** Images with programs of the node; see `node/programs/runner.ts`. */
export interface ImagePort {
  /** Pulled where it is not there. PROGRAM_UNUSABLE. */
  open(image: string, user: ProgramUser, privilege: Privilege): Promise<ProgramImage>;
  /** How many containers of that run there were, which are ended and removed. SUPERVISOR_UNAVAILABLE. */
  remove(containers: ContainersOfRun, privilege: Privilege, signal: AbortSignal): Promise<number>;
}

export interface VolumePorts extends VolumeRecovery {
  /** True where snapshots are on the host that made them, and nowhere else. */
  readonly isLocal: (driver: string) => boolean;
  /** For a snapshot; asked before the node is stopped. */
  readonly choose: (
    config: Pick<SnapshotConfig, "volumeDriver" | "volumes" | "compressionLevel">,
    request: SnapshotRequest,
    access: VolumeAccess,
  ) => Promise<ChosenSnapshotter>;
  /** The one of that name, for the records of a manifest or of a journal. */
  readonly snapshotter: (driver: string, named: readonly string[], access: VolumeAccess) => VolumeSnapshotter;
  /** Opens snapshots as a view to archive; undefined where this driver's cannot be looked into at once. */
  readonly viewer: (
    snapshotter: VolumeSnapshotter,
  ) => ((records: readonly VolumeRecord[], request: FreezeRequest) => Promise<FrozenView>) | undefined;
}

export interface VolumeAccess {
  readonly privilege: Privilege;
  /** For drivers that keep their snapshots there. */
  readonly store: ObjectStore | undefined;
}
