/**
 * The process that proves parts of a chainstate, one after the other. It opens databases as the reading process does
 * (`reader-process.ts`), changes nothing, and steps behind everything else that runs: the node, the archive's workers.
 */
import { openSync } from "node:fs";
import type { DatabaseSync } from "node:sqlite";
import { stepBackBestEffort } from "../../system/gentle.ts";
import { fsPath } from "../../system/path-bytes.ts";
import { connect, serveLines } from "../reader-process.ts";
import { type JobReport, type ProofJob, runProofJob } from "./job.ts";
import type { JobAccess } from "./job-access.ts";

export interface ProverRequest {
  readonly id: number;
  /** The mode directory, absolute. */
  readonly dir: string;
  readonly job: ProofJob;
}

export type ProverReply =
  | { readonly id: number; readonly doneBytes: number }
  | { readonly id: number; readonly report: JobReport }
  /** SQLite cannot read a database, or the job cannot be done. */
  | { readonly id: number; readonly message: string; readonly isDatabase: boolean };

/** Behind the archive's workers, which have 10. */
const nice = 15;

export function runProver(): void {
  stepBackBestEffort(nice);
  const connections = new Map<string, DatabaseSync>();
  const files = new Map<string, number>();
  let last: Promise<void> = Promise.resolve();
  serveLines((line) => {
    const request = JSON.parse(line) as ProverRequest;
    last = last.then(() => answer(request, connections, files));
  });
}

async function answer(
  { id, dir, job }: ProverRequest,
  connections: Map<string, DatabaseSync>,
  files: Map<string, number>,
): Promise<void> {
  const access: JobAccess = {
    dir,
    database: (path) => known(connections, `${dir}/${path}`, connect),
    file: (path) => known(files, path, (each) => openSync(fsPath(each), "r")),
    onProgress: (doneBytes) => reply({ id, doneBytes }),
  };
  try {
    reply({ id, report: await runProofJob(job, access) });
  } catch (error) {
    const isDatabase = error instanceof Error && "errcode" in error;
    reply({ id, message: error instanceof Error ? error.message : String(error), isDatabase });
  }
}

function known<T>(map: Map<string, T>, path: string, open: (path: string) => T): T {
  const found = map.get(path) ?? open(path);
  map.set(path, found);
  return found;
}

function reply(line: ProverReply): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}
