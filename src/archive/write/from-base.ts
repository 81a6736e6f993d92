/** What of a segment stands in the base archive already, by what the view says. */
import { ActionError } from "../../domain/errors.ts";
import type { Segment } from "../format/segments.ts";
import { show } from "../format/tree-check.ts";
import type { BytesInBase, ViewEntry } from "../view.ts";

/** Where all of the segment is content of one file that stands in the base archive. */
export function inBaseOf({
  items: [item, ...others],
}: Segment<{ readonly entry: ViewEntry }>): BytesInBase | undefined {
  if (item === undefined || item.headerAt !== undefined || others.length > 0) return undefined;
  const { inBase } = item.entry.payload.entry;
  return inBase !== undefined && item.fileOffset + item.size <= inBase.bytes ? inBase : undefined;
}

export function oldBytesChanged(path: string, offset: number, size: number): ActionError {
  return new ActionError(
    "OLD_BYTES_CHANGED",
    `${show(path)} has other bytes between ${offset} and ${offset + size} than in the last snapshot, and is only ever appended to.`,
  );
}
