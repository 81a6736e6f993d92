/**
 * Whether a node that was started is well. Starting is not syncing, and a node that answers may be on another chain, so
 * each way to be unwell is an error of its own with its own advice. `is_fully_synced` is never looked at, for it is
 * always true, and `/v3/health` only where it names a neighbour: without one it says "no difference" too.
 */
import { ActionError } from "../domain/errors.ts";
import type { Clock } from "../system/clock.ts";
import { poll } from "../system/poll.ts";
import type { ExpectedChain } from "../domain/verdict.ts";
import type { NodeControl, NodeState } from "./port.ts";
import { askNodeHealth, askNodeInfo, describeOutcome, describeRpcUrl } from "./rpc.ts";
import type { NodeInfo, RpcOutcome } from "./rpc.ts";

export interface HealthRequest {
  readonly rpcUrl: string;
  /** From now on. */
  readonly startTimeoutMs: number;
  readonly expected: ExpectedChain;
  /** 0: that it answers, on the right chain and high enough, is all that is waited for. */
  readonly syncBlocks: number;
  readonly syncTimeoutMs: number;
  readonly control: Pick<NodeControl, "inspect">;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Called whenever something changes, with a line for the log. */
  readonly onProgress?: (line: string) => void;
}

export interface Tip {
  readonly stacksHeight: number;
  readonly burnHeight: number;
  /** Block hash of the tip, as `/v2/info` gives it. */
  readonly stacksTip: string;
}

export interface Health {
  /** When the RPC answered first: the end of the downtime. */
  readonly firstAnswerAt: Date;
  readonly firstTip: Tip;
  readonly tip: Tip;
  readonly serverVersion: string;
  /** Only where the node knows a neighbour. */
  readonly peers?: { readonly blocksBehind: number; readonly neighbour: string };
}

/** Until it answers first: every look late is downtime that the node did not need. */
const firstLookMs = 50;
const lookMs = 250;
const inspectMs = 1_000;
export const goneMs = 4_000;
/** How long a node that has answered may be silent, or answer with errors, before that counts. */
const silenceMs = 30_000;

/**
 * Waits until the node is well. Throws NODE_STILL_STARTING (refused or silent, with the node running), NODE_ANSWERS_ERRORS,
 * NODE_GONE_AGAIN, NODE_WRONG_CHAIN, NODE_BEHIND (right chain, too low) or NODE_NOT_MOVING.
 */
export async function waitHealthy(request: HealthRequest): Promise<Health> {
  const { clock, expected } = request;
  const where = describeRpcUrl(request.rpcUrl);
  const say = sayOnce(request.onProgress);
  const startDeadline = clock.now() + request.startTimeoutMs;

  const firstInfo = await waitForAnswer(request, startDeadline, say);
  const firstAnswerAt = new Date(clock.now());
  requireChain(firstInfo, expected, where);
  say(`The RPC answers: height ${firstInfo.stacks_tip_height}, burn height ${firstInfo.burn_block_height}`);

  let info = await waitForInfo(request, firstInfo, startDeadline, say, (now) => isHighEnough(now, expected));
  if (!isHighEnough(info, expected)) {
    throw new ActionError(
      "NODE_BEHIND",
      `The node is up at ${where} and its tip is too low: ${describeTip(info)}, expected at least ${describeExpected(expected)}.`,
      {
        hint: "It works on another directory than the one that was restored, or it has thrown blocks away. Compare `working_dir` in its configuration with `chainstate-dir`.",
      },
    );
  }
  if (request.syncBlocks > 0) {
    const from = info.stacks_tip_height;
    const target = from + request.syncBlocks;
    info = await waitForInfo(
      request,
      info,
      clock.now() + request.syncTimeoutMs,
      say,
      (now) => now.stacks_tip_height >= target,
    );
    if (info.stacks_tip_height < target) {
      throw new ActionError(
        "NODE_NOT_MOVING",
        `The node is up at ${where} but ${info.stacks_tip_height > from ? "slow" : "does not move"}: height ${info.stacks_tip_height} after ${request.syncTimeoutMs / 1000} s, ${target} was waited for (${request.syncBlocks} blocks).`,
        {
          hint: "Look at its peers and its burnchain connection in its log; raise `sync-timeout` where blocks are rare.",
        },
      );
    }
  }
  const peers = await readPeers(request);
  return {
    firstAnswerAt,
    firstTip: tipOf(firstInfo),
    tip: tipOf(info),
    serverVersion: info.server_version,
    ...(peers === undefined ? {} : { peers }),
  };
}

