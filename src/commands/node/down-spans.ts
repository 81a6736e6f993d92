/** When the node of a run was down because of it: more than once where a restore is taken back. */
import type { Clock } from "../../system/clock.ts";

export class DownSpans {
  readonly #clock: Clock;
  readonly #onChange: (from: Date, to: Date | undefined) => void;
  #past = 0;
  #last: { readonly from: Date; readonly to?: Date } | undefined;

  constructor(clock: Clock, onChange: (from: Date, to: Date | undefined) => void) {
    this.#clock = clock;
    this.#onChange = onChange;
  }

  /** It has not been down yet. */
  get isEmpty(): boolean {
    return this.#last === undefined;
  }

  /** The time at which the node was told to stop from which it is not back. */
  get openSince(): Date | undefined {
    return this.#last?.to === undefined ? this.#last?.from : undefined;
  }

  /** All of them together, until now while one is open. */
  get seconds(): number {
    return Math.round((this.#past + lengthOf(this.#last, this.#clock)) / 10) / 100;
  }

  /** Nothing while one is open. */
  begin(from: Date): void {
    if (this.openSince !== undefined) return;
    this.#past += lengthOf(this.#last, this.#clock);
    this.#last = { from };
    this.#onChange(from, undefined);
  }

  /** Nothing while none is open. */
  end(to: Date): void {
    const from = this.openSince;
    if (from === undefined) return;
    this.#last = { from, to };
    this.#onChange(from, to);
  }
}

function lengthOf(span: { readonly from: Date; readonly to?: Date } | undefined, clock: Clock): number {
  if (span === undefined) return 0;
  return (span.to?.getTime() ?? clock.now()) - span.from.getTime();
}
