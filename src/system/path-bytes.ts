/**
 * File names on Linux are bytes, JavaScript strings are UTF-16. Inside the program a path is a string in which every
 * byte that is not part of valid UTF-8 stands as the lone surrogate U+DC80…U+DCFF (Python's "surrogateescape"), so any
 * name survives the way through strings and JSON and back.
 */

const strictDecoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Bytes of a file name → program string. */
export function decodePath(bytes: Uint8Array): string {
  try {
    return strictDecoder.decode(bytes);
  } catch {
    return decodeEscaping(bytes);
  }
}

/** Program string → bytes of a file name. The inverse of `decodePath` for everything it returns. */
export function encodePath(path: string): Buffer {
  if (path.isWellFormed()) return Buffer.from(path, "utf8");
  const parts: Buffer[] = [];
  let plain = "";
  for (const char of path) {
    const code = char.codePointAt(0) ?? 0;
    if (code >= 0xdc80 && code <= 0xdcff) {
      parts.push(Buffer.from(plain, "utf8"), Buffer.from([code - 0xdc00]));
      plain = "";
    } else {
      plain += char;
    }
  }
  parts.push(Buffer.from(plain, "utf8"));
  return Buffer.concat(parts);
}

/** What to hand to `node:fs`: the string itself where it is well-formed (fast), its bytes otherwise. */
export function fsPath(path: string): string | Buffer {
  return path.isWellFormed() ? path : encodePath(path);
}

/** Order of the bytes of two paths, the order of entries in an archive. */
export function comparePaths(a: string, b: string): number {
  return a === b ? 0 : Buffer.compare(encodePath(a), encodePath(b));
}

function decodeEscaping(bytes: Uint8Array): string {
  let out = "";
  let at = 0;
  while (at < bytes.length) {
    const length = sequenceLength(bytes, at);
    if (length > 0) {
      out += strictDecoder.decode(bytes.subarray(at, at + length));
      at += length;
    } else {
      out += String.fromCharCode(0xdc00 + (bytes[at] ?? 0));
      at += 1;
    }
  }
  return out;
}

/** Length of the valid UTF-8 sequence at `at`, 0 where there is none. */
function sequenceLength(bytes: Uint8Array, at: number): number {
  const lead = bytes[at] ?? 0;
  const length =
    lead < 0x80
      ? 1
      : lead >= 0xc2 && lead < 0xe0
        ? 2
        : lead >= 0xe0 && lead < 0xf0
          ? 3
          : lead >= 0xf0 && lead < 0xf5
            ? 4
            : 0;
  if (length === 0 || at + length > bytes.length) return 0;
  try {
    strictDecoder.decode(bytes.subarray(at, at + length));
    return length;
  } catch {
    return 0;
  }
}
