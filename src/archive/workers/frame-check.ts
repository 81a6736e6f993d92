/**
 * Checks a frame against the index: its digests, and that the tar headers in it say the same of every entry
 * as the index does, so that plain `tar` and our reader can never make different trees of one archive.
 */
import { hash } from "node:crypto";
import { ActionError } from "../../domain/errors.ts";
import { decodeTarHeader } from "../format/tar-header.ts";
import type { TarEntry } from "../format/tar-header.ts";
import { show } from "../format/tree-check.ts";
import type { EntryFacts } from "../view.ts";
import type { FrameItem } from "./worker-protocol.ts";

export interface FrameToCheck {
  readonly rootName: string;
  readonly frame: number;
  readonly items: readonly FrameItem[];
}

/** Of a frame's compressed bytes, or of its content. Throws FRAME_CORRUPT. */
export function requireDigest(frame: number, bytes: Uint8Array, sha256: string): void {
  if (hash("sha256", bytes, "hex") === sha256) return;
  throw new ActionError("FRAME_CORRUPT", `Frame ${frame} of the archive has not the SHA-256 of the index.`, {
    hint: "The archive is damaged on its store. Use another snapshot.",
  });
}

/** Throws ARCHIVE_INDEX_MISMATCH. */
export function checkFrame(facts: FrameToCheck, bytes: Buffer): void {
  let checkedTo = 0;
  for (const item of facts.items) {
    const start = item.header?.offset ?? item.piece?.offset ?? checkedTo;
    assertZero(facts.frame, bytes, checkedTo, start);
    checkedTo = start;
    if (item.header !== undefined) {
      checkedTo = start + item.header.size;
      checkHeader(facts.rootName, item.entry, bytes.subarray(start, checkedTo));
    }
    if (item.piece !== undefined) checkedTo = item.piece.offset + item.piece.size;
  }
  assertZero(facts.frame, bytes, checkedTo, bytes.length);
}

function checkHeader(rootName: string, entry: EntryFacts, header: Buffer): void {
  let found: TarEntry;
  try {
    found = decodeTarHeader(header);
  } catch (cause) {
    throw mismatch(`the header of ${show(entry.path)} cannot be read`, cause);
  }
  const wanted = tarEntryOf(rootName, entry);
  const differs = (["path", "type", "size", "mode", "uid", "gid", "mtimeNs", "linkTarget"] as const).find(
    (key) => found[key] !== wanted[key],
  );
  if (differs !== undefined) throw mismatch(`its tar says another ${differs} of ${show(entry.path)}`);
}

/** The entry as its tar header names it: with the root directory in front. */
export function tarEntryOf(rootName: string, entry: EntryFacts): TarEntry {
  const path = entry.path === "" ? rootName : `${rootName}/${entry.path}`;
  if (entry.type !== "hardlink") return { ...entry, path };
  return { ...entry, path, linkTarget: `${rootName}/${entry.linkTarget ?? ""}` };
}

const zeros = Buffer.alloc(512);

function assertZero(frame: number, bytes: Buffer, from: number, to: number): void {
  for (let at = from; at < to; at += zeros.length) {
    const length = Math.min(zeros.length, to - at);
    if (bytes.compare(zeros, 0, length, at, at + length) !== 0) {
      throw mismatch(`frame ${frame} has bytes that belong to no entry`);
    }
  }
}

function mismatch(why: string, cause?: unknown): ActionError {
  return new ActionError("ARCHIVE_INDEX_MISMATCH", `Archive and index do not agree: ${why}.`, {
    hint: "They are not of one snapshot, or were tampered with. Use another snapshot.",
    cause,
  });
}
