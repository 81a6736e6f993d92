import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import {
  confirmedBefore,
  forgetProven,
  provenBefore,
  rememberConfirmed,
  rememberProven,
} from "../../../src/chainstate/proof/remembered.ts";
import { sampleManifest } from "../../catalog/samples.ts";
import type { ChainFacts } from "../../../src/domain/manifest.ts";

const proof = { upTo: { height: 7, id: "ab".repeat(32) }, version: 1 };
let stateDir: string;
beforeEach(() => {
  stateDir = mkdtempSync(join(tmpdir(), "state-"));
});
afterEach(() => rmSync(stateDir, { recursive: true, force: true }));

it("is of one chainstate, and gone once another takes its place", async () => {
  await rememberProven(stateDir, "/var/stacks/mainnet", proof);
  expect(await provenBefore(stateDir, "/var/stacks/mainnet")).toEqual(proof);
  expect(await provenBefore(stateDir, "/var/stacks/xenon")).toBeUndefined();
  await forgetProven(stateDir, "/var/stacks/mainnet");
  expect(await provenBefore(stateDir, "/var/stacks/mainnet")).toBeUndefined();
  await forgetProven(stateDir, "/var/stacks/mainnet");
});

it.each(["", "{", JSON.stringify({ chainstate: "/a", proof: { upTo: { height: 7, id: "x" }, version: 1 } })])(
  "that cannot be read is nothing: %j",
  async (text) => {
    await rememberProven(stateDir, "/a", proof);
    const [name = ""] = readdirSync(stateDir);
    writeFileSync(join(stateDir, name), text);
    expect(await provenBefore(stateDir, "/a")).toBeUndefined();
  },
);

const chain = (network: string, mainnet: boolean): ChainFacts => ({
  ...sampleManifest({ at: new Date() }).chain,
  network,
  mainnet,
  chainId: mainnet ? 1 : 2_147_483_648,
});

it("a set of signers is of one chain, whatever its directory on mainnet, and never goes back", async () => {
  const set = (cycle: number) => ({ cycle, digest: "ab".repeat(32) });
  const setOf = async (facts: ChainFacts) => (await confirmedBefore(stateDir, facts)).set;
  await rememberConfirmed(stateDir, chain("mainnet", true), set(7));
  await rememberConfirmed(stateDir, chain("mainnet", true), set(6));
  expect(await setOf(chain("copy", true))).toEqual(set(7));
  expect(await setOf(chain("mainnet", false))).toBeUndefined();
  await rememberConfirmed(stateDir, chain("xenon", false), set(3));
  expect(await setOf(chain("krypton", false))).toBeUndefined();
  expect(await setOf(chain("xenon", false))).toEqual(set(3));
  writeFileSync((await confirmedBefore(stateDir, chain("xenon", false))).file, "{");
  expect(await setOf(chain("xenon", false))).toBeUndefined();
});
