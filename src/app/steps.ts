/** What the entry points call: the steps of the action (parse, run, report), and the command line. */
import { secretVariables } from "../config/given.ts";
import { loadInputs } from "../config/inputs.ts";
import { describeError } from "../domain/errors.ts";
import { openReport, type RunReport } from "../report/run-report.ts";
import { runnerState } from "../report/state.ts";
import { openStore } from "../store/registry.ts";
import { serveTransfers } from "../store/transfer/serve.ts";
import { useProxies } from "../system/proxy.ts";
import { cancelledBy, failUnlessSettled } from "./ending.ts";
import type { Signals } from "./signals.ts";
import { createContext, toolVersion } from "./wiring.ts";

export async function runMain(signals: Signals): Promise<void> {
  const environment = process.env;
  const state = runnerState(environment);
  const report = await openReport({ step: "main", environment, toolVersion });
  const settled = failUnlessSettled(report);
  try {
    const config = loadInputs(environment);
    report.begin(config);
    forgetSecretInputs();
    const { runCommand } = await import("../commands/run/run-command.ts");
    await runCommand(
      config,
      await createContext({ report, signal: cancelledBy(signals), state, environment }),
    );
    await state.save({ outcome: "succeeded" });
    await report.conclude();
  } catch (error) {
    await state.save({ outcome: "failed" });
    await report.conclude(error);
  } finally {
    settled();
    signals.close();
  }
}

export async function runPost(signals: Signals): Promise<void> {
  const environment = process.env;
  const stateStore = runnerState(environment);
  const report = await openReport({ step: "post", environment, toolVersion });
  try {
    const { finishRun } = await import("../commands/run/finish.ts");
    const state = stateStore.load();
    if (state.outcome === undefined && state.journalPath !== undefined) beginForKilled(report);
    forgetSecretInputs();
    const signal = cancelledBy(signals);
    await finishRun(state, await createContext({ report, signal, state: stateStore, environment }));
    await report.conclude();
  } catch (error) {
    await report.conclude(error);
  } finally {
    signals.close();
  }
}

/** A thread of the step's own, see `store/transfer/`. */
export function runTransferThread(): void {
  const environment = process.env;
  // What cannot be used of them has been said where the thread was started.
  useProxies(environment);
  serveTransfers(
    async ({ location, limits }) =>
      await openStore(location, { environment, ...(limits === undefined ? {} : { limits }) }),
  );
}

/** The command line is no step, and its code is loaded for it alone. */
export async function runCli(argv: readonly string[], signals: Signals): Promise<void> {
  await (await import("./cli.ts")).runCli(argv, signals);
}

/** What is started from here on, a node among it, inherits the environment. */
function forgetSecretInputs(): void {
  for (const name of secretVariables) Reflect.deleteProperty(process.env, name);
}

/** Of a run that was killed the metrics and the summary are this step's affair. */
function beginForKilled(report: RunReport): void {
  try {
    report.begin(loadInputs(process.env));
  } catch (error) {
    report.warning(`The inputs cannot be read any more, so no metrics are written: ${describeError(error)}`);
  }
}
