import { defineConfig } from "vitest/config";

// Tests against real Docker, systemd, Ceph, LVM, ZFS …; `testbed/` brings them up. A part that is not up is
// skipped by name, and the summary of the run lists what was skipped.
export default defineConfig({
  test: {
    include: ["__tests__/**/*.testbed.test.ts"],
    pool: "forks",
    // Real processes on a busy machine: a second chance, which the report shows.
    retry: 1,
    // Most of them wait for something: a supervisor, a store that stalls, a switch.
    maxWorkers: 4,
    testTimeout: 300_000,
    hookTimeout: 300_000,
  },
});
