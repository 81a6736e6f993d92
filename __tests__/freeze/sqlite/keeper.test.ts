import { expect, test } from "vitest";
import { startKeeper } from "../../../src/freeze/sqlite/keeper.ts";

test("one that is cancelled while it starts ends, and its end ends nobody else", async () => {
  const unheard: unknown[] = [];
  const hear = (reason: unknown): void => void unheard.push(reason);
  process.on("unhandledRejection", hear);
  try {
    const stop = new AbortController();
    const starting = startKeeper({ signal: stop.signal });
    stop.abort(new Error("cancelled"));
    await expect(starting).rejects.toThrow("cancelled");
    // Node tells of what nobody has heard after the current turn.
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(unheard).toEqual([]);
  } finally {
    process.off("unhandledRejection", hear);
  }
});
