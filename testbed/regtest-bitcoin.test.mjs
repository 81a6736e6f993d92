#!/usr/bin/env node
// Self-test of regtest-bitcoin.mjs. It starts the server as a child process on
// free loopback ports and talks to it as a stacks-node would: its own codec
// here, nothing shared with the server's.
//
//   node regtest-bitcoin.test.mjs [--datadir DIR] [--modules DIR] [--verbose]
//
// --datadir  regtest data directory (default $PAIR_BITCOIN)
// --modules  directory whose node_modules holds bitcoinjs-lib, used as a second
//            opinion on blocks and transactions (default $SHIM_MODULES; skipped if absent)

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createECDH, createHash, createPrivateKey, randomBytes, sign } from "node:crypto";
import fs from "node:fs";
import { createRequire } from "node:module";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const { values: cli } = parseArgs({
  options: { datadir: { type: "string" }, modules: { type: "string" }, verbose: { type: "boolean" } },
});
const here = path.dirname(fileURLToPath(import.meta.url));
const program = path.join(here, "regtest-bitcoin.mjs");
const sample = process.env.PAIR_BITCOIN ?? "";
const datadir = cli.datadir ?? (fs.existsSync(sample) ? sample : null);
let lib = null;
try {
  lib = await import(
    createRequire(path.join(cli.modules ?? process.env.SHIM_MODULES ?? "", "x.js")).resolve("bitcoinjs-lib")
  );
  lib = lib.Block ? lib : lib.default;
} catch {
  /* second opinion not available */
}

// ------------------------------------------------------------- tiny harness

let passed = 0;
let failed = 0;
let skipped = 0;
async function check(name, fn) {
  try {
    const note = await fn();
    passed++;
    process.stdout.write(`ok    ${name}${typeof note === "string" ? ` (${note})` : ""}\n`);
  } catch (e) {
    failed++;
    process.stdout.write(
      `FAIL  ${name}\n      ${String(e.stack ?? e)
        .split("\n")
        .slice(0, 6)
        .join("\n      ")}\n`,
    );
  }
}
function skip(name, why) {
  skipped++;
  process.stdout.write(`skip  ${name} (${why})\n`);
}

const scratch = fs.mkdtempSync(path.join(os.tmpdir(), "regtest-standin-"));
const children = new Set();

