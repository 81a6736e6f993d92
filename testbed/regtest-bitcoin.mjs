#!/usr/bin/env node
// A small regtest Bitcoin peer that a stacks-node can use in place of bitcoind.
//
// It reads the block files of an existing regtest data directory, serves them
// over the peer protocol, mines further blocks, keeps a UTXO set, a mempool and
// watch-only wallets, and answers JSON-RPC. Scripts and signatures are never
// run: whoever can reach the loopback ports can spend anything. It is a test
// tool and nothing else.
//
// What a stacks-node asks of it, and how it is started: docs/real-node.md.
// Plain Node (>= 22), no packages.   node regtest-bitcoin.mjs --help

import { createECDH, createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { EventEmitter } from "node:events";
import fs from "node:fs";
import http from "node:http";
import net from "node:net";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";

// ---------------------------------------------------------------- constants

const MAGIC = Buffer.from("fabfb5da", "hex"); // 0xdab5bffa as it travels
const POW_BITS = 0x207fffff;
const COIN = 100_000_000n;
const HALVING_INTERVAL = 150;
const COINBASE_MATURITY = 100;
const MAX_BLOCK_WEIGHT = 4_000_000;
const MAX_HEADERS = 2000;
const MAX_MESSAGE = 32 * 1024 * 1024;
const PROTOCOL_VERSION = 70016;
const SERVICES = 1n | 8n | 1024n; // full chain, witness, pruned-range
const WITNESS_FLAG = 0x40000000;
const INV_TX = 1;
const INV_BLOCK = 2;
const ZERO_ID = "00".repeat(32);
const USER_AGENT = "/regtest-standin:1.0/";
const P2PKH_PREFIX = 111;
const P2SH_PREFIX = 196;
const WIF_PREFIX = 239;
const HRP = "bcrt";
const LOCKTIME_IS_TIME = 500_000_000;

// -------------------------------------------------------- hashes and codecs

export const sha256 = (b) => createHash("sha256").update(b).digest();
export const hash256 = (b) => sha256(sha256(b));
export const hash160 = (b) => createHash("ripemd160").update(sha256(b)).digest();
const hexOf = (b) => b.toString("hex");
const unhex = (s) => Buffer.from(s, "hex");
const toId = (b) => Buffer.from(b.toReversed()).toString("hex");
const fromId = (s) => Buffer.from(unhex(s).toReversed());
const isHex = (s) => typeof s === "string" && s.length % 2 === 0 && /^[0-9a-f]*$/i.test(s);
const isId = (s) => isHex(s) && s.length === 64;
const unixNow = () => Math.floor(Date.now() / 1000);
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

function u16be(n) {
  const b = Buffer.alloc(2);
  b.writeUInt16BE(n);
  return b;
}
function u32(n) {
  const b = Buffer.alloc(4);
  b.writeUInt32LE(n >>> 0);
  return b;
}
function i32(n) {
  const b = Buffer.alloc(4);
  b.writeInt32LE(n);
  return b;
}
function u64(n) {
  const b = Buffer.alloc(8);
  b.writeBigUInt64LE(BigInt(n));
  return b;
}

export function compactSize(n) {
  if (n < 0xfd) return Buffer.from([n]);
  if (n <= 0xffff) {
    const b = Buffer.alloc(3, 0xfd);
    b.writeUInt16LE(n, 1);
    return b;
  }
  if (n <= 0xffffffff) {
    const b = Buffer.alloc(5, 0xfe);
    b.writeUInt32LE(n, 1);
    return b;
  }
  const b = Buffer.alloc(9, 0xff);
  b.writeBigUInt64LE(BigInt(n), 1);
  return b;
}
const sized = (b) => Buffer.concat([compactSize(b.length), b]);

class Cursor {
  constructor(buf, at = 0) {
    this.buf = buf;
    this.at = at;
  }
  take(n) {
    if (this.at + n > this.buf.length) throw new RangeError("data ends early");
    const b = this.buf.subarray(this.at, this.at + n);
    this.at += n;
    return b;
  }
  u8() {
    return this.take(1)[0];
  }
  u32() {
    return this.take(4).readUInt32LE();
  }
  i32() {
    return this.take(4).readInt32LE();
  }
  u64() {
    return this.take(8).readBigUInt64LE();
  }
  size() {
    const first = this.u8();
    if (first < 0xfd) return first;
    if (first === 0xfd) return this.take(2).readUInt16LE();
    if (first === 0xfe) return this.u32();
    const n = this.u64();
    if (n > 0xffffffffn) throw new RangeError("size field too large");
    return Number(n);
  }
  blob() {
    return this.take(this.size());
  }
  id() {
    return toId(this.take(32));
  }
  get left() {
    return this.buf.length - this.at;
  }
}

// ------------------------------------------------------------- transactions

export class Tx {
  static parse(buf) {
    const cur = new Cursor(buf);
    const tx = Tx.read(cur);
    if (cur.left) throw new RangeError("bytes after the transaction");
    return tx;
  }

  static read(cur) {
    const begin = cur.at;
    const tx = new Tx();
    tx.version = cur.i32();
    let count = cur.size();
    let segwit = false;
    if (count === 0) {
      if (cur.u8() !== 1) throw new RangeError("transaction without inputs");
      segwit = true;
      count = cur.size();
      if (count === 0) throw new RangeError("transaction without inputs");
    }
    tx.ins = [];
    for (let i = 0; i < count; i++) {
      const prevId = cur.id();
      const prevN = cur.u32();
      const script = cur.blob();
      const sequence = cur.u32();
      tx.ins.push({ prevId, prevN, key: `${prevId}:${prevN}`, script, sequence, witness: [] });
    }
    tx.outs = [];
    for (let n = cur.size(), i = 0; i < n; i++) {
      const value = cur.u64();
      tx.outs.push({ value, script: cur.blob() });
    }
    const witnessAt = cur.at;
    if (segwit) {
      for (const input of tx.ins) {
        for (let n = cur.size(), i = 0; i < n; i++) input.witness.push(cur.blob());
      }
      if (tx.ins.every((input) => input.witness.length === 0)) {
        throw new RangeError("witness marker without any witness");
      }
    }
    tx.locktime = cur.u32();
    tx.raw = Buffer.from(cur.buf.subarray(begin, cur.at));
    tx.segwit = segwit;
    tx.stripped = segwit
      ? Buffer.concat([
          tx.raw.subarray(0, 4),
          tx.raw.subarray(6, witnessAt - begin),
          tx.raw.subarray(tx.raw.length - 4),
        ])
      : tx.raw;
    tx.hash = hash256(tx.stripped);
    tx.txid = toId(tx.hash);
    tx.wtxid = segwit ? toId(hash256(tx.raw)) : tx.txid;
    return tx;
  }

  static build({ version = 2, ins, outs, locktime = 0 }) {
    const segwit = ins.some((i) => i.witness?.length);
    const parts = [i32(version)];
    if (segwit) parts.push(Buffer.from([0, 1]));
    parts.push(compactSize(ins.length));
    for (const i of ins) {
      parts.push(
        fromId(i.prevId),
        u32(i.prevN),
        sized(i.script ?? Buffer.alloc(0)),
        u32(i.sequence ?? 0xffffffff),
      );
    }
    parts.push(compactSize(outs.length));
    for (const o of outs) parts.push(u64(o.value), sized(o.script));
    if (segwit) {
      for (const i of ins) {
        const items = i.witness ?? [];
        parts.push(compactSize(items.length), ...items.map(sized));
      }
    }
    parts.push(u32(locktime));
    return Tx.parse(Buffer.concat(parts));
  }

  get weight() {
    return this.stripped.length * 3 + this.raw.length;
  }
  get vsize() {
    return Math.ceil(this.weight / 4);
  }
  get isCoinbase() {
    return this.ins.length === 1 && this.ins[0].prevN === 0xffffffff && this.ins[0].prevId === ZERO_ID;
  }
  get outputSum() {
    return this.outs.reduce((sum, o) => sum + o.value, 0n);
  }
  get signalsReplacement() {
    return this.ins.some((i) => i.sequence < 0xfffffffe);
  }

  isFinal(height, medianTime) {
    if (this.locktime === 0) return true;
    const limit = this.locktime < LOCKTIME_IS_TIME ? height : medianTime;
    return this.locktime < limit || this.ins.every((i) => i.sequence === 0xffffffff);
  }
}

// ------------------------------------------------------------------- blocks

export function merkleRoot(hashes) {
  let row = hashes;
  while (row.length > 1) {
    const next = [];
    for (let i = 0; i < row.length; i += 2) {
      next.push(hash256(Buffer.concat([row[i], row[i + 1] ?? row[i]])));
    }
    row = next;
  }
  return row[0];
}

export function targetOf(bits) {
  const exponent = bits >>> 24;
  const mantissa = BigInt(bits & 0x7fffff);
  return exponent <= 3 ? mantissa >> BigInt(8 * (3 - exponent)) : mantissa << BigInt(8 * (exponent - 3));
}
const workOf = (bits) => (1n << 256n) / (targetOf(bits) + 1n);

export class Block {
  constructor(raw) {
    const cur = new Cursor(raw);
    this.raw = raw;
    this.header = raw.subarray(0, 80);
    this.version = cur.i32();
    this.prev = cur.id();
    this.merkle = cur.take(32);
    this.time = cur.u32();
    this.bits = cur.u32();
    this.nonce = cur.u32();
    this.txs = [];
    for (let n = cur.size(), i = 0; i < n; i++) this.txs.push(Tx.read(cur));
    if (cur.left) throw new RangeError("bytes after the block");
    this.hash = toId(hash256(this.header));
  }

  get stripped() {
    return Buffer.concat([this.header, compactSize(this.txs.length), ...this.txs.map((t) => t.stripped)]);
  }
  get strippedSize() {
    return 80 + compactSize(this.txs.length).length + this.txs.reduce((n, t) => n + t.stripped.length, 0);
  }

  // why the block cannot be used, or null; scripts are not looked at
  fault() {
    if (this.bits !== POW_BITS) return "bad-diffbits";
    if (BigInt(`0x${this.hash}`) > targetOf(this.bits)) return "high-hash";
    if (!this.txs.length || !this.txs[0].isCoinbase) return "bad-cb-missing";
    if (this.txs.slice(1).some((t) => t.isCoinbase)) return "bad-cb-multiple";
    if (!merkleRoot(this.txs.map((t) => t.hash)).equals(this.merkle)) return "bad-txnmrklroot";
    return null;
  }
}

function genesisBlock() {
  const note = Buffer.from("The Times 03/Jan/2009 Chancellor on brink of second bailout for banks");
  const key = unhex(
    "04678afdb0fe5548271967f1a67130b7105cd6a828e03909a67962e0ea1f61deb6" +
      "49f6bc3f4cef38c4f35504e51ec112de5c384df7ba0b8d578a4c702b6bf11d5f",
  );
  const coinbase = Tx.build({
    version: 1,
    ins: [
      {
        prevId: ZERO_ID,
        prevN: 0xffffffff,
        script: Buffer.concat([pushData(u32(0x1d00ffff)), pushData(Buffer.from([4])), pushData(note)]),
      },
    ],
    outs: [{ value: 50n * COIN, script: Buffer.concat([pushData(key), Buffer.from([0xac])]) }],
  });
  const header = Buffer.concat([
    i32(1),
    Buffer.alloc(32),
    coinbase.hash,
    u32(1296688602),
    u32(POW_BITS),
    u32(2),
  ]);
  return new Block(Buffer.concat([header, compactSize(1), coinbase.raw]));
}

// -------------------------------------------------------- scripts, addresses

export function pushData(b) {
  if (b.length < 0x4c) return Buffer.concat([Buffer.from([b.length]), b]);
  if (b.length <= 0xff) return Buffer.concat([Buffer.from([0x4c, b.length]), b]);
  const head = Buffer.alloc(3, 0x4d);
  head.writeUInt16LE(b.length, 1);
  return Buffer.concat([head, b]);
}

function pushHeight(n) {
  if (n === 0) return Buffer.from([0]);
  if (n <= 16) return Buffer.from([0x50 + n]);
  const bytes = [];
  for (let rest = n; rest > 0; rest = Math.floor(rest / 256)) bytes.push(rest % 256);
  if (bytes.at(-1) & 0x80) bytes.push(0);
  return pushData(Buffer.from(bytes));
}

const scripts = {
  pkh: (h) => Buffer.concat([unhex("76a914"), h, unhex("88ac")]),
  sh: (h) => Buffer.concat([unhex("a914"), h, unhex("87")]),
  witness: (v, program) => Buffer.concat([Buffer.from([v ? 0x50 + v : 0]), pushData(program)]),
  pk: (key) => Buffer.concat([pushData(key), unhex("ac")]),
};

const B58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

function base58Encode(payload) {
  const data = Buffer.concat([payload, hash256(payload).subarray(0, 4)]);
  let n = BigInt(`0x${hexOf(data)}`);
  let out = "";
  for (; n > 0n; n /= 58n) out = B58[Number(n % 58n)] + out;
  for (const byte of data) {
    if (byte) break;
    out = `1${out}`;
  }
  return out;
}

function base58Decode(text) {
  let n = 0n;
  for (const c of text) {
    const digit = B58.indexOf(c);
    if (digit < 0) return null;
    n = n * 58n + BigInt(digit);
  }
  const digits = n === 0n ? "" : n.toString(16);
  const body = unhex(digits.length % 2 ? `0${digits}` : digits);
  const zeros = text.length - text.replace(/^1+/, "").length;
  const data = Buffer.concat([Buffer.alloc(zeros), body]);
  if (data.length < 5) return null;
  const payload = data.subarray(0, -4);
  return hash256(payload).subarray(0, 4).equals(data.subarray(-4)) ? payload : null;
}

const B32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";
const BECH32 = 1;
const BECH32M = 0x2bc830a3;

function bech32Residue(values) {
  const taps = [0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3];
  let acc = 1;
  for (const v of values) {
    const top = acc >>> 25;
    acc = ((acc & 0x1ffffff) << 5) ^ v;
    for (let i = 0; i < 5; i++) if ((top >>> i) & 1) acc ^= taps[i];
  }
  return acc >>> 0;
}
const expandHrp = (hrp) =>
  [...hrp]
    .map((c) => c.charCodeAt(0) >> 5)
    .concat(
      [0],
      [...hrp].map((c) => c.charCodeAt(0) & 31),
    );

function regroup(values, from, to, pad) {
  const out = [];
  let acc = 0;
  let bits = 0;
  for (const v of values) {
    acc = (acc << from) | v;
    bits += from;
    while (bits >= to) {
      bits -= to;
      out.push((acc >> bits) & ((1 << to) - 1));
    }
    acc &= (1 << bits) - 1;
  }
  if (pad) {
    if (bits) out.push((acc << (to - bits)) & ((1 << to) - 1));
  } else if (bits >= from || acc) return null;
  return out;
}

function segwitEncode(version, program) {
  const data = [version, ...regroup(program, 8, 5, true)];
  const want = version === 0 ? BECH32 : BECH32M;
  const mod = bech32Residue([...expandHrp(HRP), ...data, 0, 0, 0, 0, 0, 0]) ^ want;
  const check = [0, 1, 2, 3, 4, 5].map((i) => (mod >>> (5 * (5 - i))) & 31);
  return `${HRP}1${[...data, ...check].map((v) => B32[v]).join("")}`;
}

function segwitDecode(text) {
  if (text !== text.toLowerCase() && text !== text.toUpperCase()) return null;
  const lower = text.toLowerCase();
  if (!lower.startsWith(`${HRP}1`)) return null;
  const values = Array.from(lower.slice(HRP.length + 1)).map((c) => B32.indexOf(c));
  if (values.length < 8 || values.includes(-1)) return null;
  const residue = bech32Residue([...expandHrp(HRP), ...values]);
  const version = values[0];
  if (version > 16 || residue !== (version === 0 ? BECH32 : BECH32M)) return null;
  const program = regroup(values.slice(1, -6), 5, 8, false);
  if (!program || program.length < 2 || program.length > 40) return null;
  if (version === 0 && program.length !== 20 && program.length !== 32) return null;
  return { version, program: Buffer.from(program) };
}

export function addressToScript(text) {
  if (typeof text !== "string") return null;
  const segwit = segwitDecode(text);
  if (segwit) return scripts.witness(segwit.version, segwit.program);
  const payload = base58Decode(text);
  if (!payload || payload.length !== 21) return null;
  if (payload[0] === P2PKH_PREFIX) return scripts.pkh(payload.subarray(1));
  if (payload[0] === P2SH_PREFIX) return scripts.sh(payload.subarray(1));
  return null;
}

export function scriptToAddress(s) {
  if (
    s.length === 25 &&
    s[0] === 0x76 &&
    s[1] === 0xa9 &&
    s[2] === 0x14 &&
    s[23] === 0x88 &&
    s[24] === 0xac
  ) {
    return base58Encode(Buffer.concat([Buffer.from([P2PKH_PREFIX]), s.subarray(3, 23)]));
  }
  if (s.length === 23 && s[0] === 0xa9 && s[1] === 0x14 && s[22] === 0x87) {
    return base58Encode(Buffer.concat([Buffer.from([P2SH_PREFIX]), s.subarray(2, 22)]));
  }
  if (
    s.length >= 4 &&
    s.length <= 42 &&
    s[1] === s.length - 2 &&
    (s[0] === 0 || (s[0] > 0x50 && s[0] <= 0x60))
  ) {
    const program = s.subarray(2);
    if (s[0] === 0 && program.length !== 20 && program.length !== 32) return null;
    return segwitEncode(s[0] ? s[0] - 0x50 : 0, program);
  }
  return null;
}

function scriptType(s) {
  const address = scriptToAddress(s);
  if (s.length && s[0] === 0x6a) return "nulldata";
  if ((s.length === 35 || s.length === 67) && s[0] === s.length - 2 && s.at(-1) === 0xac) return "pubkey";
  if (!address) return "nonstandard";
  if (s[0] === 0x76) return "pubkeyhash";
  if (s[0] === 0xa9) return "scripthash";
  if (s[0] === 0) return s.length === 22 ? "witness_v0_keyhash" : "witness_v0_scripthash";
  return s[0] === 0x51 && s.length === 34 ? "witness_v1_taproot" : "witness_unknown";
}

const OPCODE_NAMES = {
  0x4f: "OP_1NEGATE",
  0x61: "OP_NOP",
  0x63: "OP_IF",
  0x64: "OP_NOTIF",
  0x67: "OP_ELSE",
  0x68: "OP_ENDIF",
  0x69: "OP_VERIFY",
  0x6a: "OP_RETURN",
  0x75: "OP_DROP",
  0x76: "OP_DUP",
  0x87: "OP_EQUAL",
  0x88: "OP_EQUALVERIFY",
  0xa6: "OP_RIPEMD160",
  0xa8: "OP_SHA256",
  0xa9: "OP_HASH160",
  0xac: "OP_CHECKSIG",
  0xad: "OP_CHECKSIGVERIFY",
  0xae: "OP_CHECKMULTISIG",
  0xb1: "OP_CHECKLOCKTIMEVERIFY",
  0xb2: "OP_CHECKSEQUENCEVERIFY",
  0xba: "OP_CHECKSIGADD",
};

function disassemble(s) {
  const words = [];
  const cur = new Cursor(s);
  try {
    while (cur.left) {
      const op = cur.u8();
      if (op === 0) words.push("0");
      else if (op < 0x4c) words.push(hexOf(cur.take(op)));
      else if (op === 0x4c) words.push(hexOf(cur.take(cur.u8())));
      else if (op === 0x4d) words.push(hexOf(cur.take(cur.take(2).readUInt16LE())));
      else if (op === 0x4e) words.push(hexOf(cur.take(cur.u32())));
      else if (op > 0x50 && op <= 0x60) words.push(String(op - 0x50));
      else words.push(OPCODE_NAMES[op] ?? `OP_x${op.toString(16)}`);
    }
  } catch {
    words.push("[error]");
  }
  return words.join(" ");
}

const unspendable = (s) => (s.length > 0 && s[0] === 0x6a) || s.length > 10_000;

// -------------------------------------------------------------- descriptors

const DESC_INPUT =
  "0123456789()[],'/*abcdefgh@:$%{}" +
  "IJKLMNOPQRSTUVWXYZ&+-.;<=>?!^_|~" +
  'ijklmnopqrstuvwxyzABCDEFGH`#"\\ ';

export function descriptorChecksum(text) {
  const taps = [0xf5dee51989n, 0xa9fdca3312n, 0x1bab10e32dn, 0x3706b1677an, 0x644d626ffdn];
  let acc = 1n;
  const feed = (v) => {
    const top = acc >> 35n;
    acc = ((acc & 0x7ffffffffn) << 5n) ^ BigInt(v);
    for (let i = 0; i < 5; i++) if ((top >> BigInt(i)) & 1n) acc ^= taps[i];
  };
  let group = 0;
  let inGroup = 0;
  for (const c of text) {
    const pos = DESC_INPUT.indexOf(c);
    if (pos < 0) return null;
    feed(pos & 31);
    group = group * 3 + (pos >> 5);
    if (++inGroup === 3) {
      feed(group);
      group = 0;
      inGroup = 0;
    }
  }
  if (inGroup) feed(group);
  for (let i = 0; i < 8; i++) feed(0);
  acc ^= 1n;
  let out = "";
  for (let i = 7; i >= 0; i--) out += B32[Number((acc >> BigInt(5 * i)) & 31n)];
  return out;
}

function publicKeyOf(secret, compressed = true) {
  const ecdh = createECDH("secp256k1");
  ecdh.setPrivateKey(secret);
  return ecdh.getPublicKey(null, compressed ? "compressed" : "uncompressed");
}

function parseKey(text) {
  const origin = /^\[[^\]]*\]/.exec(text)?.[0] ?? "";
  const body = text.slice(origin.length);
  if (isHex(body)) {
    const key = unhex(body);
    const ok = (key.length === 33 && (key[0] === 2 || key[0] === 3)) || (key.length === 65 && key[0] === 4);
    if (!ok) throw new RpcError(-5, `key ${body} is not a public key`);
    return { key, text: origin + hexOf(key), secret: null };
  }
  const wif = base58Decode(body);
  if (wif && wif[0] === WIF_PREFIX && (wif.length === 33 || (wif.length === 34 && wif[33] === 1))) {
    const secret = Buffer.from(wif.subarray(1, 33));
    const key = publicKeyOf(secret, wif.length === 34);
    return { key, text: origin + hexOf(key), secret };
  }
  throw new RpcError(-5, `key ${body} is not supported here (only plain public keys and WIF)`);
}

