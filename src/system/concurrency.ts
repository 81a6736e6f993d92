/**
 * Many pieces of work at once, with a bound. A failure is never lost: the first one is kept, thrown by the next `add` and
 * by `drain`, and nothing becomes an unhandled rejection meanwhile.
 */
import { throwIfAborted } from "../domain/errors.ts";
import type { Pace } from "./pace.ts";

export interface LimiterOptions {
  /** Pieces under way at once; a `Pace` finds out how many are of use. */
  readonly count: number | Pace;
  /** The sum of their weights (bytes, say). A piece that is heavier than this goes alone. */
  readonly weight?: number;
  /** Ends the wait for space. The pieces take a signal themselves. */
  readonly signal?: AbortSignal;
}

export class Limiter {
  readonly #count: number | Pace;
  readonly #weight: number;
  readonly #signal: AbortSignal | undefined;
  readonly #underWay = new Set<Promise<unknown>>();
  /** Those who wait for space or for the end; woken, they look again. */
  #waiting: (() => void)[] = [];
  /** Resolves when the piece that was added before has begun: pieces begin in the order of the calls. */
  #turn: Promise<unknown> = Promise.resolve();
  #weightUnderWay = 0;
  #failure: { readonly error: unknown } | undefined;

  constructor({ count, weight = Infinity, signal }: LimiterOptions) {
    if (typeof count === "number" && !(count >= 1))
      throw new RangeError(`No number of pieces at once: ${count}`);
    this.#count = count;
    this.#weight = weight;
    this.#signal = signal;
  }

  /**
   * Begins `work` as soon as there is space for it, and resolves then. Throws the first failure of a piece before it, or
   * the signal's reason; `work` is not begun in that case.
   */
  async add(work: () => Promise<unknown>, weight = 0): Promise<void> {
    await this.#inTurn(weight, () => {
      this.#begin(work, weight).catch((error: unknown) => {
        this.#failure ??= { error };
        this.#wake();
      });
    });
  }

  /** Begins `work` in its turn and gives its result. Its failure is the caller's, so it is not kept. */
  async run<T>(work: () => Promise<T>, weight = 0): Promise<T> {
    const begun = await this.#inTurn(weight, () => ({ result: this.#begin(work, weight) }));
    return await begun.result;
  }

  /** Waits until nothing is under way, or for the first failure, which it throws. */
  async drain(): Promise<void> {
    for (;;) {
      this.#throwFailure();
      if (this.#underWay.size === 0) return;
      await this.#change();
    }
  }

  /** Waits until nothing is under way, whatever fails: for a `finally`. */
  async idle(): Promise<void> {
    while (this.#underWay.size > 0) await Promise.allSettled(this.#underWay);
  }

  async #inTurn<T>(weight: number, begin: () => T): Promise<T> {
    const before = this.#turn;
    const turn = Promise.withResolvers<void>();
    this.#turn = turn.promise;
    try {
      await before;
      this.#throwFailure();
      while (this.#underWay.size > 0 && !this.#hasSpace(weight)) {
        await this.#change();
        this.#throwFailure();
      }
      return begin();
    } finally {
      turn.resolve();
    }
  }

  #hasSpace(weight: number): boolean {
    if (this.#weightUnderWay + weight > this.#weight) return false;
    if (typeof this.#count === "number") return this.#underWay.size < this.#count;
    if (this.#underWay.size < this.#count.atOnce) return true;
    this.#count.full();
    return false;
  }

  async #begin<T>(work: () => Promise<T>, weight: number): Promise<T> {
    const running = work();
    this.#underWay.add(running);
    this.#weightUnderWay += weight;
    try {
      return await running;
    } finally {
      this.#underWay.delete(running);
      this.#weightUnderWay -= weight;
      if (typeof this.#count === "object") this.#count.ended(weight);
      this.#wake();
    }
  }

  #throwFailure(): void {
    if (this.#signal !== undefined) throwIfAborted(this.#signal);
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }

  /** Resolves when a piece ended or the signal was aborted. */
  async #change(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const wake = (): void => resolve();
    this.#waiting.push(wake);
    this.#signal?.addEventListener("abort", wake, { once: true });
    try {
      await promise;
    } finally {
      this.#signal?.removeEventListener("abort", wake);
      this.#waiting = this.#waiting.filter((one) => one !== wake);
    }
  }
}

/**
 * The results of `work` in the order of `items`, at most `ahead` of them begun before they are asked for. A failure is
 * thrown where its turn comes. When the iteration ends, however it ends, `work`'s signal is aborted and nothing is under way.
 */
export async function* inOrder<A, B>(
  items: AsyncIterable<A> | Iterable<A>,
  ahead: number,
  work: (item: A, ended: AbortSignal) => Promise<B>,
): AsyncGenerator<B, void, undefined> {
  const underWay: Promise<B>[] = [];
  const ended = new AbortController();
  try {
    for await (const item of items) {
      const running = work(item, ended.signal);
      // Its failure is met when its turn comes; until then it must not count as unhandled.
      running.catch(() => undefined);
      underWay.push(running);
      if (underWay.length >= ahead) yield await first(underWay);
    }
    while (underWay.length > 0) yield await first(underWay);
  } finally {
    ended.abort();
    await Promise.allSettled(underWay);
  }
}

async function first<B>(underWay: Promise<B>[]): Promise<B> {
  return await (underWay.shift() as Promise<B>);
}
