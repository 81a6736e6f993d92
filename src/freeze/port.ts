/**
 * A freezer freezes a chainstate while the node runs on (or is down, for `cold`). It is asked while the node
 * is stopped (`frozen`, `cold`) or running (`live`), and what it returns is read until `release`.
 */
import type { FreezerName } from "../domain/options.ts";
import type { View } from "../archive/view.ts";
import type { EntrySelection } from "../chainstate/layout.ts";
import type { Row } from "./sqlite/keeper-protocol.ts";

export interface FreezeRequest {
  readonly chainstateDir: string;
  /** Which entries belong to the snapshot. */
  readonly selection: EntrySelection;
  /** Names clones, volumes and scratch directories, so that nothing of anybody else is ever removed. */
  readonly runId: string;
  /** A directory on the host, outside RUNNER_TEMP, for spools and sockets. */
  readonly stateDir: string;
  readonly signal: AbortSignal;
  /** What was found before; without it whoever needs it walks the tree. */
  readonly survey?: Survey;
}

/** What a walk of the tree before the cut has found. */
export interface Survey {
  readonly entries: number;
  readonly contentBytes: number;
  /** Of the files that the caller named. */
  readonly namedBytes: number;
  /** The first file that a symlink or a mount puts on another file system; those read where they are may be anywhere. */
  readonly elsewhere: string | undefined;
}

/** Asks a database (path below the chainstate) inside the frozen state. */
export type Ask = (database: string, sql: string) => Promise<readonly Row[]>;

/** What a freezer has to know of the databases and may not know itself, because only `chainstate` knows Stacks files. */
export interface DatabaseRules {
  /** Those whose states must be of one moment of the node, in the order in which it commits to them. */
  readonly consensusDatabases: readonly string[];
  /** The append-only file beside a database that its rows point into, if databases of that name have one. */
  appendOnlyFileOf(database: string): string | undefined;
  /**
   * How many bytes of it the database records. "unstable": it has rows whose bytes may be rewritten in place, so that
   * the file changes although the database is frozen.
   */
  recordedLength(database: string, ask: Ask): Promise<number | "unstable">;
  /** Whether the consensus databases tell of the same tip (checks A to E). */
  tipsAgree(ask: Ask): Promise<{ readonly agree: boolean; readonly detail: string }>;
}

/** A view of a directory as it is, in the archive's order: what every freezer begins with. */
export type ViewOf = (directory: string, selection: EntrySelection) => Promise<View>;

export interface Probe {
  readonly usable: boolean;
  /** Why, or why not, in words for the log. */
  readonly reason: string;
  /** What to do about it, where it is not usable. */
  readonly hint?: string;
}

export interface FrozenView {
  readonly view: View;
  readonly method: FreezerName;
  /** When the moment was fixed. */
  readonly at: Date;
  /** A directory that can be opened to read the frozen databases, where there is one (clone, snapshot mount). */
  readonly directory?: string;
  /** With `directory`: files below it that have to be read somewhere else, by their path in it. */
  readonly elsewhere?: ReadonlyMap<string, string>;
  /** Asks the frozen databases, where they are kept open (`sqlite`): the only way to ask a `live` cut. */
  readonly ask?: Ask;
  /** Rejects as soon as the view is known to hold no longer (keeper died, snapshot full); never resolves otherwise. */
  readonly broken: Promise<never>;
  /** Throws when anything happened that voids the view. Called before publishing. */
  assertFrozen(): Promise<void>;
  /** Gives everything back. Safe to call twice. */
  release(): Promise<void>;
}

export interface Freezer {
  readonly name: FreezerName;
  /** `probe` writes beside the chainstate; what it leaves when the run ends in the middle of it is for `cleanUp`. */
  readonly triesOnDisk?: true;
  probe(request: FreezeRequest): Promise<Probe>;
  /** `nodeDown` false is `live`: only `sqlite` can. */
  freeze(request: FreezeRequest, nodeDown: boolean): Promise<FrozenView>;
  /** Removes what a dead run (its id from the journal) left behind. */
  cleanUp(
    runId: string,
    request: Pick<FreezeRequest, "chainstateDir" | "stateDir" | "signal">,
  ): Promise<void>;
}
