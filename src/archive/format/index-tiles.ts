/**
 * The proof that an index accounts for its archive: headers, pieces and padding, in the order of the entries, tile the
 * frames from the first byte to the end of the tar, so that no two entries share a byte and none is unaccounted for.
 */
import type { FrameRange, IndexEntry } from "./index-format.ts";
import { refuse } from "./index-lines.ts";
import { endOfArchiveSize, paddingAfter, tarBlockSize } from "./tar-header.ts";
import type { FrameSizes } from "./seek-table.ts";
import { show } from "./tree-check.ts";

/** Takes the root's header, then every entry, then the end. Throws INDEX_INVALID where something does not fit. */
export class TileCheck {
  readonly #frames: FrameSizes;
  #frame = 0;
  #at = 0;

  constructor(frames: FrameSizes) {
    this.#frames = frames;
  }

  header(range: FrameRange, name: string): void {
    if (range.size < tarBlockSize || range.size % tarBlockSize !== 0) {
      throw refuse(`the header of ${show(name)} has an impossible size`);
    }
    this.#take(range, name);
  }

  entry(entry: IndexEntry): void {
    this.header(entry.header, entry.path);
    let fileOffset = 0;
    for (const piece of entry.pieces) {
      if (piece.size === 0 || piece.fileOffset !== fileOffset) {
        throw refuse(`the pieces of ${show(entry.path)} leave a gap or overlap`);
      }
      this.#take(piece, entry.path);
      fileOffset += piece.size;
    }
    if (fileOffset !== entry.size) throw refuse(`the pieces of ${show(entry.path)} are not its size`);
    if (entry.size === 0) return;
    this.#at += paddingAfter(entry.size);
    if (this.#at > this.#frames.sizeOf(this.#frame)) {
      throw refuse(`the padding of ${show(entry.path)} is cut`);
    }
  }

  /** All frames used up but the last, which is the end of the tar. */
  end(): void {
    this.#next();
    const last = this.#frames.count - 1;
    if (this.#frame !== last || this.#at !== 0 || this.#frames.sizeOf(last) !== endOfArchiveSize) {
      throw refuse("its last frame is not the end of the tar");
    }
  }

  #take(range: FrameRange, name: string): void {
    this.#next();
    const isNext = range.frame === this.#frame && range.offset === this.#at;
    const end = range.offset + range.size;
    if (!isNext || this.#frame >= this.#frames.count - 1 || end > this.#frames.sizeOf(this.#frame)) {
      throw refuse(`the bytes of ${show(name)} are not where they must be`);
    }
    this.#at = end;
  }

  #next(): void {
    if (this.#frame < this.#frames.count && this.#at === this.#frames.sizeOf(this.#frame)) {
      this.#frame += 1;
      this.#at = 0;
    }
  }
}
