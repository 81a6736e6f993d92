/** The parts of one upload, looked at as a whole before it is completed. */
import { StoreError } from "../errors.ts";
import type { PartPlace } from "../port.ts";

export interface WrittenPart extends PartPlace {
  readonly size: number;
}

/**
 * The parts in order of their numbers must tile the object from its first byte, whatever order they came in. Returns the
 * object's size; STORE_MISMATCH names the first place that does not fit.
 */
export function assertPartsJoin(parts: readonly WrittenPart[], place: string): number {
  let end = 0;
  let previous = 0;
  for (const part of parts.toSorted((a, b) => a.number - b.number)) {
    if (part.number === previous || part.offset !== end) {
      throw new StoreError(
        "STORE_MISMATCH",
        `${place}: part ${part.number} begins at byte ${part.offset}, but byte ${end} comes next.`,
      );
    }
    previous = part.number;
    end += part.size;
  }
  return end;
}
