/**
 * The bytes of a trie as a stacks-node writes them, and their hashes (stacks-core, stackslib/src/chainstate/stacks/index:
 * bits.rs, node.rs, trie_sql.rs). A trie is the parent's block hash (32 bytes), four zero bytes, the root node, the other
 * nodes; each node begins with its stored hash. Numbers are big-endian unless noted. One spelling of a node is accepted:
 * the one that the node writes. Fields that no hash covers have to be what they must be.
 */
import { hash } from "node:crypto";

export const nodeTypes = { empty: 0, leaf: 1, node48: 4, node256: 5, patch: 6 } as const;
/** By node type; 2, 3, 4 and 5 are nodes of 4, 16, 48 and 256 slots. */
export const slotCounts = [0, 0, 4, 16, 48, 256] as const;
/** Flags in id bytes: the child is in another trie; pointers are packed; eight-byte offset; packed with a block (squashed). */
export const backFlag = 0x80;
const packedFlag = 0x40;
const wideFlag = 0x20;
const notedFlag = 0x10;
/** Where the root node begins. */
export const rootAt = 36;
export const hashBytes = 32;
export const keyBytes = 32;
export const valueBytes = 40;
/** No encoded node is longer. */
export const longestNode = 4096;
/** After so many patches the next version of a node is stored whole. */
export const mostPatches = 4;

/** SHA-512/256 as 32 characters, one a byte: compared and copied without an allocation outside the JavaScript heap. */
export const hashOf = (bytes: Uint8Array | string): string => hash("sha512-256", bytes, "binary");
export const hashHex = (bytes: Uint8Array | string): string => hash("sha512-256", bytes, "hex");
export const hashBuffer = (bytes: Uint8Array | string): Buffer => Buffer.from(hashOf(bytes), "latin1");

/** The trie of a block's Clarity state is built under this id and then stored under the block's. */
export const minerId = hashBuffer(Buffer.alloc(52, 1));
/** The id of block 0, whose header names no root of the state. */
export const genesisId = hashHex(Buffer.alloc(52, 0));

/** What a trie's bytes say is not what they must be. */
export class CorruptError extends Error {
  override readonly name = "CorruptError";
  /** Offset of the node in its trie. */
  readonly at: number;
  constructor(at: number, message: string) {
    super(message);
    this.at = at;
  }
}

/** Words of a slot: id | character << 8, offset, block. */
export const slotWords = 3;

/**
 * One decoded node. Objects of this class are made once and filled again and again: a trie has a quarter of a million
 * pointers, and an object for each made the garbage collector the largest part of the proof.
 */
export class TrieNode {
  type = 0;
  /** Patches between the version that is stored whole and this one. */
  patches = 0;
  pathLength = 0;
  readonly path = new Uint8Array(keyBytes);
  /** Of a patch: the pointers that it changes, `count` of them. */
  readonly slots = new Int32Array(256 * slotWords);
  count = 0;
  /** Of a leaf. */
  readonly value = Buffer.alloc(valueBytes);
  /** Behind its last byte. */
  end = 0;
  /** Of a patch: the node that it changes. */
  baseId = 0;
  baseCharacter = 0;
  baseAt = 0;
  baseBlock = 0;

  idOf(slot: number): number {
    return (this.slots[slot * slotWords] ?? 0) & 0xff;
  }

  characterOf(slot: number): number {
    return ((this.slots[slot * slotWords] ?? 0) >> 8) & 0xff;
  }

  offsetOf(slot: number): number {
    return (this.slots[slot * slotWords + 1] ?? 0) >>> 0;
  }

  blockOf(slot: number): number {
    return this.slots[slot * slotWords + 2] ?? 0;
  }

  /** The slot that holds a character, or -1. `likely`: where it is if the node has not grown. */
  find(character: number, likely: number): number {
    const { slots, count } = this;
    if (this.type === nodeTypes.node256)
      return ((slots[character * slotWords] ?? 0) & 0xff) === nodeTypes.empty ? -1 : character;
    if (likely < count && isAt(slots[likely * slotWords] ?? 0, character)) return likely;
    for (let slot = 0; slot < count; slot += 1)
      if (isAt(slots[slot * slotWords] ?? 0, character)) return slot;
    return -1;
  }

