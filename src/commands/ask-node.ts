/** Whether a block is one of another node's chain. */
import { tryParseNakamotoHeader } from "../chainstate/proof/wire-format.ts";
import type { ChainFacts } from "../domain/manifest.ts";
import { askBlockAt, askNodeInfo, describeOutcome } from "../node/rpc.ts";
import { poll } from "../system/poll.ts";
import type { RunContext } from "./context.ts";

export interface NodeAnswer {
  readonly url: string;
  /** "silent": it says nothing of this block. */
  readonly kind: "theirs" | "differs" | "silent";
  /** What it is about it, in words. */
  readonly detail: string;
}

const answerMs = 10_000;
/** A node may be a few blocks behind, or busy for a moment. */
const everyMs = 5_000;
const limitMs = 30_000;

/** Of the tip; asked again for a while where it says nothing. */
export async function askNode(
  { signal, clock }: RunContext,
  url: string,
  facts: ChainFacts,
): Promise<NodeAnswer> {
  let answer: NodeAnswer | undefined;
  await poll({ everyMs, limitMs, signal, clock }, async () => {
    answer = { url, ...(await askOnce(url, facts, signal)) };
    return answer.kind === "silent" ? undefined : answer;
  });
  return answer ?? { url, kind: "silent", detail: "it was not asked" };
}

async function askOnce(
  url: string,
  { chainId, stacksHeight, stacksTip }: ChainFacts,
  signal: AbortSignal,
): Promise<Omit<NodeAnswer, "url">> {
  const silent = (detail: string) => ({ kind: "silent", detail }) as const;
  const info = await askNodeInfo(url, signal, answerMs);
  if (info.kind !== "answer") return silent(describeOutcome(info));
  const { network_id: network, stacks_tip_height: tip } = info.value;
  if (chainId !== null && network !== chainId)
    return { kind: "differs", detail: `it is of network ${network}, the chainstate of ${chainId}` };
  if (tip < stacksHeight) return silent(`it is behind, at height ${tip}`);
  const block = await askBlockAt(url, stacksHeight, signal, answerMs);
  if (block.kind === "status")
    return silent(`it gives no block of height ${stacksHeight} (HTTP status ${block.status})`);
  if (block.kind !== "answer") return silent(describeOutcome(block));
  const header = tryParseNakamotoHeader(block.value);
  if (header?.height !== stacksHeight) return silent("what it gives is no block of that height");
  if (header.id === stacksTip) return { kind: "theirs", detail: "the block is theirs" };
  return { kind: "differs", detail: `its block of height ${stacksHeight} is ${header.id}` };
}
