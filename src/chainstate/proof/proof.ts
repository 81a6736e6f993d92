/**
 * The chain proves the snapshot: tries are hashed from their own bytes up to the roots that block headers name, values to
 * the keys of their rows, headers to the ids that their children name. Work is cut into jobs for processes that step
 * behind everything else. docs/checks.md says what is proven and what no hash covers.
 */
import { availableParallelism } from "node:os";
import { Limiter } from "../../system/concurrency.ts";
import { failed, notMade, type Outcome, passed } from "../finding.ts";
import type { OnProgress } from "../depth.ts";
import { databases } from "../layout.ts";
import type { ReaderOptions } from "../read-only-database.ts";
import type { BlobFiles } from "../source.ts";
import type { Tips } from "../tips.ts";
import { emptyCounts, type JobReport, type ProofCounts, type ProofJob } from "./job.ts";
import { type BlockName, type MarfPlan, planProof, type ProofPlan, type ProofRange } from "./plan.ts";
import { type Prover, startProver } from "./prover.ts";
import { describeSigners } from "./describe-signers.ts";
import type { SignersJob, SignersReport } from "./signers-job.ts";

/** Changes whenever the proof sees more than before, or sees it otherwise: a proof of another version is not believed. */
export const proofVersion = 2;

export interface ProofOptions {
  readonly tips: Tips;
  readonly range: ProofRange;
  /** For the processes that prove: the directory is read where it lies. */
  readonly access: ReaderOptions;
  /** Absolute path of a `.blobs` file; undefined: it cannot be read from here. */
  readonly placeOf: ((path: string) => string) | undefined;
  readonly blobs: BlobFiles | undefined;
  /** False: only the databases of a snapshot were unpacked, not its epoch-2 block files. */
  readonly hasBlockFiles: boolean;
  /** What is asked of the signers of the last blocks. */
  readonly signers?: Pick<SignersJob, "trusted" | "isTraced">;
  readonly onProgress?: OnProgress;
  readonly cores?: number;
}

export interface ProofResult extends Outcome {
  /** All up to this block is proven, if all before the range was. Absent unless it passed. */
  readonly upTo?: BlockName;
  /** Who signed the last blocks. Absent unless the proof passed. */
  readonly signers?: SignersResult;
}

export interface SignersResult extends Outcome {
  /** Absent where nobody signs blocks, or they could not be looked at. */
  readonly report?: SignersReport;
}

/** Processes at most, and what their caches take together: at mainnet's size they stay below 400 MiB. */
const mostProvers = 2;
const cacheBytes = 96 * 1024 ** 2;
/** Jobs are smaller than this only where that keeps processes from waiting for the last one. */
const jobsPerProver = 4;
const shortestJob = 500;
const failuresSaid = 5;
/** From the tip down: blocks whose signatures are looked at. */
const signedBlocks = 100;

export async function prove(options: ProofOptions): Promise<ProofResult> {
  const plan = await planProof(options.tips, options.range);
  if (typeof plan === "string") return notMade(plan);
  for (const { blobs } of plan.marfs) {
    if (blobs === undefined) continue;
    if (options.placeOf === undefined || (await options.blobs?.sizeOf(blobs)) === undefined)
      return notMade(`${blobs} cannot be read from here`);
  }
  const run = new ProofRun(plan, options);
  try {
    await run.run();
    const result = run.result();
    return result.result === "passed" ? { ...result, signers: await run.signers() } : result;
  } finally {
    await run.end();
  }
}

class ProofRun {
  readonly #plan: ProofPlan;
  readonly #options: ProofOptions;
  readonly #counts: ProofCounts = emptyCounts();
  readonly #failures: string[] = [];
  readonly #blamed = new Set<string>();
  #failureCount = 0;
  readonly #provers: Prover[] = [];
  readonly #idle: Prover[] = [];
  readonly #done = new Map<ProofJob, number>();

  constructor(plan: ProofPlan, options: ProofOptions) {
    this.#plan = plan;
    this.#options = options;
  }

