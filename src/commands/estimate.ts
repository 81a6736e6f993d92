/** How long something will take, before it is begun. Nobody can promise seconds here, so none are said. */
import type { RateLimits } from "../domain/options.ts";
import { formatBytes } from "../system/space.ts";

/** What two processors and a gigabit line manage; a slower line or disk shows in the limits or not at all. */
const assumedBytesPerSecond = 100 * 1024 ** 2;

/** Limits of sending are taken as if nothing could be compressed, so that it is not promised too early. */
function assumedRate({ readBytesPerSecond, sendBytesPerSecond }: RateLimits): number {
  return Math.min(
    assumedBytesPerSecond,
    readBytesPerSecond ?? Number.POSITIVE_INFINITY,
    sendBytesPerSecond ?? Number.POSITIVE_INFINITY,
  );
}

export function estimateSeconds(bytes: number, limits: RateLimits = {}): number {
  return Math.ceil(bytes / assumedRate(limits));
}

/** "about 12 minutes, for 70 GiB at 100 MiB a second". */
export function describeEstimate(bytes: number, limits: RateLimits = {}): string {
  const rate = assumedRate(limits);
  const time = bytes / rate < 90 ? "a minute or less" : roughly(bytes / rate);
  return `about ${time}, for ${formatBytes(bytes)} at ${formatBytes(rate)} a second`;
}

/** A sentence. */
export function describeColdDowntime(contentBytes: number, limits: RateLimits): string {
  const rate = assumedRate(limits);
  return `Expect about ${roughly(contentBytes / rate)} of downtime: ${formatBytes(contentBytes)} at ${formatBytes(rate)} a second.`;
}

function roughly(seconds: number): string {
  const minutes = seconds / 60;
  if (minutes < 1.5) return "a minute";
  if (minutes < 90) return `${Math.round(minutes)} minutes`;
  return `${Math.round(minutes / 60)} hours`;
}
