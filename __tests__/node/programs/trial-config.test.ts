/** What a node that is tried is told: to be nobody's node. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse } from "smol-toml";
import { expect, onTestFinished, test } from "vitest";
import { operatorsConfig } from "../../../simulator/programs.ts";
import { readTrialConfig } from "../../../src/node/programs/trial-config.ts";

function fileWith(text: string): string {
  const directory = mkdtempSync(join(tmpdir(), "trial-config-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  const file = join(directory, "Config.toml");
  writeFileSync(file, text);
  return file;
}

test("it has none of the operator's keys, peers, observers and addresses, and all else", async () => {
  const config = await readTrialConfig(fileWith(operatorsConfig));
  const text = config.text("/scratch/node", { rpc: 1234, p2p: 1235 });
  for (const secret of [
    "5eed5eed",
    "9ee79ee7",
    "deadbeef",
    "letmein",
    "rpcuser",
    "rpcpassword",
    "example.org",
    "203.0.113.7",
    "3700",
    "0.0.0.0",
    "9153",
  ])
    expect(text).not.toContain(secret);
  expect(config.mode).toBe("mainnet");
  expect(parse(text, { integersAsBigInt: "asNeeded" })).toMatchObject({
    node: {
      name: "miner",
      working_dir: "/scratch/node",
      rpc_bind: "127.0.0.1:1234",
      p2p_bind: "127.0.0.1:1235",
      miner: false,
      stacker: false,
      bootstrap_node: "",
    },
    burnchain: { mode: "mainnet", peer_host: "127.0.0.1", peer_port: 8333, epochs: [{ start_height: 0 }] },
    connection_options: { num_neighbors: 32, disable_block_download: true },
  });
  // A node takes no float for a count, no count for a float, and 2^53 is too little.
  expect(text).toMatch(/^amount = 80000000000000000$/m);
  expect(text).toMatch(/^walk_seed_probability = 1\.0$/m);
  expect(text).toMatch(/^num_neighbors = 32$/m);
  expect(text).not.toMatch(/^\[miner\]|process_exit_at_block_height|events_observer/m);
});

test.each([
  ["nothing that is TOML, and none of it is quoted", 'seed = "5eed', "it is not TOML"],
  ["no network", '[node]\nseed = "5eed"\n', "names no network"],
  ["a network that leads elsewhere", '[burnchain]\nmode = "../mainnet"\n', "names no network"],
])("a configuration with %s is refused", async (_, text, why) => {
  const refused = readTrialConfig(fileWith(text));
  await expect(refused).rejects.toMatchObject({
    code: "PROGRAM_UNUSABLE",
    message: expect.stringContaining(why) as string,
  });
  await expect(refused).rejects.not.toMatchObject({ message: expect.stringContaining("5eed") as string });
});

test("one that is not there is refused", async () => {
  await expect(readTrialConfig("/nowhere/Config.toml")).rejects.toMatchObject({ code: "PROGRAM_UNUSABLE" });
});