/** The first answer of a node that has just been started. */
async function waitForAnswer(
  request: HealthRequest,
  deadline: number,
  say: (line: string) => void,
): Promise<NodeInfo> {
  const { rpcUrl, clock, signal } = request;
  const where = describeRpcUrl(rpcUrl);
  const requireRunning = watchRunning(request, where);
  let last: RpcOutcome<NodeInfo> = { kind: "timeout" };
  const limitMs = deadline - clock.now();
  const info = await poll({ everyMs: firstLookMs, limitMs, signal, clock }, async () => {
    last = await askNodeInfo(rpcUrl, signal);
    if (last.kind === "answer") return last.value;
    await requireRunning();
    say(`The node is starting: ${describeOutcome(last)}`);
    return undefined;
  });
  if (info !== undefined) return info;
  await requireRunning(true);
  throw silent(last, where, request.startTimeoutMs);
}

/** Follows `/v2/info` until `enough` or the deadline; returns the last answer. Throws when the node falls silent. */
async function waitForInfo(
  request: HealthRequest,
  first: NodeInfo,
  deadline: number,
  say: (line: string) => void,
  enough: (info: NodeInfo) => boolean,
): Promise<NodeInfo> {
  const { rpcUrl, clock, signal, expected } = request;
  const where = describeRpcUrl(rpcUrl);
  const requireRunning = watchRunning(request, where);
  let info = first;
  let answeredAt = clock.now();
  if (enough(info)) return info;
  await poll({ everyMs: lookMs, limitMs: deadline - clock.now(), signal, clock }, async () => {
    const outcome = await askNodeInfo(rpcUrl, signal);
    if (outcome.kind === "answer") {
      answeredAt = clock.now();
      info = outcome.value;
      requireChain(info, expected, where);
      say(`Height ${info.stacks_tip_height}, burn height ${info.burn_block_height}`);
      return enough(info) ? true : undefined;
    }
    await requireRunning();
    say(`The node has answered before and now ${describeOutcome(outcome)}`);
    if (clock.now() - answeredAt < silenceMs) return undefined;
    if (outcome.kind === "refused") throw gone(`it refuses connections at ${where} after it had answered`);
    throw silent(outcome, where, silenceMs);
  });
  return info;
}

/** One start anew is tolerated: a supervisor may have begun before something that the node needs was there. */
export const mostEnds = 2;

/**
 * Looks now and then whether the node still runs, beside the questions to its RPC and never instead of them: the first
 * answer ends the downtime. Throws NODE_GONE_AGAIN once it has not run for `goneMs`, or has ended `mostEnds` times and was
 * started anew by its supervisor (once, where the time is over: `isLast`); `command` sees a node only by the files it has
 * open, and one that has just been started has none yet.
 */
function watchRunning(
  { control, clock, signal }: HealthRequest,
  where: string,
): (isLast?: boolean) => Promise<void> {
  let lookedAt = -Infinity;
  let goneSince: number | undefined;
  let last: NodeState | undefined;
  let ends = 0;
  return async (isLast = false) => {
    if (!isLast && clock.now() - lookedAt < inspectMs) return;
    lookedAt = clock.now();
    const state = await control.inspect(signal);
    if (hasEnded(last, state)) ends += 1;
    last = state;
    if (ends >= (isLast ? 1 : mostEnds))
      throw gone(`it has ended ${ends} times (${state.detail}), and its supervisor starts it each time`);
    goneSince = state.running ? undefined : (goneSince ?? lookedAt);
    if (goneSince !== undefined && lookedAt - goneSince >= goneMs)
      throw gone(`it does not run any more (${state.detail}) and does not answer at ${where}`);
  };
}

