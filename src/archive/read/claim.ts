/**
 * Says of a directory that it may hold a whole archive already, where nobody knows whether it does: a copy that came by
 * a way that is not believed. The unpacking that follows hashes every frame in its place and fetches what differs.
 */
import { openIndex } from "../format/index-reader.ts";
import { openUnpackJournal } from "./unpack-journal.ts";

export interface ClaimOptions {
  readonly indexFile: string;
  /** What the manifest says of that file. */
  readonly expect: { readonly size: number; readonly sha256: string };
  /** Does not exist yet; the unpacking is given the same. */
  readonly journalFile: string;
  readonly signal: AbortSignal;
}

/** INDEX_INVALID. */
export async function claimAllFrames({
  indexFile,
  expect,
  journalFile,
  signal,
}: ClaimOptions): Promise<void> {
  const index = await openIndex(indexFile, { expect, signal });
  const journal = openUnpackJournal(journalFile, index);
  try {
    journal.begin();
    for (let frame = 0; frame < index.frames.count; frame += 1) journal.add(frame);
  } finally {
    journal.close();
  }
}
