/**
 * Takes the moment: one read transaction on every database, and the place in the files where each of these views
 * stands. The keeper begins the transactions, this process reads the files. What is noted here belongs to the cut and
 * is never asked again.
 */
import { statSync } from "node:fs";
import { ActionError } from "../../domain/errors.ts";
import { systemClock } from "../../system/clock.ts";
import { fsPath } from "../../system/path-bytes.ts";
import type { Keeper } from "./keeper.ts";
import type { ListedDatabase } from "../listing.ts";
import { readMarks } from "./lock-table.ts";
import type { Ask, DatabaseRules } from "../port.ts";
import { assertLastFrame, readWalIndex, readWalSalt, walBytes } from "./wal.ts";
import type { WalIndex } from "./wal.ts";

/** Where one database's frozen state is in its files. */
export interface Position {
  readonly path: string;
  readonly source: string;
  readonly databaseInode: bigint;
  readonly shmInode: bigint;
  /** Bytes of the database file that belong to the cut. */
  readonly databaseBytes: number;
  /** Bytes of the WAL that do: none where the view stands on the database file alone. */
  readonly walBytes: number;
  readonly index: WalIndex;
  readonly append?: { readonly path: string; readonly source: string; readonly bytes: number };
}

export interface FreezeDatabasesOptions {
  readonly keeper: Keeper;
  readonly databases: readonly ListedDatabase[];
  readonly rules: DatabaseRules;
  /** How often a moment is tried before it is given up. */
  readonly tries: number;
  readonly signal: AbortSignal;
  /** The node is running: its tips must be asked, and asked again at another moment when they disagree. */
  readonly live: boolean;
}

export interface FrozenDatabases {
  readonly at: Date;
  readonly positions: ReadonlyMap<string, Position>;
  /** How often the moment was tried until it was a good one. */
  readonly tries: number;
}

const shortestPauseMs = 2;
const longestPauseMs = 40;

/**
 * Begins all transactions. For `live` the consensus databases come first and are taken and released together until
 * nothing was committed to any of them meanwhile and their tips agree; throws LIVE_CUT_NOT_FOUND when they never do.
 */
export async function freezeDatabases(options: FreezeDatabasesOptions): Promise<FrozenDatabases> {
  const { keeper, databases, rules, live } = options;
  await keeper.open(databases.map((each) => each.source));
  const byPath = new Map(databases.map((each) => [each.path, each]));
  const ask: Ask = async (database, sql) => {
    const source = byPath.get(database)?.source;
    if (source === undefined) throw new ActionError("FREEZE_FAILED", `${database} is not frozen.`);
    return keeper.ask(source, sql);
  };
  const consensus = rules.consensusDatabases.flatMap((path) => byPath.get(path) ?? []);
  const others = databases.filter((each) => !consensus.includes(each));
  const indexes = new Map<string, WalIndex>();

  const tipsAgree = live ? () => rules.tipsAgree(ask) : undefined;
  const tries = await takeTogether(options, consensus, indexes, tipsAgree);
  const at = new Date();
  for (const database of others) await takeTogether(options, [database], indexes);

  const shmInodes = databases.map(({ source }) => statSync(fsPath(`${source}-shm`), { bigint: true }).ino);
  // The kernel's table names locks by inode; its device numbers are not those of stat on every file system.
  if (new Set(shmInodes).size < shmInodes.length) {
    throw new ActionError(
      "FREEZE_UNSUPPORTED",
      "Two databases on different file systems have one inode number.",
      {
        hint: "Use another freezer, or `downtime: full`.",
      },
    );
  }
  const marks = await readMarks(keeper.pid, shmInodes, options.signal);
  const positions = new Map<string, Position>();
  for (const [at, database] of databases.entries()) {
    const index = indexes.get(database.path);
    const shmInode = shmInodes[at];
    if (index === undefined || shmInode === undefined) {
      throw new ActionError("FREEZE_FAILED", `${database.path} was not taken.`);
    }
    const mark = marks.get(shmInode);
    if (mark === undefined) throw locksInvisible(database.path);
    positions.set(database.path, await locate(database, index, mark, shmInode, rules, ask));
  }
  return { at, positions, tries };
}

/**
 * Begins a transaction on each of `group`, again and again until no commit fell between the first look at their
 * wal-indexes and the last: only then is it known which frame each view ends at, and all of them are of one instant.
 */
