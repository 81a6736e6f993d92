/**
 * `trust-timestamps`: which segments of this chainstate need not be read again, by what the last run on this host wrote down
 * after it had published to the same store. Whatever is missing or does not fit means that everything is read.
 */
import {
  readSegmentRecord,
  SegmentRecord,
  type RecordedArchive,
} from "../../archive/write/segment-record.ts";
import type { ArchiveRecord } from "../../domain/manifest.ts";
import type { SnapshotConfig } from "../../config/config.ts";
import { describeError } from "../../domain/errors.ts";
import type { ObjectStore } from "../../store/port.ts";
import { isNetworkFileSystem, mountOf } from "../../system/mounts.ts";
import { formatBytes } from "../../system/space.ts";
import type { BaseSnapshot } from "./base.ts";
import { hostRecordPath } from "./host-record.ts";
import type { RunContext } from "../context.ts";

export interface Trust {
  readonly segments: SegmentRecord;
  /** After publishing. A record that cannot be written costs the next run time and nothing else. */
  tryRemember(id: string, archive: ArchiveRecord): Promise<void>;
}

/** Undefined: not asked for, or not to be had here. `cutAt`: no content is captured before. */
export async function openTrust(
  ctx: RunContext,
  store: ObjectStore,
  { chainstateDir, trustTimestamps }: Pick<SnapshotConfig, "chainstateDir" | "trustTimestamps">,
  base: BaseSnapshot | undefined,
  cutAt: Date,
): Promise<Trust | undefined> {
  const { report } = ctx;
  if (!trustTimestamps) return undefined;
  const { fsType } = await mountOf(chainstateDir);
  if (isNetworkFileSystem(fsType)) {
    report.notice(
      `\`trust-timestamps\` is not used on ${fsType}: its times are another machine's, and kept in a cache. Everything is read.`,
    );
    return undefined;
  }
  const file = await hostRecordPath(ctx, "segments", chainstateDir, store, ".record");
  const fingerprints = base && (await readSegmentRecord(file, base));
  if (fingerprints === undefined) {
    report.info(
      "No record of the last run fits the snapshot that frames are taken from: everything is read.",
    );
  }
  const last = base && fingerprints && { fingerprints, base };
  const segments = new SegmentRecord({ cutAt, ...(last === undefined ? {} : { last }) });
  return {
    segments,
    async tryRemember(id, { index, frames }) {
      const archive: RecordedArchive = { id, indexSha256: index.sha256, frames };
      const { spared } = segments;
      report.fact(
        "Not read",
        `${formatBytes(spared.bytes)} in ${spared.segments} segments, unchanged by their timestamps`,
      );
      try {
        await segments.save(file, archive);
      } catch (error) {
        report.notice(`What was read is not remembered for the next run: ${describeError(error)}`);
      }
    },
  };
}
