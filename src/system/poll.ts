/** Asks again and again until there is an answer, with an end. */
import { throwIfAborted } from "../domain/errors.ts";
import { systemClock, type Clock } from "./clock.ts";

export interface PollOptions {
  /** Between two looks; with two values the pauses grow from the first to the second. */
  readonly everyMs: number | readonly [firstMs: number, longestMs: number];
  readonly limitMs: number;
  /** Ends the wait where what `progress` returns has not changed for so long. */
  readonly noProgressMs?: number;
  /** Anything that can be compared with `===`; asked after each look. */
  readonly progress?: () => unknown;
  /**
   * Failures of a look that say nothing about what is waited for (a network error). They count as no answer; the last is
   * thrown when the time is over and it was the last look.
   */
  readonly passes?: (error: unknown) => boolean;
  readonly signal: AbortSignal;
  readonly clock?: Clock;
}

const growth = 1.2;

/**
 * Calls `look` until it returns something else than undefined. Undefined when the time is over or nothing moved any more:
 * the caller knows what that means. Looks at least once, and once more at the end of the time.
 */
export async function poll<T>(
  options: PollOptions,
  look: () => Promise<T | undefined> | T | undefined,
): Promise<T | undefined> {
  const { signal, clock = systemClock, everyMs } = options;
  const [firstMs, longestMs] = typeof everyMs === "number" ? [everyMs, everyMs] : everyMs;
  const deadline = clock.now() + options.limitMs;
  let progress: unknown;
  let movedAt = clock.now();
  for (let pauseMs = firstMs; ; pauseMs = Math.min(longestMs, pauseMs * growth)) {
    throwIfAborted(signal);
    const looked = await lookOnce(options, look);
    if (looked.answer !== undefined) return looked.answer;
    const now = clock.now();
    const next = options.progress?.();
    if (next !== progress) [progress, movedAt] = [next, now];
    const leftMs = Math.min(deadline, movedAt + (options.noProgressMs ?? Infinity)) - now;
    if (leftMs <= 0) {
      if (looked.failure !== undefined) throw looked.failure;
      return undefined;
    }
    await clock.sleep(Math.min(pauseMs, leftMs), signal);
  }
}

async function lookOnce<T>(
  { passes, signal }: PollOptions,
  look: () => Promise<T | undefined> | T | undefined,
): Promise<{ readonly answer?: T | undefined; readonly failure?: unknown }> {
  try {
    return { answer: await look() };
  } catch (failure) {
    throwIfAborted(signal);
    if (passes?.(failure) !== true) throw failure;
    return { failure };
  }
}
