/** The I/O class of threads that stepped back, see `gentle.ts`; apart from it so that workers need not start processes. */
import { query } from "./exec.ts";

/**
 * Puts threads at the end of the best-effort class with `ionice`, where it is installed. Schedulers that know no
 * priorities ("none", usual on NVMe) take no notice. Best effort: returns what it did, in words for the log.
 */
export async function lowerIoBestEffort(threadIds: readonly number[]): Promise<string> {
  const { exitCode } = await query(["ionice", "-c", "2", "-n", "7", "-p", ...threadIds.map(String)]);
  if (exitCode === 127) return "ionice is not installed";
  return exitCode === 0 ? "ionice best-effort 7" : "ionice was refused";
}
