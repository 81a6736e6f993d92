import { defineConfig } from "vitest/config";

// Unit, property and conformance tests that need nothing but Node and this checkout.
export default defineConfig({
  test: {
    include: ["__tests__/**/*.test.ts"],
    exclude: ["__tests__/e2e/**", "__tests__/**/*.testbed.test.ts"],
    pool: "forks",
    maxWorkers: 3,
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
