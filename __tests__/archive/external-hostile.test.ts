/** Archives made to do harm: refused, nothing outside the target ever written, memory flat. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { zstdCompressSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { decompress } from "../../src/archive/external/decompress.ts";
import type { FrameSource } from "../../src/archive/transport.ts";
import { treeOf } from "../e2e/support.ts";
import {
  indexEntry,
  rawEntry,
  rawTar,
  shell,
  tarEnd,
  unpackInto,
  type RawEntry,
} from "./external-archives.ts";

const scratch = mkdtempSync(join(tmpdir(), "external-hostile-"));
const outside = join(scratch, "outside");
beforeAll(() => writeFileSync(outside, "mine"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

let places = 0;
function place(): string {
  places += 1;
  return join(scratch, `place-${places}`);
}

const link = (path: string, linkpath: string): RawEntry => ({ path, type: "SymbolicLink", linkpath });
const hard = (path: string, linkpath: string): RawEntry => ({ path, type: "Link", linkpath });
const file = (path: string): RawEntry => ({ path, content: Buffer.from("owned") });
const folder = (path: string): RawEntry => ({ path, type: "Directory" });

const unsafe: readonly (readonly [string, readonly RawEntry[]])[] = [
  ["a path that climbs", [file("../outside")]],
  ["a path that climbs behind a name", [folder("a"), file("a/../../outside")]],
  ["an absolute path", [file(outside)]],
  ["an absolute path behind slashes", [file(`//${outside}`)]],
  ["a link to an absolute path", [link("l", "/etc")]],
  ["a link that climbs", [link("l", "../outside")]],
  ["a link that climbs behind a link", [link("l", "."), link("m", "l/../../outside")]],
  ["a file through a link", [folder("d"), link("l", "d"), file("l/x")]],
  ["a file in the place of a link", [link("l", "x"), file("l")]],
  ["a directory in the place of a link", [folder("d"), link("l", "d"), folder("l")]],
  ["a link in the place of a directory", [folder("d"), link("d", "x")]],
  ["a hard link outside", [hard("h", outside)]],
  ["a hard link that climbs", [hard("h", "../outside")]],
  ["a hard link to a link", [link("l", "x"), hard("h", "l")]],
  ["a hard link to nothing", [hard("h", "nothing")]],
  ["a hard link through a link", [folder("d"), file("d/x"), link("l", "d"), hard("h", "l/x")]],
  ["a hard link to a directory", [folder("d"), hard("h", "d")]],
  ["a file twice", [file("a"), file("a")]],
  ["a file twice under two spellings", [file("a"), file("./a")]],
  ["a directory twice", [folder("d"), folder("d/")]],
  ["a file below a file", [file("a"), file("a/b")]],
  ["a file in the place of the root", [file("./.")]],
  ["a link with content", [{ ...link("l", "x"), content: Buffer.from("?") }]],
];

describe("an archive with", () => {
  test.each(unsafe)("%s is refused", async (_, entries) => {
    const target = place();
    await expect(unpackInto(target, rawTar(...entries, indexEntry))).rejects.toMatchObject({
      code: "ARCHIVE_UNSAFE",
    });
    expect(readFileSync(outside, "utf8")).toBe("mine");
    expect(existsSync(target) ? readdirSync(target).includes("outside") : false).toBe(false);
  });

  test.each([
    ["a device", { path: "d", type: "CharacterDevice" }],
    ["a block device", { path: "d", type: "BlockDevice" }],
    ["a pipe", { path: "p", type: "FIFO" }],
    ["a sparse file of old GNU tar", { path: "s", type: "SparseFile" }],
  ])("%s is refused", async (_, entry) => {
    await expect(unpackInto(place(), rawTar(entry, indexEntry))).rejects.toMatchObject({
      code: "ARCHIVE_UNREADABLE",
    });
  });

  test("sparse files of GNU tar is refused", async () => {
    for (const format of ["gnu", "posix"]) {
      const archive = place();
      shell(
        'cd "$(dirname "$1")" && truncate -s 4M holes && tar --sparse "--format=$2" -cf "$1" holes',
        archive,
        format,
      );
      await expect(unpackInto(place(), archive)).rejects.toMatchObject({ code: "ARCHIVE_UNREADABLE" });
    }
  });

  test("a link that stays inside the archive and leads out of the chainstate is refused", async () => {
    const inside = { ...indexEntry, path: `m/${indexEntry.path}` };
    const outcome = unpackInto(place(), rawTar(inside, link("m/l", "../elsewhere")));
    await expect(outcome).rejects.toMatchObject({ code: "ARCHIVE_UNSAFE" });
    await unpackInto(place(), rawTar(inside, link("l", "m"), link("m/l", "chainstate")));
  });

  test("links that stay inside is unpacked", async () => {
    const target = place();
    await unpackInto(target, rawTar(indexEntry, file("a/b"), link("a/l", "../a/b"), hard("h", "a/b")));
    expect(treeOf(target)["a/l"]).toBe("symlink ../a/b");
    expect(readFileSync(join(target, "h"), "utf8")).toBe("owned");
  });
});

describe("a bomb", () => {
  test("of absurd declared sizes is refused as soon as its header is read", async () => {
    for (const size of [2 ** 50, Number.MAX_SAFE_INTEGER - 1]) {
      const target = place();
      const bytes = Buffer.concat([rawEntry({ path: "huge", size }), Buffer.alloc(4096)]);
      await expect(unpackInto(target, bytes)).rejects.toMatchObject({ code: "SPACE_MISSING" });
      expect(readdirSync(target)).toEqual([]);
    }
  });

  test("of an oversized name is refused", async () => {
    const bytes = rawEntry({ path: "x", type: "ExtendedHeader", size: 2 ** 31 });
    await expect(unpackInto(place(), bytes)).rejects.toMatchObject({ code: "ARCHIVE_DAMAGED" });
  });

  test("of a million tiny entries is refused in flat memory", async () => {
    const before = process.memoryUsage().rss;
    let most = before;
    const watch = setInterval(() => (most = Math.max(most, process.memoryUsage().rss)), 20);
    try {
      const limits = { maxEntries: 4_000_000, freeEntries: 10_000, bytesAnEntry: 1024 };
      await expect(unpackInto(place(), tinyEntries(1_000_000), { limits })).rejects.toMatchObject({
        code: "TOO_MANY_ENTRIES",
      });
    } finally {
      clearInterval(watch);
    }
    expect(most - before).toBeLessThan(150 * 1024 * 1024);
  });

  test("of directories that only the names of its files imply is refused before they are made", async () => {
    const deep = Array.from({ length: 50 }, (_, n) => `d${n}`).join("/");
    const files = Array.from({ length: 100 }, (_, n) => file(`${n}/${deep}/f`));
    const target = place();
    const limits = { maxEntries: 4_000_000, freeEntries: 1000, bytesAnEntry: 1024 };
    await expect(
      unpackInto(target, zstdCompressSync(rawTar(indexEntry, ...files)), { limits }),
    ).rejects.toMatchObject({
      code: "TOO_MANY_ENTRIES",
    });
    expect(Object.keys(treeOf(target)).length).toBeLessThanOrEqual(1100);
  });

  test("of directories nested without end is refused", async () => {
    await expect(unpackInto(place(), rawTar(indexEntry, pax(`${"d/".repeat(1000)}f`)))).rejects.toMatchObject(
      {
        code: "ARCHIVE_UNSAFE",
      },
    );
    await expect(unpackInto(place(), rawTar(indexEntry, pax("n".repeat(300))))).rejects.toMatchObject({
      code: "ARCHIVE_UNSAFE",
    });
  });

  test("of a window that takes the memory is refused", async () => {
    const decoder = decompress(chunksOf(withWindow(31)), () => 4 * 1024 ** 3);
    await expect(decoder.next()).rejects.toMatchObject({ code: "WINDOW_TOO_LARGE" });
    const fits = decompress(chunksOf(withWindow(30)), () => 4 * 1024 ** 3);
    expect((await fits.next()).value).toHaveLength(4096);
  });

  test("of zeros behind the end is refused", async () => {
    const zeros = zstdCompressSync(Buffer.alloc(32 * 1024 * 1024));
    const bytes = Buffer.concat([
      zstdCompressSync(rawTar(indexEntry)),
      ...Array.from({ length: 50 }, () => zeros),
    ]);
    await expect(unpackInto(place(), bytes)).rejects.toMatchObject({ code: "ARCHIVE_DAMAGED" });
  });
});

/** A file whose name stands in a pax record, as long as one likes. */
function pax(path: string): RawEntry {
  const record = ` path=${path}\n`;
  const length = record.length + String(record.length + 5).length;
  const body = Buffer.from(`${length}${record}`);
  const header = rawEntry({ path: "PaxHeader", type: "ExtendedHeader", content: body });
  return { path: "f", before: header };
}

