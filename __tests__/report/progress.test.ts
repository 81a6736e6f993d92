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
  expect(lines).toEqual(["still at it, 30.0 s so far", "still at it, 1 min so far"]);
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
