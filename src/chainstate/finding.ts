/** What a check of a chainstate finds. */
import type { CheckResult } from "../domain/manifest.ts";

/** A check's result, and the databases it puts the blame on. */
export interface Finding extends CheckResult {
  readonly databases: readonly string[];
}

export type Outcome = Omit<Finding, "id">;

export const passed = (detail: string): Outcome => ({ result: "passed", detail, databases: [] });
export const notMade = (detail: string): Outcome => ({ result: "not-made", detail, databases: [] });
export const failed = (detail: string, ...blamed: string[]): Outcome => ({
  result: "failed",
  detail,
  databases: blamed,
});
