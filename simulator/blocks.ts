/** Blocks as a node stores them: headers that hash to their ids, one transaction each, of any length. */
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
  /** Of the contract that is its only transaction. */
  readonly content: Buffer;
  /** Signs the header's bytes; default: bytes that are nobody's signature. `shadow`: the block carries none. */
  readonly sign?: "shadow" | ((signed: Buffer) => readonly Buffer[]) | undefined;
}

export interface EncodedBlock {
  readonly bytes: Buffer;
  readonly blockHash: string;
  readonly id: string;
  /** Columns of its header row, besides those that every block has. */
  readonly columns: Readonly<Record<string, string | number>>;
}

export const idOf = (blockHash: string, consensusHash: string): string =>
  sha(Buffer.from(blockHash, "hex"), Buffer.from(consensusHash, "hex")).toString("hex");

/** A contract that is deployed: version, chain, a standard spending condition, modes, no conditions, name and code. */
function transaction({ label, content }: NewBlock): Buffer {
  const condition = Buffer.concat([
    Buffer.of(4, 0),
    sha(`${label} signer`).subarray(0, 20),
    Buffer.alloc(16 + 66),
  ]);
  const name = Buffer.from("simulated");
  const modes = Buffer.of(3, 1, 0, 0, 0, 0);
  const payload = Buffer.concat([Buffer.of(1, name.length), name, u32(content.length), content]);
  return Buffer.concat([Buffer.of(128), u32(0x80000000), condition, modes, payload]);
}

function merkleRoot(tx: Buffer): Buffer {
  const leaf = sha(Buffer.of(0), sha(tx));
  return sha(Buffer.of(1), leaf, leaf);
}

export function nakamotoBlock(block: NewBlock): EncodedBlock {
  const tx = transaction(block);
  const merkle = merkleRoot(tx);
  const minerSignature = Buffer.concat([Buffer.of(0), sha(`${block.label} r`), sha(`${block.label} s`)]);
  const nobodys = Buffer.concat([
    Buffer.of(1),
    sha(`${block.label} signer r`),
    sha(`${block.label} signer s`),
  ]);
  const version = block.sign === "shadow" ? 0x80 : 0;
  const bitvec = Buffer.concat([Buffer.of(0, 8), u32(1), Buffer.of(255)]);
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
  const signed = Buffer.concat([head, bitvec]);
  const signatures = block.sign === "shadow" ? [] : (block.sign?.(signed) ?? [nobodys]);
  const blockHash = sha(signed).toString("hex");
  return {
    bytes: Buffer.concat([head, u32(signatures.length), ...signatures, bitvec, u32(1), tx]),
    blockHash,
    id: idOf(blockHash, block.consensusHash),
    columns: {
      version,
      chain_length: block.height,
      burn_spent: 1000,
      tx_merkle_root: merkle.toString("hex"),
      timestamp: block.timestamp,
      miner_signature: minerSignature.toString("hex"),
      signer_signature: JSON.stringify(signatures.map((each) => each.toString("hex"))),
      signer_bitvec: bitvec.toString("hex"),
      problematic_txs: "[]",
    },
  };
}

export function epoch2Block(block: NewBlock): EncodedBlock {
  const tx = transaction(block);
  const merkle = merkleRoot(tx);
  const proof = Buffer.concat([sha(`${block.label} vrf`), sha(`${block.label} vrf 2`), Buffer.alloc(16)]);
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