/** A zstd frame of 4096 bytes, not compressed, whose header announces a window of 2^log bytes. */
function withWindow(log: number): Buffer {
  const head = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0, (log - 10) << 3, 0, 0, 0]);
  head.writeUIntLE((4096 << 3) | 1, 6, 3);
  return Buffer.concat([head, Buffer.alloc(4096, "x")]);
}

async function* chunksOf(bytes: Buffer): AsyncGenerator<Uint8Array> {
  yield bytes;
}

/** Frames made as they are read, of entries without content; as long as such an archive is when it is compressed. */
function tinyEntries(count: number): FrameSource {
  const entriesAFrame = 1000;
  const frameAt = (first: number): Buffer =>
    zstdCompressSync(
      Buffer.concat(Array.from({ length: entriesAFrame }, (_, n) => rawEntry({ path: `d/${first + n}` }))),
    );
  const size = Math.round((frameAt(500_000).length * count) / entriesAFrame);
  return {
    url: "memory:tiny",
    size,
    read: () => Promise.reject(new Error("in one stream only")),
    async *whole() {
      for (let first = 0; first < count; first += entriesAFrame) yield frameAt(first);
      yield zstdCompressSync(tarEnd);
    },
  };
}

test.each([
  ["no number", Buffer.from([0xa0, ...Buffer.alloc(11, 1)])],
  ["less than nothing", Buffer.alloc(12, 0xff)],
  ["more than there can be", Buffer.from([0x80, ...Buffer.alloc(11, 0x7f)])],
])("a size in base 256 that is %s is a damaged header", async (_, size) => {
  const entry = rawEntry(file("a"));
  entry.set(size, 124);
  entry.fill(" ", 148, 156);
  const sum = entry.subarray(0, 512).reduce((all, byte) => all + byte, 0);
  entry.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  await expect(unpackInto(place(), Buffer.concat([entry, tarEnd]))).rejects.toMatchObject({
    code: "ARCHIVE_DAMAGED",
  });
});
