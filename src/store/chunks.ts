/** Byte streams of stores: gathered, and read on across broken connections. */
import { bestEffort } from "../system/best-effort.ts";
import { systemClock, type Clock } from "../system/clock.ts";
import { deadline } from "../system/deadline.ts";
import { retry } from "../system/retry.ts";
import { StoreError, tooLarge } from "./errors.ts";
import { LeastRate } from "./least-rate.ts";
import type { GetOptions, ObjectInfo, ObjectStore } from "./port.ts";

/** All of it in memory. OBJECT_TOO_LARGE, whatever length was announced, for more than `atMostBytes`. */
export async function collect(
  chunks: AsyncIterable<Uint8Array>,
  atMostBytes = Infinity,
  url = "",
): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of chunks) {
    size += chunk.length;
    if (size > atMostBytes) throw tooLarge(url, atMostBytes);
    parts.push(chunk);
  }
  return Buffer.concat(parts);
}

/** All of it in `into`, which is as long; fewer bytes are the caller's to see. */
async function collectInto(
  chunks: AsyncIterable<Uint8Array>,
  into: Uint8Array,
  url: string,
): Promise<Uint8Array> {
  let size = 0;
  for await (const chunk of chunks) {
    if (size + chunk.length > into.length) throw tooLarge(url, into.length);
    into.set(chunk, size);
    size += chunk.length;
  }
  return into.subarray(0, size);
}

const wholeAtMostBytes = 64 * 1024 * 1024;

/** `ObjectStore.get` for a store that streams. */
export async function getByStream(
  store: Pick<ObjectStore, "stream" | "urlOf">,
  key: string,
  options: GetOptions,
): Promise<{ readonly bytes: Uint8Array; readonly info: ObjectInfo }> {
  const { chunks, info } = await store.stream(key, options);
  const { range, into, atMostBytes = wholeAtMostBytes } = options;
  const url = store.urlOf(key);
  // A range has one length: its bytes need not be gathered first.
  const place = into ?? (range === undefined ? undefined : new Uint8Array(range.length));
  const bytes =
    place === undefined ? await collect(chunks, atMostBytes, url) : await collectInto(chunks, place, url);
  return { info, bytes };
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
  /** Slower than `leastBytesPerSecond` for so long: final. */
  readonly slowAfterMs: number;
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
  const { length, signal, clock = systemClock } = options;
  const bodies = new Bodies(options);
  const policy = {
    firstPauseMs: 250,
    longestPauseMs: 5_000,
    attempts: options.maxFailures + 1,
    passes: (error: unknown) => error instanceof BodyBroke,
    signal,
    clock,
  };
  try {
    while (bodies.offset < length) yield await retry(policy, async () => await bodies.next());
    await bodies.readEnd();
  } catch (error) {
    if (error instanceof BodyBroke) throw gaveUp(options, bodies.offset, error.cause);
    throw error;
  } finally {
    await bodies.giveUp();
  }
}

/** It ended early, stood still or failed: another body may go on where it stopped. What `open` throws is never this. */
class BodyBroke extends Error {}

/** One body after the other, each from where the one before stopped. */
class Bodies {
  readonly #options: ResumeOptions;
  readonly #rate: LeastRate;
  #body: { readonly chunks: AsyncIterator<Uint8Array>; readonly stop: AbortController } | undefined;
  offset = 0;

  constructor(options: ResumeOptions) {
    this.#options = options;
    this.#rate = new LeastRate(options.url, options.slowAfterMs);
  }

  /** The next bytes, at least one. */
  async next(): Promise<Uint8Array> {
    const { open, length, signal } = this.#options;
    if (this.#body === undefined) {
      const stop = new AbortController();
      const body = await open(this.offset, AbortSignal.any([signal, stop.signal]));
      this.#body = { chunks: body[Symbol.asyncIterator](), stop };
    }
    let chunk: Uint8Array | undefined;
    const askedAt = performance.now();
    try {
      do chunk = await this.#read(this.#body.chunks);
      while (chunk?.length === 0);
    } catch (cause) {
      await this.giveUp();
      throw new BodyBroke("The body broke.", { cause });
    }
    if (chunk === undefined) throw new BodyBroke("The body ended early.");
    this.#rate.count(chunk.length, performance.now() - askedAt);
    const wanted = chunk.subarray(0, length - this.offset);
    this.offset += wanted.length;
    return wanted;
  }

  /** When all bytes are there: so that the connection can be used again. */
  async readEnd(): Promise<void> {
    // All bytes are there, so nothing can fail any more; `giveUp` ends a body that goes on.
    if (this.#body !== undefined) await this.#read(this.#body.chunks).catch(() => undefined);
  }

  /** A body that has not ended is ended: the connection must not wait for one nobody reads. */
  async giveUp(): Promise<void> {
    const body = this.#body;
    if (body === undefined) return;
    this.#body = undefined;
    body.stop.abort();
    // Why it broke is dealt with already, and how it ends is of no use to anybody.
    const unheard = { warning: () => undefined };
    await bestEffort(unheard, "end the body", async () => await body.chunks.return?.(), endWithinMs);
  }

  /** Undefined at the end. Each read has its own limit: how long the reader takes between two is not the store's fault. */
  async #read(chunks: AsyncIterator<Uint8Array>): Promise<Uint8Array | undefined> {
    const { url, idleTimeoutMs } = this.#options;
    const limit = { ms: idleTimeoutMs, code: "STORE_STALLED", what: `The next byte of ${url}` } as const;
    const next = await deadline(limit, async () => await chunks.next());
    if (next.done !== true) return next.value;
    this.#body = undefined;
    return undefined;
  }
}

const endWithinMs = 5_000;

function gaveUp(options: ResumeOptions, offset: number, cause: unknown): StoreError {
  return new StoreError(
    "STORE_STALLED",
    `${options.url} stopped coming after ${offset} of ${options.length} bytes, ${options.maxFailures + 1} times in a row.`,
    { hint: "Check the network between this host and the store, then run again.", cause },
  );
}
