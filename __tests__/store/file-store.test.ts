import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll } from "vitest";
import { openStore } from "../../src/store/registry.ts";
import { storeConformance } from "../conformance/store.ts";

let directory = "";
beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), "file-store-"));
});
afterAll(async () => {
  await rm(directory, { recursive: true, force: true });
});

storeConformance("file://", {
  open: async () => {
    const root = path.join(directory, "store");
    return openStore({ scheme: "file", url: `file://${root}`, directory: root });
  },
  copies: "bound",
  conditionalWrites: true,
});
