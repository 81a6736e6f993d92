import { defineConfig } from "vitest/config";
import { buildSimulator, builtEntries } from "./__tests__/built-programs.ts";
import { LongestFirst } from "./__tests__/longest-first.ts";
import { patienceMs } from "./simulator/launch.ts";

if (process.platform !== "linux") {
  process.stderr.write(
    `Tests of what looks into /proc, stops nodes or freezes files fail on ${process.platform}. All of them, in a container: ` +
      "docker run --rm -v \"$PWD\":/checkout -v /checkout/node_modules -w /checkout node:24 sh -c 'npm ci && npm test'\n",
  );
}

buildSimulator();

// Unit, property and conformance tests that need nothing but Node and this checkout.
export default defineConfig({
  plugins: [builtEntries()],
  test: {
    include: ["__tests__/**/*.test.ts"],
    exclude: ["__tests__/{e2e,real-node}/**", "__tests__/**/*.testbed.test.ts"],
    pool: "forks",
    sequence: { sequencer: LongestFirst },
    maxWorkers: 3,
    expect: { poll: { timeout: patienceMs } },
    testTimeout: 300_000,
    hookTimeout: 300_000,
  },
});
