/** Arms the restart watchdog for a run, once: what was armed for a node that an earlier run told to stop goes on. */
import type { SudoMode } from "../../domain/options.ts";
import type { Journal } from "../../recovery/journal.ts";
import type { Armed } from "../../recovery/watchdog.ts";
import type { RunContext } from "../context.ts";

export async function armWatchdog(
  { watchdog, report, clock, environment, ...ctx }: RunContext,
  journal: Journal,
  sudo: SudoMode,
): Promise<Pick<Armed, "disarm">> {
  const privilege = ctx.privilege(sudo);
  const { switch: record } = journal.content;
  if (record !== null) return { disarm: async () => await watchdog.disarm(record, privilege, clock) };
  const armed = await watchdog.arm(journal, { privilege, clock, env: environment });
  report.info(`Restart watchdog: ${armed.detail}`);
  return armed;
}
