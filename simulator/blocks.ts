/** Blocks as a node stores them: headers that hash to their ids, a contract of any length each, and what their tenure needs. */
import { sha } from "./marf-writer.ts";

export interface NewBlock {
  readonly height: number;
  readonly consensusHash: string;
  readonly parentId: string;
  readonly parentBlockHash: string;
  readonly stateRoot: string;
  readonly timestamp: number;
  /** Makes blocks differ. */
  readonly label: string;
  /** Of the contract that it deploys. */
  readonly content: Buffer;
  /** Of a Nakamoto block that begins a tenure, or goes on with it and sees another burn block. */
  readonly tenure?: { readonly starts: boolean; readonly burnView: string } | undefined;
  /** Of epoch 4.0 on: the header marks this transaction, by its place, as one that is not executed. */
  readonly marked?: number | undefined;
  /** Signs the header's bytes; default: bytes that are nobody's signature. `shadow`: the block carries none. */
  readonly sign?: "shadow" | ((signed: Buffer) => readonly Buffer[]) | undefined;
}

export interface EncodedBlock {
  readonly bytes: Buffer;
  readonly blockHash: string;
  readonly id: string;
  /** Columns of its header row, besides those that every block has. */
  readonly columns: Readonly<Record<string, string | number | null>>;
  readonly fees: number;
}

export const idOf = (blockHash: string, consensusHash: string): string =>
  sha(Buffer.from(blockHash, "hex"), Buffer.from(consensusHash, "hex")).toString("hex");

/** What each transaction pays, and in what it ends. */
const fee = 300;

/** Version, chain, a standard spending condition, modes, no conditions, and what it does. */
function transaction(label: string, feePaid: number, payload: Buffer): Buffer {
  const payer = sha(`${label} signer`).subarray(0, 20);
  const condition = Buffer.concat([Buffer.of(4, 0), payer, u64(0), u64(feePaid), Buffer.alloc(66)]);
  return Buffer.concat([Buffer.of(128), u32(0x80000000), condition, Buffer.of(3, 1, 0, 0, 0, 0), payload]);
}

function contract({ label, content }: NewBlock): Buffer {
  const name = Buffer.from("simulated");
  return transaction(
    label,
    fee,
    Buffer.concat([Buffer.of(1, name.length), name, u32(content.length), content]),
  );
}

/** In a tenure's first block a coinbase with its proof comes with it. */
function tenureTransactions({ label, consensusHash, parentId, tenure }: NewBlock, proof: Buffer): Buffer[] {
  if (tenure === undefined) return [];
  const tenures = Buffer.from(consensusHash + consensusHash + tenure.burnView, "hex");
  const end = Buffer.concat([Buffer.from(parentId, "hex"), u32(1), Buffer.of(tenure.starts ? 0 : 1)]);
  const change = Buffer.concat([Buffer.of(7), tenures, end, sha(`${label} miner`).subarray(0, 20)]);
  const noRecipient = 9;
  const coinbase = Buffer.concat([Buffer.of(8), sha(`${label} coinbase`), Buffer.of(noRecipient), proof]);
  return [change, ...(tenure.starts ? [coinbase] : [])].map((each) => transaction(label, 0, each));
}

function merkleRoot(transactions: readonly Buffer[]): Buffer {
  let row = transactions.map((each) => sha(Buffer.of(0), sha(each)));
  do {
    const last = row.at(-1) ?? Buffer.alloc(0);
    row = Array.from({ length: Math.ceil(row.length / 2) }, (_, i) =>
      sha(Buffer.of(1), row[2 * i] ?? last, row[2 * i + 1] ?? last),
    );
  } while (row.length > 1);
  return row[0] ?? Buffer.alloc(0);
}

export function nakamotoBlock(block: NewBlock): EncodedBlock {
  const proof = vrfProof(block);
  const transactions = [...tenureTransactions(block, proof), contract(block)];
  const merkle = merkleRoot(transactions);
  const minerSignature = Buffer.concat([Buffer.of(0), sha(`${block.label} r`), sha(`${block.label} s`)]);
  const nobodys = Buffer.concat([
    Buffer.of(1),
    sha(`${block.label} signer r`),
    sha(`${block.label} signer s`),
  ]);
  const category = 2;
  const marks = block.marked === undefined ? [] : [{ tx_index: block.marked, category }];
  const version = (block.sign === "shadow" ? 0x80 : 0) | marks.length;
  const bitvec = Buffer.concat([Buffer.of(0, 8), u32(1), Buffer.of(255)]);
  const marked = marks.map(({ tx_index }) => Buffer.concat([u32(1), u32(tx_index), Buffer.of(category)]));
  const tail = Buffer.concat([bitvec, ...marked]);
  const head = Buffer.concat([
    Buffer.of(version),
    u64(block.height),
    u64(1000),
    Buffer.from(block.consensusHash, "hex"),
    Buffer.from(block.parentId, "hex"),
    merkle,
    Buffer.from(block.stateRoot, "hex"),
    u64(block.timestamp),
    minerSignature,
  ]);
  const signed = Buffer.concat([head, tail]);
  const signatures = block.sign === "shadow" ? [] : (block.sign?.(signed) ?? [nobodys]);
  const blockHash = sha(signed).toString("hex");
  return {
    bytes: Buffer.concat([
      head,
      u32(signatures.length),
      ...signatures,
      tail,
      u32(transactions.length),
      ...transactions,
    ]),
    blockHash,
    id: idOf(blockHash, block.consensusHash),
    fees: fee,
    columns: {
      version,
      chain_length: block.height,
      burn_spent: 1000,
      tx_merkle_root: merkle.toString("hex"),
      timestamp: block.timestamp,
      miner_signature: minerSignature.toString("hex"),
      signer_signature: JSON.stringify(signatures.map((each) => each.toString("hex"))),
      signer_bitvec: bitvec.toString("hex"),
      problematic_txs: JSON.stringify(marks),
      tenure_changed: block.tenure?.starts === true ? 1 : 0,
      vrf_proof: block.tenure?.starts === true ? proof.toString("hex") : null,
    },
  };
}

const vrfProof = ({ label }: NewBlock): Buffer =>
  Buffer.concat([sha(`${label} vrf`), sha(`${label} vrf 2`), Buffer.alloc(16)]);

export function epoch2Block(block: NewBlock): EncodedBlock {
  const tx = contract(block);
  const merkle = merkleRoot([tx]);
  const proof = vrfProof(block);
  const pubkeyHash = sha(`${block.label} microblocks`).subarray(0, 20);
  const noMicroblock = "0".repeat(64);
  const header = Buffer.concat([
    Buffer.of(1),
    u64(1000),
    u64(block.height),
    proof,
    Buffer.from(block.parentBlockHash, "hex"),
    Buffer.from(noMicroblock, "hex"),
    Buffer.alloc(2),
    merkle,
    Buffer.from(block.stateRoot, "hex"),
    pubkeyHash,
  ]);
  const blockHash = sha(header).toString("hex");
  return {
    bytes: Buffer.concat([header, u32(1), tx]),
    blockHash,
    id: idOf(blockHash, block.consensusHash),
    fees: fee,
    columns: {
      version: 1,
      total_burn: "1000",
      total_work: String(block.height),
      proof: proof.toString("hex"),
      parent_block: block.parentBlockHash,
      parent_microblock: noMicroblock,
      parent_microblock_sequence: 0,
      tx_merkle_root: merkle.toString("hex"),
      microblock_pubkey_hash: pubkeyHash.toString("hex"),
    },
  };
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

function u64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return bytes;
}
