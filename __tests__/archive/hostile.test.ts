/**
 * Archives and indexes that are damaged or made to do harm. Whatever is in them: a clear refusal, and nothing outside the
 * target is ever written.
 */
import { hash } from "node:crypto";
import {
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openIndex } from "../../src/archive/format/index-reader.ts";
import { checkSeekTable, encodeSeekTable } from "../../src/archive/format/seek-table.ts";
import { FrameTable } from "../../src/archive/format/frame-table.ts";
import { compressFrame, decompressFrame } from "../../src/archive/format/zstd-frame.ts";
import { openDirectoryView } from "../../src/archive/write/directory-view.ts";
import { TreeCheck } from "../../src/archive/format/tree-check.ts";
import type { View } from "../../src/archive/view.ts";
import { archiveOf, signal, unpack, verify } from "./local-archive.ts";
import type { LocalArchive } from "./local-archive.ts";

interface Range {
  frame: number;
  offset: number;
  fileOffset: number;
  size: number;
}

/** An entry that anything can be done to. */
interface LooseEntry {
  size: number;
  header: Range;
  pieces: Range[];
  [field: string]: unknown;
}

interface Lines {
  head: Record<string, unknown>;
  root: Record<string, unknown>;
  frames: Record<string, unknown>[];
  files: LooseEntry[];
}

function makeTree(tree: string): void {
  mkdirSync(join(tree, "d"), { recursive: true });
  writeFileSync(join(tree, "d/inner"), "inner");
  writeFileSync(join(tree, "a"), "some content of a");
  writeFileSync(join(tree, "z"), Buffer.alloc(200_000, "z"));
  symlinkSync("a", join(tree, "link"));
  linkSync(join(tree, "a"), join(tree, "twin"));
}

/** Made once: what is refused is always a changed copy of it. */
const scratch = mkdtempSync(join(tmpdir(), "archive-hostile-"));
let archive: LocalArchive;