// -> { body, canonical, scripts, solvable, hasPrivate, secrets }
export function parseDescriptor(text, needChecksum = false) {
  if (typeof text !== "string") throw new RpcError(-8, "descriptor must be a string");
  const [body, given, ...rest] = text.split("#");
  if (rest.length) throw new RpcError(-5, "Multiple '#' symbols");
  const expected = descriptorChecksum(body);
  if (expected === null) throw new RpcError(-5, "Invalid characters in payload");
  if (given === undefined) {
    if (needChecksum) throw new RpcError(-5, "Missing checksum");
  } else if (given.length !== 8) {
    throw new RpcError(-5, `Expected 8 character checksum, not ${given.length} characters`);
  } else if (given !== expected) {
    throw new RpcError(-5, `Provided checksum '${given}' does not match computed checksum '${expected}'`);
  }
  const result = (canonical, list, extra = {}) => ({
    body,
    checksum: expected,
    canonical,
    scripts: list,
    solvable: true,
    hasPrivate: false,
    secrets: [],
    ...extra,
  });
  const call = /^([a-z]+)\((.*)\)$/s.exec(body);
  if (!call) throw new RpcError(-5, `'${body}' is not a valid descriptor function`);
  const [, name, inner] = call;
  if (name === "addr") {
    const script = addressToScript(inner);
    if (!script) throw new RpcError(-5, "Address is not valid");
    return result(`addr(${scriptToAddress(script)})`, [script], { solvable: false });
  }
  if (name === "raw") {
    if (!isHex(inner) || !inner) throw new RpcError(-5, "Raw script is not hex");
    return result(`raw(${inner.toLowerCase()})`, [unhex(inner)], { solvable: false });
  }
  const nested = /^sh\(wpkh\((.*)\)\)$/s.exec(body);
  const keyText = nested ? nested[1] : inner;
  if (!nested && !["pk", "pkh", "wpkh", "combo"].includes(name)) {
    throw new RpcError(-5, `descriptor function '${name}' is not supported here`);
  }
  const { key, text: shown, secret } = parseKey(keyText);
  const h = hash160(key);
  const compressed = key.length === 33;
  const extra = { hasPrivate: !!secret, secrets: secret ? [secret] : [] };
  if ((nested || name === "wpkh") && !compressed) throw new RpcError(-5, "Uncompressed keys are not allowed");
  const wpkh = scripts.witness(0, h);
  if (nested) return result(`sh(wpkh(${shown}))`, [scripts.sh(hash160(wpkh))], extra);
  if (name === "pk") return result(`pk(${shown})`, [scripts.pk(key)], extra);
  if (name === "pkh") return result(`pkh(${shown})`, [scripts.pkh(h)], extra);
  if (name === "wpkh") return result(`wpkh(${shown})`, [wpkh], extra);
  const all = [scripts.pk(key), scripts.pkh(h)];
  if (compressed) all.push(wpkh, scripts.sh(hash160(wpkh)));
  return result(`combo(${shown})`, all, extra);
}

