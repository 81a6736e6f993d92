/**
 * What inputs may say that several layers speak of. Durations are in milliseconds, sizes in bytes, paths absolute.
 */

export interface S3Options {
  readonly endpoint?: string;
  readonly region?: string;
  readonly storageClass: string;
  /** "AES256", "aws:kms" or "aws:kms:<key id>". */
  readonly sse?: string;
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

/** Of the executable, the unit and the container, where no other name is given. */
export const defaultNodeName = "stacks-node";

/** Where a node's RPC is that nobody has set to be elsewhere, as seen from its host. */
export const defaultRpcUrl = "http://127.0.0.1:20443";

export interface NodeOptions {
  readonly manager: NodeManager | "auto";
  /** `defaultNodeName`: none was given, and the node is whatever has the databases open. */
  readonly name: string;
  readonly startCommand?: string;
  readonly stopCommand?: string;
  /** Undefined: the node has no reachable RPC (`rpc-url: none`). `defaultRpcUrl`: none was given, and a running node's configuration goes before it. */
  readonly rpcUrl?: string;
  readonly stopTimeoutMs: number;
  readonly startTimeoutMs: number;
  /** "as-before": a node that was down stays down. "always": it is started at the end. */
  readonly startNode: "as-before" | "always";
  readonly syncBlocks: number;
  /** `sync-blocks` was given: a node that does not move that far fails the run. Else it is a warning. */
  readonly syncRequired: boolean;
  readonly syncTimeoutMs: number;
  readonly sudo: SudoMode;
}

/** What signs manifests. "file": a private key, or a public one whose private key an agent holds. */
export type SignKey =
  | { readonly kind: "agent" }
  | { readonly kind: "file"; readonly path: string }
  /** The private key itself, which no message may hold. */
  | { readonly kind: "text"; readonly text: string };

/** Lines of an `allowed_signers` file, or where there is one. */
export type TrustedSigners =
  { readonly kind: "file"; readonly path: string } | { readonly kind: "lines"; readonly lines: string };

/** Sets of signers that are known to be the chain's, or a file with a line for each. */
export type TrustedSignerSets =
  { readonly kind: "file"; readonly path: string } | { readonly kind: "lines"; readonly lines: string };

export interface Retention {
  readonly keepLast?: number;
  readonly keepDaily?: number;
  readonly keepWeekly?: number;
  readonly keepMonthly?: number;
}

export type CheckDepth = "tips" | "quick" | "proof" | "full" | "none";

/** How much of a snapshot `verify` fetches: all of it, or what the checks read. */
export type VerifyScope = "archive" | "databases";

/** Which snapshot is meant. */
export type SnapshotSelector =
  | { readonly kind: "latest" }
  | { readonly kind: "id"; readonly id: string }
  | { readonly kind: "height"; readonly atMost: number }
  | { readonly kind: "external"; readonly url: string };

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

export type VolumeDriver = "zfs" | "btrfs" | "lvm" | "xfs" | "aws-ebs" | "azure-disk" | "gcp-disk";

export type NodeManager = "systemd" | "docker" | "process" | "command" | "none";

export type FreezerName = "cold" | "sqlite" | "reflink" | "zfs" | "btrfs" | "lvm";

export type Profile = "backup" | "share";

export type SudoMode = "auto" | "always" | "never";