beforeAll(async () => {
  makeTree(join(scratch, "tree"));
  archive = await archiveOf(join(scratch, "tree"), scratch, { segmentSizeOf: () => 65_536 });
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

let copies = 0;
/** A new path, for a changed copy or a target. */
function place(): string {
  copies += 1;
  return join(scratch, `copy-${copies}`);
}

function readLines(file: string): Lines {
  const document = JSON.parse(zstdDecompressSync(readFileSync(file)).toString()) as Record<string, never>;
  const { root, frames, files, ...head } = document;
  return structuredClone({ head, root, frames, files }) as unknown as Lines;
}

function textOf({ head, root, frames, files }: Lines): string {
  const list = (items: unknown[]): string => items.map((item) => JSON.stringify(item)).join(",\n");
  const start = JSON.stringify(head).slice(0, -1);
  return `${start},\n"root":${JSON.stringify(root)},\n"frames":[\n${list(frames)}\n],\n"files":[\n${list(files)}\n]}\n`;
}

function fileOf(lines: Lines, path: string): LooseEntry {
  const found = lines.files.find((entry) => entry["path"] === path);
  if (found === undefined) throw new Error(path);
  return found;
}

const spoilt: [string, (lines: Lines) => void][] = [
  ["a path that climbs", (lines) => (fileOf(lines, "a")["path"] = "../a")],
  ["an absolute path", (lines) => (fileOf(lines, "a")["path"] = "/tmp/a")],
  ["a path with an empty component", (lines) => (fileOf(lines, "d/inner")["path"] = "d//inner")],
  ["a path with a dot", (lines) => (fileOf(lines, "d/inner")["path"] = "d/./inner")],
  ["a path with NUL", (lines) => (fileOf(lines, "a")["path"] = "a\0b")],
  ["an empty path", (lines) => (fileOf(lines, "a")["path"] = "")],
  ["an entry twice", (lines) => (fileOf(lines, "d")["path"] = "a")],
  ["a file and a directory of one name", (lines) => (fileOf(lines, "a")["path"] = "d")],
  ["entries out of order", (lines) => (lines.files = lines.files.toReversed())],
  ["a file below a symlink", (lines) => (fileOf(lines, "twin")["path"] = "link/twin")],
  ["a file below a file", (lines) => (fileOf(lines, "d/inner")["path"] = "a/inner")],
  ["a file in no directory", (lines) => (fileOf(lines, "z")["path"] = "zz/z")],
  ["a symlink to an absolute path", (lines) => (fileOf(lines, "link")["linkTarget"] = "/etc")],
  ["a symlink that climbs out", (lines) => (fileOf(lines, "link")["linkTarget"] = "../x")],
  ["a symlink that climbs behind a name", (lines) => (fileOf(lines, "link")["linkTarget"] = "d/../../x")],
  ["a symlink to nothing", (lines) => (fileOf(lines, "link")["linkTarget"] = "")],
  ["a hard link that climbs", (lines) => (fileOf(lines, "twin")["linkTarget"] = "../../etc/passwd")],
  ["a hard link to a symlink", (lines) => (fileOf(lines, "twin")["linkTarget"] = "link")],
  ["a hard link to a later file", (lines) => (fileOf(lines, "twin")["linkTarget"] = "z")],
  ["a hard link to itself", (lines) => (fileOf(lines, "twin")["linkTarget"] = "twin")],
  ["a device", (lines) => (fileOf(lines, "a")["type"] = "device")],
  ["a directory with a size", (lines) => (fileOf(lines, "d")["size"] = 512)],
  ["a file with a link target", (lines) => (fileOf(lines, "a")["linkTarget"] = "z")],
  ["a size that its pieces do not have", (lines) => (fileOf(lines, "a").size += 1)],
  ["pieces that leave a gap", (lines) => (fileOf(lines, "z").pieces[1]!.fileOffset += 1)],
  [
    "pieces in another order",
    (lines) => (fileOf(lines, "z").pieces = fileOf(lines, "z").pieces.toReversed()),
  ],
  ["a piece in a frame that is not there", (lines) => (fileOf(lines, "z").pieces[1]!.frame = 99)],
  ["a piece over another entry's bytes", (lines) => (fileOf(lines, "a").pieces[0]!.offset -= 512)],
  ["a piece of no bytes", (lines) => fileOf(lines, "d").pieces.push(fileOf(lines, "a").pieces[0]!)],
  ["an entry left out", (lines) => lines.files.splice(0, 1)],
  ["a header elsewhere", (lines) => (fileOf(lines, "a").header.offset += 512)],
  ["a header of an odd size", (lines) => (fileOf(lines, "a").header.size += 1)],
  ["frames with a gap", (lines) => (lines.frames[1]!["offset"] = 12_345_678)],
  ["a frame that is too large", (lines) => (lines.frames[0]!["size"] = 2 ** 30)],
  ["a frame of no bytes", (lines) => (lines.frames[0]!["compressedSize"] = 0)],
  ["a frame left out", (lines) => lines.frames.pop()],
  ["a digest that is none", (lines) => (lines.frames[0]!["sha256"] = "abc")],
  ["a number that is none", (lines) => (fileOf(lines, "a")["size"] = "17" as never)],
  ["a number that is not whole", (lines) => (fileOf(lines, "a")["size"] = 17.5)],
  ["a negative number", (lines) => (fileOf(lines, "a")["uid"] = -1)],
  ["a mode beyond permissions", (lines) => (fileOf(lines, "a")["mode"] = 0o100_644)],
  ["a time that is none", (lines) => (fileOf(lines, "a")["mtimeNs"] = "soon")],
  ["an unknown field", (lines) => (fileOf(lines, "a")["xattr"] = {})],
  ["a root that is a path", (lines) => (lines.root["name"] = "../x")],
  ["no root header", (lines) => delete lines.root["header"]],
  ["null for an entry", (lines) => lines.files.push(null as never)],
];

describe("an index", () => {
  test("that is as written is accepted, so that the refusals below mean something", async () => {
    const file = place();
    writeFileSync(file, zstdCompressSync(textOf(readLines(archive.indexFile))));
    const index = await openIndex(file, { signal });
    expect(index).toMatchObject({ files: 6, treeSha256: archive.written.treeSha256 });
  });

  test.each(spoilt)("with %s is refused", async (_, spoil) => {
    const lines = readLines(archive.indexFile);
    spoil(lines);
    const file = place();
    writeFileSync(file, zstdCompressSync(textOf(lines)));
    await expect(openIndex(file, { signal })).rejects.toMatchObject({ code: "INDEX_INVALID" });
  });

  test("of another version is refused with the reason", async () => {
    const lines = readLines(archive.indexFile);
    lines.head["version"] = 2;
    const indexFile = place();
    writeFileSync(indexFile, zstdCompressSync(textOf(lines)));
    await expect(openIndex(indexFile, { signal })).rejects.toMatchObject({
      code: "INDEX_VERSION_UNKNOWN",
    });
  });

  test("whose text is cut, joined or no JSON is refused", async () => {
    const text = textOf(readLines(archive.indexFile));
    const file = place();
    for (const wrong of [
      "",
      "{}",
      text.slice(0, -2),
      text.slice(0, text.length / 2),
      `${text}${text}`,
      text.replace(",\n", "\n"),
      text.replace("\n]}", ",\n]}"),
      `${text}x`,
      text.replace('"frames":[', '"frame":['),
    ]) {
      writeFileSync(file, zstdCompressSync(wrong));
      await expect(openIndex(file, { signal })).rejects.toMatchObject({ code: "INDEX_INVALID" });
    }
    writeFileSync(file, text);
    await expect(openIndex(file, { signal })).rejects.toMatchObject({ code: "INDEX_INVALID" });
    writeFileSync(file, zstdCompressSync(text).subarray(0, -20));
    await expect(openIndex(file, { signal })).rejects.toMatchObject({ code: "INDEX_INVALID" });
  });

  test("with a byte flipped is not the one in the manifest; without a manifest it is refused or the same", async () => {
    const bytes = readFileSync(archive.indexFile);
    const right = await openIndex(archive.indexFile, { signal });
    const file = place();
    for (let at = 0; at < bytes.length; at += 5) {
      const flipped = Buffer.from(bytes);
      flipped[at]! ^= 1 << (at % 8);
      writeFileSync(file, flipped);
      await expect(openIndex(file, { signal, expect: archive.written.index })).rejects.toMatchObject({
        code: "INDEX_INVALID",
      });
      const outcome = await openIndex(file, { signal }).then(
        (found) => found.treeSha256,
        (error: unknown) => (error as { code?: string }).code,
      );
      expect(["INDEX_INVALID", right.treeSha256]).toContain(outcome);
    }
  });
});

describe("a frame", () => {
  test("with any bit flipped is refused, or gives the very bytes its digest names", () => {
    const content = Buffer.from("a chainstate is a chain of states ".repeat(200));
    const frame = compressFrame(content, 3);
    const digest = hash("sha256", content);
    const codes = new Set<unknown>();
    let refused = 0;
    for (let bit = 0; bit < frame.length * 8; bit += 1) {
      const flipped = Buffer.from(frame);
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      try {
        if (hash("sha256", decompressFrame(flipped, content.length)) !== digest) refused += 1;
      } catch (error) {
        codes.add((error as { code?: string }).code);
        refused += 1;
      }
    }
    expect([...codes]).toEqual(["FRAME_CORRUPT"]);
    expect(refused).toBeGreaterThan(frame.length * 8 - 8);
  });

  test("that is cut, has something behind it, or another size is refused", () => {
    const content = Buffer.alloc(100_000, "content");
    const frame = compressFrame(content, 3);
    for (const wrong of [
      frame.subarray(0, -1),
      frame.subarray(0, 20),
      Buffer.alloc(0),
      Buffer.concat([frame, Buffer.from([0])]),
      Buffer.concat([frame, frame]),
      content,
    ]) {
      expect(() => decompressFrame(wrong, content.length)).toThrow(
        expect.objectContaining({ code: "FRAME_CORRUPT" }),
      );
    }
    for (const size of [content.length - 1, content.length + 1, 0]) {
      expect(() => decompressFrame(frame, size)).toThrow(expect.objectContaining({ code: "FRAME_CORRUPT" }));
    }
    // A bomb: far more inside than announced.
    const bomb = compressFrame(Buffer.alloc(32 * 1024 * 1024), 3);
    expect(() => decompressFrame(bomb, 4096)).toThrow(expect.objectContaining({ code: "FRAME_CORRUPT" }));
  });
});

test("a seek table with any byte flipped is refused", () => {
  const frames = new FrameTable();
  for (let n = 0; n < 5; n += 1) {
    const offset = frames.compressedEnd;
    const [sha256, compressedSha256] = ["ab".repeat(32), "cd".repeat(32)];
    frames.add({ offset, compressedSize: 10 + n, size: 512, sha256, compressedSha256 });
  }
  const table = encodeSeekTable(frames);
  expect(() => checkSeekTable(table, frames)).not.toThrow();
  for (let at = 0; at < table.length; at += 1) {
    const flipped = Buffer.from(table);
    flipped[at]! ^= 0x10;
    expect(() => checkSeekTable(flipped, frames)).toThrow(
      expect.objectContaining({ code: "SEEK_TABLE_INVALID" }),
    );
  }
});

/** The archive with its first frame's tar changed, and index and seek table made to agree with that. */
function tamper(archive: LocalArchive, change: (tar: Buffer) => void): LocalArchive {
  const bytes = readFileSync(archive.file);
  const lines = readLines(archive.indexFile);
  const frames = new FrameTable();
  const parts: Buffer[] = [];
  for (const [n, frame] of lines.frames.entries()) {
    const from = frame["offset"] as number;
    const content = zstdDecompressSync(bytes.subarray(from, from + (frame["compressedSize"] as number)));
    if (n === 0) change(content);
    const compressed = compressFrame(content, 3);
    parts.push(compressed);
    const sha256 = hash("sha256", content);
    const offset = frames.compressedEnd;
    const [compressedSize, compressedSha256] = [compressed.length, hash("sha256", compressed)];
    frames.add({ offset, compressedSize, size: content.length, sha256, compressedSha256 });
    lines.frames[n] = { ...frames.at(n) };
  }
  const [file, indexFile] = [place(), place()];
  writeFileSync(file, Buffer.concat([...parts, encodeSeekTable(frames)]));
  writeFileSync(indexFile, zstdCompressSync(textOf(lines)));
  return { ...archive, file, indexFile };
}

function putChecksum(tar: Buffer, header: number): void {
  tar.fill(0x20, header + 148, header + 156);
  const sum = tar.subarray(header, header + 512).reduce((total, byte) => total + byte, 0);
  tar.write(`${sum.toString(8).padStart(6, "0")}\0 `, header + 148);
}

describe("a frame that is not the one of the index", () => {
  const withDigest = (digest: Record<string, string>): LocalArchive => {
    const lines = readLines(archive.indexFile);
    lines.frames[0] = { ...lines.frames[0], ...digest };
    const [indexFile, text] = [place(), zstdCompressSync(textOf(lines))];
    writeFileSync(indexFile, text);
    const index = { size: text.length, sha256: hash("sha256", text) };
    return { ...archive, indexFile, written: { ...archive.written, index } };
  };

  test("by its compressed bytes is neither restored nor verified, though its content is the one", async () => {
    const other = withDigest({ compressedSha256: "ab".repeat(32) });
    await expect(unpack(other, place())).rejects.toMatchObject({ code: "FRAME_CORRUPT" });
    await expect(verify(other, false)).rejects.toMatchObject({ code: "FRAME_CORRUPT" });
  });

  test("by its content is not verified, though its compressed bytes are the ones", async () => {
    const other = withDigest({ sha256: "ab".repeat(32) });
    await expect(verify(other, false)).rejects.toMatchObject({ code: "FRAME_CORRUPT" });
  });
});

describe("an archive whose tar says something else than its index", () => {
  const within = (tar: Buffer, name: string): number => {
    for (let at = 0; at < tar.length; at += 512) {
      if (tar.toString("latin1", at, at + name.length + 1) === `${name}\0`) return at;
    }
    throw new Error(name);
  };
  test.each<[string, (tar: Buffer) => void]>([
    ["another name", (tar) => tar.write("mainnet/b", within(tar, "mainnet/a"))],
    ["a name that climbs", (tar) => tar.write("mainne/../x", within(tar, "mainnet/link"))],
    ["another mode", (tar) => tar.write("0004755", within(tar, "mainnet/a") + 100)],
    ["another owner", (tar) => tar.write("0000777", within(tar, "mainnet/a") + 108)],
    ["another link target", (tar) => tar.write("/etc", within(tar, "mainnet/link") + 157)],
    ["another type", (tar) => tar.write("5", within(tar, "mainnet/a") + 156)],
    ["bytes in the padding", (tar) => tar.write("x", within(tar, "mainnet/a") + 512 + 100)],
    ["another root", (tar) => tar.write("mainnex/", within(tar, "mainnet/"))],
  ])("in %s is refused", async (_, change) => {
    expect(
      await verify(
        tamper(archive, () => undefined),
        false,
      ),
    ).toMatchObject({ files: 6 });
    const tampered = tamper(archive, (tar) => {
      const before = Buffer.from(tar);
      change(tar);
      const at = tar.findIndex((byte, n) => byte !== before[n]);
      const header = at - (at % 512);
      if (tar.toString("latin1", header + 257, header + 262) === "ustar") putChecksum(tar, header);
    });
    await expect(verify(tampered, false)).rejects.toMatchObject({ code: "ARCHIVE_INDEX_MISMATCH" });
    const target = place();
    const attempt = unpack(tampered, target, { indexDigest: sizeAndDigest(tampered.indexFile) });
    await expect(attempt).rejects.toMatchObject({ code: "ARCHIVE_INDEX_MISMATCH" });
  });
});

function sizeAndDigest(file: string): { size: number; sha256: string } {
  const bytes = readFileSync(file);
  return { size: bytes.length, sha256: hash("sha256", bytes) };
}

describe("an archive", () => {
  test("with a byte flipped is refused wherever it is", async () => {
    const bytes = readFileSync(archive.file);
    const places = Array.from({ length: 5 }, (_, n) => Math.floor((n * (bytes.length - 1)) / 4));
    for (const at of places) {
      const flipped = Buffer.from(bytes);
      flipped[at]! ^= 0xff;
      const file = place();
      writeFileSync(file, flipped);
      await expect(verify({ ...archive, file })).rejects.toMatchObject({
        code: expect.stringMatching(/^(FRAME_CORRUPT|SEEK_TABLE_INVALID|ARCHIVE_DIGEST_WRONG)$/),
      });
    }
  });

  test("that is truncated or longer is refused before anything is made", async () => {
    const bytes = readFileSync(archive.file);
    const target = place();
    for (const wrong of [bytes.subarray(0, -1), bytes.subarray(0, 100), Buffer.concat([bytes, bytes])]) {
      const file = place();
      writeFileSync(file, wrong);
      const attempt = unpack({ ...archive, file }, target);
      await expect(attempt).rejects.toMatchObject({ code: "ARCHIVE_SIZE_WRONG" });
    }
    expect(existsSync(join(target, "a"))).toBe(false);
  });

  test("of another snapshot does not fit the index", async () => {
    const tree = place();
    makeTree(tree);
    writeFileSync(join(tree, "a"), "other content of a");
    const other = await archiveOf(tree, scratch, {}, "other");
    const attempt = verify({ ...archive, file: other.file });
    await expect(attempt).rejects.toMatchObject({
      code: expect.stringMatching(/^(ARCHIVE_SIZE_WRONG|SEEK_TABLE_INVALID|FRAME_CORRUPT)$/),
    });
  });
});

describe("bits that change who a program runs as", () => {
  test("are neither archived nor restored, though an archive of another's has them", async () => {
    const tree = place();
    mkdirSync(join(tree, "d"), { recursive: true });
    writeFileSync(join(tree, "program"), "#!/bin/sh\n");
    writeFileSync(join(tree, "large"), Buffer.alloc(200_000, "x"));
    for (const [name, mode] of [
      ["program", 0o4755],
      ["large", 0o6755],
      ["d", 0o3777],
    ] as const) {
      chmodSync(join(tree, name), mode);
    }
    const own = await archiveOf(tree, scratch, { segmentSizeOf: () => 65_536 }, "bits");
    const modes = readLines(own.indexFile).files.map((entry) => entry["mode"]);
    expect(modes).toEqual([0o777, 0o755, 0o755]);

    // As a publisher who does not keep to that would write it.
    const view = await openDirectoryView({ directory: tree });
    const withBits: View = {
      rootEntry: { ...view.rootEntry, mode: 0o7777 },
      async *entries(aborted) {
        for await (const entry of view.entries(aborted)) yield { ...entry, mode: entry.mode | 0o7000 };
      },
    };
    const hostile = await archiveOf(withBits, scratch, { segmentSizeOf: () => 65_536 }, "hostile-bits");
    const target = place();
    await unpack(hostile, target);
    for (const name of ["", "program", "large", "d"]) {
      expect([name, statSync(join(target, name)).mode & 0o7000]).toEqual([name, 0]);
    }
  });
});

describe("an index that asks for more than there can be", () => {
  test.each<[string, (lines: Lines) => void]>([
    ["a name of 256 bytes", (lines) => (fileOf(lines, "z")["path"] = "z".repeat(256))],
    ["a name of 86 letters of three bytes", (lines) => (fileOf(lines, "z")["path"] = "\u4e00".repeat(86))],
    [
      "a path of 4096 bytes",
      (lines) => (fileOf(lines, "z")["path"] = `${"z/".repeat(60)}${"y".repeat(4000)}`),
    ],
    ["a link target of 4096 bytes", (lines) => (fileOf(lines, "link")["linkTarget"] = "a/".repeat(2048))],
    [
      "a directory below more of them than any chainstate has",
      (lines) => {
        const directory = fileOf(lines, "d");
        for (let depth = 2; depth < 200; depth += 1) {
          lines.files.splice(lines.files.indexOf(directory) + depth - 1, 0, {
            ...directory,
            path: Array(depth).fill("d").join("/"),
          });
        }
      },
    ],
  ])("by %s is refused", async (_, spoil) => {
    const lines = readLines(archive.indexFile);
    spoil(lines);
    const file = place();
    writeFileSync(file, zstdCompressSync(textOf(lines)));
    await expect(openIndex(file, { signal })).rejects.toMatchObject({ code: "INDEX_INVALID" });
  });

  test("by keys of one hash in one line costs no time", async () => {
    // V8 hashes a text of more than 16,383 characters by its length alone, so keys as long as each other are compared each with each.
    const keys = Array.from({ length: 2500 }, (_, n) => `"${"k".repeat(20_000)}${n + 10_000}":0`);
    const text = textOf(readLines(archive.indexFile)).replace(
      '"fileOffset":0',
      `"fileOffset":0,${keys.join(",")}`,
    );
    const file = place();
    writeFileSync(file, zstdCompressSync(text));
    const started = performance.now();
    await expect(openIndex(file, { signal })).rejects.toMatchObject({ code: "INDEX_INVALID" });
    expect(performance.now() - started).toBeLessThan(5_000);
  });

  test("by hard links of texts of one hash is refused at the first", () => {
    const check = new TreeCheck();
    const linkTarget = `${"a/".repeat(32_000)}a`;
    expect(check.problemOf({ path: "a", type: "hardlink", size: 0, linkTarget })).toMatchObject({
      kind: "link-target",
    });
  });
});
