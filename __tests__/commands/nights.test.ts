import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
import { rm } from "node:fs/promises";
import { openStore } from "../store/open-store.ts";
import { describeNights } from "../conformance/nights.ts";

const directory = mkdtempSync(join(tmpdir(), "nights-store-"));
afterAll(async () => await rm(directory, { recursive: true, force: true }));

describeNights({
  name: "file://",
  open: async () => await openStore({ scheme: "file", url: `file://${directory}`, directory }),
});
