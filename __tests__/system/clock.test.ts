import { afterEach, expect, test, vi } from "vitest";
import { systemClock } from "../../src/system/clock.ts";

afterEach(() => vi.restoreAllMocks());

test("a clock that is set while a process runs does not move its time", () => {
  const before = systemClock.now();
  const real = Date.now();
  expect(Math.abs(before - real)).toBeLessThan(60_000);
  for (const jump of [-86_400_000, 4 * 365 * 86_400_000]) {
    vi.spyOn(Date, "now").mockReturnValue(real + jump);
    const passed = systemClock.now() - before;
    expect(passed).toBeGreaterThanOrEqual(0);
    expect(passed).toBeLessThan(60_000);
  }
});
