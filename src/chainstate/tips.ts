/**
 * Where each database of a chainstate stands: the questions behind the checks. Each is a look-up by an index or by
 * rowid. Where a table has no index for it, the newest `window` rows are looked at: rows are added in the order in
 * which blocks are processed, so the newest block is among them.
 */
import { BurnFork, type RecordedTip, type Standing } from "./canonical-tip.ts";
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
  /** Of the tenure's sortition. */
  readonly consensusHash: string;
  /** Of the highest sortition that its maker knew: a tenure goes on over later Bitcoin blocks, which may be orphaned. */
  readonly burnView: string;
  readonly parentId: string;
  /** Root hashes of the block's tries in the index MARF and in the Clarity MARF. */
  readonly indexRoot: string;
  readonly stateRoot: string;
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

  /** The headers of the greatest height, on whatever fork; several where forks end at the same. Empty: there is none. */
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
            `SELECT ${headerColumns(schema, table)} FROM ${table}
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

  /**
   * C: the header of the tip that the node chooses. Where the sortition database is behind the headers, or does not say,
   * that of the highest block.
   */
  tip(): Promise<Header | undefined> {
    return this.#once("tip", async () => {
      const highest = await this.highestHeaders();
      const recorded = await this.recordedTip();
      const chosen = recorded === undefined ? undefined : await this.#headerOf(recorded);
      if (chosen !== undefined && (await this.#isHighest(chosen, highest[0]))) return chosen;
      if (highest.length < 2) return highest[0];
      const state = await this.lastTrie(databases.index);
      return highest.find((header) => header.id === state) ?? highest[0];
    });
  }

  async #isHighest(header: Header, highest: Header | undefined): Promise<boolean> {
    if (highest === undefined || highest.height <= header.height) return true;
    return (await this.standingOf(highest.burnView)) === "orphaned";
  }

  /** How many of the newest headers are higher than this. */
  async headersAbove(height: number): Promise<number> {
    const [highest] = await this.highestHeaders();
    if (highest === undefined || highest.height <= height) return 0;
    const recent = `SELECT block_height FROM ${highest.table} ORDER BY rowid DESC LIMIT ${window}`;
    const sql = `SELECT COUNT(*) AS n FROM (${recent}) WHERE block_height > ${height}`;
    return numberOf(await this.#one(databases.index, sql), "n") ?? 0;
  }

  async hasTrie(database: string, id: string): Promise<boolean> {
    const sql = `SELECT 1 AS found FROM marf_data WHERE block_hash = ${hexLiteral(id)} AND unconfirmed = 0 LIMIT 1`;
    return (await this.#one(database, sql)) !== undefined;
  }

  async header(id: string): Promise<Header | undefined> {
    const schema = await this.schema(databases.index);
    for (const table of ["nakamoto_block_headers", "block_headers"] as const) {
      if (!schema.has(table)) continue;
      const where = `WHERE index_block_hash = ${hexLiteral(id)} LIMIT 1`;
      const row = await this.#one(
        databases.index,
        `SELECT ${headerColumns(schema, table)} FROM ${table} ${where}`,
      );
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

  /** E: the Stacks tip as the sortition database records it. Undefined: it is not there, or its schema does not say. */
  recordedTip(): Promise<RecordedTip | undefined> {
    return this.#once("recorded", async () => {
      if (!this.source.has(databases.sortition)) return undefined;
      return await (await this.#burnFork()).recordedTip(await this.isNakamoto());
    });
  }

  /** Whether a sortition is of the burn chain that the node follows. */
  async standingOf(consensusHash: string): Promise<Standing> {
    return await (await this.#burnFork()).standingOf(consensusHash);
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

  async #headerOf({ consensusHash, blockHash }: RecordedTip): Promise<Header | undefined> {
    const schema = await this.schema(databases.index);
    for (const table of ["nakamoto_block_headers", "block_headers"] as const) {
      if (!schema.has(table)) continue;
      const where = `WHERE consensus_hash = ${hexLiteral(consensusHash)} AND block_hash = ${hexLiteral(blockHash)} LIMIT 1`;
      const row = await this.#one(
        databases.index,
        `SELECT ${headerColumns(schema, table)} FROM ${table} ${where}`,
      );
      if (row !== undefined) return toHeader(row, table);
    }
    return undefined;
  }

  async #burnFork(): Promise<BurnFork> {
    return new BurnFork(this.source, await this.schema(databases.sortition));
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

/** Columns of a header; those that older schemas lack come by another's value. */
function headerColumns(schema: Schema, table: Header["table"]): string {
  const burnView = schema.has(table, "burn_view") ? "burn_view" : "consensus_hash AS burn_view";
  return `block_height AS height, index_block_hash AS id, block_hash, consensus_hash, ${burnView}, parent_block_id,
    index_root, state_index_root`;
}

function toHeader(row: Row, table: Header["table"]): Header {
  return {
    table,
    height: Number(row["height"]),
    id: String(row["id"]),
    blockHash: String(row["block_hash"]),
    consensusHash: String(row["consensus_hash"]),
    burnView: String(row["burn_view"] ?? row["consensus_hash"]),
    parentId: String(row["parent_block_id"]),
    indexRoot: String(row["index_root"]),
    stateRoot: String(row["state_index_root"]),
  };
}
