import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { ProgressMeter } from "../../src/report/progress.ts";

let lines: string[] = [];
let meter: ProgressMeter;

beforeEach(() => {
  vi.useFakeTimers({ now: 1_000_000 });
  lines = [];
  meter = new ProgressMeter(
    (line) => lines.push(line),
    () => Date.now(),
  );
});
afterEach(() => {
  meter.stop();
  vi.useRealTimers();
});

const MiB = 2 ** 20;

test("a line at most every ten seconds, however often it is told", () => {
  for (let tenth = 0; tenth <= 600; tenth += 1) {
    meter.update({ doneBytes: tenth * MiB, totalBytes: 1000 * MiB });
    vi.advanceTimersByTime(100);
  }
  expect(lines.length).toBe(6);
  expect(lines[0]).toBe("9.9 % · 99.0 MiB of 1000 MiB · 9.90 MiB/s · 1 min 31 s left");
});

test("of a long phase fewer lines: every 30 s after 3 minutes, every minute after half an hour", () => {
  const printed: number[] = [];
  for (let second = 0; second <= 3600; second += 1) {
    const before = lines.length;
    meter.update({ doneBytes: second * MiB, totalBytes: 3600 * MiB });
    if (lines.length > before) printed.push(second);
    vi.advanceTimersByTime(1000);
    if (lines.length > before && printed.at(-1) !== second) printed.push(second + 1);
  }
  const gapsFrom = (from: number, to: number): ReadonlySet<number> =>
    new Set(
      printed.flatMap((at, index) =>
        at > from && at <= to && index > 0 ? [at - (printed[index - 1] ?? 0)] : [],
      ),
    );
  expect(gapsFrom(0, 180)).toEqual(new Set([10]));
  expect(gapsFrom(210, 1800)).toEqual(new Set([30]));
  expect(gapsFrom(1860, 3600)).toEqual(new Set([60]));
});

test("the rate is that of the last minute", () => {
  meter.update({ doneBytes: 0, totalBytes: 10_000 * MiB });
  for (let second = 1; second <= 300; second += 1) {
    vi.advanceTimersByTime(1000);
    meter.update({
      doneBytes: (second <= 200 ? second : 200 + (second - 200) * 10) * MiB,
      totalBytes: 10_000 * MiB,
    });
  }
  expect(lines.at(-1)).toContain("10.0 MiB/s");
});

test("it speaks when nothing moves, and when nothing is ever reported", () => {
  vi.advanceTimersByTime(65_000);
  expect(lines).toEqual(["running for 30.0 s", "running for 1 min"]);
  meter.update({ doneBytes: 5 * MiB });
  lines = [];
  vi.advanceTimersByTime(20_000);
  expect(lines.at(-1)).toMatch(/^5\.00 MiB · nothing moved for \d/);
});

test("100 % is said at the end only", () => {
  meter.update({ doneBytes: 0, totalBytes: 100_000 });
  vi.advanceTimersByTime(9_999);
  meter.update({ doneBytes: 99_999, totalBytes: 100_000 });
  vi.advanceTimersByTime(1);
  expect(lines[0]).toContain("99.9 %");
  meter.stop();
  expect(vi.getTimerCount()).toBe(0);
});
