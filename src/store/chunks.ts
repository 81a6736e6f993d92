/** Byte streams of stores: gathered, and read on across broken connections. */
import { throwIfAborted } from "../errors.ts";
import { systemClock, type Clock } from "../system/clock.ts";
import { StoreError } from "./errors.ts";

export async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const gathered: Uint8Array[] = [];
  for await (const chunk of chunks) gathered.push(chunk);
  return Buffer.concat(gathered);
}

export interface ResumeOptions {
  /** For messages. */
  readonly url: string;
  /** How many bytes there are to come. */
  readonly length: number;
  /**
   * A body with the bytes from `offset` (below `length`) to the end. It must already have made sure that it is the same
   * version, must stop when its signal is aborted, and may throw: that is final.
   */
  readonly open: (offset: number, signal: AbortSignal) => Promise<AsyncIterable<Uint8Array>>;
  /** No byte for so long: the body is given up and opened again. */
  readonly idleTimeoutMs: number;
  /** How many bodies in a row may end without a single byte. */
  readonly maxFailures: number;
  readonly signal: AbortSignal;
  readonly clock?: Clock;
}

/**
 * The bytes [0, length), opened anew where a body broke, ended early or stood still. Only failures without progress
 * count, so a long stream survives any number of short interruptions.
 */
export async function* readResumably(options: ResumeOptions): AsyncGenerator<Uint8Array, void, undefined> {
  const { length, signal } = options;
  const clock = options.clock ?? systemClock;
  let offset = 0;
  let failures = 0;
  while (offset < length) {
    throwIfAborted(signal);
    const attempt = new AbortController();
    const body = await options.open(offset, AbortSignal.any([signal, attempt.signal]));
    const iterator = body[Symbol.asyncIterator]();
    let cause: unknown;
    let ended = false;
    try {
      for (;;) {
        const next = await nextWithin(iterator, options.idleTimeoutMs, attempt);
        ended = next.done === true;
        // Read to the end even when all bytes are there, so that the connection can be used again.
        if (next.done === true || offset >= length) break;
        const chunk = next.value.subarray(0, length - offset);
        offset += chunk.length;
        if (chunk.length > 0) failures = 0;
        yield chunk;
      }
    } catch (error) {
      cause = error;
    } finally {
      if (!ended) {
        // It broke, stands still, or the reader left: the connection must not wait for a body nobody reads.
        attempt.abort();
        await endQuietly(iterator);
      }
    }
    if (offset >= length) return;
    throwIfAborted(signal);
    failures += 1;
    if (failures > options.maxFailures) throw gaveUp(options, offset, cause);
    await clock.sleep(Math.min(250 * 2 ** (failures - 1), 5_000), signal);
  }
}

async function nextWithin(
  iterator: AsyncIterator<Uint8Array>,
  idleTimeoutMs: number,
  attempt: AbortController,
): Promise<IteratorResult<Uint8Array>> {
  let timer: NodeJS.Timeout | undefined;
  const idle = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new Error(`no byte for ${idleTimeoutMs / 1000} s`));
      attempt.abort();
    }, idleTimeoutMs);
  });
  const next = iterator.next();
  // When the timer wins, this one ends with the abort; nobody else waits for it.
  next.catch(() => undefined);
  try {
    return await Promise.race([next, idle]);
  } finally {
    clearTimeout(timer);
  }
}

const endWithinMs = 5_000;

/** Best effort, and bounded: the body may have broken already, and that has been dealt with. */
async function endQuietly(iterator: AsyncIterator<Uint8Array>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, endWithinMs)));
  try {
    await Promise.race([iterator.return?.(), late]);
  } catch {
    // It ended with the error that brought us here.
  } finally {
    clearTimeout(timer);
  }
}

function gaveUp(options: ResumeOptions, offset: number, cause: unknown): StoreError {
  return new StoreError(
    "STORE_STALLED",
    `${options.url} stopped coming after ${offset} of ${options.length} bytes, ${options.maxFailures + 1} times in a row.`,
    { hint: "Check the network between this host and the store, then run again.", cause },
  );
}