function launch(args) {
  return new Promise((done, fail) => {
    const child = spawn(process.execPath, [program, "--p2p-port", "0", "--rpc-port", "0", ...args], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    children.add(child);
    const server = { child, log: "", stop: null };
    const exited = new Promise((ok) => {
      child.once("exit", (code) => {
        children.delete(child);
        ok(code);
      });
    });
    server.stop = async (signal = "SIGTERM") => {
      child.kill(signal);
      return exited;
    };
    server.exited = exited;
    child.stderr.on("data", (d) => process.stderr.write(d));
    child.stdout.on("data", (d) => {
      server.log += d;
      if (cli.verbose) process.stdout.write(d);
      const m = /ready p2p 127\.0\.0\.1:(\d+) rpc 127\.0\.0\.1:(\d+) height (\d+) tip ([0-9a-f]{64})/.exec(
        server.log,
      );
      if (m && !server.p2p) {
        Object.assign(server, { p2p: Number(m[1]), rpc: Number(m[2]), height: Number(m[3]), tip: m[4] });
        done(server);
      }
    });
    void exited.then((code) => fail(new Error(`server ended with ${code}`)));
  });
}

// -------------------------------------------------------------------- codec

const sha = (b) => createHash("sha256").update(b).digest();
const dsha = (b) => sha(sha(b));
const rip = (b) => createHash("ripemd160").update(sha(b)).digest();
const rev = (b) => Buffer.from(b.toReversed());
const idOf = (b) => rev(b).toString("hex");
const le = (n, size) => {
  const b = Buffer.alloc(size);
  b.writeUIntLE(n, 0, Math.min(size, 6));
  return b;
};
const vint = (n) =>
  n < 253
    ? le(n, 1)
    : n < 65536
      ? Buffer.concat([Buffer.from([253]), le(n, 2)])
      : Buffer.concat([Buffer.from([254]), le(n, 4)]);
const vstr = (b) => Buffer.concat([vint(b.length), b]);

function reader(buf) {
  let at = 0;
  const self = {
    take(n) {
      assert.ok(at + n <= buf.length, "short data");
      const b = buf.subarray(at, at + n);
      at += n;
      return b;
    },
    int(n) {
      return self.take(n).readUIntLE(0, n);
    },
    long() {
      return self.take(8).readBigUInt64LE();
    },
    vint() {
      const f = self.int(1);
      return f < 253 ? f : f === 253 ? self.int(2) : f === 254 ? self.int(4) : Number(self.long());
    },
    pos: () => at,
    left: () => buf.length - at,
  };
  return self;
}

function readTx(r, buf) {
  const from = r.pos();
  r.int(4);
  let ins = r.vint();
  let witness = false;
  if (ins === 0) {
    assert.equal(r.int(1), 1);
    witness = true;
    ins = r.vint();
  }
  const inFrom = r.pos() - vint(ins).length;
  const vin = [];
  for (let i = 0; i < ins; i++) {
    const prev = idOf(r.take(32));
    const n = r.int(4);
    const script = r.take(r.vint());
    vin.push({ prev, n, script, sequence: r.int(4) });
  }
  const vout = [];
  for (let n = r.vint(), i = 0; i < n; i++) {
    const value = r.long();
    vout.push({ value, script: r.take(r.vint()) });
  }
  const bodyTo = r.pos();
  if (witness)
    for (const i of vin) {
      i.witness = [];
      for (let n = r.vint(), k = 0; k < n; k++) i.witness.push(r.take(r.vint()));
    }
  const lock = r.take(4);
  const bare = Buffer.concat([buf.subarray(from, from + 4), buf.subarray(inFrom, bodyTo), lock]);
  return {
    vin,
    vout,
    witness,
    hash: dsha(bare),
    whash: dsha(buf.subarray(from, r.pos())),
    txid: idOf(dsha(bare)),
  };
}

function readBlock(buf) {
  const r = reader(buf);
  const header = r.take(80);
  const txs = [];
  for (let n = r.vint(), i = 0; i < n; i++) txs.push(readTx(r, buf));
  assert.equal(r.left(), 0, "bytes after the block");
  return { header, hash: idOf(dsha(header)), txs };
}

function root(list) {
  let row = list;
  while (row.length > 1) {
    if (row.length % 2) row = [...row, row.at(-1)];
    row = row.flatMap((h, i) => (i % 2 ? [] : [dsha(Buffer.concat([h, row[i + 1]]))]));
  }
  return row[0];
}
const header = (h) => ({
  prev: idOf(h.subarray(4, 36)),
  root: h.subarray(36, 68),
  time: h.readUInt32LE(68),
  bits: h.readUInt32LE(72),
  hash: idOf(dsha(h)),
});
const easyEnough = (hash) => BigInt(`0x${hash}`) <= 0x7fffffn << 232n;

// --------------------------------------------------- a peer like stacks-node

const MAGIC = Buffer.from("fabfb5da", "hex");
const KNOWN = new Set([
  "version",
  "verack",
  "addr",
  "inv",
  "getdata",
  "notfound",
  "getblocks",
  "getheaders",
  "mempool",
  "tx",
  "block",
  "headers",
  "getaddr",
  "ping",
  "pong",
  "alert",
]);

class Peer {
  static async connect(port) {
    const p = new Peer();
    p.queue = [];
    p.waiters = [];
    p.buf = Buffer.alloc(0);
    p.closed = false;
    p.sock = net.connect(port, "127.0.0.1");
    p.sock.on("data", (d) => {
      p.buf = Buffer.concat([p.buf, d]);
      p.parse();
    });
    p.sock.on("close", () => {
      p.closed = true;
      for (const w of p.waiters.splice(0)) w(null);
    });
    p.sock.on("error", () => {});
    await new Promise((ok, no) => {
      p.sock.once("connect", ok);
      p.sock.once("error", no);
    });
    return p;
  }

  parse() {
    while (this.buf.length >= 24) {
      assert.ok(this.buf.subarray(0, 4).equals(MAGIC), "reply magic");
      const size = this.buf.readUInt32LE(16);
      if (this.buf.length < 24 + size) return;
      const payload = this.buf.subarray(24, 24 + size);
      const sumOk = dsha(payload).subarray(0, 4).equals(this.buf.subarray(20, 24));
      const m = { command: this.buf.toString("ascii", 4, 16).replace(/\0+$/, ""), payload, sumOk };
      this.buf = this.buf.subarray(24 + size);
      const w = this.waiters.shift();
      if (w) w(m);
      else this.queue.push(m);
    }
  }

  // as the node does: next message, whatever it is; null when the peer hung up
  async next(ms = 5000) {
    if (this.queue.length) return this.queue.shift();
    if (this.closed) return null;
    let timer;
    const late = new Promise((ok) => {
      timer = setTimeout(() => ok(undefined), ms);
    });
    const slot = new Promise((ok) => {
      this.waiters.push(ok);
      this.lastWaiter = ok;
    });
    const got = await Promise.race([slot, late]);
    clearTimeout(timer);
    if (got === undefined) this.waiters = this.waiters.filter((w) => w !== this.lastWaiter);
    if (got) {
      assert.ok(got.sumOk, "checksum");
      assert.ok(KNOWN.has(got.command), `unexpected ${got.command}`);
    }
    return got;
  }

  async want(command) {
    for (;;) {
      const m = await this.next();
      assert.ok(m, `no ${command} came`);
      if (m.command === command) return m.payload;
      if (m.command === "inv") checkInv(m.payload);
    }
  }

  raw(command, payload = Buffer.alloc(0), { magic = MAGIC, sum } = {}) {
    const name = Buffer.alloc(12);
    name.write(command, "ascii");
    this.sock.write(
      Buffer.concat([magic, name, le(payload.length, 4), sum ?? dsha(payload).subarray(0, 4), payload]),
    );
  }

  async handshake() {
    const addr = (port) => {
      const b = Buffer.alloc(26);
      b.write("00000000000000000000ffff7f000001", 8, "hex");
      b.writeUInt16BE(port, 24);
      return b;
    };
    const time = Buffer.alloc(8);
    time.writeBigInt64LE(BigInt(Math.floor(Date.now() / 1000)));
    this.raw(
      "version",
      Buffer.concat([
        le(70001, 4),
        Buffer.alloc(8),
        time,
        addr(this.sock.remotePort),
        addr(this.sock.localPort),
        randomBytes(8),
        vstr(Buffer.from("Stacks/2.1")),
        le(0, 4),
        Buffer.from([0]),
      ]),
    );
    const first = await this.next();
    assert.equal(first?.command, "version", "first reply");
    const r = reader(first.payload);
    const version = r.int(4);
    const services = r.long();
    r.take(8 + 26 + 26 + 8);
    const agent = r.take(r.vint()).toString();
    this.height = r.int(4);
    const relay = r.int(1);
    assert.equal(r.left(), 0);
    this.raw("verack");
    const second = await this.next();
    assert.equal(second?.command, "verack", "second reply");
    return { version, services, agent, relay, height: this.height };
  }

  // one batch, the way the node asks: the same hash as locator and as stop
  async headersAfter(hash, stop = hash) {
    const h = rev(Buffer.from(hash, "hex"));
    this.raw("getheaders", Buffer.concat([le(70001, 4), vint(1), h, rev(Buffer.from(stop, "hex"))]));
    const r = reader(await this.want("headers"));
    const list = [];
    for (let n = r.vint(), i = 0; i < n; i++) {
      list.push(Buffer.from(r.take(80)));
      assert.equal(r.vint(), 0, "transaction count in a headers message");
    }
    assert.equal(r.left(), 0);
    return list;
  }

  // every header, ending at the first empty answer
  async allHeaders() {
    const all = [GENESIS_HEADER];
    const sizes = [];
    for (;;) {
      const batch = await this.headersAfter(header(all.at(-1)).hash);
      sizes.push(batch.length);
      if (!batch.length) return { all, sizes };
      all.push(...batch);
    }
  }

  async block(hash, witness = false) {
    this.raw(
      "getdata",
      Buffer.concat([vint(1), le(witness ? 0x40000002 : 2, 4), rev(Buffer.from(hash, "hex"))]),
    );
    return Buffer.from(await this.want("block"));
  }

  close() {
    this.sock.destroy();
  }
}

// the node panics on inventory types other than 0, 1, 2
function checkInv(payload) {
  const r = reader(payload);
  const items = [];
  for (let n = r.vint(), i = 0; i < n; i++) {
    const type = r.int(4);
    assert.ok(type <= 2, `inventory type ${type}`);
    items.push({ type, hash: idOf(r.take(32)) });
  }
  return items;
}

const GENESIS = "0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206";
const GENESIS_HEADER = Buffer.concat([
  le(1, 4),
  Buffer.alloc(32),
  rev(Buffer.from("4a5e1e4baab89f3a32518a88c31bc87f618f76673e2cc77ab2127b7afdeda33b", "hex")),
  le(1296688602, 4),
  le(0x207fffff, 4),
  le(2, 4),
]);

function checkHeaders(all) {
  assert.equal(header(all[0]).hash, GENESIS);
  for (let i = 1; i < all.length; i++) {
    const h = header(all[i]);
    assert.equal(h.prev, header(all[i - 1]).hash, `link at ${i}`);
    assert.equal(h.bits, 0x207fffff, `bits at ${i}`);
    assert.ok(easyEnough(h.hash), `work at ${i}`);
    if (i > 11) {
      const median = all
        .slice(i - 11, i)
        .map((x) => header(x).time)
        .sort((a, b) => a - b)[5];
      assert.ok(h.time > median, `time at ${i}`);
    }
  }
}

// ---------------------------------------------------------------------- rpc

const LOGIN = ["devnet", "secret word"];
const basic = `Basic ${Buffer.from(LOGIN.join(":")).toString("base64")}`;

async function post(server, body, { wallet, auth = basic, where } = {}) {
  const res = await fetch(
    `http://127.0.0.1:${server.rpc}${where ?? (wallet === undefined ? "/" : `/wallet/${wallet}`)}`,
    {
      method: "POST",
      headers: { ...(auth ? { Authorization: auth } : {}), "Content-Type": "application/json" },
      body: typeof body === "string" ? body : JSON.stringify(body),
    },
  );
  return { status: res.status, type: res.headers.get("content-type"), text: await res.text() };
}

// strict in the places where the node's deserialiser is strict
async function rpc(server, method, params = [], wallet) {
  const { status, type, text } = await post(
    server,
    { jsonrpc: "2.0", id: "stacks", method, params },
    { wallet },
  );
  assert.equal(status, 200, `${method}: HTTP ${status} ${text}`);
  assert.match(type, /^application\/json/);
  const reply = JSON.parse(text);
  assert.equal(reply.id, "stacks");
  if (reply.error)
    throw Object.assign(new Error(`${method}: ${reply.error.code} ${reply.error.message}`), {
      code: reply.error.code,
    });
  return reply.result;
}
const rejects = (promise, code) =>
  assert.rejects(promise, (e) => {
    assert.equal(e.code, code, e.message);
    return true;
  });

// amounts as the text of the JSON number, split at the point, at most 8 decimals
function satsOfText(text) {
  const m = /^(\d+)\.(\d{8})$/.exec(text);
  assert.ok(m, `amount ${text}`);
  return BigInt(m[1]) * 100000000n + BigInt(m[2]);
}

async function listUnspent(
  server,
  wallet,
  address,
  { minimum = 1n, unsafe = false, minConf = 0, count = 1024 } = {},
) {
  const min = `${minimum / 100000000n}.${String(minimum % 100000000n).padStart(8, "0")}`;
  const { status, text } = await post(
    server,
    {
      jsonrpc: "2.0",
      id: "stacks",
      method: "listunspent",
      params: [
        minConf,
        9999999,
        address ? [address] : [],
        unsafe,
        { minimumAmount: min, maximumCount: count },
      ],
    },
    { wallet },
  );
  assert.equal(status, 200, text);
  const marked = JSON.parse(text.replace(/"amount":([^,}]+)/g, '"amount":"$1"'));
  if (marked.error) throw Object.assign(new Error(marked.error.message), { code: marked.error.code });
  return marked.result.map((u) => {
    assert.match(u.txid, /^[0-9a-f]{64}$/);
    assert.ok(Number.isInteger(u.vout) && u.vout >= 0);
    assert.equal(typeof u.address, "string");
    assert.match(u.scriptPubKey, /^([0-9a-f]{2})+$/);
    assert.ok(Number.isInteger(u.confirmations) && u.confirmations >= 0);
    assert.equal(typeof u.safe, "boolean");
    assert.equal(typeof u.spendable, "boolean");
    return { ...u, amount: satsOfText(u.amount) };
  });
}

