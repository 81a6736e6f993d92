/**
 * What a restore is made from, as the order of a restore sees it: a snapshot of our own, of which all is known before a
 * byte is fetched, or an archive made elsewhere, which has to be unpacked to be known.
 */
import type { OwnerPolicy } from "../archive/worker-protocol.ts";
import type { ChainFacts } from "../catalog/manifest.ts";
import type { CheckDepth } from "../config.ts";
import type { FileOperations } from "../recovery/file-operations.ts";
import type { Journal } from "../recovery/journal.ts";
import type { Phase } from "../report/port.ts";

export interface RestoreSource {
  /** Names the staging directory: the same for the same bytes, so that what an interrupted run left is found again. */
  readonly id: string;
  /** For people. */
  readonly name: string;
  /** Undefined: known only from what was unpacked. */
  readonly chain: ChainFacts | undefined;
  /** The name of the network, where the archive says it and `chain` does not; after `unpack`. */
  readonly network?: string | undefined;
  /** What of it a cache can go by; undefined: `id` alone, and what was unpacked half cannot be gone on with. */
  readonly cacheable?: Cacheable;
  /** Set where a cache had it: how thoroughly the copy was checked that it was cloned from; after `unpack`. */
  readonly proved?: CheckDepth | undefined;
  /** Bytes it will take on disk, or as much of that as is known beforehand. */
  readonly neededBytes: number;
  /** Says what it is; reads nothing. */
  introduce(): void;
  /** Makes `staging` the mode directory. */
  unpack(request: UnpackRequest): Promise<void>;
  close(): Promise<void>;
}

export interface Cacheable {
  /** Names these very bytes. */
  readonly key: string;
  readonly archiveBytes: number;
  /** Files, directories and links, the root not counted. */
  readonly entries: number;
}

export interface UnpackRequest {
  readonly staging: string;
  readonly owner: OwnerPolicy;
  /** Something is dropped once this is in its place, so it has to be on disk by then. */
  readonly replaces: boolean;
  /** `staging` may hold it already, from a place that is not believed: every byte is checked. Only where `cacheable`. */
  readonly claimed?: boolean;
  /** Directories whose bytes may be used where they are the right ones. */
  readonly seeds: readonly string[];
  /** A directory of this run, for small files. */
  readonly scratch: string;
  readonly concurrency: number;
  readonly files: FileOperations;
  readonly journal: Journal;
  readonly phase: Phase;
}
