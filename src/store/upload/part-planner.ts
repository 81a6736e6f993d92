/**
 * Cuts an archive, whose frames arrive one by one, into the parts of an upload: frames the base archive has are copied by
 * the store, the others are sent. A store's least part size forces some reusable frames to be sent after all: a changed
 * island that is too small takes neighbours along, and a reusable run that is too short goes with its neighbours. Which
 * ones is found by dynamic programming over the frames still undecided, so that as few bytes as possible are sent; a
 * frame is decided as soon as every way on that may still turn out best agrees about it.
 *
 * No input and no output here: the sink asks what to do with a frame, does it, and says what came of it.
 */
import { planPartSizes, tooManyParts, type PartSizes } from "./part-sizes.ts";
import type { PartLimits, PartPlace } from "../port.ts";

export type PlannedFrame =
  | { readonly kind: "bytes"; readonly size: number }
  /** `size` is its size in the base archive; sent, it may have another. */
  | { readonly kind: "reusable"; readonly size: number; readonly baseOffset: number };

export type Choice = "write" | "copy";

export type Part =
  | { readonly kind: "write"; readonly place: PartPlace; readonly size: number }
  | { readonly kind: "copy"; readonly place: PartPlace; readonly size: number; readonly baseOffset: number };

/** The part that is being gathered, and what is left of a larger one that has been cut off already. */
export interface OpenPart {
  readonly mode: Choice;
  readonly length: number;
  /** What it has to reach before the other mode, or another place of the base, may follow. */
  readonly floor: number;
  /** Copies: where the next frame must stand in the base to join this part. */
  readonly baseEnd?: number;
}

interface Way {
  readonly mode: Choice | undefined;
  /** Bytes still missing to the floor. */
  readonly missing: number;
  readonly baseEnd: number | undefined;
  /** Reusable bytes that are sent. */
  readonly cost: number;
  readonly switches: number;
  /** "w" or "c" for each frame. */
  readonly choices: string;
}

export interface DecideOptions {
  /** Least size of a part that is begun from here on. */
  readonly floor: number;
  /** No frame follows: the last part may be as small as it is. */
  readonly ended: boolean;
  /** Decide at least the first frame, though a later one could still make another choice better. */
  readonly force: boolean;
}

/** What is certain about the first of the `pending` frames: a choice for each, or for fewer, or none. */
export function decide(
  open: OpenPart | undefined,
  pending: readonly PlannedFrame[],
  options: DecideOptions,
): readonly Choice[] {
  let ways: readonly Way[] = [
    {
      mode: open?.mode,
      missing: open === undefined ? 0 : Math.max(0, open.floor - open.length),
      baseEnd: open?.baseEnd,
      cost: 0,
      switches: 0,
      choices: "",
    },
  ];
  for (const frame of pending) {
    const next = ways.flatMap((way) => {
      const on = [step(way, frame, "write", options.floor)];
      if (frame.kind === "reusable") on.push(step(way, frame, "copy", options.floor));
      return on.filter((found) => found !== undefined);
    });
    ways = [...undominated(next, "write"), ...undominated(next, "copy")];
  }
  return Array.from(agreed(ways, options), (choice) => (choice === "w" ? "write" : "copy"));
}

/** Undefined where the part before would stay below its floor. */
function step(way: Way, frame: PlannedFrame, mode: Choice, floor: number): Way | undefined {
  const baseOffset = mode === "copy" && frame.kind === "reusable" ? frame.baseOffset : undefined;
  const joins = way.mode === mode && way.baseEnd === baseOffset;
  if (!joins && way.missing > 0) return undefined;
  return {
    mode,
    missing: Math.max(0, (joins ? way.missing : floor) - frame.size),
    baseEnd: baseOffset === undefined ? undefined : baseOffset + frame.size,
    cost: way.cost + (mode === "write" && frame.kind === "reusable" ? frame.size : 0),
    switches: way.switches + (joins ? 0 : 1),
    choices: way.choices + (mode === "write" ? "w" : "c"),
  };
}

/** Of the ways that end in one mode, those that no other one beats in both the bytes sent and the bytes missing. */
function undominated(ways: readonly Way[], mode: Choice): Way[] {
  const kept: Way[] = [];
  const sorted = ways.filter((way) => way.mode === mode).toSorted(compareWays);
  for (const way of sorted) {
    if (way.missing < (kept.at(-1)?.missing ?? Infinity)) kept.push(way);
  }
  return kept;
}

function compareWays(a: Way, b: Way): number {
  return a.cost - b.cost || a.missing - b.missing || a.switches - b.switches;
}

function agreed(ways: readonly Way[], options: DecideOptions): string {
  if (options.ended) return ways.toSorted(compareWays)[0]?.choices ?? "";
  const [first = "", ...others] = ways.map((way) => way.choices);
  let length = first.length;
  for (const other of others) {
    let same = 0;
    while (same < length && other[same] === first[same]) same += 1;
    length = same;
  }
  if (length > 0 || !options.force) return first.slice(0, length);
  // Only a way that stays possible whatever follows may be forced.
  const safe = ways.filter((way) => way.mode === "write" || way.missing === 0);
  return safe.toSorted(compareWays)[0]?.choices.slice(0, 1) ?? "";
}

export interface PartPlannerOptions {
  readonly limits: PartLimits;
  /** Better too large than too small. */
  readonly expectedSizeBytes: number;
  readonly canCopy: boolean;
}

