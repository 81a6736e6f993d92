/**
 * What a restore is made from: a snapshot of our own, of which all is known before a byte is fetched, or an archive made
 * elsewhere, which has to be unpacked to be known. A cache is a source that fetches from another one what it has not.
 */
import type { OwnerPolicy } from "../../../archive/workers/worker-protocol.ts";
import type { ChainFacts, ProofRecord } from "../../../domain/manifest.ts";
import type { CheckDepth } from "../../../domain/options.ts";
import type { FileOperations } from "../../../recovery/file-operations.ts";
import type { Journal } from "../../../recovery/journal.ts";
import type { Phase } from "../../../report/port.ts";

/** What is known of it before anything is fetched. */
export interface SourceFacts {
  /** Names the staging directory: the same for the same bytes, so that what an interrupted run left is found again. */
  readonly id: string;
  /** For people. */
  readonly name: string;
  /** A sentence for people. */
  readonly about: string;
  /** Undefined: known only from what was unpacked. */
  readonly chain?: ChainFacts | undefined;
  /** The version of the node that wrote it, where the manifest says it. */
  readonly producer?: string | null;
  /** What the manifest says is proven of it. */
  readonly proof?: ProofRecord | undefined;
  /** Its number in our catalogue, where it stands there. */
  readonly snapshotId?: string;
}

export interface RestoreSource extends SourceFacts {
  /** What of it a cache can go by; undefined: `id` alone, and what was unpacked half cannot be gone on with. */
  readonly cacheable?: Cacheable | undefined;
  /** Bytes that are fetched where nothing of it is here already. */
  readonly archiveBytes: number;
  /** Bytes it will take on disk, or as much of that as is known beforehand. */
  readonly neededBytes: number;
  /** Makes `staging` the mode directory. */
  readonly fetch: (request: FetchRequest) => Promise<Fetched>;
  readonly close: () => Promise<void>;
}

/** What is known of it only now. */
export interface Fetched {
  /** The name of the network, where the archive says it and `chain` does not. */
  readonly network?: string | undefined;
  /** Set where a cache had it: how thoroughly the copy was checked that it was cloned from. */
  readonly verifiedDepth?: CheckDepth | undefined;
  /** What says of `staging` that it is this, so that the next run need not fetch it again. */
  readonly kept?: Kept | undefined;
}

export interface Kept {
  /** It still says so of what a node has worked on: each piece has a digest, and what differs is fetched anew. */
  readonly hasDigests: boolean;
  forget(): Promise<void>;
}

export interface Cacheable {
  /** Names these very bytes. */
  readonly key: string;
  readonly archiveBytes: number;
}

export interface FetchRequest {
  /** What it is called, in journals and notes. */
  readonly staging: string;
  /** The same by a way that nobody can exchange: what is written goes there. */
  readonly pinned: string;
  /** A file beside the target, for what has come of an archive that can only be unpacked from its beginning. */
  readonly keepIn?: string | undefined;
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
