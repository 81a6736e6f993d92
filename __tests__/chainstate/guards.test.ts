import { describe, expect, it } from "vitest";
import type { ChainFacts } from "../../src/domain/manifest.ts";
import { compareWithRpc } from "../../src/chainstate/compare-rpc.ts";
import { checkFits, type Target } from "../../src/chainstate/guards.ts";

const chain: ChainFacts = {
  network: "mainnet",
  mainnet: true,
  chainId: 1,
  stacksHeight: 5_000_000,
  stacksTip: "ab".repeat(32),
  consensusHash: "cd".repeat(20),
  burnHeight: 960_000,
  epochEra: "nakamoto",
  schemas: { index: 14, sortition: 11, burnchain: 3, nakamoto: 5, marf: 3, headers: 3 },
  pruned: false,
};
const testnet: ChainFacts = { ...chain, network: "xenon", mainnet: false, chainId: 2147483648 };
const nothing: Target = {
  replaced: undefined,
  nodeVersion: undefined,
  node: undefined,
  allowNewerSchema: false,
  allowLowerHeight: false,
};
const mainnetNode = { network_id: 1, parent_network_id: 3652501241 };

describe("a lower height", () => {
  const higher = { ...chain, stacksHeight: chain.stacksHeight + 1 };

  it("is refused after everything else, unless it is wanted", () => {
    const target = { ...nothing, replaced: higher };
    expect(() => checkFits(chain, target)).toThrow("at Stacks height 5000000, and the chainstate");
    expect(() => checkFits({ ...testnet }, target)).toThrow("flag is false");
    expect(() => checkFits(chain, { ...target, allowLowerHeight: true })).not.toThrow();
  });

  it("is none where the height of one of the two is not known, or they are equal", () => {
    for (const [snapshot, replaced] of [
      [chain, { ...higher, stacksTip: null }],
      [{ ...chain, stacksTip: null, stacksHeight: 0 }, higher],
      [chain, chain],
      [chain, undefined],
    ] as const)
      expect(() => checkFits(snapshot, { ...nothing, replaced })).not.toThrow();
  });
});

describe("what fits", () => {
  it.each<[string, ChainFacts, Partial<Target>]>([
    ["an empty directory and no node", chain, {}],
    ["the same chain", chain, { replaced: chain, nodeVersion: "4.0.2", node: mainnetNode }],
    ["an older chainstate of the same schemas", chain, { replaced: { ...chain, stacksHeight: 1 } }],
    [
      "an older schema onto a newer one",
      { ...chain, schemas: { ...chain.schemas, index: 12 } },
      { replaced: chain },
    ],
    ["a directory of another name", { ...chain, network: "stacks-node" }, { replaced: chain }],
    [
      "a wreck of which nothing can be read",
      chain,
      {
        replaced: {
          ...chain,
          mainnet: null,
          chainId: null,
          stacksTip: null,
          schemas: {
            index: null,
            sortition: null,
            burnchain: null,
            nakamoto: null,
            marf: null,
            headers: null,
          },
        },
      },
    ],
    [
      "a node of a release that is not known yet",
      { ...chain, schemas: { ...chain.schemas, index: 15 } },
      { nodeVersion: "4.1.0" },
    ],
    [
      "a newer schema, on purpose",
      { ...chain, schemas: { ...chain.schemas, index: 15 } },
      { replaced: chain, nodeVersion: "4.0.2", allowNewerSchema: true },
    ],
    ["pruned onto pruned", { ...chain, pruned: true }, { replaced: { ...chain, pruned: true } }],
    ["pruned into an empty directory", { ...chain, pruned: true }, {}],
  ])("%s", (_name, snapshot, target) => {
    expect(() => checkFits(snapshot, { ...nothing, ...target })).not.toThrow();
  });
});

