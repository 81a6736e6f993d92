/**
 * Files that are only ever appended to need not be read from their beginning each night: what the last snapshot has of one is
 * taken from there, as long as it is the same file, not shorter, and its database records no less of it. A sample is read and
 * compared all the same, so that a disk that rots is noticed, and so are the first bytes and the last of the old ones always.
 */
import { readFile } from "node:fs/promises";
import * as v from "valibot";
import { segmentSizeBytes } from "../archive/format/segments.ts";
import type { View, ViewEntry } from "../archive/view.ts";
import { writeFileAtomically } from "../system/atomic-file.ts";
import { BaseFile, type BaseArchive } from "./base-file.ts";

const stateSchema = v.strictObject({
  id: v.string(),
  indexSha256: v.string(),
  nights: v.number(),
  files: v.array(v.strictObject({ path: v.string(), inode: v.string(), end: v.number() })),
});

type State = v.InferOutput<typeof stateSchema>;

export interface AppendOnlyOptions {
  /** What the last run wrote down. */
  readonly stateFile: string;
  readonly base: BaseArchive | undefined;
  /** By path: how many bytes of it its database records at the cut. */
  readonly ends: ReadonlyMap<string, number>;
  /** How much of the old bytes is read all the same, above 0 and below 1. */
  readonly sample: number;
}

export class AppendOnlyFiles {
  readonly #options: AppendOnlyOptions;
  readonly #last: State | undefined;
  readonly #files: State["files"] = [];
  /** Bytes that were not read. */
  sparedBytes = 0;

  private constructor(options: AppendOnlyOptions, last: State | undefined) {
    this.#options = options;
    this.#last = last;
  }

  static async open(options: AppendOnlyOptions): Promise<AppendOnlyFiles> {
    return new AppendOnlyFiles(options, await lastOf(options));
  }

  spared(view: View): View {
    const spared: View = {
      rootEntry: view.rootEntry,
      entries: (signal) => {
        view.onSkipped = (skipped) => spared.onSkipped?.(skipped);
        return this.#entries(view.entries(signal));
      },
    };
    return spared;
  }

  /** After publishing. */
  async remember(id: string, indexSha256: string): Promise<void> {
    const state: State = { id, indexSha256, nights: (this.#last?.nights ?? 0) + 1, files: this.#files };
    await writeFileAtomically(this.#options.stateFile, `${JSON.stringify(state)}\n`, 0o600);
  }

  async *#entries(entries: AsyncIterable<ViewEntry>): AsyncGenerator<ViewEntry> {
    for await (const entry of entries) {
      const end = this.#options.ends.get(entry.path);
      const isKnown = end !== undefined && entry.type === "file" && end <= entry.size;
      if (!isKnown || entry.stat === undefined) {
        yield entry;
        continue;
      }
      const { path, stat } = entry;
      this.#files.push({ path, inode: String(stat.ino), end });
      yield this.#known(entry, stat.ino, end);
    }
  }

  #known(entry: ViewEntry, inode: bigint, end: number): ViewEntry {
    const { base, sample } = this.#options;
    const last = this.#last?.files.find(({ path }) => path === entry.path);
    if (base === undefined || last === undefined || this.#last === undefined) return entry;
    const { nights } = this.#last;
    if (last.inode !== String(inode) || end < last.end || entry.size < last.end) return entry;
    const file = BaseFile.of(base, entry.path);
    const segments = Math.floor((file?.alone(last.end) ?? 0) / segmentSizeBytes);
    if (file === undefined || segments === 0) return entry;
    const inBase = file.inBase(segments * segmentSizeBytes, false);
    const every = Math.max(1, Math.round(1 / sample));
    const isSampled = (fileOffset: number): boolean => {
      const segment = fileOffset / segmentSizeBytes;
      return segment === 0 || segment === segments - 1 || (segment + nights) % every === 0;
    };
    for (let segment = 0; segment < segments; segment += 1)
      if (!isSampled(segment * segmentSizeBytes)) this.sparedBytes += segmentSizeBytes;
    return { ...entry, inBase: { ...inBase, isSampled } };
  }
}

/** Undefined where there is none of that very snapshot: then everything is read. */
async function lastOf({ base, stateFile }: AppendOnlyOptions): Promise<State | undefined> {
  try {
    const state = v.parse(stateSchema, JSON.parse(await readFile(stateFile, "utf8")));
    return state.id === base?.id && state.indexSha256 === base.indexSha256 ? state : undefined;
  } catch {
    return undefined;
  }
}
