/**
 * Entries of a tar that anybody may have made: v7, ustar, pax, GNU. Single blocks are read by node-tar, what spans several
 * (long names, pax records) here, as bytes: its own parser loses names with a line break or not in UTF-8 and stops at what
 * bsdtar writes for long names. What cannot be told exactly as its maker meant it (sparse files, devices) is refused, where
 * tar would warn and go on.
 */
import { Header } from "tar/header";
import { ActionError } from "../../domain/errors.ts";
import { decodePath } from "../../system/path-bytes.ts";
import { truncated } from "./decompress.ts";
import {
  cString,
  paddingAfter,
  parsePaxRecords,
  parseTime,
  plainName,
  tarBlockSize,
} from "../format/tar-header.ts";
import { show } from "../format/tree-check.ts";
import type { EntryFacts, EntryType } from "../view.ts";

/** `path`: without "." components, but not otherwise checked. */
export interface ExternalEntry extends Omit<EntryFacts, "mtimeNs"> {
  readonly mtimeSeconds: number;
}

export type TarEvent =
  | { readonly kind: "entry"; readonly entry: ExternalEntry }
  | { readonly kind: "bytes"; readonly bytes: Uint8Array }
  | { readonly kind: "end" };

const types: ReadonlyMap<string, EntryType> = new Map(
  Object.entries({
    "\0": "file",
    "0": "file",
    "7": "file",
    "1": "hardlink",
    "2": "symlink",
    "5": "directory",
  }),
);
const refusedKinds: ReadonlyMap<string, string> = new Map(
  Object.entries({
    "3": "is a device",
    "4": "is a device",
    "6": "is a named pipe",
    S: "is a sparse file",
  }),
);
/** Headers about the next entry (or, "g", all that follow), by their flag; a volume's label is about none. */
const metaFlags = new Set(["x", "X", "g", "L", "K", "V"]);

/** Names and link texts are 4096 bytes at most; others put attributes of their own beside them. */
const maxMetaBytes = 1024 * 1024;
/** What tar pads an archive with is far less. */
const maxTrailingBytes = 64 * 1024 * 1024;

type Records = ReadonlyMap<string, Buffer>;

/** What came before an entry and belongs to it. */
interface Pending {
  pax?: Records;
  longPath?: Buffer;
  longLink?: Buffer;
}

export class ExternalTar {
  /** The part of a header that the last bytes ended in. */
  #kept: Uint8Array = new Uint8Array();
  /** Of the current entry or meta header. */
  #content = 0;
  #padding = 0;
  /** Undefined: the content is an entry's. */
  #meta: { readonly flag: string; readonly parts: Uint8Array[] } | undefined;
  #global: Records | undefined;
  #pending: Pending = {};
  #zeroBlocks = 0;
  #trailingBytes = 0;
  #isFirst = true;

