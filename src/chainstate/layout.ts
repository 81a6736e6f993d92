/**
 * Which files of a mode directory are what, and which of them a snapshot takes. The only folder that knows Stacks file
 * names is this one; everybody else gets an `EntrySelection`.
 *
 * A database is its file and everything SQLite or the node keeps beside it under the same stem (`-wal`, `-shm`,
 * `-journal`, `.blobs`). Without its `-wal` it is another, older database, so a stem is taken whole or left out whole.
 */
import type { Profile } from "../domain/options.ts";
import { InputError } from "../domain/errors.ts";
import { compileGlob } from "./globs.ts";

/** Decides entry by entry. Paths are below the mode directory, "/"-separated. */
export interface EntrySelection {
  readonly profile: Profile;
  /** Globs below the mode directory, from the input `exclude`. */
  readonly exclude: readonly string[];
  /** Why this entry is left out; undefined: it is taken. A directory left out takes everything below with it. */
  leavesOut(path: string, isDirectory: boolean): "profile" | "exclude" | "scratch" | undefined;
  /** True for files that the node writes once and never touches again (epoch-2 blocks). */
  isWriteOnce(path: string): boolean;
  /** True for a directory that holds nothing but such files, at any depth: it can be listed at leisure, after the cut. */
  isWriteOnceDirectory(path: string): boolean;
  /** True for a file that whoever uses the directory makes and removes: gone a moment later, it is not missing. */
  mayVanish?(path: string): boolean;
}

/** The databases that checks and facts are about, by path. */
export const databases = {
  clarity: "chainstate/vm/clarity/marf.sqlite",
  index: "chainstate/vm/index.sqlite",
  nakamoto: "chainstate/blocks/nakamoto.sqlite",
  sortition: "burnchain/sortition/marf.sqlite",
  burnchain: "burnchain/burnchain.sqlite",
  headers: "headers.sqlite",
} as const;

/** Without these there is no chainstate. (`headers.sqlite` is downloaded again, `nakamoto.sqlite` came with Nakamoto.) */
export const essentialDatabases = [
  databases.clarity,
  databases.index,
  databases.sortition,
  databases.burnchain,
] as const;

/** What a snapshot must not lose by an exclude. */
const neverExcluded = [...essentialDatabases, databases.nakamoto];

/** Private to a node, or made anew by it at its start: not for others. Database stems and one directory. */
const privateDatabases = new Set([
  "peer.sqlite",
  "miner.sqlite",
  "event_observers.sqlite",
  "chainstate/mempool.sqlite",
  "chainstate/tx_tracking.sqlite",
]);
const privateDirectory = "chainstate/estimates";

/** By it a node is known to its peers; made anew where it is not there. */
export const identityDatabase = "peer.sqlite";

const sidecar = /(?:-wal|-shm|-journal|\.blobs)$/;
const writeOnce = /^chainstate\/blocks\/[0-9a-f]{4}\/[0-9a-f]{4}\/[0-9a-f]{64}$/;
// Hundreds of thousands of them on mainnet, and no database in any.
const writeOnceDirectory = /^chainstate\/blocks\/[0-9a-f]{4}(?:\/[0-9a-f]{4})?$/;

/** `x.sqlite` for the database itself and for all that belongs to it, any other path unchanged. */
export function databaseStem(path: string): string {
  const stem = path.replace(sidecar, "");
  return stem.endsWith(".sqlite") || stem.endsWith(".reorg") || stem.endsWith(".db") ? stem : path;
}

/** Append-only tries beside a MARF. Where such a file is a symlink, the bytes it points to belong to the snapshot. */
export function isBlobs(path: string): boolean {
  return path.endsWith(".sqlite.blobs");
}

/** The database that such a file belongs to; undefined for any other path. */
export function databaseOfBlobs(path: string): string | undefined {
  return isBlobs(path) ? path.slice(0, -".blobs".length) : undefined;
}

export function isWriteOnce(path: string): boolean {
  return writeOnce.test(path);
}

/** True for a directory of the flat block files. */
export function isWriteOnceDirectory(path: string): boolean {
  return writeOnceDirectory.test(path);
}

/** True for a database file itself; scratch copies (`.reorg`, `._*`) are none. */
export function isDatabase(path: string): boolean {
  return path.endsWith(".sqlite") && !isScratch(path);
}

/**
 * What a check of the given depth has to see of a chainstate: the databases with their WALs, and for a proof the tries.
 * For a snapshot that is verified without unpacking all of it.
 */
