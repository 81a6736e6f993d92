/**
 * Which files of a mode directory are what, and which of them a snapshot takes. The only room that knows Stacks file
 * names is this one; everybody else gets an `EntrySelection`.
 */

export type Profile = "backup" | "share";

/** Decides entry by entry. Paths are below the mode directory, "/"-separated. */
export interface EntrySelection {
  readonly profile: Profile;
  /** Globs below the mode directory, from the input `exclude`. */
  readonly exclude: readonly string[];
  /** Why this entry is left out; undefined: it is taken. A directory left out takes everything below with it. */
  leavesOut(path: string, isDirectory: boolean): "profile" | "exclude" | "scratch" | undefined;
  /** True for files that the node writes once and never touches again (epoch-2 blocks). */
  isWriteOnce(path: string): boolean;
}
