/**
 * Where checks and facts get what they know: questions to databases and pieces of `.blobs`. A stopped node's directory,
 * a cut frozen by a keeper and a snapshot read piece by piece all look the same to them.
 */
import { type FileHandle, open as openFile, stat } from "node:fs/promises";
import { hasCode } from "../domain/errors.ts";
import { fsPath } from "../system/path-bytes.ts";
import type { Ask } from "./read-only-database.ts";
import type { Row } from "./reader-process.ts";

export interface ChainSource {
  readonly ask: Ask;
  /** Whether the database is there and looks like one. What it lacks is found by asking. */
  has(database: string): boolean;
  /** Absent: `.blobs` cannot be looked at from here, and checks of them are not made. */
  readonly blobs?: BlobFiles;
}

export interface BlobFiles {
  /** Undefined where there is no such file. Symlinks are followed. */
  sizeOf(path: string): Promise<number | undefined>;
  /** Bytes at `offset`, fewer where the file ends. Undefined: contents cannot be read from here, only sizes. */
  read?(path: string, offset: number, length: number): Promise<Buffer>;
}

/** The `.blobs` of a directory, or where `elsewhere` says they are. A file that is read stays open until `close`. */
export function blobsOf(
  dir: string,
  elsewhere: ReadonlyMap<string, string> = new Map(),
): Required<BlobFiles> & { close(): Promise<void> } {
  const placeOf = (path: string): string | Buffer => fsPath(elsewhere.get(path) ?? `${dir}/${path}`);
  const open = new Map<string, Promise<FileHandle>>();
  const handleOf = (path: string): Promise<FileHandle> => {
    const known = open.get(path) ?? openFile(placeOf(path), "r");
    open.set(path, known);
    return known;
  };
  return {
    async sizeOf(path) {
      try {
        return (await stat(placeOf(path))).size;
      } catch (error) {
        if (hasCode(error, "ENOENT") || hasCode(error, "ENOTDIR")) return undefined;
        throw error;
      }
    },
    async read(path, offset, length) {
      const file = await handleOf(path);
      const { bytesRead, buffer } = await file.read(Buffer.alloc(length), 0, length, offset);
      return buffer.subarray(0, bytesRead);
    },
    async close() {
      for (const handle of await Promise.allSettled(open.values())) {
        if (handle.status === "fulfilled") await handle.value.close();
      }
      open.clear();
    },
  };
}

/** Tables, columns and indexes of one database: older schemas lack some, and a question must not ask for those. */
export class Schema {
  readonly #columns = new Map<string, Set<string>>();
  /** Columns of each index, by table. */
  readonly #indexes = new Map<string, string[][]>();

  static async of(source: ChainSource, database: string): Promise<Schema> {
    const schema = new Schema();
    const columns = await source.ask(
      database,
      `SELECT m.name AS tbl, c.name AS col FROM sqlite_schema m, pragma_table_info(m.name) c WHERE m.type = 'table'`,
    );
    for (const { tbl, col } of columns) {
      const known = schema.#columns.get(String(tbl)) ?? new Set();
      schema.#columns.set(String(tbl), known.add(String(col)));
    }
    const indexes = await source.ask(
      database,
      `SELECT m.tbl_name AS tbl, m.name AS idx, i.name AS col FROM sqlite_schema m, pragma_index_info(m.name) i
       WHERE m.type = 'index' ORDER BY m.name, i.seqno`,
    );
    const byName = new Map<string, string[]>();
    for (const { tbl, idx, col } of indexes) {
      let list = byName.get(String(idx));
      if (list === undefined) {
        list = [];
        byName.set(String(idx), list);
        schema.#indexes.set(String(tbl), [...(schema.#indexes.get(String(tbl)) ?? []), list]);
      }
      list.push(String(col));
    }
    return schema;
  }

  has(table: string, column?: string): boolean {
    const columns = this.#columns.get(table);
    return columns !== undefined && (column === undefined || columns.has(column));
  }

  /** True where an index of the table begins with these columns, so that a look-up by them is one. */
  hasIndex(table: string, ...columns: string[]): boolean {
    return (this.#indexes.get(table) ?? []).some((index) =>
      columns.every((column, at) => index[at] === column),
    );
  }

  tables(): string[] {
    return [...this.#columns.keys()];
  }

  columnsOf(table: string): string[] {
    return [...(this.#columns.get(table) ?? [])];
  }
}

/** A hash as it may stand in a question. What a damaged database gives back is not trusted to be one. */
export function hexLiteral(hash: string): string {
  return /^[0-9a-f]+$/.test(hash) ? `'${hash}'` : "''";
}

/** A number of a row, undefined where it is null or none. */
export function numberOf(row: Row | undefined, column: string): number | undefined {
  const value = row?.[column];
  if (value === null || value === undefined) return undefined;
  const number = Number(value);
  return Number.isFinite(number) ? number : undefined;
}

export function textOf(row: Row | undefined, column: string): string | undefined {
  const value = row?.[column];
  return value === null || value === undefined ? undefined : String(value);
}