// -------------------------------------------------------------------- chain

export class Chain extends EventEmitter {
  constructor() {
    super();
    this.nodes = new Map(); // hash -> node, every block linked to genesis
    this.waiting = new Map(); // parent hash -> blocks whose parent is missing
    this.active = []; // height -> node
    this.utxo = new Map(); // "txid:n" -> coin
    this.byScript = new Map(); // script hex -> Set of utxo keys
    this.txIndex = new Map(); // txid -> { node, tx, pos }
    this.spentBy = new Map(); // "txid:n" -> txid, active chain only
    this.arrivals = 0;
    const genesis = genesisBlock();
    const node = this.#makeNode(genesis, null);
    this.nodes.set(genesis.hash, node);
    this.#connect(node);
  }

  get tip() {
    return this.active.at(-1);
  }
  get height() {
    return this.active.length - 1;
  }
  isActive(node) {
    return this.active[node.height] === node;
  }
  confirmations(node) {
    return this.isActive(node) ? this.height - node.height + 1 : -1;
  }

  medianTime(node) {
    const times = [];
    for (let n = node; n && times.length < 11; n = n.parent) times.push(n.block.time);
    times.sort((a, b) => a - b);
    return times[times.length >> 1];
  }

  #makeNode(block, parent) {
    return {
      block,
      hash: block.hash,
      parent,
      height: parent ? parent.height + 1 : 0,
      work: (parent?.work ?? 0n) + workOf(block.bits),
      order: this.arrivals++,
      invalid: parent?.invalid ?? false,
      undo: null,
    };
  }

  // 'known', 'waiting' (parent not seen yet), 'linked', or a reason why not
  add(block, { quiet = false } = {}) {
    if (this.nodes.has(block.hash)) return "known";
    const fault = block.fault();
    if (fault) return fault;
    const parent = this.nodes.get(block.prev);
    if (!parent) {
      const list = this.waiting.get(block.prev) ?? [];
      if (!list.some((b) => b.hash === block.hash)) list.push(block);
      this.waiting.set(block.prev, list);
      return "waiting";
    }
    if (block.time <= this.medianTime(parent)) return "time-too-old";
    const fresh = [this.#makeNode(block, parent)];
    for (let i = 0; i < fresh.length; i++) {
      const node = fresh[i];
      this.nodes.set(node.hash, node);
      for (const child of this.waiting.get(node.hash) ?? []) fresh.push(this.#makeNode(child, node));
      this.waiting.delete(node.hash);
    }
    if (!quiet) this.settle();
    return "linked";
  }

  // move to the valid branch with the most work; first seen wins a tie
  settle() {
    for (;;) {
      let best = this.active[0];
      for (const n of this.nodes.values()) {
        if (n.invalid) continue;
        if (
          n.work > best.work ||
          (n.work === best.work && (n === this.tip || (best !== this.tip && n.order < best.order)))
        )
          best = n;
      }
      if (best === this.tip) return;
      const branch = [];
      for (let n = best; !this.isActive(n); n = n.parent) branch.unshift(n);
      const forkHeight = branch.length ? branch[0].height - 1 : best.height;
      const removed = [];
      while (this.height > forkHeight) removed.push(this.#disconnect());
      const added = [];
      let broken = null;
      for (const n of branch) {
        try {
          this.#connect(n);
          added.push(n);
        } catch (e) {
          broken = n;
          log("chain", `block ${n.height} ${n.hash} does not connect: ${e.message}`);
          break;
        }
      }
      if (broken) this.#setInvalid(broken, true);
      this.emit("moved", { removed, added });
      if (!broken) return;
    }
  }

  #setInvalid(root, flag) {
    for (const n of this.nodes.values()) {
      for (let up = n; up && up.height >= root.height; up = up.parent) {
        if (up === root) {
          n.invalid = flag;
          break;
        }
      }
    }
  }
  invalidate(node) {
    this.#setInvalid(node, true);
    this.settle();
  }
  reconsider(node) {
    this.#setInvalid(node, false);
    for (let up = node.parent; up; up = up.parent) up.invalid = false;
    this.settle();
  }

  #putCoin(key, coin) {
    this.utxo.set(key, coin);
    const hex = coin.scriptHex;
    if (!this.byScript.has(hex)) this.byScript.set(hex, new Set());
    this.byScript.get(hex).add(key);
  }
  #dropCoin(key) {
    const coin = this.utxo.get(key);
    this.utxo.delete(key);
    const set = this.byScript.get(coin.scriptHex);
    set.delete(key);
    if (!set.size) this.byScript.delete(coin.scriptHex);
    return coin;
  }

  #connect(node) {
    const { block, height } = node;
    const spent = [];
    const created = [];
    try {
      for (const tx of block.txs) {
        if (!tx.isCoinbase) {
          for (const input of tx.ins) {
            if (!this.utxo.has(input.key))
              throw new Error(`bad-txns-inputs-missingorspent ${tx.txid} ${input.key}`);
            spent.push([input.key, this.#dropCoin(input.key), tx.txid]);
          }
        }
        if (height === 0) continue; // the genesis reward was never spendable
        tx.outs.forEach((out, n) => {
          if (unspendable(out.script)) return;
          const key = `${tx.txid}:${n}`;
          this.#putCoin(key, {
            key,
            txid: tx.txid,
            n,
            value: out.value,
            script: out.script,
            scriptHex: hexOf(out.script),
            height,
            coinbase: tx.isCoinbase,
          });
          created.push(key);
        });
      }
    } catch (e) {
      for (const key of created) if (this.utxo.has(key)) this.#dropCoin(key);
      const made = new Set(created);
      for (const [key, coin] of spent) if (!made.has(key)) this.#putCoin(key, coin);
      throw e;
    }
    for (const [key, , by] of spent) this.spentBy.set(key, by);
    block.txs.forEach((tx, pos) => this.txIndex.set(tx.txid, { node, tx, pos }));
    node.undo = { spent, created };
    this.active.push(node);
  }

  #disconnect() {
    const node = this.active.pop();
    const made = new Set(node.undo.created);
    for (const key of node.undo.created) if (this.utxo.has(key)) this.#dropCoin(key);
    for (const [key, coin] of node.undo.spent) {
      this.spentBy.delete(key);
      if (!made.has(key)) this.#putCoin(key, coin);
    }
    for (const tx of node.block.txs) this.txIndex.delete(tx.txid);
    node.undo = null;
    return node;
  }

  // newest common block for a list of hashes, as a node of the active chain
  locate(hashes) {
    for (const hash of hashes) {
      const node = this.nodes.get(hash);
      if (!node) continue;
      if (this.isActive(node)) return node;
      let up = node; // a block that only extends our tip counts as our tip
      while (up.height > this.height) up = up.parent;
      if (up === this.tip) return this.tip;
    }
    return this.active[0];
  }
}

// ------------------------------------------------------------------ mempool

export class Mempool extends EventEmitter {
  constructor(chain) {
    super();
    this.chain = chain;
    this.entries = new Map(); // txid -> { tx, fee, time, replaced }
    this.spends = new Map(); // "txid:n" -> txid
    this.gone = new Map(); // replaced or conflicted transactions, for gettransaction
    chain.on("moved", (change) => this.#follow(change));
  }

  // an output that a new transaction may spend, or null
  coin(key) {
    const at = key.lastIndexOf(":");
    const entry = this.entries.get(key.slice(0, at));
    if (entry) {
      const n = Number(key.slice(at + 1));
      const out = entry.tx.outs[n];
      if (!out || unspendable(out.script)) return null;
      return {
        key,
        txid: entry.tx.txid,
        n,
        value: out.value,
        script: out.script,
        scriptHex: hexOf(out.script),
        height: null,
        coinbase: false,
      };
    }
    return this.chain.utxo.get(key) ?? null;
  }

  descendants(txid, found = new Set()) {
    if (found.has(txid)) return found;
    found.add(txid);
    const { tx } = this.entries.get(txid);
    tx.outs.forEach((_, n) => {
      const child = this.spends.get(`${txid}:${n}`);
      if (child) this.descendants(child, found);
    });
    return found;
  }

  #drop(txid, keep) {
    const entry = this.entries.get(txid);
    if (!entry) return;
    this.entries.delete(txid);
    for (const input of entry.tx.ins) if (this.spends.get(input.key) === txid) this.spends.delete(input.key);
    if (keep) this.gone.set(txid, entry.tx);
  }

  // throws RpcError; returns the entry. With dry set nothing is stored.
  accept(tx, { maxFeeRate = null, dry = false, announce = true } = {}) {
    const { chain } = this;
    if (tx.isCoinbase) throw new RpcError(-26, "coinbase");
    if (!tx.outs.length) throw new RpcError(-26, "bad-txns-vout-empty");
    const nextHeight = chain.height + 1;
    if (!tx.isFinal(nextHeight, chain.medianTime(chain.tip))) throw new RpcError(-26, "non-final");
    let inputSum = 0n;
    const seen = new Set();
    const rivals = new Set();
    for (const input of tx.ins) {
      if (seen.has(input.key)) throw new RpcError(-26, "bad-txns-inputs-duplicate");
      seen.add(input.key);
      const coin = this.coin(input.key);
      if (!coin) throw new RpcError(-25, "bad-txns-inputs-missingorspent");
      if (coin.coinbase && nextHeight - coin.height < COINBASE_MATURITY) {
        throw new RpcError(-26, `bad-txns-premature-spend-of-coinbase, depth ${nextHeight - coin.height}`);
      }
      inputSum += coin.value;
      const rival = this.spends.get(input.key);
      if (rival) rivals.add(rival);
    }
    const fee = inputSum - tx.outputSum;
    if (fee < 0n) throw new RpcError(-26, "bad-txns-in-belowout");
    if (maxFeeRate !== null && maxFeeRate > 0n && fee > (maxFeeRate * BigInt(tx.vsize)) / 1000n) {
      throw new RpcError(-25, "Fee exceeds maximum configured by user (maxfeerate)");
    }
    const evicted = new Set();
    if (rivals.size) {
      for (const id of rivals) {
        const rival = this.entries.get(id);
        if (!rival.tx.signalsReplacement) throw new RpcError(-26, "txn-mempool-conflict");
        if (fee * BigInt(rival.tx.vsize) <= rival.fee * BigInt(tx.vsize)) {
          throw new RpcError(
            -26,
            `insufficient fee, rejecting replacement ${tx.txid}: fee rate not above that of ${id}`,
          );
        }
        this.descendants(id, evicted);
      }
      if (tx.ins.some((i) => evicted.has(i.prevId)))
        throw new RpcError(-26, "bad-txns-spends-conflicting-tx");
      let replacedFees = 0n;
      for (const id of evicted) replacedFees += this.entries.get(id).fee;
      if (fee < replacedFees + BigInt(tx.vsize)) {
        throw new RpcError(
          -26,
          `insufficient fee, rejecting replacement ${tx.txid}: ${fee} sat pays less than ${replacedFees} + ${tx.vsize} sat`,
        );
      }
    }
    const entry = { tx, fee, time: unixNow(), height: chain.height, replaced: rivals.size > 0 };
    if (dry) return entry;
    for (const id of evicted) this.#drop(id, true);
    this.gone.delete(tx.txid);
    this.entries.set(tx.txid, entry);
    for (const input of tx.ins) this.spends.set(input.key, tx.txid);
    log(
      "mempool",
      `+ ${tx.txid} ${tx.vsize} vB fee ${fee} sat${evicted.size ? ` replacing ${[...evicted].join(" ")}` : ""}`,
    );
    if (announce) this.emit("added", entry);
    return entry;
  }

