import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { forgetProven, provenBefore, rememberProven } from "../../../src/chainstate/proof/remembered.ts";

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
