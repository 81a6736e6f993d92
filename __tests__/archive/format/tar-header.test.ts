import * as fc from "fast-check";
import { Header } from "tar/header";
import { describe, expect, test } from "vitest";
import { decodePath } from "../../../src/system/path-bytes.ts";
import { decodeTarHeader, encodeTarHeader } from "../../../src/archive/format/tar-header.ts";
import type { TarEntry } from "../../../src/archive/format/tar-header.ts";

const plain: TarEntry = {
  path: "mainnet/peer.sqlite",
  type: "file",
  size: 3,
  mode: 0o640,
  uid: 1000,
  gid: 1000,
  mtimeNs: 1_732_000_000_000_000_000n,
};

const name = fc
  .uint8Array({ minLength: 1, maxLength: 255 })
  .map((bytes) => decodePath(bytes.map((byte) => (byte === 0 || byte === 0x2f ? 0x61 : byte))))
  .filter((text) => text !== "." && text !== "..");
const path = fc.array(name, { minLength: 1, maxLength: 8 }).map((names) => `root/${names.join("/")}`);

const entry: fc.Arbitrary<TarEntry> = fc
  .record({
    path,
    type: fc.constantFrom("file", "directory", "symlink", "hardlink"),
    size: fc.maxSafeNat(),
    mode: fc.nat(0o7777),
    uid: fc.nat(2 ** 32 - 2),
    gid: fc.nat(2 ** 32 - 2),
    mtimeNs: fc.bigInt({ min: -(2n ** 62n), max: 2n ** 62n }),
    linkTarget: path,
  })
  .map(({ linkTarget, ...rest }) => {
    const isLink = rest.type === "symlink" || rest.type === "hardlink";
    return { ...rest, size: rest.type === "file" ? rest.size : 0, ...(isLink ? { linkTarget } : {}) };
  });

describe("tar headers", () => {
  test("give every entry back exactly", () => {
    fc.assert(
      fc.property(entry, (wanted) => {
        const header = encodeTarHeader(wanted);
        expect(header.length % 512).toBe(0);
        expect(decodeTarHeader(header)).toEqual(wanted);
      }),
      { numRuns: 500 },
    );
  });

  test("are one plain block where that says everything", () => {
    expect(encodeTarHeader(plain)).toHaveLength(512);
    expect(encodeTarHeader({ ...plain, mtimeNs: plain.mtimeNs + 1n })).toHaveLength(1536);
  });

  test("are understood by node-tar", () => {
    const header = new Header(encodeTarHeader(plain));
    expect(header.cksumValid).toBe(true);
    expect(header).toMatchObject({ path: plain.path, size: 3, uid: 1000, mode: 0o640, type: "File" });
  });

  test.each([
    ["a checksum that does not fit", (bytes: Buffer) => bytes.writeUInt8(0x41, 3)],
    ["a device", (bytes: Buffer) => retype(bytes, "3")],
    ["a GNU long name", (bytes: Buffer) => retype(bytes, "L")],
    ["a sparse file", (bytes: Buffer) => retype(bytes, "S")],
    ["a global extended header", (bytes: Buffer) => retype(bytes, "g")],
  ])("refuse %s", (_, spoil) => {
    const bytes = encodeTarHeader(plain);
    spoil(bytes);
    expect(() => decodeTarHeader(bytes)).toThrow(expect.objectContaining({ code: "TAR_HEADER_INVALID" }));
  });

  test("refuse what is longer or shorter than one header", () => {
    const bytes = encodeTarHeader(plain);
    for (const wrong of [
      bytes.subarray(0, 511),
      Buffer.concat([bytes, Buffer.alloc(512)]),
      Buffer.alloc(0),
    ]) {
      expect(() => decodeTarHeader(wrong)).toThrow(expect.objectContaining({ code: "TAR_HEADER_INVALID" }));
    }
  });

  test("refuse extended headers that are malformed", () => {
    const bytes = encodeTarHeader({ ...plain, mtimeNs: 1n });
    for (const record of ["99 mtime=1\n", "11 mtime=1x", "0 mtime=1\n", " mtime=1\n", "mtime=1\n"]) {
      const spoilt = Buffer.from(bytes);
      spoilt.fill(0, 512, 1024).write(record, 512);
      expect(() => decodeTarHeader(spoilt)).toThrow(expect.objectContaining({ code: "TAR_HEADER_INVALID" }));
    }
  });
});

/** Another type flag, with the checksum put right. */
function retype(bytes: Buffer, flag: string): void {
  bytes.write(flag, 156);
  bytes.fill(0x20, 148, 156);
  const sum = bytes.subarray(0, 512).reduce((total, byte) => total + byte, 0);
  bytes.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
}
