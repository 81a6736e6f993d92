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
  | { readonly scheme: "https"; readonly url: string };

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

/** Which snapshot is meant. */
export type SnapshotSelector =
  | { readonly kind: "latest" }
  | { readonly kind: "id"; readonly id: string }
  | { readonly kind: "height"; readonly atMost: number }
  | { readonly kind: "foreign"; readonly url: string };

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
  readonly snapshotFrom?: string;
  readonly compressionLevel: number;
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
  readonly dryRun: boolean;
}

export interface VerifyConfig extends CommonConfig {
  readonly command: "verify";
  /** A directory to verify in place; exclusive with `storage`/`snapshot`. */
  readonly chainstateDir?: string;
  readonly storage?: StorageLocation;
  readonly s3: S3Options;
  readonly snapshot: SnapshotSelector;
  readonly check: CheckDepth;
}

export interface ListConfig extends CommonConfig {
  readonly command: "list";
  readonly storage: StorageLocation;
}

export interface PruneConfig extends CommonConfig {
  readonly command: "prune";
  readonly storage: StorageLocation;
  readonly retention: Retention;
  readonly dryRun: boolean;
}

export type Config = SnapshotConfig | RestoreConfig | VerifyConfig | ListConfig | PruneConfig;

export type VolumeDriver = "zfs" | "btrfs" | "lvm" | "xfs" | "aws-ebs" | "azure-disk" | "gcp-disk";
