/**
 * A copy of a chainstate that stands still, for programs that write to it. Made by the user who will run them, so that no link
 * in the directory leads root anywhere; blocks are shared where the file system can. The journal knows of it, so that
 * whatever ends this run, nothing is left.
 */
import { chmod, mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { canShare } from "../../cache/clone.ts";
import { databases } from "../../chainstate/layout.ts";
import type { SudoMode } from "../../domain/options.ts";
import { ActionError } from "../../domain/errors.ts";
import { placesOnSameFileSystem, scratchName } from "../../freeze/scratch.ts";
import { describeHolders, listChainstateFiles, requireSeen, scanHolders } from "../../node/holders.ts";
import { argvAs, openWay, type ProgramUser } from "../../node/programs/as-user.ts";
import type { ContainersOfRun } from "../../node/programs/runner.ts";
import type { Journal } from "../../recovery/journal.ts";
import { canonicalPath } from "../../recovery/state-directory.ts";
import { queryOk, runOk } from "../../system/exec.ts";
import { requireSpace } from "../../system/space.ts";
import type { RunContext } from "../context.ts";
import { withJournal } from "../run/journal.ts";

/** Left free for everybody else, and for what the programs write. */
const reserveBytes = 1024 ** 3;

export interface WorkPlace {
  /** By which the next run finds what this one left, and on which two do not work at once. */
  readonly key: string;
  readonly directory: string;
  readonly sudo: SudoMode;
  /** What may go on after a run that is killed. */
  readonly containers: readonly ContainersOfRun[];
}

/** Runs `work` in a directory that is gone afterwards, however it ends. */
export async function withNotedDirectory<T>(
  ctx: RunContext,
  { key, directory, sudo, containers }: WorkPlace,
  work: (directory: string) => Promise<T>,
): Promise<T> {
  return await withJournal(ctx, { chainstateDir: key, command: "verify", sudo }, async (journal) => {
    await noteTrial(journal, directory, containers);
    await mkdir(directory, { mode: 0o700 });
    return await work(directory);
  });
}

/** So that whoever finds this run ended ends its programs and removes what they work on. */
export async function noteTrial(
  journal: Journal,
  directory: string,
  containers: readonly ContainersOfRun[],
): Promise<void> {
  await journal.update((now) => ({
    ...now,
    containers: [...now.containers, ...containers],
    staging: [...now.staging, directory],
  }));
}

/** For the copy of an archive: on the disk of this job's scratch. */
export async function placeInTemp(
  ctx: RunContext,
  sudo: SudoMode,
  containers: readonly ContainersOfRun[],
): Promise<WorkPlace> {
  return { key: dirname(ctx.host.tempDir), directory: await trialDirectory(ctx), sudo, containers };
}

/** Canonical, as what a journal names for removal: no link on the way there is followed then. */
export async function trialDirectory({ host }: RunContext): Promise<string> {
  return join(await canonicalPath(host.tempDir), "trial");
}

/** SPACE_MISSING. Asked before anything is checked, sent or fetched: to say it afterwards would cost hours. */
export async function requireTrialSpace(
  { host }: RunContext,
  sizeBytes: number,
  purpose: string,
): Promise<void> {
  await requireSpace(host.tempDir, sizeBytes + reserveBytes, purpose);
}

export interface CopyPlace {
  readonly directory: string;
  readonly user: ProgramUser;
  readonly sudo: SudoMode;
  readonly containers: readonly ContainersOfRun[];
}

/** `work` gets the copy's mode directory, and the directory around it. DIRECTORY_IN_USE. `directory`: see `chooseDirectory`. */
export async function withCopyOf(
  ctx: RunContext,
  chainstateDir: string,
  { directory, user, sudo, containers }: CopyPlace,
  work: (copy: { readonly dir: string; readonly work: string; readonly within: string }) => Promise<void>,
): Promise<void> {
  await withNotedDirectory(ctx, { key: chainstateDir, directory, sudo, containers }, async () => {
    const isInTemp = directory === (await trialDirectory(ctx));
    const within = isInTemp ? dirname(directory) : directory;
    const home = join(directory, "node");
    await mkdir(home, { mode: 0o700 });
    await letIn(ctx, user, home);
    if (within === directory) await chmod(directory, 0o711);
    await openWay(user, home, within);
    const dir = join(home, "copy");
    await requireUnused(ctx, chainstateDir, sudo);
    await copyTree(ctx, user, chainstateDir, dir);
    await requireUnused(ctx, chainstateDir, sudo);
    await work({ dir, work: directory, within });
  });
}

/** Where the copy goes: beside the chainstate where blocks can be shared there; else in the scratch. SPACE_MISSING. */
export async function chooseDirectory(
  ctx: RunContext,
  chainstateDir: string,
  user: ProgramUser,
): Promise<string> {
  const { host, signal } = ctx;
  const [beside] = (await placesOnSameFileSystem(chainstateDir)).filter((place) => place !== chainstateDir);
  const file = join(chainstateDir, databases.burnchain);
  if (await canShare(file, host.tempDir)) return await trialDirectory(ctx);
  if (beside !== undefined && (await canShare(file, beside)))
    return join(await canonicalPath(beside), `${scratchName(host.runId)}-trial`);
  const files = await listChainstateFiles(chainstateDir, signal);
  const counted = files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const walked = await queryOk(
    argvAs(user, "/", ["du", "--summarize", "--bytes", "--dereference", "--", chainstateDir]),
    { timeoutMs: 30 * 60_000 },
  ).catch(() => "");
  const needBytes = Math.max(counted, Number(/^\d+/.exec(walked)?.[0] ?? 0));
  await requireTrialSpace(ctx, needBytes, "copy the chainstate for the node's programs");
  return await trialDirectory(ctx);
}

/** What somebody writes to cannot be copied at one moment. DIRECTORY_IN_USE. */
export async function requireUnused(ctx: RunContext, chainstateDir: string, sudo: SudoMode): Promise<void> {
  const scan = await scanHolders(chainstateDir, ctx.privilege(sudo), ctx.signal);
  if (scan.holders.length === 0) return requireSeen(scan, chainstateDir);
  throw new ActionError(
    "DIRECTORY_IN_USE",
    `${chainstateDir} is in use, so it cannot be copied for the node's programs: ${describeHolders(scan.holders)}.`,
    { hint: "Take a snapshot of the running node, and verify that. Nothing was changed." },
  );
}

const longMs = 24 * 3600_000;

async function letIn({ signal }: RunContext, { uid, gid }: ProgramUser, directory: string): Promise<void> {
  if (uid === process.geteuid?.()) return;
  await runOk(["chown", "--no-dereference", `${uid}:${gid}`, "--", directory], { signal, timeoutMs: 60_000 });
}

async function copyTree(ctx: RunContext, user: ProgramUser, from: string, to: string): Promise<void> {
  const copy = ["cp", "--recursive", "--dereference", "--preserve=mode,timestamps", "--reflink=auto"];
  const argv = [...copy, "--no-target-directory", "--", from, to];
  // Of a directory that is root's own the owner is nobody, who may not read it; and nobody but root put links there.
  const isRoots = process.geteuid?.() === 0 && user.uid === 65_534;
  await runOk(isRoots ? argv : argvAs(user, "/", argv), { signal: ctx.signal, timeoutMs: longMs });
}
