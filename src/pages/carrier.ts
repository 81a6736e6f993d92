/**
 * Makes a night cost what changed in a database: its entry in the archive keeps the bytes it has in the last snapshot's,
 * and its `-wal` those of the last one's and then one more transaction, of each page that differs. SQLite's own recovery makes
 * tonight's database of the two. Whatever does not fit means that the database is archived as it is, which is always right.
 */
import { mkdtemp, open, rm } from "node:fs/promises";
import { join } from "node:path";
import { segmentSizeBytes } from "../archive/format/segments.ts";
import { compareEntries, type View, type ViewEntry } from "../archive/view.ts";
import type { PageDigests } from "../archive/workers/worker-protocol.ts";
import { WorkerPool } from "../archive/workers/worker-pool.ts";
import { ActionError, describeError, throwIfAborted } from "../domain/errors.ts";
import type { DatabaseRecord } from "../domain/manifest.ts";
import type { RateLimit } from "../system/rate-limit.ts";
import { formatBytes, spaceAt } from "../system/space.ts";
import { writeFully } from "../system/write-fully.ts";
import { BaseFile, type BaseArchive } from "./base-file.ts";
import { beginWal, NotCarriedError, type Carried, type Carrying } from "./carrying.ts";
import { openDatabase, type Database } from "./database.ts";
import { lookAt } from "./look.ts";
import type { LastDigests, NextDigests, PageStates } from "./page-state.ts";
import { samePages, type ClonedDatabase, type SamePages } from "./unread.ts";
import { WalWriter } from "./wal-file.ts";

export interface CarrierOptions {
  /** What the archive's frames are taken from; undefined: nothing is carried tonight, but the next night can. */
  readonly base: BaseArchive | undefined;
  readonly states: PageStates;
  /** For the WALs; a directory is made in it. */
  readonly scratchParent: string;
  /** Most bytes of a WAL, as a share of its database. */
  readonly rebaseAbove: number;
  readonly concurrency: number;
  readonly gentle: boolean;
  readonly clones?: Clones | undefined;
  readonly readRate?: RateLimit;
  readonly info: (message: string) => void;
  readonly signal: AbortSignal;
}

/** Clones of databases, kept from one night to the next. */
export interface Clones {
  /** Of snapshots that were made with it, so that another part is sampled each time. */
  readonly nights: number;
  /** Keeps this one for the next night; what was kept of it last time, where the two can be compared. */
  exchange(path: string, database: ClonedDatabase): Promise<ClonedDatabase | undefined>;
  /** These pages were not read but for a sample; `different`: one of it that is not as it was. Then it throws KEPT_CLONE_DIFFERS. */
  spared(path: string, database: Database, same: SamePages, different: number | undefined): Promise<void>;
}

/** Left free for everybody else. */
const reserveBytes = 1024 ** 3;

export class PageCarrier {
  readonly #options: CarrierOptions;
  readonly #records: DatabaseRecord[] = [];
  #scratch: string | undefined;
  #pool: WorkerPool | undefined;
  #wals = 0;

  constructor(options: CarrierOptions) {
    this.#options = options;
  }

  /** Of the databases that were met, once the view has been read. */
  get records(): readonly DatabaseRecord[] {
    return this.#records;
  }

  /** `view` with each database as it is going to be archived. */
  carried(view: View): View {
    const carried: View = {
      rootEntry: view.rootEntry,
      entries: (signal) => {
        view.onSkipped = (skipped) => carried.onSkipped?.(skipped);
        return this.#entries(view.entries(signal));
      },
    };
    return carried;
  }

  /** After publishing. */
  async remember(): Promise<void> {
    await this.#options.states.replace(this.#records.map(({ path }) => path));
  }

  /** When the archive is written, or is not going to be. */
  async close(): Promise<void> {
    await this.#pool?.close();
    if (this.#scratch !== undefined) await rm(this.#scratch, { recursive: true, force: true });
  }

  async *#entries(entries: AsyncIterable<ViewEntry>): AsyncGenerator<ViewEntry> {
    const iterator = entries[Symbol.asyncIterator]();
    try {
      for (let next = await iterator.next(); next.done !== true;) {
        const entry = next.value;
        next = await iterator.next();
        this.#refuseLink(entry);
        // A file of one segment costs little, and has frames together with its neighbours.
        if (entry.type !== "file" || entry.size <= segmentSizeBytes) {
          yield entry;
          continue;
        }
        const beside: ViewEntry[] = [];
        const wal = { path: `${entry.path}-wal`, type: "file" } as const;
        while (next.done !== true && compareEntries(next.value, wal) <= 0) {
          beside.push(next.value);
          next = await iterator.next();
        }
        yield* await this.#database(entry, beside);
      }
    } finally {
      await iterator.return?.();
    }
  }

