/**
 * The proof of one trie: every node is hashed from its own bytes up to the root, the ancestors' roots are folded in, and
 * the result is what its block's header names. The parent's trie is walked beside it: what points back has to point where
 * the same node pointed there, which covers what no hash does. Nodes fill the trie without overlap.
 */
import { Buffer } from "node:buffer";
import {
  applyPatch,
  backFlag,
  CorruptError,
  decodeNode,
  hashBuffer,
  hashBytes,
  hashOf,
  keyBytes,
  minerId,
  mostPatches,
  nodeTypes,
  rootAt,
  slotCounts,
  slotWords,
  TrieNode,
  valueBytes,
} from "./format.ts";
import type { Lineage } from "./lineage.ts";
import type { Marf, Trie } from "./marf.ts";

/** Of one range of tries. */
export interface TrieCounts {
  tries: number;
  bytes: number;
  leaves: number;
  hashedBytes: number;
}

/** A leaf that the MARF itself puts into each trie: its value is a height or a block's hash, and has no row. */
interface HeightLeaf {
  readonly name: string;
  readonly key: Buffer;
  readonly value: Buffer;
  seen: boolean;
}

/** Takes a value that must have a row: hex, 80 digits. */
export type OnValue = (value: string) => void;

const noChild = Buffer.from(hashOf(Buffer.alloc(0)), "latin1");
const longestPreimage = 2 + 256 * (34 + hashBytes) + keyBytes;
/** Bytes of a node's place in the list of spans: no node is as long. */
const spanBase = 8192;
const shortestNode = 48;

export class TrieProof {
  readonly counts: TrieCounts = { tries: 0, bytes: 0, leaves: 0, hashedBytes: 0 };
  readonly #marf: Marf;
  readonly #lineage: Lineage;
  readonly #isBuiltAsMiner: boolean;
  readonly #onValue: OnValue;
  readonly #nodes = Array.from({ length: keyBytes + 1 }, () => new TrieNode());
  readonly #olds = Array.from({ length: keyBytes + 1 }, () => new TrieNode());
  readonly #patch = new TrieNode();
  readonly #key = Buffer.alloc(keyBytes);
  readonly #preimage = Buffer.alloc(longestPreimage);
  readonly #view = new DataView(this.#preimage.buffer, this.#preimage.byteOffset, longestPreimage);
  readonly #fold = Buffer.alloc(hashBytes * 40);
  #spans = new Float64Array(1024);
  #spanCount = 0;
  #bytes: Buffer = Buffer.alloc(0);
  #bytesView: DataView = new DataView(new ArrayBuffer(0));
  #id = 0;
  #heightLeaves: HeightLeaf[] = [];

  /** `isBuiltAsMiner`: tries are built under one id for all and renamed (Clarity's). */
  constructor(marf: Marf, lineage: Lineage, isBuiltAsMiner: boolean, onValue: OnValue) {
    this.#marf = marf;
    this.#lineage = lineage;
    this.#isBuiltAsMiner = isBuiltAsMiner;
    this.#onValue = onValue;
  }

