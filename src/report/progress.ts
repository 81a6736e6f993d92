/**
 * One phase's progress as lines for the log, one every ten seconds at first, later fewer: bytes of the total, rate, time left. It also
 * speaks when nothing is reported, because silence in a log of hours is what people fear most.
 */
import { formatBytes } from "../system/space.ts";
import { formatDuration, formatRate } from "./words.ts";
import type { Progress } from "./port.ts";

export const progressIntervalMs = 10_000;
/** A phase of hours is not a log of thousands of lines. */
const later = [
  { afterMs: 30 * 60_000, everyMs: 60_000 },
  { afterMs: 3 * 60_000, everyMs: 30_000 },
] as const;
/** Phases without bytes (a node that stops for 20 minutes) say how long they have taken less often. */
const quietIntervalMs = 30_000;
/** The rate is that of the last minute, so that a slow start does not spoil the estimate for hours. */
const rateWindowMs = 60_000;

export class ProgressMeter {
  readonly #print: (line: string) => void;
  readonly #now: () => number;
  readonly #startedAt: number;
  readonly #timer: NodeJS.Timeout;
  #printedAt: number;
  #latest: Progress | undefined;
  #movedAt: number;
  #samples: { readonly at: number; readonly bytes: number }[] = [];

  constructor(print: (line: string) => void, now: () => number) {
    this.#print = print;
    this.#now = now;
    this.#startedAt = now();
    this.#printedAt = this.#startedAt;
    this.#movedAt = this.#startedAt;
    this.#timer = setInterval(() => this.#speak(), progressIntervalMs);
    this.#timer.unref();
  }

  update(progress: Progress): void {
    const now = this.#now();
    if (this.#latest === undefined) this.#samples.push({ at: now, bytes: progress.doneBytes });
    if (progress.doneBytes !== this.#latest?.doneBytes) this.#movedAt = now;
    this.#latest = progress;
    this.#speak();
  }

  /** Bytes reported last; undefined when the phase reported none. */
  get doneBytes(): number | undefined {
    return this.#latest?.doneBytes;
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #speak(): void {
    const now = this.#now();
    const shortest = this.#latest === undefined ? quietIntervalMs : progressIntervalMs;
    const age = now - this.#startedAt;
    const interval = Math.max(shortest, later.find(({ afterMs }) => age >= afterMs)?.everyMs ?? 0);
    if (now - this.#printedAt < interval) return;
    this.#printedAt = now;
    this.#print(
      this.#latest === undefined
        ? `running for ${formatDuration(now - this.#startedAt)}`
        : this.#line(this.#latest, now),
    );
  }

  #line({ doneBytes, totalBytes }: Progress, now: number): string {
    this.#samples = [
      ...this.#samples.filter(({ at }) => now - at <= rateWindowMs),
      { at: now, bytes: doneBytes },
    ];
    const still = now - this.#movedAt;
    const first = this.#samples[0] ?? { at: this.#startedAt, bytes: 0 };
    const movedBytes = doneBytes - first.bytes;
    const movedMs = now - first.at;
    const words = [
      totalBytes === undefined
        ? formatBytes(doneBytes)
        : `${percent(doneBytes, totalBytes)} · ${formatBytes(doneBytes)} of ${formatBytes(totalBytes)}`,
    ];
    if (still >= progressIntervalMs) {
      words.push(`nothing moved for ${formatDuration(still)}`);
    } else if (movedBytes > 0 && movedMs > 0) {
      words.push(formatRate(movedBytes, movedMs));
      const leftBytes = (totalBytes ?? doneBytes) - doneBytes;
      if (leftBytes > 0)
        words.push(`${formatDuration(roundSeconds((leftBytes / movedBytes) * movedMs))} left`);
    }
    return words.join(" · ");
  }
}

function percent(done: number, total: number): string {
  // Never "100.0 %" before the end.
  const share = total === 0 ? 1 : done / total;
  return `${(share >= 1 ? 100 : Math.floor(share * 1000) / 10).toFixed(1)} %`;
}

function roundSeconds(ms: number): number {
  return Math.max(1000, Math.round(ms / 1000) * 1000);
}