// -------------------------------------------------- keys, addresses, signing

const B58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
function base58check(version, h) {
  const body = Buffer.concat([Buffer.from([version]), h]);
  let n = BigInt(`0x${Buffer.concat([body, dsha(body).subarray(0, 4)]).toString("hex")}`);
  let out = "";
  while (n) {
    out = B58[Number(n % 58n)] + out;
    n /= 58n;
  }
  return out;
}

function makeKey(secret = randomBytes(32)) {
  const ecdh = createECDH("secp256k1");
  ecdh.setPrivateKey(secret);
  const point = ecdh.getPublicKey();
  const pub = ecdh.getPublicKey(null, "compressed");
  const jwk = createPrivateKey({
    format: "jwk",
    key: {
      kty: "EC",
      crv: "secp256k1",
      d: secret.toString("base64url"),
      x: point.subarray(1, 33).toString("base64url"),
      y: point.subarray(33).toString("base64url"),
    },
  });
  const h = rip(pub);
  return {
    secret,
    pub,
    jwk,
    h,
    address: base58check(111, h),
    script: Buffer.concat([Buffer.from("76a914", "hex"), h, Buffer.from("88ac", "hex")]),
  };
}

const amount = (v) => {
  const b = Buffer.alloc(8);
  b.writeBigUInt64LE(v);
  return b;
};
const opReturn = (data) => Buffer.concat([Buffer.from([0x6a, data.length]), data]);

function serialize({ ins, outs, version = 1, lock = 0 }) {
  const witness = ins.some((i) => i.witness);
  return Buffer.concat([
    le(version, 4),
    ...(witness ? [Buffer.from([0, 1])] : []),
    vint(ins.length),
    ...ins.map((i) =>
      Buffer.concat([
        rev(Buffer.from(i.txid, "hex")),
        le(i.vout, 4),
        vstr(i.script ?? Buffer.alloc(0)),
        le(i.sequence ?? 0xfffffffd, 4),
      ]),
    ),
    vint(outs.length),
    ...outs.map((o) => Buffer.concat([amount(o.value), vstr(o.script)])),
    ...(witness
      ? ins.map((i) => Buffer.concat([vint(i.witness?.length ?? 0), ...(i.witness ?? []).map(vstr)]))
      : []),
    le(lock, 4),
  ]);
}

// a real legacy signature: ECDSA over the double hash of the usual preimage
function signLegacy(tx, key) {
  for (let n = 0; n < tx.ins.length; n++) {
    const copy = {
      ...tx,
      ins: tx.ins.map((i, k) => ({
        ...i,
        witness: undefined,
        script: k === n ? key.script : Buffer.alloc(0),
      })),
    };
    const sig = sign("sha256", sha(Buffer.concat([serialize(copy), le(1, 4)])), {
      key: key.jwk,
      dsaEncoding: "der",
    });
    tx.ins[n].script = Buffer.concat([vstr(Buffer.concat([sig, Buffer.from([1])])), vstr(key.pub)]);
  }
  return serialize(tx);
}

// -------------------------------------------------------------------- tests

const name = datadir ? `from ${datadir}` : "from a fresh chain";
process.stdout.write(`node ${process.version}, ${name}, second opinion: ${lib ? "bitcoinjs-lib" : "none"}\n`);
const saveFile = path.join(scratch, "saved.dat");
const common = ["--rpcuser", LOGIN[0], "--rpcpassword", LOGIN[1], "--save", saveFile, "--wallet", "miner"];
let server = await launch([...(datadir ? ["--datadir", datadir] : []), ...common]);
const firstHeight = server.height;
let mainHeaders;

