/**
 * This process's end of a keeper: starts it, asks it, and ends it. The keeper goes when this process goes, by whatever
 * way, because the pipe between them is its lifeline (see `keeper-process.ts`).
 */
import { ActionError, throwIfAborted } from "../../domain/errors.ts";
import { awaitWithin } from "../../system/deadline.ts";
import { startCompanion } from "../../system/companion.ts";
import type { Companion } from "../../system/companion.ts";
import { entryPath } from "../../system/entry.ts";
import type { Greeting, KeeperReply, KeeperRequest, Row } from "./keeper-protocol.ts";

/** Recovering a WAL reads all of it. */
const openTimeoutMs = 10 * 60_000;
const answerTimeoutMs = 120_000;
const endTimeoutMs = 10_000;

export interface Keeper {
  /** The process that holds the locks; with `sudo` not the one that was started. */
  readonly pid: number;
  open(databases: readonly string[]): Promise<void>;
  begin(databases: readonly string[]): Promise<void>;
  rollback(databases: readonly string[]): Promise<void>;
  ask(database: string, sql: string): Promise<readonly Row[]>;
  /** Databases that are no longer inside their transaction. */
  lost(): Promise<readonly string[]>;
  /** Resolves with how it ended; never rejects. */
  readonly ended: Promise<string>;
  /** Ends it and waits until it is gone. Safe to call twice. */
  end(): Promise<void>;
}

export interface KeeperOptions {
  readonly signal: AbortSignal;
  /** Prefixes the command with what it takes to become a user who may write the `-shm` files. */
  readonly elevate?: (argv: readonly string[]) => readonly string[];
  /** The script to run; the program's own entry by default. */
  readonly script?: string;
}

interface Waiting {
  readonly resolve: (reply: KeeperReply) => void;
  readonly reject: (error: unknown) => void;
}

export async function startKeeper(options: KeeperOptions): Promise<Keeper> {
  throwIfAborted(options.signal);
  const script = options.script ?? entryPath("sqlite-keeper");
  const argv = [process.execPath, "--disable-warning=ExperimentalWarning", script];
  const waiting: Waiting[] = [];
  const greeting = Promise.withResolvers<Greeting>();
  let greeted = false;
  const companion = await startCompanion(options.elevate?.(argv) ?? argv, {
    directory: "/",
    onLine: (line) => {
      if (greeted) return waiting.shift()?.resolve(JSON.parse(line) as KeeperReply);
      greeted = true;
      greeting.resolve(JSON.parse(line) as Greeting);
    },
  });
  let goneBecause: ActionError | undefined;
  const ended = companion.ended.then((how) => {
    goneBecause = new ActionError("FREEZE_BROKEN", `The keeper process ${how}`);
    for (const each of [greeting, ...waiting.splice(0)]) each.reject(goneBecause);
    return how;
  });
  const request = async (message: KeeperRequest, timeoutMs = answerTimeoutMs): Promise<KeeperReply> => {
    if (goneBecause !== undefined) throw goneBecause;
    const answer = Promise.withResolvers<KeeperReply>();
    waiting.push(answer);
    companion.send(JSON.stringify(message));
    const reply = await within(answer.promise, timeoutMs, options.signal, `answer to "${message.do}"`);
    if (reply.ok) return reply;
    throw new ActionError("FREEZE_FAILED", `The keeper could not ${message.do}: ${reply.message}.`);
  };
  const end = async (pid: number | undefined): Promise<void> => {
    // Once it has ended its pid may be another process's.
    if (goneBecause === undefined) endByForce(companion, pid);
    await within(ended, endTimeoutMs, undefined, "end");
  };

  let pid: number;
  try {
    ({ pid } = await within(greeting.promise, answerTimeoutMs, options.signal, "greeting"));
  } catch (error) {
    await end(undefined).catch(() => undefined);
    throw error;
  }
  return {
    pid,
    open: async (databases) => void (await request({ do: "open", databases }, openTimeoutMs)),
    begin: async (databases) => void (await request({ do: "begin", databases })),
    rollback: async (databases) => void (await request({ do: "rollback", databases })),
    ask: async (database, sql) => {
      const reply = await request({ do: "ask", database, sql }, openTimeoutMs);
      return reply.ok ? (reply.rows ?? []) : [];
    },
    lost: async () => {
      const reply = await request({ do: "lost" });
      return reply.ok ? (reply.lost ?? []) : [];
    },
    ended,
    end: () => end(pid),
  };
}

/** SIGKILL, so that no connection is closed in an orderly way; a keeper of another user goes when its stdin ends. */
function endByForce(companion: Companion, keeperPid: number | undefined): void {
  companion.hangUp();
  for (const pid of new Set([companion.pid, keeperPid])) {
    if (pid === undefined) continue;
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // It has ended already, or is another user's and ends by the closed pipe; `ended` is awaited either way.
    }
  }
}

/** `what` of the keeper comes in time, or FREEZE_FAILED. */
async function within<T>(
  work: Promise<T>,
  ms: number,
  signal: AbortSignal | undefined,
  what: string,
): Promise<T> {
  const limit = { ms, code: "FREEZE_FAILED", what: `The keeper process's ${what}` } as const;
  return await awaitWithin({ ...limit, ...(signal === undefined ? {} : { signal }) }, work);
}