  /** Throws CorruptError. Returns the root, hex, its height, and the parent's id. */
  verify(trie: Trie): { readonly root: string; readonly parent: number; readonly height: number } {
    const bytes = this.#marf.readTrie(trie);
    this.#bytes = bytes;
    this.#bytesView = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#id = trie.id;
    const parent = this.#marf.parentNamed(bytes);
    const height = this.#lineage.add(trie.id, parent);
    if (bytes.readUInt32BE(hashBytes) !== 0)
      throw new CorruptError(hashBytes, "reserved bytes of the head that are not zero");
    this.#heightLeaves = this.#heightLeavesOf(trie, parent, height);
    this.#spanCount = 0;
    this.#addSpan(0, rootAt);
    const root = this.#visit(rootAt, nodeTypes.node256, 0, 0, parent, rootAt, 0);
    this.#checkRoot(root, height);
    for (const leaf of this.#heightLeaves)
      if (!leaf.seen) throw new CorruptError(rootAt, `trie without a leaf ${leaf.name}`);
    this.#checkSpans();
    this.counts.tries += 1;
    this.counts.bytes += bytes.length;
    return { root: bytes.toString("hex", rootAt, rootAt + hashBytes), parent, height };
  }

  /**
   * Verifies the node and all below it. `block`, `oldAt`: the node that it is a copy of, 0 for none; `skip`: how much of
   * that one's path lies above. Returns its hash, which has been compared with the stored one, unless it is the root.
   */
  #visit(
    at: number,
    type: number,
    character: number,
    depth: number,
    block: number,
    oldAt: number,
    skip: number,
  ): string {
    const bytes = this.#bytes;
    const node = this.#nodes[depth];
    const old = this.#olds[depth];
    if (node === undefined || old === undefined) throw new CorruptError(at, "path longer than a key");
    if (at < rootAt) throw new CorruptError(at, "node inside the head");
    decodeNode(bytes, at, bytes.length, node);
    this.#addSpan(at, node.end);
    const hasOld = block !== 0;
    if (node.type === nodeTypes.leaf) return this.#verifyLeaf(node, at, type, depth, block, oldAt, skip);
    if (hasOld) this.#marf.load(block, oldAt, old);
    if (node.type === nodeTypes.patch) this.#unfold(node, at, character, block, oldAt, hasOld && skip === 0);
    if (node.type !== type)
      throw new CorruptError(at, `node of type ${node.type} where the pointer says ${type}`);
    const { pathLength, slots } = node;
    const isSame = hasOld && old.type !== nodeTypes.leaf && old.pathLength - skip === pathLength;
    this.#checkPath(node, at, depth, hasOld ? old : undefined, skip, isSame);
    const splitAt = hasOld && !isSame ? (old.path[skip + pathLength] ?? 0) : -1;
    this.#key.set(pathLength === 0 ? noBytes : node.path.subarray(0, pathLength), depth);
    const below = depth + pathLength;
    for (let slot = 0; slot < node.count; slot += 1) {
      const word = slots[slot * slotWords] ?? 0;
      const id = word & 0xff;
      if (id === nodeTypes.empty) continue;
      const child = (word >> 8) & 0xff;
      const offset = (slots[slot * slotWords + 1] ?? 0) >>> 0;
      const was = isSame ? old.find(child, slot) : -1;
      const wasId = was < 0 ? 0 : old.idOf(was);
      const wasBlock = (wasId & backFlag) === 0 ? block : old.blockOf(was);
      if ((id & backFlag) !== 0) {
        const isType = was >= 0 && (wasId | backFlag) === id;
        if (isType && wasBlock === slots[slot * slotWords + 2] && old.offsetOf(was) === offset) continue;
        throw differentPointer(at, slot);
      }
      this.#key[below] = child;
      if (was >= 0) this.#visit(offset, id, child, below + 1, wasBlock, old.offsetOf(was), 0);
      else if (child === splitAt)
        this.#visit(offset, id, child, below + 1, block, oldAt, skip + pathLength + 1);
      else this.#visit(offset, id, child, below + 1, 0, 0, 0);
    }
    const hash = this.#hashNode(node);
    this.#marf.cache.put(this.#id, at, node);
    if (at !== rootAt && hash !== bytes.toString("latin1", at, at + hashBytes)) throw wrongHash(at, "node");
    return hash;
  }

  /** Puts what a patch stands for in its place: it has to start from the node of the parent's trie. */
  #unfold(node: TrieNode, at: number, character: number, block: number, oldAt: number, mayBe: boolean): void {
    const old = this.#olds[this.#nodes.indexOf(node)];
    const isFrom =
      old !== undefined &&
      mayBe &&
      old.type !== nodeTypes.leaf &&
      node.baseBlock === block &&
      node.baseAt === oldAt &&
      node.baseCharacter === character &&
      node.baseId === (backFlag | (old.patches > 0 ? nodeTypes.patch : old.type));
    if (!isFrom) throw new CorruptError(at, "patch that does not start from the node of the parent's trie");
    if (old.patches >= mostPatches) throw new CorruptError(at, "patch of too many patches");
    this.#patch.copyFrom(node);
    node.copyFrom(old);
    applyPatch(node, block, this.#patch, at);
  }

