/**
 * A node that was started a moment ago, to finish what a dead run left. Until it is up it may not be found by the files
 * it has open, nor does its RPC answer: a run that went on would take it for one that is down, or for one that is ill.
 */
import type { NodeOptions } from "../../domain/options.ts";
import { ActionError } from "../../domain/errors.ts";
import { waitHealthy } from "../../node/health.ts";
import type { JournalNode } from "../../recovery/content.ts";
import { poll } from "../../system/poll.ts";
import type { RunContext } from "../context.ts";
import { withFoundRpc } from "./find-rpc.ts";

const lookMs = 200;
/** How long a node that was started may take to open its databases. */
const openingMs = 10_000;

/**
 * Waits until the node of a journal is up, if its start was asked for less than `start-timeout` ago, by whomever. What was
 * started earlier is as it is: somebody may have stopped it since. Throws what `waitHealthy` throws.
 */
export async function waitStarted(
  ctx: RunContext,
  options: NodeOptions,
  chainstateDir: string,
  node: JournalNode | null,
): Promise<void> {
  const { clock, report, signal } = ctx;
  if (node === null || node.startRequestedAt === null || node.recipe.manager === "none") return;
  const { startTimeoutMs, syncTimeoutMs } = options;
  const leftMs = Date.parse(node.startRequestedAt) + startTimeoutMs - clock.now();
  if (leftMs <= 0) return;
  const known = { ...options, manager: node.recipe.manager };
  const privilege = ctx.privilege(options.sudo);
  const control = await ctx.chooseNodeControl(known, chainstateDir, privilege, node.recipe);
  await report.phase("start", `Wait until ${control.identity.name} is up again`, async () => {
    const { rpcUrl } = await withFoundRpc(ctx, options, chainstateDir, Math.min(leftMs, openingMs));
    if (rpcUrl !== undefined) {
      await waitHealthy({
        rpcUrl,
        startTimeoutMs: leftMs,
        expected: {},
        syncBlocks: 0,
        syncTimeoutMs,
        control,
        clock,
        signal,
        onProgress: (line) => report.info(line),
      });
    }
    const up = await poll({ everyMs: lookMs, limitMs: leftMs, signal, clock }, async () =>
      (await control.inspect(signal)).running ? true : undefined,
    );
    if (up === true) return;
    throw new ActionError(
      "NODE_STILL_STARTING",
      `${control.identity.name} was started for an earlier run and is not up after ${startTimeoutMs / 1000} s.`,
      { hint: "See in its log whether it is starting, raise `start-timeout`, and run this again." },
    );
  });
}
