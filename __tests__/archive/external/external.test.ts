/** Archives made by the tools that people have, unpacked byte for byte; damaged ones refused. */
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { decompress } from "../../../src/archive/external/decompress.ts";
import { readInOrder } from "../../../src/archive/external/ordered-reads.ts";
import { treeOf } from "../../e2e/support.ts";
import { has } from "../../tools.ts";
import { indexEntry, makeTree, rawTar, shell, sourceOf, unpackInto } from "../external-archives.ts";
import { signal } from "../local-archive.ts";

const scratch = mkdtempSync(join(tmpdir(), "external-"));
let expected: Record<string, string>;
let tar: string;

beforeAll(() => {
  makeTree(join(scratch, "tree/mainnet"));
  expected = treeOf(join(scratch, "tree/mainnet"));
  tar = join(scratch, "plain.tar");
  shell('tar -C "$1" -cf "$2" mainnet', join(scratch, "tree"), tar);
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

let places = 0;
function place(): string {
  places += 1;
  return join(scratch, `place-${places}`);
}

const python = `
import sys, tarfile
with tarfile.open(sys.argv[2], "w:gz" if sys.argv[2].endswith("gz") else "w", format=getattr(tarfile, sys.argv[3])) as t:
    t.add(sys.argv[1] + "/mainnet", sys.argv[4])`;

/** Tools it takes, the shell line, where the mode directory is in it. `$1` holds `mainnet`, `$2` is the archive. */
const makers: readonly (readonly [string, readonly string[], string, string])[] = [
  [
    "GNU tar, zstd -19 --long=31",
    ["zstd"],
    'tar -C "$1" -cf - mainnet | zstd -q -19 --long=31 -T1 -o "$2"',
    "mainnet",
  ],
  ["pzstd", ["pzstd"], 'tar -C "$1" -cf - . | pzstd -q -p 4 -c > "$2"', "mainnet"],
  ["zstd -T0, the contents", ["zstd"], 'tar -C "$1/mainnet" -cf - . | zstd -q -T0 -o "$2"', ""],
  [
    "zstd without checksum or size",
    ["zstd"],
    'tar -C "$1" -cf - mainnet | zstd -q --no-check > "$2"',
    "mainnet",
  ],
  ["zstd of a file", ["zstd"], 'tar -C "$1" -cf "$2.tar" mainnet && zstd -q "$2.tar" -o "$2"', "mainnet"],
  ["gzip", ["gzip"], 'tar -C "$1" -cf - mainnet | gzip -1 > "$2"', "mainnet"],
  ["pigz", ["pigz"], 'tar -C "$1" -cf - mainnet | pigz -1 > "$2"', "mainnet"],
  [
    "gzip in members",
    ["gzip"],
    'tar -C "$1" -cf "$2.tar" mainnet && head -c 999999 "$2.tar" | gzip > "$2" && tail -c +1000000 "$2.tar" | gzip >> "$2"',
    "mainnet",
  ],
  ["GNU format", [], 'tar -C "$1" --format=gnu -cf "$2" ./mainnet', "mainnet"],
  ["pax format", [], 'tar -C "$1" --format=pax -cf "$2" ./mainnet', "mainnet"],
  [
    "deep in other directories",
    [],
    'tar -C "$1" --transform "s,^mainnet,var/stacks/mainnet," -cf "$2" mainnet',
    "var/stacks/mainnet",
  ],
  ["bsdtar, pax", ["bsdtar"], 'bsdtar -C "$1" -cf "$2" mainnet', "mainnet"],
  ["bsdtar, gnutar, zstd", ["bsdtar"], 'bsdtar -C "$1" --format gnutar --zstd -cf "$2" ./mainnet', "mainnet"],
  ["Python, pax", ["python3"], `python3 -c '${python}' "$1" "$2" PAX_FORMAT mainnet`, "mainnet"],
  ["Python, GNU, the contents", ["python3"], `python3 -c '${python}' "$1" "$2" GNU_FORMAT .`, ""],
];

describe("an archive", () => {
  for (const [name, tools, line, root] of makers) {
    test.skipIf(!tools.every(has))(`by ${name} is unpacked byte for byte`, async () => {
      const file = place();
      shell(line, join(scratch, "tree"), file);
      const target = place();
      const sha256 = createHash("sha256").update(readFileSync(file)).digest("hex");
      const unpacked = await unpackInto(target, file, { sha256 });
      expect(unpacked).toMatchObject({ root, sha256 });
      expect(treeOf(join(target, root))).toEqual(expected);
      expect(readdirSync(scratch).filter((each) => each.endsWith(".spool"))).toEqual([]);
    });
  }

  test("is read the same however its bytes come", async () => {
    const bytes = readFileSync(tar).subarray(0, 150_000);
    const half = 70_000;
    const skippable = Buffer.concat([Buffer.from("542a4d1803000000", "hex"), Buffer.from("abc")]);
    const parts = [bytes.subarray(0, half), bytes.subarray(half)];
    const zstd = Buffer.concat([skippable, ...parts.map((part) => zstdCompressSync(part)), skippable]);
    const gzip = Buffer.concat(parts.map((part) => gzipSync(part)));
    for (const archive of [zstd, gzip, bytes]) {
      for (const window of [1, 2, 3, 7, 511, 4096, 1 << 20].map((bytes) => ({ bytes, count: 4 }))) {
        if (window.bytes < 7 && archive === bytes) continue;
        const found: Uint8Array[] = [];
        for await (const chunk of decompress(readInOrder(sourceOf(archive), signal, 0, window)))
          found.push(chunk);
        expect(Buffer.concat(found).equals(bytes)).toBe(true);
      }
    }
  });

  test("that is another than its checksum says is refused", async () => {
    await expect(unpackInto(place(), tar, { sha256: "0".repeat(64) })).rejects.toMatchObject({
      code: "CHECKSUM_DIFFERS",
    });
  });

  test("keeps nothing of setuid", async () => {
    const target = place();
    await unpackInto(target, rawTar(indexEntry, { path: "s", mode: 0o6755 }));
    expect(treeOf(target)["s"]).toMatch(/^file 755 /);
  });

  test("of no chainstate, or of two, is refused", async () => {
    await expect(unpackInto(place(), rawTar({ path: "a" }))).rejects.toMatchObject({
      code: "CHAINSTATE_NOT_FOUND",
    });
    const two = rawTar(...["a", "b/c"].map((at) => ({ ...indexEntry, path: `${at}/${indexEntry.path}` })));
    await expect(unpackInto(place(), two)).rejects.toMatchObject({ code: "CHAINSTATE_AMBIGUOUS" });
  });

  test("of which only some files are wanted is read whole, and they are written", async () => {
    const target = place();
    await unpackInto(target, tar, {
      locateRoot: async () => "",
      select: (path) => path.endsWith("n".repeat(101)),
    });
    expect(Object.keys(treeOf(target))).toEqual(["mainnet", `mainnet/${"n".repeat(101)}`]);
  });

  test("is never unpacked onto something", async () => {
    const target = place();
    mkdirSync(target);
    writeFileSync(join(target, "mine"), "mine");
    await expect(unpackInto(target, tar)).rejects.toMatchObject({ code: "TARGET_NOT_EMPTY" });
    expect(readFileSync(join(target, "mine"), "utf8")).toBe("mine");
  });
});

describe("a damaged archive", () => {
  const packers: readonly (readonly [string, (bytes: Buffer) => Buffer])[] = [
    [
      "zstd",
      (bytes) =>
        Buffer.concat([
          zstdCompressSync(bytes.subarray(0, 800_000)),
          zstdWithChecksum(bytes.subarray(800_000)),
        ]),
    ],
    ["gzip", (bytes) => gzipSync(bytes, { level: 1 })],
    ["tar", (bytes) => bytes],
  ];
  for (const [name, pack] of packers) {
    test(`that is cut off is refused (${name})`, async () => {
      const bytes = pack(readFileSync(tar));
      // A tar may lose some of its padding: that is nobody's content.
      const end = name === "tar" ? readFileSync(tar).length - 20_000 : bytes.length;
      const cuts = [
        0,
        1,
        3,
        5,
        300,
        700,
        512 * 40,
        Math.floor(end / 3),
        Math.floor(end / 2),
        end - 5_000,
        end - 4,
        end - 1,
      ];
      for (const cut of cuts) {
        const outcome = unpackInto(place(), bytes.subarray(0, cut));
        await expect(outcome, `cut at ${cut}`).rejects.toMatchObject({
          code: expect.stringMatching(/^ARCHIVE_(TRUNCATED|DAMAGED)$/),
        });
      }
    });
  }

  test.each([
    ["zstd", zstdWithChecksum],
    ["gzip", (bytes: Buffer) => gzipSync(bytes, { level: 1 })],
  ])("with a flipped bit is refused (%s)", async (_, pack) => {
    const good = pack(readFileSync(tar));
    for (let n = 1; n < 12; n += 1) {
      const bytes = Buffer.from(good);
      const at = Math.floor((bytes.length * n) / 12);
      bytes[at] = (bytes[at] ?? 0) ^ 0x10;
      await expect(unpackInto(place(), bytes), `at ${at}`).rejects.toMatchObject({
        code: expect.stringMatching(/^ARCHIVE_/),
      });
    }
  });

  test.each([
    ["zstd", zstdWithChecksum(rawTar(indexEntry))],
    ["gzip", gzipSync(rawTar(indexEntry))],
  ])("with something behind its end is refused (%s)", async (_, good) => {
    await unpackInto(place(), good);
    for (const junk of ["x", "<html>error</html>", "\0".repeat(20)]) {
      const bytes = Buffer.concat([good, Buffer.from(junk)]);
      await expect(unpackInto(place(), bytes)).rejects.toMatchObject({
        code: expect.stringMatching(/^ARCHIVE_/),
      });
    }
  });

  test("or something else altogether is refused", async () => {
    const others: readonly (readonly [Buffer, string])[] = [
      [Buffer.from("<!DOCTYPE html><title>Not found</title>".repeat(100)), "ARCHIVE_DAMAGED"],
      [Buffer.from("fd377a585a000004", "hex"), "ARCHIVE_FORMAT"],
      [Buffer.from("425a683931415926", "hex"), "ARCHIVE_FORMAT"],
      [gzipSync(gzipSync(rawTar(indexEntry), { level: 0 })), "ARCHIVE_DAMAGED"],
      [zstdCompressSync(gzipSync(rawTar(indexEntry), { level: 0 })), "ARCHIVE_DAMAGED"],
      [Buffer.alloc(0), "ARCHIVE_TRUNCATED"],
    ];
    for (const [bytes, code] of others)
      await expect(unpackInto(place(), bytes)).rejects.toMatchObject({ code });
  });
});

function zstdWithChecksum(bytes: Buffer): Buffer {
  return zstdCompressSync(bytes, { params: { 201: 1 } });
}