try {
  // ---- follower

  await check("handshake in the order a node insists on", async () => {
    const p = await Peer.connect(server.p2p);
    const v = await p.handshake();
    assert.ok(v.version >= 70001);
    assert.equal(v.services & 1n, 1n);
    assert.equal(v.height, server.height);
    assert.equal(await p.next(300), undefined, "nothing unasked after verack");
    p.close();
    return `version ${v.version}, height ${v.height}, agent ${v.agent}`;
  });

  await check("all headers: links, work, bits, times, empty last answer", async () => {
    const p = await Peer.connect(server.p2p);
    await p.handshake();
    const { all, sizes } = await p.allHeaders();
    assert.equal(all.length, server.height + 1);
    assert.equal(sizes.at(-1), 0);
    checkHeaders(all);
    assert.equal(header(all.at(-1)).hash, server.tip);
    mainHeaders = all;
    p.close();
    return `${all.length} headers`;
  });

  await check("newest header is within two hours of now", () => {
    const age = Math.floor(Date.now() / 1000) - header(mainHeaders.at(-1)).time;
    assert.ok(Math.abs(age) < 7200, `age ${age}`);
    return `age ${age} s`;
  });

  await check("every block, one getdata each, without witness data: hash and merkle root", async () => {
    const p = await Peer.connect(server.p2p);
    await p.handshake();
    let txs = 0;
    for (const h of mainHeaders) {
      const { hash } = header(h);
      const b = readBlock(await p.block(hash));
      assert.equal(b.hash, hash);
      assert.ok(root(b.txs.map((t) => t.hash)).equals(header(h).root), `merkle root of ${hash}`);
      assert.ok(b.txs.every((t) => !t.witness));
      txs += b.txs.length;
    }
    p.close();
    return `${mainHeaders.length} blocks, ${txs} transactions`;
  });

  await check("every block with witness data: same txids, valid commitment", async () => {
    const p = await Peer.connect(server.p2p);
    await p.handshake();
    let committed = 0;
    for (const h of mainHeaders) {
      const { hash } = header(h);
      const b = readBlock(await p.block(hash, true));
      assert.ok(root(b.txs.map((t) => t.hash)).equals(header(h).root));
      if (b.txs.some((t) => t.witness)) {
        checkCommitment(b);
        committed++;
      }
    }
    p.close();
    return `${committed} with a commitment`;
  });

  if (lib) {
    await check("bitcoinjs-lib agrees on every block", async () => {
      const p = await Peer.connect(server.p2p);
      await p.handshake();
      for (const h of mainHeaders.slice(1)) {
        const { hash } = header(h);
        const raw = await p.block(hash, true);
        const b = lib.Block.fromBuffer(raw);
        assert.equal(b.getId(), hash);
        assert.ok(b.checkTxRoots(), `roots of ${hash}`);
        assert.ok(b.checkProofOfWork(), `work of ${hash}`);
        assert.ok(Buffer.from(b.toBuffer()).equals(raw));
        assert.deepEqual(
          lib.Block.fromBuffer(await p.block(hash)).transactions.map((t) => t.getId()),
          b.transactions.map((t) => t.getId()),
        );
      }
      p.close();
    });
  } else skip("bitcoinjs-lib agrees on every block", "library not found");

  if (datadir) {
    await check("snapshot heights match the block files", async () => {
      assert.ok(firstHeight >= 1);
      assert.equal(await rpc(server, "getblockcount"), firstHeight);
      for (const h of [0, 1, Math.floor(firstHeight / 2), firstHeight])
        assert.equal(await rpc(server, "getblockhash", [h]), header(mainHeaders[h]).hash);
    });
  }

  await check("six connections at once", async () => {
    const peers = await Promise.all(Array.from({ length: 6 }, () => Peer.connect(server.p2p)));
    await Promise.all(peers.map((p) => p.handshake()));
    const sets = await Promise.all(peers.map((p) => p.allHeaders()));
    for (const s of sets) assert.equal(s.all.length, mainHeaders.length);
    for (const p of peers) p.close();
  });

  await check("ping, unknown messages, a bad checksum, unknown block, odd inventory", async () => {
    const p = await Peer.connect(server.p2p);
    await p.handshake();
    p.raw("wtfisthis", randomBytes(100));
    p.raw("feefilter", Buffer.alloc(8));
    p.raw("getheaders", randomBytes(5));
    p.raw("ping", Buffer.alloc(8, 9), { sum: Buffer.alloc(4) });
    p.raw("getdata", Buffer.concat([vint(2), le(2, 4), randomBytes(32), le(3, 4), randomBytes(32)]));
    const nonce = randomBytes(8);
    p.raw("ping", nonce);
    assert.deepEqual(await p.want("pong"), nonce);
    assert.equal(await p.next(200), undefined);
    p.close();
  });

  await check("message split into single bytes, two messages in one write", async () => {
    const p = await Peer.connect(server.p2p);
    await p.handshake();
    const body = Buffer.concat([
      MAGIC,
      Buffer.from("ping\0\0\0\0\0\0\0\0"),
      le(8, 4),
      dsha(Buffer.alloc(8, 7)).subarray(0, 4),
      Buffer.alloc(8, 7),
    ]);
    for (const byte of body) {
      p.sock.write(Buffer.from([byte]));
      await new Promise((ok) => {
        setTimeout(ok, 1);
      });
    }
    assert.deepEqual(await p.want("pong"), Buffer.alloc(8, 7));
    p.sock.write(Buffer.concat([body, body]));
    await p.want("pong");
    await p.want("pong");
    p.close();
  });

  await check("another network's magic is hung up on", async () => {
    const p = await Peer.connect(server.p2p);
    p.raw("version", Buffer.alloc(0), { magic: Buffer.from("f9beb4d9", "hex") });
    assert.equal(await p.next(2000), null);
  });

  await check("locators: unknown hash starts at block 1, stop hash stops", async () => {
    const p = await Peer.connect(server.p2p);
    await p.handshake();
    const strange = await p.headersAfter("11".repeat(32));
    assert.equal(header(strange[0]).prev, GENESIS);
    if (mainHeaders.length > 6) {
      const some = await p.headersAfter(header(mainHeaders[2]).hash, header(mainHeaders[5]).hash);
      assert.equal(some.length, 3);
    }
    p.close();
  });

  // ---- mining seen by a peer

  await check("three mined blocks reach a connected peer and extend the chain", async () => {
    const p = await Peer.connect(server.p2p);
    await p.handshake();
    const address = makeKey().address;
    const made = [];
    for (let i = 0; i < 3; i++) {
      made.push(...(await rpc(server, "generatetoaddress", [1, address])));
      const inv = checkInv(await p.want("inv"));
      assert.deepEqual(inv, [{ type: 2, hash: made.at(-1) }]);
    }
    const fresh = await p.headersAfter(header(mainHeaders.at(-1)).hash);
    assert.deepEqual(
      fresh.map((h) => header(h).hash),
      made,
    );
    mainHeaders.push(...fresh);
    checkHeaders(mainHeaders);
    for (const [i, hash] of made.entries()) {
      const b = readBlock(await p.block(hash, true));
      checkCommitment(b);
      const height = mainHeaders.length - 3 + i;
      const push = b.txs[0].vin[0].script;
      if (height > 16) assert.equal(push.readUIntLE(1, push[0]), height, "BIP34 height");
      assert.equal(b.txs[0].vout[0].value, 5000000000n >> BigInt(Math.floor(height / 150)));
    }
    p.close();
    return `now ${mainHeaders.length - 1}`;
  });

  // ---- rpc form

  await check("login, error forms, unknown method", async () => {
    assert.equal((await post(server, { method: "getblockcount" }, { auth: null })).status, 401);
    assert.equal(
      (
        await post(
          server,
          { method: "getblockcount" },
          { auth: `Basic ${Buffer.from("devnet:wrong").toString("base64")}` },
        )
      ).status,
      401,
    );
    const v2 = await post(server, { jsonrpc: "2.0", id: "stacks", method: "nosuchthing", params: [] });
    assert.equal(v2.status, 200);
    assert.deepEqual(JSON.parse(v2.text), {
      jsonrpc: "2.0",
      error: { code: -32601, message: "Method not found" },
      id: "stacks",
    });
    const v1 = await post(server, { jsonrpc: "1.0", id: 7, method: "nosuchthing", params: [] });
    assert.equal(v1.status, 404);
    assert.deepEqual(JSON.parse(v1.text), {
      result: null,
      error: { code: -32601, message: "Method not found" },
      id: 7,
    });
    const bad = await post(server, { jsonrpc: "1.0", id: 7, method: "getblockhash", params: [99999999] });
    assert.equal(bad.status, 500);
    assert.equal(JSON.parse(bad.text).error.code, -8);
    assert.equal((await post(server, "{oops")).status, 500);
    assert.equal((await post(server, {}, { where: "/elsewhere" })).status, 404);
    assert.equal((await fetch(`http://127.0.0.1:${server.rpc}/`)).status, 405);
  });

  await check("reply head as the node's own HTTP parser wants it", async () => {
    const body = JSON.stringify({ jsonrpc: "2.0", id: "stacks", method: "listwallets", params: [] });
    const text = await new Promise((ok, no) => {
      const s = net.connect(server.rpc, "127.0.0.1", () =>
        s.write(
          `POST / HTTP/1.1\r\nUser-Agent: stacks/3.0\r\nHost: 127.0.0.1:${server.rpc}\r\nConnection: close\r\nAuthorization: ${basic}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
        ),
      );
      let all = "";
      s.on("data", (d) => {
        all += d;
      });
      s.on("end", () => ok(all));
      s.on("error", no);
    });
    const [head, payload] = text.split("\r\n\r\n");
    const lines = head.split("\r\n");
    assert.match(lines[0], /^HTTP\/1\.1 200 \S/);
    const names = lines.slice(1).map((l) => l.split(":")[0].toLowerCase());
    assert.equal(new Set(names).size, names.length, "a header twice");
    const get = (n) => lines.find((l) => l.toLowerCase().startsWith(`${n}:`))?.split(": ")[1];
    assert.match(get("content-type"), /^application\/json(;|$)/);
    assert.equal(Number(get("content-length")), Buffer.byteLength(payload));
    assert.equal(get("transfer-encoding"), undefined);
    assert.match(get("connection") ?? "close", /^(close|keep-alive)$/i);
    assert.deepEqual(JSON.parse(payload).result, ["miner"]);
  });

  await check("descriptor checksums against published values", async () => {
    for (const [text, sum] of [
      ["addr(mqqxPdP1dsGk75S7ta2nwyU8ujDnB2Yxvu)", "spfcmvsn"],
      ["raw(deadbeef)", "89f8spxm"],
    ]) {
      const info = await rpc(server, "getdescriptorinfo", [text]);
      assert.equal(info.checksum, sum);
      assert.equal(info.descriptor, `${text}#${sum}`);
    }
    await rejects(rpc(server, "getdescriptorinfo", ["raw(deadbeef)#89f8spxx"]), -5);
    await rejects(rpc(server, "getdescriptorinfo", ["raw(deadbeef)##89f8spx"]), -5);
  });

  await check("addresses of every kind, both ways", async () => {
    const k = makeKey();
    const list = [
      k.address,
      base58check(196, k.h),
      (
        await rpc(server, "deriveaddresses", [
          (await rpc(server, "getdescriptorinfo", [`wpkh(${k.pub.toString("hex")})`])).descriptor,
        ])
      )[0],
    ];
    for (const a of list) {
      const v = await rpc(server, "validateaddress", [a]);
      assert.ok(v.isvalid);
      assert.equal(v.address, a);
      if (lib)
        assert.equal(
          Buffer.from(lib.address.toOutputScript(a, lib.networks.regtest)).toString("hex"),
          v.scriptPubKey,
        );
    }
    assert.equal(
      (await rpc(server, "validateaddress", ["BCRT1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KYGT080"])).scriptPubKey,
      "0014751e76e8199196d454941c45d1b3a323f1433bd6",
    );
    assert.equal(
      (await rpc(server, "validateaddress", ["bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt081"])).isvalid,
      false,
    );
    assert.equal(
      (await rpc(server, "validateaddress", ["1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"])).isvalid,
      false,
    );
  });

  // ---- a miner's wallet

  const key = makeKey();
  let coin;
  let balanceAfter;

  await check("wallet start-up as a miner does it", async () => {
    assert.deepEqual(await rpc(server, "listwallets"), ["miner"]);
    assert.ok((await rpc(server, "listwalletdir")).wallets.some((w) => w.name === "miner"));
    await rpc(server, "unloadwallet", ["miner"]);
    assert.deepEqual(await rpc(server, "listwallets"), []);
    await rejects(rpc(server, "listunspent", [], "miner"), -18);
    await rpc(server, "loadwallet", ["miner"]);
    await rejects(rpc(server, "loadwallet", ["miner"]), -35);
    await rejects(rpc(server, "loadwallet", ["nobody"]), -18);
    await rpc(server, "createwallet", ["second", true]);
    await rejects(rpc(server, "createwallet", ["second", true]), -4);
    await rejects(rpc(server, "listunspent", []), -19);
    await rpc(server, "unloadwallet", ["second"]);
  });

  await check("descriptor import: no checksum is refused, the good one is taken, twice", async () => {
    const bare = `addr(${key.address})`;
    const { checksum } = await rpc(server, "getdescriptorinfo", [bare]);
    const [no] = await rpc(
      server,
      "importdescriptors",
      [[{ desc: bare, timestamp: 0, internal: true }]],
      "miner",
    );
    assert.equal(no.success, false);
    assert.equal(no.error.code, -5);
    for (let i = 0; i < 2; i++) {
      const [yes] = await rpc(
        server,
        "importdescriptors",
        [[{ desc: `${bare}#${checksum}`, timestamp: 0, internal: true }]],
        "miner",
      );
      assert.equal(yes.success, true);
    }
    assert.deepEqual(await listUnspent(server, "miner", key.address), []);
  });

  await check("101 blocks to the key: exactly one mature reward", async () => {
    const made = await rpc(server, "generatetoaddress", [101, key.address]);
    assert.equal(made.length, 101);
    const list = await listUnspent(server, "miner", key.address);
    assert.equal(list.length, 1);
    [coin] = list;
    const at = await rpc(server, "getblockheader", [made[0]]);
    assert.equal(coin.confirmations, 101);
    assert.equal(coin.amount, 5000000000n >> BigInt(Math.floor(at.height / 150)));
    assert.equal(coin.scriptPubKey, key.script.toString("hex"));
    assert.equal(coin.address, key.address);
    const b = readBlock(Buffer.from(await rpc(server, "getblock", [made[0], 0]), "hex"));
    assert.equal(b.txs[0].txid, coin.txid, "txid byte order");
    return `${coin.amount} sat`;
  });

  const dust = 546n;
  let sent;
  await check(
    "a spend with a dummy scriptSig is taken, leaves the UTXO list, its change is listed",
    async () => {
      const change = coin.amount - dust - 10_000n;
      const raw = serialize({
        ins: [{ txid: coin.txid, vout: coin.vout, script: Buffer.from("0100", "hex") }],
        outs: [
          { value: 0n, script: opReturn(Buffer.concat([Buffer.from("T3["), randomBytes(20)])) },
          { value: dust, script: key.script },
          { value: change, script: key.script },
        ],
      });
      const body = `{"jsonrpc":"2.0","id":"stacks","method":"sendrawtransaction","params":["${raw.toString("hex")}",0.0,1000000]}`;
      const reply = JSON.parse((await post(server, body)).text);
      sent = reply.result;
      assert.equal(sent, readTx(reader(raw), raw).txid);
      assert.deepEqual(await rpc(server, "getrawmempool"), [sent]);
      assert.equal(
        await rpc(server, "sendrawtransaction", [raw.toString("hex"), 0, 1000000]),
        sent,
        "sending again",
      );
      assert.equal((await rpc(server, "gettransaction", [sent], "miner")).confirmations, 0);
      const list = await listUnspent(server, "miner", key.address);
      assert.ok(!list.some((u) => u.txid === coin.txid));
      assert.deepEqual(
        list
          .filter((u) => u.txid === sent)
          .map((u) => [u.vout, u.amount, u.confirmations, u.safe])
          .sort(),
        [
          [1, dust, 0, true],
          [2, change, 0, true],
        ],
      );
      assert.deepEqual(
        (await listUnspent(server, "miner", key.address, { minimum: 100_000n }))
          .filter((u) => u.txid === sent)
          .map((u) => u.vout),
        [2],
      );
      assert.ok(
        !(await listUnspent(server, "miner", key.address, { minConf: 1 })).some((u) => u.txid === sent),
      );
    },
  );

  await check("mined: confirmed, in the UTXO set, dust amount written with eight decimals", async () => {
    const [hash] = await rpc(server, "generatetoaddress", [1, key.address]);
    assert.deepEqual((await rpc(server, "getblock", [hash])).tx.slice(1), [sent]);
    assert.deepEqual(await rpc(server, "getrawmempool"), []);
    assert.equal((await rpc(server, "gettransaction", [sent], "miner")).confirmations, 1);
    const list = await listUnspent(server, "miner", key.address);
    assert.equal(list.find((u) => u.txid === sent && u.vout === 1).amount, dust);
    assert.equal(list.find((u) => u.txid === sent && u.vout === 2).confirmations, 1);
    const { text } = await post(server, {
      jsonrpc: "2.0",
      id: "stacks",
      method: "gettxout",
      params: [sent, 1],
    });
    assert.match(text, /"value":0\.00000546[,}]/);
    assert.equal(await rpc(server, "gettxout", [coin.txid, coin.vout]), null);
    const b = await rpc(server, "getblock", [hash, 2]);
    assert.equal(
      b.tx[0].vout[0].value,
      Number((5000000000n >> BigInt(Math.floor(b.height / 150))) + 10_000n) / 1e8,
      "reward has the fee",
    );
  });

  await check("replacement by fee as the node does it; the replaced one stays known", async () => {
    const [u] = (await listUnspent(server, "miner", key.address, { minimum: 1_000_000n })).filter(
      (x) => x.txid === sent,
    );
    const make = (fee, tag) =>
      serialize({
        ins: [{ txid: u.txid, vout: u.vout, script: Buffer.from("0100", "hex"), sequence: 0xfffffffd }],
        outs: [
          { value: 0n, script: opReturn(Buffer.from(`T3[${tag}`)) },
          { value: u.amount - fee, script: key.script },
        ],
      }).toString("hex");
    const one = await rpc(server, "sendrawtransaction", [make(2000n, "one"), 0, 1000000]);
    await rejects(rpc(server, "sendrawtransaction", [make(2010n, "two"), 0, 1000000]), -26);
    const two = await rpc(server, "sendrawtransaction", [make(4000n, "two"), 0, 1000000]);
    assert.deepEqual(await rpc(server, "getrawmempool"), [two]);
    assert.equal((await rpc(server, "gettransaction", [one], "miner")).confirmations, 0);
    assert.equal(
      (await listUnspent(server, "miner", key.address)).some((x) => x.txid === two),
      false,
      "change of a replacement is not safe",
    );
    assert.equal(
      (await listUnspent(server, "miner", key.address, { unsafe: true })).some((x) => x.txid === two),
      true,
    );
    await rpc(server, "generatetoaddress", [2, key.address]);
    assert.equal((await rpc(server, "gettransaction", [two], "miner")).confirmations, 2);
    assert.equal((await rpc(server, "gettransaction", [one], "miner")).confirmations, -2);
    sent = two;
  });

  await check(
    "refusals: unknown input, immature reward, overspend, burn limit, fee limit, garbage",
    async () => {
      const spend = (txid, vout, value, script = key.script) =>
        serialize({ ins: [{ txid, vout }], outs: [{ value, script }] }).toString("hex");
      await rejects(rpc(server, "sendrawtransaction", [spend("ab".repeat(32), 0, 1000n)]), -25);
      const tip = await rpc(server, "getblock", [await rpc(server, "getbestblockhash")]);
      await rejects(rpc(server, "sendrawtransaction", [spend(tip.tx[0], 0, 1000n), 0]), -26);
      await rejects(rpc(server, "sendrawtransaction", [spend(sent, 1, 100n * 100000000n), 0]), -26);
      await rejects(
        rpc(server, "sendrawtransaction", [spend(sent, 1, 1000n, opReturn(Buffer.from("x"))), 0]),
        -25,
      );
      await rejects(rpc(server, "sendrawtransaction", [spend(sent, 1, 1000n)]), -25);
      await rejects(rpc(server, "sendrawtransaction", ["00ff"]), -22);
      await rejects(rpc(server, "gettransaction", ["cd".repeat(32)], "miner"), -5);
      await rejects(rpc(server, "listunspent", [0, 99, [key.address, key.address]], "miner"), -8);
      const other = (await rpc(server, "getblock", [await rpc(server, "getblockhash", [1])])).tx[0];
      await rejects(rpc(server, "gettransaction", [other], "miner"), -5);
    },
  );

  await check(
    "a chain of three unconfirmed spends with a really signed first and a witness last: one block, parents first",
    async () => {
      const wpkh = Buffer.concat([Buffer.from("0014", "hex"), key.h]);
      const { descriptor } = await rpc(server, "getdescriptorinfo", [`wpkh(${key.pub.toString("hex")})`]);
      assert.equal(
        (await rpc(server, "importdescriptors", [[{ desc: descriptor, timestamp: "now" }]], "miner"))[0]
          .success,
        true,
      );
      const [u] = (await listUnspent(server, "miner", key.address, { minimum: 1_000_000n })).filter(
        (x) => x.txid === sent,
      );
      const a = signLegacy(
        { ins: [{ txid: u.txid, vout: u.vout }], outs: [{ value: u.amount - 1000n, script: key.script }] },
        key,
      );
      if (lib) {
        const parsed = lib.Transaction.fromBuffer(a);
        const digest = Buffer.from(parsed.hashForSignature(0, key.script, 1));
        const unsigned = serialize({
          ins: [{ txid: u.txid, vout: u.vout, script: key.script }],
          outs: [{ value: u.amount - 1000n, script: key.script }],
        });
        assert.deepEqual(digest, dsha(Buffer.concat([unsigned, le(1, 4)])), "what was signed");
      }
      const aId = await rpc(server, "sendrawtransaction", [a.toString("hex"), 0]);
      const b = serialize({
        ins: [{ txid: aId, vout: 0, script: Buffer.from("51", "hex") }],
        outs: [{ value: u.amount - 2000n, script: wpkh }],
      });
      const bId = await rpc(server, "sendrawtransaction", [b.toString("hex"), 0]);
      const c = serialize({
        ins: [{ txid: bId, vout: 0, witness: [randomBytes(71), key.pub] }],
        outs: [{ value: u.amount - 3000n, script: key.script }],
      });
      const cId = await rpc(server, "sendrawtransaction", [c.toString("hex"), 0]);
      if (lib) assert.equal(lib.Transaction.fromHex(c.toString("hex")).getId(), cId);
      const [hash] = await rpc(server, "generatetoaddress", [1, key.address]);
      assert.deepEqual((await rpc(server, "getblock", [hash])).tx.slice(1), [aId, bId, cId]);
      const p = await Peer.connect(server.p2p);
      await p.handshake();
      const full = await p.block(hash, true);
      checkCommitment(readBlock(full));
      if (lib) assert.ok(lib.Block.fromBuffer(full).checkTxRoots());
      const bare = readBlock(await p.block(hash));
      assert.ok(bare.txs.every((t) => !t.witness));
      assert.ok(root(bare.txs.map((t) => t.hash)).equals(header(bare.header).root));
      assert.equal(bare.txs.at(-1).txid, cId);
      p.close();
      sent = cId;
    },
  );

  await check("an output to a stranger's unconfirmed coin is unsafe, a confirmed one is safe", async () => {
    const stranger = makeKey();
    const [u] = (await listUnspent(server, "miner", key.address, { minimum: 1_000_000n })).filter(
      (x) => x.txid === sent,
    );
    const give = await rpc(server, "sendrawtransaction", [
      serialize({
        ins: [{ txid: u.txid, vout: 0 }],
        outs: [{ value: u.amount - 1000n, script: stranger.script }],
      }).toString("hex"),
      0,
    ]);
    const back = await rpc(server, "sendrawtransaction", [
      serialize({
        ins: [{ txid: give, vout: 0 }],
        outs: [{ value: u.amount - 2000n, script: key.script }],
      }).toString("hex"),
      0,
    ]);
    assert.equal(
      (await listUnspent(server, "miner", key.address)).some((x) => x.txid === back),
      false,
    );
    assert.equal(
      (await listUnspent(server, "miner", key.address, { unsafe: true })).find((x) => x.txid === back).safe,
      false,
    );
    await rpc(server, "generatetoaddress", [1, key.address]);
    assert.equal((await listUnspent(server, "miner", key.address)).find((x) => x.txid === back).safe, true);
  });

  await check("other calls answer in shape", async () => {
    const info = await rpc(server, "getblockchaininfo");
    assert.equal(info.chain, "regtest");
    assert.equal(info.bestblockhash, await rpc(server, "getbestblockhash"));
    assert.equal(typeof (await rpc(server, "getnetworkinfo")).version, "number");
    assert.ok((await rpc(server, "estimatesmartfee", [2])).feerate > 0);
    assert.equal((await rpc(server, "getblockheader", [info.bestblockhash, false])).length, 160);
    assert.equal((await rpc(server, "getrawtransaction", [sent, true])).confirmations, 2);
    assert.equal((await rpc(server, "getrawtransaction", { txid: sent, verbosity: 1 })).txid, sent);
    const made = await rpc(server, "generatetodescriptor", [1, "raw(51)"]);
    assert.equal(made.length, 1);
    balanceAfter = await rpc(server, "getbalance", [], "miner");
    const fresh = await rpc(server, "getnewaddress", ["", "bech32"], "miner");
    assert.equal((await rpc(server, "getaddressinfo", [fresh], "miner")).ismine, true);
    const both = JSON.parse(
      (
        await post(server, [
          { method: "getblockcount", id: 1 },
          { method: "uptime", id: 2 },
        ])
      ).text,
    );
    assert.equal(both.length, 2);
  });

  await check(
    "combo() of a published secret and importpubkey: legacy and segwit rewards both show",
    async () => {
      const pub = "0299445e0a04d9d7b9dcf85837960c6b7da279d1dc2c1f632de2e5785b56feb885";
      const info = await rpc(server, "getdescriptorinfo", [
        "combo(cPdTdMgww2njhnekUZmHmFNKsWAjVdCR4cfvD2Y4UQhFzMmwoW33)",
      ]);
      assert.equal(info.descriptor.split("#")[0], `combo(${pub})`);
      await rpc(server, "createwallet", ["guide", true]);
      const [done] = await rpc(
        server,
        "importdescriptors",
        [[{ desc: info.descriptor, timestamp: "now" }]],
        "guide",
      );
      assert.equal(done.success, true);
      const legacy = base58check(111, rip(Buffer.from(pub, "hex")));
      const [segwit] = await rpc(server, "deriveaddresses", [
        (await rpc(server, "getdescriptorinfo", [`wpkh(${pub})`])).descriptor,
      ]);
      await rpc(server, "generatetoaddress", [1, legacy]);
      await rpc(server, "generatetoaddress", [1, segwit]);
      await rpc(server, "generatetoaddress", [100, makeKey().address]);
      assert.equal((await listUnspent(server, "guide", legacy)).length, 1);
      assert.equal((await listUnspent(server, "guide", segwit)).length, 1);
      await rpc(server, "createwallet", ["plain", true]);
      await rpc(server, "importpubkey", [pub], "plain");
      assert.deepEqual(
        (await listUnspent(server, "plain", null)).map((u) => u.address).sort(),
        [legacy, segwit].toSorted((a, b) => (a < b ? -1 : 1)),
      );
      await rpc(server, "unloadwallet", ["guide"]);
      await rpc(server, "unloadwallet", ["plain"]);
    },
  );

  // ---- reorganisation

  await check("reorganisation: longer branch wins, coins and transactions move over", async () => {
    const before = await rpc(server, "getblockcount");
    const tx = serialize({
      ins: [
        {
          txid: (await listUnspent(server, "miner", key.address, { minimum: 1_000_000n, minConf: 1 }))[0]
            .txid,
          vout: (await listUnspent(server, "miner", key.address, { minimum: 1_000_000n, minConf: 1 }))[0]
            .vout,
        },
      ],
      outs: [{ value: 1_000_000n, script: key.script }],
    }).toString("hex");
    const id = await rpc(server, "sendrawtransaction", [tx, 0]);
    const [old] = await rpc(server, "generatetoaddress", [1, key.address]);
    const p = await Peer.connect(server.p2p);
    await p.handshake();
    await rpc(server, "invalidateblock", [old]);
    assert.equal(await rpc(server, "getblockcount"), before);
    assert.deepEqual(await rpc(server, "getrawmempool"), [id], "back in the mempool");
    assert.equal((await p.headersAfter(old)).length, 0, "a block on top of our tip counts as our tip");
    const two = await rpc(server, "generatetoaddress", [2, key.address]);
    assert.equal(await rpc(server, "getblockcount"), before + 2);
    assert.equal((await rpc(server, "gettransaction", [id], "miner")).confirmations, 2);
    const again = await p.headersAfter(old);
    assert.equal(header(again[0]).prev, GENESIS, "a stale locator starts at block 1");
    await rpc(server, "reconsiderblock", [old]);
    assert.equal(await rpc(server, "getbestblockhash"), two[1], "less work loses");
    assert.ok((await rpc(server, "getchaintips")).some((t) => t.hash === old && t.status === "valid-fork"));
    p.close();
  });

  await check("submitblock: a copy is a duplicate, a broken one is refused", async () => {
    const raw = await rpc(server, "getblock", [await rpc(server, "getbestblockhash"), 0]);
    assert.equal(await rpc(server, "submitblock", [raw]), "duplicate");
    const broken = Buffer.from(raw, "hex");
    broken[40] ^= 1;
    assert.match(await rpc(server, "submitblock", [broken.toString("hex")]), /high-hash|bad-txnmrklroot/);
  });

  // ---- restart and other ways to start

  await check("restart with --save: same chain, same wallet, one new block on top", async () => {
    const count = await rpc(server, "getblockcount");
    const tip = await rpc(server, "getbestblockhash");
    const coins = (await listUnspent(server, "miner", key.address, { minConf: 1, count: 0 })).length;
    await server.stop("SIGKILL");
    fs.appendFileSync(saveFile, Buffer.from("fabfb5da00100000aabb", "hex")); // a record cut short
    server = await launch([...(datadir ? ["--datadir", datadir] : []), ...common]);
    assert.equal(server.height, count + 1);
    assert.equal(await rpc(server, "getblockhash", [count]), tip);
    const back = await listUnspent(server, "miner", key.address, { minConf: 1, count: 0 });
    assert.ok(back.length >= coins);
    await server.stop();
    server = await launch([...(datadir ? ["--datadir", datadir] : []), ...common, "--no-start-block"]);
    assert.equal(server.height, count + 1, "the start block was saved too");
    return `height ${server.height}, ${back.length} coins, balance was ${balanceAfter}`;
  });

  await check("stop over rpc ends the process", async () => {
    await rpc(server, "stop");
    assert.equal(await server.exited, 0);
  });

  if (datadir) {
    await check("xor-masked, shuffled block files give the same chain", async () => {
      const source = fs.existsSync(path.join(datadir, "blocks")) ? path.join(datadir, "blocks") : datadir;
      const parts = [];
      for (const f of fs
        .readdirSync(source)
        .filter((x) => /^blk\d+\.dat$/.test(x))
        .sort()) {
        const buf = fs.readFileSync(path.join(source, f));
        for (let at = 0; at + 8 <= buf.length && buf.subarray(at, at + 4).equals(MAGIC);) {
          const end = at + 8 + buf.readUInt32LE(at + 4);
          parts.push(Buffer.from(buf.subarray(at, end)));
          at = end;
        }
      }
      const order = parts
        .map((b) => [randomBytes(6).readUIntBE(0, 6), b])
        .sort((x, y) => x[0] - y[0])
        .map((x) => x[1]);
      const dir = path.join(scratch, "masked", "blocks");
      fs.mkdirSync(dir, { recursive: true });
      const mask = randomBytes(8);
      fs.writeFileSync(path.join(dir, "xor.dat"), mask);
      const half = Math.floor(order.length / 2);
      for (const [n, list] of [
        [0, order.slice(0, half)],
        [1, order.slice(half)],
      ]) {
        const plain = Buffer.concat([...list, Buffer.alloc(5000)]);
        fs.writeFileSync(
          path.join(dir, `blk0000${String(n)}.dat`),
          Buffer.from(plain.map((b, i) => b ^ mask[i % 8])),
        );
      }
      const s = await launch([
        "--datadir",
        path.join(scratch, "masked"),
        "--no-start-block",
        "--keep-fresh",
        "0",
      ]);
      assert.equal(s.height, firstHeight - 1);
      assert.equal(s.tip, header(mainHeaders[firstHeight - 1]).hash);
      await s.stop();
      const kept = await launch([
        "--datadir",
        path.join(scratch, "masked"),
        "--no-start-block",
        "--keep-fresh",
        "60",
      ]);
      const stale = Math.floor(Date.now() / 1000) - header(mainHeaders[firstHeight - 1]).time > 3600;
      assert.equal(
        (
          await (
            await fetch(`http://127.0.0.1:${kept.rpc}/`, {
              method: "POST",
              body: '{"method":"getblockcount","id":1}',
            })
          ).json()
        ).result,
        firstHeight - 1 + (stale ? 1 : 0),
        "keep-fresh at start",
      );
      await kept.stop();
      return `${parts.length} blocks`;
    });
  } else skip("xor-masked, shuffled block files give the same chain", "no data directory");

  await check("fresh chain past 2000 headers: batches of 2000, no login needed, timer mines", async () => {
    const s = await launch(["--mine-every", "1", "--mine-to", makeKey().address]);
    assert.equal(s.height, 1);
    const list = await post(
      s,
      { jsonrpc: "2.0", id: "x", method: "generatetoaddress", params: [2100, makeKey().address] },
      { auth: null },
    );
    assert.equal(JSON.parse(list.text).result.length, 2100);
    const p = await Peer.connect(s.p2p);
    await p.handshake();
    const { all, sizes } = await p.allHeaders();
    assert.equal(sizes[0], 2000);
    assert.ok(all.length >= 2102);
    checkHeaders(all);
    const now = Math.floor(Date.now() / 1000);
    assert.ok(header(all.at(-1)).time < now + 7200);
    const from = all.length;
    const limit = Date.now() + 6000;
    let grown = [];
    while (grown.length < 2 && Date.now() < limit) {
      await new Promise((ok) => {
        setTimeout(ok, 300);
      });
      grown = await p.headersAfter(header(all.at(-1)).hash);
    }
    assert.ok(grown.length >= 2, "timer blocks");
    p.close();
    await s.stop();
    return `${from} headers in ${sizes.join("+")}, then ${grown.length} by timer`;
  });

  await check("--wait-tx: the timer waits for a transaction, then mines it", async () => {
    const s = await launch([
      "--mine-every",
      "1",
      "--wait-tx",
      "30",
      "--watch",
      `main=${key.address}`,
      "--no-start-block",
      "--keep-fresh",
      "0",
    ]);
    const call = async (method, params, wallet) =>
      JSON.parse((await post(s, { jsonrpc: "2.0", id: "x", method, params }, { auth: null, wallet })).text)
        .result;
    await call("generatetoaddress", [101, key.address]);
    await new Promise((ok) => {
      setTimeout(ok, 2000);
    });
    assert.equal(await call("getblockcount", []), 101);
    const [u] = await call("listunspent", [], "main");
    await call("sendrawtransaction", [
      serialize({
        ins: [{ txid: u.txid, vout: 0 }],
        outs: [{ value: 4_999_990_000n, script: key.script }],
      }).toString("hex"),
    ]);
    await new Promise((ok) => {
      setTimeout(ok, 1200);
    });
    assert.equal(await call("getblockcount", []), 102);
    await s.stop();
  });
} finally {
  for (const c of children) c.kill("SIGKILL");
  fs.rmSync(scratch, { recursive: true, force: true });
}

function checkCommitment(b) {
  const cb = b.txs[0];
  const outs = cb.vout.filter((o) => o.script.subarray(0, 6).toString("hex") === "6a24aa21a9ed");
  assert.ok(outs.length >= 1, "no commitment");
  const leaves = [Buffer.alloc(32), ...b.txs.slice(1).map((t) => t.whash)];
  const want = dsha(Buffer.concat([root(leaves), cb.vin[0].witness[0]]));
  assert.ok(outs.at(-1).script.subarray(6, 38).equals(want), "commitment");
}

process.stdout.write(`${passed} passed, ${failed} failed, ${skipped} skipped\n`);
process.exitCode = failed ? 1 : 0;
