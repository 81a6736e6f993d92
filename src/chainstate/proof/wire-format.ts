/**
 * Just enough of the wire format to cut a block into its transactions (stacks-core, stacks-codec/src/transaction.rs, and
 * the Nakamoto header in stackslib/src/chainstate/nakamoto/mod.rs). RangeError where the bytes end too early or go on.
 */
import { hashBuffer, hashHex } from "./format.ts";

/** How a block begins or extends its tenure. */
export interface TenureChange {
  /** 0: a new tenure. 1: the whole budget anew. From 2 on: that of one dimension. */
  readonly cause: number;
  /** Consensus hash of the burn block that the block sees. */
  readonly burnView: string;
}

export class Cursor {
  readonly bytes: Buffer;
  at: number;
  /** Of the transactions that were read: what they pay in all, and what they say of the tenure. */
  fees = 0n;
  tenureChange: TenureChange | undefined;
  vrfProof: string | undefined;

  constructor(bytes: Buffer, at: number) {
    this.bytes = bytes;
    this.at = at;
  }

  skip(count: number): this {
    this.at += count;
    if (!(this.at <= this.bytes.length)) throw new RangeError("the block ends too early");
    return this;
  }

  u8(): number {
    this.skip(1);
    return this.bytes[this.at - 1] ?? 0;
  }

  u32(): number {
    this.skip(4);
    return this.bytes.readUInt32BE(this.at - 4);
  }

  name(): this {
    return this.skip(this.u8());
  }

  times(count: number, work: () => void): void {
    for (let i = 0; i < count; i += 1) work();
  }

