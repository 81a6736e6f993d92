import { defineConfig } from "vitest/config";

// The action against a real stacks-node, its signer and its inspector (docs/real-node.md), whose programs the environment names.
// One file, one network, one thing after the other: a machine that is overloaded makes no blocks.
export default defineConfig({
  test: {
    include: ["__tests__/real-node/**/*.test.ts"],
    pool: "forks",
    maxWorkers: 1,
    bail: 0,
    testTimeout: 6 * 3_600_000,
    hookTimeout: 900_000,
  },
});
