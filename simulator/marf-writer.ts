/**
 * Writes tries as a node does: a block's trie holds the nodes that changed, and points back to the rest in older tries.
 * Packed, with changes of inner nodes stored as patches, as nodes write them today; or plain, as they did before.
 */
import { hash } from "node:crypto";
import { Marf, type Trie } from "../src/chainstate/proof/marf.ts";
import { TrieNode } from "../src/chainstate/proof/format.ts";
import type { DatabaseSync } from "node:sqlite";

export const sha = (...parts: readonly (Uint8Array | string)[]): Buffer =>
  Buffer.from(hash("sha512-256", joined(parts), "hex"), "hex");

function joined(parts: readonly (Uint8Array | string)[]): Uint8Array {
  const [only] = parts;
  if (parts.length === 1 && typeof only !== "string" && only !== undefined) return only;
  return Buffer.concat(parts.map((part) => (typeof part === "string" ? Buffer.from(part) : part)));
}

const noChild = sha("");
const minerId = sha(Buffer.alloc(52, 1));
const noParent = "f".repeat(64);
const slotsOf: Readonly<Record<number, number>> = { 2: 4, 3: 16, 4: 48, 5: 256 };
const back = 0x80;
const packedFlag = 0x40;
const rootAt = 36;
const mostPatches = 4;

interface Leaf {
  readonly type: 1;
  readonly path: Buffer;
  readonly value: Buffer;
  hash?: Buffer;
  at?: number;
}

interface Slot {
  readonly character: number;
  readonly type: number;
  /** In an older trie, or a node of this one. */
  readonly to: { readonly block: number; readonly at: number } | Leaf | Inner;
}

interface Inner {
  type: number;
  path: Buffer;
  slots: (Slot | undefined)[];
  patches: number;
  /** The version in the parent's trie, where this one may be stored as a change of it. */
  base:
    | { readonly block: number; readonly at: number; readonly character: number; readonly id: number }
    | undefined;
  hash?: Buffer;
  at?: number;
}

export interface NewTrie {
  readonly bytes: Buffer;
  /** Hex. */
  readonly root: string;
}

interface Known {
  readonly id: number;
  readonly height: number;
  readonly parent: string;
}

export interface MarfOptions {
  readonly isPacked: boolean;
  /** Tries are built under one id for all and then renamed (Clarity's). */
  readonly isBuiltAsMiner: boolean;
  readonly cacheBytes?: number;
}

/** Keys are put between `begin` and `seal`; the caller stores what that gives. */
export class MarfWriter {
  readonly #marf: Marf;
  readonly #options: MarfOptions;
  readonly #known = new Map<string, Known>();
  readonly #node = new TrieNode();
  #root: Inner | undefined;
  #parent: (Known & { readonly hash: string }) | undefined;

  /** `fd`: of the `.blobs`; undefined: tries are in the table. */
  constructor(database: DatabaseSync, fd: number | undefined, options: MarfOptions) {
    this.#marf = new Marf(database, fd, options.cacheBytes ?? 4 * 1024 ** 2);
    this.#options = options;
  }

