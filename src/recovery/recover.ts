/**
 * Brings back what a dead or failed run left: first the directory, then the node. The one mechanism behind the run's own
 * `finally`, the post step, the restart watchdog, the hook and the next run; safe to repeat, and each call does as much
 * as can be done at that moment. It removes nothing: uploads, frozen views, volumes and old directories are cleaned by the
 * action afterwards, when the node runs; or, old directories, by `tryPutAway`.
 */
import { ActionError, describeError } from "../domain/errors.ts";
import type { StartRecipe } from "../domain/start-recipe.ts";
import type { Clock } from "../system/clock.ts";
import { poll } from "../system/poll.ts";
import { isAlive } from "../system/proc.ts";
import type { Privilege } from "../system/privilege.ts";
import type {
  JournalContent,
  JournalNode,
  JournalRole,
  JournalUndoStep,
  SwapRecord,
  VolumeSwapRecord,
} from "./content.ts";
import { fileOperations, type FileOperations } from "./file-operations.ts";
import { noteRecovered, toleratesFullDisk, type Journal } from "./journal.ts";
import { noteStartRequested, noteStarted } from "./node-account.ts";
import { tidyPlaceOf } from "./place.ts";
import { closeCommitted, removeStaged, settle, tidyPlace, type NodeJudge } from "./settle.ts";
import { rollBack } from "./swap.ts";

/** What recovery needs of the node layer. */
export interface NodeStarter extends NodeJudge {
  /** Starts it unless it runs, and takes our drop-in away. A stop that the supervisor still works on is waited for. */
  start(
    recipe: StartRecipe,
    privilege: Privilege,
    signal: AbortSignal,
  ): Promise<"started" | "already-running" | "nothing-to-start" | "stopping">;
  /** True when any process has files below the directory open. */
  readonly isInUse: (chainstateDir: string, privilege: Privilege, signal: AbortSignal) => Promise<boolean>;
}

/** What recovery needs of the volume layer. */
export interface VolumeRecovery {
  /** Does the steps from whatever point; twice is no error. Returns what was done, in words. */
  undo(steps: readonly JournalUndoStep[], privilege: Privilege): Promise<readonly string[]>;
}

export interface RecoverOptions {
  readonly privilege: Privilege;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly nodes: NodeStarter;
  readonly volumes: VolumeRecovery;
  readonly files?: (privilege: Privilege, signal: AbortSignal) => FileOperations;
  /** Only directories are seen to: at boot, where the supervisor itself starts the node right after. */
  readonly swapOnly?: boolean;
}

export interface Recovery {
  /**
   * "unconfirmed": the restored chainstate is in place, and there is neither confirmation nor evidence against it: call
   * again. "completed": it is confirmed. "by-hand": a person has taken the directories over.
   */
  readonly swap: "none" | "rolled-back" | "unconfirmed" | "completed" | "by-hand";
  /** "stopping": the old process still ends; call again. "was-down": it was not running before and stays down. "left": not looked at. */
  readonly node: "left" | "no-need" | "was-down" | "running" | "started" | "stopping";
  /** What was seen of a restored node, or of its directories: a sentence without a full stop. */
  readonly why?: string;
}

/** True when `recover` would change something: half a swap, or a node that was running and has not been started again. */
export function needsRecovery(content: JournalContent): boolean {
  const swaps = [content.swap, content.volumeSwap];
  const swapOpen = swaps.some((swap) => swap !== null && swap.step !== "committed");
  return content.undo.length > 0 || swapOpen || (content.node?.mustStart === true && content.node.wasRunning);
}

/**
 * One attempt. Errors: NODE_RUNS_DURING_SWAP, SWAP_CONFLICT, SWAP_LOST, and what the node's start says. The journal is
 * up to date after each thing done, so a later attempt goes on from there.
 */
export async function recover(journal: Journal, options: RecoverOptions): Promise<Recovery> {
  await undoAtOnce(journal, options);
  const { swap, why, node: seen } = await recoverSwap(journal, options);
  const told = why === undefined ? {} : { why };
  // Started again only when the old one is back in its place.
  if (seen === "stopping") return { swap, node: seen, ...told };
  const node = options.swapOnly === true ? "left" : await recoverNode(journal, options);
  return { swap, node: seen !== undefined && node === "no-need" ? seen : node, ...told };
}

/**
 * Repeats `recover` while the old process is still ending, or a restored node has time left to start, for at most
 * `patienceMs`: then the answer is "stopping", or "unconfirmed".
 */
