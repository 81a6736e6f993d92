/**
 * The list of a chainstate's entries, made once at the cut and spooled to a file, so that half a million entries cost no
 * memory and nothing is asked of the directory again. Databases are recognised by their content, not by their names.
 */
import { createReadStream, createWriteStream } from "node:fs";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { finished } from "node:stream/promises";
import type { SkippedEntry, View, ViewEntry } from "../archive/view.ts";
import type { EntrySelection } from "../chainstate/layout.ts";
import { ActionError, throwIfAborted } from "../domain/errors.ts";
import { journalModeOf } from "./journal-mode.ts";
import type { DatabaseRules, ViewOf } from "./port.ts";
import { withoutWriteOnce } from "./write-once.ts";

/**
 * What an entry is to a freezer that holds databases: "database" is one in WAL mode, "wal", "shm" and "append" belong to
 * the one named `of`; "write-once" is never touched again; "other" may change under the reader.
 */
export type EntryKind = "database" | "rollback" | "wal" | "shm" | "append" | "write-once" | "other";

export interface ListedEntry {
  readonly kind: EntryKind;
  readonly entry: ViewEntry;
  /** For "wal", "shm" and "append". */
  readonly of?: string;
}

export interface ListedDatabase {
  /** Path below the root. */
  readonly path: string;
  readonly source: string;
  readonly uid: number;
  readonly walListed: boolean;
  /** The append-only file, where one was listed. */
  readonly append?: { readonly path: string; readonly source: string };
}

export interface Listing {
  readonly databases: readonly ListedDatabase[];
  /** Paths of databases that are not in WAL mode. */
  readonly rollbackDatabases: readonly string[];
  /** Directories of write-once files that were there at the cut and are not in the list: `withWriteOnce` adds them. */
  readonly deferred: readonly string[];
  readonly rootEntry: View["rootEntry"];
  /** `onSkipped` hears of what was left out, at its place in the list. */
  entries(signal: AbortSignal, onSkipped: (skipped: SkippedEntry) => void): AsyncIterable<ListedEntry>;
}

/** A line of the spool. */
type Line = ListedEntry | { readonly skipped: SkippedEntry };

export interface ListingOptions {
  readonly viewOf: ViewOf;
  readonly chainstateDir: string;
  readonly spoolPath: string;
  readonly selection: EntrySelection;
  readonly rules: Pick<DatabaseRules, "appendOnlyFileOf">;
  readonly signal: AbortSignal;
  /** May replace an entry while it is listed, e.g. by a copy of it; undefined: it is gone, and that is no loss. */
  readonly onEntry?: (listed: ListedEntry) => ViewEntry | undefined | Promise<ViewEntry | undefined>;
}

/** Lists the directory into the spool. Called while it is frozen, or for `live` while its databases are. */
export async function listEntries(options: ListingOptions): Promise<Listing> {
  const { selection, signal, spoolPath } = options;
  const deferred = new Set<string>();
  const view = await options.viewOf(
    options.chainstateDir,
    withoutWriteOnce(selection, (path) => deferred.add(path)),
  );
  const classifier = new Classifier(options);
  const spool = createWriteStream(spoolPath, { mode: 0o600 });
  const written = finished(spool);
  written.catch(() => undefined);
  let lines = 0;
  try {
    let pending = "";
    const add = (line: Line): void => {
      pending += `${toLine(line)}\n`;
      lines += 1;
    };
    view.onSkipped = (skipped) => {
      // Those are not left out of the view.
      if (!deferred.has(skipped.path)) add({ skipped });
    };
    for await (const entry of view.entries(signal)) {
      const listed = classifier.classify(entry);
      const taken = options.onEntry === undefined ? entry : await options.onEntry(listed);
      if (taken !== undefined) add({ ...listed, entry: taken });
      if (pending.length < 64 * 1024) continue;
      throwIfAborted(signal);
      // A stream that fails never drains.
      if (!spool.write(pending)) await Promise.race([once(spool, "drain"), written]);
      pending = "";
    }
    spool.end(pending);
    await written;
  } finally {
    spool.destroy();
  }
  return {
    databases: classifier.databases,
    rollbackDatabases: classifier.rollbackDatabases,
    deferred: [...deferred],
    rootEntry: view.rootEntry,
    async *entries(reading, onSkipped) {
      let read = 0;
      for await (const line of readSpool(spoolPath, reading)) {
        read += 1;
        if ("skipped" in line) onSkipped(line.skipped);
        else yield line;
      }
      if (read !== lines) throw listingCut(spoolPath, read, lines);
    },
  };
}

