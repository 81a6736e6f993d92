/**
 * The program behind the restart watchdog, run outside the job. `watch` looks after one run; `replay` finishes at once
 * what dead runs left in a state directory, for ACTIONS_RUNNER_HOOK_JOB_COMPLETED, a unit at boot or a person.
 *
 *   watchdog watch JOURNAL RUN_ID [--once] [--timer=UNIT] [--grace-ms=N] [--interval-ms=N]
 *   watchdog replay STATE_DIRECTORY [--swap-only]
 */
import { parseArgs } from "node:util";
import { ActionError, describeError } from "../domain/errors.ts";
import { nodeStarter } from "../node/starter.ts";
import { stopTimer } from "../recovery/watchdog.ts";
import { describeReplayed, replay } from "../recovery/replay.ts";
import { watch, watchTimings } from "../recovery/watch.ts";
import { systemClock } from "../system/clock.ts";
import { query } from "../system/exec.ts";
import { privilegeFor } from "../system/privilege.ts";
import { volumeRecovery } from "../volume/recovery.ts";

function log(line: string): void {
  process.stdout.write(`${new Date().toISOString()} ${line}\n`);
}

async function main(argv: readonly string[], signal: AbortSignal): Promise<number> {
  const { positionals, values } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      once: { type: "boolean", default: false },
      "swap-only": { type: "boolean", default: false },
      timer: { type: "string" },
      "grace-ms": { type: "string", default: String(watchTimings.graceMs) },
      "interval-ms": { type: "string", default: String(watchTimings.intervalMs) },
    },
  });
  const [mode, path, runId] = positionals;
  const common = {
    nodes: nodeStarter,
    volumes: volumeRecovery,
    clock: systemClock,
    signal,
    privilege: privilegeFor,
  };
  if (mode === "watch" && path !== undefined && runId !== undefined) {
    const timings = { graceMs: Number(values["grace-ms"]), intervalMs: Number(values["interval-ms"]) };
    const end = await watch({ ...common, journalPath: path, runId, once: values.once, timings, log });
    if (end !== "owner-alive") log(`The watch over run ${runId} ends: ${end}.`);
    // The last thing done: this process is the timer's own service.
    if (end !== "owner-alive" && values.timer !== undefined) {
      await query(privilegeFor("auto").elevate(stopTimer(values.timer)));
    }
    return end === "gave-up" ? 1 : 0;
  }
  if (mode === "replay" && path !== undefined) {
    const replayed = await replay({ ...common, stateDirectory: path, swapOnly: values["swap-only"] });
    for (const one of replayed) log(describeReplayed(one));
    return replayed.some(({ outcome }) => outcome.kind === "failed") ? 1 : 0;
  }
  throw new ActionError(
    "USAGE",
    "Usage: watchdog watch JOURNAL RUN_ID [--once] [--timer=UNIT] | replay STATE_DIRECTORY [--swap-only]",
  );
}

const ended = new AbortController();
for (const name of ["SIGTERM", "SIGINT"] as const) {
  process.once(name, () => ended.abort(new ActionError("CANCELLED", `The watcher was ended by ${name}.`)));
}
main(process.argv.slice(2), ended.signal).then(
  (exitCode) => {
    process.exitCode = exitCode;
  },
  (error: unknown) => {
    log(describeError(error));
    process.exitCode = ended.signal.aborted ? 0 : 1;
  },
);
