/** A run that starts in the moment in which another was killed brings the node back itself, and takes it as one that runs. */
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { fresh } from "./fresh.ts";
import { visibleSnapshots } from "./support.ts";

it.each([
  ["by its process", {}],
  ["without an RPC", { "rpc-url": "none" }],
  ["found by `auto`", { "node-manager": "auto" }],
] as const)("waits until the node that it started is up: %s", async (_, more: Record<string, string>) => {
  const setup = await fresh({ nodeArguments: ["--stop-delay-ms", "700", "--start-delay-ms", "3000"] });
  const before = setup.pids();
  const inputs = { ...setup.snapshotInputs, ...more };
  const killed = setup.job(inputs).startMain();
  await killed.waitForLog(/Stopped in/);
  killed.child.kill("SIGKILL");
  await killed.ended;
  const { main } = await setup.job(inputs).run();
  expect(main.exitCode, main.log).toBe(0);
  expect(main.log).toContain("Finishing what it left");
  expect(main.log).toMatch(/Node: process .*, running/);
  const manifest = JSON.parse(readFileSync(main.outputs["manifest-path"] ?? "", "utf8"));
  expect(manifest.cleanStop.result).not.toBe("was not running");
  expect(visibleSnapshots(setup.store)).toEqual([main.outputs["snapshot-id"]]);
  expect(main.outputs["node-running"]).toBe("true");
  // Before, by the next run, and again after its own stop.
  expect(setup.nodeLog().match(/stacks-node \S+ starting/g)).toHaveLength(3);
  expect(setup.pids()).toHaveLength(1);
  expect(setup.pids()).not.toEqual(before);
});
