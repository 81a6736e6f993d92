import { defineConfig } from "vitest/config";

// Tests against real Docker, systemd, Ceph, LVM, ZFS …; `testbed/` brings them up. A part that is not up is
// skipped by name, and the summary of the run lists what was skipped.
export default defineConfig({
  test: {
    include: ["__tests__/**/*.testbed.test.ts"],
    pool: "forks",
    // Most of them wait for something: a supervisor, a store that stalls, a switch.
    maxWorkers: 4,
    maxConcurrency: 8,
    testTimeout: 300_000,
    hookTimeout: 300_000,
  },
});
