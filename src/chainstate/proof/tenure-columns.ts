/**
 * Columns of a Nakamoto block that no hash covers, but that follow from the block and from its parent's row: how far its
 * tenure has come, in blocks, bytes, fees and cost, and which burn block it sees. The node reads them where it processes
 * the next block (stacks-core, `append_block` and `advance_tip` in stackslib/src/chainstate/nakamoto/mod.rs, the same
 * since 3.0.0.0.0).
 */
import type { NakamotoBlock } from "./wire-format.ts";

type Row = Readonly<Record<string, unknown>>;

export interface TenureSources {
  /** Of the header tables, integers as bigints. */
  readonly row: Row;
  /** Undefined where it has none; of epoch 2 where the block is the first of Nakamoto. */
  readonly parent: Row | undefined;
  readonly staged: Row;
  readonly block: NakamotoBlock;
  /** Stacking and transfers by Bitcoin transactions are charged to the block that begins a tenure: were there any? */
  readonly hasBurnOperations: () => boolean;
}

const newTenure = 0;
const wholeBudget = 1;
/** Causes from 2 on give the budget of one dimension anew. */
const dimensions = ["runtime", "read_count", "read_length", "write_count", "write_length"] as const;

type Cost = Readonly<Record<(typeof dimensions)[number], bigint>>;

/** Calls `fail` with each column that says something else than it must. */
export function verifyTenureColumns(sources: TenureSources, fail: (what: string) => void): void {
  const { row, staged, block } = sources;
  const startsTenure = block.tenureChange?.cause === newTenure;
  const headers = {
    header_type: "nakamoto",
    tenure_changed: startsTenure ? 1n : 0n,
    vrf_proof: startsTenure ? (block.vrfProof ?? null) : null,
    ...countsOf(sources),
  };
  const staging = { is_tenure_start: startsTenure ? 1n : 0n, burn_attachable: 1n, orphaned: 0n };
  compare(row, headers, fail);
  compare(staged, staging, fail);
  const isMarkedShadow = staged["obtain_method"] === "Shadow";
  if ("obtain_method" in staged && isMarkedShadow !== block.isShadow)
    fail(
      `obtain_method is ${String(staged["obtain_method"])}, and it is ${block.isShadow ? "a" : "no"} shadow block`,
    );
  verifyCost(sources, fail);
}

type Value = string | bigint | null;
/** By column; undefined: what it must be cannot be said. */
type Expected = Readonly<Record<string, Value | undefined>>;

function compare(row: Row, expected: Expected, fail: (what: string) => void): void {
  for (const [name, value] of Object.entries(expected))
    if (name in row && value !== undefined && String(row[name]) !== String(value))
      fail(`${name} is ${String(row[name])}, and must be ${String(value)}`);
}

/** Of the tenure up to this block. */
function countsOf({ row, parent, block }: TenureSources): Expected {
  const change = block.tenureChange;
  const startsTenure = change?.cause === newTenure;
  const sum = (name: string, own: bigint, isReset: boolean): bigint | undefined => {
    if (isReset) return own;
    const earlier = parent?.[name];
    if (earlier === null || earlier === undefined) return undefined;
    if (typeof earlier === "string" || typeof earlier === "bigint") return BigInt(earlier) + own;
    throw new RangeError(`${name} of its parent is no integer`);
  };
  // A node without these columns did not write them: the rows of its time have none, or 0.
  const unless = (name: string, value: Value | undefined): Value | undefined =>
    [row[name], parent?.[name]].every((each) => each === null || each === undefined || each === 0n)
      ? undefined
      : value;
  const size = sum("total_tenure_size", BigInt(String(row["block_size"])), change !== undefined);
  const parentsView = parent?.["burn_view"];
  const view = change?.burnView ?? (typeof parentsView === "string" ? parentsView : undefined);
  return {
    tenure_tx_fees: sum("tenure_tx_fees", block.fees, startsTenure),
    height_in_tenure: unless("height_in_tenure", sum("height_in_tenure", 1n, startsTenure)),
    total_tenure_size: unless("total_tenure_size", size),
    burn_view: unless("burn_view", view),
  };
}

/** What the tenure had cost before this block: nothing, or what its parent's row says. */
function verifyCost(sources: TenureSources, fail: (what: string) => void): void {
  const { row, parent, block, hasBurnOperations } = sources;
  const [own, total, earlier] = [
    costOf(row["cost"]),
    costOf(row["total_tenure_cost"]),
    parent?.["total_tenure_cost"],
  ];
  if (own === undefined || total === undefined)
    return fail("its cost, or that of its tenure, cannot be read");
  const { cause } = block.tenureChange ?? { cause: undefined };
  const isReset = cause === newTenure || cause === wholeBudget;
  const parents = isReset ? noCost : costOf(earlier);
  // The parent's own verification says that it cannot be read.
  if (parents === undefined) return;
  const isRight = dimensions.every((name, i) => {
    const before = cause === i + 2 ? 0n : parents[name];
    return total[name] === before + own[name];
  });
  const mayBeMore = cause === newTenure && dimensions.every((name) => total[name] >= own[name]);
  if (isRight || (mayBeMore && hasBurnOperations())) return;
  fail("the cost of its tenure is not its own and that of the blocks before it");
}

const noCost: Cost = { runtime: 0n, read_count: 0n, read_length: 0n, write_count: 0n, write_length: 0n };
const costText =
  /^\{"write_length":(0|[1-9]\d*),"write_count":(0|[1-9]\d*),"read_length":(0|[1-9]\d*),"read_count":(0|[1-9]\d*),"runtime":(0|[1-9]\d*)\}$/;

/** Undefined where it is spelled otherwise than nodes do. */
function costOf(text: unknown): Cost | undefined {
  const [, ...numbers] = costText.exec(String(text)) ?? [];
  const [writeLength, writeCount, readLength, readCount, runtime] = numbers.map(BigInt);
  if (runtime === undefined) return undefined;
  return {
    runtime,
    read_count: readCount ?? 0n,
    read_length: readLength ?? 0n,
    write_count: writeCount ?? 0n,
    write_length: writeLength ?? 0n,
  };
}
