/**
 * A restored chainstate that is in place and has not been confirmed. Settled by whoever holds the journal next (the post
 * step, the restart watchdog, the next run), by one look at a time, as often as it takes: confirmed when the node is well on
 * it, put back on evidence, and else left as it is. Nothing is moved or removed here: evidence is written down, the node
 * stopped, and `recover.ts` puts the old one back.
 */
import { dirname } from "node:path";
import { ActionError, hasCode } from "../domain/errors.ts";
import type { NodeProcess, StartRecipe } from "../domain/start-recipe.ts";
import type { NodeOptions } from "../domain/options.ts";
import type { ExpectedChain, Verdict } from "../domain/verdict.ts";
import type { Clock } from "../system/clock.ts";
import type { Privilege } from "../system/privilege.ts";
import { isAlive } from "../system/proc.ts";
import type { ConfirmRecord, JournalNode } from "./content.ts";
import type { FileOperations } from "./file-operations.ts";
import { noteRecovered, toleratesFullDisk, type Journal } from "./journal.ts";
import { noteNode, noteOwed, noteStopRequested, noteStopTaken } from "./node-account.ts";
import { forgetNotes, partOf, removePlace, tidyPlaceOf, withPlace } from "./place.ts";
import { isPlaceName, setToGo, standing } from "./swap.ts";

