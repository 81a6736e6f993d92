import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { bestEffort } from "../system/best-effort.ts";
import type { RunContext } from "./context.ts";

/** Databases of a chainstate are removed. */
const removeMs = 10 * 60_000;

/** Runs `work` in a directory of its own, which is gone afterwards however it ends. */
export async function withScratch<T>(
  { host, report }: Pick<RunContext, "host" | "report">,
  name: string,
  work: (directory: string) => Promise<T>,
): Promise<T> {
  const directory = await mkdtemp(join(host.tempDir, `${name}-`));
  try {
    return await work(directory);
  } finally {
    const remove = async (): Promise<void> => await rm(directory, { recursive: true, force: true });
    await bestEffort(report, `remove ${directory}`, remove, removeMs);
  }
}
