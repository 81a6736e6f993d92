import { mkdir, mkdtemp, readdir, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
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

test("file:// does not write to what has taken its directory's place", async () => {
  const { signal } = new AbortController();
  const root = path.join(directory, "mounted");
  const store = await openStore({ scheme: "file", url: `file://${root}`, directory: root });
  await store.put("one", Buffer.from("1"), { signal });
  await rename(root, `${root}-elsewhere`);
  await expect(store.put("two", Buffer.from("2"), { signal })).rejects.toMatchObject({
    code: "STORE_NOT_FOUND",
  });
  // As when a file server is unmounted: its mount point is there again, and empty.
  await mkdir(root);
  await expect(store.put("two", Buffer.from("2"), { signal })).rejects.toMatchObject({
    code: "STORE_MISMATCH",
  });
  expect(await readdir(root)).toEqual([]);
  await store.close();
});
