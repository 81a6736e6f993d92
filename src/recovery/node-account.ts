/**
 * The journal's account of the node, in the order in which a run calls these: each is written down before the thing
 * itself is done, so that whoever finds the journal knows the worst that may have happened.
 */
import type { NodeProcess } from "../domain/start-recipe.ts";
import type { StartRecipe } from "../domain/start-recipe.ts";
import type { Clock } from "../system/clock.ts";
import type { JournalNode } from "./content.ts";
import type { Journal } from "./journal.ts";

/**
 * At preflight: how it was found, and how it is brought back. Of a process that an earlier run told to stop, that stays
 * known.
 */
export async function noteNode(
  journal: Journal,
  found: {
    readonly wasRunning: boolean;
    readonly recipe: StartRecipe;
    readonly process: NodeProcess | undefined;
    readonly stopTimeoutMs: number;
  },
): Promise<void> {
  const process = found.process ?? null;
  const fresh = { mustStart: false, stopRequestedAt: null, stopTakenAt: null, startRequestedAt: null };
  await journal.update((now) => {
    const before = now.node;
    if (before?.mustStart !== true || !isSame(before.process, process))
      return { ...now, node: { ...found, process, ...fresh } };
    // One that has ended meanwhile can be asked for nothing any more.
    const recipe = found.recipe.manager === "none" ? before.recipe : found.recipe;
    return { ...now, node: { ...before, ...found, recipe, process } };
  });
}

function isSame(one: NodeProcess | null, other: NodeProcess | null): boolean {
  return one?.pid === other?.pid && one?.startTicks === other?.startTicks;
}

/** Right before the request to stop: from here on a node that was running has to be started by whoever is left. */
export async function noteStopRequested(journal: Journal, clock: Clock): Promise<void> {
  const at = new Date(clock.now()).toISOString();
  await change(journal, (node) => ({
    ...node,
    mustStart: node.wasRunning,
    stopRequestedAt: at,
    // Told once is told, whatever comes of the second time.
    stopTakenAt: node.mustStart ? node.stopTakenAt : null,
    startRequestedAt: null,
  }));
}

/** The request to stop has been made. */
export async function noteStopTaken(journal: Journal, clock: Clock): Promise<void> {
  const at = new Date(clock.now()).toISOString();
  await change(journal, (node) => ({ ...node, stopTakenAt: node.stopTakenAt ?? at }));
}

/** The request was made and failed: whether it had an effect is not known. */
export async function noteStopUncertain(journal: Journal): Promise<void> {
  await change(journal, (node) => ({ ...node, stopTakenAt: null }));
}

/** The node was not asked after all: nobody has to wait for its end, and nobody owes it a start. */
export async function noteNotAsked(journal: Journal): Promise<void> {
  await change(journal, (node) => ({ ...node, mustStart: false, stopRequestedAt: null, stopTakenAt: null }));
}

/** Just before a start. */
export async function noteStartRequested(journal: Journal, clock: Clock): Promise<void> {
  const at = new Date(clock.now()).toISOString();
  await change(journal, (node) => ({ ...node, startRequestedAt: at }));
}

/** It has ended by itself, and is started again by whoever is left; one that was down before the run stays so. */
export async function noteOwed(journal: Journal): Promise<void> {
  await change(journal, (node) => ({
    ...node,
    mustStart: node.wasRunning,
    process: null,
    stopTakenAt: null,
    startRequestedAt: null,
  }));
}

/** The start has succeeded: nobody has to start it again. */
export async function noteStarted(journal: Journal): Promise<void> {
  await change(journal, (node) => ({ ...node, mustStart: false }));
}

async function change(journal: Journal, edit: (node: JournalNode) => JournalNode): Promise<void> {
  await journal.update((now) => (now.node === null ? now : { ...now, node: edit(now.node) }));
}