  /** What these bytes complete, in order. Throws ARCHIVE_DAMAGED or ARCHIVE_UNREADABLE. */
  *push(bytes: Uint8Array): Generator<TarEvent> {
    for (let at = 0; at < bytes.length;) {
      const rest = bytes.length - at;
      if (this.#zeroBlocks > 1) {
        this.#trailingBytes += rest;
        if (this.#trailingBytes > maxTrailingBytes) throw noTar("has far more than padding behind its end");
        return;
      }
      if (this.#content > 0) {
        const taken = Math.min(this.#content, rest);
        this.#content -= taken;
        yield* this.#takeContent(bytes.subarray(at, at + taken));
        at += taken;
      } else if (this.#padding > 0) {
        const taken = Math.min(this.#padding, rest);
        this.#padding -= taken;
        at += taken;
      } else {
        const taken = Math.min(tarBlockSize - this.#kept.length, rest);
        const part = bytes.subarray(at, at + taken);
        this.#kept = this.#kept.length === 0 ? part : Buffer.concat([this.#kept, part]);
        at += taken;
        if (this.#kept.length < tarBlockSize) {
          // The caller's bytes are the caller's.
          this.#kept = Buffer.from(this.#kept);
          return;
        }
        const block = Buffer.from(this.#kept.buffer, this.#kept.byteOffset, tarBlockSize);
        this.#kept = new Uint8Array();
        yield* this.#takeHeader(block);
      }
    }
  }

  /** Throws ARCHIVE_TRUNCATED unless the archive came to its end. */
  finish(): void {
    if (this.#zeroBlocks === 0 || this.#kept.length > 0) throw truncated();
  }

  *#takeHeader(block: Buffer): Generator<TarEvent> {
    const first = this.#isFirst;
    this.#isFirst = false;
    if (isZero(block)) {
      this.#zeroBlocks += 1;
      return;
    }
    const header = headerOf(block);
    if (header?.cksumValid !== true) throw noTar(first ? "is no tar" : "has a damaged header");
    if (this.#zeroBlocks > 0) throw noTar("has entries behind its end");
    const flag = String.fromCharCode(block[156] ?? 0);
    if (metaFlags.has(flag)) {
      this.#beginMeta(flag, header.size ?? 0);
      return;
    }
    const entry = entryOf(block, header, flag, this.#pending, this.#global);
    this.#pending = {};
    this.#content = entry.size;
    this.#padding = paddingAfter(entry.size);
    yield { kind: "entry", entry };
    if (entry.size === 0) yield { kind: "end" };
  }

  *#takeContent(bytes: Uint8Array): Generator<TarEvent> {
    const meta = this.#meta;
    if (meta === undefined) {
      yield { kind: "bytes", bytes };
      if (this.#content === 0) yield { kind: "end" };
      return;
    }
    // A copy: it outlives the bytes it came in.
    meta.parts.push(Buffer.from(bytes));
    if (this.#content === 0) this.#endMeta(meta.flag, Buffer.concat(meta.parts));
  }

  #beginMeta(flag: string, size: number): void {
    if (size > maxMetaBytes) throw noTar("has a name or attributes of more than a mebibyte");
    this.#content = size;
    this.#padding = paddingAfter(size);
    this.#meta = { flag, parts: [] };
    if (size === 0) this.#endMeta(flag, Buffer.alloc(0));
  }

  #endMeta(flag: string, body: Buffer): void {
    this.#meta = undefined;
    if (flag === "L") this.#pending.longPath = cString(body);
    else if (flag === "K") this.#pending.longLink = cString(body);
    else if (flag === "g") this.#global = new Map([...(this.#global ?? []), ...paxOf(body)]);
    else if (flag !== "V") this.#pending.pax = paxOf(body);
  }
}

/** Undefined where a number in it is none, or less than nothing. */
function headerOf(block: Buffer): Header | undefined {
  try {
    const header = new Header(block, 0);
    return (header.size ?? 0) < 0 ? undefined : header;
  } catch {
    return undefined;
  }
}

function entryOf(
  block: Buffer,
  header: Header,
  flag: string,
  { pax, longPath, longLink }: Pending,
  global: Records | undefined,
): ExternalEntry {
  const rawPath = pax?.get("path") ?? longPath;
  const fullPath = rawPath === undefined ? nameOf(block) : decodePath(rawPath);
  const isOldDirectory = (flag === "\0" || flag === "0") && fullPath.endsWith("/");
  const type = isOldDirectory ? "directory" : types.get(flag);
  const sparse = [...(pax?.keys() ?? [])].some((key) => key.startsWith("GNU.sparse."));
  if (type === undefined || sparse) {
    const why = sparse
      ? "is a sparse file"
      : (refusedKinds.get(flag) ?? `is of the unknown kind ${show(flag)}`);
    throw new ActionError("ARCHIVE_UNREADABLE", `The archive's entry ${show(fullPath)} ${why}.`, {
      hint: "Make it anew of plain files and directories (without tar's --sparse), or use another one.",
    });
  }
  const of = (key: string): Buffer | undefined => pax?.get(key) ?? global?.get(key);
  const mtime = of("mtime");
  const link = decodePath(pax?.get("linkpath") ?? longLink ?? cString(block.subarray(157, 257)));
  return {
    path: withoutDots(fullPath),
    type,
    // Some write what the file system says of a directory; nothing follows all the same.
    size: type === "directory" ? 0 : (numberOf(pax?.get("size")) ?? header.size ?? 0),
    mode: header.mode ?? (type === "directory" ? 0o755 : 0o644),
    uid: numberOf(of("uid")) ?? header.uid ?? 0,
    gid: numberOf(of("gid")) ?? header.gid ?? 0,
    mtimeSeconds:
      mtime === undefined ? (header.mtime?.getTime() ?? 0) / 1000 : Number(secondsIn(mtime)) / 1e9,
    ...(type === "symlink" ? { linkTarget: link } : {}),
    ...(type === "hardlink" ? { linkTarget: withoutDots(link) } : {}),
  };
}

/** The prefix field is one in POSIX's format only; GNU keeps other things there. */
function nameOf(block: Buffer): string {
  if (block.toString("latin1", 257, 263) === "ustar\0") return plainName(block, 0);
  return decodePath(cString(block.subarray(0, 100)));
}

/** `./a//b/` is `a/b` to every tar. A leading slash stays, for it is to be refused. */
function withoutDots(path: string): string {
  const plain = path
    .split("/")
    .filter((part) => part !== "" && part !== ".")
    .join("/");
  return path.startsWith("/") ? `/${plain}` : plain;
}

function paxOf(body: Buffer): Records {
  try {
    return parsePaxRecords(body);
  } catch (cause) {
    throw noTar("has a damaged header", cause);
  }
}

function numberOf(text: Buffer | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text.toString("latin1"));
  if (!/^\d+$/.test(text.toString("latin1")) || !Number.isSafeInteger(value)) {
    throw noTar("has a damaged header");
  }
  return value;
}

function secondsIn(text: Buffer): bigint {
  try {
    return parseTime(text.toString("latin1"));
  } catch (cause) {
    throw noTar("has a damaged header", cause);
  }
}

const zeroBlock = Buffer.alloc(tarBlockSize);

function isZero(block: Buffer): boolean {
  return block.equals(zeroBlock);
}

function noTar(why: string, cause?: unknown): ActionError {
  return new ActionError("ARCHIVE_DAMAGED", `What was decompressed ${why}.`, {
    hint: "It is damaged, or no archive at all. Look at what the URL gives, or use another one.",
    ...(cause === undefined ? {} : { cause }),
  });
}
