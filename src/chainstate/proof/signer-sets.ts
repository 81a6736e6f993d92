/**
 * Who signs blocks: a set of signers for each reward cycle, which the boot contract `signers` keeps in the state. The state
 * has their addresses and weights. Their keys stand in `nakamoto_reward_sets`, to which nothing commits: a key is taken for
 * a signer's where it hashes to the address.
 */
import { createHash, createPublicKey, type KeyObject, verify } from "node:crypto";
import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { SignerSetName } from "../../domain/manifest.ts";
import { hashHex } from "./format.ts";
import type { Marf } from "./marf.ts";
import { Cursor, type NakamotoHeader } from "./wire-format.ts";

export interface SignerSet extends SignerSetName {
  readonly members: readonly Member[];
  readonly weight: number;
}

interface Member {
  readonly weight: number;
  /** Undefined: no key that hashes to its address is known here. */
  readonly key: KeyObject | undefined;
}

/** Burn blocks: the first that counts, and how many make a cycle. */
export interface Cycles {
  readonly first: number;
  readonly length: number;
}

/** Whose signatures a header has. */
export interface Signed {
  readonly signers: number;
  readonly members: number;
  readonly weight: number;
  /** Signatures of nobody whose key is known. */
  readonly strangers: number;
  /** 70 % of the weight, rounded up. */
  readonly isEnough: boolean;
  /** Members whose signatures could not be looked for. */
  readonly keyless: number;
}

const bootAddress = { mainnet: "SP000000000000000000002Q6VF78", other: "ST000000000000000000002AMW42H" };
const cycleContract = "pox-4";
/** DER of a public key on secp256k1, before its 33 bytes. */
const keyHead = Buffer.from("3036301006072a8648ce3d020106052b8104000a032200", "hex");
const digestDigits = 64;

export class SignerSets {
  /** Rows of the table of keys that are no reward set. */
  unreadableRows = 0;
  readonly #clarity: Marf;
  readonly #index: DatabaseSync;
  readonly #value: StatementSync;
  readonly #boot: string;
  #keys: Map<string, KeyObject> | undefined;
  readonly #decoded = new Map<string, SignerSet>();

  constructor(clarity: Marf, clarityDatabase: DatabaseSync, index: DatabaseSync) {
    this.#clarity = clarity;
    this.#index = index;
    this.#value = clarityDatabase.prepare("SELECT value AS v FROM data_table WHERE key = ?");
    const isMainnet = Number(index.prepare("SELECT mainnet AS m FROM db_config LIMIT 1").get()?.["m"]) === 1;
    this.#boot = isMainnet ? bootAddress.mainnet : bootAddress.other;
  }

  /** As the state of a trie says them; undefined where it has no contract that does. */
  cyclesAt(trie: number): Cycles | undefined {
    const first = this.#variable(trie, "first-burnchain-block-height");
    const length = this.#variable(trie, "pox-reward-cycle-length");
    return first === undefined || length === undefined || length === 0 ? undefined : { first, length };
  }

  /** The digest of a cycle's set in the state of a trie, and the trie that put it there. */
  find(trie: number, cycle: number): { readonly digest: string; readonly by: number } | undefined {
    const key = `vm::${this.#boot}.signers::0::cycle-signer-set::${uint(cycle)}`;
    const found = this.#clarity.find(trie, key);
    return found && { digest: found.value.toString("hex", 0, digestDigits / 2), by: found.block };
  }

  /** The set of a digest, or in words why it is not known. */
  load({ cycle, digest }: SignerSetName): SignerSet | string {
    const known = this.#decoded.get(digest);
    if (known !== undefined) return { ...known, cycle };
    const text = this.#value.get(digest.padEnd(2 * 40, "0"))?.["v"];
    if (typeof text !== "string" || hashHex(text) !== digest)
      return `the set of signers of cycle ${cycle} is not in data_table`;
    try {
      const members = decodeSet(Buffer.from(text, "hex")).map(({ address, weight }) => ({
        weight,
        key: this.#keysByAddress().get(address),
      }));
      const set = { cycle, digest, members, weight: members.reduce((sum, each) => sum + each.weight, 0) };
      this.#decoded.set(digest, set);
      return set;
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      return `the set of signers of cycle ${cycle} is no list of signers (${error.message})`;
    }
  }

  /** Blocks that have computed a set, the newest first. */
  computedBy(): readonly string[] {
    if (!this.#hasTable()) return [];
    const rows = this.#index.prepare(
      "SELECT index_block_hash AS h FROM nakamoto_reward_sets ORDER BY rowid DESC",
    );
    return rows.all().map((row) => String(row["h"]));
  }

