/** A node whose chainstate is damaged: its RPC takes connections and is silent, it takes SIGTERM and never ends. */
import { readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { pause, setUp, until, type Setup } from "./support.ts";

const open: Setup[] = [];
afterEach(async () => {
  for (const setup of open.splice(0)) {
    for (const pid of setup.pids()) process.kill(pid, "SIGKILL");
    await setup.remove();
  }
});

/** A healthy one is snapshotted; then its chainstate gets a file that makes every node on it a broken one. */
async function broken(): Promise<{ setup: Setup; height: string }> {
  const setup = await setUp({ brokenWhile: "broken.flag", height: 60 });
  open.push(setup);
  const { main } = await setup.job(setup.snapshotInputs).run();
  expect(main.exitCode, main.log).toBe(0);
  const [pid = 0] = setup.pids();
  process.kill(pid, "SIGKILL");
  await until("it has ended", () => setup.pids().length === 0);
  writeFileSync(join(setup.chainstate, "broken.flag"), "");
  setup.start();
  await until("it runs again", () => setup.nodeLog().includes("RPC listening"));
  await until("it has the directory open", () => setup.pids().length === 1);
  await pause(1_000);
  return { setup, height: main.outputs["stacks-height"] ?? "" };
}

const staged = (setup: Setup): string[] =>
  readdirSync(dirname(setup.chainstate)).filter((name) => name.endsWith("-new"));

describe("a broken node", () => {
  it("is restored with force-stop: it alone is killed, and the node is up on the snapshot, once", async () => {
    const { setup, height } = await broken();
    const [old = 0] = setup.pids();
    const inputs = {
      ...setup.snapshotInputs,
      command: "restore",
      "allow-lower-height": "true",
      "stop-timeout": "3s",
    };
    const { main } = await setup.job({ ...inputs, "force-stop": "true" }).run();
    expect(main.exitCode, main.log).toBe(0);
    expect(main.log).toContain(`SIGKILL to pid ${old}`);
    expect(setup.pids()).toHaveLength(1);
    expect(setup.pids()).not.toContain(old);
    expect(await setup.height()).toBeGreaterThanOrEqual(Number(height));
    expect(main.outputs["node-running"]).toBe("true");
    expect(staged(setup)).toEqual([]);
  });

  it("is told to stop without it, which names the input; what was fetched stays, and the next run goes on from there", async () => {
    const { setup, height } = await broken();
    const [old = 0] = setup.pids();
    // Nothing is taken from the directory that is replaced.
    const seeds = { "seed-from": join(setup.directory, "none") };
    const inputs = {
      ...setup.snapshotInputs,
      command: "restore",
      "allow-lower-height": "true",
      "stop-timeout": "3s",
      ...seeds,
    };
    const first = await setup.job(inputs).main();
    expect(first.exitCode).toBe(1);
    expect(first.log).toMatch(/NODE_STOP_TIMEOUT[^]*force-stop: true/);
    expect(first.log).toContain("The node was asked to stop and has not ended yet");
    expect(first.outputs["node-running"]).toBe("stopping");
    expect(first.summary).toContain("asked to stop and has not ended");
    expect(setup.pids()).toEqual([old]);
    expect(staged(setup)).toHaveLength(1);
    expect(Number(first.outputs["fetched-bytes"])).toBeGreaterThan(0);
    const second = await setup.job({ ...inputs, "force-stop": "true" }).run();
    expect(second.main.exitCode, second.main.log).toBe(0);
    expect(second.main.outputs["fetched-bytes"]).toBe("0");
    expect(setup.pids()).toHaveLength(1);
    expect(setup.pids()).not.toContain(old);
    expect(await setup.height()).toBeGreaterThanOrEqual(Number(height));
    expect(staged(setup)).toEqual([]);
  });
});
