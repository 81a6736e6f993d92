/**
 * The journal of one chainstate directory: what is under way and what has to be undone or finished if this process dies
 * now. It is also the lock: whoever holds it is the only one that may touch the node and the directory. main holds it
 * while it works, then post, or else the watchdog or the next run: each takes over what the one before left behind.
 */
import { randomBytes } from "node:crypto";
import { readFile, rm, stat, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { ActionError, hasCode } from "../errors.ts";
import { systemClock, type Clock } from "../system/clock.ts";
import type { SudoMode } from "../system/privilege.ts";
import { readStat } from "../system/proc.ts";
import { syncDirectory, writeFileAtomically } from "./atomic-file.ts";
import { journalVersion, parseJournal, type JournalContent, type JournalRole } from "./content.ts";
import { tryLock, type HeldLock } from "./lock.ts";
import { canonicalPath, ensureStateDirectory, journalPathFor } from "./state-directory.ts";

export interface Run {
  readonly runId: string;
  readonly command: string;
  readonly sudo: SudoMode;
}

export interface Journal {
  readonly path: string;
  readonly content: JournalContent;
  /** Durable when the promise resolves: write down what you are about to do before you do it. */
  update(change: Partial<JournalContent> | ((now: JournalContent) => JournalContent)): Promise<void>;
  /** Forgets what was left behind (recovered and cleaned by now) and starts this run's own account. */
  begin(run: Run): Promise<void>;
  /** All is done: removes the file and lets the directory go. */
  remove(): Promise<void>;
  /** Lets go and leaves the file for whoever comes next. Safe to call twice. */
  release(): void;
}

export interface OpenJournalOptions {
  readonly stateDirectory: string;
  readonly chainstateDir: string;
  readonly run: Run;
  readonly clock?: Clock;
  readonly signal: AbortSignal;
}

export interface OpenedJournal {
  readonly journal: Journal;
  /** What a dead run left: recover and clean it up, then call `journal.begin`. Undefined: `begin` was called already. */
  readonly leftBehind: JournalContent | undefined;
}

/** For a run that starts. RUN_IN_PROGRESS when another one is alive; JOURNAL_* when what it left cannot be read. */
export async function openJournal(options: OpenJournalOptions): Promise<OpenedJournal> {
  await ensureStateDirectory(options.stateDirectory);
  const path = await journalPathFor(options.stateDirectory, options.chainstateDir);
  const lock = await lockJournal(path, options.clock ?? systemClock, options.signal);
  try {
    const leftBehind = await readJournal(path);
    const chainstateDir = await canonicalPath(options.chainstateDir);
    const content = leftBehind ?? freshContent(options.run, chainstateDir);
    const journal = holdJournal(path, lock, await owned(content, "main"));
    await reserveSpace(path);
    await journal.update({});
    return { journal, leftBehind };
  } catch (error) {
    lock.release();
    throw error;
  }
}

/** For whoever finishes what another process began: post, watchdog, replay. Undefined: nothing was left. */
export async function takeJournal(
  path: string,
  options: { readonly role: JournalRole; readonly signal: AbortSignal; readonly clock?: Clock },
): Promise<Journal | undefined> {
  if ((await readJournal(path)) === undefined) return undefined;
  const lock = await lockJournal(path, options.clock ?? systemClock, options.signal);
  try {
    const content = await readJournal(path);
    if (content === undefined) {
      lock.release();
      return undefined;
    }
    const journal = holdJournal(path, lock, await owned(content, options.role));
    // Who holds it is written for people; a full disk must not keep anybody from bringing the node back.
    await journal.update({}).catch(toleratesFullDisk);
    return journal;
  } catch (error) {
    lock.release();
    throw error;
  }
}

/** The content as it stands, without taking it over. Undefined where there is none. */
export async function readJournal(path: string): Promise<JournalContent | undefined> {
  let bytes: string;
  try {
    const { uid, mode } = await stat(path);
    if ((uid !== 0 && uid !== process.geteuid?.()) || (mode & 0o022) !== 0) {
      throw new ActionError(
        "JOURNAL_UNREADABLE",
        `The journal ${path} could have been written by another user.`,
        {
          hint: "Remove it after a look at the node, and see who writes to the state directory.",
        },
      );
    }
    bytes = await readFile(path, "utf8");
  } catch (error) {
    if (hasCode(error, "ENOENT")) return undefined;
    throw error;
  }
  return parseJournal(bytes, path);
}

export function lockPathOf(journalPath: string): string {
  return journalPath.replace(/\.json$/, ".lock");
}

// A watcher's look holds the lock for a moment, a recovery for as long as a node takes to start.
const patienceMs = 3_000;
const patienceWithRecoveryMs = 90_000;

async function lockJournal(path: string, clock: Clock, signal: AbortSignal): Promise<HeldLock> {
  const since = clock.now();
  for (;;) {
    const lock = tryLock(lockPathOf(path));
    if (lock !== undefined) return lock;
    const waitedMs = clock.now() - since;
    const holder = waitedMs < patienceMs ? undefined : (await readJournal(path))?.owner;
    const recovering = holder?.role === "watchdog" || holder?.role === "replay";
    if (waitedMs >= (recovering ? patienceWithRecoveryMs : patienceMs)) {
      throw new ActionError(
        "RUN_IN_PROGRESS",
        `Another run (pid ${holder?.pid ?? "unknown"}, ${holder?.role ?? "starting"}) works on this chainstate directory.`,
        { hint: "Wait until it has ended; a concurrency group in the workflow keeps two apart." },
      );
    }
    await clock.sleep(100, signal);
  }
}

function holdJournal(path: string, lock: HeldLock, initial: JournalContent): Journal {
  let content = initial;
  // Updates of concurrent tasks are written one after the other, each on top of the one before.
  let lastWrite: Promise<void> = Promise.resolve();
  let open = true;

  const write = async (change: (now: JournalContent) => JournalContent): Promise<void> => {
    if (!open) throw new ActionError("JOURNAL_CLOSED", `The journal ${path} was let go already.`);
    const next = change(content);
    await writeWithReserve(path, `${JSON.stringify(next, undefined, 2)}\n`);
    content = next;
  };
  const update: Journal["update"] = async (change) => {
    const apply =
      typeof change === "function"
        ? change
        : (now: JournalContent): JournalContent => ({ ...now, ...change });
    const done = lastWrite.then(async () => await write(apply));
    lastWrite = done.catch(() => undefined);
    await done;
  };
  const release = (): void => {
    open = false;
    lock.release();
  };
  return {
    path,
    get content() {
      return content;
    },
    update,
    async begin(run) {
      await update((now) => ({ ...freshContent(run, now.chainstateDir), owner: now.owner }));
    },
    async remove() {
      await lastWrite;
      await rm(reservePathOf(path), { force: true });
      await rm(path, { force: true });
      await syncDirectory(dirname(path));
      release();
    },
    release,
  };
}

/** Room for a journal on a disk that is full by the time it matters most. */
const reserveBytes = 64 * 1024;

function reservePathOf(path: string): string {
  return path.replace(/\.json$/, ".reserve");
}

async function reserveSpace(path: string): Promise<void> {
  try {
    // Random, because some file systems give no room to zeros.
    await writeFile(reservePathOf(path), randomBytes(reserveBytes), { mode: 0o600 });
  } catch (cause) {
    throw new ActionError("STATE_DIRECTORY_UNUSABLE", `There is no room for a journal in ${dirname(path)}.`, {
      cause,
      hint: "Without a journal nobody could bring the node back after a crash. Free a few kilobytes.",
    });
  }
}

async function writeWithReserve(path: string, text: string): Promise<void> {
  try {
    await writeFileAtomically(path, text, 0o600);
  } catch (error) {
    if (!isFullDisk(error)) throw error;
    await rm(reservePathOf(path), { force: true });
    await writeFileAtomically(path, text, 0o600);
  }
}

export function isFullDisk(error: unknown): boolean {
  return hasCode(error, "ENOSPC") || hasCode(error, "EDQUOT");
}

export function toleratesFullDisk(error: unknown): void {
  if (!isFullDisk(error)) throw error;
}

type Unowned = Omit<JournalContent, "owner">;

function freshContent(run: Run, chainstateDir: string): Unowned {
  return {
    version: journalVersion,
    ...run,
    chainstateDir,
    openedAt: new Date().toISOString(),
    phase: "preflight",
    node: null,
    swap: null,
    undo: [],
    volumeSwap: null,
    switch: null,
    uploads: [],
    frozen: [],
    volumes: [],
    staging: [],
    recovered: [],
  };
}

async function owned(content: Unowned, role: JournalRole): Promise<JournalContent> {
  const self = readStat(process.pid);
  const bootId = (await readFile("/proc/sys/kernel/random/boot_id", "utf8")).trim();
  return { ...content, owner: { role, pid: process.pid, startTicks: self?.startTicks ?? 0, bootId } };
}
