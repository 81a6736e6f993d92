/**
 * One look at a node that was started on a restored chainstate and has not been confirmed: well, evidence against the
 * chainstate, or neither. Silence is neither: a node whose Bitcoin node is down does not answer, and one behind a proxy
 * answers with errors. What could not be looked at is not known, and so is neither.
 */
import { ActionError, hasCode } from "../domain/errors.ts";
import type { ExpectedChain, Verdict } from "../domain/verdict.ts";
import type { Clock } from "../system/clock.ts";
import { poll } from "../system/poll.ts";
import type { Privilege } from "../system/privilege.ts";
import {
  describeExpected,
  describeTip,
  goneMs,
  isHighEnough,
  mostEnds,
  requireChain,
  staysUp,
} from "./health.ts";
import type { NodeControl, NodeState } from "./port.ts";
import { askNodeInfo, describeOutcome, describeRpcUrl } from "./rpc.ts";
import { verifyWorksIn, type WorksInRequest } from "./works-in.ts";

export interface JudgeRequest {
  readonly control: Pick<NodeControl, "identity" | "inspect">;
  readonly isInUse: WorksInRequest["isInUse"];
  readonly chainstateDir: string;
  /** Undefined: it cannot be asked, and that it lives on there is all that is looked for. */
  readonly rpcUrl: string | undefined;
  readonly expected: ExpectedChain;
  /** When its start was asked for, and since when it has answered lower than expected, in ms since 1970. */
  readonly startedAtMs: number;
  readonly lowSinceMs: number | undefined;
  /** For so long it may be lower: after a reorganisation of Bitcoin a healthy node is, for a while. */
  readonly lowForMs: number;
  readonly privilege: Privilege;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** How long one whose RPC answers may take to open its databases. */
const openingMs = 30_000;
/** From the start: one that no supervisor knows is known by the files it has open, and may have none yet. */
const loadingMs = 15_000;
/** One that cannot be asked is watched for so long. */
const watchMs = 10_000;

export async function judge(request: JudgeRequest): Promise<Verdict> {
  const { control, clock, signal } = request;
  const { manager } = control.identity;
  const loadsUntilMs = manager === "process" || manager === "command" ? request.startedAtMs + loadingMs : 0;
  const limitMs = Math.max(goneMs, loadsUntilMs - clock.now());
  let state: NodeState | undefined;
  // A glance between two lives says nothing.
  await poll({ everyMs: 1_000, limitMs, clock, signal }, async () => {
    state = await control.inspect(signal);
    return state.running ? true : undefined;
  });
  if (state?.running !== true)
    return { kind: "against", why: `it has ended (${state?.detail ?? "not seen"})`, hasEnded: true };
  if ((state.restarts ?? 0) >= mostEnds)
    return against(`it has ended ${state.restarts} times, and its supervisor starts it each time`);
  return request.rpcUrl === undefined ? await livesOn(request) : await answers(request, request.rpcUrl);
}

async function livesOn(request: JudgeRequest): Promise<Verdict> {
  const { isInUse, chainstateDir, privilege, signal } = request;
  const ended = await staysUp(request, watchMs);
  if (ended !== undefined) return open(`it was seen to end a moment ago (${ended.detail})`, ended.running);
  if (!(await isInUse(chainstateDir, privilege, signal)))
    return open(`it runs and has no file of ${chainstateDir} open`);
  return { kind: "well", detail: `it lives on in ${chainstateDir}, and has no RPC to be asked` };
}

async function answers(request: JudgeRequest, rpcUrl: string): Promise<Verdict> {
  const { expected, clock, signal, lowSinceMs, lowForMs } = request;
  const where = describeRpcUrl(rpcUrl);
  const outcome = await askNodeInfo(rpcUrl, signal);
  if (outcome.kind !== "answer") return open(`it runs, and at ${where} ${describeOutcome(outcome)}`);
  const info = outcome.value;
  try {
    requireChain(info, expected, where);
    await verifyWorksIn({ ...request, limitMs: openingMs });
  } catch (error) {
    if (!(error instanceof ActionError) || signal.aborted) throw error;
    const isEvidence = hasCode(error, "NODE_WRONG_CHAIN") || hasCode(error, "NODE_ELSEWHERE");
    return isEvidence ? against(error.message.replace(/\.$/, "")) : open(error.message.replace(/\.$/, ""));
  }
  if (isHighEnough(info, expected))
    return { kind: "well", detail: `it answers at ${where} with ${describeTip(info)}` };
  const detail = `it answers at ${where} with ${describeTip(info)}, expected at least ${describeExpected(expected)}`;
  if (lowSinceMs !== undefined && clock.now() - lowSinceMs >= lowForMs) return against(detail);
  return { kind: "open", detail, isRunning: true, isLow: true };
}

function against(why: string): Verdict {
  return { kind: "against", why, hasEnded: false };
}

function open(detail: string, isRunning = true): Verdict {
  return { kind: "open", detail, isRunning };
}
