/**
 * Watches a held chainstate: the keeper lives, every transaction and every lock is still there, the files are where
 * they were, and the WALs, which cannot shrink while a reader stands on them, do not fill the disk. Whatever is found
 * voids the view for good and ends the keeper at once, so that the node's checkpoints work again.
 */
import { statSync } from "node:fs";
import { dirname } from "node:path";
import { ActionError, describeError } from "../errors.ts";
import { fsPath } from "../system/path-bytes.ts";
import { formatBytes, spaceAt } from "../system/space.ts";
import { assertInPlace, locksInvisible } from "./hold.ts";
import type { Hold } from "./hold.ts";
import type { Keeper } from "./keeper.ts";
import { readMarks } from "./lock-table.ts";

export interface HoldLimits {
  /** Warn when the WALs have grown by this much, and at each doubling after. */
  readonly warnGrowthBytes: number;
  /** Give up when they have grown by this much. */
  readonly maxGrowthBytes: number;
  /** Give up when a file system with a database on it has less than this left. */
  readonly minFreeBytes: number;
  /** Give up after this long. */
  readonly maxHoldMs: number;
  readonly intervalMs: number;
}

const gibibyte = 1024 ** 3;

export const defaultLimits: HoldLimits = {
  warnGrowthBytes: 4 * gibibyte,
  maxGrowthBytes: 256 * gibibyte,
  minFreeBytes: 2 * gibibyte,
  maxHoldMs: 48 * 3_600_000,
  intervalMs: 1000,
};

export interface Watch {
  readonly broken: Promise<never>;
  /** Looks now; throws when the view is void, now or ever before. */
  assertHeld(): Promise<void>;
  stop(): void;
}

export function watchHold(
  hold: Hold,
  keeper: Keeper,
  limits: HoldLimits,
  onWarning: (message: string) => void,
): Watch {
  const startedAt = Date.now();
  const sizesAtCut = walSizes(hold);
  let warnAt = limits.warnGrowthBytes;
  let reason: ActionError | undefined;
  let stopped = false;
  let timer: NodeJS.Timeout | undefined;
  const broken = Promise.withResolvers<never>();
  // Whoever reads the view races against it; when nobody does, its rejection is not an accident.
  broken.promise.catch(() => undefined);

  const breakWith = (error: unknown): ActionError => {
    reason ??=
      error instanceof ActionError && error.code === "FREEZE_BROKEN"
        ? error
        : new ActionError("FREEZE_BROKEN", `The chainstate no longer holds still: ${describeError(error)}`, {
            cause: error,
          });
    broken.reject(reason);
    stop();
    void endKeeperBestEffort(keeper);
    return reason;
  };

  const look = async (): Promise<void> => {
    const lost = await keeper.lost();
    if (lost.length > 0)
      throw new ActionError("FREEZE_BROKEN", `The transaction on ${lost.join(", ")} has ended.`);
    const positions = [...hold.positions.values()];
    const marks = await readMarks(
      keeper.pid,
      positions.map((each) => each.shmInode),
    );
    for (const position of positions) {
      if (!marks.has(position.shmInode)) throw locksInvisible(position.path);
      assertInPlace(position);
    }
    warnAt = await checkGrowth(hold, walSizes(hold) - sizesAtCut, warnAt, limits, onWarning);
    if (Date.now() - startedAt > limits.maxHoldMs) {
      throw gaveUp(`it has been held for ${Math.round(limits.maxHoldMs / 60_000)} minutes`);
    }
  };
  const assertHeld = async (): Promise<void> => {
    if (reason !== undefined) throw reason;
    if (stopped) throw released();
    try {
      await look();
    } catch (error) {
      // Released while it looked: what it saw then means nothing.
      throw stopped && reason === undefined ? released() : breakWith(error);
    }
  };
  const again = (): void => {
    if (stopped) return;
    timer = setTimeout(() => {
      // A failure is kept as `reason` and told by `broken`.
      assertHeld().then(again, () => undefined);
    }, limits.intervalMs);
    timer.unref();
  };
  const stop = (): void => {
    stopped = true;
    clearTimeout(timer);
  };

  void keeper.ended.then((how) => {
    if (!stopped) breakWith(new ActionError("FREEZE_BROKEN", `The keeper process ${how}.`));
  });
  again();
  return { broken: broken.promise, assertHeld, stop };
}

/** The view is void already, and `release` ends the keeper too and says so when it cannot. */
async function endKeeperBestEffort(keeper: Keeper): Promise<void> {
  try {
    await keeper.end();
  } catch {
    return;
  }
}

/** Returns the growth at which to warn next. */
async function checkGrowth(
  hold: Hold,
  growth: number,
  warnAt: number,
  limits: HoldLimits,
  onWarning: (message: string) => void,
): Promise<number> {
  if (growth > limits.maxGrowthBytes) throw gaveUp(`the WALs have grown by ${formatBytes(growth)}`);
  for (const directory of new Set([...hold.positions.values()].map((each) => dirname(each.source)))) {
    const { freeBytes } = await spaceAt(directory);
    if (freeBytes < limits.minFreeBytes) {
      throw gaveUp(
        `only ${formatBytes(freeBytes)} are free in ${directory} (the WALs have grown by ${formatBytes(growth)})`,
      );
    }
  }
  if (growth < warnAt) return warnAt;
  onWarning(
    `The chainstate's WALs have grown by ${formatBytes(growth)} since it is held still; they shrink to normal after the archive is made.`,
  );
  return growth * 2;
}

function released(): ActionError {
  return new ActionError("FREEZE_BROKEN", "The view has been released.");
}

function gaveUp(why: string): ActionError {
  return new ActionError("FREEZE_BROKEN", `Holding the chainstate still was given up: ${why}.`, {
    hint: "Make the archive faster (no rate limit, more concurrency), free disk space, or use a copy-on-write freezer.",
  });
}

function walSizes(hold: Hold): number {
  let bytes = 0;
  for (const { source } of hold.positions.values()) {
    bytes += statSync(fsPath(`${source}-wal`), { throwIfNoEntry: false })?.size ?? 0;
  }
  return bytes;
}
