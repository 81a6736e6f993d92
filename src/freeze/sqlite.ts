/**
 * Holds a chainstate still with SQLite's own readers: on any file system with working locks, without privileges, with
 * nothing to clean up but a process. The node may be down (`frozen`) or running (`live`). docs/freezing.md says why this
 * is sound; `keeper-process.ts` holds, `hold.ts` notes what belongs to the cut, `watch.ts` sees to it that it stays so.
 */
import { copyFileSync, constants, statSync } from "node:fs";
import { access } from "node:fs/promises";
import { join } from "node:path";
import { ActionError, hasCode, throwIfAborted } from "../errors.ts";
import type { ViewEntry } from "../archive/view.ts";
import { mountOf, isNetworkFileSystem } from "../system/mounts.ts";
import { fsPath } from "../system/path-bytes.ts";
import type { Privilege } from "../system/privilege.ts";
import { formatBytes, spaceAt } from "../system/space.ts";
import { takeHold } from "./hold.ts";
import type { Hold, Position } from "./hold.ts";
import { startKeeper } from "./keeper.ts";
import type { Keeper } from "./keeper.ts";
import { listEntries, viewOfListing } from "./listing.ts";
import type { ListedDatabase, ListedEntry, Listing } from "./listing.ts";
import { removeLockTrial, tryLocks } from "./lock-trial.ts";
import type { DatabaseRules, FreezeRequest, Freezer, FrozenView, Probe, ViewOf } from "./port.ts";
import { makeDirectory, removeDirectory, spoolDirectory, withoutScratch } from "./scratch.ts";
import { defaultLimits, watchHold } from "./watch.ts";
import type { HoldLimits } from "./watch.ts";
import { withoutWriteOnce, withWriteOnce } from "./write-once.ts";

export interface SqliteFreezerOptions {
  readonly rules: DatabaseRules;
  readonly viewOf: ViewOf;
  /** Lets the keeper become root where this user neither is root nor owns the databases. */
  readonly privilege?: Privilege;
  readonly limits?: Partial<HoldLimits>;
  readonly onWarning?: (message: string) => void;
  /** How many moments `live` tries; each takes some 10 ms. */
  readonly liveTries?: number;
  /** Another script than the program's own keeper. */
  readonly keeperScript?: string;
}

/** Most that is copied while a node is down; beyond it files are read in place and must not change. */
const copyLimitBytes = 256 * 1024 ** 2;

const listTries = 5;
const copyTries = 5;
const defaultLiveTries = 400;

export function sqliteFreezer(options: SqliteFreezerOptions): Freezer {
  const limits = { ...defaultLimits, ...options.limits };
  return {
    name: "sqlite",
    probe: (request) => probe(request, limits),
    freeze: (request, nodeDown) => freeze(request, nodeDown, options, limits),
    cleanUp: async (runId, { chainstateDir, stateDir }) => {
      await removeDirectory(spoolDirectory({ stateDir, runId }));
      await removeLockTrial(runId, { chainstateDir, stateDir });
    },
  };
}

async function probe(request: FreezeRequest, limits: HoldLimits): Promise<Probe> {
  const { fsType } = await mountOf(request.chainstateDir);
  if (isNetworkFileSystem(fsType)) {
    return {
      usable: false,
      reason: `${request.chainstateDir} is on ${fsType}: other machines may write there, and locks prove nothing`,
    };
  }
  const { freeBytes } = await spaceAt(request.chainstateDir);
  if (freeBytes < limits.minFreeBytes) {
    return { usable: false, reason: `only ${formatBytes(freeBytes)} are free on ${fsType} for WALs to grow` };
  }
  const trial = await tryLocks(request);
  return trial.usable ? { usable: true, reason: `${trial.reason} on ${fsType}` } : trial;
}