/** An archive of fewer entries would look complete. */
function listingCut(path: string, read: number, lines: number): ActionError {
  return new ActionError(
    "FREEZE_BROKEN",
    `The list of the frozen entries in ${path} has ${read} of ${lines} lines.`,
    {
      hint: "Something removed or changed files of the run: find out what works in that directory, then run again.",
    },
  );
}

/** Tells entries apart as they come, in the order of their paths. */
class Classifier {
  readonly rollbackDatabases: string[] = [];
  readonly #options: Pick<ListingOptions, "selection" | "rules">;
  readonly #databases = new Map<string, { -readonly [K in keyof ListedDatabase]: ListedDatabase[K] }>();
  readonly #appendFiles = new Map<string, string>();

  constructor(options: Pick<ListingOptions, "selection" | "rules">) {
    this.#options = options;
  }

  get databases(): readonly ListedDatabase[] {
    return [...this.#databases.values()];
  }

  classify(entry: ViewEntry): ListedEntry {
    const { path, source } = entry;
    if (entry.type !== "file" || source === undefined) return { kind: "other", entry };
    if (this.#options.selection.isWriteOnce(path)) return { kind: "write-once", entry };
    // A path sorts before every longer one that starts with it, so a database is known before what belongs to it.
    for (const [suffix, kind] of [
      ["-wal", "wal"],
      ["-shm", "shm"],
    ] as const) {
      const owner = path.endsWith(suffix) ? this.#databases.get(path.slice(0, -suffix.length)) : undefined;
      if (owner === undefined) continue;
      if (kind === "wal") owner.walListed = true;
      return { kind, entry, of: owner.path };
    }
    const owner = this.#databases.get(this.#appendFiles.get(path) ?? "");
    if (owner !== undefined) {
      owner.append = { path, source };
      return { kind: "append", entry, of: owner.path };
    }
    return this.#database(entry, source);
  }

  #database(entry: ViewEntry, source: string): ListedEntry {
    const { path, size, uid } = entry;
    const mode = journalModeOf(source, size);
    if (mode === "none") return { kind: "other", entry };
    if (mode === "rollback") {
      this.rollbackDatabases.push(path);
      return { kind: "rollback", entry };
    }
    this.#databases.set(path, { path, source, uid, walListed: false });
    const appendFile = this.#options.rules.appendOnlyFileOf(path);
    if (appendFile !== undefined) this.#appendFiles.set(appendFile, path);
    return { kind: "database", entry };
  }
}

async function* readSpool(path: string, signal: AbortSignal): AsyncIterable<Line> {
  const file = createReadStream(path, { signal });
  const lines = createInterface({ input: file, crlfDelay: Infinity });
  try {
    for await (const line of lines) yield fromLine(line);
    throwIfAborted(signal);
  } catch (error) {
    throwIfAborted(signal);
    throw error;
  } finally {
    lines.close();
    file.destroy();
  }
}

/** JSON has no bigint: the nanosecond times and inodes go as strings of digits with an "n". */
function toLine(line: Line): string {
  if ("skipped" in line) return JSON.stringify(line);
  const { mtimeNs, stat, ...rest } = line.entry;
  const times = { mtimeNs: `${mtimeNs}n` };
  if (stat === undefined) return JSON.stringify({ ...line, entry: { ...rest, ...times } });
  const looks = {
    ino: `${stat.ino}n`,
    size: stat.size,
    mtimeNs: `${stat.mtimeNs}n`,
    ctimeNs: `${stat.ctimeNs}n`,
  };
  return JSON.stringify({ ...line, entry: { ...rest, ...times, stat: looks } });
}

const bigintKeys = new Set(["mtimeNs", "ctimeNs", "ino"]);

function fromLine(line: string): Line {
  return JSON.parse(line, (key, value: unknown) =>
    bigintKeys.has(key) && typeof value === "string" ? BigInt(value.slice(0, -1)) : value,
  ) as Line;
}

/** The listing as a view, each entry as `atTheCut` makes it; undefined leaves it out. */
export function viewOfListing(
  listing: Listing,
  atTheCut: (listed: ListedEntry) => ViewEntry | undefined,
): View {
  const view: View = {
    rootEntry: listing.rootEntry,
    async *entries(signal) {
      for await (const listed of listing.entries(signal, (skipped) => view.onSkipped?.(skipped))) {
        const entry = atTheCut(listed);
        if (entry !== undefined) yield entry;
      }
    },
  };
  return view;
}
