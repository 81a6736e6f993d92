/** Nights of changed pages on file systems that share blocks, with a clone kept from each to the next. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe } from "vitest";
import { describePageNights } from "../conformance/page-nights.ts";
import {
  hasFormatter,
  isRoot,
  mountLoop,
  type LoopFileSystem,
  type LoopMount,
} from "../freeze/loop-mount.ts";
import { openStore } from "../store/open-store.ts";

for (const type of ["xfs", "btrfs"] satisfies LoopFileSystem[]) {
  describe.skipIf(!isRoot || !hasFormatter(type))(`on ${type}`, () => {
    let mount: LoopMount | undefined;
    beforeAll(() => {
      mount = mountLoop(type, "6G");
    });
    afterAll(() => mount?.unmount());
    const place = (): string => mount?.path ?? "";

    describePageNights({
      name: `file:// on ${type}`,
      open: async () => {
        const directory = join(place(), "store");
        mkdirSync(directory, { recursive: true });
        return await openStore({ scheme: "file", url: `file://${directory}`, directory });
      },
      cut: "reflink",
      place,
    });
  });
}
