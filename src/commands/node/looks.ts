/** What a run looks at of a node that it stops and starts: that it is down, that it works in the directory, that it is well. */
import { ActionError } from "../../domain/errors.ts";
import type { NodeOptions } from "../../domain/options.ts";
import type { ExpectedChain } from "../../domain/verdict.ts";
import { staysUp, waitHealthy } from "../../node/health.ts";
import type { Evidence, NodeState } from "../../node/port.ts";
import { proveStopped, verifyStillStopped } from "../../node/shutdown-proof.ts";
import { verifyWorksIn } from "../../node/works-in.ts";
import type { RunContext } from "../context.ts";
import { withFoundRpc } from "./find-rpc.ts";
import type { InspectedNode } from "./inspect.ts";

/** How long a node whose RPC answers may take to open its databases. */
const openingMs = 30_000;

/** One that cannot be asked is watched for so long after its start. */
const watchMs = 10_000;

/** How long its address is looked for after a start; its databases are open before its RPC is. */
const foundWithinMs = 10_000;

export class NodeLooks {
  readonly #ctx: RunContext;
  readonly #node: InspectedNode;
  #options: NodeOptions;
  readonly #chainstateDir: string;
  #hasAnswered = false;

  constructor(ctx: RunContext, node: InspectedNode, options: NodeOptions, chainstateDir: string) {
    this.#ctx = ctx;
    this.#node = node;
    this.#options = options;
    this.#chainstateDir = chainstateDir;
  }

  /**
   * `before`: as it was before the stop. `isReplaced`: nothing of what it leaves is used. `meanwhile` goes on between the two
   * looks at the files; what it finds counts only if nobody has written, and that somebody has is said before its failure.
   */
  async verifyStopped<T>(
    before: NodeState,
    isReplaced: boolean,
    meanwhile: () => Promise<T>,
  ): Promise<{ readonly evidence: readonly Evidence[]; readonly found: T }> {
    const { report, privilege, clock, signal } = this.#ctx;
    const say = ({ id, detail }: Evidence): void => report.info(`${id}: ${detail}`);
    // Where no node is managed, one that answers on this host works on another directory.
    const isManaged = this.#node.control.identity.manager !== "none";
    const proof = await report.phase("verify-stopped", "Verify the node has stopped", async () => {
      const proven = await proveStopped({
        control: this.#node.control,
        before,
        isReplaced,
        chainstateDir: this.#chainstateDir,
        rpcUrl: isManaged ? this.#options.rpcUrl : undefined,
        privilege: privilege(this.#options.sudo),
        clock,
        signal,
      });
      proven.evidence.forEach(say);
      return proven;
    });
    const [worked] = await Promise.allSettled([meanwhile()]);
    const stable = await report.phase("verify-stopped", "Look at its files again", async () => {
      const seen = await proof.lookAgain();
      say(seen);
      return seen;
    });
    if (worked.status === "rejected") throw worked.reason;
    return { evidence: [...proof.evidence, stable], found: worked.value };
  }

  async verifyStillStopped(): Promise<void> {
    const { privilege, clock, signal } = this.#ctx;
    await verifyStillStopped({
      control: this.#node.control,
      chainstateDir: this.#chainstateDir,
      privilege: privilege(this.#options.sudo),
      clock,
      signal,
    });
  }

  /** Running means looked at: that it answers does not say that it works in this directory. */
  async verifyWorksHere(): Promise<void> {
    const { nodes, privilege, clock, signal } = this.#ctx;
    const { rpcUrl, startTimeoutMs, sudo } = this.#options;
    await verifyWorksIn({
      control: this.#node.control,
      isInUse: async (...asked) => await nodes.isInUse(...asked),
      chainstateDir: this.#chainstateDir,
      privilege: privilege(sudo),
      clock,
      signal,
      limitMs: rpcUrl === undefined ? startTimeoutMs : openingMs,
    });
  }

  /** Of one without an RPC: that it lives on for a while. NODE_GONE_AGAIN. */
  async verifyStaysUp(): Promise<void> {
    const { clock, signal } = this.#ctx;
    if (this.#options.rpcUrl !== undefined) return;
    const ended = await staysUp({ control: this.#node.control, clock, signal }, watchMs);
    if (ended === undefined) return;
    throw new ActionError("NODE_GONE_AGAIN", `The node was started and has ended again: ${ended.detail}.`);
  }

  /** The predicate of a sentence: one that has not answered is not said to be back. */
  describeReturn(seconds: number | undefined): string {
    if (this.#hasAnswered) return `is back, after ${seconds} s.`;
    return `runs and has not answered, ${seconds} s after the stop.`;
  }

  /** Returns when the RPC answered first; at once where there is none. */
  async answers(expected: ExpectedChain, syncBlocks: number): Promise<Date> {
    const { clock, signal, report } = this.#ctx;
    await this.#findRpc();
    const { rpcUrl, startTimeoutMs, syncTimeoutMs } = this.#options;
    if (rpcUrl === undefined) {
      this.#hasAnswered = true;
      return new Date(clock.now());
    }
    const health = await waitHealthy({
      rpcUrl,
      startTimeoutMs,
      expected: this.expect(expected),
      syncBlocks,
      syncTimeoutMs,
      control: this.#node.control,
      clock,
      signal,
      onProgress: (line) => report.info(line),
    });
    this.#hasAnswered = true;
    return health.firstAnswerAt;
  }

  /** One that was down has had no process to find it by. */
  async #findRpc(): Promise<void> {
    if (this.#node.before.running) return;
    this.#options = await withFoundRpc(this.#ctx, this.#options, this.#chainstateDir, foundWithinMs);
  }

  /** Whatever chain it was on before, it has to be the same after. */
  expect(expected: ExpectedChain): ExpectedChain {
    const { info } = this.#node;
    const same =
      info === undefined ? {} : { networkId: info.network_id, parentNetworkId: info.parent_network_id };
    return { ...same, ...expected };
  }
}
