/** A chainstate in a directory beside the old one, exchanged by renames; see `recovery/swap.ts`. */
import type { FileOperations } from "../recovery/file-operations.ts";
import type { Journal } from "../recovery/journal.ts";
import { finishSwap, prove, swapIn, type RecordSwap, type SwapPlan } from "../recovery/swap.ts";
import type { Staged } from "./restore-origin.ts";

export function stagedDirectory(
  plan: SwapPlan,
  { journal, files }: { readonly journal: Journal; readonly files: FileOperations },
  discard: () => Promise<void> = async () => await files.removeTree(plan.staging),
): Staged {
  const record: RecordSwap = async (swap) => await journal.update({ swap });
  return {
    directory: plan.staging,
    discard,
    async swap() {
      await swapIn(plan, record, files);
    },
    async prove() {
      const { swap } = journal.content;
      if (swap !== null) await prove(swap, record);
    },
    async finish(keepPrevious) {
      const { swap } = journal.content;
      if (swap === null) return [];
      await finishSwap(swap, keepPrevious, record, files);
      return keepPrevious && swap.hadTarget ? [swap.aside] : [];
    },
  };
}