  #follow({ removed, added }) {
    const returning = removed.toReversed().flatMap((n) => n.block.txs.slice(1));
    for (const node of added) {
      for (const tx of node.block.txs) {
        this.gone.delete(tx.txid);
        this.#drop(tx.txid, false);
        for (const input of tx.ins) {
          const rival = this.spends.get(input.key);
          if (rival) for (const id of this.descendants(rival)) this.#drop(id, true);
        }
      }
    }
    if (!removed.length) return;
    const before = [...this.entries.values()].map((e) => e.tx);
    this.entries.clear();
    this.spends.clear();
    for (const tx of [...returning, ...before]) {
      if (this.chain.txIndex.has(tx.txid)) continue;
      try {
        this.accept(tx, { announce: false });
      } catch {
        this.gone.set(tx.txid, tx);
      }
    }
  }

  // parents always come before children: nothing enters before its parents do
  select(reserved) {
    const nextHeight = this.chain.height + 1;
    const median = this.chain.medianTime(this.chain.tip);
    const chosen = [];
    const ids = new Set();
    let weight = reserved;
    for (const { tx, fee } of this.entries.values()) {
      const parentMissing = tx.ins.some((i) => this.entries.has(i.prevId) && !ids.has(i.prevId));
      if (parentMissing || weight + tx.weight > MAX_BLOCK_WEIGHT || !tx.isFinal(nextHeight, median)) continue;
      weight += tx.weight;
      ids.add(tx.txid);
      chosen.push({ tx, fee });
    }
    return chosen;
  }
}

// ------------------------------------------------------------------- mining

export class Miner {
  constructor(chain, mempool) {
    this.chain = chain;
    this.mempool = mempool;
    this.counter = 0;
  }

  assemble(payTo, chosen = this.mempool.select(4000)) {
    const { chain } = this;
    const parent = chain.tip;
    const height = parent.height + 1;
    const subsidy = (50n * COIN) >> BigInt(Math.min(63, Math.floor(height / HALVING_INTERVAL)));
    const fees = chosen.reduce((sum, e) => sum + e.fee, 0n);
    const body = chosen.map((e) => e.tx);

    const reserved = Buffer.alloc(32);
    const witnessRoot = merkleRoot([Buffer.alloc(32), ...body.map((t) => fromId(t.wtxid))]);
    const commitment = hash256(Buffer.concat([witnessRoot, reserved]));
    const unique = Buffer.concat([randomBytes(4), u32(this.counter++)]);
    const coinbase = Tx.build({
      version: 2,
      ins: [
        {
          prevId: ZERO_ID,
          prevN: 0xffffffff,
          script: Buffer.concat([pushHeight(height), pushData(unique)]),
          witness: [reserved],
        },
      ],
      outs: [
        { value: subsidy + fees, script: payTo },
        { value: 0n, script: Buffer.concat([unhex("6a24aa21a9ed"), commitment]) },
      ],
    });
    const txs = [coinbase, ...body];
    const time = Math.max(unixNow(), chain.medianTime(parent) + 1);
    const head = Buffer.concat([
      i32(0x20000000),
      fromId(parent.hash),
      merkleRoot(txs.map((t) => t.hash)),
      u32(time),
      u32(POW_BITS),
      u32(0),
    ]);
    const target = targetOf(POW_BITS);
    for (let nonce = 0; BigInt(`0x${toId(hash256(head))}`) > target; head.writeUInt32LE(nonce, 76)) nonce++;
    return new Block(Buffer.concat([head, compactSize(txs.length), ...txs.map((t) => t.raw)]));
  }

  mine(payTo, chosen) {
    const block = this.assemble(payTo, chosen);
    const outcome = this.chain.add(block);
    if (outcome !== "linked" || this.chain.tip.hash !== block.hash) {
      throw new RpcError(-1, `the new block was not taken: ${outcome}`);
    }
    log("mine", `block ${this.chain.height} ${block.hash} ${block.txs.length} tx`);
    return block;
  }
}

// ------------------------------------------------------ block files on disk

function* records(buf) {
  let at = 0;
  for (;;) {
    at = buf.indexOf(MAGIC, at);
    if (at < 0 || at + 8 > buf.length) return;
    const size = buf.readUInt32LE(at + 4);
    if (size < 81 || size > MAX_MESSAGE || at + 8 + size > buf.length) {
      at += 1;
      continue;
    }
    let block = null;
    try {
      block = new Block(Buffer.from(buf.subarray(at + 8, at + 8 + size)));
    } catch {
      /* magic bytes by chance */
    }
    if (!block) {
      at += 1;
      continue;
    }
    at += 8 + size;
    yield { block, end: at };
  }
}

function findBlocksDir(dir) {
  for (const option of [dir, path.join(dir, "blocks"), path.join(dir, "regtest", "blocks")]) {
    if (fs.existsSync(option) && fs.readdirSync(option).some((f) => /^blk\d+\.dat$/.test(f))) return option;
  }
  throw new Error(`no blk*.dat under ${dir}`);
}

export function loadBlockFiles(chain, dir) {
  const blocksDir = findBlocksDir(dir);
  const keyFile = path.join(blocksDir, "xor.dat");
  const key = fs.existsSync(keyFile) ? fs.readFileSync(keyFile) : Buffer.alloc(0);
  const masked = key.some((b) => b !== 0);
  let count = 0;
  for (const file of fs
    .readdirSync(blocksDir)
    .filter((f) => /^blk\d+\.dat$/.test(f))
    .sort()) {
    const buf = fs.readFileSync(path.join(blocksDir, file));
    if (masked) for (let i = 0; i < buf.length; i++) buf[i] ^= key[i % key.length];
    for (const { block } of records(buf)) {
      const outcome = chain.add(block, { quiet: true });
      if (!["known", "linked", "waiting"].includes(outcome))
        log("load", `${file}: block ${block.hash} left out: ${outcome}`);
      count++;
    }
  }
  chain.settle();
  const stray = [...chain.waiting.values()].reduce((n, l) => n + l.length, 0);
  log(
    "load",
    `${count} blocks from ${blocksDir}${masked ? " (xor key in use)" : ""}, height ${chain.height}` +
      `${stray ? `, ${stray} without a parent` : ""}, tip ${chain.tip.hash}`,
  );
}

class SaveFile {
  constructor(chain, file) {
    this.file = file;
    this.written = new Set();
    if (fs.existsSync(file)) {
      const buf = fs.readFileSync(file);
      let good = 0;
      for (const { block, end } of records(buf)) {
        const outcome = chain.add(block, { quiet: true });
        if (!["known", "linked"].includes(outcome)) log("load", `${file}: block ${block.hash}: ${outcome}`);
        this.written.add(block.hash);
        good = end;
      }
      if (good < buf.length) fs.truncateSync(file, good); // a half-written last record
      chain.settle();
      log(
        "load",
        `${this.written.size} saved blocks from ${file}, height ${chain.height}, tip ${chain.tip.hash}`,
      );
    }
    chain.on("moved", ({ added }) => {
      for (const node of added) this.put(node.block);
    });
  }

  put(block) {
    if (this.written.has(block.hash)) return;
    this.written.add(block.hash);
    fs.appendFileSync(this.file, Buffer.concat([MAGIC, u32(block.raw.length), block.raw]));
  }
}

// ------------------------------------------------------------------ wallets

class Wallet {
  constructor(name, { watchOnly = true } = {}) {
    this.name = name;
    this.watchOnly = watchOnly;
    this.descriptors = new Map(); // canonical text -> { label, internal, timestamp }
    this.watched = new Map(); // script hex -> { desc, solvable, label }
    this.secrets = []; // hex, only from getnewaddress or imported WIF
  }

  importText(text, { label = "", internal = false, timestamp = 0 } = {}) {
    const d = parseDescriptor(text);
    this.descriptors.set(d.canonical, { label, internal, timestamp });
    for (const script of d.scripts) {
      this.watched.set(hexOf(script), {
        desc: `${d.canonical}#${descriptorChecksum(d.canonical)}`,
        solvable: d.solvable,
        label,
      });
    }
    for (const secret of d.secrets) this.secrets.push(hexOf(secret));
  }

  owns(script) {
    return this.watched.has(hexOf(script));
  }

  toJSON() {
    return {
      name: this.name,
      watchOnly: this.watchOnly,
      descriptors: [...this.descriptors].map(([desc, meta]) => ({ desc, ...meta })),
      secrets: this.secrets,
    };
  }
}

class Wallets {
  constructor(file) {
    this.file = file;
    this.known = new Map();
    this.loaded = new Set();
    if (file && fs.existsSync(file)) {
      const saved = JSON.parse(fs.readFileSync(file, "utf8"));
      for (const w of saved.wallets) {
        const wallet = this.add(w.name, w);
        for (const { desc, ...meta } of w.descriptors) wallet.importText(desc, meta);
        wallet.secrets = w.secrets ?? [];
      }
      for (const name of saved.loaded) this.loaded.add(name);
    }
  }

  add(name, options) {
    if (!this.known.has(name)) this.known.set(name, new Wallet(name, options));
    return this.known.get(name);
  }

  save() {
    if (!this.file) return;
    const text = JSON.stringify({ wallets: [...this.known.values()], loaded: [...this.loaded] }, null, 1);
    fs.writeFileSync(`${this.file}.new`, text);
    fs.renameSync(`${this.file}.new`, this.file);
  }

  // name from the request path, or undefined when the path has none
  pick(name) {
    if (name !== undefined) {
      if (!this.loaded.has(name)) throw new RpcError(-18, "Requested wallet does not exist or is not loaded");
      return this.known.get(name);
    }
    if (this.loaded.size === 1) return this.known.get([...this.loaded][0]);
    if (this.loaded.size === 0)
      throw new RpcError(-18, "No wallet is loaded. Load one with loadwallet or make one with createwallet.");
    throw new RpcError(-19, "Several wallets are loaded: name one in the path, as in /wallet/<name>");
  }
}

// ---------------------------------------------------------------------- p2p

export class PeerServer {
  constructor(chain, mempool, { announce = true } = {}) {
    this.chain = chain;
    this.mempool = mempool;
    this.announce = announce;
    this.peers = new Set();
    this.serial = 0;
    this.server = net.createServer((socket) => this.#welcome(socket));
    chain.on("moved", ({ added }) => {
      if (added.length) this.#announceTip(added);
    });
    mempool.on("added", ({ tx }) => this.#announceTx(tx));
  }

  listen(port) {
    return new Promise((done, fail) => {
      this.server.once("error", fail);
      this.server.listen(port, "127.0.0.1", () => done(this.server.address().port));
    });
  }
  close() {
    this.server.close();
    for (const p of this.peers) p.socket.destroy();
  }

  #welcome(socket) {
    const peer = {
      id: ++this.serial,
      socket,
      inbox: Buffer.alloc(0),
      version: null,
      ready: false,
      wantsHeaders: false,
      relay: false,
      agent: "",
      since: unixNow(),
      got: 0,
      sent: 0,
    };
    this.peers.add(peer);
    socket.setNoDelay(true);
    this.#note(peer, `connected from ${socket.remoteAddress}:${socket.remotePort}`);
    socket.on("data", (chunk) => {
      peer.got += chunk.length;
      peer.inbox = peer.inbox.length ? Buffer.concat([peer.inbox, chunk]) : chunk;
      this.#drain(peer);
    });
    socket.on("error", (e) => this.#note(peer, `socket: ${e.code ?? e.message}`));
    socket.on("close", () => {
      this.peers.delete(peer);
      this.#note(peer, "gone");
    });
  }

  #note(peer, text) {
    log("p2p", `#${peer.id} ${text}`);
  }

  #send(peer, command, payload = Buffer.alloc(0)) {
    const head = Buffer.alloc(24);
    MAGIC.copy(head);
    head.write(command, 4, "ascii");
    head.writeUInt32LE(payload.length, 16);
    hash256(payload).copy(head, 20, 0, 4);
    if (peer.socket.writable) {
      peer.socket.write(Buffer.concat([head, payload]));
      peer.sent += 24 + payload.length;
    }
  }

