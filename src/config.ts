/**
 * The typed configuration that `inputs.ts` makes of the action's inputs: one frozen union, by command. Durations are in
 * milliseconds, sizes in bytes, paths absolute. Commands see this and nothing of the environment.
 */
import type { NodeManager } from "./node/port.ts";
import type { FreezerName } from "./freeze/port.ts";
import type { Profile } from "./chainstate/layout.ts";
import type { SudoMode } from "./system/privilege.ts";

export interface S3Options {
  readonly endpoint?: string;
  readonly region?: string;
  readonly forcePathStyle: boolean;
  readonly storageClass: string;
  /** "AES256", "aws:kms" or "aws:kms:<key id>". */
  readonly sse?: string;
  readonly maxParts: number;
}

export type StorageLocation =
  | { readonly scheme: "file"; readonly url: string; readonly directory: string }
  | {
      readonly scheme: "s3";
      readonly url: string;
      readonly bucket: string;
      readonly prefix: string;
      readonly s3: S3Options;
    }
  | {
      readonly scheme: "az";
      readonly url: string;
      readonly account: string;
      readonly container: string;
      readonly prefix: string;
    }
  | { readonly scheme: "gs"; readonly url: string; readonly bucket: string; readonly prefix: string }
  | {
      readonly scheme: "https";
      readonly url: string;
      /** Keys are parts of a URL as somebody wrote it. */
      readonly keysAreEncoded?: boolean;
    };

export interface NodeOptions {
  readonly manager: NodeManager | "auto";
  readonly name: string;
  readonly startCommand?: string;
  readonly stopCommand?: string;
  /** Undefined: the node has no reachable RPC (`rpc-url: none`). */
  readonly rpcUrl?: string;
  readonly stopTimeoutMs: number;
  readonly startTimeoutMs: number;
  readonly syncBlocks: number;
  readonly syncTimeoutMs: number;
  readonly sudo: SudoMode;
}

export interface Retention {
  readonly keepLast?: number;
  readonly keepDaily?: number;
  readonly keepWeekly?: number;
  readonly keepMonthly?: number;
}

export type CheckDepth = "tips" | "quick" | "full" | "none";

/** How much of a snapshot `verify` fetches: all of it, or what the checks read. */
export type VerifyScope = "archive" | "databases";

/** Which snapshot is meant. */
export type SnapshotSelector =
  | { readonly kind: "latest" }
  | { readonly kind: "id"; readonly id: string }
  | { readonly kind: "height"; readonly atMost: number }
  | { readonly kind: "foreign"; readonly url: string };

/** Bytes a second; absent: as fast as it goes. */
export interface RateLimits {
  readonly readBytesPerSecond?: number;
  readonly sendBytesPerSecond?: number;
}

/** A condition of `list`; all that are given must hold. Heights are compared as numbers. */
export interface ListFilter {
  readonly field: "network" | "height" | "node-version" | "profile";
  readonly operator: "=" | "<=" | ">=";
  readonly value: string;
}

interface CommonConfig {
  readonly concurrency: number;
  readonly metricsFile?: string;
}

export interface SnapshotConfig extends CommonConfig {
  readonly command: "snapshot";
  readonly chainstateDir: string;
  readonly storage: StorageLocation;
  readonly node: NodeOptions;
  readonly method: "archive" | "volume" | "both";
  readonly cut: "auto" | "frozen" | "live" | "cold";
  readonly freezeWith: "auto" | Exclude<FreezerName, "cold">;
  readonly volumeDriver: VolumeDriver | "auto";
  readonly volumes: readonly string[];
  readonly profile: Profile;
  readonly exclude: readonly string[];
  readonly check: CheckDepth;
  readonly trustTimestamps: boolean;
  readonly pin: boolean;
  readonly compressionLevel: number;
  readonly rateLimits: RateLimits;
  readonly retention: Retention;
  readonly dryRun: boolean;
}

/** `command: snapshot` with `snapshot-from`: an archive made elsewhere is published. No node is touched. */
export interface ImportConfig extends CommonConfig {
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
  readonly dryRun: boolean;
}

export interface RestoreConfig extends CommonConfig {
  readonly command: "restore";
  readonly chainstateDir: string;
  /** Undefined only where `snapshot` is a URL. */
  readonly storage?: StorageLocation;
  readonly s3: S3Options;
  readonly node: NodeOptions;
  readonly snapshot: SnapshotSelector;
  readonly method: "archive" | "volume" | "both";
  readonly volumeDriver: VolumeDriver | "auto";
  readonly volumes: readonly string[];
  readonly check: CheckDepth;
  readonly allowNewerSchema: boolean;
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

export interface VerifyConfig extends CommonConfig {
  readonly command: "verify";
  /** A directory to verify in place; exclusive with `storage`/`snapshot`. */
  readonly chainstateDir?: string;
  readonly storage?: StorageLocation;
  readonly s3: S3Options;
  readonly snapshot: SnapshotSelector;
  readonly scope: VerifyScope;
  readonly check: CheckDepth;
}

export interface ListConfig extends CommonConfig {
  readonly command: "list";
  readonly storage: StorageLocation;
  readonly filters: readonly ListFilter[];
}

export interface PruneConfig extends CommonConfig {
  readonly command: "prune";
  readonly storage: StorageLocation;
  readonly retention: Retention;
  readonly dryRun: boolean;
}

export type Config = SnapshotConfig | ImportConfig | RestoreConfig | VerifyConfig | ListConfig | PruneConfig;

export type VolumeDriver = "zfs" | "btrfs" | "lvm" | "xfs" | "aws-ebs" | "azure-disk" | "gcp-disk";
