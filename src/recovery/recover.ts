/**
 * Brings back what a dead or failed run left: first the directory, then the node. The one mechanism behind the run's own
 * `finally`, the post step, the dead man's switch, the hook and the next run; safe to repeat, and each call does as much
 * as can be done at that moment. It removes nothing: uploads, frozen views, volumes and old directories are cleaned by the
 * action afterwards, when the node runs.
 */
import { ActionError } from "../errors.ts";
import type { StartRecipe } from "../node/recipe.ts";
import type { Clock } from "../system/clock.ts";
import { isAlive } from "../system/proc.ts";
import type { Privilege } from "../system/privilege.ts";
import type {
  JournalContent,
  JournalNode,
  JournalUndoStep,
  SwapRecord,
  VolumeSwapRecord,
} from "./content.ts";
import { fileOperations } from "./file-operations.ts";
import { toleratesFullDisk, type Journal } from "./journal.ts";
import { noteStartRequested, noteStarted } from "./node-account.ts";
import { rollBack } from "./swap.ts";

/** What recovery needs of the node room. */
export interface NodeReviver {
  /** Starts it unless it runs, and takes our drop-in away. A stop that the supervisor still works on is waited for. */
  start(
    recipe: StartRecipe,
    privilege: Privilege,
    signal: AbortSignal,
  ): Promise<"started" | "already-running" | "nothing-to-start">;
  /** True when any process has files below the directory open. */
  isInUse(chainstateDir: string, privilege: Privilege, signal: AbortSignal): Promise<boolean>;
}

/** What recovery needs of the volume room. */
export interface VolumeReviver {
  /** Does the steps from whatever point; twice is no error. Returns what was done, in words. */
  undo(steps: readonly JournalUndoStep[], privilege: Privilege): Promise<readonly string[]>;
}

export interface RecoverOptions {
  readonly privilege: Privilege;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly nodes: NodeReviver;
  readonly volumes: VolumeReviver;
  /** Only directories are seen to: at boot, where the supervisor itself starts the node right after. */
  readonly swapOnly?: boolean;
}

export interface Recovery {
  /**
   * "kept": the restored chainstate is in place and a node runs on it, but nobody has proved it healthy: the action has
   * to judge it. "completed": it was proved healthy before.
   */
  readonly swap: "none" | "rolled-back" | "kept" | "completed";
  /** "stopping": the old process still ends; call again. "was-down": it was not running before and stays down. "left": not looked at. */
  readonly node: "left" | "no-need" | "was-down" | "running" | "started" | "stopping";
}

/** True when `recover` would change something: half a swap, or a node that was running and has not been started again. */
export function needsRecovery(content: JournalContent): boolean {
  const swaps = [content.swap, content.volumeSwap];
  const swapOpen = swaps.some((swap) => swap !== null && swap.step !== "proved");
  return content.undo.length > 0 || swapOpen || (content.node?.mustStart === true && content.node.wasRunning);
}

/**
 * One attempt. Errors: NODE_RUNS_DURING_SWAP, SWAP_CONFLICT, SWAP_LOST, and what the node's start says. The journal is
 * up to date after each thing done, so a later attempt goes on from there.
 */
export async function recover(journal: Journal, options: RecoverOptions): Promise<Recovery> {
  await undoAtOnce(journal, options);
  const swap = await recoverSwap(journal, options);
  return { swap, node: options.swapOnly === true ? "left" : await recoverNode(journal, options) };
}

/** Repeats `recover` while the old process is still ending, at most until the stop's own deadline has passed. */
export async function recoverFully(journal: Journal, options: RecoverOptions): Promise<Recovery> {
  for (;;) {
    const recovery = await recover(journal, options);
    if (recovery.node !== "stopping") return recovery;
    await options.clock.sleep(1_000, options.signal);
  }
}

/** A file system that is frozen keeps everybody from writing, the node and whoever proves it down included. */
async function undoAtOnce(journal: Journal, options: RecoverOptions): Promise<void> {
  const { undo } = journal.content;
  if (undo.length === 0) return;
  const done = await options.volumes.undo(undo, options.privilege);
  await journal.update({ undo: [] });
  await note(journal, done.join(", "));
}

