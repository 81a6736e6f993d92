/** Transactions of a Stacks testnet as its nodes take them (SIP-005): transfers, contracts, calls; signed by one key. */
import { createECDH, createHash, createPrivateKey, sign, type KeyObject } from "node:crypto";

const testnet = { version: 0x80, chainId: 0x80000000, singleSig: 26 } as const;
/** The order of the curve's base point. */
const n = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;

export class Account {
  readonly hash: Buffer;
  readonly address: string;
  readonly #secret: bigint;
  readonly #publicKey: Buffer;
  readonly #key: KeyObject;

  /** 32 bytes. */
  constructor(secret: Buffer) {
    const curve = createECDH("secp256k1");
    curve.setPrivateKey(secret);
    const point = curve.getPublicKey();
    this.#secret = BigInt(`0x${secret.toString("hex")}`);
    this.#publicKey = curve.getPublicKey(null, "compressed");
    this.#key = createPrivateKey({
      format: "jwk",
      key: {
        kty: "EC",
        crv: "secp256k1",
        d: secret.toString("base64url"),
        x: point.subarray(1, 33).toString("base64url"),
        y: point.subarray(33).toString("base64url"),
      },
    });
    const inner = createHash("sha256").update(this.#publicKey).digest();
    this.hash = createHash("ripemd160").update(inner).digest();
    this.address = c32Address(testnet.singleSig, this.hash);
  }

  transfer(to: Account, amount: bigint, nonce: bigint): Buffer {
    const recipient = Buffer.concat([Buffer.of(0x05, testnet.singleSig), to.hash]);
    return this.#signed(
      Buffer.concat([Buffer.of(0x00), recipient, u64(amount), Buffer.alloc(34)]),
      nonce,
      1_000n,
    );
  }

  deploy(name: string, source: string, nonce: bigint): Buffer {
    const clarity2 = 2;
    const payload = [
      Buffer.of(0x06, clarity2),
      short(name),
      u32(Buffer.byteLength(source)),
      Buffer.from(source),
    ];
    return this.#signed(Buffer.concat(payload), nonce, 100_000n);
  }

  /** Calls a function that takes one buffer. */
  call(
    contract: { readonly by: Account; readonly name: string },
    name: string,
    argument: Buffer,
    nonce: bigint,
  ): Buffer {
    const payload = [
      Buffer.of(0x02, testnet.singleSig),
      contract.by.hash,
      short(contract.name),
      short(name),
      u32(1),
      Buffer.of(0x02),
      u32(argument.length),
      argument,
    ];
    return this.#signed(Buffer.concat(payload), nonce, 20_000n);
  }

  #signed(payload: Buffer, nonce: bigint, fee: bigint): Buffer {
    const unsigned = this.#bytes(payload, 0n, 0n, Buffer.alloc(65));
    const presign = [digest(unsigned), Buffer.of(0x04), u64(fee), u64(nonce)];
    return this.#bytes(payload, nonce, fee, this.#recoverable(Buffer.concat(presign)));
  }

  #bytes(payload: Buffer, nonce: bigint, fee: bigint, signature: Buffer): Buffer {
    const compressed = 0;
    return Buffer.concat([
      Buffer.of(testnet.version),
      u32(testnet.chainId),
      // Standard; pays to its public key's hash.
      Buffer.of(0x04, 0x00),
      this.hash,
      u64(nonce),
      u64(fee),
      Buffer.of(compressed),
      signature,
      // Anchored anywhere; no post-conditions, and what they do not name is allowed.
      Buffer.of(0x03, 0x01),
      u32(0),
      payload,
    ]);
  }

  /** Which of the two points the signature's `r` belongs to follows from its nonce, which whoever has the key can compute. */
  #recoverable(text: Buffer): Buffer {
    const raw = sign("sha512-256", text, { key: this.#key, dsaEncoding: "ieee-p1363" });
    const r = BigInt(`0x${raw.subarray(0, 32).toString("hex")}`);
    const s = BigInt(`0x${raw.subarray(32).toString("hex")}`);
    const z = BigInt(`0x${digest(text).toString("hex")}`);
    const k = (inverse(s) * ((z + r * this.#secret) % n)) % n;
    const curve = createECDH("secp256k1");
    curve.setPrivateKey(Buffer.from(hex32(k), "hex"));
    const isOdd = (curve.getPublicKey().at(-1) ?? 0) % 2 === 1;
    const isHigh = s > n / 2n;
    const parity = isOdd === isHigh ? 0 : 1;
    return Buffer.concat([Buffer.of(parity), Buffer.from(hex32(r) + hex32(isHigh ? n - s : s), "hex")]);
  }
}

/** By Fermat: the order is a prime. */
function inverse(value: bigint): bigint {
  let result = 1n;
  let base = value % n;
  for (let exponent = n - 2n; exponent > 0n; exponent >>= 1n) {
    if (exponent % 2n === 1n) result = (result * base) % n;
    base = (base * base) % n;
  }
  return result;
}

const digest = (bytes: Buffer): Buffer => createHash("sha512-256").update(bytes).digest();
const hex32 = (value: bigint): string => value.toString(16).padStart(64, "0");
const short = (text: string): Buffer => Buffer.concat([Buffer.of(text.length), Buffer.from(text)]);

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

function u64(value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(value);
  return bytes;
}

const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/** As nodes write it (c32check, of SIP-005). */
export function c32Address(version: number, hash: Buffer): string {
  const twice = createHash("sha256")
    .update(
      createHash("sha256")
        .update(Buffer.concat([Buffer.of(version), hash]))
        .digest(),
    )
    .digest();
  const bytes = Buffer.concat([hash, twice.subarray(0, 4)]);
  let text = "";
  for (let rest = BigInt(`0x${bytes.toString("hex")}`); rest > 0n; rest /= 32n)
    text = `${alphabet[Number(rest % 32n)]}${text}`;
  const zeros = bytes.findIndex((byte) => byte !== 0);
  return `S${alphabet[version]}${"0".repeat(Math.max(0, zeros))}${text}`;
}
