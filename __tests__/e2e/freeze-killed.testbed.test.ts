import { describe, expect, it } from "vitest";
import { loopFileSystem } from "../volume/testbed.ts";
import { endAndGoOn, endingsOf } from "./freeze-killed.ts";
import { failuresOf } from "./moments.ts";
import { setUp } from "./support.ts";

const place = await loopFileSystem("xfs");
const how = place === undefined ? " (not up: testbed/loopfs.sh up)" : "";

describe.skipIf(place === undefined)(`a run killed while a clone on XFS is made or read${how}`, () => {
  it(
    "the node runs, and the next run leaves no process, no lock, no clone",
    { timeout: 400_000 },
    async () => {
      const failures = await failuresOf(
        endingsOf("frozen"),
        ([signal, moment]) => `${signal} at ${moment}`,
        async (ending) => {
          const setup = await setUp({
            parent: place ?? "",
            extraBytes: 20_000,
            nodeArguments: ["--stop-delay-ms", "300"],
          });
          try {
            const inputs = { ...setup.snapshotInputs, downtime: "short", "freeze-with": "reflink" };
            await endAndGoOn(setup, inputs, ending);
          } finally {
            await setup.remove();
          }
        },
      );
      expect(failures).toEqual([]);
    },
  );
});
