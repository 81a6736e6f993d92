/**
 * A chainstate at mainnet's ratio: databases of rows under hash keys, of which a night's few new ones land in pages all over the file, in
 * the node's own tables; `.blobs` and a database in order of height, which grow at their end; block files. A night's WALs have live
 * frames: the process that writes, this file run as a program, ends by SIGKILL.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { existsSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { createChainstate } from "../simulator/chainstate.ts";
import { growFile, writeSmallFiles } from "./chainstate-data.ts";

export interface HashKeyedShape {
  /** The chainstate's directory. */
  readonly data: string;
  /** Bytes of all files together at first, about. */
  readonly sizeBytes: number;
  /** Block files among them. */
  readonly files: number;
}

/** Shares of the bytes. */
const keyed = [
  { path: "chainstate/vm/clarity/marf.sqlite", table: "data_table (key, value)", share: 0.29, blobs: 0.34 },
  {
    path: "chainstate/vm/index.sqlite",
    table: "__fork_storage (value_hash, value)",
    share: 0.09,
    blobs: 0.06,
  },
] as const;
const byHeight = { path: "chainstate/blocks/nakamoto.sqlite", share: 0.12 } as const;
const blockFiles = { path: "chainstate/blocks", share: 0.1 } as const;
/** Of them. */
export const databasePaths = [...keyed.map(({ path }) => path), byHeight.path];
export const blobsPaths = keyed.map(({ path }) => `${path}.blobs`);
export const blocksPath = blockFiles.path;

/** What a row takes, its index entry included. */
const rowBytes = 278;
/** Rows that are committed one by one after the last checkpoint. */
const liveRows = 20;
const blockBytes = 16 * 1024;

export function makeHashKeyed(shape: HashKeyedShape): void {
  createChainstate(shape.data, { era: "nakamoto", height: 100, seed: "bench", blocksInWal: 0 });
  growHashKeyed(shape, 1, 0);
}

/** `share`: of what there was at first comes as much anew; a tenth of the rows replace old ones. */
export function growHashKeyed(shape: HashKeyedShape, share: number, seed: number): void {
  const args = [shape.data, shape.sizeBytes, shape.files, share, seed].map(String);
  const { stdout, signal } = spawnSync(process.execPath, [import.meta.filename, ...args], {
    stdio: ["ignore", "pipe", "inherit"],
    encoding: "utf8",
  });
  if (stdout.trim() !== "done" || signal !== "SIGKILL") throw new Error("The data could not be made.");
}

/** Of all that is in it, with what the WALs hold in the databases; they are changed. */
export function digestsOf(data: string): string {
  for (const path of databasePaths) {
    const file = join(data, path);
    rmSync(`${file}-shm`, { force: true });
    const database = new DatabaseSync(file);
    database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
    database.close();
  }
  const line =
    'sha256sum "$@"; find chainstate/blocks -type f ! -name "*.*" -print0 | sort -z | xargs -0 sha256sum | sha256sum';
  const args = ["-ec", line, "sh", ...databasePaths, ...blobsPaths];
  return execFileSync("sh", args, { cwd: data, encoding: "utf8" });
}

const sha = (text: string): string => createHash("sha256").update(text).digest("hex");

/** One that is closed, also by the garbage collector, takes its WAL along. */
const open: DatabaseSync[] = [];

function openForBulk(path: string): DatabaseSync {
  const database = new DatabaseSync(path);
  open.push(database);
  database.exec(
    "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; PRAGMA cache_size = -4000000; PRAGMA wal_autocheckpoint = 0",
  );
  return database;
}

function addRows(database: DatabaseSync, table: string, count: number): void {
  const name = table.split(" ")[0] ?? "";
  let made = Number(database.prepare(`SELECT count(*) AS rows FROM ${name}`).get()?.["rows"]);
  const insert = database.prepare(`REPLACE INTO ${table} VALUES (?, ?)`);
  const replaced = made > count ? 0.1 : 0;
  const add = (): void => {
    const row = Math.random() < replaced ? Math.floor(Math.random() * made) : (made += 1);
    insert.run(
      `${sha(`k${row}`)}0000000000000000`,
      randomBytes(60)
        .toString("hex")
        .slice(0, 40 + (row % 80)),
    );
  };
  const live = Math.min(liveRows, count);
  database.exec("BEGIN");
  for (let at = live; at < count; at += 1) add();
  database.exec("COMMIT; PRAGMA wal_checkpoint(TRUNCATE)");
  for (let at = 0; at < live; at += 1) add();
}

/** Its database records how far it goes: `reread-blobs` asks for that. The row comes before all others: the last block is the chain's. */
function addBlobs(database: DatabaseSync, path: string, bytes: number, seed: number): void {
  growFile(path, bytes, "trie", seed);
  database
    .prepare(
      "INSERT INTO marf_data (block_id, block_hash, data, unconfirmed, external_offset, external_length) VALUES (?, ?, '', 0, ?, 100)",
    )
    .run(-seed - 1, sha(`${path}${seed}`), statSync(path).size - 100);
}

function addBlocks(database: DatabaseSync, count: number): void {
  database.exec("CREATE TABLE IF NOT EXISTS more_blocks (height INTEGER PRIMARY KEY, data BLOB); BEGIN");
  const insert = database.prepare("INSERT INTO more_blocks (data) VALUES (?)");
  const add = (): unknown =>
    insert.run(
      randomBytes(blockBytes).fill("contract-call? .pool swap-x-for-y", 0, Math.floor(blockBytes / 3)),
    );
  for (let at = 1; at < count; at += 1) add();
  database.exec("COMMIT; PRAGMA wal_checkpoint(TRUNCATE)");
  add();
}

function grow([data = "", ...rest]: readonly string[]): void {
  const [sizeBytes = 0, files = 0, share = 0, seed = 0] = rest.map(Number);
  const part = (of: number, piece: number): number => Math.ceil((sizeBytes * of * share) / piece);
  for (const { path, table, ...shares } of keyed) {
    const database = openForBulk(join(data, path));
    addBlobs(database, join(data, `${path}.blobs`), part(shares.blobs, 1), seed);
    addRows(database, table, part(shares.share, rowBytes));
  }
  addBlocks(openForBulk(join(data, byHeight.path)), part(byHeight.share, blockBytes));
  const blocks = join(data, blockFiles.path);
  writeSmallFiles(blocks, Math.ceil(files * share), part(blockFiles.share, 1), seed);
  const live = open.every((database) => existsSync(`${database.location()}-wal`));
  if (!live) throw new Error("No frames are left in the WALs.");
  process.stdout.write("done\n", () => process.kill(process.pid, "SIGKILL"));
}

if (import.meta.main) grow(process.argv.slice(2));
