import { mkdtempSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll } from "vitest";
import { describePageNights } from "../conformance/page-nights.ts";
import { openStore } from "../store/open-store.ts";
import { memoryDirectory } from "../tools.ts";

const directory = mkdtempSync(join(memoryDirectory(), "page-nights-store-"));
afterAll(async () => await rm(directory, { recursive: true, force: true }));

for (const cut of ["cold", "frozen", "live"] as const) {
  describePageNights({
    name: "file://",
    open: async () => await openStore({ scheme: "file", url: `file://${directory}`, directory }),
    cut,
  });
}
