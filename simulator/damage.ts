/**
 * Ways in which chainstates get damaged: what a bad exclude, a kill in the middle of a commit, a mix of two backups or a
 * failing disk leave behind. Each function does one thing to the files of a stopped node's chainstate.
 */
import {
  closeSync,
  copyFileSync,
  existsSync,
  fstatSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { ChainWriter, type CommitStage } from "./chainstate.ts";
import { type DatabaseKey, databasePaths } from "./schema.ts";

const pathOf = (dir: string, key: DatabaseKey, ending = ""): string => join(dir, databasePaths[key] + ending);

/** What `--exclude '*-wal'` does to one database, or a copy of its main file alone. */
export function deleteWal(dir: string, ...keys: DatabaseKey[]): void {
  for (const key of keys)
    for (const ending of ["-wal", "-shm"]) rmSync(pathOf(dir, key, ending), { force: true });
}

/** A node killed between its commits: the block is in the databases up to `until` and in none of the later ones. */
export function tearCommit(dir: string, until: CommitStage): void {
  const chain = ChainWriter.open(dir);
  chain.appendBlock({ until });
  chain.close(true);
}

/** One database, with all that belongs to it, of another chainstate: an older backup, another network, a fork. */
export function replaceDatabase(dir: string, from: string, key: DatabaseKey): void {
  for (const ending of ["", "-wal", "-shm", "-journal", ".blobs"]) {
    rmSync(pathOf(dir, key, ending), { force: true });
    if (existsSync(pathOf(from, key, ending)))
      copyFileSync(pathOf(from, key, ending), pathOf(dir, key, ending));
  }
}

export function swapBlobs(dir: string): void {
  const aside = pathOf(dir, "clarity", ".aside");
  renameSync(pathOf(dir, "clarity", ".blobs"), aside);
  renameSync(pathOf(dir, "index", ".blobs"), pathOf(dir, "clarity", ".blobs"));
  renameSync(aside, pathOf(dir, "index", ".blobs"));
  // Of one length, so that the length alone does not tell.
  const longest = Math.max(
    ...(["clarity", "index"] as const).map((key) => statSync(pathOf(dir, key, ".blobs")).size),
  );
  for (const key of ["clarity", "index"] as const) truncateSync(pathOf(dir, key, ".blobs"), longest);
}

export function cutBlobs(dir: string, key: "clarity" | "index", bytes: number): void {
  const path = pathOf(dir, key, ".blobs");
  truncateSync(path, Math.max(0, statSync(path).size - bytes));
}

/** The length is kept and the end is zeros, as after a crash of a file system that had not written the data yet. */
export function zeroEndOfBlobs(dir: string, key: "clarity" | "index", bytes: number): void {
  const path = pathOf(dir, key, ".blobs");
  const size = statSync(path).size;
  overwrite(path, Math.max(0, size - bytes), Buffer.alloc(Math.min(bytes, size)));
}

export function removeBlobs(dir: string, key: "clarity" | "index"): void {
  rmSync(pathOf(dir, key, ".blobs"));
}

/** Page numbers begin with 1, the page that holds the header. */
export function zeroPage(dir: string, key: DatabaseKey, page: number): void {
  overwrite(pathOf(dir, key), (page - 1) * 4096, Buffer.alloc(4096));
}

export function flipByte(dir: string, key: DatabaseKey, ending: string, offset: number): void {
  const path = pathOf(dir, key, ending);
  const file = openSync(path, "r+");
  try {
    const at = offset < 0 ? fstatSync(file).size + offset : offset;
    const byte = Buffer.alloc(1);
    readSync(file, byte, 0, 1, at);
    byte[0] = (byte[0] ?? 0) ^ 0xff;
    writeSync(file, byte, 0, 1, at);
  } finally {
    closeSync(file);
  }
}

export function cutDatabase(dir: string, key: DatabaseKey, bytes: number): void {
  truncateSync(pathOf(dir, key), statSync(pathOf(dir, key)).size - bytes);
}

export function replaceByText(dir: string, key: DatabaseKey): void {
  writeFileSync(pathOf(dir, key), "This is not a database.\n".repeat(400));
}

/** A transaction was cut off: the journal that undoes it has its magic number and a count of pages. */
export function leaveHotJournal(dir: string, key: DatabaseKey): void {
  const header = Buffer.alloc(512);
  Buffer.from("d9d505f920a163d7", "hex").copy(header);
  header.writeUInt32BE(1, 8);
  writeFileSync(pathOf(dir, key, "-journal"), header);
}

function overwrite(path: string, offset: number, bytes: Buffer): void {
  const file = openSync(path, "r+");
  try {
    writeSync(file, bytes, 0, bytes.length, offset);
  } finally {
    closeSync(file);
  }
}
