/**
 * The checks A to H: do the databases of a chainstate tell of one moment? A node commits a block to them one after the
 * other, so damage and unclean stops show as databases that stand at different blocks, while each is sound in itself.
 * docs/checks.md says to operators what each verifies and what it cannot.
 */
import { checkBlobs } from "./check-blobs.ts";
import { failed, type Finding, notMade, type Outcome, passed } from "./finding.ts";
import { databases } from "./layout.ts";
import { DatabaseUnreadableError } from "./read-only-database.ts";
import { type ChainSource, numberOf, textOf } from "./source.ts";
import { type Header, reorgDepth, Tips } from "./tips.ts";

interface Check {
  readonly id: string;
  /** Databases without which it cannot be made; that they are missing is said elsewhere. */
  readonly needs: readonly string[];
  run(tips: Tips): Promise<Outcome>;
}

/** Blocks between the state and the highest header, at most, when a fork is told from damage. */
const ancestorLimit = 1000;

const { clarity, index, nakamoto, sortition, burnchain, headers } = databases;

/** Those that need nothing but the four databases of consensus: a live cut is verified by them. */
const tipChecks: readonly Check[] = [
  { id: "A", needs: [clarity], run: checkState },
  { id: "B", needs: [clarity, index], run: checkHeaderTries },
  { id: "C", needs: [clarity, index], run: checkTip },
  { id: "D", needs: [index], run: checkProcessed },
  { id: "E", needs: [index, sortition], run: checkRecordedTip },
];

const otherChecks: readonly Check[] = [
  { id: "F", needs: [clarity, index, sortition], run: checkBlobs },
  { id: "G", needs: [sortition], run: checkBurnHeaders },
  { id: "H", needs: [sortition, burnchain], run: checkBurnBlocks },
];

/** A to H, in order. */
export async function runChecks(tips: Tips): Promise<readonly Finding[]> {
  return runAll([...tipChecks, ...otherChecks], tips);
}

/** A to E. */
export async function runTipChecks(source: ChainSource): Promise<readonly Finding[]> {
  return runAll(tipChecks, new Tips(source));
}

async function runAll(checks: readonly Check[], tips: Tips): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  for (const check of checks) findings.push({ id: check.id, ...(await runOne(check, tips)) });
  return findings;
}

async function runOne(check: Check, tips: Tips): Promise<Outcome> {
  const missing = check.needs.filter((database) => !tips.source.has(database));
  if (missing.length > 0) return notMade(`${missing.join(" and ")} cannot be asked`);
  try {
    return await check.run(tips);
  } catch (error) {
    if (error instanceof DatabaseUnreadableError) return failed(error.message, error.database);
    throw error;
  }
}

const short = (hash: string): string => `${hash.slice(0, 8)}…`;

async function checkState(tips: Tips): Promise<Outcome> {
  const last = await tips.lastTrie(clarity);
  if (last === undefined) return failed(`${clarity} holds no block`, clarity);
  return passed(`the Clarity state stands at block ${last}`);
}

async function checkHeaderTries(tips: Tips): Promise<Outcome> {
  const state = await tips.lastTrie(clarity);
  const last = await tips.lastTrie(index);
  if (last === undefined) return failed(`${index} holds no block`, index);
  if (state === last) return passed("the index stands at the same block");
  const stands = `the Clarity state stands at ${await describe(tips, state)}, the index at ${await describe(tips, last)}`;
  const ahead = await tips.header(last);
  const behind = state === undefined ? undefined : await tips.header(state);
  if (behind === undefined) return failed(stands, index);
  return failed(stands, ahead !== undefined && ahead.height < behind.height ? index : clarity);
}

async function checkTip(tips: Tips): Promise<Outcome> {
  const tip = await tips.tip();
  if (tip === undefined) return failed(`${index} holds no block header`, index);
  const state = await tips.lastTrie(clarity);
  const beside = await describeForks(tips, tip);
  if (state === tip.id) return passed(`the tip is that block, at height ${tip.height}${beside}`);
  const differs = `the tip is ${short(tip.id)} at height ${tip.height}, the Clarity state stands at ${await describe(tips, state)}`;
  const header = state === undefined ? undefined : await tips.header(state);
  if (header === undefined) return failed(differs, index);
  if (await isAncestor(tips, header, tip)) return passed(`${differs}, an ancestor of it`);
  // The last block that was processed need not be the tip: its fork may have been orphaned since.
  const isAbove = header.height > tip.height && !(await isOrphaned(tips, header));
  if (isAbove) return failed(`${differs}, which ${sortition} does not record`, sortition);
  if ((await tips.hasTrie(clarity, tip.id)) && (await tips.hasTrie(index, tip.id)))
    return passed(`${differs}, the end of a fork that the node has left${beside}`);
  return failed(`${differs}, and the tip has no state`, clarity, index);
}

async function isOrphaned(tips: Tips, { burnView }: Header): Promise<boolean> {
  return tips.source.has(sortition) && (await tips.standingOf(burnView)) === "orphaned";
}

async function describeForks(tips: Tips, tip: Header): Promise<string> {
  const count = await tips.headersAbove(tip.height);
  if (count === 0) return "";
  const highest = (await tips.highestHeaders())[0]?.height ?? tip.height;
  return `; beside it ${count === 1 ? "1 header" : `${count} headers`} of an orphaned fork, up to height ${highest}`;
}

