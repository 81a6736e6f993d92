/** The step after the job: brings back and cleans up what `main` could not. */
import { openReport } from "./report/open-report.ts";
import { loadState } from "./report/state.ts";
import { cancellation, furnish, toolVersion } from "./wiring.ts";

export async function runPost(): Promise<void> {
  const report = await openReport({ step: "post", environment: process.env, toolVersion });
  const { signal, finish } = cancellation();
  try {
    const { finishRun } = await import("./commands/finish-run.ts");
    await finishRun(loadState(process.env), await furnish(report, signal));
    await report.conclude();
  } catch (error) {
    await report.conclude(error);
  } finally {
    finish();
  }
}
