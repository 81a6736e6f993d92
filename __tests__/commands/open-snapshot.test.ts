/** What is fetched of a snapshot before anything of its archive is known. */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { openArchive } from "../../src/commands/open-snapshot.ts";
import type { ObjectStore } from "../../src/store/port.ts";
import { memoryStore } from "../catalog/memory-store.ts";
import { sampleManifest } from "../catalog/samples.ts";
import { withMembers } from "../../src/system/with-members.ts";

const { signal } = new AbortController();
const directory = mkdtempSync(join(tmpdir(), "open-snapshot-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** A storage whose manifest and index agree on a size. */
function openIndexOf(size: number): {
  readonly opened: Parameters<typeof openArchive>[0];
  readonly asked: string[];
} {
  const sample = sampleManifest({ at: new Date("2026-11-20T00:00:00Z") });
  if (sample.archive === undefined) throw new Error("the sample has an archive");
  const manifest = { ...sample, archive: { ...sample.archive, index: { ...sample.archive.index, size } } };
  const asked: string[] = [];
  async function* endless(): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < size; at += 1 << 20) yield Buffer.alloc(1 << 20);
  }
  const store = withMembers<ObjectStore>(memoryStore(), {
    async stream(key) {
      asked.push(key);
      return await Promise.resolve({ chunks: endless(), info: { key, size } });
    },
  });
  return { opened: { store, manifest }, asked };
}

test("an index larger than any is not fetched", async () => {
  const { opened, asked } = openIndexOf(2 ** 31);
  await expect(openArchive(opened, directory, signal)).rejects.toMatchObject({ code: "INDEX_INVALID" });
  expect({ asked, left: readdirSync(directory) }).toEqual({ asked: [], left: [] });
});

test.runIf(process.geteuid?.() === 0)("one that the disk has no room for is not fetched", async () => {
  const small = join(directory, "small");
  mkdirSync(small);
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=10m", "tmpfs", small]);
  try {
    const { opened, asked } = openIndexOf(50 * 1024 ** 2);
    await expect(openArchive(opened, small, signal)).rejects.toMatchObject({ code: "SPACE_MISSING" });
    expect(asked).toEqual([]);
  } finally {
    execFileSync("umount", [small]);
  }
});
