/** Nodes of others, who say whether a snapshot is of their chain: as a step runs it, its inputs and its words included. */
import { afterAll, beforeAll, expect, it } from "vitest";
import { setUp, visibleSnapshots, type Setup } from "./support.ts";

let setup: Setup;
let stranger: Setup;
const rpcOf = ({ port }: Setup): string => `http://127.0.0.1:${port}`;

beforeAll(async () => {
  setup = await setUp();
  // Of the same network and another chain, and ahead.
  stranger = await setUp({ height: 900, nodeArguments: ["--blocks-per-second", "0"] });
});
afterAll(async () => {
  await setup.remove();
  await stranger.remove();
});

it("a snapshot of another chain than theirs is not published, and the node runs", async () => {
  const inputs = { ...setup.snapshotInputs, "confirm-with": rpcOf(stranger) };
  const { main } = await setup.job(inputs).run();
  expect(main.exitCode, main.log).toBe(1);
  expect(main.log).toContain("CHAIN_DIFFERS");
  expect(visibleSnapshots(setup.store)).toEqual([]);
  expect(setup.pids()).toHaveLength(1);
});

it("one of theirs is, and says who confirmed it", async () => {
  const { main } = await setup.job(setup.snapshotInputs).run();
  expect(main.exitCode, main.log).toBe(0);
  const verify = { command: "verify", storage: `file://${setup.store}`, "confirm-with": rpcOf(setup) };
  const confirmed = (await setup.job(verify).run()).main;
  expect(confirmed.exitCode, confirmed.log).toBe(0);
  expect(confirmed.summary).toContain(`confirmed by ${rpcOf(setup)}: the block is theirs`);
});
