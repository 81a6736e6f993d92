/** Two ways to deal with errors that drivers share: a probe that answers instead of throwing, and clean-up that goes on. */
import { ActionError, describeError } from "../errors.ts";
import type { VolumeProbe } from "./port.ts";

/** What `look` finds; an expected error becomes the reason why not. */
export async function probing(look: () => Promise<VolumeProbe>): Promise<VolumeProbe> {
  try {
    return await look();
  } catch (error) {
    if (!(error instanceof ActionError)) throw error;
    return {
      usable: false,
      reason: describeError(error),
      sources: [],
      ...(error.hint === undefined ? {} : { hint: error.hint }),
    };
  }
}

/** Does one thing after the other whatever fails, and throws once at the end (CLEAN_UP_FAILED). */
export class Gathered {
  readonly #what: string;
  readonly #failures: unknown[] = [];

  constructor(what: string) {
    this.#what = what;
  }

  async attempt(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#failures.push(error);
    }
  }

  finish(): void {
    if (this.#failures.length === 0) return;
    throw new ActionError(
      "CLEAN_UP_FAILED",
      `${this.#what}: ${this.#failures.map(describeError).join("; ")}.`,
      {
        cause: this.#failures[0],
        hint: "It carries the run's id in its name: remove it by hand when nothing uses it.",
      },
    );
  }
}