  #hasTable(): boolean {
    const sql = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'nakamoto_reward_sets'";
    return this.#index.prepare(sql).get() !== undefined;
  }

  #keysByAddress(): ReadonlyMap<string, KeyObject> {
    if (this.#keys !== undefined) return this.#keys;
    this.#keys = new Map();
    if (!this.#hasTable()) return this.#keys;
    const texts = new Set<string>();
    const rows = this.#index.prepare(
      "SELECT CASE WHEN json_valid(reward_set) THEN json_extract(reward_set, '$.signers') END AS s FROM nakamoto_reward_sets",
    );
    for (const { s: signers } of rows.iterate()) {
      const list: unknown = typeof signers === "string" ? JSON.parse(signers) : undefined;
      if (!Array.isArray(list)) this.unreadableRows += 1;
      else for (const each of list) texts.add(String((each as { signing_key?: unknown }).signing_key));
    }
    for (const text of texts) {
      const key = publicKeyOf(text);
      if (key !== undefined) this.#keys.set(addressOf(Buffer.from(text, "hex")), key);
    }
    return this.#keys;
  }

  #variable(trie: number, name: string): number | undefined {
    const value = this.#clarity.get(trie, `vm::${this.#boot}.${cycleContract}::1::${name}`);
    const text = value && this.#value.get(value.toString("hex"))?.["v"];
    if (typeof text !== "string" || !/^01[0-9a-f]{32}$/.test(text)) return undefined;
    return Number(BigInt(`0x${text.slice(2)}`));
  }
}

/** Signatures stand in the order of the set, so most are found at the first try. */
export function signersOf(header: NakamotoHeader, set: SignerSet): Signed {
  const left = new Set(set.members.filter(({ key }) => key !== undefined));
  const keyless = set.members.length - left.size;
  let [signers, weight, strangers] = [0, 0, 0];
  let waiting = [...left];
  for (const signature of header.signatures) {
    const bytes = Buffer.from(signature, "hex").subarray(1);
    const isBy = ({ key }: Member): boolean =>
      key !== undefined && verify("sha512-256", header.signed, { key, dsaEncoding: "ieee-p1363" }, bytes);
    const at = waiting.findIndex((member) => isBy(member));
    const member = at < 0 ? [...left].find((each) => !waiting.includes(each) && isBy(each)) : waiting[at];
    if (member === undefined) {
      strangers += 1;
      continue;
    }
    if (at >= 0) waiting = waiting.slice(at + 1);
    left.delete(member);
    signers += 1;
    weight += member.weight;
  }
  const isEnough = set.weight > 0 && weight >= Math.ceil((set.weight * 7) / 10);
  return { signers, members: set.members.length, weight, strangers, isEnough, keyless };
}

/** `(some (list {signer: principal, weight: uint}))`; RangeError for anything else. */
function decodeSet(bytes: Buffer): readonly { readonly address: string; readonly weight: number }[] {
  const cursor = new Cursor(bytes, 0);
  const expect = (hex: string): void => {
    const from = cursor.at;
    cursor.skip(hex.length / 2);
    if (bytes.toString("hex", from, cursor.at) !== hex) throw new RangeError(`another value at byte ${from}`);
  };
  const take = (count: number): string => {
    cursor.skip(count);
    return bytes.toString("hex", cursor.at - count, cursor.at);
  };
  const members: { address: string; weight: number }[] = [];
  expect("0a0b");
  cursor.times(cursor.u32(), () => {
    // A tuple of two; a standard principal, its version and hash.
    expect(`0c0000000206${ascii("signer")}05`);
    const address = take(21).slice(2);
    expect(`06${ascii("weight")}01`);
    const weight = Number(BigInt(`0x${take(16)}`));
    if (weight > 0xff_ff_ff_ff) throw new RangeError(`a weight of ${weight}`);
    members.push({ address, weight });
  });
  if (cursor.at !== bytes.length) throw new RangeError("it goes on");
  return members;
}

const ascii = (name: string): string => Buffer.from(name).toString("hex");
const uint = (value: number): string => `01${value.toString(16).padStart(32, "0")}`;

function addressOf(key: Buffer): string {
  return createHash("ripemd160").update(createHash("sha256").update(key).digest()).digest("hex");
}

function publicKeyOf(hex: string): KeyObject | undefined {
  if (!/^0[23][0-9a-f]{64}$/.test(hex)) return undefined;
  try {
    return createPublicKey({
      format: "der",
      type: "spki",
      key: Buffer.concat([keyHead, Buffer.from(hex, "hex")]),
    });
  } catch {
    // No point of the curve.
    return undefined;
  }
}
