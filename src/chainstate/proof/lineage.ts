/**
 * Parents, heights and ancestors of the tries that are verified. Tries of this range are remembered, 12 bytes each; older
 * ancestors are found as the node finds them, by keys in the trie before the range, or by a guess that the root's hash
 * then confirms. So a night needs nothing of the millions of tries before it.
 */
import { CorruptError, hashBytes, rootAt } from "./format.ts";
import type { Marf, TrieHead } from "./marf.ts";

const mostOlder = 1 << 17;

export class Lineage {
  readonly #marf: Marf;
  /** By id, less the first one of the range. */
  #parents = new Int32Array(1024);
  #heights = new Int32Array(1024);
  readonly #first: number;
  /** By height, less the lowest: the ancestors of the trie that was added last, and itself. */
  #line = new Int32Array(1024);
  #lowest = 0;
  /** The trie before the range that the line hangs on, with its height; 0: none. */
  #anchor: TrieHead & { readonly id: number } = { id: 0, parent: 0, height: -1 };
  readonly #older = new Map<number, number>();

  /** `first`: the id that no trie of the range is below. */
  constructor(marf: Marf, first: number) {
    this.#marf = marf;
    this.#first = first;
  }

  /** Takes a trie in, by what its head says. */
  add(id: number, parent: number): number {
    if (parent >= id) throw new CorruptError(0, `head names a parent that came later: block ${parent}`);
    const height = parent === 0 ? 0 : this.#heightOf(parent) + 1;
    const at = id - this.#first;
    if (at >= this.#parents.length) {
      this.#parents = grown(this.#parents, at + 1);
      this.#heights = grown(this.#heights, at + 1);
    }
    this.#parents[at] = parent;
    this.#heights[at] = height + 1;
    this.#extend(id, parent, height);
    return height;
  }

  /** The ancestor at a height, of the trie that was added last. */
  ancestor(height: number): number {
    if (height >= this.#lowest) return this.#line[height - this.#lowest] ?? 0;
    if (height === this.#anchor.height) return this.#anchor.id;
    let id = this.#older.get(height);
    if (id === undefined) {
      id = this.#guess(height) ?? this.#lookUp(height);
      if (this.#older.size >= mostOlder) this.#older.clear();
      this.#older.set(height, id);
    }
    return id;
  }

  /** Asks the trie itself for every older ancestor from now on: a guess was wrong. False: none was made. */
  forgetGuesses(): boolean {
    const { size } = this.#older;
    this.#older.clear();
    return size > 0;
  }

  /** What the trie before the range says, not what follows the ancestor below. */
  lookUpAncestor(height: number): number {
    if (height >= this.#lowest || height === this.#anchor.height) return this.ancestor(height);
    const id = this.#lookUp(height);
    this.#older.set(height, id);
    return id;
  }

  #heightOf(id: number): number {
    if (id >= this.#first) {
      const height = (this.#heights[id - this.#first] ?? 0) - 1;
      if (height < 0) throw new CorruptError(0, `parent ${id} is not proven`);
      return height;
    }
    if (id === this.#anchor.id) return this.#anchor.height;
    const value = this.#marf.get(id, "__MARF_BLOCK_HEIGHT_SELF");
    if (value === undefined) throw new CorruptError(0, `the trie of block ${id} does not say its height`);
    return value.readUInt32LE(0);
  }

  #extend(id: number, parent: number, height: number): void {
    const isInRange = parent >= this.#first;
    if (!isInRange) {
      if (parent !== this.#anchor.id) this.#older.clear();
      this.#anchor = { id: parent, parent: 0, height: height - 1 };
      this.#lowest = height;
    } else if (height - 1 < this.#lowest || this.#line[height - 1 - this.#lowest] !== parent) {
      this.#rebuild(parent, height - 1);
    }
    if (height - this.#lowest >= this.#line.length) this.#line = grown(this.#line, height - this.#lowest + 1);
    this.#line[height - this.#lowest] = id;
  }

  /** Another fork: down from its parent to where the line is the same again, or out of the range. */
  #rebuild(from: number, fromHeight: number): void {
    const ids: number[] = [];
    let id = from;
    let height = fromHeight;
    while (id >= this.#first && !(height >= this.#lowest && this.#line[height - this.#lowest] === id)) {
      ids.push(id);
      id = this.#parents[id - this.#first] ?? 0;
      height -= 1;
    }
    if (id < this.#first) {
      if (id !== this.#anchor.id) {
        this.#older.clear();
        this.#anchor = { id, parent: 0, height };
      }
      this.#lowest = height + 1;
    }
    if (fromHeight - this.#lowest >= this.#line.length)
      this.#line = grown(this.#line, fromHeight - this.#lowest + 1);
    ids.forEach((each, back) => {
      this.#line[fromHeight - back - this.#lowest] = each;
    });
  }

  /** The trie after the ancestor one lower, if that is what its head names for its parent: true but at forks. */
  #guess(height: number): number | undefined {
    const below = this.#older.get(height - 1);
    const next = below === undefined ? undefined : this.#marf.trie(below + 1);
    if (next === undefined || next.id >= this.#anchor.id) return undefined;
    return this.#marf.parentOf(next) === below ? next.id : undefined;
  }

  #lookUp(height: number): number {
    const value = this.#marf.get(this.#anchor.id, `__MARF_BLOCK_HEIGHT_TO_HASH::${height}`);
    const found = value && this.#marf.trieOfHash(value.toString("hex", 0, hashBytes));
    if (!found)
      throw new CorruptError(
        rootAt,
        `the trie of block ${this.#anchor.id} names no block of height ${height}`,
      );
    return found.id;
  }
}

function grown(array: Int32Array<ArrayBuffer>, needed: number): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(Math.max(needed, array.length * 2));
  larger.set(array);
  return larger;
}
