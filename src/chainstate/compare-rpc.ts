/** The tip of the databases against what the node said of itself before it was stopped. */
import type { ChainFacts } from "../domain/manifest.ts";
import { ActionError } from "../domain/errors.ts";

/** Of `/v2/info`. */
interface Info {
  readonly network_id: number;
  readonly stacks_tip_height: number;
}

/** Of `/v3/tenures/info`. */
interface Tenure {
  readonly tip_block_id: string;
  readonly tip_height: number;
}

/** Blocks that a node may well process between the question and its exit; it is asked moments before. */
const farBlocks = 200;

/**
 * The databases may be ahead: the node ran on for a moment. Throws TIP_BEHIND_RPC when they are behind what was said, and
 * RPC_OF_ANOTHER_CHAIN; returns a warning for what is odd and no evidence.
 */
export function compareWithRpc(facts: ChainFacts, info: Info, tenure?: Tenure): string | undefined {
  if (facts.chainId !== null && facts.chainId !== info.network_id) {
    throw new ActionError(
      "RPC_OF_ANOTHER_CHAIN",
      `The RPC is of network ${info.network_id}, the chainstate of chain id ${facts.chainId}.`,
      { hint: "`rpc-url` and `chainstate-dir` have to be of one node." },
    );
  }
  if (facts.stacksTip === null) return undefined;
  const said = Math.max(info.stacks_tip_height, tenure?.tip_height ?? 0);
  if (facts.stacksHeight < said) {
    throw new ActionError(
      "TIP_BEHIND_RPC",
      `The databases end at Stacks height ${facts.stacksHeight}, but the node said ${said} before it was stopped.`,
      {
        hint:
          "Blocks are missing: a `-wal` was lost, or `rpc-url` and `chainstate-dir` are of two nodes. Nothing is " +
          "published from this chainstate.",
      },
    );
  }
  if (facts.stacksHeight > said + farBlocks) {
    return `The databases end at Stacks height ${facts.stacksHeight}, ${facts.stacksHeight - said} above what the node said before it was stopped: are \`rpc-url\` and \`chainstate-dir\` of one node?`;
  }
  if (tenure?.tip_height === facts.stacksHeight && tenure.tip_block_id !== facts.stacksTip) {
    return `The node said its tip at height ${facts.stacksHeight} was ${tenure.tip_block_id}, the databases say ${facts.stacksTip}: the chain forked there.`;
  }
  return undefined;
}
