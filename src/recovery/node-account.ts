/**
 * The journal's account of the node, in the order in which a run calls these: each is written down before the thing
 * itself is done, so that whoever finds the journal knows the worst that may have happened.
 */
import type { NodeProcess } from "../node/port.ts";
import type { StartRecipe } from "../node/recipe.ts";
import type { Clock } from "../system/clock.ts";
import type { JournalNode } from "./content.ts";
import type { Journal } from "./journal.ts";

/** At preflight: how it was found, and how it is brought back. */
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
  await journal.update({
    node: { ...found, process, mustStart: false, stopRequestedAt: null, startRequestedAt: null },
  });
}

/** Just before the stop: from here on a node that was running has to be started by whoever is left. */
export async function noteStopRequested(journal: Journal, clock: Clock): Promise<void> {
  const at = new Date(clock.now()).toISOString();
  await change(journal, (node) => ({
    ...node,
    mustStart: node.wasRunning,
    stopRequestedAt: at,
    startRequestedAt: null,
  }));
}

/** Just before a start. */
export async function noteStartRequested(journal: Journal, clock: Clock): Promise<void> {
  const at = new Date(clock.now()).toISOString();
  await change(journal, (node) => ({ ...node, startRequestedAt: at }));
}

/** The start has succeeded: nobody has to start it again. */
export async function noteStarted(journal: Journal): Promise<void> {
  await change(journal, (node) => ({ ...node, mustStart: false }));
}

async function change(journal: Journal, edit: (node: JournalNode) => JournalNode): Promise<void> {
  await journal.update((now) => (now.node === null ? now : { ...now, node: edit(now.node) }));
}
