/**
 * Reads a segment's bytes from its files into one buffer that lives as long as the worker, and hashes it. A file that is
 * gone, shorter than the cut says, or (where the view says it must not change) different is an error that names it.
 */
import { createHash } from "node:crypto";
import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { ActionError, hasCode } from "../../domain/errors.ts";
import { fsPath } from "../../system/path-bytes.ts";
import { show } from "../format/tree-check.ts";
import type { SourceStat } from "../view.ts";
import type { PackItem, WorkerRequest } from "./worker-protocol.ts";

/** What is read is hashed in slices of this size, while the core still has them in its cache. */
const sliceBytes = 256 * 1024;

export class SegmentLoader {
  #buffer: Buffer<ArrayBuffer> = Buffer.allocUnsafeSlow(1);
  #size = 0;

  /** The segment loaded last. Valid until the next `load`. */
  get bytes(): Buffer {
    return this.#buffer.subarray(0, this.#size);
  }

  /** Returns the SHA-256 of the segment, hex. */
  load(segment: Extract<WorkerRequest, { kind: "load" }>): string {
    this.#makeRoom(segment.size);
    const hash = createHash("sha256");
    let at = 0;
    let hashedTo = 0;
    let headersAt = 0;
    const hashTo = (end: number): void => {
      hash.update(this.#buffer.subarray(hashedTo, end));
      hashedTo = end;
    };
    for (const item of segment.items) {
      this.#buffer.set(segment.headers.subarray(headersAt, headersAt + item.headerSize), at);
      headersAt += item.headerSize;
      at += item.headerSize;
      if (item.size > 0) {
        readContent(item, this.#buffer, at, (end) => {
          if (end - hashedTo >= sliceBytes) hashTo(end);
        });
      }
      at += item.size;
      this.#buffer.fill(0, at, at + item.padding);
      at += item.padding;
    }
    if (at !== segment.size) throw new RangeError(`A segment of ${segment.size} bytes came out with ${at}.`);
    hashTo(at);
    return hash.digest("hex");
  }

  /** Keeps the buffer as long as it fits: new pages cost time, but a full segment held for half a million small files costs memory. */
  #makeRoom(size: number): void {
    this.#size = size;
    const { length } = this.#buffer;
    if (size <= length && length <= 4 * size) return;
    this.#buffer.buffer.transfer(0);
    this.#buffer = Buffer.allocUnsafeSlow(size);
  }
}

/** `onRead` is told how far the buffer is filled. */
function readContent(item: PackItem, buffer: Buffer, at: number, onRead: (end: number) => void): void {
  const descriptor = openSource(item.source);
  try {
    let done = 0;
    while (done < item.size) {
      const wanted = Math.min(sliceBytes, item.size - done);
      const read = readSync(descriptor, buffer, at + done, wanted, item.fileOffset + done);
      if (read === 0) throw changed(item.source, "is shorter than when it was listed");
      done += read;
      onRead(at + done);
    }
    // One look after the read is enough: the facts compared with are those of the cut, before it.
    if (item.expect !== undefined) assertUnchanged(descriptor, item.source, item.expect);
  } catch (cause) {
    if (cause instanceof ActionError) throw cause;
    throw new ActionError("FILE_UNREADABLE", `${show(item.source)} cannot be read.`, { cause });
  } finally {
    closeSync(descriptor);
  }
}

function openSource(path: string): number {
  try {
    // Should a FIFO stand there now, opening it must not wait for a writer; and a link there now leads to what was not listed.
    return openSync(fsPath(path), constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
  } catch (cause) {
    if (hasCode(cause, "ENOENT")) {
      throw new ActionError("FILE_VANISHED", `${show(path)} vanished before it was archived.`, {
        hint: "Something else removes files here. Stop it, or leave the file out with the input `exclude`.",
        cause,
      });
    }
    throw new ActionError("FILE_UNREADABLE", `${show(path)} cannot be opened.`, {
      hint: "Run the action as a user who may read the whole chainstate, or set the input `sudo`.",
      cause,
    });
  }
}

function assertUnchanged(descriptor: number, path: string, expect: SourceStat): void {
  const now = fstatSync(descriptor, { bigint: true });
  const same =
    now.ino === expect.ino &&
    now.size === BigInt(expect.size) &&
    now.mtimeNs === expect.mtimeNs &&
    now.ctimeNs === expect.ctimeNs;
  if (!same) throw changed(path, "changed while it was archived");
}

function changed(path: string, how: string): ActionError {
  return new ActionError("FILE_CHANGED", `${show(path)} ${how}.`, {
    hint: "The directory must stand still. Find what writes there (`fuser -v`), stop it and run again.",
  });
}
