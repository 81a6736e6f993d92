/**
 * What a running node has still to do: Bitcoin blocks that it knows and has not evaluated, and events that its observers
 * have not taken. In the middle of the first a stop makes it abort itself; with the second it does not end when told to.
 *
 * The databases are read while the node writes to them, without locks, so one answer may be torn: what cannot be read is
 * unknown, and callers look more than once.
 */
import { lstat } from "node:fs/promises";
import { join } from "node:path";
import { ActionError, hasCode, throwIfAborted } from "../domain/errors.ts";
import { databases } from "./layout.ts";
import { type DatabaseReader, openReader } from "./read-only-database.ts";
import { numberOf } from "./source.ts";

export interface Backlog {
  /** How far the sortitions are behind the known Bitcoin blocks. Undefined: it cannot be read. */
  readonly burnBlocks: number | undefined;
  /** When the oldest event was made that no observer has taken, in ms since 1970; "none". Undefined: it cannot be read. */
  readonly oldestEventMs: number | "none" | undefined;
}

/** In the working directory, which is one above the mode directory. */
const observersDatabase = "../event_observers.sqlite";

export interface BacklogOptions {
  /** The mode directory, absolute. */
  readonly dir: string;
  readonly signal: AbortSignal;
  readonly elevate?: (argv: readonly string[]) => readonly string[];
}

export async function readBacklog({ dir, ...open }: BacklogOptions): Promise<Backlog> {
  // A process for each look: what it has opened stays as it was then.
  const reader = await openReader({ dir, ...open });
  const { signal } = open;
  try {
    return {
      burnBlocks: await unlessUnreadable(signal, async () => await burnBlocks(reader, signal)),
      oldestEventMs: (await isAbsent(join(dir, observersDatabase)))
        ? "none"
        : await unlessUnreadable(signal, async () => await oldestEvent(reader)),
    };
  } finally {
    await reader.end();
  }
}

/** One that may not be looked at is not absent. */
async function isAbsent(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return false;
  } catch (error) {
    return hasCode(error, "ENOENT");
  }
}

/**
 * A node fetches all headers first, and then the blocks of one reward cycle at a time: between two of them all that it
 * has fetched is evaluated, and it is still catching up.
 */
async function burnBlocks(reader: DatabaseReader, signal: AbortSignal): Promise<number | undefined> {
  const highest = async (database: string, column: string, table: string): Promise<number | undefined> =>
    await number(reader, database, `SELECT MAX(${column}) AS n FROM ${table}`);
  const fetched = await highest(databases.burnchain, "block_height", "burnchain_db_block_headers");
  const evaluated = await highest(databases.sortition, "block_height", "snapshots WHERE pox_valid = 1");
  if (fetched === undefined || evaluated === undefined) return undefined;
  // Made anew when it is not there.
  const announced = await unlessUnreadable(
    signal,
    async () => await highest(databases.headers, "height", "headers"),
  );
  return Math.max(0, fetched - evaluated, (announced ?? 0) - evaluated);
}

async function oldestEvent(reader: DatabaseReader): Promise<number | "none" | undefined> {
  const count = async (sql: string): Promise<number> =>
    (await number(reader, observersDatabase, `SELECT COUNT(*) AS n FROM ${sql}`)) ?? 0;
  if ((await count("sqlite_schema WHERE name = 'pending_payloads'")) === 0) return "none";
  // Older releases write no times.
  if ((await count("pragma_table_info('pending_payloads') WHERE name = 'timestamp'")) === 0) return undefined;
  const oldest = "SELECT MIN(timestamp) AS n FROM pending_payloads";
  const seconds = await number(reader, observersDatabase, oldest);
  return seconds === undefined ? "none" : seconds * 1000;
}

async function number(reader: DatabaseReader, database: string, sql: string): Promise<number | undefined> {
  return numberOf((await reader.ask(database, sql, answerMs))[0], "n");
}

/** A look in between: one that takes longer than this is no look. */
const answerMs = 10_000;

/** A page that changes under the reader may take it down, and a file that is no database may keep it waiting. */
async function unlessUnreadable<T>(signal: AbortSignal, look: () => Promise<T>): Promise<T | undefined> {
  try {
    return await look();
  } catch (error) {
    throwIfAborted(signal);
    if (error instanceof ActionError) return undefined;
    throw error;
  }
}
