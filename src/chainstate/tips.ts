/**
 * Where each database of a chainstate stands: the questions behind the checks. Each is a look-up by an index or by
 * rowid. Where a table has no index for it, the newest `window` rows are looked at: rows are added in the order in
 * which blocks are processed, so the newest block is among them.
 */
import { databases } from "./layout.ts";
import { type ChainSource, hexLiteral, numberOf, Schema, textOf } from "./source.ts";
import type { Row } from "./reader-process.ts";

const window = 1000;

export interface Header {
  readonly table: "nakamoto_block_headers" | "block_headers";
  readonly height: number;
  /** Index block hash. */
  readonly id: string;
  readonly blockHash: string;
  readonly consensusHash: string;
  readonly parentId: string;
  /** Root hashes of the block's tries in the index MARF and in the Clarity MARF. */
  readonly indexRoot: string;
  readonly stateRoot: string;
}

export interface RecordedTip {
  readonly height: number;
  /** The table and column it was read from. */
  readonly from: string;
}

/** Asks on demand and remembers, so that a database that cannot be read spoils only the checks that need it. */
export class Tips {
  readonly source: ChainSource;
  readonly #remembered = new Map<string, Promise<unknown>>();

  constructor(source: ChainSource) {
    this.source = source;
  }

  schema(database: string): Promise<Schema> {
    return this.#once(`schema ${database}`, () => Schema.of(this.source, database));
  }

