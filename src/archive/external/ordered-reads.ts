/**
 * The bytes of an archive from first to last, for formats that can only be read in order: many ranges are asked for at
 * once, because a store with latency is read fast only by many, and handed on in order, so that memory has a bound.
 */
import { inOrder } from "../../system/concurrency.ts";
import type { FrameSource } from "../transport.ts";

const rangeBytes = 8 * 1024 * 1024;
const rangesAtOnce = 8;

/** Throws what the source throws. Leaving the iteration, or `signal`, ends the requests that are under way. */
export async function* readInOrder(
  source: FrameSource,
  signal: AbortSignal,
  /** Where to begin; 0 where ranges cannot be had. */
  start = 0,
  window: { readonly bytes: number; readonly count: number } = { bytes: rangeBytes, count: rangesAtOnce },
): AsyncGenerator<Uint8Array, void, undefined> {
  if (source.whole !== undefined) {
    yield* source.whole(signal);
    return;
  }
  const ranges = function* (): Generator<{ readonly offset: number; readonly length: number }> {
    for (let offset = start; offset < source.size; offset += window.bytes)
      yield { offset, length: Math.min(window.bytes, source.size - offset) };
  };
  yield* inOrder(ranges(), window.count, async ({ offset, length }, ended) =>
    source.read(offset, length, AbortSignal.any([signal, ended])),
  );
}
