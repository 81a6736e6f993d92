/**
 * One look at a chainstate that nobody writes to: facts, checks, databases. Reads only, changes not a byte. For
 * commands: before an archive is written, on what was restored before it is swapped in, and for `verify`.
 */
import type { ChainFacts, CheckResult, ProofRecord } from "../domain/manifest.ts";
import { ActionError, throwIfAborted } from "../domain/errors.ts";
import { runChecks } from "./checks.ts";
import type { Finding } from "./finding.ts";
import { checkBlobRecords, checkPages, type OnProgress } from "./depth.ts";
import { factsOf } from "./facts.ts";
import { findDatabases, type FoundDatabase } from "./find-databases.ts";
import { databases, essentialDatabases } from "./layout.ts";
import { type Ask, openReader } from "./read-only-database.ts";
import { type BlobFiles, blobsOf } from "./source.ts";
import type { ProofRange } from "./proof/plan.ts";
import { type ProofOptions, proofVersion, prove, type ProofResult } from "./proof/proof.ts";
import type { SignersReport } from "./proof/signers-job.ts";
import { Tips } from "./tips.ts";

export { compareWithRpc } from "./compare-rpc.ts";

/**
 * `tips`: the checks A to H. `quick`: SQLite's `quick_check` too, and the proof of the last blocks. `proof`: the proof of
 * what was not proven before. `full`: SQLite's `integrity_check`, and the proof of everything. `none`: facts alone.
 */
export type CheckDepth = "tips" | "quick" | "proof" | "full" | "none";

export interface InspectOptions {
  /** The mode directory, absolute. */
  readonly dir: string;
  readonly depth: CheckDepth;
  readonly signal: AbortSignal;
  readonly onProgress?: OnProgress;
  /**
   * Where `.blobs` are looked at; default: in `dir`. A snapshot that is not unpacked whole gives their sizes, and their
   * contents where it can.
   */
  readonly blobs?: BlobFiles;
  /** `.blobs` that are read elsewhere than in `dir`, by their path in it: where the links of a snapshot lead to the running node's. */
  readonly elsewhere?: ReadonlyMap<string, string> | undefined;
  /** The name of the network, where the directory's own is another (a staging directory). */
  readonly network?: string;
  /** Runs the reading process as another user. */
  readonly elevate?: (argv: readonly string[]) => readonly string[];
  /** What was proven before of this chainstate: depth `proof` proves what came after. */
  readonly proven?: ProofRecord | undefined;
  /** False: the directory holds the databases of a snapshot, not its epoch-2 block files. */
  readonly hasBlockFiles?: boolean;
  /** What is asked of the signers of the last blocks of such a chain, with depths that prove. */
  readonly signers?: AskSigners;
}

export type AskSigners = (facts: ChainFacts) => Promise<NonNullable<ProofOptions["signers"]>>;

export interface Inspection {
  readonly dir: string;
  readonly facts: ChainFacts;
  /** Empty with depth `none`. */
  readonly checks: readonly CheckResult[];
  readonly databases: readonly FoundDatabase[];
  /** Databases that failed checks put the blame on, without repetition. */
  readonly blamed: readonly string[];
  /** All up to there is proven, by this look and those before it. */
  readonly proof?: ProofRecord;
  /** Who signed the last blocks, with depths that prove; absent where nobody did, or it is not known. */
  readonly signers?: SignersReport;
}

/** CHAINSTATE_NOT_FOUND where there is no directory; everything that is wrong inside it is in the result. */
export async function inspectChainstate(options: InspectOptions): Promise<Inspection> {
  const { dir, depth, signal } = options;
  const found = await findDatabases(dir, signal);
  const usable = new Set(
    found.databases.filter((each) => each.damage === undefined).map((each) => each.path),
  );
  const open = { dir, signal, ...(options.elevate === undefined ? {} : { elevate: options.elevate }) };
  const ownBlobs = blobsOf(dir, options.elsewhere);
  const reader = await openReader(open);
  try {
    const tips = new Tips({
      ask: reader.ask,
      has: (path) => usable.has(path),
      blobs: options.blobs ?? ownBlobs,
    });
    const findings: Finding[] = [];
    if (depth !== "none") {
      findings.push(filesFinding(found.problems, found.databases.length), ...(await runChecks(tips)));
    }
    if (depth === "quick" || depth === "full") {
      const progress = options.onProgress === undefined ? {} : { onProgress: options.onProgress };
      const pages = {
        depth,
        databases: found.databases,
        openReader: () => openReader(open),
        signal,
        ...progress,
      };
      findings.push({ id: "integrity", ...(await checkPages(pages)) });
    }
    const ownFacts = await factsOf(tips, dir, found.hasPruningManifest);
    const facts = options.network === undefined ? ownFacts : { ...ownFacts, network: options.network };
    // Records and blocks are told apart by tables that the checks before have found in order.
    const isSound = findings.every(({ result }) => result !== "failed");
    const isProven = depth !== "none" && depth !== "tips" && isSound;
    const { findings: more, ...proven } = isProven
      ? await findProof(tips, options, ownBlobs, facts)
      : { findings: [] };
    findings.push(...more);
    return {
      dir,
      facts,
      checks: findings.map(({ id, result, detail }) => ({ id, result, detail })),
      databases: found.databases,
      blamed: [...new Set(findings.flatMap((finding) => finding.databases))],
      ...proven,
    };
  } catch (error) {
    throwIfAborted(signal);
    throw error;
  } finally {
    await reader.end();
    await ownBlobs.close();
  }
}

/** Blocks that `quick` proves. */
const lastBlocks = 100;

