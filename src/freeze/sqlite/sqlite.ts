/**
 * Freezes a chainstate with SQLite's own readers: on any file system with working locks, without privileges, with
 * nothing to clean up but a process. The node may be down (`frozen`) or running (`live`). docs/freezing.md says why this
 * is sound; `keeper-process.ts` holds, `freeze-databases.ts` notes what belongs to the cut, `watch.ts` sees to it that it stays so.
 */
import { copyFileSync, constants, statSync } from "node:fs";
import { access } from "node:fs/promises";
import { join } from "node:path";
import { ActionError, hasCode, throwIfAborted } from "../../domain/errors.ts";
import type { View, ViewEntry } from "../../archive/view.ts";
import { bestEffort } from "../../system/best-effort.ts";
import { mountOf, isNetworkFileSystem } from "../../system/mounts.ts";
import { fsPath } from "../../system/path-bytes.ts";
import type { Privilege } from "../../system/privilege.ts";
import { retry } from "../../system/retry.ts";
import { formatBytes, spaceAt } from "../../system/space.ts";
import { freezeDatabases } from "./freeze-databases.ts";
import type { FrozenDatabases, Position } from "./freeze-databases.ts";
import { ofRunningNode, type EntrySelection } from "../../chainstate/layout.ts";
import { startKeeper } from "./keeper.ts";
import type { Keeper } from "./keeper.ts";
import { listEntries, viewOfListing } from "../listing.ts";
import type { ListedDatabase, ListedEntry, Listing } from "../listing.ts";
import { removeLockTrial, tryLocks } from "./lock-trial.ts";
import type { DatabaseRules, FreezeRequest, Freezer, FrozenView, Probe, ViewOf } from "../port.ts";
import { makeDirectory, removeDirectory, spoolDirectory, withoutScratch } from "../scratch.ts";
import { defaultLimits, watchFrozen } from "./watch.ts";
import type { FreezeLimits } from "./watch.ts";
import { withWriteOnce } from "../write-once.ts";

export interface SqliteFreezerOptions {
  readonly rules: DatabaseRules;
  readonly viewOf: ViewOf;
  /** Lets the keeper become root where this user neither is root nor owns the databases. */
  readonly privilege?: Privilege;
  readonly limits?: Partial<FreezeLimits>;
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
    triesOnDisk: true,
    probe: (request) => probe(request, limits),
    freeze: (request, nodeDown) => freeze(request, nodeDown, options, limits),
    cleanUp: async (runId, { chainstateDir, stateDir }) => {
      await removeDirectory(spoolDirectory({ stateDir, runId }));
      await removeLockTrial(runId, { chainstateDir, stateDir });
    },
  };
}