async function recoverSwap(journal: Journal, options: RecoverOptions): Promise<Recovery["swap"]> {
  const { swap, volumeSwap } = journal.content;
  const open = swap ?? volumeSwap;
  if (open === null) return "none";
  if (open.step === "proved") return "completed";
  if (await runsNow(journal.content, options)) {
    if (open.step === "swapped") return "kept";
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
  return "rolled-back";
}

const settleMs = 5_000;

/** A start asked for just before the run died may still take effect: then it is looked once more before anything moves. */
async function runsNow({ node, chainstateDir }: JournalContent, options: RecoverOptions): Promise<boolean> {
  const isInUse = async (): Promise<boolean> =>
    await options.nodes.isInUse(chainstateDir, options.privilege, options.signal);
  if (await isInUse()) return true;
  if (node === null || node.startRequestedAt === null) return false;
  await options.clock.sleep(settleMs, options.signal);
  return await isInUse();
}

async function rollBackSwap(journal: Journal, swap: SwapRecord, options: RecoverOptions): Promise<void> {
  const files = fileOperations(options.privilege, options.signal);
  // What was taken out again may have been worked on: of no use to anybody, and as large as a chainstate.
  await journal
    .update((now) => ({ ...now, staging: [...new Set([...now.staging, swap.staging])] }))
    .catch(toleratesFullDisk);
  await rollBack(swap, async (next) => await journal.update({ swap: next }), files);
  await note(journal, `put the old directory ${swap.target} back`);
}

async function putVolumesBack(
  journal: Journal,
  swap: VolumeSwapRecord,
  options: RecoverOptions,
): Promise<void> {
  const done = await options.volumes.undo(swap.undo, options.privilege);
  await journal.update({ volumeSwap: null });
  await note(journal, done.join(", "));
}

async function recoverNode(journal: Journal, options: RecoverOptions): Promise<Recovery["node"]> {
  const node = journal.content.node;
  if (node === null) return "no-need";
  if (!node.wasRunning) return "was-down";
  if (!node.mustStart) return "no-need";
  const mayStop = mayStillStop(node, options.clock);
  // systemd is asked all the same: it queues the start behind the stop, and then needs nobody who waits.
  if (mayStop && node.recipe.manager !== "systemd") return "stopping";
  await awaitLaunched(node, journal.content.chainstateDir, options);
  // A node that cannot be noted on a full disk is started all the same: a second start finds it running.
  await noteStartRequested(journal, options.clock).catch(toleratesFullDisk);
  const how = await options.nodes.start(node.recipe, options.privilege, options.signal);
  if (mayStop && how === "already-running") return "stopping";
  await noteStarted(journal);
  if (how === "nothing-to-start") return "no-need";
  await note(journal, how === "started" ? "started the node" : "found the node running");
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
  const settledAt = Date.parse(startRequestedAt) + settleMs;
  while (clock.now() < settledAt && !(await nodes.isInUse(chainstateDir, privilege, signal))) {
    await clock.sleep(lookMs, signal);
  }
}

/** A request to a supervisor that tells of a stop under way is on its way for no longer than `query` allows it. */
const requestMs = 35_000;

/**
 * True while the very process that was to be stopped still lives and the request to stop may yet reach it or take effect:
 * it may be gone in a moment. When that time is up it is a node that was never stopped.
 */
function mayStillStop(node: JournalNode, clock: Clock): boolean {
  if (node.process === null || node.stopRequestedAt === null) return false;
  const limitMs = node.recipe.manager === "systemd" ? requestMs : node.stopTimeoutMs;
  return clock.now() < Date.parse(node.stopRequestedAt) + limitMs && isAlive(node.process);
}

async function note(journal: Journal, did: string): Promise<void> {
  await journal.update((now) => ({
    ...now,
    recovered: [...now.recovered, { at: new Date().toISOString(), by: now.owner.role, did }],
  }));
}
