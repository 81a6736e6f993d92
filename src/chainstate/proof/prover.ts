/** A process that proves, as seen from the one that started it. */
import { ActionError, throwIfAborted } from "../../domain/errors.ts";
import { startCompanion } from "../../system/companion.ts";
import { deadline } from "../../system/deadline.ts";
import { entryPath } from "../../system/entry.ts";
import { killIfMine, type ReaderOptions } from "../read-only-database.ts";
import type { JobReport, ProofJob } from "./job.ts";
import type { ProverReply, ProverRequest } from "./prover-process.ts";

/** Why a job could not be done, where that is the chainstate's fault: SQLite cannot read a database. */
export interface Unreadable {
  readonly unreadable: string;
}

export interface Prover {
  prove(job: ProofJob, onProgress: (doneBytes: number) => void): Promise<JobReport | Unreadable>;
  /** Ends the process. Safe to call twice. */
  end(): Promise<void>;
}

/** Without a word from the process. It says how far it is every second, but in one long statement of SQLite. */
const silenceMs = 3_600_000;
const endTimeoutMs = 5_000;

export async function startProver({ dir, signal, elevate }: ReaderOptions): Promise<Prover> {
  throwIfAborted(signal);
  const argv = [process.execPath, "--disable-warning=ExperimentalWarning", entryPath("chainstate-prover")];
  const waiting = new Map<number, { onReply(reply: ProverReply): void; onGone(how: string): void }>();
  let lastId = 0;
  let endedHow: string | undefined;
  const companion = await startCompanion(elevate?.(argv) ?? argv, {
    directory: "/",
    onLine: (line) => {
      const reply = JSON.parse(line) as ProverReply;
      waiting.get(reply.id)?.onReply(reply);
    },
  });
  const ended = companion.ended.then((how) => {
    endedHow = how;
    for (const each of waiting.values()) each.onGone(how);
  });
  const end = async (): Promise<void> => {
    companion.hangUp();
    if (endedHow === undefined) killIfMine(companion.pid);
    await deadline(
      { ms: endTimeoutMs, code: "CLEAN_UP_TIMEOUT", what: "The end of the process that proves" },
      () => ended,
    ).catch(() => undefined);
  };
  return {
    prove: async (job, onProgress) => {
      if (endedHow !== undefined) throw proverGone(endedHow);
      lastId += 1;
      const id = lastId;
      const limit = { ms: silenceMs, code: "DATABASE_TIMEOUT", what: "The proof", signal } as const;
      try {
        return await deadline(limit, async (_, progressed) => {
          const answer = Promise.withResolvers<JobReport | Unreadable>();
          waiting.set(id, {
            onGone: (how) => answer.reject(proverGone(how)),
            onReply: (reply) => {
              progressed();
              if ("report" in reply) answer.resolve(reply.report);
              else if ("doneBytes" in reply) onProgress(reply.doneBytes);
              else if (reply.isDatabase) answer.resolve({ unreadable: reply.message });
              else answer.reject(new ActionError("UNEXPECTED", `The proof failed: ${reply.message}.`));
            },
          });
          const request: ProverRequest = { id, dir, job };
          companion.send(JSON.stringify(request));
          return await answer.promise;
        });
      } finally {
        waiting.delete(id);
      }
    },
    end,
  };
}

function proverGone(how: string): ActionError {
  return new ActionError("READER_GONE", `The process that proves the chainstate ${how}.`, {
    hint: "Look for what killed it (memory, a service manager) and try again.",
  });
}
