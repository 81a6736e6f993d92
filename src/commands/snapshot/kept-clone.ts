/**
 * `keep-clone`: clones of the databases stay from one snapshot to the next, so that the pages that changed can be told from where
 * they stand on the disk. Whatever does not fit means that all pages are read.
 */
import { dirname } from "node:path";
import { ActionError, describeError } from "../../domain/errors.ts";
import type { ArchiveRecord, DatabaseRecord } from "../../domain/manifest.ts";
import type { FrozenView } from "../../freeze/port.ts";
import {
  forgetKept,
  FreshClones,
  isTooOld,
  keptFile,
  readKept,
  type KeptPlace,
  type KeptRecord,
} from "../../freeze/kept.ts";
import type { Clones } from "../../pages/carrier.ts";
import type { ClonedDatabase } from "../../pages/unread.ts";
import { differentPages } from "../../pages/verify-pages.ts";
import { canonicalPath } from "../../recovery/state-directory.ts";
import { whyPlacesSayNothing } from "../../system/extents.ts";
import { mountOf } from "../../system/mounts.ts";
import { formatBytes, spaceAt } from "../../system/space.ts";
import type { BaseSnapshot } from "./base.ts";
import type { PagesRun } from "./pages.ts";

/** Least that is left free for the node where clones are kept, and least share of what they hold. */
const freeBytesLeast = 1024 ** 3;
const freeShare = 0.1;

export interface KeptClone {
  readonly clones: Clones;
  /** Reads what was not read. Throws KEPT_CLONE_DIFFERS where a database is not what `records` say of it. */
  prove(records: readonly DatabaseRecord[], signal: AbortSignal): Promise<void>;
  /** After publishing. What cannot be kept costs the next night and nothing else. */
  tryRemember(id: string, archive: ArchiveRecord): Promise<void>;
}

/** Undefined: nothing is kept, and what was is removed when the run cleans up. */
export async function openKeptClone(
  run: PagesRun,
  base: BaseSnapshot | undefined,
  frozen: FrozenView,
): Promise<KeptClone | undefined> {
  const { config, ctx } = run;
  const { chainstateDir, keepClone, rebaseAbove } = config;
  const place = { stateDir: ctx.host.stateDir, chainstateDir: await canonicalPath(chainstateDir) };
  const why = keepClone && rebaseAbove > 0 ? await whyNotKept(place, frozen) : "it was not asked for";
  const record = await readKept(place);
  if (why !== undefined) {
    await forgetKept(place);
    if (keepClone) ctx.report.notice(`No clone is kept for the next snapshot: ${why}.`);
    return undefined;
  }
  const isOfBase = record !== undefined && record.id === base?.id && record.indexSha256 === base.indexSha256;
  const isUsable = isOfBase && !isTooOld(record, ctx.clock.now());
  if (record !== undefined && !isUsable) {
    ctx.report.info(`The clone that was kept of ${record.id} is of no use any more. All pages are read.`);
    await forgetKept(place);
  }
  return new Keeping(run, place, isUsable ? record : undefined, frozen.method === "reflink");
}

/** In words. */
async function whyNotKept(place: KeptPlace, { method }: FrozenView): Promise<string | undefined> {
  if (method !== "reflink" && method !== "btrfs") return `what is frozen by \`${method}\` is no clone`;
  const parent = dirname(place.chainstateDir);
  const saysNothing = whyPlacesSayNothing(await mountOf(parent));
  if (saysNothing !== undefined) return saysNothing;
  const { freeBytes } = await spaceAt(parent);
  return freeBytes < freeBytesLeast ? `only ${formatBytes(freeBytes)} are free in ${parent}` : undefined;
}

class Keeping implements KeptClone, Clones {
  readonly clones: Clones = this;
  readonly nights: number;
  readonly #run: PagesRun;
  readonly #place: KeptPlace;
  readonly #last: KeptRecord | undefined;
  readonly #fresh: FreshClones;
  readonly #isCloned: boolean;
  readonly #unread = new Set<string>();
  #unreadBytes = 0;
  #ownBytes = 0;
  #pieces = 0;

