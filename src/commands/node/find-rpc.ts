/**
 * Where the node's RPC is, where nobody has said it: its process names its configuration, and that says it; of one in a network
 * of its own, the container that publishes the port. Where neither is known, and while it is down, it is asked at the default address.
 */
import { hasChainstate } from "../../chainstate/identify.ts";
import { defaultRpcUrl, type NodeOptions } from "../../domain/options.ts";
import { poll } from "../../system/poll.ts";
import type { RunContext } from "../context.ts";

/** `waitMs`: for a node that was started a moment ago, how long it may take to open its databases, by which it is found. */
export async function withFoundRpc(
  ctx: RunContext,
  options: NodeOptions,
  chainstateDir: string,
  waitMs = 0,
): Promise<NodeOptions> {
  if (options.rpcUrl !== defaultRpcUrl || options.manager === "none") return options;
  // Another directory, of whatever size, is not walked through before it has been refused.
  if (!(await hasChainstate(chainstateDir))) return options;
  const { report, signal, clock } = ctx;
  const needs = await poll({ everyMs: lookMs, limitMs: waitMs, signal, clock }, async () => {
    const found = await ctx.readNodeNeeds(chainstateDir, ctx.privilege(options.sudo));
    return found.isSeen ? found : undefined;
  });
  const rpc = needs?.rpc;
  if (rpc === undefined || rpc.url === defaultRpcUrl) return options;
  report.info(`RPC: ${rpc.url}, ${rpc.by}.`);
  return { ...options, rpcUrl: rpc.url };
}

const lookMs = 500;
