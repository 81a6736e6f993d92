/**
 * The places of an archive where a store that copied wrongly would show: the frames at the edges of copied parts. Where a
 * store does not bind a copy to the version of its source, they are read back before the object is shown to anybody.
 */
import type { FrameSource } from "../archive/transport.ts";

/** A frame at the edge of a copied part: where a store that copied wrongly would show. */
export interface Seam {
  /** Ordinal of the frame, from 0, in the order of `append`. */
  readonly frame: number;
  readonly offset: number;
  readonly compressedSize: number;
}

/** Remembers the copied frames only until the parts they are in have been cut. */
export function createSeamFinder(): {
  readonly found: readonly Seam[];
  frame(seam: Seam): void;
  part(offset: number, size: number): void;
} {
  const found: Seam[] = [];
  let recent: Seam[] = [];
  const note = (byte: number): void => {
    const seam = recent.find((frame) => frame.offset <= byte && byte < frame.offset + frame.compressedSize);
    if (seam !== undefined && found.at(-1)?.frame !== seam.frame) found.push(seam);
  };
  return {
    found,
    frame: (seam) => void recent.push(seam),
    part(offset, size) {
      note(offset);
      note(offset + size - 1);
      recent = recent.filter((frame) => frame.offset + frame.compressedSize > offset + size);
    },
  };
}

/** Reads the frames at the seams back from the finished object and has each checked (against its digest). */
export async function verifySeams(
  source: FrameSource,
  seams: readonly Seam[],
  check: (frame: number, bytes: Uint8Array) => Promise<void>,
  options: { readonly concurrency: number; readonly signal: AbortSignal },
): Promise<void> {
  const queue = [...seams];
  const work = async (): Promise<void> => {
    for (let seam = queue.shift(); seam !== undefined; seam = queue.shift()) {
      await check(seam.frame, await source.read(seam.offset, seam.compressedSize, options.signal));
    }
  };
  await Promise.all(Array.from({ length: Math.max(1, options.concurrency) }, work));
}
