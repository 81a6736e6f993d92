/** Archives as others make them, and tars made entry by entry to do harm. */
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { linkSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Header } from "tar";
import {
  unpackExternal,
  type ExternalOptions,
  type UnpackedExternal,
} from "../../src/archive/external/external.ts";
import type { FrameSource } from "../../src/archive/transport.ts";
import { findModeDirectory } from "../../src/chainstate/mode-directory.ts";
import { openLocalSource, signal } from "./local-archive.ts";

/** What a chainstate looks like from far away, with the names and sizes that tar formats differ in. */
export function makeTree(directory: string): void {
  const deep = "chainstate/blocks/" + Array.from({ length: 9 }, (_, n) => `${n}`.repeat(30)).join("/");
  mkdirSync(join(directory, deep), { recursive: true });
  mkdirSync(join(directory, "chainstate/vm/clarity"), { recursive: true });
  mkdirSync(join(directory, "empty"));
  writeFileSync(join(directory, "chainstate/vm/index.sqlite"), randomBytes(70_000));
  writeFileSync(join(directory, "chainstate/vm/clarity/marf.sqlite.blobs"), randomBytes(3_300_001));
  writeFileSync(join(directory, "zeros"), Buffer.alloc(2_000_000));
  writeFileSync(join(directory, "nothing"), "", { mode: 0o600 });
  writeFileSync(join(directory, deep, "f".repeat(120)), "far below");
  writeFileSync(join(directory, "n".repeat(101)), "a name that no ustar header holds", { mode: 0o755 });
  symlinkSync("clarity/marf.sqlite.blobs", join(directory, "chainstate/vm/link"));
  symlinkSync(`${"../".repeat(11)}zeros`, join(directory, deep, "up"));
  linkSync(join(directory, "chainstate/vm/index.sqlite"), join(directory, "chainstate/vm/twin"));
  // Most formats hold whole seconds only.
  shell('find "$1" -exec touch -h -d @1600000000 {} +', directory);
}

/** Runs a shell line with `$1` and `$2`. */
export function shell(line: string, ...args: string[]): void {
  execFileSync("sh", ["-c", line, "sh", ...args], { stdio: ["ignore", "ignore", "pipe"] });
}

export interface RawEntry {
  readonly path: string;
  readonly type?: string;
  readonly linkpath?: string;
  readonly size?: number;
  readonly content?: Buffer;
  readonly mode?: number;
  /** What stands before its header. */
  readonly before?: Buffer;
}

/** One entry as it stands in a tar: header, content, padding. */
export function rawEntry({
  path,
  type = "File",
  linkpath,
  size,
  content = Buffer.alloc(0),
  mode,
  before = Buffer.alloc(0),
}: RawEntry): Buffer {
  const header = Buffer.alloc(512);
  new Header({
    path,
    type: type as never,
    mode: mode ?? (type === "Directory" ? 0o755 : 0o644),
    uid: 0,
    gid: 0,
    size: size ?? content.length,
    mtime: new Date(1_700_000_000_000),
    ...(linkpath === undefined ? {} : { linkpath }),
  }).encode(header);
  return Buffer.concat([before, header, content, Buffer.alloc((512 - (content.length % 512)) % 512)]);
}

export const tarEnd = Buffer.alloc(10_240);

export function rawTar(...entries: RawEntry[]): Buffer {
  return Buffer.concat([...entries.map(rawEntry), tarEnd]);
}

/** The least that is found to be a chainstate. */
export const indexEntry: RawEntry = { path: "chainstate/vm/index.sqlite", content: Buffer.from("index") };

export function sourceOf(bytes: Buffer): FrameSource {
  return {
    url: "memory:archive",
    size: bytes.length,
    read: async (offset, length) => bytes.subarray(offset, offset + length),
  };
}

/** Unpacks into `target`. */
export async function unpackInto(
  target: string,
  from: string | FrameSource | Buffer,
  options: Partial<ExternalOptions> = {},
): Promise<UnpackedExternal> {
  const local = typeof from === "string" ? await openLocalSource(from) : undefined;
  const source = Buffer.isBuffer(from) ? sourceOf(from) : (local ?? (from as FrameSource));
  try {
    return await unpackExternal({
      source,
      target,
      owner: "mine",
      locateRoot: findModeDirectory,
      spoolFile: `${target}.spool`,
      durable: false,
      signal,
      ...options,
    });
  } finally {
    await local?.close();
  }
}