/** Between two looks the node's process has ended, and its supervisor has started it again or is about to. */
export function hasEnded(before: NodeState | undefined, now: NodeState): boolean {
  if (now.restarting === true) return before?.restarting !== true || now.process?.pid !== before.process?.pid;
  const [was, is] = [before?.process, now.process];
  if (was === undefined || is === undefined || before?.restarting === true) return false;
  return was.pid !== is.pid || was.startTicks !== is.startTicks;
}

/** Of one that cannot be asked: undefined where it has lived on for `limitMs`, else how it was when it had ended. */
export async function staysUp(
  { control, clock, signal }: Pick<HealthRequest, "control" | "clock" | "signal">,
  limitMs: number,
): Promise<NodeState | undefined> {
  let last: NodeState | undefined;
  return await poll({ everyMs: inspectMs, limitMs, clock, signal }, async () => {
    const now = await control.inspect(signal);
    if (!now.running || hasEnded(last, now)) return now;
    last = now;
    return undefined;
  });
}

function gone(why: string): ActionError {
  return new ActionError("NODE_GONE_AGAIN", `The node was started and is gone again: ${why}.`, {
    hint: "Its log says why it ended. Exit code 1 is mostly its configuration, 101 or 134 a panic.",
  });
}

function silent(outcome: RpcOutcome<unknown>, where: string, afterMs: number): ActionError {
  const message = `The node runs, but after ${afterMs / 1000} s ${describeOutcome(outcome)} at ${where}.`;
  if (outcome.kind === "status" || outcome.kind === "invalid") {
    return new ActionError("NODE_ANSWERS_ERRORS", message, {
      hint: "Look into its log. If it is a proxy that answers, give the node's own address in `rpc-url`.",
    });
  }
  return new ActionError("NODE_STILL_STARTING", message, {
    hint: "The RPC opens only when the burnchain headers have synced: raise `start-timeout`, and check that `rpc-url` is the node's `rpc_bind`.",
  });
}

export function requireChain(info: NodeInfo, expected: ExpectedChain, where: string): void {
  const wrong = [
    ["network id", info.network_id, expected.networkId] as const,
    ["parent network id", info.parent_network_id, expected.parentNetworkId] as const,
  ].find(([, is, wanted]) => wanted !== undefined && is !== wanted);
  if (wrong === undefined) return;
  const [what, is, wanted] = wrong;
  throw new ActionError(
    "NODE_WRONG_CHAIN",
    `The node at ${where} is on another chain: ${what} ${is}, expected ${wanted}.`,
    {
      hint: "Check that `rpc-url` is this node's, and its `burnchain.mode` and `chain_id` against the chainstate's.",
    },
  );
}

export function isHighEnough(
  info: NodeInfo,
  { minStacksHeight = 0, minBurnHeight = 0 }: ExpectedChain,
): boolean {
  return info.stacks_tip_height >= minStacksHeight && info.burn_block_height >= minBurnHeight;
}

async function readPeers({ rpcUrl, signal }: HealthRequest): Promise<Health["peers"]> {
  const outcome = await askNodeHealth(rpcUrl, signal);
  if (outcome.kind !== "answer") return undefined;
  const { max_stacks_neighbor_address: neighbour, max_stacks_height_of_neighbors: max } = outcome.value;
  if (neighbour === null || max === 0) return undefined;
  return { blocksBehind: outcome.value.difference_from_max_peer, neighbour };
}

function tipOf(info: NodeInfo): Tip {
  return {
    stacksHeight: info.stacks_tip_height,
    burnHeight: info.burn_block_height,
    stacksTip: info.stacks_tip,
  };
}

export function describeTip(info: NodeInfo): string {
  return `height ${info.stacks_tip_height}, burn height ${info.burn_block_height}`;
}

export function describeExpected({ minStacksHeight = 0, minBurnHeight = 0 }: ExpectedChain): string {
  return `height ${minStacksHeight}, burn height ${minBurnHeight}`;
}

/** Passes a line on unless it is the one that was passed on last. */
function sayOnce(onProgress: ((line: string) => void) | undefined): (line: string) => void {
  let last = "";
  return (line) => {
    if (line !== last) onProgress?.(line);
    last = line;
  };
}