describe("what does not", () => {
  it.each<[string, string, ChainFacts, Partial<Target>]>([
    ["mainnet onto testnet", "NETWORK_DIFFERS", chain, { replaced: testnet }],
    ["testnet onto mainnet", "NETWORK_DIFFERS", testnet, { replaced: chain }],
    ["another chain id", "NETWORK_DIFFERS", { ...testnet, chainId: 7 }, { replaced: testnet }],
    [
      "testnets that share a chain id",
      "NETWORK_DIFFERS",
      { ...testnet, network: "krypton" },
      { replaced: testnet },
    ],
    ["a running node of another network", "NETWORK_DIFFERS", testnet, { node: mainnetNode }],
    [
      "a mainnet flag that the node's network id belies",
      "NETWORK_DIFFERS",
      { ...chain, mainnet: false },
      { node: mainnetNode },
    ],
    ["even with allow-newer-schema", "NETWORK_DIFFERS", chain, { replaced: testnet, allowNewerSchema: true }],
    [
      "a schema newer than the replaced one's",
      "SCHEMA_NEWER",
      chain,
      { replaced: { ...chain, schemas: { ...chain.schemas, index: 13 } } },
    ],
    [
      "a sortition schema of two digits",
      "SCHEMA_NEWER",
      chain,
      { replaced: { ...chain, schemas: { ...chain.schemas, sortition: 9 } } },
    ],
    [
      "a schema newer than the node opens",
      "SCHEMA_NEWER",
      { ...chain, schemas: { ...chain.schemas, marf: 4 } },
      { nodeVersion: "4.0.2" },
    ],
    [
      "a schema newer than an older node opens",
      "SCHEMA_NEWER",
      { ...chain, schemas: { ...chain.schemas, index: 15 } },
      { nodeVersion: "3.2.0.0.1" },
    ],
    ["pruned onto whole", "SNAPSHOT_PRUNED", { ...chain, pruned: true }, { replaced: chain }],
  ])("%s", (_name, code, snapshot, target) => {
    expect(() => checkFits(snapshot, { ...nothing, ...target })).toThrow(expect.objectContaining({ code }));
  });
});

describe("the node that wrote it", () => {
  const fits = (producer: string | null, target: Partial<Target>) => () =>
    checkFits(chain, { ...nothing, ...target }, producer);

  it.each([
    ["3.3.0.0.6", "3.3.0.0.5"],
    ["4.0.2", "3.3.0.0.5.0"],
    ["4.0.2", "3.2.0.0.1"],
    ["3.3.0.0.10-rc1", "3.3"],
  ])("%s writes what %s cannot read", (producer, nodeVersion) => {
    expect(fits(producer, { nodeVersion })).toThrow(expect.objectContaining({ code: "SCHEMA_NEWER" }));
    expect(fits(producer, { nodeVersion, allowNewerSchema: true })).not.toThrow();
  });

  it.each([
    ["4.0.2", "4.0.1"],
    ["4.0.2", "3.3.0.0.6"],
    ["3.3.0.0.5", "3.2.0.0.1"],
    [null, "3.2.0.0.1"],
    ["4.0.2", undefined],
  ])("%s writes what %s can, as far as is known", (producer, nodeVersion) => {
    expect(fits(producer, { nodeVersion })).not.toThrow();
  });
});

describe("the RPC's word from before the stop", () => {
  const info = { network_id: 1, stacks_tip_height: chain.stacksHeight };

  it.each([
    ["is the databases'", 0, undefined],
    ["is a few blocks below", -5, undefined],
    ["is far below", -5000, "above what the node said"],
  ])("%s", (_name, difference, warning) => {
    const said = compareWithRpc(chain, { ...info, stacks_tip_height: chain.stacksHeight + difference });
    expect(said ?? "").toContain(warning ?? "");
    expect(said === undefined).toBe(warning === undefined);
  });

  it("is above: blocks were lost", () => {
    const above = { ...info, stacks_tip_height: chain.stacksHeight + 1 };
    expect(() => compareWithRpc(chain, above)).toThrow(expect.objectContaining({ code: "TIP_BEHIND_RPC" }));
    const tenure = { tip_block_id: "00", tip_height: chain.stacksHeight + 1 };
    expect(() => compareWithRpc(chain, info, tenure)).toThrow(
      expect.objectContaining({ code: "TIP_BEHIND_RPC" }),
    );
  });

  it("is of another network", () => {
    expect(() => compareWithRpc(chain, { ...info, network_id: 2147483648 })).toThrow(
      expect.objectContaining({ code: "RPC_OF_ANOTHER_CHAIN" }),
    );
  });

  it("names another block at the same height", () => {
    const tenure = { tip_block_id: "00".repeat(32), tip_height: chain.stacksHeight };
    expect(compareWithRpc(chain, info, tenure)).toContain("forked");
    expect(compareWithRpc(chain, info, { ...tenure, tip_block_id: chain.stacksTip ?? "" })).toBeUndefined();
  });
});
