/**
 * What the frames of a published archive were made from, so that the next run need not read what is as it was
 * (`trust-timestamps`). Kept per frame, not per file: one SHA-256 over everything the segment's bytes depend on, which is
 * its headers and, of each file in it, the path, inode, size, mtime, ctime and the range. So half a million files cost
 * nothing, and what the frame holds is not said twice: its digest is the one in the index of that archive, to which the
 * record is bound.
 */
import { createHash } from "node:crypto";
import { open, readFile, rename, rm } from "node:fs/promises";
import { hasCode } from "../../domain/errors.ts";
import { encodePath } from "../../system/path-bytes.ts";
import type { Segment } from "../format/segments.ts";
import type { PackEntry } from "./segment-packer.ts";
import type { TrustedSegments } from "./writer.ts";

/** The archive that a record is of. Another one, even with the same frames, is none of its business. */
export interface RecordedArchive {
  readonly id: string;
  /** SHA-256 of its compressed index file, hex. */
  readonly indexSha256: string;
  readonly frames: number;
}

export interface BaseFrames extends RecordedArchive {
  /** SHA-256 of what the frame holds, hex. */
  sha256Of(frame: number): string;
}

/**
 * How much older than the cut a file's times must be to be remembered. A change can hide only behind a time it shares with
 * what was read: kernels stamp in ticks of up to 10 ms, ext3 and small-inode ext4 in seconds, FAT in two.
 */
const marginMs = 5_000;
const digestBytes = 32;
/** Stands for a frame that the next run has to read. */
const unknown = Buffer.alloc(digestBytes);

export interface SegmentRecordOptions {
  /** No content was captured before this moment. */
  readonly cutAt: Date;
  /** What the last run recorded, with the archive it is of. */
  readonly last?: { readonly fingerprints: ReadonlyMap<string, number>; readonly base: BaseFrames };
}

export class SegmentRecord implements TrustedSegments {
  readonly #stableBeforeNs: bigint;
  readonly #last: SegmentRecordOptions["last"];
  #fingerprints = Buffer.alloc(1024 * digestBytes);
  #count = 0;
  #spared = { segments: 0, bytes: 0 };

  constructor({ cutAt, last }: SegmentRecordOptions) {
    this.#stableBeforeNs = BigInt(cutAt.getTime() - marginMs) * 1_000_000n;
    this.#last = last;
  }

  /** What did not have to be read: segments with content of files, and the bytes of it. */
  get spared(): { readonly segments: number; readonly bytes: number } {
    return this.#spared;
  }

  trusted(segment: Segment<PackEntry>): string | undefined {
    const fingerprint = this.#isStable(segment) ? fingerprintOf(segment) : undefined;
    this.#note(segment.number, fingerprint ?? unknown);
    const frame = fingerprint && this.#last?.fingerprints.get(fingerprint.toString("latin1"));
    if (frame === undefined) return undefined;
    const content = segment.items.reduce((sum, { size }) => sum + size, 0);
    if (content > 0) {
      this.#spared = { segments: this.#spared.segments + 1, bytes: this.#spared.bytes + content };
    }
    return this.#last?.base.sha256Of(frame);
  }

  /** Only after the archive is published: until then it is no base for anybody. Replaces the record of the last run. */
  async save(file: string, archive: RecordedArchive): Promise<void> {
    const body = Buffer.alloc(archive.frames * digestBytes);
    this.#fingerprints.copy(body, 0, 0, Math.min(this.#count, archive.frames) * digestBytes);
    const head = Buffer.from(headOf(archive));
    const fresh = `${file}.new`;
    await rm(fresh, { force: true });
    const handle = await open(fresh, "wx", 0o600);
    try {
      await handle.writeFile(Buffer.concat([head, body, digestOf(head, body)]));
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(fresh, file);
  }

  #isStable({ items }: Segment<PackEntry>): boolean {
    return items.every(({ size, entry: { payload } }) => {
      if (size === 0) return true;
      const { stat } = payload.entry;
      if (stat === undefined) return false;
      return stat.ctimeNs < this.#stableBeforeNs && stat.mtimeNs < this.#stableBeforeNs;
    });
  }

  #note(frame: number, fingerprint: Uint8Array): void {
    const end = (frame + 1) * digestBytes;
    if (end > this.#fingerprints.length) {
      const grown = Buffer.alloc(Math.max(end, 2 * this.#fingerprints.length));
      this.#fingerprints.copy(grown);
      this.#fingerprints = grown;
    }
    this.#fingerprints.set(fingerprint, frame * digestBytes);
    this.#count = Math.max(this.#count, frame + 1);
  }
}

/**
 * The record in `file`, where it is one of this very archive: fingerprints (as latin1) to frames. Undefined where there is
 * none, it is torn, or is of another archive: then everything is read, which is always right.
 */
export async function readSegmentRecord(
  file: string,
  archive: RecordedArchive,
): Promise<ReadonlyMap<string, number> | undefined> {
  let bytes: Buffer;
  try {
    bytes = await readFile(file);
  } catch (error) {
    if (hasCode(error, "ENOENT")) return undefined;
    throw error;
  }
  const head = Buffer.from(headOf(archive));
  const bodyEnd = head.length + archive.frames * digestBytes;
  if (bytes.length !== bodyEnd + digestBytes || !bytes.subarray(0, head.length).equals(head))
    return undefined;
  const body = bytes.subarray(head.length, bodyEnd);
  if (!digestOf(head, body).equals(bytes.subarray(bodyEnd))) return undefined;
  const fingerprints = new Map<string, number>();
  for (let frame = 0; frame < archive.frames; frame += 1) {
    const fingerprint = body.subarray(frame * digestBytes, (frame + 1) * digestBytes);
    if (!fingerprint.equals(unknown)) fingerprints.set(fingerprint.toString("latin1"), frame);
  }
  return fingerprints;
}

function headOf({ id, indexSha256, frames }: RecordedArchive): string {
  return `segments 1 ${id} ${indexSha256} ${frames}\n`;
}

function digestOf(...parts: readonly Uint8Array[]): Buffer {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest();
}

/** No device: volume snapshots are mounted with another one each night, and inode and ctime to the nanosecond say enough. */
function fingerprintOf({ size, items }: Segment<PackEntry>): Buffer {
  const hash = createHash("sha256").update(`${size}\n`);
  for (const item of items) {
    const { entry, header } = item.entry.payload;
    const { stat } = entry;
    const identity =
      item.size === 0 || stat === undefined
        ? "-"
        : `${stat.ino} ${stat.size} ${stat.mtimeNs} ${stat.ctimeNs}`;
    const path = encodePath(entry.path);
    const headerSize = item.headerAt === undefined ? 0 : header.length;
    hash.update(`${headerSize} ${path.length} ${identity} ${item.fileOffset} ${item.size} ${item.padding}\n`);
    hash.update(path);
    if (headerSize > 0) hash.update(header);
  }
  return hash.digest();
}
