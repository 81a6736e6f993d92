/** By the detached watcher, of a plain process; for supervisors see `unconfirmed.testbed.test.ts`. */
import { describe, expect, it } from "vitest";
import { byProcess } from "./supervisors.ts";
import { endings, settles } from "./unconfirmed.ts";

describe("a restored node that is silent, and then", () => {
  it.concurrent.each(endings)("%s", { timeout: 400_000 }, async (ending) =>
    expect(await settles(byProcess, ending)).toBe(1),
  );
});