  copyFrom(other: TrieNode): void {
    this.type = other.type;
    this.patches = other.patches;
    this.pathLength = other.pathLength;
    this.path.set(other.path);
    this.count = other.count;
    copyWords(other.slots, 0, this.slots, 0, other.count * slotWords);
    this.end = other.end;
  }
}

const manyWords = 64;

/** A loop for few words, a copy of memory for many: each costs several times the other where it does not belong. */
export function copyWords(from: Int32Array, at: number, to: Int32Array, place: number, count: number): void {
  if (count > manyWords) to.set(from.subarray(at, at + count), place);
  else for (let i = 0; i < count; i += 1) to[place + i] = from[at + i] ?? 0;
}

function isAt(word: number, character: number): boolean {
  return (word & 0xff) !== nodeTypes.empty && ((word >> 8) & 0xff) === character;
}

/** Fills `node` with the one whose stored hash is at `b[at]`; its last byte must be before `limit`. */
export function decodeNode(b: Buffer, at: number, limit: number, node: TrieNode): void {
  if (at + hashBytes + 2 > limit) throw pastEnd(at);
  const tag = b[at + hashBytes] ?? 0;
  if (tag === nodeTypes.leaf) decodeLeaf(b, at, limit, node);
  else if (tag === nodeTypes.patch) decodePatch(b, at, limit, node);
  else decodeInner(b, at, limit, tag, node);
}

function decodeLeaf(b: Buffer, at: number, limit: number, node: TrieNode): void {
  node.type = nodeTypes.leaf;
  node.patches = 0;
  node.count = 0;
  const from = decodePath(b, at, at + hashBytes + 1, limit, node);
  node.end = from + valueBytes;
  if (node.end > limit) throw pastEnd(at);
  b.copy(node.value, 0, from, node.end);
}

function decodePatch(b: Buffer, at: number, limit: number, node: TrieNode): void {
  node.type = nodeTypes.patch;
  let p = decodePointer(b, at + hashBytes + 1, limit, true, node, 0, nodeTypes.patch);
  node.baseId = node.idOf(0);
  node.baseCharacter = node.characterOf(0);
  node.baseAt = node.offsetOf(0);
  node.baseBlock = node.blockOf(0);
  if (p >= limit) throw pastEnd(at);
  node.count = (b[p] ?? 0) + 1;
  p += 1;
  for (let slot = 0; slot < node.count; slot += 1) {
    p = decodePointer(b, p, limit, true, node, slot, nodeTypes.node256);
    if (node.idOf(slot) === nodeTypes.empty) throw new CorruptError(at, "patch with an empty pointer");
  }
  node.end = p;
}

function decodeInner(b: Buffer, at: number, limit: number, tag: number, node: TrieNode): void {
  const packed = (tag & packedFlag) !== 0;
  const type = tag & ~packedFlag;
  const count = slotCounts[type] ?? 0;
  if (count === 0) throw new CorruptError(at, `node with id byte ${tag}`);
  node.type = type;
  node.patches = 0;
  node.count = count;
  let p = at + hashBytes + 1;
  if (packed && b[p] === 0xff) p = decodeSparse(b, at, p + 1, limit, node);
  else
    for (let slot = 0; slot < count; slot += 1)
      p = decodePointer(b, p, limit, packed, node, slot, nodeTypes.node256);
  if (type === nodeTypes.node48) p = checkIndex(b, at, p, limit, node);
  node.end = decodePath(b, at, p, limit, node);
}

/** A bitmap of the slots in use, then only those. */
function decodeSparse(b: Buffer, at: number, map: number, limit: number, node: TrieNode): number {
  const { count } = node;
  const bytes = Math.ceil(count / 8);
  let p = map + bytes;
  if (p > limit) throw pastEnd(at);
  for (let slot = 0; slot < 8 * bytes; slot += 1) {
    const used = ((b[map + (slot >> 3)] ?? 0) & (1 << (slot & 7))) !== 0;
    if (slot >= count) {
      if (used) throw new CorruptError(at, "bitmap names a slot that does not exist");
    } else if (used) {
      p = decodePointer(b, p, limit, true, node, slot, nodeTypes.node256);
      if (node.idOf(slot) === nodeTypes.empty) throw new CorruptError(at, "bitmap names an empty slot");
    } else {
      node.slots.fill(0, slot * slotWords, (slot + 1) * slotWords);
    }
  }
  return p;
}

