/** What is known of the node before anything is touched: who supervises it, what it runs, where its chain stands. */
import type { NodeOptions } from "../../domain/options.ts";
import { ActionError, hasCode } from "../../domain/errors.ts";
import { hasEnded } from "../../node/health.ts";
import type { NodeControl, NodeState } from "../../node/port.ts";
import {
  askNodeInfo,
  askTenureInfo,
  describeOutcome,
  describeRpcUrl,
  type NodeInfo,
  type RpcOutcome,
  type TenureInfo,
} from "../../node/rpc.ts";
import { verifyWorksIn } from "../../node/works-in.ts";
import { askVersion, parseVersion, type NodeVersion } from "../../node/version.ts";
import { poll } from "../../system/poll.ts";
import type { RunContext } from "../context.ts";

export interface InspectedNode {
  readonly control: NodeControl;
  readonly before: NodeState;
  readonly version: NodeVersion | undefined;
  /** The RPC's answers from before the stop; undefined where it was not asked or the node was down. */
  readonly info: NodeInfo | undefined;
  readonly tenure: TenureInfo | undefined;
  /** It runs and does not answer, or ends again and again. */
  readonly isSilent: boolean;
}

/** How long a node that was started a moment ago may take to open its databases. */
const openingMs = 10_000;
/** How long a node at work may keep its RPC waiting: the thread that answers also serves its peers. */
const busyMs = 60_000;

interface InspectOptions {
  /** It is not going to be stopped, so nothing that only a stop needs is asked for. */
  readonly staysUp?: boolean;
  /** Its chainstate is going to be replaced: that it ends again and again, or does not answer, may be the reason for it. */
  readonly mayBeIll?: boolean;
}

/** Finds the node, tries all that stop and start will need, and asks it where it stands. Touches nothing. */
export async function inspectNode(
  ctx: RunContext,
  options: NodeOptions,
  chainstateDir: string,
  { staysUp = false, mayBeIll = false }: InspectOptions = {},
): Promise<InspectedNode> {
  const { report, signal } = ctx;
  const privilege = ctx.privilege(options.sudo);
  const control = await ctx.chooseNodeControl(options, chainstateDir, privilege);
  const { manager, name, foundBy } = control.identity;
  const before = await control.inspect(signal);
  if (manager === "none") {
    report.info("No node is managed here; it is still checked that no process has the directory open.");
  } else {
    report.info(
      `Node: ${manager} ${name} (${foundBy}), ${before.running ? "running" : "not running"}: ${before.detail}.`,
    );
    report.node(before.running ? "running" : "left-down");
  }
  if (!before.running && manager !== "none" && options.rpcUrl !== undefined)
    await requireSilence(ctx, options.rpcUrl, chainstateDir);
  if (!staysUp) {
    for (const adjustment of await control.preflight(options.stopTimeoutMs, signal)) report.info(adjustment);
  }
  const isManaged = before.running && manager !== "none";
  const isLooping =
    isManaged && (await keepsEnding(ctx, { control, before }, options, chainstateDir, mayBeIll));
  const rpcUrl = isManaged && !isLooping ? options.rpcUrl : undefined;
  const info = rpcUrl === undefined ? undefined : await answeringInfo(ctx, rpcUrl, mayBeIll);
  // Asked of the program only where the node does not say the same line itself.
  const version =
    parseVersion(info?.server_version ?? "") ?? (await askVersion(await control.versionCommand(signal)));
  const isSilent = isLooping || (rpcUrl !== undefined && info === undefined);
  if (version !== undefined) report.fact("Node version", version.line);
  if (rpcUrl === undefined || info === undefined)
    return { control, before, version, info, tenure: undefined, isSilent };
  report.info(`Before: Stacks height ${info.stacks_tip_height}, burn height ${info.burn_block_height}.`);
  const tenure = await askTenureInfo(rpcUrl, signal);
  if (tenure.kind !== "answer") report.info(`/v3/tenures/info: ${describeOutcome(tenure)}.`);
  const answered = tenure.kind === "answer" ? tenure.value : undefined;
  return { control, before, version, info, tenure: answered, isSilent };
}

