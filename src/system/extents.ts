/**
 * Where the bytes of a file stand on its file system, and so which bytes two files share. `filefrag` of e2fsprogs, which Debian and
 * Ubuntu always have, asks the kernel (FIEMAP), with what was written and has no place yet sent to the disk first. Bytes at
 * the same place in both files that stand on the same blocks are the same bytes. Whatever cannot tell counts as not shared.
 */
import type { FileHandle } from "node:fs/promises";
import { throwIfAborted } from "../domain/errors.ts";
import { CommandError, run, type ExecResult } from "./exec.ts";
import type { Mount } from "./mounts.ts";

/** What it counts in: no file system that shares blocks has smaller ones. */
const unitBytes = 512;
/** Of one file; each takes 24 bytes. With more of them the file is read. */
const mostExtents = 2_000_000;
const listTimeoutMs = 10 * 60_000;
/** An extent with another flag (delalloc, unwritten, inline, encoded, unknown …) does not tell where its bytes are. */
const understood = new Set(["", "last", "eof", "shared", "merged"]);

/** Why not, in words, where equal places on this file system need not be equal bytes; undefined where they are. */
export function whyPlacesSayNothing({
  fsType,
  options,
}: Pick<Mount, "fsType" | "options">): string | undefined {
  if (fsType !== "xfs" && fsType !== "btrfs") return `files on ${fsType} do not say what they share`;
  // Its files are on one of two devices, and the same number is a place on either.
  if (options.some((option) => option.startsWith("rtdev="))) return "this XFS has a realtime device";
  return undefined;
}

/** Ranges of bytes, ascending, apart from each other. */
export class ByteRanges {
  #starts = new Float64Array(1024);
  #ends = new Float64Array(1024);
  #count = 0;
  bytes = 0;
  /** In how many pieces the other file is. */
  pieces = 0;

  get count(): number {
    return this.#count;
  }

  at(index: number): { readonly start: number; readonly end: number } {
    return { start: this.#starts[index] ?? 0, end: this.#ends[index] ?? 0 };
  }

  /** Behind those that are there. */
  add(start: number, end: number): void {
    this.bytes += end - start;
    if (this.#count > 0 && this.#ends[this.#count - 1] === start) {
      this.#ends[this.#count - 1] = end;
      return;
    }
    if (this.#count === this.#starts.length) {
      this.#starts = grown(this.#starts);
      this.#ends = grown(this.#ends);
    }
    this.#starts[this.#count] = start;
    this.#ends[this.#count] = end;
    this.#count += 1;
  }
}

/**
 * The bytes that both files have at the same place of the file and of the disk; in words why that cannot be told. Nobody may write to
 * either, and both have to be on one file system of which `whyPlacesSayNothing` says nothing.
 */
export async function sharedBytes(
  one: FileHandle,
  other: FileHandle,
  signal: AbortSignal,
): Promise<ByteRanges | string> {
  const known = new Extents();
  const first = await listExtents(one, (extent) => known.add(extent), signal);
  if (first !== undefined) return first;
  const shared = new ByteRanges();
  const meeting = new Meeting(known, shared);
  const meet = (extent: Extent): void => {
    shared.pieces += 1;
    meeting.meet(extent);
  };
  const second = await listExtents(other, meet, signal);
  if (second !== undefined) return second;
  // What runs in the background (a balance of btrfs) moves blocks, and others take their places.
  let at = 0;
  let isSame = true;
  const third = await listExtents(one, (extent) => (isSame = known.is(at++, extent) && isSame), signal);
  if (third !== undefined) return third;
  return isSame && at === known.count ? shared : "its blocks were moved meanwhile";
}

/** In units. */
interface Extent {
  readonly start: number;
  readonly place: number;
  readonly length: number;
}

class Extents {
  #numbers = new Float64Array(3 * 1024);
  count = 0;