  #drain(peer) {
    while (peer.inbox.length >= 24) {
      if (!peer.inbox.subarray(0, 4).equals(MAGIC)) {
        this.#note(peer, `wrong network magic ${hexOf(peer.inbox.subarray(0, 4))}, closing`);
        peer.socket.destroy();
        return;
      }
      const size = peer.inbox.readUInt32LE(16);
      if (size > MAX_MESSAGE) {
        this.#note(peer, `message of ${size} bytes, closing`);
        peer.socket.destroy();
        return;
      }
      if (peer.inbox.length < 24 + size) return;
      const command = peer.inbox.toString("latin1", 4, 16).replace(/\0.*$/s, "");
      const sum = peer.inbox.subarray(20, 24);
      const payload = peer.inbox.subarray(24, 24 + size);
      peer.inbox = peer.inbox.subarray(24 + size);
      if (!hash256(payload).subarray(0, 4).equals(sum)) {
        this.#note(peer, `${command}: checksum mismatch, ignored`);
        continue;
      }
      try {
        this.#handle(peer, command, payload);
      } catch (e) {
        this.#note(peer, `${command}: ${e.message}, ignored`);
      }
      if (peer.socket.destroyed) return;
    }
  }

  #handle(peer, command, payload) {
    const cur = new Cursor(payload);
    if (command === "version") return this.#onVersion(peer, cur);
    if (peer.version === null) return this.#note(peer, `${command} before version, ignored`);
    switch (command) {
      case "verack":
        peer.ready = true;
        return this.#note(peer, "verack");
      case "ping":
        this.#note(peer, "ping");
        if (payload.length === 8) this.#send(peer, "pong", payload);
        return undefined;
      case "getheaders":
        return this.#onGetHeaders(peer, cur);
      case "getblocks":
        return this.#onGetBlocks(peer, cur);
      case "getdata":
        return this.#onGetData(peer, cur);
      case "sendheaders":
        peer.wantsHeaders = true;
        return this.#note(peer, "sendheaders");
      case "mempool": {
        const ids = [...this.mempool.entries.keys()].slice(0, 50_000);
        this.#note(peer, `mempool -> inv of ${ids.length}`);
        if (ids.length)
          this.#send(
            peer,
            "inv",
            Buffer.concat([
              compactSize(ids.length),
              ...ids.map((id) => Buffer.concat([u32(INV_TX), fromId(id)])),
            ]),
          );
        return undefined;
      }
      case "tx": {
        const tx = Tx.parse(payload);
        try {
          if (!this.mempool.entries.has(tx.txid)) this.mempool.accept(tx);
          return this.#note(peer, `tx ${tx.txid} taken`);
        } catch (e) {
          return this.#note(peer, `tx ${tx.txid} refused: ${e.message}`);
        }
      }
      default:
        return this.#note(peer, `${command} (${payload.length} bytes), nothing to do`);
    }
  }

  #onVersion(peer, cur) {
    if (peer.version !== null) return this.#note(peer, "second version, ignored");
    peer.version = cur.i32();
    const services = cur.u64();
    cur.take(8 + 26);
    if (cur.left >= 34) {
      cur.take(26 + 8);
      peer.agent = cur
        .blob()
        .toString("latin1")
        .replace(/[^\x20-\x7e]/g, "?");
      const height = cur.i32();
      peer.relay = cur.left ? cur.u8() !== 0 : true;
      this.#note(
        peer,
        `version ${peer.version} services ${services} agent ${peer.agent} height ${height} relay ${peer.relay}`,
      );
    }
    const { remotePort, localPort } = peer.socket;
    const v4 = (service, port) =>
      Buffer.concat([u64(service), unhex("00000000000000000000ffff7f000001"), u16be(port ?? 0)]);
    this.#send(
      peer,
      "version",
      Buffer.concat([
        i32(PROTOCOL_VERSION),
        u64(SERVICES),
        u64(unixNow()),
        v4(0n, remotePort),
        v4(SERVICES, localPort),
        randomBytes(8),
        sized(Buffer.from(USER_AGENT)),
        i32(this.chain.height),
        Buffer.from([1]),
      ]),
    );
    return this.#send(peer, "verack");
  }

  #readLocator(cur) {
    cur.u32();
    const hashes = [];
    for (let n = cur.size(), i = 0; i < n; i++) hashes.push(cur.id());
    return { hashes, stop: cur.id() };
  }

  #onGetHeaders(peer, cur) {
    const { hashes, stop } = this.#readLocator(cur);
    let list = [];
    if (hashes.length) {
      const from = this.chain.locate(hashes);
      for (let h = from.height + 1; h <= this.chain.height && list.length < MAX_HEADERS; h++) {
        list.push(this.chain.active[h]);
        if (this.chain.active[h].hash === stop) break;
      }
    } else if (this.chain.nodes.has(stop)) {
      list = [this.chain.nodes.get(stop)];
    }
    const span = list.length ? ` ${list[0].height}..${list.at(-1).height}` : "";
    const first = hashes.length
      ? ` ${hashes[0]}${this.chain.nodes.has(hashes[0]) ? ` (${this.chain.nodes.get(hashes[0]).height})` : " (unknown)"}`
      : "";
    this.#note(peer, `getheaders locator ${hashes.length}${first} -> ${list.length} headers${span}`);
    this.#sendHeaders(peer, list);
  }

  // sent even when empty: that is how a client learns that it has everything
  #sendHeaders(peer, list) {
    const zero = Buffer.from([0]);
    this.#send(
      peer,
      "headers",
      Buffer.concat([compactSize(list.length), ...list.flatMap((n) => [n.block.header, zero])]),
    );
  }

  #onGetBlocks(peer, cur) {
    const { hashes, stop } = this.#readLocator(cur);
    const list = [];
    for (let h = this.chain.locate(hashes).height + 1; h <= this.chain.height && list.length < 500; h++) {
      if (this.chain.active[h].hash === stop) break;
      list.push(this.chain.active[h].hash);
    }
    this.#note(peer, `getblocks -> inv of ${list.length}`);
    if (list.length) this.#sendBlockInv(peer, list);
  }

  #sendBlockInv(peer, hashes) {
    this.#send(
      peer,
      "inv",
      Buffer.concat([
        compactSize(hashes.length),
        ...hashes.map((h) => Buffer.concat([u32(INV_BLOCK), fromId(h)])),
      ]),
    );
  }

  #onGetData(peer, cur) {
    const missing = [];
    for (let n = cur.size(), i = 0; i < n; i++) {
      const type = cur.u32();
      const id = cur.id();
      const full = (type & WITNESS_FLAG) !== 0;
      const kind = type & ~WITNESS_FLAG;
      if (kind === INV_BLOCK) {
        const node = this.chain.nodes.get(id);
        this.#note(
          peer,
          `getdata block${full ? " with witness" : ""} ${id}${node ? ` (${node.height})` : " unknown, no answer"}`,
        );
        if (node) this.#send(peer, "block", full ? node.block.raw : node.block.stripped);
      } else if (kind === INV_TX) {
        const entry = this.mempool.entries.get(id);
        this.#note(peer, `getdata tx ${id}${entry ? "" : " unknown"}`);
        if (entry) this.#send(peer, "tx", full ? entry.tx.raw : entry.tx.stripped);
        else missing.push(Buffer.concat([u32(type), fromId(id)]));
      } else {
        this.#note(peer, `getdata type ${type} ${id}, nothing to do`);
      }
    }
    if (missing.length)
      this.#send(peer, "notfound", Buffer.concat([compactSize(missing.length), ...missing]));
  }

  #announceTip(added) {
    if (!this.announce) return;
    const latest = added.slice(-8);
    for (const peer of this.peers) {
      if (!peer.ready) continue;
      if (peer.wantsHeaders) this.#sendHeaders(peer, latest);
      else this.#sendBlockInv(peer, [latest.at(-1).hash]);
    }
  }

  #announceTx(tx) {
    if (!this.announce) return;
    for (const peer of this.peers) {
      if (peer.ready && peer.relay)
        this.#send(peer, "inv", Buffer.concat([compactSize(1), u32(INV_TX), fromId(tx.txid)]));
    }
  }
}

// ---------------------------------------------------------------------- rpc

export class RpcError extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

// BTC with exactly eight decimals, as a bare JSON number
function btc(sats) {
  const n = BigInt(sats);
  const abs = n < 0n ? -n : n;
  return JSON.rawJSON(`${n < 0n ? "-" : ""}${abs / COIN}.${String(abs % COIN).padStart(8, "0")}`);
}

function sats(value, name) {
  if (typeof value === "number") {
    if (!Number.isFinite(value) || value < 0) throw new RpcError(-3, `${name}: amount out of range`);
    return BigInt(Math.round(value * 1e8));
  }
  const m = typeof value === "string" ? /^(\d+)(?:\.(\d{1,8})0*)?$/.exec(value) : null;
  if (!m) throw new RpcError(-3, `${name}: not an amount`);
  return BigInt(m[1]) * COIN + BigInt((m[2] ?? "").padEnd(8, "0"));
}

const difficulty = (bits) => (0xffff / (bits & 0x7fffff)) * 256 ** (29 - (bits >>> 24));

export class RpcServer {
  constructor(parts, { user, password } = {}) {
    Object.assign(this, parts); // chain, mempool, miner, wallets, peers, timer, shutdown
    this.login = user === undefined && password === undefined ? null : `${user ?? ""}:${password ?? ""}`;
    this.started = Date.now();
    this.methods = this.#table();
    this.server = http.createServer((req, res) => this.#onRequest(req, res));
    this.server.keepAliveTimeout = 30_000;
  }

  listen(port) {
    return new Promise((done, fail) => {
      this.server.once("error", fail);
      this.server.listen(port, "127.0.0.1", () => done(this.server.address().port));
    });
  }
  close() {
    this.server.close();
    this.server.closeAllConnections();
  }

  #authorised(req) {
    if (this.login === null) return true;
    const given = Buffer.from(/^Basic\s+(\S+)$/i.exec(req.headers.authorization ?? "")?.[1] ?? "", "base64");
    const want = Buffer.from(this.login);
    return given.length === want.length && timingSafeEqual(given, want);
  }