  async run(): Promise<void> {
    const tries = this.#plan.marfs.reduce((sum, { after, upTo }) => sum + upTo - after, 0);
    const cores = this.#options.cores ?? availableParallelism();
    // A second process pays for its start only where there is much to do.
    const count = Math.max(1, Math.min(cores, mostProvers, Math.floor(tries / (2 * shortestJob))));
    const limiter = new Limiter({ count, signal: this.#options.access.signal });
    const jobs: { job: ProofJob; database: string }[] = [];
    for (const marf of this.#plan.marfs) {
      for (const job of await this.#triesJobs(marf, count)) jobs.push({ job, database: marf.database });
      if (marf.name === "index")
        for (const job of this.#blockJobs(marf)) jobs.push({ job, database: marf.database });
    }
    for (const { job, database } of jobs) await limiter.add(() => this.#do(job, database));
    await limiter.drain();
  }

  async #triesJobs(marf: MarfPlan, count: number): Promise<ProofJob[]> {
    const { name, after, upTo } = marf;
    const total = upTo - after;
    if (total <= 0) return [];
    const wanted = count === 1 ? 1 : Math.min(count * jobsPerProver, Math.ceil(total / shortestJob));
    const blobs = marf.blobs === undefined ? null : (this.#options.placeOf?.(marf.blobs) ?? null);
    const starts = Array.from({ length: wanted }, (_, i) => after + Math.floor((total * i) / wanted));
    const rows: number[] = [];
    for (const start of starts) {
      let from = 0;
      if (start > 0) {
        const report = await this.#ask({ kind: "first-row", marf: name, after: start, blobs }, marf.database);
        from = report?.firstRow ?? 0;
      }
      rows.push(Math.max(from, rows.at(-1) ?? 0));
    }
    return starts.map((start, i) => ({
      kind: "tries",
      marf: name,
      after: start,
      upTo: starts[i + 1] ?? upTo,
      blobs,
      rows: { from: rows[i] ?? 0, to: rows[i + 1] ?? null },
      cacheBytes: Math.floor(cacheBytes / count),
    }));
  }

  #blockJobs({ after, upTo }: MarfPlan): ProofJob[] {
    const { hasBlockFiles } = this.#options;
    return [
      { kind: "blocks", after, upTo, hasBlockFiles },
      { kind: "headers", after: this.#plan.after?.id ?? null },
    ];
  }

  async #do(job: ProofJob, database: string): Promise<void> {
    const report = await this.#ask(job, database);
    if (report === undefined) return;
    for (const name of Object.keys(report.counts) as (keyof ProofCounts)[])
      this.#counts[name] += report.counts[name];
    this.#failureCount += report.failureCount;
    if (report.failureCount > 0) this.#blamed.add(job.kind === "blocks" ? databases.nakamoto : database);
    for (const what of report.failures) if (this.#failures.length < failuresSaid) this.#failures.push(what);
  }

  /** Undefined where a database could not be read, which is kept as a failure. */
  async #ask(job: ProofJob, database: string): Promise<JobReport | undefined> {
    const prover = this.#idle.pop() ?? (await this.#start());
    const answer = await prover.prove(job, (doneBytes) => this.#progress(job, doneBytes));
    this.#idle.push(prover);
    if (!("unreadable" in answer)) {
      this.#progress(job, answer.counts.bytes);
      return answer;
    }
    this.#failureCount += 1;
    this.#failures.push(`${database}: ${answer.unreadable}`);
    this.#blamed.add(database);
    return undefined;
  }

  /** Of the last blocks. */
  async signers(): Promise<SignersResult> {
    const { tips, placeOf, signers } = this.#options;
    if ((await tips.tip())?.table !== "nakamoto_block_headers")
      return notMade("the tip is of epoch 2, whose blocks nobody signs");
    const blobs = this.#plan.marfs.find(({ name }) => name === "clarity")?.blobs;
    const job: SignersJob = {
      kind: "signers",
      tip: this.#plan.upTo.id,
      blobs: blobs === undefined ? null : (placeOf?.(blobs) ?? null),
      blocks: signedBlocks,
      trusted: signers?.trusted ?? [],
      isTraced: signers?.isTraced ?? false,
    };
    const prover = this.#idle.pop() ?? (await this.#start());
    const answer = await prover.prove(job, () => undefined);
    if ("unreadable" in answer) return failed(`the signers cannot be read: ${answer.unreadable}`);
    const { failures, failureCount, signers: report } = answer;
    if (failureCount > 0 || report === undefined)
      return failed(saidOf(failures.slice(0, failuresSaid), failureCount), databases.nakamoto);
    return { ...describeSigners(report), report };
  }

  async #start(): Promise<Prover> {
    const prover = await startProver(this.#options.access);
    this.#provers.push(prover);
    return prover;
  }

  #progress(job: ProofJob, doneBytes: number): void {
    if (job.kind !== "tries") return;
    this.#done.set(job, doneBytes);
    const done = [...this.#done.values()].reduce((sum, bytes) => sum + bytes, 0);
    const totalBytes = this.#plan.marfs.reduce((sum, { bytes }) => sum + bytes, 0);
    this.#options.onProgress?.({ doneBytes: Math.min(done, totalBytes), totalBytes });
  }

  async end(): Promise<void> {
    for (const prover of this.#provers) await prover.end();
  }

  result(): ProofResult {
    if (this.#failureCount > 0) {
      return failed(saidOf(this.#failures, this.#failureCount), ...this.#blamed);
    }
    const { upTo, after } = this.#plan;
    const { blocks, tries, values, contracts, filesElsewhere, gapBytes } = this.#counts;
    const since = after === undefined ? "" : ` since block ${number(after.height)}`;
    const unconfirmed = this.#plan.marfs.reduce((sum, marf) => sum + marf.unconfirmed, 0);
    const notes = [
      ...(filesElsewhere > 0
        ? [`${number(filesElsewhere)} epoch-2 block files are not here and were not looked at`]
        : []),
      ...(gapBytes > 0 ? [`${number(gapBytes)} bytes of .blobs between tries belong to none`] : []),
      ...(unconfirmed > 0
        ? [`${number(unconfirmed)} unconfirmed tries are part of no chain and were passed over`]
        : []),
    ];
    const detail =
      `${number(blocks)} blocks, ${number(tries)} tries, ${number(values)} values, ${number(contracts)} contracts${since}: ` +
      `the state is the one that block ${number(upTo.height)} (id ${upTo.id}) commits to`;
    return { ...passed([detail, ...notes].join("; ")), upTo };
  }
}

function saidOf(failures: readonly string[], count: number): string {
  const more = count - failures.length;
  return failures.join("; ") + (more > 0 ? `; and ${more} more` : "");
}

const number = (value: number): string => value.toLocaleString("en-US");
