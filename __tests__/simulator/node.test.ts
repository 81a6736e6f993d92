import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, readlinkSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ChainWriter, createChainstate } from "../../simulator/chainstate.ts";
import { whyInconsistent } from "../../simulator/consistency.ts";
import {
  freePort,
  makeNodeExecutable,
  type NodeExecutable,
  type RunningNode,
  startNode,
  waitForInfo,
} from "../../simulator/launch.ts";

let root: string;
let dir: string;
let executable: NodeExecutable;
let running: RunningNode[];

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "simulator-"));
  dir = join(root, "mainnet");
  executable = makeNodeExecutable(join(root, "node"));
  running = [];
});

afterEach(async () => {
  for (const node of running) {
    node.child.kill("SIGKILL");
    await node.ended;
  }
  rmSync(root, { recursive: true, force: true });
});

function start(...args: string[]): RunningNode {
  const node = startNode(executable, ["--dir", dir, ...args]);
  running.push(node);
  return node;
}

describe("the simulated node", () => {
  it("grows, answers, stops gracefully, and leaves a consistent chainstate with live WALs", async () => {
    const created = createChainstate(dir, { era: "nakamoto", height: 30 });
    const port = await freePort();
    const node = start("--rpc-port", String(port), "--blocks-per-second", "50", "--stop-delay-ms", "300");
    const first = await waitForInfo(port);
    expect(first["stacks_tip_height"]).toBeGreaterThanOrEqual(30);
    expect(basename(readlinkSync(`/proc/${node.pid}/exe`))).toBe("stacks-node");
    await expect.poll(async () => (await waitForInfo(port))["stacks_tip_height"]).toBeGreaterThan(35);

    const asked = Date.now();
    node.child.kill("SIGTERM");
    expect(await node.ended).toEqual({ exitCode: 0, signal: null });
    expect(Date.now() - asked).toBeGreaterThanOrEqual(290);
    expect(node.log()).toContain("Graceful termination request received (signal SIGTERM)");
    expect(node.log()).toContain("Exiting stacks-node");
    expect(statSync(join(dir, "chainstate/vm/clarity/marf.sqlite-wal")).size).toBeGreaterThan(0);

    const chain = ChainWriter.open(dir);
    expect(chain.tip.height).toBeGreaterThan(created.height + 5);
    expect(whyInconsistent(chain)).toBeUndefined();
    chain.close(false);
  });

  it.each(["clarity/marf", "index", "../blocks/nakamoto", "../../burnchain/sortition/marf"])(
    "panics when the WAL of %s is gone",
    async (name) => {
      createChainstate(dir, { era: "nakamoto", height: 30 });
      rmSync(join(dir, "chainstate/vm", `${name}.sqlite-wal`));
      const node = start("--no-rpc");
      expect(await node.ended).toEqual({ exitCode: 101, signal: null });
      expect(node.log()).toContain("panicked");
    },
  );

  it.each([
    ["clarity", "Clarity stands at"],
    ["index", "sortition database's tip"],
    ["nakamoto", "sortition database's tip"],
  ] as const)("panics when it died after the commit of %s", async (until, why) => {
    createChainstate(dir, { era: "nakamoto", height: 30 });
    const chain = ChainWriter.open(dir);
    chain.appendBlock({ until });
    chain.close(true);
    const node = start("--no-rpc");
    expect((await node.ended).exitCode).toBe(101);
    expect(node.log()).toContain(why);
  });

  it("makes private and recreatable databases anew", async () => {
    createChainstate(dir, { era: "nakamoto", height: 30, blocksInWal: 0 });
    for (const gone of ["peer.sqlite", "miner.sqlite", "chainstate/mempool.sqlite", "chainstate/estimates"])
      rmSync(join(dir, gone), { recursive: true });
    const port = await freePort();
    const node = start("--rpc-port", String(port));
    await waitForInfo(port);
    expect(existsSync(join(dir, "peer.sqlite"))).toBe(true);
    node.child.kill("SIGINT");
    expect((await node.ended).exitCode).toBe(0);
  });

  it("misbehaves as told", async () => {
    createChainstate(dir, { era: "epoch2", height: 5 });
    const crashing = start("--no-rpc", "--crash-on-stop", "--stop-delay-ms", "0");
    await expect.poll(() => crashing.log()).toContain("Advanced to new tip");
    crashing.child.kill("SIGTERM");
    expect((await crashing.ended).exitCode).toBe(101);

    const quitting = start("--no-rpc", "--exit-after-ms", "200");
    expect(await quitting.ended).toEqual({ exitCode: 0, signal: null });
    expect(quitting.log()).not.toContain("Graceful");
  });

  it("says its version on stdout", () => {
    const line = execFileSync(executable.launcher, ["version"], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    });
    expect(line).toBe("stacks-node 4.0.2 (0123abc, release build, linux [x86_64])\n");
  });
});

describe("the generated chainstate", () => {
  it.each([
    { era: "nakamoto", height: 12 },
    { era: "nakamoto", height: 12, generation: "previous" },
    { era: "epoch2", height: 12 },
    { era: "epoch2", height: 12, generation: "epoch2" },
    { era: "nakamoto", height: 1, blocksInWal: 0 },
    { era: "epoch2", height: 0 },
  ] as const)("is one a node runs on: %o", (options) => {
    const tip = createChainstate(dir, options);
    expect(tip.height).toBe(options.height);
    const chain = ChainWriter.open(dir);
    expect(whyInconsistent(chain)).toBeUndefined();
    chain.appendBlock();
    expect(chain.tip.height).toBe(options.height + 1);
    expect(whyInconsistent(chain)).toBeUndefined();
    chain.close(false);
  });

  it("is the same for the same seed and another for another", () => {
    const options = { era: "nakamoto", height: 12 } as const;
    const first = createChainstate(dir, options);
    expect(createChainstate(join(root, "again"), options)).toEqual(first);
    expect(createChainstate(join(root, "other"), { ...options, seed: "other" })).not.toEqual(first);
  });

  it("goes on from a real one", ({ skip }) => {
    const fixture = join(import.meta.dirname, "../../../shared/fixtures/sbtc-regtest-chainstate.tar.xz");
    if (!existsSync(fixture)) skip();
    execFileSync("tar", ["-xJf", fixture, "-C", root]);
    cpSync(join(root, "stacks-node"), dir, { recursive: true });
    const chain = ChainWriter.open(dir);
    expect(chain.tip).toMatchObject({ height: 57, era: "nakamoto", burnHeight: 238 });
    expect(whyInconsistent(chain)).toBeUndefined();
    for (let i = 0; i < 7; i++) chain.appendBlock();
    expect(whyInconsistent(chain)).toBeUndefined();
    chain.close(true);
  });
});
