/**
 * How large the parts of an upload have to be so that a store's number of parts suffices, when the object's size is only
 * an estimate at the start. Three quarters of the parts are meant for the estimate, at one size; should the object turn
 * out larger, the size doubles eight times over the last quarter. While more parts are left than the rest of the
 * estimate needs, a part may be as small as the store allows, which is what lets short reused runs be copied.
 */
import { StoreError } from "../errors.ts";
import type { PartLimits } from "../port.ts";

const MiB = 1024 * 1024;
const usualPartBytes = 8 * MiB;
/** A written part is held in memory until the store has it. */
const largestWrittenPartBytes = 512 * MiB;
/** A copied part is held by nobody, but its request must be answered within the time limits. */
const usualCopiedPartBytes = 256 * MiB;
/** Parts of slack that a plan looks ahead at most; see `decide` in part-planner.ts. */
const reservedParts = 8;

export interface PartSizes {
  /** The least size of a part begun as number `number` at byte `position` of the object. */
  floor(number: number, position: number): number;
  /** The size at which a written part is sent; with a remainder below the floor it is a little larger. */
  writeTarget(number: number): number;
  copyTarget(number: number): number;
}

export function planPartSizes(limits: PartLimits, expectedSizeBytes: number): PartSizes {
  const { minPartSizeBytes: min, maxPartSizeBytes: max, maxParts } = limits;
  const most = Math.min(Math.floor(max / 2), Math.max(largestWrittenPartBytes, min));
  const planned = Math.max(1, Math.floor(maxParts * 0.75));
  const wanted = Math.ceil((expectedSizeBytes * 1.25) / planned);
  const base = Math.min(most, Math.max(min, usualPartBytes, wanted));
  const doublingEvery = Math.max(1, (maxParts - planned) / 8);
  const atNumber = (number: number): number =>
    number <= planned
      ? base
      : Math.min(most, base * 2 ** Math.min(30, Math.ceil((number - planned) / doublingEvery)));
  return {
    floor(number, position) {
      const rest = Math.max(0, expectedSizeBytes - position);
      const hasSlack = (planned - number - reservedParts) * base >= rest;
      return hasSlack ? min : atNumber(number);
    },
    writeTarget: atNumber,
    copyTarget: (number) => Math.min(Math.floor(max / 2), Math.max(usualCopiedPartBytes, atNumber(number))),
  };
}

/** The largest object that `planPartSizes` promises to fit; for a look before anything is sent. */
export function largestPlannedBytes(limits: PartLimits): number {
  const { minPartSizeBytes: min, maxPartSizeBytes: max, maxParts } = limits;
  const most = Math.min(Math.floor(max / 2), Math.max(largestWrittenPartBytes, min));
  return Math.floor((Math.floor(maxParts * 0.75) * most) / 1.25);
}

export function tooManyParts(maxParts: number, sizeBytes: number): StoreError {
  return new StoreError(
    "STORE_FULL",
    `An object of ${Math.ceil(sizeBytes / (1024 * MiB))} GiB does not fit into the ${maxParts} parts this store takes.`,
    { hint: "Leave more out of the snapshot (`exclude`), or use another store." },
  );
}