  add({ start, place, length }: Extent): void {
    if (3 * this.count === this.#numbers.length) this.#numbers = grown(this.#numbers);
    const at = 3 * this.count;
    this.#numbers[at] = start;
    this.#numbers[at + 1] = place;
    this.#numbers[at + 2] = length;
    this.count += 1;
  }

  at(index: number): Extent {
    const [numbers, at] = [this.#numbers, 3 * index];
    return { start: numbers[at] ?? 0, place: numbers[at + 1] ?? 0, length: numbers[at + 2] ?? 0 };
  }

  is(index: number, { start, place, length }: Extent): boolean {
    const own = this.at(index);
    return index < this.count && own.start === start && own.place === place && own.length === length;
  }
}

/** Two lists, each ascending, side by side. */
class Meeting {
  readonly #known: Extents;
  readonly #shared: ByteRanges;
  #at = 0;

  constructor(known: Extents, shared: ByteRanges) {
    this.#known = known;
    this.#shared = shared;
  }

  meet({ start, place, length }: Extent): void {
    const end = start + length;
    while (this.#at < this.#known.count) {
      const own = this.#known.at(this.#at);
      const ownEnd = own.start + own.length;
      const [from, to] = [Math.max(start, own.start), Math.min(end, ownEnd)];
      if (from < to && own.place - own.start === place - start)
        this.#shared.add(from * unitBytes, to * unitBytes);
      if (ownEnd > end) return;
      this.#at += 1;
    }
  }
}

/** Those that tell where their bytes are, in order. Returns why it could not, in words. */
async function listExtents(
  file: FileHandle,
  onExtent: (extent: Extent) => void,
  signal: AbortSignal,
): Promise<string | undefined> {
  let end = 0;
  let count = 0;
  let isInOrder = true;
  let held: Extent | undefined;
  const release = (): void => {
    if (held !== undefined && isInOrder && count <= mostExtents) onExtent(held);
    held = undefined;
  };
  const onLine = (line: string): void => {
    const extent = parseExtent(line);
    if (extent === undefined) return;
    isInOrder &&= extent.start >= end;
    end = extent.start + extent.length;
    // One that is shared in part is listed in parts.
    const goesOn =
      held !== undefined &&
      held.start + held.length === extent.start &&
      held.place + held.length === extent.place;
    if (extent.isPlain && goesOn && held !== undefined) {
      held = { ...held, length: held.length + extent.length };
      return;
    }
    release();
    count += 1;
    if (extent.isPlain) held = extent;
  };
  try {
    const { exitCode, timedOut, stderr } = await filefrag(file, onLine, signal);
    if (exitCode !== 0 || timedOut) return `\`filefrag\` failed: ${stderr.trim().slice(-200)}`;
    release();
  } catch (error) {
    throwIfAborted(signal);
    if (!(error instanceof CommandError)) throw error;
    return "there is no `filefrag` (e2fsprogs) here";
  }
  if (count > mostExtents) return `it has more than ${mostExtents} extents`;
  return isInOrder ? undefined : "`filefrag` lists its extents in no order";
}

/** Through this process's descriptor, so that it is the very file that was looked at, and its name says nothing that is parsed. */
async function filefrag(
  { fd }: FileHandle,
  onLine: (line: string) => void,
  signal: AbortSignal,
): Promise<ExecResult> {
  const args = ["-s", "-v", `-b${unitBytes}`, `/proc/${process.pid}/fd/${fd}`];
  const options = { signal, timeoutMs: listTimeoutMs, onLine };
  try {
    return await run(["filefrag", ...args], options);
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    // Of those whose PATH is not root's.
    return await run(["/usr/sbin/filefrag", ...args], options);
  }
}

/** "   1:        8..      15:      26624..     26631:      8:     583744: last,shared,eof" */
const line = /^ *\d+: *(\d+)\.\. *(\d+): *(\d+)\.\. *(\d+): *(\d+):(?: *\d+:)? *([^:]*)$/;

function parseExtent(text: string): (Extent & { readonly isPlain: boolean }) | undefined {
  const [, start, last, place, lastPlace, length, flags = ""] = line.exec(text) ?? [];
  if (start === undefined) return undefined;
  const extent = { start: Number(start), place: Number(place), length: Number(length) };
  const fits =
    extent.start + extent.length - 1 === Number(last) &&
    extent.place + extent.length - 1 === Number(lastPlace) &&
    Number.isSafeInteger(extent.place * unitBytes);
  const isPlain = fits && flags.split(",").every((flag) => understood.has(flag.trim()));
  return { ...extent, isPlain };
}

function grown(numbers: Float64Array<ArrayBuffer>): Float64Array<ArrayBuffer> {
  const larger = new Float64Array(2 * numbers.length);
  larger.set(numbers);
  return larger;
}
