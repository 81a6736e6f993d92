/** The pieces of a part as one buffer, for clients that take nothing else, in memory that is used again. */
import { SharedBuffers } from "../../system/shared-buffers.ts";

export function bytesIn(pieces: readonly Uint8Array[]): number {
  return pieces.reduce((sum, { length }) => sum + length, 0);
}

const buffers = new SharedBuffers(8 * 1024 * 1024);

/**
 * Calls `work` with them, and `release` when the pieces are not read any more. After a failure memory that `work` had is left alone, for
 * a request may still be reading it.
 */
export async function withJoined<T>(
  pieces: readonly Uint8Array[],
  release: (() => void) | undefined,
  work: (bytes: Uint8Array) => Promise<T>,
): Promise<T> {
  const [only] = pieces;
  if (pieces.length === 1 && only !== undefined) {
    const result = await work(only);
    release?.();
    return result;
  }
  const joined = buffers.take(bytesIn(pieces));
  let at = 0;
  for (const piece of pieces) {
    joined.bytes.set(piece, at);
    at += piece.length;
  }
  release?.();
  const result = await work(joined.bytes);
  joined.release();
  return result;
}
