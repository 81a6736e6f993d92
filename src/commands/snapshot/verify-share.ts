/**
 * `read-back` below 100%: of an archive that stands in the store, what is new in it is read back, and of what the store copied from the
 * last snapshot a part. Digests are compared; no database is opened. So it costs what changed, and not all databases.
 */
import { verifyArchive } from "../../archive/read/reader.ts";
import { openFrameSource } from "../../store/frame-source.ts";
import { formatBytes } from "../../system/space.ts";
import type { StoredArchive } from "./archive.ts";
import type { BaseSnapshot } from "./base.ts";
import type { SnapshotRun } from "./plan.ts";

const hourMs = 3600_000;

/** One of so many frames is read: at least the share, in a number that has no divisor with the hours of a day or a week. */
export function sampledOf(share: number): number {
  let of = share === 0 ? Number.POSITIVE_INFINITY : Math.floor(1 / share + 1e-9);
  while (of !== Number.POSITIVE_INFINITY && (of % 2 === 0 || of % 3 === 0 || of % 7 === 0)) of -= 1;
  return of;
}

/** Throws FRAME_CORRUPT and whatever reading an archive throws. Which frames have their turn is told by the hour and their digests. */
export async function verifyShare(
  { config, ctx, store }: SnapshotRun,
  base: BaseSnapshot | undefined,
  { record, indexFile }: StoredArchive,
): Promise<void> {
  const { report, signal, clock } = ctx;
  const of = sampledOf(config.readBack);
  const turn = Math.floor(clock.now() / hourMs) % of;
  let [fresh, others, read] = [0, 0, 0];
  const { fetchedBytes } = await report.phase("verify", "Read back what is new, and a sample", async () =>
    verifyArchive({
      source: await openFrameSource(store, record.key, signal),
      indexFile,
      indexDigest: record.index,
      concurrency: config.concurrency,
      select(sha256) {
        const isNew = base?.known(sha256) === undefined;
        const isTurn = Number.parseInt(sha256.slice(0, 8), 16) % of === turn;
        if (isNew) fresh += 1;
        else others += 1;
        if (!isNew && isTurn) read += 1;
        return isNew || isTurn;
      },
      signal,
    }),
  );
  report.fact(
    "Read back",
    `${formatBytes(fetchedBytes)}: ${fresh} frames that are new and ${read} of ${others} others; the databases were not opened`,
  );
}
