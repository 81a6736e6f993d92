/**
 * Watches a frozen chainstate: the keeper lives, every transaction and every lock is still there, the files are where
 * they were, and the WALs, which cannot shrink while a reader stands on them, do not fill the disk. Whatever is found
 * voids the view for good and ends the keeper at once, so that the node's checkpoints work again.
 */
import { statSync } from "node:fs";
import { dirname } from "node:path";
import { ActionError, describeError } from "../../domain/errors.ts";
import { fsPath } from "../../system/path-bytes.ts";
import { formatBytes, spaceAt } from "../../system/space.ts";
import { assertInPlace, locksInvisible } from "./freeze-databases.ts";
import type { FrozenDatabases } from "./freeze-databases.ts";
import type { Keeper } from "./keeper.ts";
import { readMarks } from "./lock-table.ts";

export interface FreezeLimits {
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

export const defaultLimits: FreezeLimits = {
  warnGrowthBytes: 4 * gibibyte,
  maxGrowthBytes: 256 * gibibyte,
  minFreeBytes: 2 * gibibyte,
  maxHoldMs: 48 * 3_600_000,
  intervalMs: 1000,
};

export interface Watch {
  readonly broken: Promise<never>;
  /** Looks now; throws when the view is void, now or ever before. */
  assertFrozen(): Promise<void>;
  stop(): void;
}

export function watchFrozen(
  hold: FrozenDatabases,
  keeper: Keeper,
  limits: FreezeLimits,
  onWarning: (message: string) => void,
): Watch {
  return new FrozenWatch(hold, keeper, limits, onWarning);
}

class FrozenWatch implements Watch {
  readonly #hold: FrozenDatabases;
  readonly #keeper: Keeper;
  readonly #limits: FreezeLimits;
  readonly #onWarning: (message: string) => void;
  readonly #startedAt = performance.now();
  readonly #sizesAtCut: number;
  readonly #broken = Promise.withResolvers<never>();
  #warnAt: number;
  #reason: ActionError | undefined;
  readonly #stopping = new AbortController();
  #timer: NodeJS.Timeout | undefined;

  constructor(
    hold: FrozenDatabases,
    keeper: Keeper,
    limits: FreezeLimits,
    onWarning: (message: string) => void,
  ) {
    this.#hold = hold;
    this.#keeper = keeper;
    this.#limits = limits;
    this.#onWarning = onWarning;
    this.#sizesAtCut = walSizes(hold);
    this.#warnAt = limits.warnGrowthBytes;
    // Whoever reads the view races against it; when nobody does, its rejection is not an accident.
    this.#broken.promise.catch(() => undefined);
    void keeper.ended.then((how) => {
      if (!this.#isStopped) this.#break(new ActionError("FREEZE_BROKEN", `The keeper process ${how}.`));
    });
    this.#again();
  }

  get #isStopped(): boolean {
    return this.#stopping.signal.aborted;
  }

  get broken(): Promise<never> {
    return this.#broken.promise;
  }

  async assertFrozen(): Promise<void> {
    if (this.#reason !== undefined) throw this.#reason;
    if (this.#isStopped) throw released();
    try {
      await this.#look();
    } catch (error) {
      // Released while it looked: what it saw then means nothing.
      throw this.#isStopped && this.#reason === undefined ? released() : this.#break(error);
    }
  }

  stop(): void {
    this.#stopping.abort();
    clearTimeout(this.#timer);
  }

  #again(): void {
    if (this.#isStopped) return;
    // It looks for as long as the view is read; there is nothing to wait for, so it is no `poll`.
    this.#timer = setTimeout(() => {
      // A failure is kept as the reason and told by `broken`.
      this.assertFrozen().then(
        () => this.#again(),
        () => undefined,
      );
    }, this.#limits.intervalMs);
    this.#timer.unref();
  }

  async #look(): Promise<void> {
    const lost = await this.#keeper.lost();
    if (lost.length > 0)
      throw new ActionError("FREEZE_BROKEN", `The transaction on ${lost.join(", ")} has ended.`);
    const positions = [...this.#hold.positions.values()];
    const marks = await readMarks(
      this.#keeper.pid,
      positions.map((each) => each.shmInode),
      this.#stopping.signal,
    );
    for (const position of positions) {
      if (!marks.has(position.shmInode)) throw locksInvisible(position.path);
      assertInPlace(position);
    }
    const growth = walSizes(this.#hold) - this.#sizesAtCut;
    this.#warnAt = await checkGrowth(this.#hold, growth, this.#warnAt, this.#limits, this.#onWarning);
    if (performance.now() - this.#startedAt > this.#limits.maxHoldMs) {
      throw gaveUp(`it has been frozen for ${Math.round(this.#limits.maxHoldMs / 60_000)} minutes`);
    }
  }

  #break(error: unknown): ActionError {
    this.#reason ??=
      error instanceof ActionError && error.code === "FREEZE_BROKEN"
        ? error
        : new ActionError("FREEZE_BROKEN", `The chainstate is no longer frozen: ${describeError(error)}`, {
            cause: error,
          });
    this.#broken.reject(this.#reason);
    this.stop();
    void endKeeperBestEffort(this.#keeper);
    return this.#reason;
  }
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
  hold: FrozenDatabases,
  growth: number,
  warnAt: number,
  limits: FreezeLimits,
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
    `The chainstate's WALs have grown by ${formatBytes(growth)} since it was frozen; they shrink to normal after the archive is made.`,
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

function walSizes(hold: FrozenDatabases): number {
  let bytes = 0;
  for (const { source } of hold.positions.values()) {
    bytes += statSync(fsPath(`${source}-wal`), { throwIfNoEntry: false })?.size ?? 0;
  }
  return bytes;
}