interface Started {
  readonly recipe: StartRecipe;
  readonly options: NodeOptions;
  readonly chainstateDir: string;
  readonly privilege: Privilege;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** What settling needs of the node layer. */
export interface NodeJudge {
  /** One look at the node that was started on the restored chainstate. */
  judge(
    request: Started & {
      readonly expected: ExpectedChain;
      readonly startedAtMs: number;
      readonly lowSinceMs: number | undefined;
    },
  ): Promise<Verdict>;
  /** Stops it gracefully, if it runs. NODE_STOP_TIMEOUT: it was told to, and has not ended yet. */
  stop(
    request: Started & {
      found(process: NodeProcess | undefined, recipe: StartRecipe): Promise<void>;
      asking(): Promise<void>;
      taken(): Promise<void>;
    },
  ): Promise<void>;
}

export interface SettleOptions {
  readonly nodes: NodeJudge;
  readonly privilege: Privilege;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/**
 * "confirmed": committed, and never taken back. "against": the node is down, and the old one is to be put back. "stopping":
 * so, when it has ended. "by-hand": a person has moved or removed either directory, so it is that person's affair.
 */
export interface Settled {
  readonly kind: "confirmed" | "against" | "stopping" | "open" | "by-hand";
  /** A sentence without a full stop. */
  readonly why: string;
  readonly isRunning?: boolean;
}

/** Of a swap in step "swapped" whose node was started, or has evidence against it. */
export async function settle(journal: Journal, options: SettleOptions): Promise<Settled> {
  const { swap, confirm, node } = journal.content;
  if (confirm === null || node === null) return { kind: "open", why: "nobody wrote down how to confirm it" };
  if (swap !== null) {
    const is = await standing(swap);
    if (!is.restored || !is.previous)
      return await leaveByHand(journal, is.restored ? swap.aside : swap.target);
  }
  if (confirm.against !== null) return await stopIt(journal, confirm.against, { node, confirm }, options);
  const verdict = await look(journal, { node, confirm }, options);
  if (verdict.kind === "well") {
    const committed = { step: "committed" } as const;
    await journal.update((now) => ({
      ...now,
      confirm: null,
      swap: now.swap && { ...now.swap, ...committed },
      volumeSwap: now.volumeSwap && { ...now.volumeSwap, ...committed },
    }));
    await noteRecovered(journal, `confirmed the restored chainstate: ${verdict.detail}`);
    return { kind: "confirmed", why: verdict.detail };
  }
  if (verdict.kind === "open") {
    await noteLow(journal, confirm, verdict.isLow === true, options.clock);
    return { kind: "open", why: verdict.detail, isRunning: verdict.isRunning };
  }
  const { boot } = journal.content.owner;
  if (verdict.hasEnded && isOther(boot, confirm.boot) && node.wasRunning) {
    await journal.update({ confirm: { ...confirm, boot } });
    await noteOwed(journal);
    return { kind: "open", why: "this host was booted, which ended its node" };
  }
  await journal.update({ confirm: { ...confirm, against: verdict.why } }).catch(toleratesFullDisk);
  await noteRecovered(journal, `found evidence against the restored chainstate: ${verdict.why}`);
  return await stopIt(journal, verdict.why, { node, confirm }, options);
}

/** Before the exchange: by what whoever finds it in place is to confirm it. */
export async function expectConfirmation(
  journal: Journal,
  options: NodeOptions,
  expected: ExpectedChain,
): Promise<void> {
  const { boot } = journal.content.owner;
  await journal.update({ confirm: { options, expected, boot, lowSince: null, against: null } });
}

/** The clock may have been set meanwhile, and is read a moment later. */
const sameBootMs = 60_000;

function isOther(one: ConfirmRecord["boot"], other: ConfirmRecord["boot"]): boolean {
  return one.id !== other.id && Math.abs(Date.parse(one.at) - Date.parse(other.at)) > sameBootMs;
}

/** The run that made it has found evidence itself, or gives it up. */
export async function noteAgainst(journal: Journal, why: string): Promise<void> {
  const { confirm } = journal.content;
  if (confirm === null || confirm.against !== null) return;
  await journal.update({ confirm: { ...confirm, against: why } }).catch(toleratesFullDisk);
}

interface Account {
  readonly node: JournalNode;
  readonly confirm: ConfirmRecord;
}

async function look(
  { content }: Journal,
  { node, confirm }: Account,
  { nodes, ...options }: SettleOptions,
): Promise<Verdict> {
  const { chainstateDir } = content;
  try {
    return await nodes.judge({
      ...options,
      recipe: node.recipe,
      options: confirm.options,
      chainstateDir,
      expected: confirm.expected,
      startedAtMs: Date.parse(node.startRequestedAt ?? content.openedAt),
      lowSinceMs: confirm.lowSince === null ? undefined : Date.parse(confirm.lowSince),
    });
  } catch (error) {
    // What cannot be looked at (a right that is missing, two who have it open) is not known.
    if (!(error instanceof ActionError) || options.signal.aborted) throw error;
    return { kind: "open", detail: error.message.replace(/\.$/, ""), isRunning: false };
  }
}

async function noteLow(
  journal: Journal,
  confirm: ConfirmRecord,
  isLow: boolean,
  clock: Clock,
): Promise<void> {
  if (isLow === (confirm.lowSince !== null)) return;
  const lowSince = isLow ? new Date(clock.now()).toISOString() : null;
  await journal.update({ confirm: { ...confirm, lowSince } });
}

/** The old one can be put back when nothing of the node is left. */
async function stopIt(
  journal: Journal,
  why: string,
  { node, confirm }: Account,
  { nodes, ...options }: SettleOptions,
): Promise<Settled> {
  const stopping: Settled = { kind: "stopping", why, isRunning: true };
  if (node.mustStart && node.stopTakenAt !== null && node.process !== null && isAlive(node.process))
    return stopping;
  let isTold = false;
  try {
    await nodes.stop({
      ...options,
      recipe: node.recipe,
      options: confirm.options,
      chainstateDir: journal.content.chainstateDir,
      found: async (process, recipe) => {
        const { wasRunning, stopTimeoutMs } = node;
        await noteNode(journal, { wasRunning, recipe, process, stopTimeoutMs });
      },
      asking: async () => await noteStopRequested(journal, options.clock),
      taken: async () => {
        isTold = true;
        await noteStopTaken(journal, options.clock);
      },
    });
  } catch (error) {
    if (hasCode(error, "NODE_STOP_TIMEOUT")) return stopping;
    // How it ends does not matter: what it worked on is put away.
    if (!hasCode(error, "NODE_STOP_UNCLEAN")) throw error;
  }
  if (!isTold) await noteOwed(journal).catch(toleratesFullDisk);
  return { kind: "against", why };
}

async function leaveByHand(journal: Journal, place: string): Promise<Settled> {
  const why = `what the restore had put at ${place} is not there any more: somebody has moved or removed it`;
  const { swap } = journal.content;
  await journal.update((now) => ({
    ...now,
    swap: null,
    volumeSwap: null,
    confirm: null,
    places: swap === null ? now.places : withPlace(now.places, swap.place),
  }));
  if (swap !== null) await forgetNotes(dirname(journal.path), swap.staging);
  await noteRecovered(journal, `left both directories as they are; ${why}`);
  return { kind: "by-hand", why };
}

/** What becomes of the old chainstate of a swap that was closed. */
interface Closed {
  /** On the list of what is to be removed, with the old one or without; see `place.ts`. */
  readonly goes?: string;
  /** The old one was found there, and goes with it. */
  readonly old?: string;
  /** Why the old one stays, a sentence. */
  readonly kept?: string;
}

/** Closes a committed swap: the old directory goes on the list of what is to be removed, if it is the old one still. */
export async function closeCommitted(journal: Journal, files: FileOperations): Promise<Closed> {
  const { swap } = journal.content;
  if (swap === null) return {};
  const { place, keepPrevious, hadTarget, aside } = swap;
  let closed: Closed = { goes: place };
  if (!keepPrevious && hadTarget) {
    try {
      await setToGo(swap, files);
      closed = { goes: place, old: aside };
    } catch (error) {
      const isOther = hasCode(error, "SWAP_CONFLICT") || hasCode(error, "PATH_EXCHANGED");
      if (!isOther || !(error instanceof ActionError)) throw error;
      closed = { ...closed, kept: `${error.message} Nothing is removed.` };
    }
  }
  await journal.update((now) => ({
    ...now,
    swap: null,
    confirm: null,
    inPlace: "new",
    staging: [...new Set([...now.staging, place])],
  }));
  return closed;
}

/** Removes a place that holds nothing any more, or never did, and strikes it. */
export async function tidyPlace(journal: Journal, place: string, files: FileOperations): Promise<void> {
  await tidyPlaceOf(partOf(place, "tree"), files);
  await journal.update((now) => ({ ...now, places: now.places.filter((other) => other !== place) }));
}

/** Removes a directory that the journal lists as one to be removed, and strikes it. */
export async function removeStaged(
  journal: Journal,
  directory: string,
  files: FileOperations,
): Promise<void> {
  const { chainstateDir } = journal.content;
  // The one that replaced it has to be on disk before an old chainstate goes; none does where there is none.
  if (isPlaceName(directory) && (await files.exists(chainstateDir)))
    await files.syncFileSystem(chainstateDir);
  await (isPlaceName(directory) ? removePlace(directory, files) : files.removeTree(directory));
  await tidyPlaceOf(directory, files);
  // What was noted of it, as of one that nothing goes on with any more.
  await forgetNotes(dirname(journal.path), partOf(directory, "tree"));
  await journal.update((now) => ({ ...now, staging: now.staging.filter((other) => other !== directory) }));
}
