/**
 * Builds a frame's bytes out of files that are already on this machine: the chainstate that is being replaced, or what an
 * interrupted run has written. Nothing about those files is trusted; only the digest of the whole frame decides.
 */
import { hash } from "node:crypto";
import { closeSync, constants, openSync, readSync } from "node:fs";
import { fsPath } from "../../system/path-bytes.ts";
import { tarEntryOf } from "./frame-check.ts";
import { encodeTarHeader } from "../format/tar-header.ts";
import type { FrameItem } from "./worker-protocol.ts";

export interface FrameToAssemble {
  readonly rootName: string;
  readonly size: number;
  readonly sha256: string;
  readonly items: readonly FrameItem[];
}

/** The frame, or undefined where `directory` does not have these bytes. */
export function assembleFrame(frame: FrameToAssemble, directory: string): Buffer | undefined {
  const bytes = Buffer.alloc(frame.size);
  for (const { entry, header, piece } of frame.items) {
    if (header !== undefined) {
      const encoded = encodeTarHeader(tarEntryOf(frame.rootName, entry));
      if (encoded.length !== header.size) return undefined;
      encoded.copy(bytes, header.offset);
    }
    if (piece !== undefined && !readPiece(`${directory}/${entry.path}`, piece, bytes)) return undefined;
  }
  return hash("sha256", bytes, "hex") === frame.sha256 ? bytes : undefined;
}

function readPiece(path: string, piece: NonNullable<FrameItem["piece"]>, bytes: Buffer): boolean {
  let descriptor: number;
  try {
    descriptor = openSync(fsPath(path), constants.O_RDONLY | constants.O_NONBLOCK);
  } catch {
    // Not there or not readable: then the frame is fetched.
    return false;
  }
  try {
    for (let done = 0; done < piece.size;) {
      const at = piece.offset + done;
      const read = readSync(descriptor, bytes, at, piece.size - done, piece.fileOffset + done);
      if (read === 0) return false;
      done += read;
    }
    return true;
  } catch {
    return false;
  } finally {
    closeSync(descriptor);
  }
}