  /** The path continues that of the old node: all of it, or a beginning where that was split. */
  #checkPath(
    node: TrieNode,
    at: number,
    depth: number,
    old: TrieNode | undefined,
    skip: number,
    isSame: boolean,
  ): void {
    const { pathLength, path } = node;
    let fits = depth + pathLength < keyBytes;
    if (old !== undefined) {
      fits &&= isSame || old.pathLength - skip > pathLength;
      for (let i = 0; fits && i < pathLength; i += 1) fits = old.path[skip + i] === path[i];
    }
    if (!fits) throw new CorruptError(at, "path that does not continue that of the parent's trie");
  }

  #verifyLeaf(
    node: TrieNode,
    at: number,
    type: number,
    depth: number,
    block: number,
    oldAt: number,
    skip: number,
  ): string {
    const bytes = this.#bytes;
    const { pathLength, value } = node;
    if (type !== nodeTypes.leaf || depth + pathLength !== keyBytes)
      throw new CorruptError(at, "leaf in the wrong place");
    const raw = bytes.subarray(at + hashBytes, node.end);
    const hash = hashOf(raw);
    if (hash !== bytes.toString("latin1", at, at + hashBytes)) throw wrongHash(at, "leaf");
    this.counts.leaves += 1;
    this.counts.hashedBytes += raw.length;
    if (!this.#isHeightLeaf(node, at, depth) && !this.#isMovedHeightLeaf(value, depth, block, oldAt, skip))
      this.#onValue(bytes.toString("hex", node.end - valueBytes, node.end));
    return hash;
  }

  #isHeightLeaf({ path, pathLength, value }: TrieNode, at: number, depth: number): boolean {
    const { length } = this.#heightLeaves;
    for (let i = 0; i < length; i += 1) {
      const leaf = this.#heightLeaves[i];
      if (leaf === undefined || !endsWith(leaf.key, path, pathLength)) continue;
      if (this.#key.compare(leaf.key, 0, depth, 0, depth) !== 0) continue;
      if (!leaf.value.equals(value)) throw new CorruptError(at, `${leaf.name} has another value`);
      leaf.seen = true;
      return true;
    }
    return false;
  }

  /** A height leaf of an older trie, written again because a key was added beside it: the old one has this very value. */
  #isMovedHeightLeaf(value: Buffer, depth: number, block: number, oldAt: number, skip: number): boolean {
    if (block === 0 || skip === 0) return false;
    const old = this.#olds[depth];
    if (old === undefined) return false;
    this.#marf.load(block, oldAt, old);
    if (old.type !== nodeTypes.leaf || !old.value.equals(value)) return false;
    if (value.readUInt32LE(4) === 0 && value.compare(noValue, 4, valueBytes, 4, valueBytes) === 0)
      return true;
    if (value.compare(minerId, 0, hashBytes, 0, hashBytes) === 0) return this.#isBuiltAsMiner;
    return this.#marf.trieOfHash(value.toString("hex", 0, hashBytes)) !== undefined;
  }

  #heightLeavesOf(trie: Trie, parent: number, height: number): HeightLeaf[] {
    const own = height > 0 && this.#isBuiltAsMiner ? minerId : this.#marf.hashOf(trie.id);
    const leaves: HeightLeaf[] = [];
    const put = (name: string, value: Buffer): void => {
      leaves.push({ name, key: hashBuffer(name), value, seen: false });
    };
    const pair = (at: number, hash: Buffer): void => {
      put(`__MARF_BLOCK_HEIGHT_TO_HASH::${at}`, filled(hash));
      put(`__MARF_BLOCK_HASH_TO_HEIGHT::${hash.toString("hex")}`, heightValue(at));
    };
    put("__MARF_BLOCK_HEIGHT_SELF", heightValue(height));
    pair(height, own);
    if (parent !== 0) pair(height - 1, this.#marf.hashOf(parent));
    return leaves;
  }

  /** Hash over the node's id, its pointers (id, character, block's hash), its path, and a hash for each slot. */
  #hashNode(node: TrieNode): string {
    const { slots, pathLength, type } = node;
    const count = slotCounts[type] ?? 0;
    const view = this.#view;
    const preimage = this.#preimage;
    const marf = this.#marf;
    const children = 2 + 34 * count + pathLength;
    preimage[0] = type;
    for (let slot = 0, p = 1, c = children; slot < count; slot += 1, p += 34, c += hashBytes) {
      const word = slots[slot * slotWords] ?? 0;
      preimage[p] = word & 0xff;
      preimage[p + 1] = (word >> 8) & 0xff;
      if ((word & backFlag) !== 0) {
        // A child in an older trie: the hash of that block stands for where it is and for what it is.
        const from = marf.hashAt(slots[slot * slotWords + 2] ?? 0);
        const words = marf.hashWords;
        for (let i = 0; i < 8; i += 1) {
          const each = words[from + i] ?? 0;
          view.setUint32(p + 2 + 4 * i, each, true);
          view.setUint32(c + 4 * i, each, true);
        }
        continue;
      }
      for (let i = 0; i < 8; i += 1) view.setUint32(p + 2 + 4 * i, 0);
      if ((word & 0xff) === nodeTypes.empty) this.#put(noChildView, 0, c);
      else this.#put(this.#bytesView, (slots[slot * slotWords + 1] ?? 0) >>> 0, c);
    }
    preimage[1 + 34 * count] = pathLength;
    for (let i = 0; i < pathLength; i += 1) preimage[2 + 34 * count + i] = node.path[i] ?? 0;
    const length = children + hashBytes * count;
    this.counts.hashedBytes += length;
    return hashOf(preimage.subarray(0, length));
  }

  #put(from: DataView, at: number, to: number): void {
    for (let i = 0; i < hashBytes; i += 4) this.#view.setUint32(to + i, from.getUint32(at + i));
  }

  /** A root is the hash of the root node and of the roots 1, 2, 4, 8 … blocks before. */
  #checkRoot(node: string, height: number): void {
    if (this.#isFolded(node, height, false)) return;
    if (this.#lineage.forgetGuesses() && this.#isFolded(node, height, true)) return;
    throw wrongHash(rootAt, "root");
  }

  #isFolded(node: string, height: number, lookUp: boolean): boolean {
    const stored = this.#bytes.toString("latin1", rootAt, rootAt + hashBytes);
    if (height === 0) return node === stored;
    let length = this.#fold.write(node, 0, hashBytes, "latin1");
    for (let step = 1; step <= height; step *= 2, length += hashBytes) {
      const at = height - step;
      const ancestor = lookUp ? this.#lineage.lookUpAncestor(at) : this.#lineage.ancestor(at);
      this.#marf.root(ancestor).copy(this.#fold, length);
    }
    return hashOf(this.#fold.subarray(0, length)) === stored;
  }

  #addSpan(from: number, end: number): void {
    // Before two pointers to one node, each with two pointers to one node …, are followed to their end.
    if (this.#spanCount * shortestNode > this.#bytes.length)
      throw new CorruptError(from, "two nodes that overlap");
    if (this.#spanCount === this.#spans.length) {
      const larger = new Float64Array(this.#spans.length * 2);
      larger.set(this.#spans);
      this.#spans = larger;
    }
    this.#spans[this.#spanCount] = from * spanBase + (end - from);
    this.#spanCount += 1;
  }

  /** Each byte belongs to one node or is zero: the writer may keep a little more free for the root than it needs. */
  #checkSpans(): void {
    const spans = this.#spans.subarray(0, this.#spanCount).sort();
    let end = 0;
    for (let i = 0; i <= spans.length; i += 1) {
      const span = spans[i] ?? this.#bytes.length * spanBase;
      const from = Math.floor(span / spanBase);
      if (from < end) throw new CorruptError(from, "two nodes that overlap");
      for (; end < from; end += 1)
        if (this.#bytes[end] !== 0)
          throw new CorruptError(end, "byte that belongs to no node and is not zero");
      end = from + (span % spanBase);
    }
  }
}

const noBytes = new Uint8Array(0);
const noValue = Buffer.alloc(valueBytes);
const noChildView = new DataView(noChild.buffer, noChild.byteOffset, hashBytes);

function endsWith(key: Buffer, path: Uint8Array, length: number): boolean {
  for (let i = length - 1, at = keyBytes - 1; i >= 0; i -= 1, at -= 1) if (key[at] !== path[i]) return false;
  return true;
}

function heightValue(height: number): Buffer {
  const value = Buffer.alloc(valueBytes);
  value.writeUInt32LE(height);
  return value;
}

function filled(hash: Buffer): Buffer {
  const value = Buffer.alloc(valueBytes);
  hash.copy(value);
  return value;
}

const wrongHash = (at: number, what: string): CorruptError =>
  new CorruptError(at, `${what} that does not hash to its stored hash`);
const differentPointer = (at: number, slot: number): CorruptError =>
  new CorruptError(at, `slot ${slot} that points back to another node than the parent's trie`);
