/**
 * Digests of a file's pages, some of which are read from another file (a database and its WAL), and the bytes of those
 * that are not what they were the last time. 16 bytes of SHA-256 each: what a chain holds is chosen by strangers.
 */
import { hash } from "node:crypto";
import { closeSync, constants, openSync, readSync } from "node:fs";
import { ActionError } from "../../domain/errors.ts";
import { fsPath } from "../../system/path-bytes.ts";
import { show } from "../format/tree-check.ts";
import type { PageDigests, PagesRequest } from "./worker-protocol.ts";

export const pageDigestBytes = 16;

/** Throws FILE_CHANGED where a file is shorter than it was, FILE_UNREADABLE. */
export function digestPages(request: PagesRequest): PageDigests {
  const { pageSize, firstPage, count, ignoredPage, last, same } = request;
  const pages = readPages(request);
  const digests = Buffer.from(new ArrayBuffer(count * pageDigestBytes));
  const changed: number[] = [];
  for (let at = 0; at < count; at += 1) {
    const own = at * pageDigestBytes;
    const page = firstPage + at;
    if (page === ignoredPage) continue;
    if (same?.[at] === 1 && last !== undefined) {
      digests.set(last.subarray(own, own + pageDigestBytes), own);
      continue;
    }
    hash("sha256", pages.subarray(at * pageSize, (at + 1) * pageSize), "buffer").copy(
      digests,
      own,
      0,
      pageDigestBytes,
    );
    if (last !== undefined && !isSame(digests, last, own)) changed.push(page);
  }
  const bytes = Buffer.from(new ArrayBuffer(changed.length * pageSize));
  for (const [at, page] of changed.entries()) {
    const from = (page - firstPage) * pageSize;
    pages.copy(bytes, at * pageSize, from, from + pageSize);
  }
  return { digests, changed, bytes };
}

function isSame(digests: Buffer, last: Uint8Array, at: number): boolean {
  const end = at + pageDigestBytes;
  return end <= last.length && digests.compare(last, at, end, at, end) === 0;
}

function readPages(request: PagesRequest): Buffer {
  const { source, otherSource, pageSize, firstPage, count, elsewhere, same } = request;
  const pages = Buffer.alloc(count * pageSize);
  const others = new Map<number, number>();
  for (let at = 0; at < elsewhere.length; at += 2) others.set(elsewhere[at] ?? 0, elsewhere[at + 1] ?? 0);
  // Pages at the end that are in the other file alone may lie beyond the end of this one.
  let here = count;
  while (here > 0 && others.has(firstPage + here - 1)) here -= 1;
  const runs = runsToRead(here, same);
  const begin = (firstPage - 1) * pageSize;
  if (runs.length > 0) {
    withFile(source, (descriptor) => {
      for (const [from, to] of runs)
        fill(descriptor, source, pages.subarray(from * pageSize, to * pageSize), begin + from * pageSize);
    });
  }
  if (others.size > 0) {
    withFile(otherSource, (descriptor) => {
      for (const [page, offset] of others) {
        const at = (page - firstPage) * pageSize;
        fill(descriptor, otherSource, pages.subarray(at, at + pageSize), offset);
      }
    });
  }
  return pages;
}

/** Pages side by side that are not known to be the same, from the first to before the last. */
function runsToRead(count: number, same: Uint8Array | undefined): readonly (readonly [number, number])[] {
  if (same === undefined) return count > 0 ? [[0, count]] : [];
  const runs: [number, number][] = [];
  for (let at = 0; at < count; at += 1) {
    if (same[at] === 1) continue;
    const last = runs.at(-1);
    if (last?.[1] === at) last[1] = at + 1;
    else runs.push([at, at + 1]);
  }
  return runs;
}

function withFile(path: string, work: (descriptor: number) => void): void {
  let descriptor: number | undefined;
  try {
    descriptor = openSync(fsPath(path), constants.O_RDONLY | constants.O_NOFOLLOW);
    work(descriptor);
  } catch (cause) {
    if (cause instanceof ActionError) throw cause;
    throw new ActionError("FILE_UNREADABLE", `${show(path)} cannot be read.`, { cause });
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

function fill(descriptor: number, path: string, into: Buffer, offset: number): void {
  for (let done = 0; done < into.length;) {
    const read = readSync(descriptor, into, done, into.length - done, offset + done);
    if (read === 0) {
      throw new ActionError("FILE_CHANGED", `${show(path)} is shorter than when it was listed.`, {
        hint: "The directory must stand still. Find what writes there (`fuser -v`), stop it and run again.",
      });
    }
    done += read;
  }
}
