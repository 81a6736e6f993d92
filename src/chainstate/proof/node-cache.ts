/**
 * Decoded nodes of older tries, by block and offset. Two generations in flat memory: a node that is asked for moves into
 * the young one; when that is full the old one is forgotten. Its size is fixed, whatever the chain's.
 */
import { copyWords, nodeTypes, slotWords, type TrieNode, valueBytes } from "./format.ts";

const headWords = 9;
/** Words of a table's entry: block, offset, where the node is, plus one (0: free). */
const entryWords = 3;
const valueWords = valueBytes / 4;

interface Generation {
  readonly words: Int32Array;
  readonly bytes: Uint8Array;
  readonly table: Int32Array;
  used: number;
  count: number;
}

export class NodeCache {
  readonly #mask: number;
  #young: Generation;
  #old: Generation;

  /** `sizeBytes` is what both generations take together, about. */
  constructor(sizeBytes: number) {
    const words = Math.max(1 << 14, Math.floor(sizeBytes / 10));
    // A node of four slots takes 21 words, so that the table is never full before the words are.
    const entries = 2 ** Math.ceil(Math.log2(words / 12));
    this.#mask = entries - 1;
    const generation = (): Generation => {
      const array = new Int32Array(words);
      const table = new Int32Array(entries * entryWords);
      return { words: array, bytes: new Uint8Array(array.buffer), table, used: 0, count: 0 };
    };
    this.#young = generation();
    this.#old = generation();
  }

  /** Fills `node` when it is known. */
  get(block: number, at: number, node: TrieNode): boolean {
    const found = this.#find(this.#young, block, at);
    if (found >= 0) {
      this.#read(this.#young, found, node);
      return true;
    }
    const older = this.#find(this.#old, block, at);
    if (older < 0) return false;
    this.#read(this.#old, older, node);
    this.put(block, at, node);
    return true;
  }

  /** A node that is known already stays as it is: what lies at a place of a trie does not change. */
  put(block: number, at: number, node: TrieNode): void {
    const isLeaf = node.type === nodeTypes.leaf;
    const size = headWords + (isLeaf ? valueWords : node.count * slotWords);
    if (this.#young.used + size > this.#young.words.length || this.#young.count * 2 > this.#mask)
      this.#turn();
    const young = this.#young;
    const slot = this.#slotOf(young, block, at);
    if ((young.table[slot + 2] ?? 0) !== 0) return;
    const from = young.used;
    young.words[from] = node.type | (node.patches << 4) | (node.pathLength << 8);
    young.bytes.set(node.path, (from + 1) * 4);
    if (isLeaf) young.bytes.set(node.value, (from + headWords) * 4);
    else copyWords(node.slots, 0, young.words, from + headWords, node.count * slotWords);
    young.used += size;
    young.count += 1;
    young.table[slot] = block;
    young.table[slot + 1] = at | 0;
    young.table[slot + 2] = from + 1;
  }

  #read(generation: Generation, from: number, node: TrieNode): void {
    const { words, bytes } = generation;
    const head = words[from] ?? 0;
    node.type = head & 0x0f;
    node.patches = (head >> 4) & 0x0f;
    node.pathLength = head >> 8;
    const path = (from + 1) * 4;
    for (let i = 0; i < node.pathLength; i += 1) node.path[i] = bytes[path + i] ?? 0;
    const start = from + headWords;
    if (node.type === nodeTypes.leaf) {
      node.count = 0;
      node.value.set(bytes.subarray(start * 4, start * 4 + valueBytes));
      return;
    }
    node.count = countOf[node.type] ?? 0;
    copyWords(words, start, node.slots, 0, node.count * slotWords);
  }

  #find(generation: Generation, block: number, at: number): number {
    return (generation.table[this.#slotOf(generation, block, at) + 2] ?? 0) - 1;
  }

  /** Where the entry is, or the free one where it would be. */
  #slotOf({ table }: Generation, block: number, at: number): number {
    const offset = at | 0;
    let slot = (Math.imul(block, 0x9e3779b1) ^ Math.imul(offset, 0x85ebca6b)) >>> 0;
    slot = (slot ^ (slot >>> 15)) & this.#mask;
    for (;;) {
      const entry = slot * entryWords;
      if ((table[entry + 2] ?? 0) === 0 || (table[entry] === block && table[entry + 1] === offset))
        return entry;
      slot = (slot + 1) & this.#mask;
    }
  }

  #turn(): void {
    const forgotten = this.#old;
    this.#old = this.#young;
    forgotten.table.fill(0);
    forgotten.used = 0;
    forgotten.count = 0;
    this.#young = forgotten;
  }
}

const countOf = [0, 0, 4, 16, 48, 256];