  /** A and B: the last confirmed trie of a MARF. Undefined: it has none. */
  lastTrie(database: string): Promise<string | undefined> {
    return this.#once(`trie ${database}`, async () => {
      const row = await this.#one(
        database,
        "SELECT block_hash FROM marf_data WHERE unconfirmed = 0 ORDER BY block_id DESC LIMIT 1",
      );
      return textOf(row, "block_hash");
    });
  }

  /** C: the headers of the greatest height, several where forks end at the same. Empty: there is no header. */
  highestHeaders(): Promise<readonly Header[]> {
    return this.#once("headers", async () => {
      const schema = await this.schema(databases.index);
      for (const table of ["nakamoto_block_headers", "block_headers"] as const) {
        if (!schema.has(table)) continue;
        const orders = ["rowid"];
        // Whatever rewrote the table in another order has kept this index.
        if (schema.hasIndex(table, "burn_header_height")) orders.push("burn_header_height");
        const found = new Map<string, Header>();
        for (const order of orders) {
          const rows = await this.source.ask(
            databases.index,
            `SELECT ${headerColumns} FROM ${table}
             WHERE rowid IN (SELECT rowid FROM ${table} ORDER BY ${order} DESC LIMIT ${window})
             ORDER BY block_height DESC LIMIT 8`,
          );
          for (const row of rows) found.set(String(row["id"]), toHeader(row, table));
        }
        const highest = Math.max(...[...found.values()].map((header) => header.height));
        if (found.size > 0) return [...found.values()].filter((header) => header.height === highest);
      }
      return [];
    });
  }

  /** C, the one that the state stands at where there are several. */
  async tip(): Promise<Header | undefined> {
    const highest = await this.highestHeaders();
    if (highest.length < 2) return highest[0];
    const state = await this.lastTrie(databases.index);
    return highest.find((header) => header.id === state) ?? highest[0];
  }

  async header(id: string): Promise<Header | undefined> {
    const schema = await this.schema(databases.index);
    for (const table of ["nakamoto_block_headers", "block_headers"] as const) {
      if (!schema.has(table)) continue;
      const where = `WHERE index_block_hash = ${hexLiteral(id)} LIMIT 1`;
      const row = await this.#one(databases.index, `SELECT ${headerColumns} FROM ${table} ${where}`);
      if (row !== undefined) return toHeader(row, table);
    }
    return undefined;
  }

  /** D: the greatest height of a staged block that was processed. Undefined: none was, or there is no such database. */
  processedHeight(): Promise<number | undefined> {
    return this.#once("processed", async () => {
      if (!this.source.has(databases.nakamoto)) return undefined;
      const schema = await this.schema(databases.nakamoto);
      const table = "nakamoto_staging_blocks";
      if (!schema.has(table)) return undefined;
      if (!schema.hasIndex(table, "burn_attachable", "orphaned", "processed", "height")) {
        const recent = `SELECT height, processed FROM ${table} ORDER BY rowid DESC LIMIT ${window}`;
        const sql = `SELECT MAX(height) AS height FROM (${recent}) WHERE processed = 1`;
        return numberOf(await this.#one(databases.nakamoto, sql), "height");
      }
      // The index leads with two flags: one look-up for each of their values.
      const lookUps = [0, 1].flatMap((attachable) =>
        [0, 1].map(
          (orphaned) =>
            `SELECT MAX(height) AS height FROM ${table}
             WHERE burn_attachable = ${attachable} AND orphaned = ${orphaned} AND processed = 1`,
        ),
      );
      const sql = `SELECT MAX(height) AS height FROM (${lookUps.join(" UNION ALL ")})`;
      return numberOf(await this.#one(databases.nakamoto, sql), "height");
    });
  }

  async isProcessed(id: string): Promise<boolean> {
    const sql = `SELECT processed FROM nakamoto_staging_blocks WHERE index_block_hash = ${hexLiteral(id)} LIMIT 1`;
    return numberOf(await this.#one(databases.nakamoto, sql), "processed") === 1;
  }

  /** E: the Stacks tip as the sortition database records it. Undefined: this schema does not say. */
  recordedTip(isNakamoto: boolean): Promise<RecordedTip | undefined> {
    return this.#once("recorded", async () => {
      const schema = await this.schema(databases.sortition);
      for (const table of ["stacks_chain_tips_by_burn_view", "stacks_chain_tips"]) {
        if (!schema.has(table)) continue;
        // A tip that moves is a row replaced: it gets a new rowid.
        const recent = `SELECT block_height FROM ${table} ORDER BY rowid DESC LIMIT ${window}`;
        const sql = `SELECT MAX(block_height) AS height FROM (${recent})`;
        const height = numberOf(await this.#one(databases.sortition, sql), "height");
        return height === undefined ? undefined : { height, from: table };
      }
      if (isNakamoto) return undefined;
      const recent = `SELECT canonical_stacks_tip_height AS height FROM snapshots WHERE pox_valid = 1
                      ORDER BY block_height DESC LIMIT ${window}`;
      const row = await this.#one(databases.sortition, `SELECT MAX(height) AS height FROM (${recent})`);
      const height = numberOf(row, "height");
      return height === undefined ? undefined : { height, from: "snapshots" };
    });
  }

  /** Whether the sortition database knows the tenure. */
  async knowsTenure(consensusHash: string): Promise<boolean> {
    const sql = `SELECT 1 AS found FROM snapshots WHERE consensus_hash = ${hexLiteral(consensusHash)} LIMIT 1`;
    return (await this.#one(databases.sortition, sql)) !== undefined;
  }

  burnHeight(): Promise<number | undefined> {
    return this.#once("burn height", async () => {
      const sql = "SELECT MAX(block_height) AS height FROM snapshots WHERE pox_valid = 1";
      return numberOf(await this.#one(databases.sortition, sql), "height");
    });
  }

  /** The newest burn blocks that the sortition database has evaluated, highest first. */
  recentBurnBlocks(): Promise<readonly { readonly height: number; readonly hash: string }[]> {
    return this.#once("burn blocks", async () => {
      const rows = await this.source.ask(
        databases.sortition,
        `SELECT block_height AS height, burn_header_hash AS hash FROM snapshots WHERE pox_valid = 1
         ORDER BY block_height DESC LIMIT ${reorgDepth}`,
      );
      return rows.map((row) => ({ height: Number(row["height"]), hash: String(row["hash"]) }));
    });
  }

  /** Nakamoto has begun when either of the databases that hold its blocks says so: the other may have lost them. */
  async isNakamoto(): Promise<boolean> {
    const [tip] = await this.highestHeaders();
    return tip?.table === "nakamoto_block_headers" || (await this.processedHeight()) !== undefined;
  }

  async #one(database: string, sql: string): Promise<Row | undefined> {
    return (await this.source.ask(database, sql))[0];
  }

  #once<T>(key: string, work: () => Promise<T>): Promise<T> {
    const known = this.#remembered.get(key) as Promise<T> | undefined;
    if (known !== undefined) return known;
    const fresh = work();
    // Whoever asked hears of a failure; remembering it must not make it an unhandled one.
    fresh.catch(() => undefined);
    this.#remembered.set(key, fresh);
    return fresh;
  }
}

/** Burn chains are reorganised by a few blocks, never by a day. */
export const reorgDepth = 144;

const headerColumns = `block_height AS height, index_block_hash AS id, block_hash, consensus_hash, parent_block_id,
  index_root, state_index_root`;

function toHeader(row: Row, table: Header["table"]): Header {
  return {
    table,
    height: Number(row["height"]),
    id: String(row["id"]),
    blockHash: String(row["block_hash"]),
    consensusHash: String(row["consensus_hash"]),
    parentId: String(row["parent_block_id"]),
    indexRoot: String(row["index_root"]),
    stateRoot: String(row["state_index_root"]),
  };
}