export function isNeededForChecks(path: string, depth: "tips" | "quick" | "proof" | "full"): boolean {
  const stem = databaseStem(path);
  if (isBlobs(path)) return depth === "full" || depth === "proof";
  if (!isDatabase(stem) || path.endsWith("-shm")) return false;
  return depth === "quick" || depth === "full" || (Object.values(databases) as string[]).includes(stem);
}

/** Throws InputError (`exclude`) for a glob that is malformed or would take a piece out of a chainstate. */
export function selectEntries(profile: Profile, exclude: readonly string[] = []): EntrySelection {
  const globs = exclude.map((glob) => ({ glob, pattern: compileGlob(glob) }));
  const known = [...Object.values(databases), ...privateDatabases, "atlas.sqlite", "stacker_db.sqlite"];
  for (const { glob, pattern } of globs) {
    for (const path of known) refuseTorn(glob, pattern, path);
    for (const path of neverExcluded) refuseEssential(glob, pattern, path);
  }
  return {
    profile,
    exclude,
    leavesOut(path, isDirectory) {
      const stem = databaseStem(path);
      if (isScratch(stem)) return "scratch";
      if (!isDirectory && isConfidential(stem)) return "profile";
      if (profile === "share" && (privateDatabases.has(stem) || isWithin(stem, privateDirectory)))
        return "profile";
      for (const { glob, pattern } of globs) {
        if (matchesWithParents(pattern, stem)) return "exclude";
        if (stem !== path && pattern.test(path)) {
          // The `-shm` is rebuilt by whoever opens the database; anything else beside it is part of it.
          if (path.endsWith("-shm")) return "exclude";
          throw tears(glob, path, stem);
        }
      }
      return undefined;
    },
    isWriteOnce,
    isWriteOnceDirectory,
  };
}

/** The selection for a walk that begins at the directory `at`. */
export function selectionBelow(selection: EntrySelection, at: string): EntrySelection {
  const below = (path: string): string => `${at}/${path}`;
  return {
    ...selection,
    leavesOut: (path, isDirectory) => selection.leavesOut(below(path), isDirectory),
    isWriteOnce: (path) => selection.isWriteOnce(below(path)),
    isWriteOnceDirectory: (path) => selection.isWriteOnceDirectory(below(path)),
  };
}

/**
 * The same selection while a node works in the directory: what SQLite keeps beside a database comes and goes then. Not for
 * a directory that stands still: a WAL that goes there was checkpointed by somebody, into a file that may be read already.
 */
export function ofRunningNode(selection: EntrySelection): EntrySelection {
  return { ...selection, mayVanish: (path) => /-(?:wal|shm|journal)$/.test(path) };
}

/** Files and directories that are part of no chainstate: half-written, a Mac's, SPV scratch, a file system's own. */
export function isScratch(path: string): boolean {
  const name = path.slice(path.lastIndexOf("/") + 1);
  return (
    name.endsWith(".tmp") || name.startsWith("._") || name === "headers.sqlite.reorg" || name === "lost+found"
  );
}

/** Configuration holds seeds, keys and credentials; a signer's database guards against signing twice. Never taken. */
function isConfidential(path: string): boolean {
  const name = path.slice(path.lastIndexOf("/") + 1).toLowerCase();
  if (name.endsWith(".toml") || name === "config") return true;
  return name.includes("signer") && /\.(?:sqlite3?|db)$/.test(name);
}

function isWithin(path: string, directory: string): boolean {
  return path === directory || path.startsWith(`${directory}/`);
}

/** A directory that is left out takes along what is below it, also where a walker asks for the file alone. */
function matchesWithParents(pattern: RegExp, path: string): boolean {
  for (let end = path.length; end > 0; end = path.lastIndexOf("/", end - 1)) {
    if (pattern.test(path.slice(0, end))) return true;
  }
  return false;
}

function refuseTorn(glob: string, pattern: RegExp, database: string): void {
  if (matchesWithParents(pattern, database)) return;
  for (const ending of ["-wal", "-journal", ".blobs"])
    if (pattern.test(database + ending)) throw tears(glob, database + ending, database);
}

function tears(glob: string, path: string, database: string): InputError {
  return new InputError(
    "exclude",
    `The value '${glob}' of 'exclude' would take ${path} away from ${database}: the newest blocks live in it.`,
    `Exclude a database with all its files (\`${database}\` is enough) or not at all.`,
  );
}

function refuseEssential(glob: string, pattern: RegExp, database: string): void {
  if (!matchesWithParents(pattern, database)) return;
  throw new InputError(
    "exclude",
    `The value '${glob}' of 'exclude' would leave out ${database}, and without it there is no chainstate.`,
    "Narrow the glob.",
  );
}