/** Nobody works in the directory; a node that answers all the same has another one, and this may be a copy. NODE_ELSEWHERE. */
async function requireSilence(ctx: RunContext, rpcUrl: string, chainstateDir: string): Promise<void> {
  const outcome = await askPatiently(ctx, rpcUrl);
  if (outcome.kind !== "answer") return;
  throw new ActionError(
    "NODE_ELSEWHERE",
    `No node works in ${chainstateDir}, and one answers at ${describeRpcUrl(rpcUrl)} with Stacks height ${outcome.value.stacks_tip_height}: it works in another directory.`,
    {
      hint: "Set `chainstate-dir` to the directory that this node works in. If it is another node's RPC, set `rpc-url` to that of yours, or to `none`; for a directory without a node set `node-manager: none`.",
    },
  );
}

/**
 * Throws unless the node works in the directory. True: it ends again and again, so there is nothing to be seen of it.
 * NODE_KEEPS_ENDING where that is no reason for what is going to be done.
 */
async function keepsEnding(
  { nodes, report, privilege, clock, signal }: RunContext,
  { control, before }: Pick<InspectedNode, "control" | "before">,
  { sudo }: NodeOptions,
  chainstateDir: string,
  mayBeIll: boolean,
): Promise<boolean> {
  let now = before;
  try {
    if (before.restarting !== true) {
      await verifyWorksIn({
        control,
        isInUse: async (...asked) => await nodes.isInUse(...asked),
        chainstateDir,
        privilege: privilege(sudo),
        clock,
        signal,
        limitMs: openingMs,
      });
      return false;
    }
  } catch (error) {
    if (!hasCode(error, "NODE_ELSEWHERE")) throw error;
    now = await control.inspect(signal);
    if (!hasEnded(before, now)) throw error;
  }
  const { manager, name } = control.identity;
  const sentence = `The node (${manager} ${name}) ends again and again, and is started each time: ${now.detail}.`;
  if (!mayBeIll) throw new ActionError("NODE_KEEPS_ENDING", sentence);
  report.warning(`${sentence} Whether it works in ${chainstateDir} is looked at when it runs.`);
  return true;
}

/** A node that runs and does not answer is starting or ill: neither is a moment to stop it, unless it is to be healed. */
async function answeringInfo(
  ctx: RunContext,
  rpcUrl: string,
  mayBeIll: boolean,
): Promise<NodeInfo | undefined> {
  const outcome = await askPatiently(ctx, rpcUrl);
  if (outcome.kind === "answer") return outcome.value;
  const sentence = `The node runs, but at ${describeRpcUrl(rpcUrl)} ${describeOutcome(outcome)}.`;
  if (!mayBeIll) {
    throw new ActionError("RPC_NOT_ANSWERING", sentence, {
      hint: "It may still be starting: try again later. Correct `rpc-url`, or set it to `none` if the node has no reachable RPC.",
    });
  }
  ctx.report.notice(`${sentence} Its chain is not compared with the snapshot's before the stop.`);
  return undefined;
}

async function askPatiently(
  { report, clock, signal }: RunContext,
  rpcUrl: string,
): Promise<RpcOutcome<NodeInfo>> {
  let outcome: RpcOutcome<NodeInfo> = { kind: "timeout" };
  const waiting = { everyMs: 1_000, limitMs: busyMs, signal, clock };
  await poll(waiting, async () => {
    outcome = await askNodeInfo(rpcUrl, signal);
    if (outcome.kind !== "timeout") return outcome;
    report.info(`At ${describeRpcUrl(rpcUrl)} ${describeOutcome(outcome)}: asked again for a minute.`);
    return undefined;
  });
  return outcome;
}