async function checkProcessed(tips: Tips): Promise<Outcome> {
  const tip = await tips.tip();
  if (!(await tips.isNakamoto())) return notMade("the chain has not reached Nakamoto");
  if (!tips.source.has(nakamoto))
    return failed(`${nakamoto} is missing, and with it the blocks of the chain`, nakamoto);
  const processed = await tips.processedHeight();
  const [highest] = await tips.highestHeaders();
  if (tip === undefined || highest === undefined) return failed(`${index} holds no block header`, index);
  if (processed === undefined)
    return failed(`${nakamoto} holds no processed block, the headers end at ${highest.height}`, nakamoto);
  if (processed !== highest.height || highest.table !== "nakamoto_block_headers") {
    return failed(
      `${nakamoto} has processed blocks up to ${processed}, the headers end at ${highest.height}`,
      processed < highest.height ? nakamoto : index,
    );
  }
  // The first tenures of Nakamoto may be orphaned whole: then the tip is a block of epoch 2, which is not staged here.
  if (tip.table === "block_headers" || (await tips.isProcessed(tip.id)))
    return passed(`the tip's block is processed, as are all up to height ${processed}`);
  return failed(`the tip ${short(tip.id)} is not among the processed blocks of ${nakamoto}`, nakamoto);
}

async function checkRecordedTip(tips: Tips): Promise<Outcome> {
  const [highest] = await tips.highestHeaders();
  const tip = await tips.tip();
  if (tip === undefined || highest === undefined) return failed(`${index} holds no block header`, index);
  for (const { consensusHash } of [tip, highest]) {
    if ((await tips.standingOf(consensusHash)) === "unknown")
      return failed(`${sortition} does not know the tenure ${consensusHash} of a header`, sortition);
  }
  const recorded = await tips.recordedTip();
  if (recorded === undefined)
    return notMade(`${sortition} is of a schema that does not record the tip's height`);
  const records = `${sortition} records height ${recorded.height} (${recorded.from})`;
  if (recorded.blockHash !== tip.blockHash) {
    const isBehind = recorded.height < tip.height;
    return failed(`${records}, the headers end at ${tip.height}`, isBehind ? sortition : index);
  }
  if (highest.height <= tip.height) return passed(`the sortition database records height ${tip.height}`);
  return passed(`${records}; the headers above it are of Bitcoin blocks that were orphaned`);
}

async function checkBurnHeaders(tips: Tips): Promise<Outcome> {
  if (!tips.source.has(headers)) return notMade(`${headers} is missing; the node downloads it again, slowly`);
  const burnHeight = await tips.burnHeight();
  if (burnHeight === undefined) return failed(`${sortition} holds no burn block`, sortition);
  const [row] = await tips.source.ask(headers, "SELECT MAX(height) AS height FROM headers");
  const height = numberOf(row, "height") ?? -1;
  if (height < burnHeight)
    return failed(`${headers} ends at ${height}, the sortitions at ${burnHeight}`, headers);
  const blocks = await tips.recentBurnBlocks();
  const heights = blocks.map((block) => block.height).join(", ");
  const rows = await tips.source.ask(
    headers,
    `SELECT height, hash FROM headers WHERE height IN (${heights})`,
  );
  const hashes = new Map(rows.map((each) => [Number(each["height"]), textOf(each, "hash")]));
  if (blocks.some((block) => hashes.get(block.height) === block.hash)) {
    return passed(`burn headers up to ${height}, sortitions up to ${burnHeight}`);
  }
  return failed(
    `${headers} is of another burn chain than ${sortition}: none of the last ${reorgDepth} blocks agrees`,
    headers,
  );
}

async function checkBurnBlocks(tips: Tips): Promise<Outcome> {
  const burnHeight = await tips.burnHeight();
  if (burnHeight === undefined) return failed(`${sortition} holds no burn block`, sortition);
  const [row] = await tips.source.ask(
    burnchain,
    "SELECT MAX(block_height) AS height FROM burnchain_db_block_headers",
  );
  const height = numberOf(row, "height") ?? -1;
  if (height < burnHeight)
    return failed(`${burnchain} ends at ${height}, the sortitions at ${burnHeight}`, burnchain);
  const blocks = await tips.recentBurnBlocks();
  const known = await tips.source.ask(
    burnchain,
    `SELECT 1 AS found FROM burnchain_db_block_headers
     WHERE block_hash IN (${blocks.map((block) => `'${block.hash.replaceAll("'", "")}'`).join(", ")}) LIMIT 1`,
  );
  if (known.length > 0) return passed(`burn blocks up to ${height}`);
  return failed(
    `${burnchain} is of another burn chain than ${sortition}: it has none of the last ${reorgDepth} blocks`,
    burnchain,
  );
}

async function describe(tips: Tips, hash: string | undefined): Promise<string> {
  if (hash === undefined) return "no block";
  const header = await tips.header(hash);
  return header === undefined
    ? `${short(hash)}, which has no header`
    : `${short(hash)} (height ${header.height})`;
}

async function isAncestor(tips: Tips, ancestor: Header, tip: Header): Promise<boolean> {
  const steps = tip.height - ancestor.height;
  if (steps <= 0 || steps > ancestorLimit) return false;
  let at: Header | undefined = tip;
  for (let step = 0; step < steps && at !== undefined; step += 1) {
    if (at.parentId === ancestor.id) return true;
    at = await tips.header(at.parentId);
  }
  return false;
}