async function probe(request: FreezeRequest, limits: FreezeLimits): Promise<Probe> {
  const { fsType } = await mountOf(request.chainstateDir);
  if (isNetworkFileSystem(fsType)) {
    return {
      usable: false,
      reason: `${request.chainstateDir} is on ${fsType}: other machines may write there, and locks mean nothing`,
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
  limits: FreezeLimits,
): Promise<FrozenView> {
  const { chainstateDir, signal } = request;
  const selection = selectionOf(request, nodeDown);
  const spool = spoolDirectory(request);
  let starting: Promise<Keeper> | undefined;
  const release = async (): Promise<void> => {
    try {
      const started = await starting?.catch(() => undefined);
      await started?.end();
    } finally {
      await removeDirectory(spool);
    }
  };
  const warnings = { warning: options.onWarning ?? (() => undefined) };
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
    const list = lister(request, nodeDown, options);
    let listing = await list("entries", nodeDown);
    const keeper = await starting;
    if (!nodeDown) refuseRollback(listing);
    if (elevate === undefined) for (const each of listing.databases) await requireWritable(each);
    const hold = await freezeDatabases({
      keeper,
      databases: listing.databases,
      rules: options.rules,
      tries: options.liveTries ?? defaultLiveTries,
      signal,
      live: !nodeDown,
    });
    if (!nodeDown) {
      // What the databases refer to was there before their rows were, so a list made now has all of it.
      const before = listing;
      listing = await list("entries-frozen", true);
      refuseRollback(listing);
      requireSame(before, listing);
    }
    const view = withWriteOnce(
      viewOfListing(listing, (listed) => atTheCut(listed, hold)),
      { chainstateDir, selection, viewOf: options.viewOf, at: hold.at, deferred: listing.deferred },
    );
    return watchedView(view, { hold, keeper, limits, onWarning: warnings.warning, release });
  } catch (error) {
    await bestEffort(warnings, "clean up after the freeze", release);
    throwIfAborted(signal);
    throw error;
  }
}

function selectionOf({ selection }: FreezeRequest, nodeDown: boolean): EntrySelection {
  return withoutScratch(nodeDown ? selection : ofRunningNode(selection));
}

/** Lists the chainstate into the spool, with copies of what may change where asked for. */
function lister(
  request: FreezeRequest,
  nodeDown: boolean,
  { rules, viewOf }: SqliteFreezerOptions,
): (name: string, copies: boolean) => Promise<Listing> {
  const { chainstateDir, signal } = request;
  const selection = selectionOf(request, nodeDown);
  const spool = spoolDirectory(request);
  // A running node also removes files of its state, and a walk may meet that.
  const again = { attempts: nodeDown ? 1 : listTries, firstPauseMs: 10, longestPauseMs: 200, signal };
  const passes = (error: unknown): boolean => hasCode(error, "FILE_VANISHED") || hasCode(error, "ENOENT");
  return async (name, copies) =>
    await retry({ ...again, passes }, () =>
      listEntries({
        viewOf,
        chainstateDir,
        spoolPath: join(spool, name),
        selection,
        rules,
        signal,
        ...(copies ? { onEntry: copyInto(spool, selection, nodeDown) } : {}),
      }),
    );
}

function watchedView(
  view: View,
  frozen: {
    readonly hold: FrozenDatabases;
    readonly keeper: Keeper;
    readonly limits: FreezeLimits;
    readonly onWarning: (message: string) => void;
    readonly release: () => Promise<void>;
  },
): FrozenView {
  const { hold, keeper, release } = frozen;
  const watch = watchFrozen(hold, keeper, frozen.limits, frozen.onWarning);
  return {
    view,
    method: "sqlite",
    at: hold.at,
    ask: async (database, sql) => keeper.ask(positionOf(hold, database).source, sql),
    broken: watch.broken,
    assertFrozen: () => watch.assertFrozen(),
    release: async () => {
      watch.stop();
      await release();
    },
  };
}

function positionOf(hold: FrozenDatabases, database: string): Position {
  const position = hold.positions.get(database);
  if (position === undefined) throw new ActionError("FREEZE_FAILED", `${database} is not frozen.`);
  return position;
}

/** Undefined: no part of the cut. */
function atTheCut({ kind, entry, of }: ListedEntry, hold: FrozenDatabases): ViewEntry | undefined {
  const upTo = (size: number): ViewEntry => ({ ...entry, size, guard: "prefix" });
  if (kind === "shm") return undefined;
  if (kind === "database") return upTo(positionOf(hold, entry.path).databaseBytes);
  if (kind === "append") return upTo(positionOf(hold, of ?? "").append?.bytes ?? 0);
  if (kind !== "wal") return entry;
  const size = positionOf(hold, of ?? "").walBytes;
  return size === 0 ? undefined : upTo(size);
}

/** Copies what may change under the reader and is no database in WAL mode. Called while the node is down, or once for `live`. */
function copyInto(
  spool: string,
  selection: EntrySelection,
  nodeDown: boolean,
): (listed: ListedEntry) => ViewEntry | undefined {
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
        { hint: "Exclude it, or use a copy-on-write freezer or `downtime: full`." },
      );
    }
    copies += 1;
    copied += entry.size;
    const copy = join(spool, `copy-${copies}`);
    try {
      const size = copyWhole(entry.path, source, copy, nodeDown ? 1 : copyTries);
      return { ...entry, size, source: copy, guard: "prefix" };
    } catch (error) {
      if (hasCode(error, "ENOENT") && selection.mayVanish?.(entry.path) === true) return undefined;
      throw error;
    }
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
    `${first} is not in WAL mode, so \`downtime: none\` cannot hold it.`,
    {
      hint: "Exclude it, use `profile: share`, or take the snapshot with `downtime: short`.",
    },
  );
}

function requireSame(before: Listing, after: Listing): void {
  const names = (listing: Listing): string =>
    JSON.stringify(listing.databases.map((each) => [each.path, each.append?.path]));
  if (names(before) === names(after)) return;
  throw new ActionError("FREEZE_FAILED", "A database appeared or vanished while the moment was taken.", {
    hint: "Try again, or take the snapshot with `downtime: short`.",
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
      hint: "Run the runner as the node's user, or allow `sudo -n` for the keeper (docs/permissions.md).",
    });
  }
}
