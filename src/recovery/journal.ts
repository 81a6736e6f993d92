/**
 * The journal of one chainstate directory: what is under way and what has to be undone or finished if this process dies
 * now. It is also the lock: whoever holds it is the only one that may touch the node and the directory. main holds it
 * while it works, then post, or else the watchdog or the next run: each takes over what the one before left behind.
 */
import type { SudoMode } from "../domain/options.ts";
import { randomBytes } from "node:crypto";
import { readFile, rm, stat, writeFile } from "node:fs/promises";
import { uptime } from "node:os";
import { dirname } from "node:path";
import { ActionError, hasCode } from "../domain/errors.ts";
import { systemClock, type Clock } from "../system/clock.ts";
import { poll } from "../system/poll.ts";
import { readStat } from "../system/proc.ts";
import { syncDirectory, writeFileAtomically } from "../system/atomic-file.ts";
import { journalVersion, parseJournal, type JournalContent, type JournalRole } from "./content.ts";
import { tryLock, type AcquiredLock } from "../system/process-lock.ts";
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
  /**
   * Starts this run's own account. Of what a dead run left only what could not be cleaned up goes on with it, and a node
   * that was told to stop and is still owed its start.
   */
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
    const journal = createJournal(path, lock, await owned(content, "main"));
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
    const journal = createJournal(path, lock, await owned(content, options.role));
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

/** What a detached watcher says. */
export function logPathOf(journalPath: string): string {
  return journalPath.replace(/\.json$/, ".log");
}

export function lockPathOf(journalPath: string): string {
  return journalPath.replace(/\.json$/, ".lock");
}

// A watcher's look holds the lock for a moment, a recovery for as long as a node takes to start.
const patienceMs = 3_000;
const patienceWithRecoveryMs = 90_000;

async function lockJournal(path: string, clock: Clock, signal: AbortSignal): Promise<AcquiredLock> {
  // Taken whatever the signal says: a post step that was told to end still starts the node.
  const atOnce = tryLock(lockPathOf(path));
  if (atOnce !== undefined) return atOnce;
  const since = clock.now();
  let holder: JournalContent["owner"] | undefined;
  const lock = await poll({ everyMs: 100, limitMs: patienceWithRecoveryMs, clock, signal }, async () => {
    const free = tryLock(lockPathOf(path));
    if (free !== undefined || clock.now() - since < patienceMs) return free;
    holder = (await readJournal(path))?.owner;
    if (holder?.role === "watchdog" || holder?.role === "replay") return undefined;
    throw runInProgress(holder);
  });
  if (lock === undefined) throw runInProgress(holder);
  return lock;
}

function runInProgress(holder: JournalContent["owner"] | undefined): ActionError {
  return new ActionError(
    "RUN_IN_PROGRESS",
    `Another run (pid ${holder?.pid ?? "unknown"}, ${holder?.role ?? "starting"}) works on this chainstate directory.`,
    { hint: "Wait until it has ended; a concurrency group in the workflow keeps two apart." },
  );
}

function createJournal(path: string, lock: AcquiredLock, initial: JournalContent): Journal {
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
      await update((now) => {
        const { owner, chainstateDir, uploads, opening, frozen, volumes, containers, staging, places } = now;
        const node = now.node?.mustStart === true ? now.node : null;
        const debts = { node, uploads, opening, frozen, volumes, containers, staging, places };
        return { ...freshContent(run, chainstateDir), owner, ...debts };
      });
    },
    async remove() {
      await lastWrite;
      await rm(reservePathOf(path), { force: true });
      await rm(path, { force: true });
      // A watchdog that acted has something to tell, until a run needs it no more than this one did.
      if (content.recovered.length === 0) await rm(logPathOf(path), { force: true });
      await syncDirectory(dirname(path));
      open = false;
      lock.releaseAndRemove();
    },
    release,
  };
}

/** Writes down what a recovery did, for whoever comes next. */
export async function noteRecovered(journal: Journal, did: string): Promise<void> {
  await journal.update((now) => ({
    ...now,
    recovered: [...now.recovered, { at: new Date().toISOString(), by: now.owner.role, did }],
  }));
}

/** Space for a journal on a disk that is full by the time it matters most. */
const reserveBytes = 64 * 1024;

function reservePathOf(path: string): string {
  return path.replace(/\.json$/, ".reserve");
}

async function reserveSpace(path: string): Promise<void> {
  try {
    // Random, because some file systems give no space to zeros.
    await writeFile(reservePathOf(path), randomBytes(reserveBytes), { mode: 0o600 });
  } catch (cause) {
    throw new ActionError(
      "STATE_DIRECTORY_UNUSABLE",
      `There is no space for a journal in ${dirname(path)}.`,
      {
        cause,
        hint: "Without a journal nobody could bring the node back after a crash. Free a few kilobytes.",
      },
    );
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
    confirm: null,
    inPlace: null,
    switch: null,
    uploads: [],
    opening: [],
    frozen: [],
    volumes: [],
    containers: [],
    staging: [],
    places: [],
    recovered: [],
  };
}

async function owned(content: Unowned, role: JournalRole): Promise<JournalContent> {
  const self = readStat(process.pid);
  const id = (await readFile("/proc/sys/kernel/random/boot_id", "utf8")).trim();
  const boot = { id, at: new Date(Date.now() - uptime() * 1000).toISOString() };
  return { ...content, owner: { role, pid: process.pid, startTicks: self?.startTicks ?? 0, boot } };
}