export async function recoverFully(
  journal: Journal,
  options: RecoverOptions,
  patienceMs = Infinity,
): Promise<Recovery> {
  let last: Recovery | undefined;
  const { clock, signal } = options;
  const done = await poll({ everyMs: 1_000, limitMs: patienceMs, signal, clock }, async () => {
    last = await recover(journal, options);
    return last.node === "stopping" || isStarting(journal, last, clock) ? undefined : last;
  });
  return done ?? last ?? { swap: "none", node: "stopping" };
}

/**
 * For those who have time: the old directory of a restore that is confirmed goes, and a place that one had no time to put
 * anything into. What cannot be removed stays in the journal, for the next run. Returns what was done, or not, in sentences.
 */
export async function tryPutAway(journal: Journal, options: RecoverOptions): Promise<readonly string[]> {
  const { swap } = journal.content;
  const files = filesOf(options);
  if (swap === null) return await tidyPlaces(journal, files);
  if (swap.step !== "committed") return [];
  const { goes, old, kept } = await closeCommitted(journal, files);
  const said = kept === undefined ? [] : [kept];
  if (goes === undefined) return said;
  try {
    await removeStaged(journal, goes, files);
    if (old === undefined) return said;
    await noteRecovered(journal, `removed the old chainstate ${old}`);
    return [...said, `The old chainstate ${old} is removed.`];
  } catch (error) {
    return [...said, `${goes} is not removed; the next run tries again: ${describeError(error)}`];
  }
}

async function tidyPlaces(journal: Journal, files: FileOperations): Promise<readonly string[]> {
  const said: string[] = [];
  for (const place of journal.content.places) {
    try {
      await tidyPlace(journal, place, files);
    } catch (error) {
      said.push(`${place} is not removed; the next run tries again: ${describeError(error)}`);
    }
  }
  return said;
}

function isStarting({ content }: Journal, { swap }: Recovery, clock: Clock): boolean {
  const { confirm, node } = content;
  if (swap !== "unconfirmed" || confirm === null || !node?.startRequestedAt) return false;
  return clock.now() < Date.parse(node.startRequestedAt) + confirm.options.startTimeoutMs;
}

/** A file system that is frozen keeps everybody from writing, the node and the check that it has stopped included. */
async function undoAtOnce(journal: Journal, options: RecoverOptions): Promise<void> {
  const { undo } = journal.content;
  if (undo.length === 0) return;
  const done = await options.volumes.undo(undo, options.privilege);
  await journal.update({ undo: [] });
  await noteRecovered(journal, done.join(", "));
}

interface RecoveredSwap extends Pick<Recovery, "swap" | "why"> {
  /** What was seen of the node. */
  readonly node?: "running" | "stopping";
}

async function recoverSwap(journal: Journal, options: RecoverOptions): Promise<RecoveredSwap> {
  const { swap, volumeSwap } = journal.content;
  const open = swap ?? volumeSwap;
  if (open === null) return { swap: "none" };
  if (open.step === "committed") return { swap: "completed" };
  let seen: Pick<Recovery, "why"> = {};
  if (open.step === "swapped" && (await isOnIt(journal.content, options))) {
    if (options.swapOnly === true && journal.content.confirm?.against === null)
      return { swap: "unconfirmed" };
    const { kind, why, isRunning } = await settle(journal, options);
    seen = { why };
    if (kind === "confirmed") return { swap: "completed", why, node: "running" };
    if (kind === "by-hand") {
      if (swap !== null) await tidyPlaceOf(swap.staging, filesOf(options));
      return { swap: "by-hand", why };
    }
    if (kind === "stopping") return { swap: "unconfirmed", why, node: "stopping" };
    if (kind === "open")
      return { swap: "unconfirmed", why, ...(isRunning === true ? { node: "running" } : {}) };
  }
  if (await runsNow(journal.content, options)) {
    const old = swap === null ? "on the old volume" : `in ${swap.aside}`;
    throw new ActionError(
      "NODE_RUNS_DURING_SWAP",
      `The node runs although the swap of ${open.target} is only half done, so it cannot be taken back.`,
      {
        hint: `Stop the node; then the old chainstate ${old} is put back and the node started on it.`,
      },
    );
  }
  if (swap !== null) await rollBackSwap(journal, swap, options);
  if (volumeSwap !== null) await putVolumesBack(journal, volumeSwap, options);
  return { swap: "rolled-back", ...seen };
}

/** Its node was started on it, by the run or by anybody; or there is evidence against it already. */
async function isOnIt(content: JournalContent, options: RecoverOptions): Promise<boolean> {
  if (content.confirm !== null && content.confirm.against !== null) return true;
  return (content.node?.startRequestedAt ?? null) !== null || (await runsNow(content, options));
}

const settleMs = 5_000;

