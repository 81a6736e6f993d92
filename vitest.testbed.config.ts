import { configDefaults, defineConfig } from "vitest/config";
import { LongestFirst } from "./__tests__/longest-first.ts";
import { patienceMs } from "./simulator/launch.ts";

/** Minutes each: nights, ends that come late, kills at every moment. Their short cousins stay. */
const long = [
  "commands/nights-*",
  "e2e/{ceph,crash-loops,force-stop,freeze-killed,long-stop,recipes,stalled-restore,supervisor-traps,unconfirmed,volumes-btrfs}",
  "node/systemd/start-scripts",
  "recovery/systemd-switch",
];

// Tests against real Docker, systemd, Ceph, LVM, ZFS …; `testbed/` brings them up. A part that is not up is
// skipped by name, and the summary of the run lists what was skipped. TESTBED=short leaves out the long ones.
export default defineConfig({
  test: {
    include: ["__tests__/**/*.testbed.test.ts"],
    exclude: [
      ...configDefaults.exclude,
      ...(process.env["TESTBED"] === "short" ? long.map((each) => `__tests__/${each}.testbed.test.ts`) : []),
    ],
    pool: "forks",
    sequence: { sequencer: LongestFirst },
    // Most of them wait for something: a supervisor, a store that stalls, a switch.
    maxWorkers: 4,
    maxConcurrency: 8,
    expect: { poll: { timeout: patienceMs } },
    testTimeout: 300_000,
    hookTimeout: 300_000,
  },
});
