import { defineConfig } from "vitest/config";
import { buildSimulator } from "./__tests__/built-programs.ts";
import { LongestFirst } from "./__tests__/longest-first.ts";
import { patienceMs } from "./simulator/launch.ts";

buildSimulator();

// The committed `dist`, run as the runner runs it: Node 24.19.0, inputs in the environment, `main` then `post`.
export default defineConfig({
  test: {
    include: ["__tests__/e2e/**/*.test.ts"],
    exclude: ["__tests__/**/*.testbed.test.ts"],
    pool: "forks",
    sequence: { sequencer: LongestFirst },
    // Most of them wait: for a node that stops, a store that stalls, a switch.
    maxWorkers: 3,
    expect: { poll: { timeout: patienceMs } },
    testTimeout: 300_000,
    hookTimeout: 300_000,
  },
});
