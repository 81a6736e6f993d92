/** The action's step: parse, run, report. */
import { loadInputs } from "./inputs.ts";
import { openReport } from "./report/open-report.ts";
import { markMainBegun, saveState } from "./report/state.ts";
import { cancellation, furnish, toolVersion } from "./wiring.ts";

export async function runMain(): Promise<void> {
  const environment = process.env;
  const report = await openReport({ step: "main", environment, toolVersion });
  const { signal, finish } = cancellation();
  try {
    await markMainBegun(environment);
    const config = loadInputs(environment);
    report.begin(config);
    const { runCommand } = await import("./commands/run-command.ts");
    await runCommand(config, await furnish(report, signal));
    await saveState(environment, { outcome: "succeeded" });
    await report.conclude();
  } catch (error) {
    await saveState(environment, { outcome: "failed" });
    await report.conclude(error);
  } finally {
    finish();
  }
}
