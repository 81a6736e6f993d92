/**
 * `reread-blobs`: of `.blobs`, which are only ever appended to, what the last snapshot has already is not read but for a sample.
 */
import { rm } from "node:fs/promises";
import type { View } from "../../archive/view.ts";
import { chainstateRules } from "../../chainstate/freeze-rules.ts";
import { openReader, type Ask } from "../../chainstate/read-only-database.ts";
import { describeError, throwIfAborted } from "../../domain/errors.ts";
import type { ArchiveRecord } from "../../domain/manifest.ts";
import type { FrozenView } from "../../freeze/port.ts";
import { AppendOnlyFiles } from "../../pages/append-only.ts";
import { isNetworkFileSystem, mountOf } from "../../system/mounts.ts";
import { formatBytes } from "../../system/space.ts";
import type { BaseSnapshot } from "./base.ts";
import { hostRecordPath } from "./host-record.ts";
import type { PagesRun } from "./pages.ts";

export interface Blobs {
  spared(view: View): View;
  /** After publishing. */
  tryRemember(id: string, archive: ArchiveRecord): Promise<void>;
}

/** Undefined: all of them are read. */
export async function openBlobs(
  { config, ctx, store }: PagesRun,
  base: BaseSnapshot | undefined,
  frozen: FrozenView,
  signal: AbortSignal,
): Promise<Blobs | undefined> {
  const { chainstateDir, rereadBlobs } = config;
  const { report } = ctx;
  const stateFile = await hostRecordPath(ctx, "blobs", chainstateDir, store, ".json");
  // Elsewhere another machine may write, and an inode says nothing.
  if (rereadBlobs === 1 || isNetworkFileSystem((await mountOf(chainstateDir)).fsType)) {
    await rm(stateFile, { force: true });
    return undefined;
  }
  const ends = await recordedEnds(frozen, signal);
  const files = await AppendOnlyFiles.open({ stateFile, base, ends, sample: rereadBlobs });
  return {
    spared: (view) => files.spared(view),
    async tryRemember(id, { index }) {
      if (files.sparedBytes > 0)
        report.fact("Not read of `.blobs`", `${formatBytes(files.sparedBytes)}, as in the last snapshot`);
      try {
        await files.remember(id, index.sha256);
      } catch (error) {
        report.notice(`How far \`.blobs\` go is not remembered: ${describeError(error)}`);
      }
    },
  };
}

/** How much of each `.blobs` its database records at the cut. Where that cannot be said, or may still change, it is not in it. */
async function recordedEnds(
  { ask, directory }: FrozenView,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, number>> {
  if (ask !== undefined) return await endsBy(ask, signal);
  if (directory === undefined) return new Map();
  const reader = await openReader({ dir: directory, signal });
  try {
    return await endsBy(reader.ask, signal);
  } finally {
    await reader.end();
  }
}

async function endsBy(ask: Ask, signal: AbortSignal): Promise<ReadonlyMap<string, number>> {
  const ends = new Map<string, number>();
  for (const database of chainstateRules.consensusDatabases) {
    const path = chainstateRules.appendOnlyFileOf(database);
    if (path === undefined) continue;
    try {
      const end = await chainstateRules.recordedLength(database, ask);
      if (end !== "unstable") ends.set(path, end);
    } catch {
      // It is read whole then.
      throwIfAborted(signal);
    }
  }
  return ends;
}
