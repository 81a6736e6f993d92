import { describe, expect, test } from "vitest";
import { checksumFile, checksumKeys, readChecksum } from "../../src/catalog/checksum-file.ts";

const name = "mainnet.tar.zst";
const digest = "0123456789abcdef".repeat(4);
const other = "fedcba9876543210".repeat(4);
const read = (text: string | Buffer, ofKind = false): string | undefined =>
  readChecksum(Buffer.from(text as string), name, "x.sha256", { ofKind });

describe("a checksum file", () => {
  test.each([
    ["of our own", checksumFile(digest, name)],
    ["in capitals, with a path, binary, with a carriage return", `${digest.toUpperCase()} *dir/${name}\r\n`],
    ["with nothing but the digest", digest],
    ["of standard input", `${digest}  -\n`],
    ["as BSD writes it", `SHA256 (${name}) = ${digest}\n`],
    ["as openssl writes it", `SHA2-256(${name})= ${digest}\n`],
    ["with a scheme", `sha256:${digest}`],
    ["with a comment", `# published 2026-11-29\n${digest}  ${name}\n`],
    ["of several files", `${other}  b.tar.zst\n${digest}  ./${name}\n`],
    ["of several files, as BSD writes it", `SHA256 (b) = ${other}\nSHA256 (dir/${name}) = ${digest}\n`],
    ["that names a dated copy", `${digest}  mainnet-2026-11-29.tar.gz\n`],
    ["as JSON", JSON.stringify({ sha256: digest })],
    ["as UTF-16 with a mark", Buffer.from(`\ufeff${digest}  ${name}\r\n`, "utf16le")],
    ["as UTF-16 without a mark", Buffer.from(`${digest}\r\n`, "utf16le")],
    ["with a mark of UTF-8", `\ufeff${digest}  ${name}\n`],
    ["with the same digest twice", `${digest}  ${name}\n${digest}  copy\n`],
  ])("%s is understood", (_, text) => {
    expect(read(text)).toBe(digest);
  });

  test.each([
    ["empty", ""],
    ["with a digest of another kind", "d41d8cd98f00b204e9800998ecf8427e"],
    ["with a longer number", `${digest}${digest}`],
    ["with several files and not this one", `${digest}  b\n${other}  c\n`],
    ["with two digests for it", `${digest}  ${name}\n${other}  ${name}\n`],
  ])("%s is an error, not none", (_, text) => {
    expect(() => read(text)).toThrow(expect.objectContaining({ code: "CHECKSUM_UNREADABLE" }) as Error);
  });

  test("that is a web page is none", () => {
    expect(read("<!doctype html><title>Not found</title>")).toBeUndefined();
  });

  test("named without the ending may be of another kind of archive", () => {
    expect(checksumKeys("a/mainnet.tar.zst")).toEqual([
      { key: "a/mainnet.tar.zst.sha256", ofKind: false },
      { key: "a/mainnet.sha256", ofKind: true },
    ]);
    expect(checksumKeys("a/mainnet").length).toBe(1);
    expect(read(`${digest}  mainnet.tar.gz\n`, true)).toBeUndefined();
    expect(read(`${digest}  mainnet-2026.tar.zst\n`, true)).toBe(digest);
    expect(read(`${digest}  -\n`, true)).toBe(digest);
  });
});
