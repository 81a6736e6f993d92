/** What is known of the node before anything is touched: who supervises it, what it runs, where its chain stands. */
import type { NodeOptions } from "../config.ts";
import { ActionError } from "../errors.ts";
import type { NodeControl, NodeState } from "../node/port.ts";
import {
  askNodeInfo,
  askTenureInfo,
  describeOutcome,
  describeRpcUrl,
  type NodeInfo,
  type TenureInfo,
} from "../node/rpc.ts";
import { askVersion, parseVersion, type NodeVersion } from "../node/version.ts";
import type { Rooms } from "./rooms.ts";

export interface ManagedNode {
  readonly control: NodeControl;
  readonly before: NodeState;
  readonly version: NodeVersion | undefined;
  /** The RPC's answers from before the stop; undefined where it was not asked or the node was down. */
  readonly info: NodeInfo | undefined;
  readonly tenure: TenureInfo | undefined;
}

/** Finds the node, tries all that stop and start will need, and asks it where it stands. Touches nothing. */
export async function meetNode(
  rooms: Rooms,
  options: NodeOptions,
  chainstateDir: string,
): Promise<ManagedNode> {
  const { report, signal } = rooms;
  const control = await rooms.chooseNodeControl(options, chainstateDir, rooms.privilege(options.sudo));
  const { manager, name, foundBy } = control.identity;
  const before = await control.inspect(signal);
  if (manager === "none") {
    report.info("No node is managed here; that nobody has the directory open is proved all the same.");
  } else {
    report.info(
      `Node: ${manager} ${name} (${foundBy}), ${before.running ? "running" : "not running"}: ${before.detail}.`,
    );
    report.node(before.running ? "running" : "left-down");
    report.output("node-running", String(before.running));
  }
  for (const adjustment of await control.preflight(options.stopTimeoutMs, signal)) report.info(adjustment);
  const asked = await askVersion(await control.versionCommand(signal));
  const rpcUrl = before.running && manager !== "none" ? options.rpcUrl : undefined;
  const info = rpcUrl === undefined ? undefined : await answeringInfo(rpcUrl, signal);
  // A wrapper in front of the node answers no `version`; what it runs says the same line itself.
  const version = asked ?? parseVersion(info?.server_version ?? "");
  if (version !== undefined) report.fact("Node version", version.line);
  if (rpcUrl === undefined || info === undefined)
    return { control, before, version, info, tenure: undefined };
  report.info(`Before: Stacks height ${info.stacks_tip_height}, burn height ${info.burn_block_height}.`);
  const tenure = await askTenureInfo(rpcUrl, signal);
  if (tenure.kind !== "answer") report.info(`/v3/tenures/info: ${describeOutcome(tenure)}.`);
  return { control, before, version, info, tenure: tenure.kind === "answer" ? tenure.value : undefined };
}

/** A node that runs and does not answer is starting or ill: neither is a moment to stop it. */
async function answeringInfo(rpcUrl: string, signal: AbortSignal): Promise<NodeInfo> {
  const outcome = await askNodeInfo(rpcUrl, signal);
  if (outcome.kind === "answer") return outcome.value;
  throw new ActionError(
    "RPC_NOT_ANSWERING",
    `The node runs, but at ${describeRpcUrl(rpcUrl)} ${describeOutcome(outcome)}.`,
    {
      hint: "It may still be starting: try again later. Correct `rpc-url`, or set it to `none` if the node has no reachable RPC.",
    },
  );
}
