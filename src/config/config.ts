/**
 * The typed configuration that `inputs.ts` makes of the action's inputs: one frozen union, by command. Durations are in
 * milliseconds, sizes in bytes, paths absolute. Commands see this and nothing of the environment.
 */
import type {
  CheckDepth,
  FreezerName,
  ListFilter,
  NodeOptions,
  Profile,
  RateLimits,
  Retention,
  S3Options,
  SignKey,
  SnapshotSelector,
  StorageLocation,
  SudoMode,
  TrustedSigners,
  TrustedSignerSets,
  VerifyScope,
  VolumeDriver,
} from "../domain/options.ts";

interface CommonConfig {
  readonly concurrency: number;
  readonly metricsFile?: string;
  /** Undefined: everybody who can write to the storage is believed. */
  readonly trustedSigners?: TrustedSigners;
}

/** By whom a chainstate is confirmed to be of the chain. */
export interface ConfirmOptions {
  /** URLs of nodes' RPCs; undefined: nobody is asked. */
  readonly confirmWith?: readonly string[];
  /** Undefined: what this host has seen confirmed before. */
  readonly trustedSignerSets?: TrustedSignerSets;
}

/** The last blocks are executed again by the node's own inspector. */
export interface ReplayOptions {
  readonly blocks: number;
  readonly inspector: string;
  /** Undefined: mainnet or the public testnet. */
  readonly nodeConfig?: string;
}

/** The node's own program is started on a copy. */
export interface BootOptions {
  readonly program: string;
  readonly nodeConfig: string;
  readonly startTimeoutMs: number;
}

export interface SnapshotConfig extends CommonConfig, ConfirmOptions {
  readonly command: "snapshot";
  readonly chainstateDir: string;
  readonly storage: StorageLocation;
  readonly node: NodeOptions;
  /** How long to wait for a moment in which the node can be stopped. */
  readonly quietTimeoutMs: number;
  readonly method: "archive" | "volume" | "both";
  readonly cut: "auto" | "frozen" | "live" | "cold";
  readonly freezeWith: "auto" | Exclude<FreezerName, "cold">;
  readonly volumeDriver: VolumeDriver | "auto";
  readonly volumes: readonly string[];
  readonly profile: Profile;
  readonly exclude: readonly string[];
  readonly check: CheckDepth;
  readonly trustTimestamps: boolean;
  /** A share of the database, 0 to 1; 0: databases are archived as they are. */
  readonly rebaseAbove: number;
  /** Of databases, where the file system shares blocks: what was not rewritten since is not read. */
  readonly keepClone: boolean;
  /** Of the `.blobs` that the last snapshot has: the share that is read again; 1: all. */
  readonly rereadBlobs: number;
  /** 1: the databases of the archive are read back whole. Less: what is new in it, and this share of the rest. */
  readonly readBack: number;
  readonly pin: boolean;
  readonly compressionLevel: number;
  readonly rateLimits: RateLimits;
  readonly retention: Retention;
  /** Undefined: the manifest is not signed. */
  readonly signKey?: SignKey;
  readonly dryRun: boolean;
  readonly replay?: ReplayOptions;
  /** In which the programs are; undefined: on this host. */
  readonly nodeImage?: string;
}

/** An archive made elsewhere is published. No node is touched. */
export interface ImportConfig extends CommonConfig, ConfirmOptions {
  readonly command: "import";
  /** URL of the archive on any store. */
  readonly from: string;
  /** For an archive on `s3://`. */
  readonly s3: S3Options;
  readonly storage: StorageLocation;
  readonly check: CheckDepth;
  readonly profile: Profile;
  readonly pin: boolean;
  readonly compressionLevel: number;
  readonly rateLimits: RateLimits;
  readonly retention: Retention;
  readonly signKey?: SignKey;
  /** SHA-256 that the archive must have, hex. */
  readonly expectDigest?: string;
  readonly dryRun: boolean;
  /** For volume snapshots that are opened or removed. */
  readonly sudo: SudoMode;
}

export interface RestoreConfig extends CommonConfig, ConfirmOptions {
  readonly command: "restore";
  readonly chainstateDir: string;
  /** Undefined only where `snapshot` is a URL. */
  readonly storage?: StorageLocation;
  readonly s3: S3Options;
  readonly node: NodeOptions;
  /** How long to wait for a moment in which a node that answers can be stopped. */
  readonly quietTimeoutMs: number;
  /** SIGKILL after `stop-timeout`, to the process that has the directory open. */
  readonly forceStop: boolean;
  readonly snapshot: SnapshotSelector;
  readonly method: "archive" | "volume" | "both";
  readonly volumeDriver: VolumeDriver | "auto";
  readonly volumes: readonly string[];
  readonly check: CheckDepth;
  readonly allowNewerSchema: boolean;
  readonly allowLowerHeight: boolean;
  /** SHA-256 of the manifest, or of an archive made elsewhere, hex. */
  readonly expectDigest?: string;
  /** From the cut to now. */
  readonly maxAgeMs?: number;
  /** Undefined: the directory being replaced. */
  readonly seedFrom?: readonly string[];
  readonly keepPrevious: boolean;
  readonly cache:
    | { readonly kind: "none" }
    | { readonly kind: "github" }
    | { readonly kind: "directory"; readonly path: string };
  /** The post step removes the restored directory. */
  readonly removeAfterJob: boolean;
  readonly dryRun: boolean;
}

export interface VerifyConfig extends CommonConfig, ConfirmOptions {
  readonly command: "verify";
  /** A directory to verify in place; exclusive with `storage`/`snapshot`. */
  readonly chainstateDir?: string;
  readonly storage?: StorageLocation;
  readonly s3: S3Options;
  readonly snapshot: SnapshotSelector;
  readonly scope: VerifyScope;
  readonly check: CheckDepth;
  readonly expectDigest?: string;
  readonly replay?: ReplayOptions;
  /** In which the programs are; undefined: on this host. */
  readonly nodeImage?: string;
  readonly boot?: BootOptions;
  /** For volume snapshots that are opened or removed. */
  readonly sudo: SudoMode;
}

export interface ListConfig extends CommonConfig {
  readonly command: "list";
  readonly storage: StorageLocation;
  readonly filters: readonly ListFilter[];
  /** Of the newest of those that are listed, from its cut to now. */
  readonly maxAgeMs?: number;
}

export interface PruneConfig extends CommonConfig {
  readonly command: "prune";
  readonly storage: StorageLocation;
  readonly retention: Retention;
  /** Ids to remove whatever retention says. */
  readonly delete: readonly string[];
  /** Ids that are no longer pinned; goes before the removal. */
  readonly unpin: readonly string[];
  readonly signKey?: SignKey;
  readonly dryRun: boolean;
  /** For volume snapshots that are opened or removed. */
  readonly sudo: SudoMode;
}

export type Config = SnapshotConfig | ImportConfig | RestoreConfig | VerifyConfig | ListConfig | PruneConfig;
