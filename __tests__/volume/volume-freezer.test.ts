import { expect, test } from "vitest";
import { selectEntries } from "../../src/chainstate/layout.ts";
import { ActionError } from "../../src/domain/errors.ts";
import { volumeFreezer, type ViewSnapshotter } from "../../src/volume/volume-freezer.ts";
import { fakeClock } from "../system/fake-clock.ts";

const request = {
  chainstateDir: "/chain",
  selection: selectEntries("backup"),
  runId: "run",
  stateDir: "/state",
  signal: new AbortController().signal,
};

/** Opens snapshots that cannot be listed. */
function snapshotter(calls: string[], failing: string): ViewSnapshotter {
  const call = async (name: string): Promise<void> => {
    calls.push(name);
    if (name === failing) throw new ActionError("CLEAN_UP_FAILED", `${name} failed`);
  };
  return {
    driver: "zfs",
    freeze: async () => [
      { driver: "zfs", source: "pool", snapshot: "pool@run", createdAt: "2026-01-01T00:00:00Z" },
    ],
    open: async () => {
      await call("open");
      return {
        parts: [{ at: "", path: "/chain" }],
        assertFrozen: async () => await call("look"),
        close: async () => await call("close"),
      };
    },
    delete: async () => await call("delete"),
  } as Partial<ViewSnapshotter> as ViewSnapshotter;
}

test.each([
  ["nothing else", "VOLUME_RECORD_INVALID"],
  ["open", "CLEAN_UP_FAILED"],
  ["close", "VOLUME_RECORD_INVALID"],
  ["delete", "VOLUME_RECORD_INVALID"],
])(
  "a view that cannot be had is given back whole, and the first error stays: %s fails too",
  async (failing, code) => {
    const calls: string[] = [];
    const clock = fakeClock();
    const viewOf = async (): Promise<never> =>
      Promise.reject(new ActionError("VOLUME_RECORD_INVALID", "cannot be listed"));
    const freezer = volumeFreezer(snapshotter(calls, failing), { viewOf, clock });
    await expect(freezer.freeze(request, true)).rejects.toMatchObject({ code });
    expect(calls).toEqual(failing === "open" ? ["open", "delete"] : ["open", "close", "delete"]);
    // Nobody goes on looking at a snapshot that is closed.
    expect(clock.slept).toEqual([]);
  },
);
