/**
 * The node layer as recovery sees it: start from a recipe, stop what was started so, look whether any process works in a
 * directory, and judge a node that was started on a restored chainstate.
 */
import type { StartRecipe } from "../domain/start-recipe.ts";
import type { NodeOptions } from "../domain/options.ts";
import type { NodeProcess } from "../domain/start-recipe.ts";
import type { ExpectedChain, Verdict } from "../domain/verdict.ts";
import type { Clock } from "../system/clock.ts";
import type { Privilege } from "../system/privilege.ts";
import { requireSeen, scanHolders } from "./holders.ts";
import { judge } from "./judge.ts";
import type { StopHooks } from "./port.ts";
import { chooseNodeControl, controlFromRecipe, startFromRecipe } from "./registry.ts";

/** Recovery itself waits for a stop that takes longer, and knows until when; see `recovery/recover.ts`. */
const finishStopMs = 5_000;

export interface StartedNode {
  readonly recipe: StartRecipe;
  readonly options: NodeOptions;
  readonly chainstateDir: string;
  readonly privilege: Privilege;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

export interface JudgeStarted extends StartedNode {
  readonly expected: ExpectedChain;
  readonly startedAtMs: number;
  readonly lowSinceMs: number | undefined;
}

export interface StopStarted extends StartedNode, StopHooks {
  /** It runs: this is the process that is going to be asked, and how it is started again. */
  found(process: NodeProcess | undefined, recipe: StartRecipe): Promise<void>;
}

async function isInUse(directory: string, privilege: Privilege, signal: AbortSignal): Promise<boolean> {
  const scan = await scanHolders(directory, privilege, signal);
  if (scan.holders.length > 0 || scan.lockedByOthers.length > 0) return true;
  requireSeen(scan, directory);
  return false;
}

export const nodeStarter = {
  start: async (recipe: StartRecipe, privilege: Privilege, signal: AbortSignal) =>
    await startFromRecipe(recipe, privilege, signal, { finishStopMs }),
  /** Throws where it cannot be seen: what is not known to be free is not moved. */
  isInUse,
  async judge(request: JudgeStarted): Promise<Verdict> {
    const { recipe, options } = request;
    const control = controlFromRecipe(recipe, contextOf(request), true);
    return await judge({
      ...request,
      control,
      isInUse,
      rpcUrl: options.rpcUrl,
      lowForMs: options.startTimeoutMs,
    });
  },
  /** Gracefully, whatever runs it now. Nothing where it does not run. Throws as `NodeControl.stop` does. */
  async stop(request: StopStarted): Promise<void> {
    const { recipe, options, signal } = request;
    const control = await chooseNodeControl(contextOf(request), signal, recipe);
    const { running, process } = await control.inspect(signal);
    if (!running) return;
    await request.found(process, await control.recipe(signal));
    await control.stop(options.stopTimeoutMs, signal, request);
  },
};

function contextOf({ recipe, ...request }: StartedNode) {
  const environment = "environment" in recipe ? (recipe.environment ?? {}) : {};
  return { ...request, environment };
}
