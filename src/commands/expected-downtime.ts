/** How long a node will be down that has to stay down until its archive is stored: said before it is stopped. */
import type { SnapshotConfig } from "../config.ts";
import { formatBytes } from "../system/space.ts";

/** What two processors and a gigabit line manage; a slower line or disk shows in the limits or not at all. */
const assumedBytesPerSecond = 100 * 1024 ** 2;

/** A sentence. Limits of sending are taken as if nothing could be compressed, so that it is not promised too early. */
export function describeColdDowntime(
  contentBytes: number,
  { readBytesPerSecond, sendBytesPerSecond }: SnapshotConfig["rateLimits"],
): string {
  const rate = Math.min(
    assumedBytesPerSecond,
    readBytesPerSecond ?? Number.POSITIVE_INFINITY,
    sendBytesPerSecond ?? Number.POSITIVE_INFINITY,
  );
  return `Expect about ${roughly(contentBytes / rate)} of downtime: ${formatBytes(contentBytes)} at ${formatBytes(rate)} a second.`;
}

/** Nobody can promise seconds here. */
function roughly(seconds: number): string {
  const minutes = seconds / 60;
  if (minutes < 1.5) return "a minute";
  if (minutes < 90) return `${Math.round(minutes)} minutes`;
  return `${Math.round(minutes / 60)} hours`;
}