  #onRequest(req, res) {
    const chunks = [];
    let size = 0;
    req.on("data", (c) => {
      size += c.length;
      if (size > MAX_MESSAGE) req.destroy();
      else chunks.push(c);
    });
    req.on("end", async () => {
      const reply = (status, body, type = "application/json") => {
        const data = Buffer.from(body);
        res.writeHead(status, {
          "Content-Type": type,
          "Content-Length": data.length,
          ...(status === 401 ? { "WWW-Authenticate": 'Basic realm="jsonrpc"' } : {}),
        });
        res.end(data);
      };
      if (req.method !== "POST") return reply(405, "only POST is served here\n", "text/plain");
      if (!this.#authorised(req)) {
        log("rpc", `${req.url} refused: wrong or missing credentials`);
        return reply(401, "", "text/plain");
      }
      let wallet;
      const where = /^\/wallet\/(.*)$/s.exec(req.url.split("?")[0]);
      if (where) {
        try {
          wallet = decodeURIComponent(where[1]);
        } catch {
          wallet = where[1];
        }
      } else if (req.url.split("?")[0] !== "/") {
        return reply(404, "", "text/plain");
      }
      let request;
      try {
        request = JSON.parse(Buffer.concat(chunks).toString());
      } catch {
        return reply(
          500,
          JSON.stringify({ result: null, error: { code: -32700, message: "Parse error" }, id: null }) + "\n",
        );
      }
      if (Array.isArray(request)) {
        const answers = [];
        for (const one of request) {
          const { body } = await this.#answer(one, wallet);
          if (body) answers.push(body);
        }
        return reply(200, `${JSON.stringify(answers)}\n`);
      }
      const { status, body } = await this.#answer(request, wallet);
      if (!body) {
        res.writeHead(204);
        return res.end();
      }
      return reply(status, `${JSON.stringify(body)}\n`);
    });
    req.on("error", () => {});
  }

  async #answer(request, wallet) {
    const isObject = request && typeof request === "object" && !Array.isArray(request);
    const v2 = isObject && request.jsonrpc === "2.0";
    const id = isObject ? (request.id ?? null) : null;
    const begun = process.hrtime.bigint();
    let result = null;
    let error = null;
    try {
      if (!isObject) throw new RpcError(-32600, "Invalid Request object");
      result = (await this.call(request.method, request.params, wallet)) ?? null;
    } catch (e) {
      if (!(e instanceof RpcError)) log("rpc", `fault in ${request?.method}: ${e.stack}`);
      error = { code: e instanceof RpcError ? e.code : -1, message: e.message };
    }
    const ms = Number((process.hrtime.bigint() - begun) / 1000n) / 1000;
    let shown = JSON.stringify(request?.params ?? []) ?? "";
    if (shown.length > 200) shown = `${shown.slice(0, 200)}...`;
    const outcome = error
      ? `error ${error.code} ${error.message}`
      : Array.isArray(result)
        ? `${result.length} items`
        : "ok";
    log(
      "rpc",
      `${wallet === undefined ? "" : `[${wallet}] `}${request?.method} ${shown} -> ${outcome} ${ms.toFixed(1)} ms`,
    );
    if (v2) {
      if (!("id" in request)) return { status: 204, body: null };
      return { status: 200, body: error ? { jsonrpc: "2.0", error, id } : { jsonrpc: "2.0", result, id } };
    }
    const status = !error ? 200 : error.code === -32601 ? 404 : error.code === -32600 ? 400 : 500;
    return { status, body: { result, error, id } };
  }

  async call(method, params, wallet) {
    if (typeof method !== "string")
      throw new RpcError(-32600, method === undefined ? "Missing method" : "Method must be a string");
    const entry = this.methods[method];
    if (!entry) throw new RpcError(-32601, "Method not found");
    let args = params ?? [];
    if (!Array.isArray(args)) {
      if (typeof args !== "object") throw new RpcError(-32600, "Params must be an array or object");
      const names = entry.names;
      for (const k of Object.keys(args))
        if (k !== "args" && !names.includes(k)) throw new RpcError(-8, `Unknown named parameter ${k}`);
      const positional = args.args ?? [];
      args = names.map((n, i) => args[n] ?? positional[i]);
    }
    if (args.length > entry.names.length)
      throw new RpcError(
        -1,
        `${method} takes at most ${entry.names.length} parameters: ${entry.names.join(" ")}`,
      );
    return entry.run(
      args.map((a) => (a === null ? undefined : a)),
      wallet,
    );
  }

  // --- shared look-ups

  #node(hash) {
    if (!isId(hash)) throw new RpcError(-8, "block hash must be 64 hex digits");
    const node = this.chain.nodes.get(hash.toLowerCase());
    if (!node) throw new RpcError(-5, "Block not found");
    return node;
  }

  // any transaction this process knows: { tx, node?, entry? }
  #find(txid) {
    const mined = this.chain.txIndex.get(txid);
    if (mined) return { tx: mined.tx, node: mined.node, pos: mined.pos };
    const entry = this.mempool.entries.get(txid);
    if (entry) return { tx: entry.tx, entry };
    const old = this.mempool.gone.get(txid);
    return old ? { tx: old, dropped: true } : null;
  }

  #prevOut(input) {
    return this.#find(input.prevId)?.tx.outs[input.prevN] ?? null;
  }

  #addressScript(text, code = -5, message = "Invalid address") {
    const script = addressToScript(text);
    if (!script) throw new RpcError(code, `${message}: ${text}`);
    return script;
  }

  #describeScript(script) {
    const address = scriptToAddress(script);
    return {
      asm: disassemble(script),
      hex: hexOf(script),
      ...(address ? { address } : {}),
      type: scriptType(script),
    };
  }

  #describeTx(tx, withHex = true) {
    return {
      txid: tx.txid,
      hash: tx.wtxid,
      version: tx.version,
      size: tx.raw.length,
      vsize: tx.vsize,
      weight: tx.weight,
      locktime: tx.locktime,
      vin: tx.ins.map((i) => ({
        ...(tx.isCoinbase
          ? { coinbase: hexOf(i.script) }
          : {
              txid: i.prevId,
              vout: i.prevN,
              scriptSig: { asm: disassemble(i.script), hex: hexOf(i.script) },
            }),
        ...(i.witness.length ? { txinwitness: i.witness.map(hexOf) } : {}),
        sequence: i.sequence,
      })),
      vout: tx.outs.map((o, n) => ({ value: btc(o.value), n, scriptPubKey: this.#describeScript(o.script) })),
      ...(withHex ? { hex: hexOf(tx.raw) } : {}),
    };
  }

  #describeHeader(node) {
    const { block } = node;
    const next = this.chain.isActive(node) ? this.chain.active[node.height + 1] : undefined;
    return {
      hash: node.hash,
      confirmations: this.chain.confirmations(node),
      height: node.height,
      version: block.version,
      versionHex: (block.version >>> 0).toString(16).padStart(8, "0"),
      merkleroot: toId(block.merkle),
      time: block.time,
      mediantime: this.chain.medianTime(node),
      nonce: block.nonce,
      bits: block.bits.toString(16).padStart(8, "0"),
      difficulty: difficulty(block.bits),
      chainwork: node.work.toString(16).padStart(64, "0"),
      nTx: block.txs.length,
      ...(node.parent ? { previousblockhash: node.parent.hash } : {}),
      ...(next ? { nextblockhash: next.hash } : {}),
    };
  }

  // confirmations of a known transaction; below zero when a rival was mined
  #depth(found) {
    if (found.node) return this.chain.confirmations(found.node);
    if (found.entry) return 0;
    for (const input of found.tx.ins) {
      const winner = this.chain.spentBy.get(input.key);
      const at = winner && winner !== found.tx.txid ? this.chain.txIndex.get(winner) : null;
      if (at) return -this.chain.confirmations(at.node);
    }
    return 0;
  }

  // an unconfirmed output is safe when the wallet itself made it out of safe coins
  #safe(wallet, txid) {
    const found = this.#find(txid);
    if (!found || found.dropped) return false;
    if (found.node) return true;
    if (found.entry.replaced) return false;
    return found.tx.ins.every((i) => {
      const out = this.#prevOut(i);
      return out && wallet.owns(out.script) && this.#safe(wallet, i.prevId);
    });
  }

  *#coins(wallet) {
    const { chain, mempool } = this;
    for (const hex of wallet.watched.keys()) {
      for (const key of chain.byScript.get(hex) ?? []) {
        if (!mempool.spends.has(key)) yield chain.utxo.get(key);
      }
    }
    for (const { tx } of mempool.entries.values()) {
      for (let n = 0; n < tx.outs.length; n++) {
        const key = `${tx.txid}:${n}`;
        if (wallet.owns(tx.outs[n].script) && !mempool.spends.has(key)) yield mempool.coin(key);
      }
    }
  }

  #listUnspent(
    wallet,
    [minConf = 1, maxConf = 9_999_999, addresses = [], includeUnsafe = true, options = {}],
  ) {
    if (!Array.isArray(addresses)) throw new RpcError(-3, "addresses must be an array");
    const filter = new Set();
    for (const a of addresses) {
      const hex = hexOf(this.#addressScript(a, -5, "Invalid Bitcoin address"));
      if (filter.has(hex)) throw new RpcError(-8, `Invalid parameter, duplicated address: ${a}`);
      filter.add(hex);
    }
    const least = options.minimumAmount === undefined ? 0n : sats(options.minimumAmount, "minimumAmount");
    const most = options.maximumAmount === undefined ? null : sats(options.maximumAmount, "maximumAmount");
    const enough =
      options.minimumSumAmount === undefined ? null : sats(options.minimumSumAmount, "minimumSumAmount");
    const limit = Number(options.maximumCount ?? 0);
    const list = [];
    let sum = 0n;
    for (const coin of this.#coins(wallet)) {
      const confirmations = coin.height === null ? 0 : this.chain.height - coin.height + 1;
      if (confirmations < minConf || confirmations > maxConf) continue;
      if (filter.size && !filter.has(coin.scriptHex)) continue;
      if (coin.coinbase && confirmations <= COINBASE_MATURITY && !options.include_immature_coinbase) continue;
      if (coin.value < least || (most !== null && coin.value > most)) continue;
      const safe = this.#safe(wallet, coin.txid);
      if (!safe && !includeUnsafe) continue;
      const meta = wallet.watched.get(coin.scriptHex);
      const address = scriptToAddress(coin.script);
      list.push({
        txid: coin.txid,
        vout: coin.n,
        ...(address ? { address } : {}),
        label: meta.label,
        scriptPubKey: coin.scriptHex,
        amount: btc(coin.value),
        confirmations,
        spendable: true,
        solvable: meta.solvable,
        ...(meta.solvable ? { desc: meta.desc } : {}),
        parent_descs: [meta.desc],
        safe,
      });
      sum += coin.value;
      if ((limit && list.length >= limit) || (enough !== null && sum >= enough)) break;
    }
    return list;
  }

  #getTransaction(wallet, [txid, , verbose = false]) {
    if (!isId(txid)) throw new RpcError(-8, "txid must be 64 hex digits");
    const found = this.#find(txid.toLowerCase());
    if (!found) throw new RpcError(-5, "Invalid or non-wallet transaction id");
    const { tx, node, entry } = found;
    const prevs = tx.isCoinbase ? [] : tx.ins.map((i) => this.#prevOut(i));
    const debit = prevs.reduce((s, o) => s + (o && wallet.owns(o.script) ? o.value : 0n), 0n);
    const mine = tx.outs.map((o, n) => ({ ...o, n })).filter((o) => wallet.owns(o.script));
    if (!debit && !mine.length) throw new RpcError(-5, "Invalid or non-wallet transaction id");
    const credit = mine.reduce((s, o) => s + o.value, 0n);
    const confirmations = this.#depth(found);
    const fee = debit && prevs.every(Boolean) ? prevs.reduce((s, o) => s + o.value, 0n) - tx.outputSum : null;
    const seenAt = node?.block.time ?? entry?.time ?? unixNow();
    const category = !tx.isCoinbase ? "receive" : confirmations > COINBASE_MATURITY ? "generate" : "immature";
    const details = [];
    if (debit) {
      for (const [n, o] of tx.outs.entries()) {
        if (wallet.owns(o.script)) continue;
        const address = scriptToAddress(o.script);
        details.push({
          ...(address ? { address } : {}),
          category: "send",
          amount: btc(-o.value),
          vout: n,
          ...(fee === null ? {} : { fee: btc(-fee) }),
          abandoned: false,
        });
      }
    }
    for (const o of mine) {
      const address = scriptToAddress(o.script);
      details.push({
        ...(address ? { address } : {}),
        category,
        amount: btc(o.value),
        label: wallet.watched.get(hexOf(o.script)).label,
        vout: o.n,
        abandoned: false,
      });
    }
    return {
      amount: btc(credit - debit + (fee ?? 0n)),
      ...(fee === null ? {} : { fee: btc(-fee) }),
      confirmations,
      ...(tx.isCoinbase ? { generated: true } : {}),
      ...(node
        ? {
            blockhash: node.hash,
            blockheight: node.height,
            blockindex: found.pos,
            blocktime: node.block.time,
          }
        : { trusted: !!entry && this.#safe(wallet, tx.txid) }),
      txid: tx.txid,
      wtxid: tx.wtxid,
      walletconflicts: [],
      mempoolconflicts: [],
      time: seenAt,
      timereceived: seenAt,
      "bip125-replaceable": entry && tx.signalsReplacement ? "yes" : "no",
      details,
      hex: hexOf(tx.raw),
      ...(verbose ? { decoded: this.#describeTx(tx, false) } : {}),
      lastprocessedblock: { hash: this.chain.tip.hash, height: this.chain.height },
    };
  }

  #importDescriptors(wallet, [requests]) {
    if (!Array.isArray(requests)) throw new RpcError(-3, "requests must be an array");
    const out = requests.map((r) => {
      try {
        if (r?.desc === undefined) throw new RpcError(-8, "Descriptor not found.");
        if (r.timestamp === undefined) throw new RpcError(-3, "Missing required timestamp field for key");
        if (r.timestamp !== "now" && typeof r.timestamp !== "number")
          throw new RpcError(-3, 'timestamp must be a number or "now"');
        parseDescriptor(r.desc, true);
        wallet.importText(r.desc, { label: r.label ?? "", internal: !!r.internal, timestamp: r.timestamp });
        return { success: true };
      } catch (e) {
        if (!(e instanceof RpcError)) throw e;
        return { success: false, error: { code: e.code, message: e.message } };
      }
    });
    this.wallets.save();
    return out;
  }

  #sendRaw([hex, maxFeeRate = 0.1, maxBurn = 0]) {
    let tx;
    try {
      if (!isHex(hex)) throw new RangeError("not hex");
      tx = Tx.parse(unhex(hex));
    } catch {
      throw new RpcError(-22, "TX decode failed. Make sure the tx has at least one input.");
    }
    const burnLimit = sats(maxBurn, "maxburnamount");
    if (tx.outs.some((o) => unspendable(o.script) && o.value > burnLimit)) {
      throw new RpcError(-25, "Unspendable output exceeds maximum configured by user (maxburnamount)");
    }
    if (this.mempool.entries.has(tx.txid)) return tx.txid;
    if (this.chain.txIndex.has(tx.txid)) throw new RpcError(-27, "Transaction outputs already in utxo set");
    this.mempool.accept(tx, { maxFeeRate: sats(maxFeeRate, "maxfeerate") });
    return tx.txid;
  }

  async #generate(count, script, chosen) {
    if (!Number.isInteger(count) || count < 0) throw new RpcError(-8, "nblocks must be a whole number");
    const hashes = [];
    for (let i = 0; i < count; i++) {
      hashes.push(this.miner.mine(script, chosen).hash);
      if (i % 50 === 49) await sleep(0);
    }
    return hashes;
  }

  #generateBlock([output, list = [], submit = true]) {
    const script = addressToScript(output) ?? parseDescriptor(output).scripts.at(-1);
    const chosen = list.map((item) => {
      const entry = this.mempool.entries.get(item);
      if (entry) return entry;
      if (isId(item)) throw new RpcError(-5, `Transaction ${item} not in mempool.`);
      let tx;
      try {
        tx = Tx.parse(unhex(item));
      } catch {
        throw new RpcError(-22, `Transaction decode failed for ${item}.`);
      }
      return this.mempool.entries.get(tx.txid) ?? this.mempool.accept(tx, { dry: true });
    });
    if (!submit) {
      const block = this.miner.assemble(script, chosen);
      return { hash: block.hash, hex: hexOf(block.raw) };
    }
    return { hash: this.miner.mine(script, chosen).hash };
  }

  #newAddress(wallet, [label = "", type = "bech32"]) {
    let secret;
    do {
      secret = randomBytes(32);
    } while (
      BigInt(`0x${hexOf(secret)}`) === 0n ||
      hexOf(secret) >= "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141"
    );
    const key = hexOf(publicKeyOf(secret));
    const text = { legacy: `pkh(${key})`, bech32: `wpkh(${key})`, "p2sh-segwit": `sh(wpkh(${key}))` }[type];
    if (!text) throw new RpcError(-5, `Unknown address type '${type}'`);
    wallet.importText(text, { label });
    wallet.secrets.push(hexOf(secret));
    this.wallets.save();
    return scriptToAddress(parseDescriptor(text).scripts[0]);
  }

  #balance(wallet) {
    let trusted = 0n;
    let pending = 0n;
    let immature = 0n;
    for (const coin of this.#coins(wallet)) {
      const confirmations = coin.height === null ? 0 : this.chain.height - coin.height + 1;
      if (coin.coinbase && confirmations <= COINBASE_MATURITY) immature += coin.value;
      else if (this.#safe(wallet, coin.txid)) trusted += coin.value;
      else pending += coin.value;
    }
    return { trusted, pending, immature };
  }

  #mempoolEntry({ tx, fee, time, height }) {
    return {
      vsize: tx.vsize,
      weight: tx.weight,
      time,
      height,
      wtxid: tx.wtxid,
      fees: { base: btc(fee), modified: btc(fee) },
      depends: [...new Set(tx.ins.map((i) => i.prevId).filter((id) => this.mempool.entries.has(id)))],
      spentby: [
        ...new Set(tx.outs.map((_, n) => this.mempool.spends.get(`${tx.txid}:${n}`)).filter(Boolean)),
      ],
      "bip125-replaceable": tx.signalsReplacement,
    };
  }

  #table() {
    const table = Object.create(null);
    const add = (name, names, run) => {
      table[name] = { names: names ? names.split(" ") : [], run };
    };
    const withWallet = (name, names, run) =>
      add(name, names, (args, path_) => run(this.wallets.pick(path_), args));
    const { chain, mempool } = this;

    // chain
    add("getblockchaininfo", "", () => ({
      chain: "regtest",
      blocks: chain.height,
      headers: chain.height,
      bestblockhash: chain.tip.hash,
      bits: POW_BITS.toString(16),
      target: targetOf(POW_BITS).toString(16).padStart(64, "0"),
      difficulty: difficulty(chain.tip.block.bits),
      time: chain.tip.block.time,
      mediantime: chain.medianTime(chain.tip),
      verificationprogress: 1,
      initialblockdownload: false,
      chainwork: chain.tip.work.toString(16).padStart(64, "0"),
      size_on_disk: chain.active.reduce((n, x) => n + x.block.raw.length, 0),
      pruned: false,
      warnings: [],
    }));
    add("getblockcount", "", () => chain.height);
    add("getbestblockhash", "", () => chain.tip.hash);
    add("getblockhash", "height", ([height]) => {
      if (!Number.isInteger(height) || height < 0 || height > chain.height)
        throw new RpcError(-8, "Block height out of range");
      return chain.active[height].hash;
    });
    add("getblockheader", "blockhash verbose", ([hash, verbose = true]) => {
      const node = this.#node(hash);
      return verbose ? this.#describeHeader(node) : hexOf(node.block.header);
    });
    add("getblock", "blockhash verbosity", ([hash, verbosity = 1]) => {
      const node = this.#node(hash);
      if (verbosity <= 0) return hexOf(node.block.raw);
      const size = node.block.raw.length;
      const bare = node.block.strippedSize;
      return {
        ...this.#describeHeader(node),
        strippedsize: bare,
        size,
        weight: bare * 3 + size,
        tx: node.block.txs.map((t) => (verbosity === 1 || verbosity === true ? t.txid : this.#describeTx(t))),
      };
    });
    add("getchaintips", "", () => {
      const parents = new Set([...chain.nodes.values()].map((n) => n.parent));
      return [...chain.nodes.values()]
        .filter((n) => !parents.has(n) || n === chain.tip)
        .map((n) => {
          let branchlen = 0;
          for (let up = n; !chain.isActive(up); up = up.parent) branchlen++;
          return {
            height: n.height,
            hash: n.hash,
            branchlen,
            status: n === chain.tip ? "active" : n.invalid ? "invalid" : "valid-fork",
          };
        });
    });
    add("getdifficulty", "", () => difficulty(chain.tip.block.bits));
    add("gettxout", "txid n include_mempool", ([txid, n, includeMempool = true]) => {
      const key = `${String(txid).toLowerCase()}:${n}`;
      if (includeMempool && mempool.spends.has(key)) return null;
      const coin = includeMempool ? mempool.coin(key) : chain.utxo.get(key);
      if (!coin) return null;
      return {
        bestblock: chain.tip.hash,
        confirmations: coin.height === null ? 0 : chain.height - coin.height + 1,
        value: btc(coin.value),
        scriptPubKey: this.#describeScript(coin.script),
        coinbase: coin.coinbase,
      };
    });
    add("invalidateblock", "blockhash", ([hash]) => {
      const node = this.#node(hash);
      if (node.height === 0) throw new RpcError(-1, "the genesis block stays");
      chain.invalidate(node);
      return null;
    });
    add("reconsiderblock", "blockhash", ([hash]) => {
      chain.reconsider(this.#node(hash));
      return null;
    });
    add("submitblock", "hexdata dummy", ([hex]) => {
      let block;
      try {
        block = new Block(unhex(hex));
      } catch {
        throw new RpcError(-22, "Block decode failed");
      }
      const outcome = chain.add(block);
      if (outcome === "linked") return null;
      return { known: "duplicate", waiting: "inconclusive" }[outcome] ?? outcome;
    });

    // transactions
    add("getrawtransaction", "txid verbosity blockhash", ([txid, verbosity = 0, blockhash]) => {
      if (!isId(txid)) throw new RpcError(-8, "txid must be 64 hex digits");
      let found;
      if (blockhash !== undefined) {
        const node = this.#node(blockhash);
        const pos = node.block.txs.findIndex((t) => t.txid === txid.toLowerCase());
        if (pos < 0) throw new RpcError(-5, "No such transaction found in the provided block.");
        found = { tx: node.block.txs[pos], node };
      } else {
        found = this.#find(txid.toLowerCase());
        if (!found || found.dropped) throw new RpcError(-5, "No such mempool or blockchain transaction.");
      }
      if (!verbosity) return hexOf(found.tx.raw);
      return {
        ...this.#describeTx(found.tx),
        ...(found.node
          ? {
              blockhash: found.node.hash,
              confirmations: Math.max(0, chain.confirmations(found.node)),
              time: found.node.block.time,
              blocktime: found.node.block.time,
            }
          : {}),
      };
    });
    add("decoderawtransaction", "hexstring iswitness", ([hex]) => {
      try {
        return this.#describeTx(Tx.parse(unhex(hex)), false);
      } catch {
        throw new RpcError(-22, "TX decode failed. Make sure the tx has at least one input.");
      }
    });
    add("sendrawtransaction", "hexstring maxfeerate maxburnamount", (args) => this.#sendRaw(args));
    add("testmempoolaccept", "rawtxs maxfeerate", ([list, maxFeeRate = 0.1]) =>
      list.map((hex) => {
        let tx;
        try {
          tx = Tx.parse(unhex(hex));
        } catch {
          throw new RpcError(-22, "TX decode failed.");
        }
        const head = { txid: tx.txid, wtxid: tx.wtxid };
        try {
          const { fee } = mempool.accept(tx, { dry: true, maxFeeRate: sats(maxFeeRate, "maxfeerate") });
          return { ...head, allowed: true, vsize: tx.vsize, fees: { base: btc(fee) } };
        } catch (e) {
          return { ...head, allowed: false, "reject-reason": e.message };
        }
      }),
    );
    add("getrawmempool", "verbose mempool_sequence", ([verbose = false]) =>
      verbose
        ? Object.fromEntries([...mempool.entries].map(([id, e]) => [id, this.#mempoolEntry(e)]))
        : [...mempool.entries.keys()],
    );
    add("getmempoolentry", "txid", ([txid]) => {
      const entry = mempool.entries.get(txid);
      if (!entry) throw new RpcError(-5, "Transaction not in mempool");
      return this.#mempoolEntry(entry);
    });
    add("getmempoolinfo", "", () => {
      const all = [...mempool.entries.values()];
      return {
        loaded: true,
        size: all.length,
        bytes: all.reduce((n, e) => n + e.tx.vsize, 0),
        total_fee: btc(all.reduce((n, e) => n + e.fee, 0n)),
        mempoolminfee: btc(1000),
        minrelaytxfee: btc(1000),
        incrementalrelayfee: btc(1000),
        fullrbf: false,
      };
    });
    add("estimatesmartfee", "conf_target estimate_mode", ([target = 2]) => ({
      feerate: btc(1000),
      blocks: Math.max(2, target),
    }));

    // mining
    add("generatetoaddress", "nblocks address maxtries", ([count, address]) =>
      this.#generate(count, this.#addressScript(address)),
    );
    add("generatetodescriptor", "num_blocks descriptor maxtries", ([count, descriptor]) =>
      this.#generate(count, parseDescriptor(descriptor).scripts.at(-1)),
    );
    add("generateblock", "output transactions submit", (args) => this.#generateBlock(args));
    add("getmininginfo", "", () => ({
      blocks: chain.height,
      difficulty: difficulty(chain.tip.block.bits),
      networkhashps: 0,
      pooledtx: mempool.entries.size,
      chain: "regtest",
      warnings: [],
    }));
    add("setmineevery", "seconds", ([seconds]) => {
      // only here, not in Core
      if (seconds !== undefined) this.timer.set(Number(seconds));
      return { mineevery: this.timer.seconds };
    });

    // node
    add("getnetworkinfo", "", () => ({
      version: 290000,
      subversion: USER_AGENT,
      protocolversion: PROTOCOL_VERSION,
      localservices: SERVICES.toString(16).padStart(16, "0"),
      localrelay: true,
      timeoffset: 0,
      networkactive: true,
      connections: this.peers.peers.size,
      connections_in: this.peers.peers.size,
      connections_out: 0,
      networks: [],
      relayfee: btc(1000),
      incrementalfee: btc(1000),
      localaddresses: [],
      warnings: [],
    }));
    add("getconnectioncount", "", () => this.peers.peers.size);
    add("getpeerinfo", "", () =>
      [...this.peers.peers].map((p) => ({
        id: p.id,
        addr: `${p.socket.remoteAddress}:${p.socket.remotePort}`,
        conntime: p.since,
        bytessent: p.sent,
        bytesrecv: p.got,
        version: p.version ?? 0,
        subver: p.agent,
        inbound: true,
        relaytxes: p.relay,
      })),
    );
    add("uptime", "", () => Math.floor((Date.now() - this.started) / 1000));
    add("ping", "", () => null);
    add("getindexinfo", "index_name", () => ({ txindex: { synced: true, best_block_height: chain.height } }));
    add("help", "command", () =>
      Object.entries(table)
        .map(([n, e]) => [n, ...e.names].join(" "))
        .sort()
        .join("\n"),
    );
    add("stop", "", () => {
      setTimeout(() => this.shutdown(), 50);
      return "Bitcoin Core stopping";
    });

    // descriptors and addresses
    add("getdescriptorinfo", "descriptor", ([text]) => {
      const d = parseDescriptor(text);
      return {
        descriptor: `${d.canonical}#${descriptorChecksum(d.canonical)}`,
        checksum: d.checksum,
        isrange: false,
        issolvable: d.solvable,
        hasprivatekeys: d.hasPrivate,
      };
    });
    add("deriveaddresses", "descriptor range", ([text]) =>
      parseDescriptor(text, true).scripts.map(scriptToAddress).filter(Boolean),
    );
    add("validateaddress", "address", ([address]) => {
      const script = addressToScript(address);
      return script
        ? {
            isvalid: true,
            address: scriptToAddress(script),
            scriptPubKey: hexOf(script),
            isscript: script[0] === 0xa9,
            iswitness: script[0] === 0 || (script[0] > 0x50 && script[0] <= 0x60),
          }
        : { isvalid: false, error: "Invalid address" };
    });

    // wallets
    add("listwallets", "", () => [...this.wallets.loaded]);
    add("listwalletdir", "", () => ({ wallets: [...this.wallets.known.keys()].map((name) => ({ name })) }));
    add("loadwallet", "filename load_on_startup", ([name]) => {
      if (this.wallets.loaded.has(name)) throw new RpcError(-35, `Wallet "${name}" is already loaded.`);
      if (!this.wallets.known.has(name))
        throw new RpcError(-18, `Wallet file verification failed. There is no wallet "${name}".`);
      this.wallets.loaded.add(name);
      this.wallets.save();
      return { name };
    });
    add("unloadwallet", "wallet_name load_on_startup", ([name], path_) => {
      const target = name ?? path_;
      if (!this.wallets.loaded.delete(target))
        throw new RpcError(-18, "Requested wallet does not exist or is not loaded");
      this.wallets.save();
      return {};
    });
    add(
      "createwallet",
      "wallet_name disable_private_keys blank passphrase avoid_reuse descriptors load_on_startup external_signer",
      ([name, noKeys = false]) => {
        if (typeof name !== "string") throw new RpcError(-3, "wallet_name must be a string");
        if (this.wallets.known.has(name))
          throw new RpcError(-4, `Wallet file verification failed. A wallet "${name}" already exists.`);
        this.wallets.add(name, { watchOnly: noKeys });
        this.wallets.loaded.add(name);
        this.wallets.save();
        return { name };
      },
    );
    withWallet("getwalletinfo", "", (wallet) => ({
      walletname: wallet.name,
      format: "sqlite",
      txcount: 0,
      private_keys_enabled: !wallet.watchOnly,
      avoid_reuse: false,
      scanning: false,
      descriptors: true,
    }));
    withWallet("listdescriptors", "private", (wallet) => ({
      wallet_name: wallet.name,
      descriptors: [...wallet.descriptors].map(([desc, m]) => ({
        desc: `${desc}#${descriptorChecksum(desc)}`,
        timestamp: m.timestamp,
        active: false,
        internal: m.internal,
      })),
    }));
    withWallet("importdescriptors", "requests", (wallet, args) => this.#importDescriptors(wallet, args));
    withWallet("importaddress", "address label rescan p2sh", (wallet, [address, label = ""]) => {
      wallet.importText(addressToScript(address) ? `addr(${address})` : `raw(${address})`, { label });
      this.wallets.save();
      return null;
    });
    withWallet("importpubkey", "pubkey label rescan", (wallet, [pubkey, label = ""]) => {
      wallet.importText(`combo(${pubkey})`, { label });
      this.wallets.save();
      return null;
    });
    withWallet("rescanblockchain", "start_height stop_height", () => ({
      start_height: 0,
      stop_height: chain.height,
    }));
    withWallet("listunspent", "minconf maxconf addresses include_unsafe query_options", (wallet, args) =>
      this.#listUnspent(wallet, args),
    );
    withWallet("gettransaction", "txid include_watchonly verbose", (wallet, args) =>
      this.#getTransaction(wallet, args),
    );
    withWallet("getbalance", "dummy minconf include_watchonly avoid_reuse", (wallet) =>
      btc(this.#balance(wallet).trusted),
    );
    withWallet("getbalances", "", (wallet) => {
      const b = this.#balance(wallet);
      return {
        mine: { trusted: btc(b.trusted), untrusted_pending: btc(b.pending), immature: btc(b.immature) },
        lastprocessedblock: { hash: chain.tip.hash, height: chain.height },
      };
    });
    withWallet("getnewaddress", "label address_type", (wallet, args) => this.#newAddress(wallet, args));
    withWallet("getaddressinfo", "address", (wallet, [address]) => {
      const script = this.#addressScript(address);
      const meta = wallet.watched.get(hexOf(script));
      return {
        address: scriptToAddress(script),
        scriptPubKey: hexOf(script),
        ismine: !!meta,
        solvable: meta?.solvable ?? false,
        ...(meta ? { parent_desc: meta.desc } : {}),
        iswatchonly: false,
        isscript: script[0] === 0xa9,
        iswitness: script[0] === 0 || (script[0] > 0x50 && script[0] <= 0x60),
        labels: meta ? [meta.label] : [],
      };
    });
    return table;
  }
}

// ---------------------------------------------------------------- the timer

class MineTimer {
  constructor({ miner, mempool, payTo, waitTx }) {
    Object.assign(this, { miner, mempool, payTo, waitTx });
    this.seconds = 0;
    this.handle = null;
  }

  set(seconds) {
    if (!Number.isFinite(seconds) || seconds < 0) throw new RpcError(-8, "seconds must be zero or more");
    this.seconds = seconds;
    clearTimeout(this.handle);
    if (seconds > 0)
      this.handle = setTimeout(() => this.#due(Date.now() + this.waitTx * 1000), seconds * 1000);
  }

  #due(deadline) {
    if (this.mempool.entries.size === 0 && Date.now() < deadline) {
      this.handle = setTimeout(() => this.#due(deadline), 250);
      return;
    }
    try {
      this.miner.mine(this.payTo);
    } catch (e) {
      log("mine", e.message);
    }
    this.set(this.seconds);
  }
}

// --------------------------------------------------------------- start here

let quiet = false;
function log(area, text) {
  if (!quiet) process.stdout.write(`${new Date().toISOString()} ${area} ${text}\n`);
}

const HELP = `usage: node regtest-bitcoin.mjs [options]

  --datadir DIR        directory with blk*.dat, with blocks/ or with regtest/blocks/ (none: a fresh chain)
  --save FILE          append new blocks to FILE and read it back at start; wallets go to FILE.wallets.json
  --p2p-port N         peer port, 18444 (0: any free one)
  --rpc-port N         JSON-RPC port, 18443 (0: any free one)
  --rpcuser U          JSON-RPC login; without user and password no login is asked for
  --rpcpassword P
  --wallet NAME        wallet that exists and is loaded at start; may be repeated (default: main)
  --watch NAME=DESC    import a descriptor or an address into wallet NAME at start; may be repeated
  --mine-to ADDRESS    reward address for timer blocks (default: a script anyone can spend)
  --mine-every S       mine a block every S seconds
  --wait-tx S          when the timer is due and the mempool is empty, wait up to S more seconds for a transaction
  --keep-fresh M       mine when the newest block is M minutes old (default 90, 0: never)
  --no-start-block     do not mine one block at start (--keep-fresh still does when the newest is too old)
  --no-announce        send no inv when a block or transaction arrives
  --quiet              no log lines

Both servers listen on 127.0.0.1 only.
`;

export async function start(options) {
  const number = (value, fallback) => {
    const n = value === undefined ? fallback : Number(value);
    if (!Number.isFinite(n) || n < 0) throw new Error(`not a number: ${value}`);
    return n;
  };
  quiet = !!options.quiet;
  const chain = new Chain();
  if (options.datadir) loadBlockFiles(chain, options.datadir);
  if (options.save) new SaveFile(chain, options.save); // eslint-disable-line no-new
  const mempool = new Mempool(chain);
  const miner = new Miner(chain, mempool);

  const wallets = new Wallets(options.save ? `${options.save}.wallets.json` : null);
  for (const name of options.wallet ?? ["main"]) {
    wallets.add(name);
    wallets.loaded.add(name);
  }
  if (options.datadir) {
    for (const entry of fs.readdirSync(options.datadir, { withFileTypes: true })) {
      if (entry.isDirectory() && fs.existsSync(path.join(options.datadir, entry.name, "wallet.dat")))
        wallets.add(entry.name);
    }
  }
  for (const item of options.watch ?? []) {
    const [, name, text] = /^([^=]*)=(.*)$/s.exec(item) ?? [];
    if (name === undefined) throw new Error(`--watch wants NAME=DESCRIPTOR, not ${item}`);
    wallets.add(name).importText(addressToScript(text) ? `addr(${text})` : text);
    wallets.loaded.add(name);
  }
  wallets.save();

  let payTo = Buffer.from([0x51]);
  if (options["mine-to"]) {
    payTo = addressToScript(options["mine-to"]);
    if (!payTo) throw new Error(`--mine-to: not a regtest address: ${options["mine-to"]}`);
  }
  const timer = new MineTimer({ miner, mempool, payTo, waitTx: number(options["wait-tx"], 0) });
  if (!options["no-start-block"]) miner.mine(payTo);

  const peers = new PeerServer(chain, mempool, { announce: !options["no-announce"] });
  const closers = [];
  const shutdown = () => {
    for (const c of closers.splice(0)) c();
  };
  const rpc = new RpcServer(
    { chain, mempool, miner, wallets, peers, timer, shutdown },
    { user: options.rpcuser, password: options.rpcpassword },
  );
  const p2pPort = await peers.listen(number(options["p2p-port"], 18444));
  closers.push(() => peers.close());
  const rpcPort = await rpc.listen(number(options["rpc-port"], 18443));
  closers.push(() => rpc.close());

  timer.set(number(options["mine-every"], 0));
  closers.push(() => timer.set(0));
  const freshFor = number(options["keep-fresh"], 90) * 60;
  if (freshFor) {
    const refresh = () => {
      if (unixNow() - chain.tip.block.time < freshFor) return;
      try {
        miner.mine(payTo);
      } catch (e) {
        log("mine", e.message);
      }
    };
    refresh();
    const watch = setInterval(refresh, 15_000);
    closers.push(() => clearInterval(watch));
  }
  log(
    "ready",
    `p2p 127.0.0.1:${p2pPort} rpc 127.0.0.1:${rpcPort} height ${chain.height} tip ${chain.tip.hash}`,
  );
  return { chain, mempool, miner, wallets, peers, rpc, timer, p2pPort, rpcPort, shutdown };
}

if (process.argv[1] && import.meta.url === pathToFileURL(fs.realpathSync(process.argv[1])).href) {
  const text = { type: "string" };
  const flag = { type: "boolean" };
  let values;
  try {
    ({ values } = parseArgs({
      options: {
        datadir: text,
        save: text,
        "p2p-port": text,
        "rpc-port": text,
        rpcuser: text,
        rpcpassword: text,
        wallet: { ...text, multiple: true },
        watch: { ...text, multiple: true },
        "mine-to": text,
        "mine-every": text,
        "wait-tx": text,
        "keep-fresh": text,
        "no-start-block": flag,
        "no-announce": flag,
        quiet: flag,
        help: flag,
      },
    }));
  } catch (e) {
    process.stderr.write(`${e.message}\n\n${HELP}`);
    process.exit(2);
  }
  if (values.help) {
    process.stdout.write(HELP);
  } else {
    try {
      const running = await start(values);
      for (const signal of ["SIGINT", "SIGTERM"])
        process.once(signal, () => {
          running.shutdown();
        });
    } catch (e) {
      process.stderr.write(`${e.stack}\n`);
      process.exit(1);
    }
  }
}
