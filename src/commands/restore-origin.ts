/**
 * What a restore puts in place, as the order of a restore sees it: an archive that is unpacked, or a snapshot of a volume;
 * and, once it stands beside the running node, how it takes the old chainstate's place and is taken back.
 */
import type { ChainFacts } from "../catalog/manifest.ts";
import type { CheckDepth } from "../config.ts";
import type { FileOperations } from "../recovery/file-operations.ts";
import type { Journal } from "../recovery/journal.ts";
import type { SwapPlan } from "../recovery/swap.ts";

export interface Origin {
  /** Names the staging directory. */
  readonly id: string;
  /** For people. */
  readonly name: string;
  /** Undefined: known only from what was unpacked. */
  readonly chain: ChainFacts | undefined;
  readonly network?: string | undefined;
  /** How thoroughly the same bytes were checked before; after `stage`. */
  readonly proved?: CheckDepth | undefined;
  /** Says what it is; reads nothing. */
  introduce(): void;
  /** Looks whether there is room for it. Changes nothing. */
  preflight(swap: SwapPlan): Promise<void>;
  /** Makes it stand beside the running node. */
  stage(request: StageRequest): Promise<Staged>;
  close(): Promise<void>;
}

export interface StageRequest {
  readonly swap: SwapPlan;
  /** The target holds something that is being replaced. */
  readonly replaces: boolean;
  /** A directory of this run, for small files. */
  readonly scratch: string;
  readonly files: FileOperations;
  readonly journal: Journal;
}

/** A chainstate beside the running node. What takes it back is in the journal before each step. */
export interface Staged {
  /** Where it can be checked. */
  readonly directory: string;
  /** `.blobs` that are read somewhere else for that, by their path in it. */
  readonly elsewhere?: ReadonlyMap<string, string> | undefined;
  /** Before `swap`: removes it. */
  discard(): Promise<void>;
  /** The node is proved down. */
  swap(): Promise<void>;
  /** The node is healthy on it: never taken back from now on. */
  prove(): Promise<void>;
  /** Lets go of the old one, or keeps it. Returns what was kept, in words. */
  finish(keepPrevious: boolean): Promise<readonly string[]>;
}
