/**
 * How a node is stopped whose chainstate is about to be replaced: what it leaves behind is of no use any more, so an end
 * that is not clean is one; and a node that never ends is killed where `force-stop` says so.
 */
import { ActionError, hasCode } from "../../domain/errors.ts";
import type { NodeOptions } from "../../domain/options.ts";
import type { NodeProcess } from "../../domain/start-recipe.ts";
import type { StopReport } from "../../node/port.ts";
import type { RunContext } from "../context.ts";
import type { InspectedNode } from "./inspect.ts";

/** The chainstate that the node works on is being replaced. */
export interface Replacing {
  readonly forceStop: boolean;
}

export interface StopToReplace extends Replacing {
  readonly node: InspectedNode;
  readonly options: NodeOptions;
  readonly chainstateDir: string;
  /** The process that was told to stop, once it was. */
  readonly told: () => NodeProcess | null | undefined;
  readonly signal: AbortSignal;
}

/** `stop` asks for the stop and waits `stop-timeout` at most. */
export async function stopToReplace(
  ctx: RunContext,
  { node, options, chainstateDir, forceStop, told, signal }: StopToReplace,
  stop: () => Promise<StopReport>,
): Promise<StopReport> {
  const { report, clock } = ctx;
  const startedAt = clock.now();
  const ended = (result: string): StopReport => ({
    result,
    exitCode: null,
    signal: null,
    seconds: (clock.now() - startedAt) / 1000,
  });
  try {
    return await stop();
  } catch (error) {
    if (!(error instanceof ActionError)) throw error;
    if (hasCode(error, "NODE_STOP_UNCLEAN")) {
      report.notice(`${error.message} What it worked on is replaced, so the run goes on.`);
      return ended("it has ended, not cleanly");
    }
    if (!hasCode(error, "NODE_STOP_TIMEOUT")) throw error;
    if (!forceStop) throw neverEnds(error);
    report.info(error.message);
    const killed = await ctx.forceStop({
      control: node.control,
      told: told() ?? undefined,
      chainstateDir,
      privilege: ctx.privilege(options.sudo),
      clock,
      signal,
    });
    if (killed === undefined) return ended("it has ended by itself, late");
    report.notice(killed);
    return ended("SIGKILL, by `force-stop`");
  }
}

function neverEnds(error: ActionError): ActionError {
  return new ActionError(error.code, error.message, {
    cause: error.cause,
    hint: "If it never ends (a damaged chainstate), run this again with `force-stop: true`: it ends the process that has the directory open by SIGKILL. What was fetched stays for that run. Else raise `stop-timeout`.",
  });
}