  /** `isCloned`: what is frozen are clones of the run's own. A btrfs snapshot is none: no file of it gets a name elsewhere. */
  constructor(run: PagesRun, place: KeptPlace, last: KeptRecord | undefined, isCloned: boolean) {
    this.#isCloned = isCloned;
    this.#run = run;
    this.#place = place;
    this.#last = last;
    this.nights = last?.nights ?? 0;
    this.#fresh = new FreshClones(place, run.ctx.host.runId);
  }

  async exchange(path: string, { file, wal }: ClonedDatabase): Promise<ClonedDatabase | undefined> {
    const { report } = this.#run.ctx;
    const walPath = `${path}-wal`;
    // One without its WAL would be another, older database.
    const files = [
      { path, source: file.source },
      ...(wal === undefined ? [] : [{ path: walPath, source: wal.source }]),
    ];
    const why = await this.#fresh.add(files, this.#isCloned ? "link" : "clone");
    // What is not read has to be there when it is proven.
    if (why !== undefined) {
      report.notice(`${path} is not kept for the next snapshot, and all of it is read: ${why}.`);
      return undefined;
    }
    if (this.#last === undefined) return undefined;
    const [last, lastWal] = [await this.#lastFile(path), await this.#lastFile(walPath)];
    if (typeof last === "string" || lastWal === "changed") {
      report.info(
        `All of ${path} is read: its kept clone is ${last === "absent" ? "not there" : "not as it was"}.`,
      );
      return undefined;
    }
    return { file: last, wal: lastWal === "absent" ? undefined : lastWal };
  }

  async spared(...[path, { pageSize }, same, different]: Parameters<Clones["spared"]>): Promise<void> {
    if (different !== undefined) await this.#refuse(`page ${different} of ${path}`);
    if (same.count > 0) this.#unread.add(path);
    this.#unreadBytes += same.count * pageSize;
    this.#ownBytes += same.ownBytes;
    this.#pieces += same.pieces;
  }

  async prove(records: readonly DatabaseRecord[], signal: AbortSignal): Promise<void> {
    const unread = records.filter(({ path }) => this.#unread.has(path));
    const { concurrency } = this.#run.config;
    const { directory } = this.#fresh;
    const [different] = await differentPages({ directory, records: unread, concurrency, signal });
    if (different !== undefined) await this.#refuse(different);
  }

  /** The next run reads everything. */
  async #refuse(what: string): Promise<never> {
    await forgetKept(this.#place);
    throw new ActionError(
      "KEPT_CLONE_DIFFERS",
      `By the blocks of its kept clone nothing but what was read has changed, and yet: ${what} is not what it was.`,
      {
        hint: "Nothing was published, and the kept clone is given up: the next run reads everything. Look at the disk (kernel log, SMART), and verify the last snapshot.",
      },
    );
  }

  async tryRemember(id: string, { index }: ArchiveRecord): Promise<void> {
    const { report, clock } = this.#run.ctx;
    if (this.#unreadBytes > 0)
      report.fact(
        "Not read of databases",
        `${formatBytes(this.#unreadBytes)}, on the blocks of ${this.#last?.id}, of which a clone was kept; it had come to cost ${formatBytes(this.#ownBytes)}; the files are in ${this.#pieces} pieces`,
      );
    try {
      if (this.#fresh.isEmpty) return await forgetKept(this.#place);
      const bytes = await this.#fresh.size();
      const { freeBytes } = await spaceAt(this.#fresh.directory);
      if (freeBytes < Math.max(freeBytesLeast, bytes * freeShare)) {
        report.notice(`No clone is kept for the next snapshot: only ${formatBytes(freeBytes)} are free.`);
        return await forgetKept(this.#place);
      }
      const at = new Date(clock.now()).toISOString();
      await this.#fresh.record({ id, indexSha256: index.sha256, at, nights: this.nights + 1 });
      report.fact(
        "Kept clone",
        `of databases with ${formatBytes(bytes)}; it costs what the node rewrites of them until the next snapshot`,
      );
    } catch (error) {
      report.notice(`No clone is kept for the next snapshot: ${describeError(error)}`);
    }
  }

  async #lastFile(path: string): ReturnType<typeof keptFile> {
    return this.#last === undefined ? "absent" : await keptFile(this.#place, this.#last, path);
  }
}
