/**
 * Cuts a tar into segments, each of which becomes one zstd frame. Boundaries depend on what is being cut and not on what
 * came before, so that a change moves the boundaries of its own neighbourhood only: a large file is cut at multiples of
 * its segment size from its own start, and small entries are collected up to an entry whose path's hash says "here".
 */
import { encodePath } from "../../system/path-bytes.ts";
import { paddingAfter } from "./tar-header.ts";

/**
 * Source bytes of a segment, and the largest any file kind may ask for. Small enough that a core hashes what it has just
 * read, and compresses what it has just hashed, out of its caches: docs/decisions/0006.
 */
export const segmentSizeBytes = 4 * 1024 * 1024;
/** No frame a reader takes is larger once decompressed: the largest segment the format allows, and space for a header. */
export const maxFrameSizeBytes = 33 * 1024 * 1024;
/** One entry in so many begins a segment, whatever came before. */
const entriesPerBoundary = 512;

/** An entry as the planner sees it: `T` is whatever the caller wants back with it. */
export interface PlannableEntry<T> {
  readonly path: string;
  readonly headerSize: number;
  /** Bytes of content, without padding. */
  readonly size: number;
  /** Where its content is cut, if it is larger: a multiple of 64 KiB, at most `segmentSizeBytes`. */
  readonly segmentSize: number;
  readonly payload: T;
}

/** A piece of an entry in a segment: its header, or a range of its content, or both one after the other. */
export interface SegmentItem<T> {
  readonly entry: PlannableEntry<T>;
  /** Where the header starts in the segment; absent where only content follows. */
  readonly headerAt?: number;
  /** Where the content starts in the segment. */
  readonly contentAt: number;
  readonly fileOffset: number;
  readonly size: number;
  /** Zero bytes behind the content. */
  readonly padding: number;
}

export interface Segment<T> {
  /** From 0, in archive order; the number of the frame it becomes. */
  readonly number: number;
  readonly size: number;
  readonly items: readonly SegmentItem<T>[];
}

/** True when the entry at `path` begins a segment: FNV-1a over its bytes, mixed, so that similar names differ. */
export function beginsSegment(path: string): boolean {
  let hash = 0x811c9dc5;
  for (const byte of encodePath(path)) hash = Math.imul(hash ^ byte, 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  hash ^= hash >>> 13;
  return (hash >>> 0) % entriesPerBoundary === 0;
}

/** Segments of the entries, which come in archive order. Pure: equal entries give equal segments. */
export async function* planSegments<T>(
  entries: AsyncIterable<PlannableEntry<T>> | Iterable<PlannableEntry<T>>,
): AsyncGenerator<Segment<T>> {
  let number = 0;
  let items: SegmentItem<T>[] = [];
  let size = 0;
  const take = (): Segment<T> => {
    const segment = { number, size, items };
    number += 1;
    items = [];
    size = 0;
    return segment;
  };
  for await (const entry of entries) {
    const alone = entry.size > entry.segmentSize;
    const padding = alone ? 0 : paddingAfter(entry.size);
    const wanted = entry.headerSize + (alone ? 0 : entry.size + padding);
    if (size > 0 && (size + wanted > segmentSizeBytes || beginsSegment(entry.path))) yield take();
    const headerAt = size;
    const contentAt = headerAt + entry.headerSize;
    items.push({ entry, headerAt, contentAt, fileOffset: 0, size: alone ? 0 : entry.size, padding });
    size += wanted;
    if (!alone) continue;
    yield take();
    for (let fileOffset = 0; fileOffset < entry.size; fileOffset += entry.segmentSize) {
      const length = Math.min(entry.segmentSize, entry.size - fileOffset);
      const tail = fileOffset + length === entry.size ? paddingAfter(entry.size) : 0;
      items.push({ entry, contentAt: 0, fileOffset, size: length, padding: tail });
      size += length + tail;
      yield take();
    }
  }
  if (size > 0) yield take();
}
