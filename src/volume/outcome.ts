/** What drivers do with errors: a probe that answers instead of throwing, clean-up that goes on, clean-up after a failure. */
import { ActionError, describeError } from "../domain/errors.ts";
import { bestEffort } from "../system/best-effort.ts";
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
export class CollectedErrors {
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

/** A cloud takes minutes to detach and remove a disk. */
const cleanUpMs = 20 * 60_000;

/**
 * Runs `work`; where it fails, `undo` takes back what was done so far, and the error that is thrown is that of `work`, with a
 * word about what could not be taken back. The journal names the run, so a later clean-up finds that.
 */
export async function orTakeBack<T>(work: () => Promise<T>, undo: () => Promise<void>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const left: string[] = [];
    const warnings = { warning: (message: string) => void left.push(message) };
    if (await bestEffort(warnings, "take back what was made for it", undo, cleanUpMs)) throw error;
    throw withLater(error, left.join(" "));
  }
}

/** The first error, which keeps its code, with what failed after it. */
export function withLater(first: unknown, later: string, hint?: string): unknown {
  if (!(first instanceof ActionError)) return first;
  const hints = [first.hint, hint].filter((each) => each !== undefined);
  return new ActionError(first.code, `${first.message} ${later}`, {
    cause: first.cause ?? first,
    ...(hints.length === 0 ? {} : { hint: hints.join(" ") }),
  });
}
