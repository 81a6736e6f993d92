/**
 * Signers of a simulated chain, with keys of their own: sets by reward cycle that the state holds as a node's does, in the
 * block that begins the prepare phase before, and signatures of those who are to sign.
 */
import { createECDH, createHash, createPrivateKey, type KeyObject, sign } from "node:crypto";
import { sha } from "./marf-writer.ts";

export interface SignerOptions {
  /** In burn blocks. */
  readonly cycleLength: number;
  readonly prepareLength: number;
  readonly set: (cycle: number) => readonly SimulatedSigner[];
  /** Who signs a block, in this order; default the whole set. `shadow`: a block that carries no signatures. */
  readonly signs?: (height: number, cycle: number) => readonly string[] | "shadow" | undefined;
}

export interface SimulatedSigner {
  /** Its key is derived from it. */
  readonly name: string;
  readonly weight: number;
}

const boot = "ST000000000000000000002AMW42H";
const testnetVersion = "1a";

export class SimulatedSigners {
  readonly #options: SignerOptions;
  readonly #firstBurnHeight: number;

  constructor(options: SignerOptions, firstBurnHeight: number) {
    this.#options = options;
    this.#firstBurnHeight = firstBurnHeight;
  }

  /** What the first block puts into the state, by key. */
  settings(): ReadonlyMap<string, string> {
    const { cycleLength, prepareLength } = this.#options;
    const variable = (name: string): string => `vm::${boot}.pox-4::1::${name}`;
    return new Map([
      [variable("first-burnchain-block-height"), uint(this.#firstBurnHeight)],
      [variable("pox-reward-cycle-length"), uint(cycleLength)],
      [variable("pox-prepare-cycle-length"), uint(prepareLength)],
    ]);
  }

  cycleOf(burnHeight: number): number {
    return Math.floor((burnHeight - this.#firstBurnHeight) / this.#options.cycleLength);
  }

  /** Cycles whose sets a block computes; `parent`: the burn height of its parent, undefined for the first block. */
  computedIn(burnHeight: number, parent: number | undefined): readonly number[] {
    const last = (height: number): number => this.cycleOf(height + this.#options.prepareLength);
    const from = parent === undefined ? 0 : last(parent) + 1;
    return Array.from({ length: Math.max(0, last(burnHeight) - from + 1) }, (_, i) => from + i);
  }

  stateKey(cycle: number): string {
    return `vm::${boot}.signers::0::cycle-signer-set::${uint(cycle)}`;
  }

  /** As the state has it. */
  stateValue(cycle: number): string {
    const members = this.#options.set(cycle).map(({ name, weight }) => {
      const address = hash160(keysOf(name).publicKey).toString("hex");
      return `0c00000002${label("signer")}05${testnetVersion}${address}${label("weight")}${uint(weight)}`;
    });
    return `0a0b${members.length.toString(16).padStart(8, "0")}${members.join("")}`;
  }

  /** As `nakamoto_reward_sets` has it. */
  rewardSet(cycle: number): string {
    const signers = this.#options.set(cycle).map(({ name, weight }) => ({
      signing_key: keysOf(name).publicKey.toString("hex"),
      stacked_amt: weight * 1_000_000,
      weight,
    }));
    return JSON.stringify({
      rewarded_addresses: [],
      start_cycle_state: { missed_reward_slots: [] },
      signers,
      pox_ustx_threshold: 1,
    });
  }

  /** Signatures of a header's bytes, or that it is a shadow block. */
  signer(height: number, burnHeight: number): "shadow" | ((signed: Buffer) => readonly Buffer[]) {
    const cycle = this.cycleOf(burnHeight);
    const names = this.#options.signs?.(height, cycle) ?? this.#options.set(cycle).map(({ name }) => name);
    if (names === "shadow") return "shadow";
    return (signed) => names.map((name) => signatureOf(name, signed));
  }
}

function signatureOf(name: string, signed: Buffer): Buffer {
  const key = keysOf(name).privateKey;
  return Buffer.concat([Buffer.of(0), sign("sha512-256", signed, { key, dsaEncoding: "ieee-p1363" })]);
}

const known = new Map<string, { readonly privateKey: KeyObject; readonly publicKey: Buffer }>();

function keysOf(name: string): { readonly privateKey: KeyObject; readonly publicKey: Buffer } {
  let keys = known.get(name);
  if (keys === undefined) {
    const secret = sha(`signer ${name}`);
    const curve = createECDH("secp256k1");
    curve.setPrivateKey(secret);
    const point = curve.getPublicKey();
    const jwk = {
      kty: "EC",
      crv: "secp256k1",
      d: secret.toString("base64url"),
      x: point.subarray(1, 33).toString("base64url"),
      y: point.subarray(33).toString("base64url"),
    };
    keys = {
      privateKey: createPrivateKey({ format: "jwk", key: jwk }),
      publicKey: curve.getPublicKey(null, "compressed"),
    };
    known.set(name, keys);
  }
  return keys;
}

const hash160 = (bytes: Buffer): Buffer =>
  createHash("ripemd160").update(createHash("sha256").update(bytes).digest()).digest();
const uint = (value: number): string => `01${value.toString(16).padStart(32, "0")}`;
const label = (name: string): string =>
  name.length.toString(16).padStart(2, "0") + Buffer.from(name).toString("hex");
