import { describe, expect, it } from "vitest";
import { describeEnding, endAt, endings, failuresOf, moments } from "./moments.ts";
import { setUp } from "./support.ts";

describe("a run that is ended brings the node back", () => {
  for (const ending of endings) {
    it(`${describeEnding(ending)}, at ten moments`, { timeout: 400_000 }, async () => {
      const failures = await failuresOf(
        moments,
        ([when]) => when,
        async ([, pattern]) => {
          const setup = await setUp({
            nodeArguments: ["--stop-delay-ms", "1500", "--start-delay-ms", "500"],
          });
          try {
            await endAt(setup, pattern, ending);
          } finally {
            await setup.remove();
          }
        },
      );
      expect(failures).toEqual([]);
    });
  }
});