  /** Whoever opens a database by another name does not find its WAL. */
  #refuseLink({ path, type, linkTarget }: ViewEntry): void {
    const isCarried = this.#records.some((each) => each.path === linkTarget && each.carried !== undefined);
    if (type !== "hardlink" || !isCarried) return;
    throw new ActionError("ENTRY_UNSUPPORTED", `${path} is a second name of the database ${linkTarget}.`, {
      hint: "Remove that name, or set `rebase-above: 0`.",
    });
  }

  /** `beside`: what stands between the two in the view, and last the WAL, if there is one. */
  async #database(entry: ViewEntry, beside: readonly ViewEntry[]): Promise<readonly ViewEntry[]> {
    const { signal } = this.#options;
    const wal = beside.find(({ path, type }) => path === `${entry.path}-wal` && type === "file");
    const database = await openDatabase(entry, wal, signal);
    if (database === undefined) return [entry, ...beside];
    const clone = await this.#exchangeClone(entry, database, wal);
    const carrying = await this.#begin(entry.path, database);
    let sha256: string;
    let done: Carried | undefined;
    try {
      const same = carrying && clone && (await this.#same(database, carrying, clone));
      sha256 = await this.#look(entry.path, database, carrying, same);
      const isKnown = carrying !== undefined && (await carrying.last.digest()) === carrying.record.sha256;
      done = carrying && (await this.#finish(entry, database, carrying, isKnown));
      // What was taken from those digests is none.
      if (same !== undefined && !isKnown)
        sha256 = await this.#look(entry.path, database, undefined, undefined);
      else if (same !== undefined)
        await this.#options.clones?.spared(entry.path, database, same, carrying?.different);
    } finally {
      await carrying?.last.close();
      await carrying?.output.close();
    }
    this.#records.push({
      path: entry.path,
      pageSize: database.pageSize,
      pages: database.pages,
      sha256,
      walBytes: done?.walBytes ?? database.walEnd,
      ...(done === undefined ? {} : { carried: done.carried }),
    });
    if (done === undefined) return [entry, ...beside];
    const others = beside.filter(({ path }) => path !== wal?.path && path !== `${entry.path}-shm`);
    return [done.file, ...others, ...(done.wal === undefined ? [] : [done.wal])];
  }

  async #exchangeClone(
    { path, size }: ViewEntry,
    { source }: Database,
    wal: ViewEntry | undefined,
  ): Promise<ClonedDatabase | undefined> {
    return await this.#options.clones?.exchange(path, {
      file: { source, size },
      wal: wal?.source === undefined ? undefined : { source: wal.source, size: wal.size },
    });
  }

  /** Undefined: all pages are read, and the log says why. */
  async #same(
    database: Database,
    { record }: Carrying,
    clone: ClonedDatabase,
  ): Promise<SamePages | undefined> {
    const { info, signal } = this.#options;
    const same = await samePages(clone, database, record, signal);
    if (typeof same !== "string") return same;
    info(`All of ${record.path} is read: ${same}.`);
    return undefined;
  }

  async #begin(path: string, database: Database): Promise<Carrying | undefined> {
    const { base, states, info, signal } = this.#options;
    const record = base?.databases.find((each) => each.path === path);
    if (base === undefined || record === undefined) return undefined;
    try {
      const last = await states.last(path, record.pages);
      if (last === undefined) throw new NotCarriedError("this host has no digests of its pages then");
      try {
        return await this.#beginFrom(base, record, database, last);
      } catch (error) {
        await last.close();
        throw error;
      }
    } catch (error) {
      throwIfAborted(signal);
      info(`${path} is archived anew: ${describeError(error)}`);
      return undefined;
    }
  }

  async #beginFrom(
    base: BaseArchive,
    record: DatabaseRecord,
    database: Database,
    last: LastDigests,
  ): Promise<Carrying> {
    const { path, pageSize, walBytes } = record;
    if (pageSize !== database.pageSize) throw new NotCarriedError("its page size is another one now");
    const file = BaseFile.of(base, path);
    if (file === undefined || file.size === 0 || file.alone(file.size) !== file.size)
      throw new NotCarriedError(`${base.id} does not have it in frames of its own`);
    const begun = await beginWal(base, record, this.#options.signal);
    const scratch = await this.#makeScratch();
    this.#wals += 1;
    const source = join(scratch, `${this.#wals}.wal`);
    const output = await open(source, "wx", 0o600);
    await writeFully(output, begun.bytes, begun.kept);
    const mostBytes = this.#options.rebaseAbove * database.pages * pageSize;
    return {
      baseId: base.id,
      record,
      last,
      file,
      wal: begun.wal,
      keptBytes: begun.kept,
      source,
      output,
      writer: new WalWriter(output, begun.end),
      mostBytes: Math.max(mostBytes, walBytes),
      changedPages: 0,
      givenUp: undefined,
      different: undefined,
    };
  }

  /** Returns the digest of the pages' digests. Those that changed go into the WAL, as long as that pays. */
  async #look(
    path: string,
    database: Database,
    carrying: Carrying | undefined,
    same: SamePages | undefined,
  ): Promise<string> {
    const { states, concurrency, gentle, readRate, clones, signal } = this.#options;
    const pool = (this.#pool ??= new WorkerPool(concurrency, { gentle }));
    const next = await states.next(path);
    try {
      const looking = {
        pool,
        concurrency,
        readRate,
        last: carrying,
        same,
        nights: clones?.nights ?? 0,
        signal,
      };
      for await (const batch of lookAt(database, looking)) await this.#take(batch, database, next, carrying);
      return next.digest();
    } finally {
      await next.close();
    }
  }

  async #take(
    { digests, changed, bytes }: PageDigests,
    { pageSize }: Database,
    next: NextDigests,
    carrying: Carrying | undefined,
  ): Promise<void> {
    await next.add(digests);
    if (carrying === undefined || carrying.givenUp !== undefined || changed.length === 0) return;
    const { writer, mostBytes } = carrying;
    const { freeBytes } = await spaceAt(carrying.source);
    if (freeBytes < bytes.length + reserveBytes) {
      carrying.givenUp = `only ${formatBytes(freeBytes)} are free for its changed pages`;
      return;
    }
    for (const [at, page] of changed.entries()) {
      await writer.add(page, Buffer.from(bytes.buffer, bytes.byteOffset + at * pageSize, pageSize));
      carrying.changedPages += 1;
    }
    if (writer.bytes > mostBytes)
      carrying.givenUp = `its changed pages are more than \`rebase-above\` allows (${formatBytes(mostBytes)})`;
  }

  /** Undefined: it is archived anew, and the log says why. */
  async #finish(
    entry: ViewEntry,
    database: Database,
    carrying: Carrying,
    isKnown: boolean,
  ): Promise<Carried | undefined> {
    const { record, writer, source, keptBytes, file, wal, changedPages } = carrying;
    let why = carrying.givenUp;
    if (why === undefined && !isKnown) why = `the digests of its pages are not those of ${carrying.baseId}`;
    if (why !== undefined) {
      this.#options.info(`${entry.path} is archived anew: ${why}.`);
      return undefined;
    }
    if (changedPages > 0) await writer.commit(database.pages);
    // A WAL that holds nothing is left out.
    const walBytes = changedPages > 0 ? writer.bytes : record.walBytes;
    const { path, mode, uid, gid, mtimeNs } = entry;
    const owned = { type: "file", mode, uid, gid, mtimeNs } as const;
    return {
      walBytes,
      carried: {
        since: record.carried?.since ?? carrying.baseId,
        nights: (record.carried?.nights ?? 0) + 1,
        changedPages,
      },
      file: { ...owned, path, size: file.size, inBase: file.inBase(file.size, true) },
      wal:
        walBytes === 0
          ? undefined
          : {
              ...owned,
              path: `${path}-wal`,
              size: walBytes,
              source,
              guard: "prefix",
              ...(wal === undefined || keptBytes === 0 ? {} : { inBase: wal.inBase(keptBytes, true) }),
            },
    };
  }

  async #makeScratch(): Promise<string> {
    return (this.#scratch ??= await mkdtemp(join(this.#options.scratchParent, "pages-")));
  }
}