/** Which slot holds a character: not hashed, so it must say what the pointers say. */
function checkIndex(b: Buffer, at: number, from: number, limit: number, node: TrieNode): number {
  const end = from + 256;
  if (end > limit) throw pastEnd(at);
  let named = 0;
  for (let character = 0; character < 256; character += 1) {
    const slot = b[from + character] ?? 0;
    if (slot === 0xff) continue;
    named += 1;
    if (slot >= node.count || !isAt(node.slots[slot * slotWords] ?? 0, character)) throw wrongIndex(at);
  }
  let used = 0;
  for (let slot = 0; slot < node.count; slot += 1) if (node.idOf(slot) !== nodeTypes.empty) used += 1;
  if (named !== used) throw wrongIndex(at);
  return end;
}

function decodePath(b: Buffer, at: number, p: number, limit: number, node: TrieNode): number {
  const length = p < limit ? (b[p] ?? 0) : 0;
  if (p >= limit || length > keyBytes || p + 1 + length > limit)
    throw new CorruptError(at, "path that is too long");
  node.pathLength = length;
  for (let i = 0; i < length; i += 1) node.path[i] = b[p + 1 + i] ?? 0;
  return p + 1 + length;
}

/** Reads a child's pointer into a slot and returns the position behind it. */
function decodePointer(
  b: Buffer,
  p: number,
  limit: number,
  packed: boolean,
  node: TrieNode,
  slot: number,
  highest: number,
): number {
  if (p + 6 > limit) throw pastEnd(p);
  const tag = b[p] ?? 0;
  const id = tag & 0x8f;
  const type = tag & 0x0f;
  // Eight-byte offsets begin at 4 GiB, where no trie of a block ends.
  const wrong = (tag & (packedFlag | wideFlag | notedFlag)) !== (packed ? packedFlag : 0);
  if (wrong || type > highest || (type === nodeTypes.empty && id !== 0))
    throw new CorruptError(p, `pointer with id byte ${tag}`);
  const offset = readWord(b, p + 2);
  let next = p + 6;
  let block = 0;
  if (!packed || (id & backFlag) !== 0) {
    if (next + 4 > limit) throw pastEnd(p);
    block = readWord(b, next);
    next += 4;
  }
  if (block !== 0 && (id & backFlag) === 0)
    throw new CorruptError(p, "pointer inside the trie that names another block");
  if (id === nodeTypes.empty && offset !== 0) throw new CorruptError(p, "empty pointer with an offset");
  const at = slot * slotWords;
  node.slots[at] = id | ((b[p + 1] ?? 0) << 8);
  node.slots[at + 1] = offset;
  node.slots[at + 2] = block;
  return next;
}

function readWord(b: Buffer, p: number): number {
  return ((b[p] ?? 0) << 24) | ((b[p + 1] ?? 0) << 16) | ((b[p + 2] ?? 0) << 8) | (b[p + 3] ?? 0);
}

/**
 * Turns `node`, a copy of the base, into what the patch stands for: children in the base's own trie are seen from another
 * block, then each pointer of the patch takes the slot with its character, or the first free one.
 */
export function applyPatch(node: TrieNode, baseBlock: number, patch: TrieNode, at: number): void {
  const { slots, count } = node;
  for (let slot = 0; slot < count; slot += 1) {
    const word = slots[slot * slotWords] ?? 0;
    if ((word & 0xff) === nodeTypes.empty || (word & backFlag) !== 0) continue;
    slots[slot * slotWords] = word | backFlag;
    slots[slot * slotWords + 2] = baseBlock;
  }
  for (let each = 0; each < patch.count; each += 1) {
    const character = patch.characterOf(each);
    let slot = node.find(character, each);
    if (slot < 0) slot = node.type === nodeTypes.node256 ? character : firstFree(node);
    if (slot < 0) throw new CorruptError(at, "patch that does not fit its base");
    for (let word = 0; word < slotWords; word += 1)
      slots[slot * slotWords + word] = patch.slots[each * slotWords + word] ?? 0;
  }
  node.patches += 1;
  node.end = patch.end;
}

function firstFree(node: TrieNode): number {
  for (let slot = 0; slot < node.count; slot += 1) if (node.idOf(slot) === nodeTypes.empty) return slot;
  return -1;
}

const pastEnd = (at: number): CorruptError => new CorruptError(at, "node that runs past the end of its trie");
const wrongIndex = (at: number): CorruptError =>
  new CorruptError(at, "Node48 index that differs from its pointers");
