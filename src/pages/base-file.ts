/**
 * A file of the snapshot that this one is made from, as its archive has it: read in pieces from the store, or said to stand
 * there already.
 */
import { createHash } from "node:crypto";
import type { IndexEntry } from "../archive/format/index-format.ts";
import { segmentSizeBytes } from "../archive/format/segments.ts";
import { decompressFrame } from "../archive/format/zstd-frame.ts";
import type { BytesInBase } from "../archive/view.ts";
import { ActionError } from "../domain/errors.ts";
import type { DatabaseRecord } from "../domain/manifest.ts";

export interface BaseArchive {
  readonly id: string;
  /** SHA-256 of its index. */
  readonly indexSha256: string;
  readonly databases: readonly DatabaseRecord[];
  /** Of a database, its WAL, or an append-only file; undefined where it had none. */
  entry(path: string): IndexEntry | undefined;
  sizeOf(frame: number): number;
  sha256Of(frame: number): string;
  /** Undefined: its store cannot copy that frame. */
  known(sha256: string): unknown;
  /** The frame as it is stored. */
  fetch(frame: number, signal: AbortSignal): Promise<Uint8Array>;
}

export class BaseFile {
  readonly #base: BaseArchive;
  readonly #entry: IndexEntry;

  private constructor(base: BaseArchive, entry: IndexEntry) {
    this.#base = base;
    this.#entry = entry;
  }

  static of(base: BaseArchive, path: string): BaseFile | undefined {
    const entry = base.entry(path);
    return entry?.type === "file" ? new BaseFile(base, entry) : undefined;
  }

  get size(): number {
    return this.#entry.size;
  }

  /** Bytes at its beginning that stand in frames of their own, which a file of that size now would be cut into as well. */
  alone(upTo: number): number {
    if (this.#entry.size <= segmentSizeBytes) return 0;
    let bytes = 0;
    for (const { frame, offset, fileOffset, size } of this.#entry.pieces) {
      const isWhole = size === Math.min(segmentSizeBytes, this.#entry.size - fileOffset);
      const isAlone = offset === 0 && this.#base.sizeOf(frame) === size;
      if (fileOffset !== bytes || !isWhole || !isAlone || fileOffset + size > upTo) break;
      if (this.#base.known(this.#base.sha256Of(frame)) === undefined) break;
      bytes += size;
    }
    return bytes;
  }

  /** `bytes`: from `alone`. `isOnlyThere`: they cannot be read from anywhere else. */
  inBase(bytes: number, isOnlyThere: boolean): BytesInBase {
    const frameAt = (fileOffset: number): number => {
      const piece = this.#entry.pieces[fileOffset / segmentSizeBytes];
      if (piece === undefined) throw new RangeError(`${this.#entry.path} has no segment at ${fileOffset}`);
      return piece.frame;
    };
    return {
      bytes,
      sha256At: (fileOffset) => this.#base.sha256Of(frameAt(fileOffset)),
      ...(isOnlyThere
        ? {
            fetchAt: async (fileOffset: number, signal: AbortSignal) => {
              const frame = frameAt(fileOffset);
              const bytes = await this.#base.fetch(frame, signal);
              this.#open(frame, bytes);
              return bytes;
            },
          }
        : {}),
    };
  }

  /** The bytes from `from` to before `to`. FRAME_CORRUPT where the store has others. */
  async read(from: number, to: number, signal: AbortSignal): Promise<Buffer> {
    const bytes = Buffer.alloc(to - from);
    for (const { frame, offset, fileOffset, size } of this.#entry.pieces) {
      const [start, end] = [Math.max(from, fileOffset), Math.min(to, fileOffset + size)];
      if (start >= end) continue;
      const content = this.#open(frame, await this.#base.fetch(frame, signal));
      content.copy(bytes, start - from, offset + start - fileOffset, offset + end - fileOffset);
    }
    return bytes;
  }

  #open(frame: number, bytes: Uint8Array): Buffer {
    const content = decompressFrame(bytes, this.#base.sizeOf(frame));
    if (createHash("sha256").update(content).digest("hex") === this.#base.sha256Of(frame)) return content;
    throw new ActionError(
      "FRAME_CORRUPT",
      `Frame ${frame} of ${this.#base.id} has not the SHA-256 of its index.`,
      { hint: "That snapshot is damaged on its store: prune it, and run again." },
    );
  }
}