async function freeze(
  request: FreezeRequest,
  nodeDown: boolean,
  options: SqliteFreezerOptions,
  limits: HoldLimits,
): Promise<FrozenView> {
  const { chainstateDir, signal } = request;
  const selection = withoutScratch(request.selection);
  const { rules, viewOf } = options;
  const spool = spoolDirectory(request);
  let starting: Promise<Keeper> | undefined;
  const release = async (): Promise<void> => {
    const started = await starting?.catch(() => undefined);
    await started?.end();
    await removeDirectory(spool);
  };
  try {
    await makeDirectory(spool);
    const elevate = await keeperElevation(chainstateDir, options.privilege);
    starting = startKeeper({
      signal,
      ...(elevate === undefined ? {} : { elevate }),
      ...(options.keeperScript === undefined ? {} : { script: options.keeperScript }),
    });
    // It starts while the directory is listed; a failure is heard below.
    starting.catch(() => undefined);
    const view = await viewOf(chainstateDir, withoutWriteOnce(selection));
    const list = async (name: string, copies: boolean): Promise<Listing> =>
      whileFilesVanish(nodeDown ? 1 : listTries, () =>
        listEntries(view, {
          spoolPath: join(spool, name),
          selection,
          rules,
          signal,
          ...(copies ? { onEntry: copyInto(spool, nodeDown) } : {}),
        }),
      );
    let listing = await list("entries", nodeDown);
    const keeper = await starting;
    if (!nodeDown) refuseRollback(listing);
    if (elevate === undefined) {
      for (const database of listing.databases) await requireWritable(database);
    }
    const hold = await takeHold({
      keeper,
      databases: listing.databases,
      rules,
      tries: options.liveTries ?? defaultLiveTries,
      signal,
      live: !nodeDown,
    });
    if (!nodeDown) {
      // What the databases refer to was there before their rows were, so a list made now has all of it.
      const before = listing;
      listing = await list("entries-held", true);
      refuseRollback(listing);
      requireSame(before, listing);
    }
    const watch = watchHold(hold, keeper, limits, options.onWarning ?? (() => undefined));
    return {
      view: withWriteOnce(
        viewOfListing(listing, (listed) => atTheCut(listed, hold)),
        { chainstateDir, selection, viewOf, at: hold.at },
      ),
      method: "sqlite",
      at: hold.at,
      ask: async (database, sql) => keeper.ask(positionOf(hold, database).source, sql),
      broken: watch.broken,
      assertHeld: () => watch.assertHeld(),
      release: async () => {
        watch.stop();
        await release();
      },
    };
  } catch (error) {
    await release();
    throwIfAborted(signal);
    throw error;
  }
}

/** A running node makes and removes files of a moment, which a walk may meet in between. */
async function whileFilesVanish<T>(tries: number, work: () => Promise<T>): Promise<T> {
  for (let left = tries - 1; ; left -= 1) {
    try {
      return await work();
    } catch (error) {
      if (left <= 0 || !(hasCode(error, "FILE_VANISHED") || hasCode(error, "ENOENT"))) throw error;
    }
  }
}

function positionOf(hold: Hold, database: string): Position {
  const position = hold.positions.get(database);
  if (position === undefined) throw new ActionError("FREEZE_FAILED", `${database} is not held.`);
  return position;
}

/** Undefined: no part of the cut. */
function atTheCut({ kind, entry, of }: ListedEntry, hold: Hold): ViewEntry | undefined {
  const upTo = (size: number): ViewEntry => ({ ...entry, size, guard: "prefix" });
  if (kind === "shm") return undefined;
  if (kind === "database") return upTo(positionOf(hold, entry.path).databaseBytes);
  if (kind === "append") return upTo(positionOf(hold, of ?? "").append?.bytes ?? 0);
  if (kind !== "wal") return entry;
  const size = positionOf(hold, of ?? "").walBytes;
  return size === 0 ? undefined : upTo(size);
}

