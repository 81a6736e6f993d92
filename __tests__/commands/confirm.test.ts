/** By whom a chainstate is confirmed to be of the chain, and what a run does where it is not, or nobody knows. */
import { cpSync, existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { ChainWriter, createChainstate, type Tip } from "../../simulator/chainstate.ts";
import { databasePaths } from "../../simulator/schema.ts";
import type { SignerOptions, SimulatedSigner } from "../../simulator/signers.ts";
import { manifestKey } from "../../src/catalog/ids.ts";
import { writeManifest } from "../../src/catalog/manifest-text.ts";
import { loadManifest } from "../../src/catalog/read.ts";
import { proofVersion } from "../../src/chainstate/proof/proof.ts";
import type { Manifest, ProofRecord } from "../../src/domain/manifest.ts";
import type { TrustedSignerSets } from "../../src/domain/options.ts";
import { type Answer, info, type RpcServer, startRpcServer } from "../node/rpc-server.ts";
import { Scratch } from "../chainstate/scratch.ts";
import {
  FakeHost,
  importConfig,
  nodeOptions,
  restoreConfig,
  snapshotConfig,
  verifyConfig,
  type Ended,
} from "./fake-host.ts";

const { signal } = new AbortController();
const height = 40;
const scratch = new Scratch();
const honest = scratch.path();
const forged = scratch.path();
const servers: RpcServer[] = [];
let tip: Tip;
let sets: readonly string[] = [];
let host: FakeHost;

/** Cycles of 5 burn blocks of 3 blocks each: block 40 is of cycle 3. */
function make(dir: string, names: readonly string[], signs?: SignerOptions["signs"]): Tip {
  const set = (cycle: number): readonly SimulatedSigner[] =>
    names.map((name) => ({ name: `${name} ${cycle}`, weight: 1 }));
  const signers = { cycleLength: 5, prepareLength: 2, set, ...(signs === undefined ? {} : { signs }) };
  return createChainstate(dir, { era: "nakamoto", height, lastEpoch2Height: 3, blocksInWal: 0, signers });
}

beforeAll(async () => {
  tip = make(honest, ["ada", "bob", "cyd"]);
  make(forged, ["mallory"]);
  // Each cycle has a set of its own; their digests by a chain of each length.
  sets = await digestsOf(honest);
});
beforeEach(() => {
  host = new FakeHost();
  cpSync(honest, host.chainstateDir, { recursive: true });
});
afterEach(async () => {
  host.remove();
  for (const server of servers.splice(0)) await server.close();
});
afterAll(() => scratch.remove());

/** As `docs/checks.md` tells operators to compute them, of the state's values in the order of their cycles. */
async function digestsOf(dir: string): Promise<readonly string[]> {
  const { hash } = await import("node:crypto");
  const database = new DatabaseSync(join(dir, databasePaths.clarity), { readOnly: true });
  const rows = database
    .prepare("SELECT value AS v FROM data_table WHERE value LIKE '0a0b%' ORDER BY rowid")
    .all();
  database.close();
  return rows.map(({ v: value }) => hash("sha512-256", String(value), "hex"));
}

const line = (cycle: number, digest = sets[cycle] ?? ""): TrustedSignerSets => ({
  kind: "lines",
  lines: `# of a node of our own\n${cycle} ${digest}\n`,
});

/** A node that has the blocks of a chainstate, as far as it says it is. */
async function peer(dir: string, changes: Record<string, Answer> = {}, said: object = {}): Promise<string> {
  const database = new DatabaseSync(join(dir, databasePaths.nakamoto), { readOnly: true });
  const block = database.prepare("SELECT data AS d FROM nakamoto_staging_blocks WHERE height = ?");
  const data = block.get(height)?.["d"] as Uint8Array;
  database.close();
  const server = await startRpcServer({
    "/v2/info": info(height + 3, { network_id: 2_147_483_648, ...said }),
    [`/v3/blocks/height/${height}`]: (response) => void response.end(data),
    ...changes,
  });
  servers.push(server);
  return server.url;
}

/** Nobody listens there any more. */
async function nobody(): Promise<string> {
  const server = await startRpcServer({});
  await server.close();
  return server.url;
}

const facts = ({ report }: Ended): Record<string, string> =>
  Object.fromEntries(report.record.facts.map(({ label, value }) => [label, value]));

const remembered = (): readonly string[] =>
  existsSync(host.stateDir) ? readdirSync(host.stateDir).filter((name) => name.startsWith("signers-")) : [];

async function published(): Promise<Manifest> {
  const [id = ""] = host.published();
  return await loadManifest(host.store, id, signal);
}

describe("a snapshot", () => {
  it("is confirmed by nodes that have its block, and says so", async () => {
    const [one, two] = [await peer(honest), await nobody()];
    const ended = await host.run(snapshotConfig(host, { check: "proof", confirmWith: [one, two] }));
    expect(ended.error).toBeUndefined();
    const { confirmation, proof } = await published();
    expect(confirmation?.by).toBe("nodes");
    expect(confirmation?.detail).toBe(
      `confirmed by ${one}: the block is theirs; ${two}: the connection is refused; ` +
        `signed: block 40 by 3 of 3 signers, 100 % of the weight, of cycle 3: consistent, not confirmed`,
    );
    expect(proof?.upTo).toEqual({ height, id: tip.indexBlockHash });
    expect(facts(ended)["Confirmed"]).toBe(confirmation?.detail);
    expect(facts(ended)["Signer set"]).toBe(`3 ${sets[3]}`);
    expect(facts(ended)["Proven"]).toContain(`the state is the one that block 40 (id ${tip.indexBlockHash})`);
    expect(ended.report.record.warnings).toEqual([]);
    expect(remembered()).toHaveLength(1);
  });

  it("is not published where one has another block, whatever others say", async () => {
    const urls = [await peer(honest), await peer(forged)];
    const { error } = await host.run(snapshotConfig(host, { confirmWith: urls }));
    expect(error).toMatchObject({
      code: "CHAIN_DIFFERS",
      message: expect.stringMatching(
        /^Block 40 \(id .*is not the chain's: http:\S+: its block of height 40 is/,
      ),
    });
    expect(host.published()).toEqual([]);
    expect(host.node.running).toBe(true);
    expect(remembered()).toEqual([]);
  });

  it.each<[string, () => Promise<string>, string]>([
    ["is down", nobody, "the connection is refused"],
    ["is behind", () => peer(honest, {}, { stacks_tip_height: 39 }), "it is behind, at height 39"],
  ])("is published, and warned of, where the only node %s", async (_what, start, why) => {
    const ended = await host.run(snapshotConfig(host, { check: "proof", confirmWith: [await start()] }));
    expect(ended.error).toBeUndefined();
    expect((await published()).confirmation?.by).toBe("own-set");
    expect(facts(ended)["Confirmed"]).toBeUndefined();
    expect(ended.report.record.warnings.join()).toContain(`is not confirmed: `);
    expect(ended.report.record.warnings.join()).toContain(why);
    expect(remembered()).toEqual([]);
  });

  it("is not confirmed by its own node", async () => {
    const url = await peer(honest);
    const node = { ...nodeOptions, rpcUrl: url };
    const { error } = await host.run(snapshotConfig(host, { node, confirmWith: [url] }));
    expect(error).toMatchObject({ code: "INPUT_INVALID", input: "confirm-with" });
    expect(host.node.stops).toBe(0);
  });

  it("says by itself who has signed it, and that this is no confirmation", async () => {
    const ended = await host.run(snapshotConfig(host, { check: "proof" }));
    expect(ended.error).toBeUndefined();
    expect((await published()).confirmation).toEqual({
      by: "own-set",
      detail:
        "signed: block 40 by 3 of 3 signers, 100 % of the weight, of cycle 3: consistent, not confirmed",
    });
    expect(remembered()).toEqual([]);
  });

  it("says nothing of what was not looked at", async () => {
    expect((await host.run(snapshotConfig(host))).error).toBeUndefined();
    expect((await published()).confirmation).toBeUndefined();
  });
});

describe("an import", () => {
  /** The archive of a snapshot as one that was made elsewhere, on a store with nothing else. */
  async function elsewhere(): Promise<string> {
    await host.run(snapshotConfig(host));
    const { archive } = await published();
    const bytes = host.store.objects.get(archive?.key ?? "")?.bytes ?? Buffer.alloc(0);
    host.store.objects.clear();
    await host.store.put("mainnet.tar.zst", bytes, { signal });
    return "file:///store/mainnet.tar.zst";
  }

  it("of another chain, or of one that nobody confirms, is not published", async () => {
    const from = await elsewhere();
    for (const [confirmWith, code] of [
      [await peer(forged), "CHAIN_DIFFERS"],
      [await nobody(), "CHAIN_UNCONFIRMED"],
    ] as const) {
      const { error } = await host.run(importConfig(from, { confirmWith: [confirmWith] }));
      expect(error).toMatchObject({ code });
      expect(host.published()).toEqual([]);
    }
    const trustedSignerSets = line(1, "ab".repeat(32));
    const { error } = await host.run(importConfig(from, { check: "proof", trustedSignerSets }));
    expect(error).toMatchObject({ code: "SIGNER_SET_DIFFERS" });
    expect(host.published()).toEqual([]);
  });

  it("that is confirmed says by whom", async () => {
    const from = await elsewhere();
    const given = { check: "proof", confirmWith: [await peer(honest)], trustedSignerSets: line(1) } as const;
    expect((await host.run(importConfig(from, given))).error).toBeUndefined();
    const { confirmation } = await published();
    expect(confirmation?.by).toBe("nodes");
    expect(confirmation?.detail).toContain("they follow from the trusted set of cycle 1");
  });
});

describe("verify", () => {
  const verify = async (given: Parameters<typeof verifyConfig>[0]): Promise<Ended> =>
    await host.run(verifyConfig({ chainstateDir: host.chainstateDir, ...given }));

  it("is content with a node that has the block, without reading more than the tips", async () => {
    const ended = await verify({ confirmWith: [await peer(honest)] });
    expect(ended.error).toBeUndefined();
    expect(facts(ended)["Confirmed"]).toMatch(/^confirmed by http:\S+: the block is theirs$/);
    // No signature was looked at, so nothing is known of signers.
    expect(remembered()).toEqual([]);
  });

  it.each<[string, "CHAIN_DIFFERS" | "CHAIN_UNCONFIRMED", () => Promise<string>, RegExp]>([
    [
      "of another network",
      "CHAIN_DIFFERS",
      () => peer(honest, {}, { network_id: 1 }),
      /it is of network 1, the/,
    ],
    ["with another block", "CHAIN_DIFFERS", () => peer(forged), /its block of height 40 is [0-9a-f]{64}/],
    ["that is behind", "CHAIN_UNCONFIRMED", () => peer(honest, {}, { stacks_tip_height: 3 }), /at height 3/],
    [
      "that does not know the question",
      "CHAIN_UNCONFIRMED",
      () => peer(honest, { [`/v3/blocks/height/${height}`]: 404 }),
      /HTTP status 404/,
    ],
    ["that is broken", "CHAIN_UNCONFIRMED", () => peer(honest, { "/v2/info": 500 }), /HTTP status 500/],
    [
      "that gives something else",
      "CHAIN_UNCONFIRMED",
      () => peer(honest, { [`/v3/blocks/height/${height}`]: { no: "block" } }),
      /no block of that height/,
    ],
    [
      "that never ends",
      "CHAIN_UNCONFIRMED",
      () =>
        peer(honest, {
          [`/v3/blocks/height/${height}`]: (response) => {
            response.on("error", () => undefined);
            const more = (): void => {
              while (!response.destroyed && response.write(Buffer.alloc(65_536)));
            };
            response.on("drain", more);
            more();
          },
        }),
      /no block of that height/,
    ],
  ])("refuses where there is but a node %s", async (_what, code, start, said) => {
    const { error } = await verify({ confirmWith: [await start()] });
    expect(error).toMatchObject({ code, message: expect.stringMatching(said) as string });
  });

  it("asks nobody over a way on which anybody could answer", async () => {
    const { error } = await verify({ confirmWith: ["http://203.0.113.5:20443"] });
    expect(error).toMatchObject({ code: "INPUT_INVALID", input: "confirm-with" });
  });

  it("is content with signers that follow from a trusted set, and remembers theirs", async () => {
    const ended = await verify({ check: "quick", trustedSignerSets: line(1) });
    expect(ended.error).toBeUndefined();
    expect(facts(ended)["Confirmed"]).toBe(
      "signed: block 40 by 3 of 3 signers, 100 % of the weight, of cycle 3: they follow from the trusted set of cycle 1",
    );
    expect(remembered()).toHaveLength(1);
    // Without the input this host goes on from there.
    const again = await verify({ check: "quick" });
    expect(facts(again)["Confirmed"]).toContain("the trusted set of cycle 3");
  });

  it("takes trusted sets from a file", async () => {
    const path = join(host.root, "sets");
    writeFileSync(path, `\n3 0x${(sets[3] ?? "").toUpperCase()}\r\n2 ${sets[2]}\n`);
    expect(
      (await verify({ check: "proof", trustedSignerSets: { kind: "file", path } })).error,
    ).toBeUndefined();
  });

  it.each<[string, TrustedSignerSets]>([
    ["a file that is not there", { kind: "file", path: "/nonexistent/sets" }],
    ["a line that is none", { kind: "lines", lines: "3 ab" }],
    ["no line", { kind: "lines", lines: "# none" }],
  ])("refuses %s", async (_what, trustedSignerSets) => {
    const { error } = await verify({ check: "proof", trustedSignerSets });
    expect(error).toMatchObject({ code: "INPUT_INVALID", input: "trusted-signer-set" });
  });

  it.each<[string, "SIGNER_SET_DIFFERS" | "CHAIN_UNCONFIRMED", () => TrustedSignerSets]>([
    ["are others than those that are trusted", "SIGNER_SET_DIFFERS", () => line(2, "ab".repeat(32))],
    ["come before those that are trusted", "CHAIN_UNCONFIRMED", () => line(4, "ab".repeat(32))],
  ])("refuses where the signers %s", async (_what, code, trusted) => {
    const { error } = await verify({ check: "quick", trustedSignerSets: trusted() });
    expect(error).toMatchObject({ code });
    expect(remembered()).toEqual([]);
  });

  it("refuses a tip that nobody has signed, whoever has signed what is below", async () => {
    const dir = join(host.root, "shadow", "mainnet");
    make(dir, ["ada", "bob", "cyd"], (at) => (at === height ? "shadow" : undefined));
    const { error } = await verify({ chainstateDir: dir, check: "proof", trustedSignerSets: line(1) });
    expect(error).toMatchObject({
      code: "CHAIN_UNCONFIRMED",
      message: expect.stringContaining("1 shadow blocks carry no signatures") as string,
    });
    expect(remembered()).toEqual([]);
  });

  it("refuses a chainstate whose signers cannot be known, where they were to be", async () => {
    const dir = join(host.root, "unsigned", "mainnet");
    createChainstate(dir, { era: "nakamoto", height: 20 });
    const { error } = await verify({ chainstateDir: dir, check: "proof", trustedSignerSets: line(1) });
    expect(error).toMatchObject({ code: "CHAIN_UNCONFIRMED" });
  });

  it("refuses another chain than the one whose signers this host has seen confirmed", async () => {
    await verify({ check: "proof", confirmWith: [await peer(honest)] });
    const [name = ""] = remembered();
    const { error } = await verify({ chainstateDir: forged, check: "proof" });
    expect(error).toMatchObject({
      code: "SIGNER_SET_DIFFERS",
      message: expect.stringContaining(join(host.stateDir, name)) as string,
    });
  });
});

describe("a restore", () => {
  /** A snapshot of a stranger, and an older chainstate of the host's own. */
  async function offer(
    dir: string,
    change: (manifest: Manifest) => Manifest = (manifest) => manifest,
  ): Promise<void> {
    const stranger = new FakeHost();
    cpSync(dir, stranger.chainstateDir, { recursive: true });
    expect((await stranger.run(snapshotConfig(stranger, { check: "tips" }))).error).toBeUndefined();
    const [id = ""] = stranger.published();
    const manifest = change(await loadManifest(stranger.store, id, signal));
    await stranger.store.put(manifestKey(id), writeManifest(manifest).bytes, { signal });
    for (const [key, object] of stranger.store.objects) host.store.objects.set(key, object);
    stranger.remove();
  }

  const restore = async (given: Parameters<typeof restoreConfig>[1]): Promise<Ended> =>
    await host.run(restoreConfig(host, { snapshot: { kind: "height", atMost: 1000 }, ...given }));

  it("puts a stranger's snapshot in place whose signers follow from the trusted set", async () => {
    await offer(honest);
    const ended = await restore({ check: "proof", trustedSignerSets: line(1) });
    expect(ended.error).toBeUndefined();
    expect(facts(ended)["Confirmed"]).toContain("they follow from the trusted set of cycle 1");
  });

  it("does not, and leaves nothing of it, where they are others", async () => {
    await offer(forged);
    const before = host.digest();
    const { error } = await restore({ check: "proof", trustedSignerSets: line(0) });
    expect(error).toMatchObject({ code: "SIGNER_SET_DIFFERS" });
    expect(host.digest()).toBe(before);
    expect(host.besides()).toEqual([]);
    expect(host.node.stops).toBe(0);
  });

  it("does not where nobody knows, and keeps what was fetched for the next run", async () => {
    await offer(honest);
    const before = host.digest();
    const { error } = await restore({ confirmWith: [await nobody()] });
    expect(error).toMatchObject({ code: "CHAIN_UNCONFIRMED" });
    expect(host.digest()).toBe(before);
    expect(host.besides()).toHaveLength(1);
    expect((await restore({ confirmWith: [await peer(honest)] })).error).toBeUndefined();
  });

  describe("of a snapshot that claims to be proven, and is damaged", () => {
    const damaged = scratch.path();
    beforeAll(() => {
      cpSync(honest, damaged, { recursive: true });
      const chain = ChainWriter.open(damaged);
      chain.close(false);
      const database = new DatabaseSync(join(damaged, databasePaths.clarity));
      // A value of the first blocks, which nothing has set since.
      database.exec("UPDATE data_table SET value = value || '0' WHERE rowid = 1");
      database.close();
    });
    const claims =
      (changes: Partial<ProofRecord> = {}) =>
      (manifest: Manifest): Manifest => ({
        ...manifest,
        proof: { upTo: { height, id: tip.indexBlockHash }, version: proofVersion, ...changes },
      });

    it.each<[string, Partial<ProofRecord>, Partial<Parameters<typeof restoreConfig>[1]>]>([
      ["everything is proven anew", {}, { check: "full" }],
      ["the claim is of another version", { version: proofVersion + 1 }, { check: "proof" }],
      [
        "the claim is of a block that is not in it",
        { upTo: { height, id: "ab".repeat(32) } },
        { check: "proof" },
      ],
      ["the claim is of another height", { upTo: { height: 39, id: "" } }, { check: "proof" }],
      [
        "somebody else is to confirm it",
        {},
        { check: "proof", trustedSignerSets: { kind: "lines", lines: "" } },
      ],
    ])("refuses it where %s", async (_what, claim, given) => {
      const upTo = claim.upTo?.id === "" ? { height: 39, id: tip.indexBlockHash } : claim.upTo;
      await offer(damaged, claims({ ...claim, ...(upTo === undefined ? {} : { upTo }) }));
      const sets = given?.trustedSignerSets === undefined ? {} : { trustedSignerSets: line(0) };
      const before = host.digest();
      const { error } = await restore({ ...given, ...sets });
      expect(error).toMatchObject({ code: "CHAINSTATE_INCONSISTENT" });
      expect(host.digest()).toBe(before);
      expect(host.node.stops).toBe(0);
    });

    it("believes the claim where only what came after it is to be proven", async () => {
      await offer(damaged, claims());
      expect((await restore({ check: "proof" })).error).toBeUndefined();
    });
  });
});
