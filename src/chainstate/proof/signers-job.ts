/**
 * Who has signed the last blocks. Each is signed by the set of the reward cycle in which its tenure was elected, and each
 * set stands in the state of a block that the set before it has signed: so from a set that is known to be the chain's, all
 * later ones follow, and the tip. The block that put a set into the state proves it by its own trie, whole: nothing here
 * relies on what was proven elsewhere.
 */
import type { StatementSync } from "node:sqlite";
import type { SignerSetName } from "../../domain/manifest.ts";
import { databases } from "../layout.ts";
import { CorruptError } from "./format.ts";
import type { JobAccess, Slices } from "./job-access.ts";
import { Lineage } from "./lineage.ts";
import { Marf } from "./marf.ts";
import { type Cycles, type Signed, type SignerSet, SignerSets, signersOf } from "./signer-sets.ts";
import { TrieProof } from "./trie-proof.ts";
import { type NakamotoHeader, tryParseNakamotoHeader } from "./wire-format.ts";

export interface SignersJob {
  readonly kind: "signers";
  /** Block id. */
  readonly tip: string;
  /** Of the Clarity MARF, absolute; null where its table holds the tries. */
  readonly blobs: string | null;
  /** From the tip down. */
  readonly blocks: number;
  /** Sets that are known to be the chain's. */
  readonly trusted: readonly SignerSetName[];
  /** Whether the tip's ancestry is followed down to the block that put its set into the state. */
  readonly isTraced: boolean;
}

export interface SignersReport {
  /** Whose signatures were found right. */
  readonly blocks: number;
  /** The newest of them; undefined: none was. */
  readonly newest:
    | (Omit<Signed, "isEnough" | "strangers" | "keyless"> & {
        readonly id: string;
        readonly height: number;
        readonly percent: number;
        readonly set: SignerSetName;
      })
    | undefined;
  /** What was not looked at and why, in words. */
  readonly unknown: readonly string[];
  /** The set of the newest is in the state of a block that the set before it has signed. */
  readonly isVouched: boolean;
  /** The last of the trusted sets from which the newest follows. */
  readonly followsFrom: SignerSetName | undefined;
  /** Why it follows from none of those that are trusted, in words. */
  readonly whyNotFollowed: string | undefined;
  /** A trusted set whose cycle has another one here. */
  readonly differs: { readonly trusted: SignerSetName; readonly found: string } | undefined;
  /** The tip descends from the block that put its set into the state. */
  readonly isTraced: boolean;
}

type Fail = (what: string) => void;

/** Headers are read without their transactions, which follow them. */
const headBytes = 4096;

export async function checkSigners(
  job: SignersJob,
  access: JobAccess,
  fail: Fail,
  slices: Slices,
): Promise<SignersReport> {
  const check = new SignersCheck(job, access, fail);
  try {
    await check.signatures(slices);
    check.chainOfSets();
    if (job.isTraced) await check.trace(slices);
  } catch (error) {
    if (!(error instanceof CorruptError)) throw error;
    fail(`the state of block ${job.tip} cannot be read: ${error.message}`);
  }
  return check.report();
}

/** The block that put a set into the state; it is one of epoch 2 where it has no header of Nakamoto's. */
interface Origin {
  readonly id: string;
  readonly header: NakamotoHeader | undefined;
}

class SignersCheck {
  readonly #job: SignersJob;
  readonly #fail: Fail;
  readonly #marf: Marf;
  readonly #sets: SignerSets;
  readonly #block: StatementSync;
  readonly #epoch2: StatementSync;
  readonly #burn: StatementSync;
  readonly #tipTrie: number;
  readonly #unknown = new Set<string>();
  readonly #origins = new Map<number, Origin | string>();
  #newest: SignersReport["newest"];
  #blocks = 0;
  #isVouched = false;
  #followsFrom: SignersReport["followsFrom"];
  #whyNotFollowed: string | undefined;
  #differs: SignersReport["differs"];
  #isTraced = false;

