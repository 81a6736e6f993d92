/**
 * Whether a node that was started is well. Starting is not syncing, and a node that answers may be on another chain, so
 * each way to be unwell is an error of its own with its own advice. `is_fully_synced` is never looked at, for it is
 * always true, and `/v3/health` only where it names a neighbour: without one it says "no difference" too.
 */
import { ActionError } from "../errors.ts";
import type { ErrorDetails } from "../errors.ts";
import type { Clock } from "../system/clock.ts";
import type { NodeControl } from "./port.ts";
import { askNodeHealth, askNodeInfo, describeOutcome, describeRpcUrl } from "./rpc.ts";
import type { NodeInfo, RpcOutcome } from "./rpc.ts";

/** Refused or silent until the time was up, with the node running: it starts, or its RPC is somewhere else. */
export class NodeStillStartingError extends ActionError {
  override readonly name = "NodeStillStartingError";
  constructor(message: string, details: ErrorDetails) {
    super("NODE_STILL_STARTING", message, details);
  }
}

/** It answers, with a status that is no answer. */
export class NodeAnswersErrorsError extends ActionError {
  override readonly name = "NodeAnswersErrorsError";
  constructor(message: string, details: ErrorDetails) {
    super("NODE_ANSWERS_ERRORS", message, details);
  }
}

/** It ran and does not run any more. */
export class NodeGoneError extends ActionError {
  override readonly name = "NodeGoneError";
  constructor(message: string, details: ErrorDetails) {
    super("NODE_GONE_AGAIN", message, details);
  }
}

export class WrongChainError extends ActionError {
  override readonly name = "WrongChainError";
  constructor(message: string, details: ErrorDetails) {
    super("NODE_WRONG_CHAIN", message, details);
  }
}

/** It is on the right chain, below the height it must have. */
export class NodeBehindError extends ActionError {
  override readonly name = "NodeBehindError";
  constructor(message: string, details: ErrorDetails) {
    super("NODE_BEHIND", message, details);
  }
}

/** It is up, and its tip has not advanced as far as it should have. */
export class NodeNotMovingError extends ActionError {
  override readonly name = "NodeNotMovingError";
  constructor(message: string, details: ErrorDetails) {
    super("NODE_NOT_MOVING", message, details);
  }
}

export interface ExpectedChain {
  readonly networkId?: number;
  readonly parentNetworkId?: number;
  readonly minStacksHeight?: number;
  readonly minBurnHeight?: number;
}

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
const goneMs = 4_000;
/** How long a node that has answered may be silent, or answer with errors, before that counts. */
const silenceMs = 30_000;

/**
 * Waits until the node is well. Throws NodeStillStartingError, NodeAnswersErrorsError, NodeGoneError, WrongChainError,
 * NodeBehindError or NodeNotMovingError.
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
    throw new NodeBehindError(
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
      throw new NodeNotMovingError(
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
  for (;;) {
    const outcome = await askNodeInfo(rpcUrl, signal);
    if (outcome.kind === "answer") return outcome.value;
    await requireRunning();
    say(`The node is starting: ${describeOutcome(outcome)}`);
    if (clock.now() >= deadline) throw silent(outcome, where, request.startTimeoutMs);
    await clock.sleep(firstLookMs, signal);
  }
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
  while (!enough(info) && clock.now() < deadline) {
    await clock.sleep(lookMs, signal);
    const outcome = await askNodeInfo(rpcUrl, signal);
    if (outcome.kind === "answer") {
      answeredAt = clock.now();
      info = outcome.value;
      requireChain(info, expected, where);
      say(`Height ${info.stacks_tip_height}, burn height ${info.burn_block_height}`);
      continue;
    }
    await requireRunning();
    say(`The node has answered before and now ${describeOutcome(outcome)}`);
    if (clock.now() - answeredAt < silenceMs) continue;
    if (outcome.kind === "refused") throw gone(`it refuses connections at ${where} after it had answered`);
    throw silent(outcome, where, silenceMs);
  }
  return info;
}

/**
 * Looks now and then whether the node still runs, beside the questions to its RPC and never instead of them: the first
 * answer ends the downtime. Throws NodeGoneError once it has not run for `goneMs`; `command` sees a node only by the files
 * it has open, and one that has just been started has none yet.
 */
function watchRunning({ control, clock, signal }: HealthRequest, where: string): () => Promise<void> {
  let lookedAt = -Infinity;
  let goneSince: number | undefined;
  return async () => {
    if (clock.now() - lookedAt < inspectMs) return;
    lookedAt = clock.now();
    const state = await control.inspect(signal);
    goneSince = state.running ? undefined : (goneSince ?? lookedAt);
    if (goneSince !== undefined && lookedAt - goneSince >= goneMs)
      throw gone(`it does not run any more (${state.detail}) and does not answer at ${where}`);
  };
}

function gone(why: string): NodeGoneError {
  return new NodeGoneError(`The node was started and is gone again: ${why}.`, {
    hint: "Its log says why it ended. Exit code 1 is mostly its configuration, 101 or 134 a panic.",
  });
}

function silent(outcome: RpcOutcome<unknown>, where: string, afterMs: number): ActionError {
  const message = `The node runs, but after ${afterMs / 1000} s ${describeOutcome(outcome)} at ${where}.`;
  if (outcome.kind === "status" || outcome.kind === "invalid") {
    return new NodeAnswersErrorsError(message, {
      hint: "Look into its log. If it is a proxy that answers, give the node's own address in `rpc-url`.",
    });
  }
  return new NodeStillStartingError(message, {
    hint: "The RPC opens only when the burnchain headers have synced: raise `start-timeout`, and check that `rpc-url` is the node's `rpc_bind`.",
  });
}

function requireChain(info: NodeInfo, expected: ExpectedChain, where: string): void {
  const wrong = [
    ["network id", info.network_id, expected.networkId] as const,
    ["parent network id", info.parent_network_id, expected.parentNetworkId] as const,
  ].find(([, is, wanted]) => wanted !== undefined && is !== wanted);
  if (wrong === undefined) return;
  const [what, is, wanted] = wrong;
  throw new WrongChainError(`The node at ${where} is on another chain: ${what} ${is}, expected ${wanted}.`, {
    hint: "Check that `rpc-url` is this node's, and its `burnchain.mode` and `chain_id` against the chainstate's.",
  });
}

function isHighEnough(info: NodeInfo, { minStacksHeight = 0, minBurnHeight = 0 }: ExpectedChain): boolean {
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

function describeTip(info: NodeInfo): string {
  return `height ${info.stacks_tip_height}, burn height ${info.burn_block_height}`;
}

function describeExpected({ minStacksHeight = 0, minBurnHeight = 0 }: ExpectedChain): string {
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
