/**
 * The frames of an archive in memory: 84 bytes each in flat arrays, which is 13 MB for 650 GB. Everything else about an
 * archive is streamed.
 */
import type { FrameSizes } from "./seek-table.ts";

/** One frame: where it stands in the archive, and what it holds once decompressed. */
export interface Frame {
  readonly offset: number;
  readonly compressedSize: number;
  readonly size: number;
  /** SHA-256 of the uncompressed bytes, lower-case hex. */
  readonly sha256: string;
  /** The same of the compressed bytes. */
  readonly compressedSha256: string;
}

const digestSize = 32;

export class FrameTable implements FrameSizes {
  #count = 0;
  #capacity = 256;
  #offsets = new Float64Array(this.#capacity);
  #compressedSizes = new Uint32Array(this.#capacity);
  #sizes = new Uint32Array(this.#capacity);
  #digests = Buffer.alloc(this.#capacity * digestSize);
  #compressedDigests = Buffer.alloc(this.#capacity * digestSize);

  get count(): number {
    return this.#count;
  }

  add(frame: Frame): void {
    if (this.#count === this.#capacity) this.#grow();
    this.#offsets[this.#count] = frame.offset;
    this.#compressedSizes[this.#count] = frame.compressedSize;
    this.#sizes[this.#count] = frame.size;
    this.#digests.write(frame.sha256, this.#count * digestSize, "hex");
    this.#compressedDigests.write(frame.compressedSha256, this.#count * digestSize, "hex");
    this.#count += 1;
  }

  offsetOf(frame: number): number {
    return this.#offsets[frame] ?? 0;
  }

  compressedSizeOf(frame: number): number {
    return this.#compressedSizes[frame] ?? 0;
  }

  sizeOf(frame: number): number {
    return this.#sizes[frame] ?? 0;
  }

  sha256Of(frame: number): string {
    return this.#digests.toString("hex", frame * digestSize, (frame + 1) * digestSize);
  }

  compressedSha256Of(frame: number): string {
    return this.#compressedDigests.toString("hex", frame * digestSize, (frame + 1) * digestSize);
  }

  at(frame: number): Frame {
    return {
      offset: this.offsetOf(frame),
      compressedSize: this.compressedSizeOf(frame),
      size: this.sizeOf(frame),
      sha256: this.sha256Of(frame),
      compressedSha256: this.compressedSha256Of(frame),
    };
  }

  /** The digests of all frames in order, as bytes: what `treeSha256` is the SHA-256 of. */
  digests(): Uint8Array {
    return this.#digests.subarray(0, this.#count * digestSize);
  }

  /** Where the last frame ends in the archive. */
  get compressedEnd(): number {
    return this.#count === 0 ? 0 : this.offsetOf(this.#count - 1) + this.compressedSizeOf(this.#count - 1);
  }

  #grow(): void {
    this.#capacity *= 2;
    const grown = <A extends Float64Array | Uint32Array | Buffer>(to: A, from: A): A => {
      to.set(from);
      return to;
    };
    this.#offsets = grown(new Float64Array(this.#capacity), this.#offsets);
    this.#compressedSizes = grown(new Uint32Array(this.#capacity), this.#compressedSizes);
    this.#sizes = grown(new Uint32Array(this.#capacity), this.#sizes);
    this.#digests = grown(Buffer.alloc(this.#capacity * digestSize), this.#digests);
    this.#compressedDigests = grown(Buffer.alloc(this.#capacity * digestSize), this.#compressedDigests);
  }
}
