/**
 * The places of an archive where a store that copied wrongly would show: the frames at the edges of copied parts. Where a
 * store does not bind a copy to the version of its source, they are read back before the object is shown to anybody.
 */
import type { FrameSource } from "../../archive/transport.ts";
import { Limiter } from "../../system/concurrency.ts";

/** A frame at the edge of a copied part: where a store that copied wrongly would show. */
export interface PartBoundary {
  /** Ordinal of the frame, from 0, in the order of `append`. */
  readonly frame: number;
  readonly offset: number;
  readonly compressedSize: number;
}

/** Remembers the copied frames only until the parts they are in have been cut. */
export class BoundaryFinder {
  readonly found: PartBoundary[] = [];
  #recent: PartBoundary[] = [];

  frame(boundary: PartBoundary): void {
    this.#recent.push(boundary);
  }

  part(offset: number, size: number): void {
    this.#note(offset);
    this.#note(offset + size - 1);
    this.#recent = this.#recent.filter((frame) => frame.offset + frame.compressedSize > offset + size);
  }

  #note(byte: number): void {
    const boundary = this.#recent.find(
      (frame) => frame.offset <= byte && byte < frame.offset + frame.compressedSize,
    );
    if (boundary !== undefined && this.found.at(-1)?.frame !== boundary.frame) this.found.push(boundary);
  }
}

/** Reads the frames at the boundaries back from the finished object and has each checked (against its digest). */
export async function verifyBoundaries(
  source: FrameSource,
  boundaries: readonly PartBoundary[],
  check: (frame: number, bytes: Uint8Array) => Promise<void>,
  { concurrency, signal }: { readonly concurrency: number; readonly signal: AbortSignal },
): Promise<void> {
  const reads = new Limiter({ count: Math.max(1, concurrency), signal });
  try {
    for (const { frame, offset, compressedSize } of boundaries) {
      await reads.add(async () => await check(frame, await source.read(offset, compressedSize, signal)));
    }
    await reads.drain();
  } finally {
    await reads.idle();
  }
}
