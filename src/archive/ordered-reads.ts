/**
 * The bytes of an archive from first to last, for formats that can only be read in order: many ranges are asked for at
 * once, because a store with latency is read fast only by many, and handed on in order, so that memory has a bound.
 */
import type { FrameSource } from "./transport.ts";

const rangeBytes = 8 * 1024 * 1024;
const rangesAtOnce = 8;

/** Throws what the source throws. Leaving the iteration, or `signal`, ends the requests that are under way. */
export async function* readInOrder(
  source: FrameSource,
  signal: AbortSignal,
  window: { readonly bytes: number; readonly count: number } = { bytes: rangeBytes, count: rangesAtOnce },
): AsyncGenerator<Uint8Array, void, undefined> {
  if (source.whole !== undefined) {
    yield* source.whole(signal);
    return;
  }
  const stop = new AbortController();
  const either = AbortSignal.any([signal, stop.signal]);
  const underWay: Promise<Uint8Array>[] = [];
  let asked = 0;
  const ask = (): void => {
    while (underWay.length < window.count && asked < source.size) {
      const length = Math.min(window.bytes, source.size - asked);
      const read = source.read(asked, length, either);
      // Whoever awaits it in its turn sees the failure; until then it must not count as unhandled.
      read.catch(() => undefined);
      underWay.push(read);
      asked += length;
    }
  };
  try {
    ask();
    for (let next = underWay.shift(); next !== undefined; next = underWay.shift()) {
      ask();
      yield await next;
    }
  } finally {
    stop.abort();
    await Promise.allSettled(underWay);
  }
}
