/**
 * Turns the index's entries back into frames: for each one what stands in it, in order. Entries and frames have the same
 * order, so this is one pass that holds one frame's items at a time.
 */
import type { ArchiveIndex } from "../format/index-reader.ts";
import type { IndexEntry } from "../format/index-format.ts";
import type { EntryFacts } from "../view.ts";
import type { FrameItem } from "../workers/worker-protocol.ts";

export interface PlannedFrame {
  readonly frame: number;
  readonly items: readonly FrameItem[];
  /** False: nothing of it is to be written. */
  readonly wanted: boolean;
}

export interface FramePlanOptions {
  readonly signal: AbortSignal;
  /** Which entries are to be written. */
  readonly wanted: (entry: IndexEntry) => boolean;
  /** Called with each wanted file that comes in several pieces, before the first frame that holds one. */
  readonly onLargeFile: (entry: IndexEntry) => void;
}

/** Every frame of the archive in order, the last (the end of the tar) with no items. */
export async function* planFrames(
  index: ArchiveIndex,
  options: FramePlanOptions,
): AsyncGenerator<PlannedFrame> {
  let frame = 0;
  let wantedHere = false;
  const { name, header, ...rootFacts } = index.root;
  void name;
  let items: FrameItem[] = [
    { entry: { ...rootFacts, path: "", type: "directory", size: 0 }, header, wanted: false },
  ];
  const take = (): PlannedFrame => {
    const planned = { frame, items, wanted: wantedHere };
    frame += 1;
    items = [];
    wantedHere = false;
    return planned;
  };
  for await (const batch of index.entries(options.signal))
    for (const entry of batch) {
      const wanted = options.wanted(entry);
      if (wanted && entry.pieces.length > 1) options.onLargeFile(entry);
      const facts = factsOf(entry);
      if (entry.header.frame > frame) yield take();
      let header: FrameItem["header"] = entry.header;
      for (const piece of entry.pieces) {
        if (piece.frame > frame) {
          if (header !== undefined) items.push({ entry: facts, header, wanted });
          header = undefined;
          yield take();
        }
        wantedHere ||= wanted;
        items.push({ entry: facts, ...(header === undefined ? {} : { header }), piece, wanted });
        header = undefined;
      }
      if (header !== undefined) {
        items.push({ entry: facts, header, wanted });
        // An empty file is made by the frame that holds its header.
        wantedHere ||= wanted && entry.type === "file";
      }
    }
  yield take();
  yield take();
}

export function factsOf(entry: IndexEntry): EntryFacts {
  const { path, type, size, mode, uid, gid, mtimeNs, linkTarget } = entry;
  return { path, type, size, mode, uid, gid, mtimeNs, ...(linkTarget === undefined ? {} : { linkTarget }) };
}