/** A start asked for just before the run died may still take effect: then it is looked once more before anything moves. */
async function runsNow({ node, chainstateDir }: JournalContent, options: RecoverOptions): Promise<boolean> {
  const isInUse = async (): Promise<boolean> =>
    await options.nodes.isInUse(chainstateDir, options.privilege, options.signal);
  const limitMs = node === null || node.startRequestedAt === null ? 0 : settleMs;
  const { clock, signal } = options;
  // At once and at the end: a scan of all processes is not made more often than needed.
  const seen = await poll({ everyMs: settleMs, limitMs, clock, signal }, async () =>
    (await isInUse()) ? true : undefined,
  );
  return seen === true;
}

function filesOf({ files = fileOperations, privilege, signal }: RecoverOptions): FileOperations {
  return files(privilege, signal);
}

async function rollBackSwap(journal: Journal, swap: SwapRecord, options: RecoverOptions): Promise<void> {
  const files = filesOf(options);
  // What was taken out again may have been worked on: as large as a chainstate, and of no use without digests.
  if (!swap.keepStaging)
    await journal
      .update((now) => ({ ...now, staging: [...new Set([...now.staging, swap.place])] }))
      .catch(toleratesFullDisk);
  const inPlace = swap.hadTarget ? "old" : "nothing";
  const record = async (next: SwapRecord | null): Promise<void> =>
    await journal.update(next === null ? { swap: null, confirm: null, inPlace } : { swap: next });
  await rollBack(swap, record, files);
  await noteRecovered(journal, `put the old directory ${swap.target} back`);
}

async function putVolumesBack(
  journal: Journal,
  swap: VolumeSwapRecord,
  options: RecoverOptions,
): Promise<void> {
  const done = await options.volumes.undo(swap.undo, options.privilege);
  await journal.update({ volumeSwap: null, confirm: null, inPlace: "old" });
  await noteRecovered(journal, done.join(", "));
}

async function recoverNode(journal: Journal, options: RecoverOptions): Promise<Recovery["node"]> {
  const node = journal.content.node;
  if (node === null) return "no-need";
  if (!node.wasRunning) return "was-down";
  if (!node.mustStart) return "no-need";
  const mayStop = mayStillStop(node, journal.content.owner.role, options.clock);
  // systemd is asked all the same: it tells of a stop under way.
  if (mayStop && node.recipe.manager !== "systemd") return "stopping";
  await awaitLaunched(node, journal.content.chainstateDir, options);
  // A node that cannot be noted on a full disk is started all the same: a second start finds it running.
  await noteStartRequested(journal, options.clock).catch(toleratesFullDisk);
  const how = await options.nodes.start(node.recipe, options.privilege, options.signal);
  if (how === "stopping" || (mayStop && how === "already-running")) return "stopping";
  await noteStarted(journal);
  if (how === "nothing-to-start") return "no-need";
  await noteRecovered(journal, how === "started" ? "started the node" : "found the node running");
  return how === "started" ? "started" : "running";
}

const lookMs = 200;

/**
 * What another has launched a moment ago may still be a shell on its way to becoming the node: nobody would know it as
 * one, and a second would be started on the same directory. A supervisor knows what it has started.
 */
async function awaitLaunched(
  { recipe, startRequestedAt }: JournalNode,
  chainstateDir: string,
  { clock, nodes, privilege, signal }: RecoverOptions,
): Promise<void> {
  if (startRequestedAt === null || recipe.manager === "systemd" || recipe.manager === "docker") return;
  const limitMs = Date.parse(startRequestedAt) + settleMs - clock.now();
  if (limitMs <= 0) return;
  await poll({ everyMs: lookMs, limitMs, clock, signal }, async () =>
    (await nodes.isInUse(chainstateDir, privilege, signal)) ? true : undefined,
  );
}

/** A request that was about to be made is on its way for no longer than `query` allows it. */
const requestMs = 35_000;

/**
 * True while the very process that was to be stopped still lives and was asked, or may yet be asked by what the dead run had
 * begun. A node that was asked is waited for as long as it takes: a second one beside it would destroy the chainstate. One
 * of which it is not known is taken for running after a moment; the watchdog, who keeps nobody waiting, looks for longer.
 */
function mayStillStop(node: JournalNode, role: JournalRole, clock: Clock): boolean {
  const { process, stopRequestedAt, stopTakenAt, stopTimeoutMs, recipe } = node;
  if (process === null || stopRequestedAt === null || !isAlive(process)) return false;
  const isTold = recipe.manager === "systemd";
  if (stopTakenAt !== null && !isTold) return true;
  const limitMs = role === "watchdog" && !isTold ? stopTimeoutMs : requestMs;
  return clock.now() < Date.parse(stopRequestedAt) + limitMs;
}
