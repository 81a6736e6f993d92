/** Directories as they go wrong: full, read-only, somebody else's, on a file system that shares blocks. Needs root. */
import { execFileSync, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chmodSync } from "node:fs";
import { mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openFileStore } from "../../../src/store/file/file-store.ts";

const signal = new AbortController().signal;
const isRoot = process.geteuid?.() === 0;

describe.skipIf(!isRoot)(`file store on file systems of its own${isRoot ? "" : ", needs root"}`, () => {
  let directory = "";
  let small = "";
  beforeAll(async () => {
    directory = await mkdtemp(path.join(tmpdir(), "file-store-"));
    chmodSync(directory, 0o755);
    small = path.join(directory, "small");
    await mkdir(small);
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=4m", "testbed", small]);
  });
  afterAll(async () => {
    execFileSync("umount", [small]);
    await rm(directory, { recursive: true, force: true });
  });

  test("a full disk is an error of its own, and nothing of the object stays", async () => {
    const store = openFileStore(small);
    await expect(store.put("a/large", randomBytes(5_000_000), { signal })).rejects.toMatchObject({
      code: "STORE_FULL",
    });
    const upload = await store.openUpload("a/larger", { signal });
    await upload.writePart({ number: 1, offset: 0 }, [randomBytes(3_000_000)]);
    await expect(
      upload.writePart({ number: 2, offset: 3_000_000 }, [randomBytes(3_000_000)]),
    ).rejects.toMatchObject({ code: "STORE_FULL" });
    await upload.abort();
    const left = await readdir(small, { recursive: true });
    expect(left.filter((name) => name !== "a")).toEqual([]);
    await store.put("a/small", randomBytes(1_000_000), { signal });
  });

  test("a read-only file system, and a directory of somebody else", async () => {
    execFileSync("mount", ["-o", "remount,ro", small]);
    try {
      const store = openFileStore(small);
      await expect(store.put("a/x", Buffer.from("x"), { signal })).rejects.toMatchObject({
        code: "STORE_READ_ONLY",
      });
      await expect(store.probeWritable(signal)).rejects.toMatchObject({ code: "STORE_READ_ONLY" });
    } finally {
      execFileSync("mount", ["-o", "remount,rw", small]);
    }
    const private_ = path.join(directory, "private");
    await mkdir(private_, { mode: 0o700 });
    process.seteuid?.(65_534);
    try {
      await expect(openFileStore(private_).probeWritable(signal)).rejects.toMatchObject({
        code: "STORE_DENIED",
      });
      await expect(openFileStore(private_).head("x", signal)).rejects.toMatchObject({ code: "STORE_DENIED" });
    } finally {
      process.seteuid?.(0);
    }
  });

  test("an upload whose process is killed is found and taken back, and holds no lock", async () => {
    const root = path.join(directory, "killed");
    await mkdir(root);
    const program = `
      import { openFileStore } from ${JSON.stringify(path.resolve("src/store/file/file-store.ts"))};
      import { withFileLock } from ${JSON.stringify(path.resolve("src/system/file-lock.ts"))};
      const signal = new AbortController().signal;
      const store = openFileStore(${JSON.stringify(root)});
      const upload = await store.openUpload("s/archive", { signal });
      await upload.writePart({ number: 1, offset: 0 }, [Buffer.alloc(1000)]);
      await withFileLock(${JSON.stringify(path.join(root, ".lock"))}, { timeoutMs: 1000, signal }, async () => {
        console.log("ready");
        await new Promise((resolve) => setTimeout(resolve, 60_000));
      });`;
    const child = spawn(process.execPath, ["--input-type=module", "-e", program], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await new Promise((resolve) => child.stdout.once("data", resolve));
    const store = openFileStore(root);
    const waiting = store.put("latest.json", Buffer.from("1"), { signal, ifAbsent: true });
    expect(await Promise.race([waiting, new Promise((resolve) => setTimeout(resolve, 300, "locked"))])).toBe(
      "locked",
    );
    child.kill("SIGKILL");
    await waiting;
    const tokens = [];
    for await (const { token } of store.listUploads("s/", signal)) tokens.push(token);
    expect(tokens.map(({ key }) => key)).toEqual(["s/archive"]);
    await store.abortUpload(tokens[0]!, signal);
    expect((await readdir(root)).toSorted()).toEqual([".lock", "latest.json"]);
  });
});
