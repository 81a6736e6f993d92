/**
 * Questions to the databases of a chainstate that nobody writes to. They are asked by a process apart (see
 * `reader-process.ts`): a damaged database can at worst take that one down, and locks of this process stay untouched.
 */
import { ActionError, throwIfAborted } from "../domain/errors.ts";
import { bestEffort } from "../system/best-effort.ts";
import { startCompanion } from "../system/companion.ts";
import { awaitWithin, type TimeLimit } from "../system/deadline.ts";
import { entryPath } from "../system/entry.ts";
import { exchanged } from "../system/held-directory.ts";
import type { ReaderReply, ReaderRequest, Row } from "./reader-process.ts";

/** Asks the database at a path below the mode directory. DatabaseUnreadableError where SQLite cannot answer. */
export type Ask = (database: string, sql: string) => Promise<readonly Row[]>;

/** SQLite cannot read a database, or cannot answer a question to it. */
export class DatabaseUnreadableError extends ActionError {
  override readonly name = "DatabaseUnreadableError";
  readonly database: string;
  /** SQLite's extended result code, https://sqlite.org/rescode.html. */
  readonly sqliteCode: number | null;

  constructor(database: string, message: string, sqliteCode: number | null) {
    super("DATABASE_UNREADABLE", `${database} cannot be read: ${message}.`, {
      hint: "It is damaged, or this user may not read it: see docs/checks.md.",
    });
    this.database = database;
    this.sqliteCode = sqliteCode;
  }
}

export interface DatabaseReader {
  /** Throws DATABASE_TIMEOUT when there is no answer in `timeoutMs`, by default two minutes. */
  readonly ask: (database: string, sql: string, timeoutMs?: number) => Promise<readonly Row[]>;
  /** Folds the WAL of a database into its file; see `fold.ts`. */
  readonly fold: (database: string, timeoutMs: number) => Promise<readonly Row[]>;
  readonly pid: number;
  /** Ends the process. Safe to call twice. */
  end(): Promise<void>;
}

export interface ReaderOptions {
  /** The mode directory, absolute. */
  readonly dir: string;
  readonly signal: AbortSignal;
  /** Runs the reader as another user, where this one may not read the chainstate. */
  readonly elevate?: (argv: readonly string[]) => readonly string[];
}

/** A look-up takes milliseconds; before the first one SQLite reads a WAL of any length once. */
const answerTimeoutMs = 120_000;
/** Between being told and being gone, for a process that cannot be killed from here because it runs as another user. */
const endTimeoutMs = 5_000;

export async function openReader({ dir, signal, elevate }: ReaderOptions): Promise<DatabaseReader> {
  throwIfAborted(signal);
  const argv = readerCommand();
  const waiting = new Map<number, PromiseWithResolvers<ReaderReply>>();
  let lastId = 0;
  let endedHow: string | undefined;
  const companion = await startCompanion(elevate?.(argv) ?? argv, {
    directory: "/",
    onLine: (line) => {
      const reply = JSON.parse(line) as ReaderReply;
      waiting.get(reply.id)?.resolve(reply);
    },
  });
  const ended = companion.ended.then((how) => {
    endedHow = how;
    for (const { reject } of waiting.values()) reject(readerGone(how));
  });
  const end = async (): Promise<void> => {
    companion.hangUp();
    // In the middle of a long statement it does not hear that. It has nothing to lose.
    if (endedHow === undefined) killIfMine(companion.pid);
    // A process that stays a little longer harms nobody, so nobody is told.
    await bestEffort({ warning: () => undefined }, "end the reader", async () => await ended, endTimeoutMs);
  };
  const onAbort = (): void => {
    for (const { reject } of waiting.values()) reject(signal.reason);
    void end();
  };
  signal.addEventListener("abort", onAbort, { once: true });
  type Asked = Pick<ReaderRequest, "sql" | "folds">;
  const send = async (database: string, asked: Asked, timeoutMs: number): Promise<readonly Row[]> => {
    throwIfAborted(signal);
    if (endedHow !== undefined) throw readerGone(endedHow);
    lastId += 1;
    const id = lastId;
    const answer = Promise.withResolvers<ReaderReply>();
    waiting.set(id, answer);
    try {
      const request: ReaderRequest = { id, database: `${dir}/${database}`, ...asked };
      companion.send(JSON.stringify(request));
      const reply = await awaitWithin(limitOf(database, timeoutMs), answer.promise);
      return rowsOf(reply, database, dir);
    } catch (error) {
      throwIfAborted(signal);
      throw error;
    } finally {
      waiting.delete(id);
    }
  };
  return {
    pid: companion.pid,
    ask: async (database, sql, timeoutMs = answerTimeoutMs) => await send(database, { sql }, timeoutMs),
    fold: async (database, timeoutMs) => await send(database, { sql: "", folds: true }, timeoutMs),
    end: async () => {
      signal.removeEventListener("abort", onAbort);
      await end();
    },
  };
}

function rowsOf(reply: ReaderReply, database: string, dir: string): readonly Row[] {
  if ("rows" in reply) return reply.rows;
  if (reply.exchanged === true) throw exchanged(`${dir}/${database}`, reply.message);
  throw new DatabaseUnreadableError(database, reply.message, reply.sqliteCode);
}

function readerCommand(): readonly string[] {
  return [process.execPath, "--disable-warning=ExperimentalWarning", entryPath("chainstate-reader")];
}

/** Not the chainstate's fault, as far as is known: the process was killed, or SQLite broke in it. */
function readerGone(how: string): ActionError {
  return new ActionError("READER_GONE", `The process that reads the databases ${how}.`, {
    hint: "Look for what killed it (memory, a service manager) and try again.",
  });
}

function limitOf(database: string, ms: number): TimeLimit {
  return {
    ms,
    code: "DATABASE_TIMEOUT",
    what: `The answer of ${database}`,
    hint: "The disk is very slow or does not answer at all: look at the kernel's log.",
  };
}

export function killIfMine(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It went by itself between the look and the signal; or it is another user's and hears the hang-up.
  }
}