async function takeTogether(
  { keeper, tries: limit, signal }: FreezeDatabasesOptions,
  group: readonly ListedDatabase[],
  indexes: Map<string, WalIndex>,
  agrees?: () => Promise<{ readonly agree: boolean; readonly detail: string }>,
): Promise<number> {
  const sources = group.map((each) => each.source);
  const look = (): WalIndex[] => sources.map((source) => readWalIndex(`${source}-shm`));
  let why = "";
  for (let tries = 1; tries <= limit; tries += 1) {
    const before = look();
    await keeper.begin(sources);
    const after = look();
    const quiet = before.every((index, at) => index.identity === after[at]?.identity);
    const verdict = quiet
      ? ((await agrees?.()) ?? { agree: true, detail: "" })
      : { agree: false, detail: "the node committed meanwhile" };
    if (verdict.agree) {
      for (const [at, database] of group.entries()) indexes.set(database.path, after[at] as WalIndex);
      return tries;
    }
    why = verdict.detail;
    // No `poll`: counted by moments, not by time, and a pause that keeps step with the node's commits would never end.
    await keeper.rollback(sources);
    await systemClock.sleep(shortestPauseMs + Math.random() * (longestPauseMs - shortestPauseMs), signal);
  }
  throw new ActionError(
    "LIVE_CUT_NOT_FOUND",
    `No consistent moment of ${group.map((each) => each.path).join(", ")} was found in ${limit} tries: ${why}.`,
    { hint: "Try again when the node is less busy, or take the snapshot with `downtime: short`." },
  );
}

async function locate(
  database: ListedDatabase,
  index: WalIndex,
  mark: number,
  shmInode: bigint,
  rules: DatabaseRules,
  ask: Ask,
): Promise<Position> {
  const { path, source } = database;
  const file = statSync(fsPath(source), { bigint: true });
  // On mark 0 everything was checkpointed when the view began: it is the database file, and the WAL behind it may be
  // restarted at any time.
  const frames = mark === 0 ? 0 : index.frames;
  if (frames > 0) {
    if (!database.walListed) {
      throw new ActionError(
        "FREEZE_FAILED",
        `${path}-wal holds data of ${path} but is left out of the snapshot.`,
        {
          hint: "Exclude a database with all its files (`name*`) or not at all.",
        },
      );
    }
    assertLastFrame(`${source}-wal`, index);
  }
  const size = Number(file.size);
  const logicalSize = index.pages * index.pageSize;
  return {
    path,
    source,
    databaseInode: file.ino,
    shmInode,
    databaseBytes: logicalSize > 0 ? Math.min(size, logicalSize) : size,
    walBytes: walBytes(frames, index.pageSize),
    index,
    ...(database.append === undefined
      ? {}
      : {
          append: { ...database.append, bytes: await stableLength(database, database.append, rules, ask) },
        }),
  };
}

async function stableLength(
  { path }: ListedDatabase,
  append: { readonly path: string; readonly source: string },
  rules: DatabaseRules,
  ask: Ask,
): Promise<number> {
  const recorded = await rules.recordedLength(path, ask);
  if (recorded === "unstable") {
    throw new ActionError(
      "FREEZE_UNSETTLED",
      `${path} has unconfirmed tries in ${append.path}, which the node may rewrite in place.`,
      {
        hint: "Use a copy-on-write freezer (`freeze-with: reflink`, `zfs`, `btrfs`, `lvm`) or `downtime: full`.",
      },
    );
  }
  const there = statSync(fsPath(append.source)).size;
  if (there >= recorded) return recorded;
  throw new ActionError(
    "FREEZE_FAILED",
    `${append.path} has ${there} bytes, but ${path} records ${recorded}: the chainstate is damaged.`,
  );
}

/** Throws unless the files still hold what `position` says. Locks and transactions are looked at elsewhere. */
export function assertInPlace(position: Position): void {
  const { path, source, append } = position;
  const moved = (what: string): ActionError =>
    new ActionError("FREEZE_BROKEN", `${what} under the open transaction.`, {
      hint: "Something other than the node writes to this chainstate, or removes its files.",
    });
  const file = statSync(fsPath(source), { bigint: true, throwIfNoEntry: false });
  if (file?.ino !== position.databaseInode) throw moved(`${path} was replaced`);
  if (Number(file.size) < position.databaseBytes) throw moved(`${path} was cut short`);
  if (position.walBytes > 0) {
    if (readWalSalt(`${source}-wal`) !== position.index.salt) throw moved(`The WAL of ${path} was restarted`);
    assertLastFrame(`${source}-wal`, position.index);
  }
  if (append !== undefined && statSync(fsPath(append.source)).size < append.bytes) {
    throw moved(`${append.path} was cut short`);
  }
}

export function locksInvisible(path: string): ActionError {
  return new ActionError("FREEZE_BROKEN", `The keeper holds no read lock on ${path}.`, {
    hint: "Locks do not work on this file system, or the keeper lost them: use another freezer or `downtime: full`.",
  });
}
