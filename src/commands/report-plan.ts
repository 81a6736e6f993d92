/** How a dry run's plan is said: the same in the log, which is all that a command line has, and in the summary; as JSON for other jobs. */
import type { RunContext } from "./context.ts";

/** What it is of, and what would be so. */
export type PlanRow = readonly [string, string];

export function reportPlanned(
  { report }: Pick<RunContext, "report">,
  rows: readonly PlanRow[],
  plan: Readonly<Record<string, unknown>>,
): void {
  report.table("Plan", ["what", "plan"], rows);
  report.output("plan", JSON.stringify(plan));
}
