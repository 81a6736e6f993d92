import { describe, expect, test } from "vitest";
import { entryPath, runsFromSource } from "../../src/system/entry.ts";

describe("entryPath", () => {
  test("finds an entry of the source tree", () => {
    expect(entryPath("watchdog", "/repo/src/system/entry.ts")).toBe("/repo/src/entries/watchdog.ts");
    expect(runsFromSource("/repo/src/system/entry.ts")).toBe(true);
  });

  test("finds an entry beside the bundle that runs", () => {
    expect(entryPath("archive-worker", "/actions/v1/dist/action.js")).toBe(
      "/actions/v1/dist/archive-worker.js",
    );
    expect(runsFromSource("/actions/v1/dist/action.js")).toBe(false);
  });
});
