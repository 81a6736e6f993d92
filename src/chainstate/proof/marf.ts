/**
 * The tries of one MARF, read where they lie: in its `.blobs`, or in its table where it has none. Nothing here grows with
 * the chain: what is known of tries is kept in tables of fixed size and asked of the database again when it has been dropped from them.
 */
import { readSync } from "node:fs";
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { noParent } from "../tries.ts";
import {
  applyPatch,
  backFlag,
  CorruptError,
  decodeNode,
  hashBuffer,
  hashBytes,
  keyBytes,
  longestNode,
  mostPatches,
  nodeTypes,
  rootAt,
  TrieNode,
} from "./format.ts";
import { NodeCache } from "./node-cache.ts";

/** A row of `marf_data`. */
export interface Trie {
  readonly id: number;
  /** The block's, hex. */
  readonly hash: string;
  /** In `.blobs`; 0 where the table holds the trie. */
  readonly offset: number;
  readonly length: number;
}

export interface TrieHead {
  /** 0: it is the first one. */
  readonly parent: number;
  readonly height: number;
}

/** Entries of the tables of block hashes and of roots, at most. */
const mostBlocks = 1 << 18;
const mostRoots = 1 << 16;
const hashWords = hashBytes / 4;

export class Marf {
  readonly cache: NodeCache;
  oldNodesRead = 0;
  readonly #fd: number | undefined;
  readonly #byId: StatementSync;
  readonly #byHash: StatementSync;
  readonly #before: StatementSync;
  readonly #range: StatementSync;
  readonly #piece: StatementSync | undefined;
  /** Direct-mapped by the id's last bits. */
  readonly #mask: number;
  readonly #ids: Int32Array;
  readonly #hashes: Uint32Array;
  readonly #hashBytes: Buffer;
  readonly #offsets: Float64Array;
  readonly #lengths: Float64Array;
  readonly #rootIds: Int32Array;
  readonly #roots: Buffer;
  readonly #window = Buffer.alloc(longestNode);
  readonly #patch = new TrieNode();
  readonly #chain: TrieNode[] = [];

  /** `fd`: of the `.blobs`, undefined where the table holds the tries. */
  constructor(database: DatabaseSync, fd: number | undefined, cacheBytes: number) {
    this.#fd = fd;
    this.cache = new NodeCache(cacheBytes);
    const tries = Number(database.prepare("SELECT MAX(block_id) AS n FROM marf_data").get()?.["n"] ?? 0);
    const blocks = 2 ** Math.ceil(Math.log2(Math.min(mostBlocks, tries + 1024)));
    const roots = Math.min(mostRoots, blocks);
    this.#mask = blocks - 1;
    this.#ids = new Int32Array(blocks);
    this.#hashes = new Uint32Array(blocks * hashWords);
    this.#hashBytes = Buffer.from(this.#hashes.buffer);
    this.#offsets = new Float64Array(blocks);
    this.#lengths = new Float64Array(blocks);
    this.#rootIds = new Int32Array(roots);
    this.#roots = Buffer.alloc(roots * hashBytes);
    const where =
      fd === undefined ? "0 AS o, length(data) AS l" : "external_offset AS o, external_length AS l";
    const columns = `block_id AS id, block_hash AS h, ${where}`;
    const from = `SELECT ${columns} FROM marf_data WHERE unconfirmed = 0 AND`;
    this.#byId = database.prepare(`${from} block_id = ?`);
    this.#byHash = database.prepare(`${from} block_hash = ?`);
    this.#before = database.prepare(`${from} block_id < ? ORDER BY block_id DESC LIMIT 1`);
    this.#range = database.prepare(`${from} block_id > ? AND block_id <= ? ORDER BY block_id`);
    this.#piece =
      fd === undefined
        ? database.prepare("SELECT substr(data, ? + 1, ?) AS d FROM marf_data WHERE block_id = ?")
        : undefined;
  }