  /** Of a block, or `noParent` for the first. */
  begin(parentHash: string): void {
    if (parentHash === noParent) {
      this.#parent = undefined;
      this.#root = {
        type: 5,
        path: Buffer.alloc(0),
        slots: Array.from({ length: 256 }),
        patches: 0,
        base: undefined,
      };
      return;
    }
    const parent = this.#knownOf(parentHash);
    this.#parent = { ...parent, hash: parentHash };
    this.#root = this.#open(parent.id, rootAt, 0);
    const before = this.#knownOf(parentHash);
    this.put(`__MARF_BLOCK_HEIGHT_TO_HASH::${before.height}`, padded(Buffer.from(parentHash, "hex")));
    this.put(`__MARF_BLOCK_HASH_TO_HEIGHT::${parentHash}`, heightValue(before.height));
  }

  get height(): number {
    return this.#parent === undefined ? 0 : this.#parent.height + 1;
  }

  put(key: string, value: Buffer): void {
    if (this.#root === undefined) throw new Error("no trie was begun");
    this.#insert(this.#root, sha(key), 0, value);
  }

  /** `blockHash`: of the block, where the trie is built under it. */
  seal(blockHash?: string): NewTrie {
    const root = this.#root;
    if (root === undefined) throw new Error("no trie was begun");
    const { height } = this;
    const isMiner = this.#options.isBuiltAsMiner && height > 0;
    const own = isMiner ? minerId : Buffer.from(blockHash ?? "", "hex");
    this.put("__MARF_BLOCK_HEIGHT_SELF", heightValue(height));
    this.put(`__MARF_BLOCK_HEIGHT_TO_HASH::${height}`, padded(own));
    this.put(`__MARF_BLOCK_HASH_TO_HEIGHT::${own.toString("hex")}`, heightValue(height));
    let rootHash = this.#hash(root);
    if (this.#parent !== undefined) rootHash = sha(rootHash, ...this.#ancestors(this.#parent));
    root.hash = rootHash;
    const bytes = this.#encode(root, this.#parent?.hash ?? noParent);
    this.#root = undefined;
    return { bytes, root: rootHash.toString("hex") };
  }

  #insert(node: Inner, key: Buffer, depth: number, value: Buffer): void {
    let at = depth;
    for (let i = 0; i < node.path.length; i += 1, at += 1) {
      if (node.path[i] === key[at]) continue;
      // The node goes on below a new one that holds what both have in common.
      const rest: Inner = { ...node, path: node.path.subarray(i + 1), base: undefined, patches: 0 };
      const character = node.path[i] ?? 0;
      Object.assign(node, emptyNode(node.path.subarray(0, i)));
      addChild(node, { character, type: rest.type, to: rest });
      addChild(node, leafSlot(key, at, value));
      return;
    }
    const character = key[at] ?? 0;
    const slot = node.slots.findIndex((each) => each?.character === character);
    const found = node.slots[slot];
    if (found === undefined) {
      addChild(node, leafSlot(key, at, value));
      return;
    }
    const child = "block" in found.to ? this.#open(found.to.block, found.to.at, character) : found.to;
    const replaced = this.#replace(child, key, at + 1, value);
    node.slots[slot] = { character, type: replaced.type, to: replaced };
  }

  #replace(child: Inner | Leaf, key: Buffer, depth: number, value: Buffer): Inner | Leaf {
    if (!isLeaf(child)) {
      this.#insert(child, key, depth, value);
      return child;
    }
    const rest = key.subarray(depth);
    if (child.path.equals(rest)) return { type: 1, path: rest, value };
    let same = 0;
    while (child.path[same] === rest[same]) same += 1;
    const inner: Inner = emptyNode(rest.subarray(0, same));
    const old: Leaf = { type: 1, path: child.path.subarray(same + 1), value: child.value };
    addChild(inner, { character: child.path[same] ?? 0, type: 1, to: old });
    addChild(inner, leafSlot(key, depth + same, value));
    return inner;
  }

  /** A copy of an older node, for this trie. */
  #open(block: number, at: number, character: number): Inner;
  #open(block: number, at: number, character: number): Inner | Leaf {
    const node = this.#node;
    this.#marf.load(block, at, node);
    const path = Buffer.from(node.path.subarray(0, node.pathLength));
    if (node.type === 1) return { type: 1, path, value: Buffer.from(node.value) };
    const slots: (Slot | undefined)[] = [];
    for (let slot = 0; slot < node.count; slot += 1) {
      const id = node.idOf(slot);
      const from = (id & back) === 0 ? block : node.blockOf(slot);
      slots.push(
        id === 0
          ? undefined
          : {
              character: node.characterOf(slot),
              type: id & 0x0f,
              to: { block: from, at: node.offsetOf(slot) },
            },
      );
    }
    const id = node.patches > 0 ? 6 : node.type;
    const base = node.patches < mostPatches ? { block, at, character, id } : undefined;
    return { type: node.type, path, slots, patches: node.patches, base };
  }

  #hash(node: Inner | Leaf): Buffer {
    if (isLeaf(node)) return (node.hash = sha(Buffer.of(1, node.path.length), node.path, node.value));
    const count = slotsOf[node.type] ?? 0;
    const children = 2 + 34 * count + node.path.length;
    const bytes = Buffer.alloc(children + 32 * count);
    bytes[0] = node.type;
    for (let i = 0; i < count; i += 1) {
      const slot = node.slots[i];
      const at = 1 + 34 * i;
      let child = noChild;
      if (slot !== undefined) {
        const isBack = "block" in slot.to;
        bytes[at] = slot.type | (isBack ? back : 0);
        bytes[at + 1] = slot.character;
        child = "block" in slot.to ? this.#marf.hashOf(slot.to.block) : this.#hash(slot.to);
        if (isBack) child.copy(bytes, at + 2);
      }
      child.copy(bytes, children + 32 * i);
    }
    bytes[1 + 34 * count] = node.path.length;
    node.path.copy(bytes, 2 + 34 * count);
    return (node.hash = sha(bytes));
  }

  /** Roots 1, 2, 4 … blocks before. */
  #ancestors(parent: Known & { readonly hash: string }): Buffer[] {
    const roots: Buffer[] = [];
    let at = parent.hash;
    let steps = 1;
    for (let step = 1; step <= parent.height + 1; step *= 2) {
      for (; steps < step; steps += 1) at = this.#knownOf(at).parent;
      roots.push(Buffer.from(this.#marf.root(this.#knownOf(at).id)));
    }
    return roots;
  }

  #knownOf(blockHash: string): Known {
    const known = this.#known.get(blockHash);
    if (known !== undefined) return known;
    const trie = this.#marf.trieOfHash(blockHash);
    if (trie === undefined) throw new Error(`no trie of ${blockHash}`);
    const parent = this.#headOf(trie);
    // Read up once, from a chain that was there before.
    let height = 0;
    if (parent !== noParent)
      height = this.#marf.get(trie.id, "__MARF_BLOCK_HEIGHT_SELF")?.readUInt32LE(0) ?? 0;
    const read = { id: trie.id, height, parent };
    this.#known.set(blockHash, read);
    return read;
  }

  #headOf({ id, offset, length }: Trie): string {
    return this.#marf.read(id, offset, length, 0, 32).toString("hex");
  }

  /** The root first, then each node before those below it. */
  #encode(root: Inner, parentHash: string): Buffer {
    const order: (Inner | Leaf)[] = [];
    const collect = (node: Inner | Leaf): void => {
      order.push(node);
      if (isLeaf(node)) return;
      for (const slot of node.slots) if (slot !== undefined && !("block" in slot.to)) collect(slot.to);
    };
    collect(root);
    // A pointer is as long whatever it says, so lengths are known before offsets.
    let end = rootAt;
    for (const node of order) {
      node.at = end;
      end += this.#encodeNode(node).length;
    }
    return Buffer.concat([
      Buffer.from(parentHash, "hex"),
      Buffer.alloc(4),
      ...order.map((node) => this.#encodeNode(node)),
    ]);
  }

  #encodeNode(node: Inner | Leaf): Buffer {
    const stored = node.hash ?? Buffer.alloc(32);
    if (isLeaf(node)) return Buffer.concat([stored, Buffer.of(1, node.path.length), node.path, node.value]);
    const { isPacked } = this.#options;
    const tail = [Buffer.of(node.path.length), node.path];
    if (node.type === 4) tail.unshift(indexOf(node));
    if (!isPacked)
      return Buffer.concat([stored, Buffer.of(node.type), ...[...slotsIn(node)].map(plainPointer), ...tail]);
    const { base } = node;
    const changed = node.slots.filter((slot) => slot !== undefined && !("block" in slot.to));
    if (base !== undefined && changed.length > 0) {
      const from = Buffer.alloc(10);
      from[0] = base.id | back | packedFlag;
      from[1] = base.character;
      from.writeUInt32BE(base.at, 2);
      from.writeUInt32BE(base.block, 6);
      return Buffer.concat([
        stored,
        Buffer.of(6),
        from,
        Buffer.of(changed.length - 1),
        ...changed.map(packedPointer),
      ]);
    }
    return Buffer.concat([stored, Buffer.of(node.type | packedFlag), packedSlots(node), ...tail]);
  }
}

