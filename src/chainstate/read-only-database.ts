/**
 * Questions to the databases of a chainstate that nobody writes to. They are asked by a process apart (see
 * `reader-process.ts`): a damaged database can at worst take that one down, and locks of this process stay untouched.
 */
import { ActionError, throwIfAborted } from "../errors.ts";
import { type Companion, startCompanion } from "../system/companion.ts";
import { entryPath } from "../system/entry.ts";
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
  readonly ask: Ask;
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

export async function openReader({ dir, signal, elevate }: ReaderOptions): Promise<DatabaseReader> {
  throwIfAborted(signal);
  const argv = [process.execPath, "--disable-warning=ExperimentalWarning", entryPath("chainstate-reader")];
  const waiting = new Map<number, { readonly database: string; settle: (reply: ReaderReply) => void }>();
  let lastId = 0;
  let endedHow: string | undefined;
  const companion: Companion = await startCompanion(elevate?.(argv) ?? argv, {
    directory: "/",
    onLine: (line) => {
      const reply = JSON.parse(line) as ReaderReply;
      waiting.get(reply.id)?.settle(reply);
      waiting.delete(reply.id);
    },
  });
  const ended = companion.ended.then((how) => {
    endedHow = how;
    for (const [id, { settle }] of waiting)
      settle({ id, message: `the process that read it ${how}`, sqliteCode: null });
    waiting.clear();
  });
  const end = async (): Promise<void> => {
    companion.hangUp();
    // In the middle of a long statement it does not hear that. It has nothing to lose.
    if (endedHow === undefined) kill(companion.pid);
    await ended;
  };
  const onAbort = (): void => void end();
  signal.addEventListener("abort", onAbort, { once: true });
  return {
    pid: companion.pid,
    ask: async (database, sql) => {
      throwIfAborted(signal);
      const reply = await new Promise<ReaderReply>((settle) => {
        lastId += 1;
        if (endedHow !== undefined) {
          settle({ id: lastId, message: `the process that read it ${endedHow}`, sqliteCode: null });
          return;
        }
        waiting.set(lastId, { database, settle });
        const request: ReaderRequest = { id: lastId, database: `${dir}/${database}`, sql };
        companion.send(JSON.stringify(request));
      });
      throwIfAborted(signal);
      if ("rows" in reply) return reply.rows;
      throw new DatabaseUnreadableError(database, reply.message, reply.sqliteCode);
    },
    end: async () => {
      signal.removeEventListener("abort", onAbort);
      await end();
    },
  };
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It went by itself between the look and the signal; or it is another user's and hears the hang-up.
  }
}
