/**
 * How many requests go at once: as many as the other side rewards. A near store is at its limit with few; a far one, or one
 * that gives each connection little, takes many. Nobody can tell beforehand, so twice as many are tried: they stay while
 * that moves clearly more, else it is as before, for a while.
 */
export interface PaceOptions {
  readonly first: number;
  readonly most: number;
  /** Milliseconds, from any beginning. */
  readonly now?: () => number;
}

/** Twice as many have to move so much more. */
const gain = 1.2;
/** Shorter is what one slow answer makes of it. */
const leastMs = 500;
/** Networks change: so long after twice as many gave nothing they are tried again. */
const restMs = 30_000;

export class Pace {
  readonly #most: number;
  readonly #now: () => number;
  #atOnce: number;
  /** What half as many moved a millisecond, while it is tried whether more are of use. */
  #rateOfHalf: number | undefined;
  #restsUntil = -Infinity;
  #since: number;
  #pieces = 0;
  #weight = 0;
  #wasFull = false;

  constructor({ first, most, now = () => performance.now() }: PaceOptions) {
    this.#atOnce = first;
    this.#most = most;
    this.#now = now;
    this.#since = now();
  }

  get atOnce(): number {
    return this.#atOnce;
  }

  /** Another piece would have begun, had there been a place. Nothing is learnt of a time when there was none. */
  full(): void {
    this.#wasFull = true;
  }

  /** A piece of so many bytes has ended. */
  ended(weight: number): void {
    this.#pieces += 1;
    this.#weight += weight;
    const now = this.#now();
    const ms = now - this.#since;
    if (this.#pieces < 2 * this.#atOnce || ms < leastMs) return;
    if (this.#wasFull && now >= this.#restsUntil) this.#judge(this.#weight / ms, now);
    this.#since = now;
    this.#pieces = 0;
    this.#weight = 0;
    this.#wasFull = false;
  }

  #judge(rate: number, now: number): void {
    const isWorthIt = this.#rateOfHalf === undefined || rate >= gain * this.#rateOfHalf;
    if (!isWorthIt) {
      this.#atOnce = Math.ceil(this.#atOnce / 2);
      this.#restsUntil = now + restMs;
    }
    const more = Math.min(2 * this.#atOnce, this.#most);
    const isTried = isWorthIt && more === 2 * this.#atOnce;
    this.#rateOfHalf = isTried ? rate : undefined;
    if (isTried) this.#atOnce = more;
  }
}