  trie(id: number): Trie | undefined {
    return toTrie(this.#byId.get(id));
  }

  /** The last one below an id. */
  trieBefore(id: number): Trie | undefined {
    return toTrie(this.#before.get(id));
  }

  /** In the order in which they were committed. */
  *list(after: number, upTo: number): Generator<Trie> {
    for (const row of this.#range.iterate(after, upTo)) {
      const trie = toTrie(row);
      if (trie !== undefined) yield trie;
    }
  }

  trieOfHash(hash: string): Trie | undefined {
    return toTrie(this.#byHash.get(hash));
  }

  /** Bytes of a trie, as many as it has from there. Into `buffer` where one is given. */
  read(id: number, offset: number, length: number, at: number, bytes: number, buffer?: Buffer): Buffer {
    const wanted = Math.min(bytes, length - at);
    if (!(wanted > 0)) throw new CorruptError(at, "pointer past the end of a trie");
    if (this.#fd === undefined) {
      const row = this.#piece?.get(at, wanted, id);
      const data = row?.["d"];
      if (!(data instanceof Uint8Array) || data.length !== wanted)
        throw new CorruptError(at, "trie that is not in its table");
      return Buffer.from(data.buffer, data.byteOffset, data.length);
    }
    const into = buffer ?? Buffer.allocUnsafeSlow(wanted);
    if (readSync(this.#fd, into, 0, wanted, offset + at) !== wanted)
      throw new CorruptError(at, "trie that the .blobs do not hold to its end");
    return into.length === wanted ? into : into.subarray(0, wanted);
  }

  readTrie({ id, offset, length }: Trie): Buffer {
    if (length < rootAt + hashBytes + 1) throw new CorruptError(0, `trie of ${length} bytes`);
    if (length >= 2 ** 32) throw new CorruptError(0, `trie of ${length} bytes: no block's is so long`);
    return this.read(id, offset, length, 0, length);
  }

  /** The parent that a trie's head names: 0 for none. */
  parentOf(trie: Trie): number {
    return this.parentNamed(this.read(trie.id, trie.offset, trie.length, 0, hashBytes));
  }

  parentNamed(head: Buffer): number {
    const parent = head.toString("hex", 0, hashBytes);
    if (parent === noParent) return 0;
    const found = this.trieOfHash(parent)?.id;
    if (found === undefined) throw new CorruptError(0, `head names a parent that has no trie: ${parent}`);
    return found;
  }

  /** The stored root of a trie, 32 bytes: valid until the next call. */
  root(id: number): Buffer {
    const slot = id & (this.#rootIds.length - 1);
    const kept = this.#roots.subarray(slot * hashBytes, (slot + 1) * hashBytes);
    if (this.#rootIds[slot] === id && id > 0) return kept;
    const entry = this.#known(id);
    const length = this.#lengths[entry] ?? 0;
    this.#rootIds[slot] = 0;
    this.read(id, this.#offsets[entry] ?? 0, length, rootAt, hashBytes).copy(kept);
    this.#rootIds[slot] = id;
    return kept;
  }

  /** Eight words of a block's hash, from an index on: valid until another block is asked for. */
  get hashWords(): Uint32Array {
    return this.#hashes;
  }

  /** Where the hash of a block begins in `hashWords`. Throws CorruptError where there is no such block. */
  hashAt(id: number): number {
    const entry = id & this.#mask;
    return (this.#ids[entry] === id && id > 0 ? entry : this.#known(id)) * hashWords;
  }

  hashOf(id: number): Buffer {
    const entry = this.#known(id);
    return Buffer.from(this.#hashBytes.subarray(entry * hashBytes, (entry + 1) * hashBytes));
  }

  #known(id: number): number {
    const entry = id & this.#mask;
    if (this.#ids[entry] === id && id > 0) return entry;
    const trie = id > 0 ? this.trie(id) : undefined;
    if (trie === undefined) throw new CorruptError(0, `pointer to block ${id}, which has no trie`);
    this.#ids[entry] = 0;
    if (this.#hashBytes.write(trie.hash, entry * hashBytes, hashBytes, "hex") !== hashBytes)
      throw new CorruptError(0, `block ${id} has no hash but ${trie.hash}`);
    this.#ids[entry] = id;
    this.#offsets[entry] = trie.offset;
    this.#lengths[entry] = trie.length;
    return entry;
  }

  /** A node of an older trie, patches applied. */
  load(block: number, at: number, node: TrieNode): void {
    this.#load(block, at, node, 0);
  }

  #load(block: number, at: number, node: TrieNode, depth: number): void {
    if (this.cache.get(block, at, node)) return;
    const entry = this.#known(block);
    const length = this.#lengths[entry] ?? 0;
    try {
      if (at >= length || depth > mostPatches) throw new CorruptError(at, "no node there");
      const bytes = this.read(block, this.#offsets[entry] ?? 0, length, at, longestNode, this.#window);
      this.oldNodesRead += 1;
      decodeNode(bytes, 0, bytes.length, node);
      if (node.type === nodeTypes.patch) this.#applyTo(node, depth);
    } catch (error) {
      if (!(error instanceof CorruptError)) throw error;
      throw new CorruptError(at, `node at +${at} in the trie of block ${block}: ${error.message}`);
    }
    this.cache.put(block, at, node);
  }

  #applyTo(node: TrieNode, depth: number): void {
    const patch = (this.#chain[depth] ??= new TrieNode());
    patch.copyFrom(node);
    const { baseBlock, baseAt } = node;
    this.#load(baseBlock, baseAt, node, depth + 1);
    if (node.type === nodeTypes.leaf || node.patches >= mostPatches)
      throw new CorruptError(baseAt, "patch of what cannot be patched");
    applyPatch(node, baseBlock, patch, baseAt);
  }

  /** What the state of a trie has under a key, 40 bytes; undefined: nothing. */
  get(id: number, keyText: string): Buffer | undefined {
    return this.find(id, keyText)?.value;
  }

  /** The same with the trie that holds it: the one asked, or one that it points back to. */
  find(id: number, keyText: string): { readonly value: Buffer; readonly block: number } | undefined {
    const key = hashBuffer(keyText);
    const node = this.#patch;
    let block = id;
    let at = rootAt;
    for (let depth = 0; ;) {
      this.load(block, at, node);
      for (let i = 0; i < node.pathLength; i += 1, depth += 1)
        if (node.path[i] !== key[depth]) return undefined;
      if (node.type === nodeTypes.leaf)
        return depth === keyBytes ? { value: Buffer.from(node.value), block } : undefined;
      const slot = depth < keyBytes ? node.find(key[depth] ?? 0, 0) : -1;
      if (slot < 0) return undefined;
      depth += 1;
      if ((node.idOf(slot) & backFlag) !== 0) block = node.blockOf(slot);
      at = node.offsetOf(slot);
    }
  }
}

function toTrie(row: Record<string, unknown> | undefined): Trie | undefined {
  if (row === undefined) return undefined;
  return {
    id: Number(row["id"]),
    hash: String(row["h"]),
    offset: Number(row["o"]),
    length: Number(row["l"]),
  };
}
