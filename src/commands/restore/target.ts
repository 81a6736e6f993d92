/**
 * How a restored chainstate comes to stand beside the running node, takes the old one's place and is taken back: in a
 * directory that is unpacked (`target-directory.ts`), or as a volume (`target-volume.ts`).
 */
import type { FileOperations } from "../../recovery/file-operations.ts";
import type { Journal } from "../../recovery/journal.ts";
import type { SwapPlan } from "../../recovery/swap.ts";
import type { Fetched, RestoreSource, SourceFacts } from "./sources/source.ts";

export interface RestoreTarget {
  readonly source: SourceFacts;
  /** Undefined for a volume: what is fetched and where there has to be space is its driver's. */
  readonly sizes?: Pick<RestoreSource, "archiveBytes" | "neededBytes">;
  /** Looks whether there is space for it. Changes nothing. */
  readonly preflight: (swap: SwapPlan) => Promise<void>;
  /** Makes it stand beside the running node. */
  readonly stage: (request: StageRequest) => Promise<Staged>;
  readonly close: () => Promise<void>;
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
export interface Staged extends Fetched {
  /** Where it can be checked. */
  readonly directory: string;
  /** `.blobs` that are read somewhere else for that, by their path in it. */
  readonly elsewhere?: ReadonlyMap<string, string> | undefined;
  /** Before `swap`: removes it. */
  discard(): Promise<void>;
  /** The node is verified to have stopped. */
  swap(): Promise<void>;
  /** The node is healthy on it: never taken back from now on. */
  commit(): Promise<void>;
  /** Lets go of the old one, or keeps it. Returns what was kept, in words. */
  finish(keepPrevious: boolean): Promise<readonly string[]>;
}
