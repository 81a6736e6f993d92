/**
 * `rebase-above`: databases of which the archive gets what changed since the last snapshot. What this host has to know for that
 * is kept beside its journals, for each chainstate and store, and counts only together with the last snapshot's manifest.
 */
import { rm } from "node:fs/promises";
import type { View } from "../../archive/view.ts";
import type { SnapshotConfig } from "../../config/config.ts";
import { describeError } from "../../domain/errors.ts";
import type { DatabaseRecord } from "../../domain/manifest.ts";
import { PageCarrier, type Clones } from "../../pages/carrier.ts";
import { PageStates } from "../../pages/page-state.ts";
import type { ObjectStore } from "../../store/port.ts";
import { limitRate } from "../../system/rate-limit.ts";
import type { BaseSnapshot } from "./base.ts";
import { hostRecordPath } from "./host-record.ts";
import type { RunContext } from "../context.ts";

/** What of a run it needs; `plan.ts` speaks of what comes of it. */
export interface PagesRun {
  readonly config: SnapshotConfig;
  readonly ctx: RunContext;
  readonly store: ObjectStore;
}

export interface Pages {
  carried(view: View): View;
  /** Once the archive is written. */
  readonly records: readonly DatabaseRecord[];
  close(): Promise<void>;
  /** After publishing. What cannot be kept costs the next night and nothing else. */
  tryRemember(): Promise<void>;
}

/** Undefined with `rebase-above: 0`: what an earlier run kept is removed then. */
export async function openPages(
  { config, ctx, store }: PagesRun,
  base: BaseSnapshot | undefined,
  gentle: boolean,
  signal: AbortSignal,
  clones?: Clones,
): Promise<Pages | undefined> {
  const { chainstateDir, rebaseAbove, concurrency, rateLimits } = config;
  const { report, host } = ctx;
  const directory = await hostRecordPath(ctx, "pages", chainstateDir, store);
  if (rebaseAbove === 0) {
    await rm(directory, { recursive: true, force: true });
    return undefined;
  }
  const { readBytesPerSecond } = rateLimits;
  const carrier = new PageCarrier({
    base,
    states: await PageStates.in(directory),
    scratchParent: host.tempDir,
    rebaseAbove,
    concurrency,
    gentle,
    clones,
    ...(readBytesPerSecond === undefined ? {} : { readRate: limitRate(readBytesPerSecond) }),
    info: (message) => report.info(message),
    signal,
  });
  return {
    carried: (view) => carrier.carried(view),
    get records() {
      return carrier.records;
    },
    close: async () => await carrier.close(),
    async tryRemember() {
      try {
        await carrier.remember();
      } catch (error) {
        report.notice(`The pages of this snapshot are not remembered: ${describeError(error)}`);
      }
    },
  };
}
