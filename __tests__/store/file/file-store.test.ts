import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { mkdir, mkdtemp, readdir, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { listSnapshots, resolveSnapshot } from "../../../src/catalog/read.ts";
import { openStore } from "../open-store.ts";
import { storeConformance } from "../../conformance/store.ts";

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

test("file:// says of a directory that is not there that it is not there, and not that it is empty", async () => {
  const { signal } = new AbortController();
  const root = path.join(directory, "absent");
  const store = await openStore({ scheme: "file", url: `file://${root}`, directory: root });
  for (const attempt of [
    async () => await store.head("x", signal),
    async () => await store.get("x", { signal }),
    async () => await store.list("", signal)[Symbol.asyncIterator]().next(),
    async () => await store.listUploads("", signal)[Symbol.asyncIterator]().next(),
    async () => await listSnapshots(store, signal),
    async () => await resolveSnapshot(store, { kind: "latest" }, signal),
    async () => await resolveSnapshot(store, { kind: "id", id: "mainnet-1-x" }, signal),
  ]) {
    await expect(attempt()).rejects.toMatchObject({ code: "STORE_NOT_FOUND" });
  }
});

test("file:// makes nothing in a dry run, and no lock that a run will not need", async () => {
  const { signal } = new AbortController();
  const parent = await mkdtemp(path.join(directory, "dry-"));
  const root = path.join(parent, "store");
  const store = await openStore({ scheme: "file", url: `file://${root}`, directory: root });
  await store.probeWritable(signal, { dryRun: true });
  expect(await readdir(parent)).toEqual([]);
  await mkdir(root);
  await store.probeWritable(signal, { dryRun: true });
  await store.probeWritable(signal);
  expect(await readdir(root)).toEqual([]);
  const nowhere = path.join(parent, "no", "such");
  const lost = await openStore({ scheme: "file", url: `file://${nowhere}`, directory: nowhere });
  await expect(lost.probeWritable(signal, { dryRun: true })).rejects.toMatchObject({
    code: "STORE_NOT_FOUND",
  });
});

test.each([
  ["one that it makes itself", undefined, "750", "640"],
  ["one that others may read", 0o755, "755", "644"],
  ["one that is its own", 0o700, "700", "600"],
  ["one of a group", 0o2770, "770", "660"],
])("who may read a store is said by its directory: %s", async (_, mode, directories, objects) => {
  const before = process.umask(0o002);
  const root = path.join(mkdtempSync(path.join(tmpdir(), "modes-")), "store");
  try {
    if (mode !== undefined) {
      mkdirSync(root);
      chmodSync(root, mode);
    }
    const store = await openStore({ scheme: "file", url: `file://${root}`, directory: root });
    const { signal } = new AbortController();
    await store.put("a/b", Buffer.from("x"), { signal });
    const upload = await store.openUpload("a/c", { signal });
    await upload.writePart({ number: 1, offset: 0 }, [Buffer.from("x")]);
    await upload.complete();
    const modeOf = (name: string): string => (statSync(path.join(root, name)).mode & 0o777).toString(8);
    expect([modeOf(""), modeOf("a")]).toEqual([directories, directories]);
    expect([modeOf("a/b"), modeOf("a/c")]).toEqual([objects, objects]);
  } finally {
    process.umask(before);
    rmSync(path.join(root, ".."), { recursive: true });
  }
});