  constructor(job: SignersJob, { database, file }: JobAccess, fail: Fail) {
    this.#job = job;
    this.#fail = fail;
    const [clarity, index] = [database(databases.clarity), database(databases.index)];
    this.#marf = new Marf(clarity, job.blobs === null ? undefined : file(job.blobs), 8 << 20);
    this.#sets = new SignerSets(this.#marf, clarity, index);
    this.#block = database(databases.nakamoto).prepare(
      "SELECT substr(data, 1, ?) AS d, length(data) AS n FROM nakamoto_staging_blocks WHERE index_block_hash = ?",
    );
    this.#epoch2 = index.prepare(
      "SELECT state_index_root AS r, block_height AS h FROM block_headers WHERE index_block_hash = ?",
    );
    this.#burn = database(databases.sortition).prepare(
      "SELECT block_height AS h FROM snapshots WHERE consensus_hash = ?",
    );
    this.#tipTrie = this.#marf.trieOfHash(job.tip)?.id ?? 0;
  }

  report(): SignersReport {
    const { unreadableRows } = this.#sets;
    if (unreadableRows > 0) this.#unknown.add(`${unreadableRows} rows of reward sets cannot be read`);
    return {
      blocks: this.#blocks,
      newest: this.#newest,
      unknown: [...this.#unknown],
      isVouched: this.#isVouched,
      followsFrom: this.#followsFrom,
      whyNotFollowed: this.#whyNotFollowed,
      differs: this.#differs,
      isTraced: this.#isTraced,
    };
  }

  async signatures(slices: Slices): Promise<void> {
    const cycles = this.#sets.cyclesAt(this.#tipTrie);
    let shadows = 0;
    let id = this.#job.tip;
    for (let count = 0; count < this.#job.blocks; count += 1) {
      const header = this.#headerOf(id);
      if (header === undefined) {
        if (this.#epoch2.get(id) === undefined) this.#fail(`block ${id} is not in nakamoto_staging_blocks`);
        else this.#unknown.add(`below the last ${count} blocks is epoch 2, whose blocks nobody signs`);
        break;
      }
      if (header.isShadow) shadows += 1;
      else if (cycles === undefined) {
        this.#unknown.add("the state does not say how long reward cycles are");
        break;
      } else this.#verify(header, cycles);
      id = header.parentId;
      await slices.pause(0);
    }
    if (shadows > 0) this.#unknown.add(`${shadows} shadow blocks carry no signatures`);
  }

  #verify(header: NakamotoHeader, cycles: Cycles): void {
    const burnHeight = this.#burn.get(header.consensusHash)?.["h"];
    if (burnHeight === undefined)
      return this.#fail(`block ${header.id}: no sortition for its consensus hash`);
    const cycle = Math.floor((Number(burnHeight) - cycles.first) / cycles.length);
    const set = this.#setOf(cycle);
    if (typeof set === "string") {
      this.#unknown.add(set);
      return;
    }
    const signed = this.#signed(header, set);
    if (signed === undefined) return;
    this.#blocks += 1;
    const { signers, members, weight } = signed;
    const percent = Math.floor((100 * weight) / set.weight);
    this.#newest ??= {
      id: header.id,
      height: header.height,
      signers,
      members,
      weight,
      percent,
      set: { cycle, digest: set.digest },
    };
  }

  /** Undefined where the set has not signed it, or that cannot be known. */
  #signed(header: NakamotoHeader, set: SignerSet): Signed | undefined {
    const signed = signersOf(header, set);
    const { strangers, isEnough, signers, members, weight, keyless } = signed;
    if (strangers === 0 && isEnough) return signed;
    const about = `block ${header.height} (id ${header.id})`;
    if (keyless > 0)
      this.#unknown.add(
        `the keys of ${keyless} of ${members} signers of cycle ${set.cycle} are not here, so that not all of its blocks are known to be signed`,
      );
    else if (strangers > 0)
      this.#fail(
        `${about}: ${strangers} of ${header.signatures.length} signatures are of nobody in the set of cycle ${set.cycle}`,
      );
    else
      this.#fail(
        `${about}: signed by ${signers} of ${members} signers of cycle ${set.cycle}, ${weight} of a weight of ${set.weight}, which is less than 70 %`,
      );
    return undefined;
  }

  #setOf(cycle: number): SignerSet | string {
    const digest = this.#digestOf(cycle);
    if (digest === undefined) return `the state has no set of signers for cycle ${cycle}`;
    return this.#sets.load({ cycle, digest });
  }

  /** From the newest block's set back to a trusted one, or one step where there is none. */
  chainOfSets(): void {
    if (this.#newest === undefined) return;
    const { cycle: last } = this.#newest.set;
    const trusted = this.#job.trusted.filter(({ cycle }) => cycle <= last);
    for (const each of trusted) {
      const found = this.#digestOf(each.cycle);
      if (found === undefined) this.#unknown.add(`the state has no set of signers for cycle ${each.cycle}`);
      else if (found !== each.digest) this.#differs ??= { trusted: each, found };
    }
    const [later] = this.#job.trusted;
    if (trusted.length === 0 && later !== undefined)
      this.#stop(`the trusted set is of cycle ${later.cycle}, the last block of cycle ${last}, before it`);
    const lowest = Math.min(last, ...trusted.map(({ cycle }) => cycle));
    for (let cycle = last; cycle >= lowest; cycle -= 1) {
      const digest = this.#digestOf(cycle);
      this.#followsFrom = trusted.find((each) => each.cycle === cycle && each.digest === digest);
      if (this.#followsFrom !== undefined) return;
      const why = this.#whyNotVouched(cycle);
      if (why !== undefined) return this.#stop(why);
      this.#isVouched = true;
    }
  }

  /** The chain of sets goes no further back. */
  #stop(why: string): void {
    this.#unknown.add(why);
    if (this.#job.trusted.length > 0) this.#whyNotFollowed ??= why;
  }

  #digestOf(cycle: number): string | undefined {
    return this.#sets.find(this.#tipTrie, cycle)?.digest;
  }

  /** Undefined: the set of the cycle is in the state of a block that the set before has signed. */
  #whyNotVouched(cycle: number): string | undefined {
    const origin = this.#originOf(cycle);
    if (typeof origin === "string") return origin;
    if (origin.header === undefined)
      return `the set of cycle ${cycle} was computed in epoch 2, which has no signers`;
    if (origin.header.isShadow)
      return `the set of cycle ${cycle} was computed in a shadow block, which carries no signatures`;
    const before = this.#setOf(cycle - 1);
    if (typeof before === "string") return before;
    if (this.#signed(origin.header, before) !== undefined) return undefined;
    return `the set of cycle ${cycle} is not known to be signed by that of cycle ${cycle - 1}`;
  }

  /** The block whose own trie holds the set that the tip's state has for a cycle; or in words why there is none. */
  #originOf(cycle: number): Origin | string {
    const known = this.#origins.get(cycle);
    if (known !== undefined) return known;
    const digest = this.#digestOf(cycle);
    let origin: Origin | string =
      `no block is here that put the set of signers of cycle ${cycle} into the state`;
    for (const id of this.#sets.computedBy()) {
      const trie = this.#marf.trieOfHash(id)?.id;
      const found = trie === undefined ? undefined : this.#sets.find(trie, cycle);
      if (trie === undefined || found?.by !== trie || found.digest !== digest) continue;
      origin = this.#provenOrigin(id);
      if (typeof origin !== "string") break;
    }
    this.#origins.set(cycle, origin);
    return origin;
  }

  #provenOrigin(id: string): Origin | string {
    const header = this.#headerOf(id);
    const root = header?.stateRoot ?? this.#epoch2.get(id)?.["r"];
    const trie = this.#marf.trieOfHash(id);
    if (trie === undefined || root === undefined) return `block ${id} has no trie, or no header`;
    const proof = new TrieProof(this.#marf, new Lineage(this.#marf, trie.id), true, () => undefined);
    if (proof.verify(trie).root === root) return { id, header };
    this.#fail(`the trie of block ${id}, which holds a set of signers, has not the root in its header`);
    return `the set of signers in block ${id} is not proven`;
  }

  async trace(slices: Slices): Promise<void> {
    if (this.#newest === undefined) return;
    const origin = this.#originOf(this.#newest.set.cycle);
    if (typeof origin === "string") {
      this.#unknown.add(origin);
      return;
    }
    const lowest = origin.header?.height ?? Number(this.#epoch2.get(origin.id)?.["h"]);
    let id = this.#job.tip;
    for (;;) {
      if (id === origin.id) this.#isTraced = true;
      const header = this.#isTraced ? undefined : this.#headerOf(id);
      if (header === undefined || header.height <= lowest) return;
      id = header.parentId;
      await slices.pause(0);
    }
  }

  /** By the block's own bytes. Undefined: it is none of Nakamoto's. */
  #headerOf(id: string): NakamotoHeader | undefined {
    const row = this.#block.get(headBytes, id);
    if (!(row?.["d"] instanceof Uint8Array)) return undefined;
    const header =
      tryParseNakamotoHeader(row["d"]) ??
      tryParseNakamotoHeader(this.#block.get(Number(row["n"]), id)?.["d"]);
    if (header?.id === id) return header;
    this.#fail(`block ${id}: its bytes are of another block`);
    return undefined;
  }
}