/** So many undecided frames, or bytes of them that have to be held, and a decision is forced. */
const heldFrames = 1_000;
const heldBytesBeyondFloors = 16 * 1024 * 1024;

/** `T` goes with each frame. */
export class PartPlanner<T = undefined> {
  readonly #sizes: PartSizes;
  readonly #maxParts: number;
  readonly #canCopy: boolean;
  readonly #pending: { readonly frame: PlannedFrame; readonly item: T }[] = [];
  #choices: Choice[] = [];
  #choicesFloor = 0;
  #isStale = true;
  #pendingBytes = 0;
  #hasEnded = false;
  #open: OpenPart | undefined;
  /** Where the open part begins, in the object and (copies) in the base. */
  #openOffset = 0;
  #openBase = 0;
  #position = 0;
  #number = 1;

  constructor({ limits, canCopy, expectedSizeBytes }: PartPlannerOptions) {
    this.#sizes = planPartSizes(limits, expectedSizeBytes);
    this.#maxParts = limits.maxParts;
    this.#canCopy = canCopy;
  }

  /** Bytes placed so far: where the next frame will stand. */
  get position(): number {
    return this.#position;
  }

  /** The next frame of the archive. */
  offer(frame: PlannedFrame, item: T): void {
    const planned: PlannedFrame =
      frame.kind === "reusable" && !this.#canCopy ? { kind: "bytes", size: frame.size } : frame;
    this.#pending.push({ frame: planned, item });
    if (planned.kind === "bytes") this.#pendingBytes += planned.size;
    this.#isStale = true;
  }

  /** One more frame of bytes follows, of any size, and then nothing. */
  end(): void {
    this.#hasEnded = true;
    this.#isStale = true;
  }

  /** What to do with the oldest frame that is not placed; undefined: offer more first. */
  next(): { readonly choice: Choice; readonly item: T } | undefined {
    const [first] = this.#pending;
    if (first === undefined) return undefined;
    if (this.#choices.length === 0 && this.#isStale) this.#decide();
    const [choice] = this.#choices;
    return choice === undefined ? undefined : { choice, item: first.item };
  }

  /** That was done, and gave `size` bytes. Returns the parts that are complete by it, in order. */
  place(choice: Choice, size: number): readonly Part[] {
    const frame = this.#pending.shift()?.frame;
    if (frame === undefined) throw new RangeError("no frame is left to place");
    this.#choices.shift();
    if (frame.kind === "bytes") this.#pendingBytes -= frame.size;
    // What was planned for later counted on the size it had in the base.
    if (frame.size !== size) this.#choices = [];
    this.#isStale = true;
    const baseOffset = choice === "copy" && frame.kind === "reusable" ? frame.baseOffset : undefined;
    const open = this.#open;
    const joins = open !== undefined && open.mode === choice && open.baseEnd === baseOffset;
    const parts = joins ? [] : this.#closeOpen();
    if (!joins) this.#openBase = baseOffset ?? 0;
    this.#position += size;
    this.#open = {
      mode: choice,
      length: (joins ? open.length : 0) + size,
      floor: joins ? open.floor : this.#choicesFloor,
      ...(baseOffset === undefined ? {} : { baseEnd: baseOffset + size }),
    };
    // What remains must be a part of its own, should the segment end here.
    return [...parts, ...this.#cut(this.#open.floor)];
  }

  /** After the last frame: what is left. */
  close(): readonly Part[] {
    // The last part may be small, so none has to be larger than the others: some stores want them of one size.
    const parts = this.#open?.mode === "write" ? this.#cut(1) : [];
    return [...parts, ...this.#closeOpen()];
  }

  #decide(): void {
    this.#isStale = false;
    const floor = this.#sizes.floor(this.#number, this.#position);
    this.#choicesFloor = floor;
    const pending = this.#pending;
    const force = pending.length > heldFrames || this.#pendingBytes > 2 * floor + heldBytesBeyondFloors;
    const frames = pending.map(({ frame }) => frame);
    const window: readonly PlannedFrame[] = this.#hasEnded ? [...frames, { kind: "bytes", size: 1 }] : frames;
    this.#choices = decide(this.#open, window, { floor, ended: this.#hasEnded, force }).slice(
      0,
      pending.length,
    );
  }

  /** Parts of the open one, as long as at least `rest` bytes stay. */
  #cut(rest: number): Part[] {
    const parts: Part[] = [];
    for (let open = this.#open; open !== undefined;) {
      const size =
        open.mode === "write" ? this.#sizes.writeTarget(this.#number) : this.#sizes.copyTarget(this.#number);
      if (open.length < size + rest) break;
      parts.push(this.#emit(open.mode, size));
      open = { ...open, length: open.length - size };
      this.#open = open;
    }
    return parts;
  }

  #closeOpen(): Part[] {
    const open = this.#open;
    this.#open = undefined;
    // An empty object still needs one part.
    if (open === undefined || (open.length === 0 && this.#number > 1)) return [];
    return [this.#emit(open.mode, open.length)];
  }

  #emit(mode: Choice, size: number): Part {
    if (this.#number > this.#maxParts) throw tooManyParts(this.#maxParts, this.#position);
    const place = { number: this.#number, offset: this.#openOffset };
    const part: Part =
      mode === "write"
        ? { kind: mode, place, size }
        : { kind: mode, place, size, baseOffset: this.#openBase };
    this.#number += 1;
    this.#openOffset += size;
    this.#openBase += size;
    return part;
  }
}
