import { defineConfig } from "vitest/config";
import { LongestFirst } from "./__tests__/longest-first.ts";

// Unit, property and conformance tests that need nothing but Node and this checkout.
export default defineConfig({
  test: {
    include: ["__tests__/**/*.test.ts"],
    exclude: ["__tests__/e2e/**", "__tests__/**/*.testbed.test.ts"],
    pool: "forks",
    sequence: { sequencer: LongestFirst },
    maxWorkers: 3,
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
