/**
 * Whether this is a moment to stop the node, looked at before the stop: a node that catches up with Bitcoin aborts itself
 * when it is told to stop, one whose event observer is down does not end, and one whose Bitcoin node is down does not come
 * up again. A run waits for such a moment, `quiet-timeout` at most.
 */
import { readBacklog } from "../../chainstate/backlog.ts";
import type { ErrorCode } from "../../domain/error-codes.ts";
import { ActionError } from "../../domain/errors.ts";
import type { NodeOptions } from "../../domain/options.ts";
import { describeNeighbour, type NodeNeeds } from "../../node/neighbours.ts";
import type { NodeConfig } from "../../node/node-config.ts";
import { poll } from "../../system/poll.ts";
import type { RunContext } from "../context.ts";

export interface Hindrance {
  readonly code: ErrorCode;
  /** Without a full stop. */
  readonly sentence: string;
}

export interface Moment {
  /** What a stop costs this node as a miner, a sentence. Undefined: it is none, or its configuration cannot be read. */
  readonly costForMiner: string | undefined;
  /** Why exit code 0 is no evidence of a clean stop, in words. Undefined: nothing speaks against it, or its configuration cannot be read. */
  readonly exitCodeDoubt: string | undefined;
  /** Empty: nothing that could be looked at speaks against a stop. */
  look(): Promise<readonly Hindrance[]>;
}

/** An observer that takes no event for so long is down or stuck. */
const eventAgeMs = 60_000;
const lookEveryMs = 2_000;

/** Reads the running node's configuration once. What cannot be looked at is said, and never taken for "nothing there". */
export async function readMoment(
  ctx: RunContext,
  options: NodeOptions,
  chainstateDir: string,
): Promise<Moment> {
  const said = new Set<string>();
  const notLookedAt: NotLookedAt = (what) => {
    if (!said.has(what)) ctx.report.info(`Not looked at before the stop: ${what}.`);
    said.add(what);
  };
  const needs = await ctx.readNodeNeeds(chainstateDir, ctx.privilege(options.sudo));
  const { read } = needs;
  if (read.kind === "not-read") notLookedAt(`Bitcoin node, event observers, miner; ${read.reason}`);
  // Causes first: the first one gives the code, and a node that waits for an observer evaluates no Bitcoin blocks either.
  const look = async (): Promise<readonly Hindrance[]> => [
    ...(await silentNeighbours(needs, notLookedAt)),
    ...(await backlogOf(ctx, options, chainstateDir, notLookedAt)),
  ];
  const config = read.kind === "read" ? read.config : undefined;
  const exit = config?.exitsAtBurnHeight;
  return {
    costForMiner: config?.isMiner === true ? costForMiner(config) : undefined,
    exitCodeDoubt:
      exit === undefined ? undefined : `its configuration has process_exit_at_block_height = ${exit}`,
    look,
  };
}

/** Gets what, and why not. Says it once, however often it is looked for. */
type NotLookedAt = (what: string) => void;

function costForMiner({ keepsVrfKey }: NodeConfig): string {
  return keepsVrfKey
    ? "The node is a miner: while it is down it makes no blocks in the tenures it has won."
    : "The node is a miner without `activated_vrf_key_path`: after a restart it cannot make the blocks of the tenures it has committed to.";
}

/**
 * Waits until nothing speaks against a stop. After `limitMs` throws the first hindrance by its code; what speaks against
 * it is said when it changes, so a sentence must not hold how long it has been so.
 */
export async function waitForRightMoment(
  ctx: RunContext,
  moment: Moment,
  limitMs: number,
  hint?: string,
): Promise<void> {
  const { report, clock, signal } = ctx;
  let last: readonly Hindrance[] = [];
  let said = "";
  const quiet = await poll({ everyMs: lookEveryMs, limitMs, signal, clock }, async () => {
    last = await moment.look();
    const sentences = last.map(({ sentence }) => sentence).join("; ");
    if (sentences !== said && sentences !== "") report.info(`Waiting to stop the node: ${sentences}.`);
    said = sentences;
    return last.length === 0 ? true : undefined;
  });
  const [first] = last;
  if (quiet === true || first === undefined) return;
  throw new ActionError(
    first.code,
    `This is no moment to stop the node, after ${Math.round(limitMs / 1000)} s of waiting: ${said}.`,
    hint === undefined ? {} : { hint },
  );
}

async function backlogOf(
  ctx: RunContext,
  options: NodeOptions,
  chainstateDir: string,
  notLookedAt: NotLookedAt,
): Promise<readonly Hindrance[]> {
  const privilege = ctx.privilege(options.sudo);
  const { burnBlocks, oldestEventMs } = await readBacklog({
    dir: chainstateDir,
    signal: ctx.signal,
    elevate: (argv) => privilege.elevate(argv),
  });
  const hindrances: Hindrance[] = [];
  if (oldestEventMs === undefined)
    notLookedAt(
      "events that no observer has taken; event_observers.sqlite could not be read, or has no times",
    );
  const oldestMs = typeof oldestEventMs === "number" ? oldestEventMs : Number.POSITIVE_INFINITY;
  if (ctx.clock.now() - oldestMs > eventAgeMs) {
    hindrances.push({
      code: "NODE_OBSERVER_BEHIND",
      sentence: `an event observer has not taken an event of ${new Date(oldestMs).toISOString()}`,
    });
  }
  if (burnBlocks === undefined) {
    notLookedAt("Bitcoin blocks that it has still to evaluate; its databases could not be read");
  } else if (burnBlocks > 0) {
    const count = burnBlocks === 1 ? "1 Bitcoin block" : `${burnBlocks} Bitcoin blocks`;
    hindrances.push({ code: "NODE_CATCHING_UP", sentence: `it has ${count} still to evaluate` });
  }
  return hindrances;
}

async function silentNeighbours(needs: NodeNeeds, notLookedAt: NotLookedAt): Promise<readonly Hindrance[]> {
  const { silent, notAsked } = await needs.look();
  if (notAsked !== undefined) notLookedAt(`Bitcoin node and event observers; ${notAsked}`);
  return silent.map((neighbour) => ({
    code: "NODE_NEIGHBOUR_SILENT",
    sentence: `${describeNeighbour(neighbour)} takes no connection`,
  }));
}
