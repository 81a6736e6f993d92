/** What ends a run before its time, and what is made of it. */
import { ActionError, CancelledError } from "../domain/errors.ts";
import type { RunReport } from "../report/run-report.ts";
import type { Signals } from "./signals.ts";

/**
 * Node ends a process in which nothing can happen any more, with a promise still open: no `finally` runs then. The step
 * fails in so many words, and the post step does what the journal says is owed. Call what is returned when all is settled.
 */
export function failUnlessSettled(report: RunReport): () => void {
  const onEmpty = (): void => {
    process.off("beforeExit", onEmpty);
    const error = new ActionError(
      "UNSETTLED",
      "The run ended in the middle: what it waited for cannot happen any more.",
    );
    void report.conclude(error).finally(() => {
      process.exitCode = 1;
    });
  };
  process.on("beforeExit", onEmpty);
  return () => void process.off("beforeExit", onEmpty);
}

/** Aborted by the first signal. The process goes on to start the node again, and repeated signals change nothing. */
export function cancelledBy(signals: Signals): AbortSignal {
  const controller = new AbortController();
  signals.subscribe((name) => controller.abort(new CancelledError(`The run was cancelled (${name}).`)));
  return controller.signal;
}