function packedSlots(node: Inner): Buffer {
  const all = [...slotsIn(node)];
  const dense = Buffer.concat(all.map(packedPointer));
  const map = Buffer.alloc(Math.ceil(all.length / 8));
  all.forEach((slot, i) => {
    if (slot !== undefined) map[i >> 3] = (map[i >> 3] ?? 0) | (1 << (i & 7));
  });
  const sparse = Buffer.concat([
    Buffer.of(0xff),
    map,
    ...all.filter((slot) => slot !== undefined).map(packedPointer),
  ]);
  return sparse.length < dense.length ? sparse : dense;
}

function packedPointer(slot: Slot | undefined): Buffer {
  const plain = plainPointer(slot);
  plain[0] = (plain[0] ?? 0) | packedFlag;
  return ((plain[0] ?? 0) & back) === 0 ? plain.subarray(0, 6) : plain;
}

function plainPointer(slot: Slot | undefined): Buffer {
  const pointer = Buffer.alloc(10);
  if (slot === undefined) return pointer;
  const isBack = "block" in slot.to;
  pointer[0] = slot.type | (isBack ? back : 0);
  pointer[1] = slot.character;
  pointer.writeUInt32BE(slot.to.at ?? 0, 2);
  if ("block" in slot.to) pointer.writeUInt32BE(slot.to.block, 6);
  return pointer;
}