  /** Root of the Merkle tree over the ids of the transactions, which fill the block to its end. */
  transactionRoot(): string {
    let row: Buffer[] = [];
    this.times(this.u32(), () => row.push(hashBuffer(Buffer.concat([Buffer.of(0), this.#transactionId()]))));
    if (this.at !== this.bytes.length || row.length === 0) throw new RangeError("the block goes on");
    // At least once: a single transaction is paired with itself.
    do {
      const last = row.at(-1);
      if (row.length % 2 === 1 && last !== undefined) row.push(last);
      const next: Buffer[] = [];
      for (let i = 1; i < row.length; i += 2)
        next.push(hashBuffer(Buffer.concat([Buffer.of(1), row[i - 1] ?? noBytes, row[i] ?? noBytes])));
      row = next;
    } while (row.length > 1);
    return (row[0] ?? noBytes).toString("hex");
  }

  #transactionId(): Buffer {
    const from = this.at;
    const isSponsored = this.skip(5).u8() === 5;
    let fee = 0n;
    // Who sponsors pays.
    this.times(isSponsored ? 2 : 1, () => (fee = this.#spendingCondition()));
    this.fees += fee;
    this.skip(2).times(this.u32(), () => this.#postCondition());
    this.#payload(this.u8());
    return hashBuffer(this.bytes.subarray(from, this.at));
  }

  #payload(type: number): void {
    if (type === 0) {
      // A transfer.
      this.value().skip(42);
    } else if (type === 1 || type === 6) {
      // A contract.
      this.skip(type === 6 ? 1 : 0).name();
      this.skip(this.u32());
    } else if (type === 2) {
      // A contract call.
      this.skip(21).name().name();
      this.times(this.u32(), () => this.value());
    } else if (type === 3) {
      // A poisoned microblock.
      this.skip(264);
    } else if (type === 7) {
      const change = this.skip(117).bytes.subarray(this.at - 117, this.at);
      this.tenureChange ??= { cause: change[96] ?? 0, burnView: change.toString("hex", 40, 60) };
    } else if (type === 4 || type === 5 || type === 8) {
      // Coinbases.
      this.skip(32);
      if (type > 4) this.value();
      if (type === 8) this.vrfProof ??= this.skip(80).bytes.toString("hex", this.at - 80, this.at);
    } else {
      throw new RangeError(`a transaction of type ${type}`);
    }
  }

  /** Of Clarity. */
  value(): this {
    const type = this.u8();
    if (type <= 1) this.skip(16);
    else if (type === 2 || type === 13 || type === 14) this.skip(this.u32());
    else if (type === 5 || type === 6) {
      this.skip(21);
      if (type === 6) this.name();
    } else if (type === 7 || type === 8 || type === 10) this.value();
    else if (type === 11 || type === 12)
      this.times(this.u32(), () => (type === 12 ? this.name() : this).value());
    else if (type !== 3 && type !== 4 && type !== 9) throw new RangeError(`a value of type ${type}`);
    return this;
  }

  /** The fee. */
  #spendingCondition(): bigint {
    const isMultisig = (this.u8() & 1) !== 0;
    const fee = this.skip(36).bytes.readBigUInt64BE(this.at - 8);
    if (isMultisig) this.times(this.u32(), () => this.skip(this.u8() <= 1 ? 33 : 65));
    this.skip(isMultisig ? 2 : 66);
    return fee;
  }

  #postCondition(): void {
    const type = this.u8();
    const principal = this.u8();
    if (principal > 1) this.skip(21);
    if (principal > 2) this.name();
    if (type === 1 || type === 2) {
      this.skip(21).name().name();
      if (type === 2) this.value();
    }
    this.skip(type === 2 || type === 4 ? 1 : 9);
  }
}

const noBytes = Buffer.alloc(0);
const signedHeadBytes = 206;
const signatureBytes = 65;

export interface NakamotoHeader {
  readonly hash: string;
  readonly id: string;
  readonly height: number;
  readonly consensusHash: string;
  readonly parentId: string;
  readonly stateRoot: string;
  /** Made for repairs of the chain, without the signers. */
  readonly isShadow: boolean;
  /** What is hashed, and what signers sign: all but their signatures. */
  readonly signed: Buffer;
  /** Each a recovery id, r and s; hex. */
  readonly signatures: readonly string[];
  /** As the header table and the staging table name them. */
  readonly fields: Readonly<Record<string, string | number>>;
  /** Where the transactions begin. */
  readonly end: number;
}

export interface NakamotoBlock extends NakamotoHeader {
  /** Computed from the transactions. */
  readonly transactionRoot: string;
  readonly fees: bigint;
  readonly tenureChange: TenureChange | undefined;
  readonly vrfProof: string | undefined;
}

/** Of a block, or of as much of it as holds its header. The id is over the hash and the tenure's consensus hash. */
export function parseNakamotoHeader(bytes: Buffer): NakamotoHeader {
  const cursor = new Cursor(bytes, 0).skip(signedHeadBytes);
  const hex = (from: number, to: number): string => bytes.toString("hex", from, to);
  const number = (at: number): number => Number(bytes.readBigUInt64BE(at));
  const signatures: string[] = [];
  cursor.times(cursor.u32(), () => {
    cursor.skip(signatureBytes);
    signatures.push(hex(cursor.at - signatureBytes, cursor.at));
  });
  const rest = cursor.at;
  cursor.skip(2).skip(cursor.u32());
  const bitvec = hex(rest, cursor.at);
  const marks: { tx_index: number; category: number }[] = [];
  const version = bytes[0] ?? 0;
  // From epoch 4.0 on.
  if ((version & 0x7f) >= 1)
    cursor.times(cursor.u32(), () => marks.push({ tx_index: cursor.u32(), category: cursor.u8() }));
  const signed = Buffer.concat([bytes.subarray(0, signedHeadBytes), bytes.subarray(rest, cursor.at)]);
  const hash = hashHex(signed);
  const [consensusHash, parentId, stateRoot, height] = [hex(17, 37), hex(37, 69), hex(101, 133), number(1)];
  const id = hashHex(Buffer.from(hash + consensusHash, "hex"));
  return {
    hash,
    id,
    height,
    consensusHash,
    parentId,
    stateRoot,
    isShadow: (version & 0x80) !== 0,
    signed,
    signatures,
    end: cursor.at,
    fields: {
      version,
      chain_length: height,
      burn_spent: number(9),
      consensus_hash: consensusHash,
      parent_block_id: parentId,
      tx_merkle_root: hex(69, 101),
      state_index_root: stateRoot,
      timestamp: number(133),
      miner_signature: hex(141, signedHeadBytes),
      signer_signature: JSON.stringify(signatures),
      signer_bitvec: bitvec,
      problematic_txs: JSON.stringify(marks),
      block_hash: hash,
      index_block_hash: id,
    },
  };
}

/** Undefined where that is none, or not all of one. */
export function tryParseNakamotoHeader(data: unknown): NakamotoHeader | undefined {
  if (!(data instanceof Uint8Array)) return undefined;
  try {
    return parseNakamotoHeader(Buffer.from(data.buffer, data.byteOffset, data.length));
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

/** RangeError where the transactions do not fill the block to its end. */
export function parseNakamotoBlock(bytes: Buffer): NakamotoBlock {
  const header = parseNakamotoHeader(bytes);
  const cursor = new Cursor(bytes, header.end);
  const transactionRoot = cursor.transactionRoot();
  const { fees, tenureChange, vrfProof } = cursor;
  return { ...header, transactionRoot, fees, tenureChange, vrfProof };
}

/** The header of an epoch-2 block, put together from its row: the block's file begins with it. */
export function epoch2Header(row: Readonly<Record<string, unknown>>): Buffer {
  const number = (name: string, bytes: number): string =>
    BigInt(String(row[name]))
      .toString(16)
      .padStart(2 * bytes, "0");
  const text = (name: string): string => String(row[name]);
  return Buffer.from(
    number("version", 1) +
      number("total_burn", 8) +
      number("total_work", 8) +
      text("proof") +
      text("parent_block") +
      text("parent_microblock") +
      number("parent_microblock_sequence", 2) +
      text("tx_merkle_root") +
      text("state_index_root") +
      text("microblock_pubkey_hash"),
    "hex",
  );
}
