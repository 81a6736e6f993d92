/**
 * What stands in `index.json.zst`: the archive's root, its frames, and for every entry where its header and its bytes
 * are. One JSON document, written so that each element is one line: any JSON parser reads it whole, ours reads it line
 * by line and never holds more than one.
 */
import type { EntryFacts } from "../view.ts";

export const indexVersion = 1;

/** A range of an uncompressed frame. */
export interface FrameRange {
  readonly frame: number;
  readonly offset: number;
  readonly size: number;
}

/** Bytes [fileOffset, fileOffset + size) of a file are bytes [offset, offset + size) of the frame. */
export interface Piece extends FrameRange {
  readonly fileOffset: number;
}

export interface IndexRoot {
  /** The one directory at the top of the archive. */
  readonly name: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtimeNs: bigint;
  readonly header: FrameRange;
}

export interface IndexEntry extends EntryFacts {
  readonly header: FrameRange;
  readonly pieces: readonly Piece[];
}