/** Copies what may change under the reader and is no database in WAL mode. Called while the node is down, or once for `live`. */
function copyInto(spool: string, nodeDown: boolean): (listed: ListedEntry) => ViewEntry {
  let copied = 0;
  let copies = 0;
  return ({ kind, entry }) => {
    const { source } = entry;
    if ((kind !== "other" && kind !== "rollback") || entry.type !== "file" || source === undefined)
      return entry;
    if (copied + entry.size > copyLimitBytes) {
      if (kind === "other") return entry;
      throw new ActionError(
        "FREEZE_FAILED",
        `${entry.path} (${formatBytes(entry.size)}) is not in WAL mode and too large to copy while the node is down.`,
        { hint: "Exclude it, or use a copy-on-write freezer or `cut: cold`." },
      );
    }
    copies += 1;
    copied += entry.size;
    const copy = join(spool, `copy-${copies}`);
    const size = copyWhole(entry.path, source, copy, nodeDown ? 1 : copyTries);
    return { ...entry, size, source: copy, guard: "prefix" };
  };
}

/** Returns the bytes of the copy, which is of one moment: the file was the same after it as before. */
function copyWhole(path: string, source: string, copy: string, tries: number): number {
  const look = (): string => {
    const { ino, size, mtimeNs } = statSync(fsPath(source), { bigint: true });
    return `${ino} ${size} ${mtimeNs}`;
  };
  for (let left = tries; left > 0; left -= 1) {
    const before = look();
    copyFileSync(fsPath(source), copy, constants.COPYFILE_FICLONE);
    if (look() === before) return statSync(copy).size;
  }
  throw new ActionError("FREEZE_FAILED", `${path} changed while it was copied.`, {
    hint: "Something writes to it all the time: exclude it, or find what does (`fuser -v`).",
  });
}

function refuseRollback(listing: Listing): void {
  const [first] = listing.rollbackDatabases;
  if (first === undefined) return;
  throw new ActionError(
    "FREEZE_UNSUPPORTED",
    `${first} is not in WAL mode, so \`cut: live\` cannot hold it.`,
    {
      hint: "Exclude it, use `profile: share`, or take the snapshot with `cut: frozen`.",
    },
  );
}

function requireSame(before: Listing, after: Listing): void {
  const names = (listing: Listing): string =>
    JSON.stringify(listing.databases.map((each) => [each.path, each.append?.path]));
  if (names(before) === names(after)) return;
  throw new ActionError("FREEZE_FAILED", "A database appeared or vanished while the moment was taken.", {
    hint: "Try again, or take the snapshot with `cut: frozen`.",
  });
}

/** Undefined: the keeper runs as this user. */
async function keeperElevation(
  chainstateDir: string,
  privilege: Privilege | undefined,
): Promise<((argv: readonly string[]) => readonly string[]) | undefined> {
  if (privilege === undefined || privilege.isRoot) return undefined;
  if (statSync(fsPath(chainstateDir)).uid === process.geteuid?.()) return undefined;
  const argv = [process.execPath];
  return (await privilege.may(argv)) ? (command) => privilege.elevate(command) : undefined;
}

/**
 * A connection makes the `-wal` and `-shm` it does not find. Made by a user that neither is root nor owns the database
 * they would be that user's, and the node could not open its own database: so then they have to be there.
 */
async function requireWritable({ path, source, uid }: ListedDatabase): Promise<void> {
  const self = process.geteuid?.() ?? 0;
  if (self === 0) return;
  const own = uid === self;
  try {
    await access(fsPath(source), constants.R_OK | constants.W_OK);
    for (const sidecar of [`${source}-wal`, `${source}-shm`]) {
      await access(fsPath(sidecar), constants.R_OK | constants.W_OK).catch((error: unknown) => {
        if (!own || statSync(fsPath(sidecar), { throwIfNoEntry: false }) !== undefined) throw error;
      });
    }
  } catch (cause) {
    throw new ActionError("PRIVILEGE_MISSING", `This user may not lock ${path}.`, {
      cause,
      hint: 'Run the runner as the node\'s user, or allow `sudo -n` for the keeper (see "Permissions" in the README).',
    });
  }
}
