/**
 * What has to wait until all entries are written: the modes and times of directories, and the symbolic links, which can be
 * judged only when it is known which directory is the one wanted. Kept in a file, because there may be as many as there
 * are blocks.
 */
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { decodePath, encodePath } from "../../system/path-bytes.ts";

export interface DirectoryAttributes {
  /** "" for the root. */
  readonly path: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtimeSeconds: number;
}

export class LateAttributes {
  readonly #database: DatabaseSync;
  readonly #addDirectory: StatementSync;
  readonly #addLink: StatementSync;

  /** `file` must not exist; it is the caller's to remove. */
  constructor(file: string) {
    this.#database = new DatabaseSync(file);
    this.#database.exec(
      `PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;
       CREATE TABLE directories (path BLOB PRIMARY KEY, mode INTEGER, uid INTEGER, gid INTEGER, mtime REAL) WITHOUT ROWID;
       CREATE TABLE links (path BLOB PRIMARY KEY, target BLOB) WITHOUT ROWID;
       BEGIN`,
    );
    this.#addDirectory = this.#database.prepare("INSERT OR IGNORE INTO directories VALUES (?, ?, ?, ?, ?)");
    this.#addLink = this.#database.prepare("INSERT INTO links VALUES (?, ?)");
  }

  /** False when that directory came before. */
  addDirectory({ path, mode, uid, gid, mtimeSeconds }: DirectoryAttributes): boolean {
    return this.#addDirectory.run(encodePath(path), mode, uid, gid, mtimeSeconds).changes === 1;
  }

  addLink(path: string, target: string): void {
    this.#addLink.run(encodePath(path), encodePath(target));
  }

  /** What is in a directory before the directory. */
  *directories(): Generator<DirectoryAttributes> {
    const rows = this.#database
      .prepare("SELECT path, mode, uid, gid, mtime AS mtimeSeconds FROM directories ORDER BY path DESC")
      .iterate();
    for (const row of rows) {
      yield { ...(row as unknown as DirectoryAttributes), path: decodePath(row["path"] as Uint8Array) };
    }
  }

  *links(): Generator<{ readonly path: string; readonly target: string }> {
    const rows = this.#database.prepare("SELECT path, target FROM links ORDER BY path").iterate();
    for (const { path, target } of rows) {
      yield { path: decodePath(path as Uint8Array), target: decodePath(target as Uint8Array) };
    }
  }

  close(): void {
    this.#database.close();
  }
}