function indexOf(node: Inner): Buffer {
  const index = Buffer.alloc(256, 0xff);
  node.slots.forEach((slot, at) => {
    if (slot !== undefined) index[slot.character] = at;
  });
  return index;
}

function* slotsIn(node: Inner): Generator<Slot | undefined> {
  for (let slot = 0; slot < (slotsOf[node.type] ?? 0); slot += 1) yield node.slots[slot];
}

/** Into the first free slot; a node that is full becomes one of the next size. */
function addChild(node: Inner, slot: Slot): void {
  if (node.type === 5) {
    node.slots[slot.character] = slot;
    return;
  }
  let free = 0;
  while (free < (slotsOf[node.type] ?? 0) && node.slots[free] !== undefined) free += 1;
  if (free < (slotsOf[node.type] ?? 0)) {
    node.slots[free] = slot;
    return;
  }
  const { slots } = node;
  node.type += 1;
  node.base = undefined;
  node.patches = 0;
  if (node.type === 5) {
    node.slots = Array.from({ length: 256 });
    for (const each of slots) if (each !== undefined) node.slots[each.character] = each;
  }
  addChild(node, slot);
}

const emptyNode = (path: Buffer): Inner => ({ type: 2, path, slots: [], patches: 0, base: undefined });

function leafSlot(key: Buffer, at: number, value: Buffer): Slot {
  return { character: key[at] ?? 0, type: 1, to: { type: 1, path: key.subarray(at + 1), value } };
}

const isLeaf = (node: Inner | Leaf): node is Leaf => node.type === 1;

function heightValue(height: number): Buffer {
  const value = Buffer.alloc(40);
  value.writeUInt32LE(height);
  return value;
}

export const padded = (bytes: Buffer): Buffer => Buffer.concat([bytes, Buffer.alloc(40 - bytes.length)]);
