/**
 * Clones of databases that stay from one snapshot to the next, so that what changed between the two can be told without reading
 * (XFS, btrfs). They stand beside the chainstate, in a directory whose name says of which chainstate and run it is; a record in
 * the state directory, written when the snapshot is published, says which of those directories counts. All others of this
 * chainstate are what a run left that died, or found something else: whoever holds the journal removes them.
 */
import { createHash } from "node:crypto";
import { constants, copyFile, link, lstat, mkdir, readdir, readFile, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import * as v from "valibot";
import { describeError, hasCode } from "../domain/errors.ts";
import { writeFileAtomically } from "../system/atomic-file.ts";
import { fsPath } from "../system/path-bytes.ts";
import { makeDirectory, removeDirectory, scratchName } from "./scratch.ts";

const digits = v.pipe(v.string(), v.regex(/^\d+$/));
const fileSchema = v.strictObject({
  path: v.string(),
  size: v.number(),
  inode: digits,
  mtimeNs: digits,
  ctimeNs: digits,
});
const recordSchema = v.strictObject({
  /** The snapshot that has what is in it. */
  id: v.string(),
  indexSha256: v.string(),
  at: v.pipe(v.string(), v.isoTimestamp()),
  /** Snapshots in a row that were made so. */
  nights: v.number(),
  /** The name of its directory. */
  name: v.string(),
  files: v.array(fileSchema),
});

export type KeptRecord = v.InferOutput<typeof recordSchema>;

/** Of which chainstate: its canonical path. */
export interface KeptPlace {
  readonly stateDir: string;
  readonly chainstateDir: string;
}

/** With what the node writes it grows to all that it holds. */
const mostAgeMs = 7 * 24 * 3600_000;

function keyOf({ chainstateDir }: KeptPlace): string {
  return createHash("sha256").update(chainstateDir).digest("hex").slice(0, 16);
}

function recordFile(place: KeptPlace): string {
  return join(place.stateDir, `kept-${keyOf(place)}.json`);
}

function namePrefix(place: KeptPlace): string {
  return scratchName(`kept-${keyOf(place)}-`);
}

/** What is kept, where a record says so; nothing of it has been looked at. */
export async function readKept(place: KeptPlace): Promise<KeptRecord | undefined> {
  try {
    const record = v.parse(recordSchema, JSON.parse(await readFile(recordFile(place), "utf8")));
    return record.name.startsWith(namePrefix(place)) && basename(record.name) === record.name
      ? record
      : undefined;
  } catch {
    // Torn, or of another version: then it is none, and what stands there is removed.
    return undefined;
  }
}

export function isTooOld({ at }: KeptRecord, nowMs: number): boolean {
  const ageMs = nowMs - Date.parse(at);
  return ageMs > mostAgeMs || ageMs < -mostAgeMs;
}

/** From now on nothing is kept. The directory goes with the next `sweepKept`. */
export async function forgetKept(place: KeptPlace): Promise<void> {
  await rm(recordFile(place), { force: true });
}

/**
 * Removes all clones of this chainstate but the one that is recorded, and that too when it is older than a week. Only whoever holds the
 * journal may: nobody else makes any meanwhile.
 */
export async function sweepKept(place: KeptPlace, nowMs: number): Promise<void> {
  const record = await readKept(place);
  const isKept = record !== undefined && !isTooOld(record, nowMs);
  if (!isKept) await forgetKept(place);
  const parent = dirname(place.chainstateDir);
  let names: readonly string[];
  try {
    names = await readdir(fsPath(parent));
  } catch (error) {
    // Where nothing can be listed nothing was made.
    if (hasCode(error, "ENOENT") || hasCode(error, "EACCES")) return;
    throw error;
  }
  for (const name of names) {
    if (!name.startsWith(namePrefix(place)) || (isKept && name === record.name)) continue;
    // Another user has a state directory, and so a record, of their own.
    const found = await lstat(fsPath(join(parent, name)));
    if (found.uid === process.geteuid?.()) await removeDirectory(join(parent, name));
  }
}

/** The file of a kept clone, where it is the very one that was recorded and nobody has touched it. */
export async function keptFile(
  place: KeptPlace,
  { name, files }: KeptRecord,
  path: string,
): Promise<{ readonly source: string; readonly size: number } | "absent" | "changed"> {
  const recorded = files.find((file) => file.path === path);
  if (recorded === undefined) return "absent";
  const source = join(dirname(place.chainstateDir), name, path);
  const found = await looksOf(source, path).catch(() => undefined);
  if (found === undefined || found.isLink || JSON.stringify(found.file) !== JSON.stringify(recorded))
    return "changed";
  return { source, size: recorded.size };
}

export interface FileToClone {
  /** Below the chainstate. */
  readonly path: string;
  readonly source: string;
}

/** What a run keeps for the next. Until it is recorded whoever cleans up removes it. */
export class FreshClones {
  readonly directory: string;
  readonly #place: KeptPlace;
  readonly #name: string;
  readonly #paths: string[] = [];
  #isMade = false;

  constructor(place: KeptPlace, runId: string) {
    this.#place = place;
    this.#name = namePrefix(place) + runId;
    this.directory = join(dirname(place.chainstateDir), this.#name);
  }

  get isEmpty(): boolean {
    return this.#paths.length === 0;
  }

  /**
   * All of these or none. Returns why they could not be kept, in words. Nobody writes to a `source`. "link": the run made it for
   * itself, so it is kept by one more name, which stays when the run's own goes, and no second clone is made.
   */
  async add(files: readonly FileToClone[], how: "clone" | "link"): Promise<string | undefined> {
    try {
      if (!this.#isMade) await makeDirectory(this.directory);
      this.#isMade = true;
      for (const { path, source } of files) await keepAt(source, join(this.directory, path), how);
      this.#paths.push(...files.map(({ path }) => path));
      return undefined;
    } catch (error) {
      return describeError(error);
    }
  }

  /** Bytes that these files have, and may come to cost. */
  async size(): Promise<number> {
    let bytes = 0;
    for (const { size } of await this.#files()) bytes += size;
    return bytes;
  }

  /** Only after the snapshot is published. From now on this is what is kept. */
  async record(of: Omit<KeptRecord, "name" | "files">): Promise<void> {
    const { id, indexSha256, at, nights } = of;
    const record: KeptRecord = { id, indexSha256, at, nights, name: this.#name, files: await this.#files() };
    await writeFileAtomically(recordFile(this.#place), `${JSON.stringify(record)}\n`, 0o600);
  }

  async #files(): Promise<KeptRecord["files"]> {
    return await Promise.all(
      this.#paths.map(async (path) => (await looksOf(join(this.directory, path), path)).file),
    );
  }
}

async function keepAt(source: string, target: string, how: "clone" | "link"): Promise<void> {
  await mkdir(fsPath(dirname(target)), { recursive: true, mode: 0o700 });
  if (how === "link") return await link(fsPath(source), fsPath(target));
  await copyFile(fsPath(source), fsPath(target), constants.COPYFILE_FICLONE_FORCE | constants.COPYFILE_EXCL);
}

async function looksOf(
  source: string,
  path: string,
): Promise<{ readonly file: KeptRecord["files"][number]; readonly isLink: boolean }> {
  const found = await lstat(fsPath(source), { bigint: true });
  const file = {
    path,
    size: Number(found.size),
    inode: String(found.ino),
    mtimeNs: String(found.mtimeNs),
    ctimeNs: String(found.ctimeNs),
  };
  return { file, isLink: !found.isFile() };
}