/** What the proof adds to an inspection. */
async function findProof(
  tips: Tips,
  options: InspectOptions,
  ownBlobs: ReturnType<typeof blobsOf>,
  facts: ChainFacts,
): Promise<Pick<Inspection, "proof" | "signers"> & { readonly findings: readonly Finding[] }> {
  const { depth, signal, onProgress } = options;
  const { upTo, signers, ...outcome } = await proveChainstate(tips, options, ownBlobs, facts);
  const findings: Finding[] = [{ id: "proof", ...outcome }];
  if (signers !== undefined) {
    const { result, detail, databases } = signers;
    findings.push({ id: "signers", result, detail, databases });
  }
  // What cannot be proven (a pruned chainstate) can still be read to its end.
  if (depth === "full" && outcome.result === "not-made")
    findings.push({ id: "blobs", ...(await checkBlobRecords(tips, signal, onProgress)) });
  return {
    findings,
    ...(upTo !== undefined && depth !== "quick" ? { proof: { upTo, version: proofVersion } } : {}),
    ...(signers?.report === undefined ? {} : { signers: signers.report }),
  };
}

async function proveChainstate(
  tips: Tips,
  options: InspectOptions,
  ownBlobs: ReturnType<typeof blobsOf>,
  facts: ChainFacts,
): Promise<ProofResult> {
  const { dir, depth, signal, elsewhere, proven, hasBlockFiles = true } = options;
  // Contents that are read through a snapshot's index have no path that another process could open.
  const isHere = options.blobs === undefined;
  let range: ProofRange = { kind: "all" };
  if (depth === "quick") range = { kind: "last", blocks: lastBlocks };
  else if (depth === "proof" && proven?.version === proofVersion) range = { kind: "after", ...proven.upTo };
  return await prove({
    tips,
    range,
    access: { dir, signal, ...(options.elevate === undefined ? {} : { elevate: options.elevate }) },
    placeOf: isHere ? (path) => elsewhere?.get(path) ?? `${dir}/${path}` : undefined,
    blobs: ownBlobs,
    hasBlockFiles,
    ...(options.signers === undefined ? {} : { signers: await options.signers(facts) }),
    ...(options.onProgress === undefined ? {} : { onProgress: options.onProgress }),
  });
}

/**
 * The same for a moment that is frozen and can be asked, depth `tips`: what a `live` cut has instead of files that
 * could be opened. `.blobs` are append-only, so those of the running node in `dir` hold the moment's tries too.
 */
export async function inspectFrozen(ask: Ask, dir: string): Promise<Inspection> {
  const present = new Set<string>();
  for (const path of Object.values(databases)) {
    const answers = await ask(path, "SELECT 1 AS found").then(
      () => true,
      () => false,
    );
    if (answers) present.add(path);
  }
  const blobs = blobsOf(dir);
  try {
    const tips = new Tips({ ask, has: (path) => present.has(path), blobs });
    const missing = essentialDatabases.filter((path) => !present.has(path));
    const problems = missing.map((database) => ({ database, detail: `${database} cannot be asked` }));
    const findings = [filesFinding(problems, present.size), ...(await runChecks(tips))];
    return {
      dir,
      facts: await factsOf(tips, dir, false),
      checks: findings.map(({ id, result, detail }) => ({ id, result, detail })),
      databases: [],
      blamed: [...new Set(findings.flatMap((finding) => finding.databases))],
    };
  } finally {
    await blobs.close();
  }
}

/**
 * Facts of a chainstate that a node may be running on, for guards: network, schemas, pruned or not. They are read
 * without locks, so they count when two looks agree; height and tip are those of some recent moment.
 */
export async function readFacts(dir: string, signal: AbortSignal): Promise<ChainFacts> {
  const still = ({ network, mainnet, chainId, schemas, pruned }: ChainFacts): string =>
    JSON.stringify({ network, mainnet, chainId, schemas, pruned });
  let last = (await inspectChainstate({ dir, depth: "none", signal })).facts;
  for (let look = 1; look < factsLooks; look += 1) {
    const next = (await inspectChainstate({ dir, depth: "none", signal })).facts;
    if (still(next) === still(last)) return next;
    last = next;
  }
  return last;
}

const factsLooks = 5;

function filesFinding(
  problems: readonly { readonly database: string; readonly detail: string }[],
  count: number,
): Finding {
  if (problems.length === 0)
    return { id: "files", result: "passed", detail: `${count} databases are there`, databases: [] };
  return {
    id: "files",
    result: "failed",
    detail: problems.map((problem) => problem.detail).join("; "),
    databases: problems.map((problem) => problem.database),
  };
}

/** The databases of a chainstate do not tell of one moment, or one of them is damaged. */
export class ChainstateInconsistentError extends ActionError {
  override readonly name = "ChainstateInconsistentError";
  readonly checks: readonly CheckResult[];
  readonly databases: readonly string[];

  constructor(inspection: Inspection) {
    const failures = inspection.checks.filter((check) => check.result === "failed");
    const said = failures.map((check) => `${check.id}: ${check.detail}`).join("; ");
    super(
      "CHAINSTATE_INCONSISTENT",
      `The chainstate in ${inspection.dir} is not one consistent state. ${said}.`,
      {
        hint:
          `A node will panic on it or stall later, so nothing is published from it and it is not put in place. If the node still runs on it, ` +
          `start and stop it gracefully once and try again; else restore ${inspection.blamed.join(", ")} together with all the others ` +
          `from a snapshot. docs/checks.md says what each check means.`,
      },
    );
    this.checks = inspection.checks;
    this.databases = inspection.blamed;
  }
}

/** Throws ChainstateInconsistentError when a check failed. Checks that could not be made do not fail. */
export function assertConsistent(inspection: Inspection): void {
  if (inspection.checks.some((check) => check.result === "failed"))
    throw new ChainstateInconsistentError(inspection);
}
