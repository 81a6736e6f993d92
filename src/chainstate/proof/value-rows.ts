/**
 * The rows that hold the values of a MARF's leaves, each under the hash of its text. The node writes a value's row anew
 * whenever a block sets it, so tries and rows are read side by side, both in order: what the tries name is looked for
 * among the rows that follow, and only what is not among them is looked up.
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { hashHex } from "./format.ts";

export interface RowTable {
  readonly table: string;
  readonly key: string;
}

export interface RowRange {
  readonly from: number;
  /** Of the first row that is not of the range; Infinity: to the last one. */
  readonly to: number;
}

export type RowFailure = (trie: number, what: string) => void;

/** Hex digits of the eight zero bytes that fill a value up. */
const filling = "0".repeat(16);
const keyDigits = 80;
/** Values that wait for their rows, and rows that are remembered for tries to come (twice as many). */
const mostWaiting = 100_000;
const mostRecent = 8192;
/** Rows that are read beyond the last one that a trie has named: some are of values that a later write of the block replaced. */
const rowsAhead = 1000;
const rowsAtOnce = 10_000;

export class ValueRows {
  scanned = 0;
  matched = 0;
  lookedUp = 0;
  readonly #fail: RowFailure;
  readonly #rows: Iterator<unknown>;
  readonly #one: StatementSync;
  readonly #table: string;
  #ended = false;
  /** Value's hash, hex, and the trie that names it. */
  #waiting = new Map<string, number>();
  #fresh = 0;
  /** Rows that were read, with their places in that order. */
  #recent = new Map<string, number>();
  #older = new Map<string, number>();
  #lastNamed = 0;

  constructor(database: DatabaseSync, { table, key }: RowTable, range: RowRange, fail: RowFailure) {
    this.#table = table;
    this.#fail = fail;
    const to = Number.isFinite(range.to) ? `AND rowid < ${range.to}` : "";
    const rows = database.prepare(
      `SELECT ${key} AS k, value AS v FROM ${table} WHERE rowid >= ${range.from} ${to} ORDER BY rowid`,
    );
    // A row in an array costs half of one in an object.
    rows.setReturnArrays(true);
    this.#rows = rows.iterate();
    this.#one = database.prepare(`SELECT ${key} AS k, value AS v FROM ${table} WHERE ${key} = ?`);
  }

  /** A trie names this value: hex, 80 digits. */
  want(value: string, trie: number): void {
    const read = this.#recent.get(value) ?? this.#older.get(value);
    if (read !== undefined) {
      this.matched += 1;
      this.#lastNamed = Math.max(this.#lastNamed, read);
    } else if (this.#waiting.has(value)) {
      this.matched += 1;
    } else {
      this.#waiting.set(value, trie);
      this.#fresh += 1;
    }
  }

  /** After some tries: reads on while values wait, but not far. */
  advance(): void {
    const atLeast = this.scanned + this.#fresh;
    this.#fresh = 0;
    while (
      this.#waiting.size > 0 &&
      this.scanned < Math.max(atLeast, this.#lastNamed + rowsAhead) &&
      this.#next()
    );
    if (this.#waiting.size > mostWaiting) this.#lookUp();
  }

  /** After the last trie: reads some of the rows that are left of the range. False: all is done. */
  readOn(): boolean {
    for (let rows = 0; rows < rowsAtOnce; rows += 1) {
      if (this.#next()) continue;
      this.#lookUp();
      return false;
    }
    return true;
  }

  #next(): boolean {
    if (this.#ended) return false;
    const { value: row, done } = this.#rows.next();
    if (done === true) {
      this.#ended = true;
      return false;
    }
    this.scanned += 1;
    const [key, value] = row as readonly unknown[];
    if (!isRow(key, value)) {
      this.#fail(0, `${this.#table}: the row of ${String(key)} holds something else`);
      return true;
    }
    if (this.#recent.size >= mostRecent) {
      this.#older = this.#recent;
      this.#recent = new Map();
    }
    this.#recent.set(key, this.scanned);
    if (this.#waiting.delete(key)) {
      this.matched += 1;
      this.#lastNamed = this.scanned;
    }
    return true;
  }

  /** In order of their keys, as the index has them. */
  #lookUp(): void {
    for (const key of [...this.#waiting.keys()].toSorted()) {
      const row = this.#one.get(key);
      this.lookedUp += 1;
      if (row === undefined)
        this.#fail(this.#waiting.get(key) ?? 0, `no row in ${this.#table} for the value ${key}`);
      else if (!isRow(row["k"], row["v"]))
        this.#fail(this.#waiting.get(key) ?? 0, `${this.#table}: the row of ${key} holds something else`);
      else this.matched += 1;
    }
    this.#waiting.clear();
  }
}

function isRow(key: unknown, value: unknown): key is string {
  if (typeof key !== "string" || typeof value !== "string" || key.length !== keyDigits) return false;
  return key.endsWith(filling) && key.startsWith(hashHex(value));
}
