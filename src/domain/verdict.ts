/** What a restored chainstate's node is expected to be, and what one look at it says. */

export interface ExpectedChain {
  readonly networkId?: number;
  readonly parentNetworkId?: number;
  readonly minStacksHeight?: number;
  readonly minBurnHeight?: number;
}

/**
 * "well": it works in the directory and answers as expected. "against": it cannot be so on a chainstate that is good. "open":
 * neither, such as a node that lives and is silent. `why` and `detail` are sentences without a full stop.
 */
export type Verdict =
  | { readonly kind: "well"; readonly detail: string }
  | { readonly kind: "against"; readonly why: string; readonly hasEnded: boolean }
  | {
      readonly kind: "open";
      readonly detail: string;
      readonly isRunning: boolean;
      /** It answers, lower than expected: evidence when it stays so. */
      readonly isLow?: boolean;
    };
