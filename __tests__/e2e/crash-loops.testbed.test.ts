/**
 * A node that ends again and again on a damaged chainstate, under supervisors that start it each time: the usual reason to
 * restore. Through the action, on the real systemd: at the end the node runs on what was restored, once, and stays.
 */
import { existsSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { livesOf } from "../node/systemd/systemd-bed.ts";
import { bySystemd, type SupervisorKind } from "./supervisors.ts";
import { pause, setUp, until, untilNodeRuns, type Setup } from "./support.ts";

const open: Setup[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map(async (setup) => await setup.remove()));
});

const flag = "panic.flag";
const forEver = { head: () => "StartLimitIntervalSec=0" };

const damages = {
  "panics after a second": (setup: Setup) => writeFileSync(join(setup.chainstate, flag), ""),
  "panics at once": (setup: Setup) => rmSync(join(setup.chainstate, "chainstate/blocks/nakamoto.sqlite")),
};

type Case = readonly [kept: string, damage: keyof typeof damages, kind: SupervisorKind | undefined];
const cases: readonly Case[] = [
  ["systemd Restart=always", "panics after a second", bySystemd("Restart=always\nRestartSec=500ms", forEver)],
  ["systemd Restart=always", "panics at once", bySystemd("Restart=always\nRestartSec=100ms", forEver)],
];
const upHere = cases.filter(([, , kind]) => kind !== undefined);

describe.skipIf(upHere.length === 0)("a node that crash-loops", () => {
  it.each(upHere)("%s, %s: is restored and runs once", { timeout: 600_000 }, async (_kept, damage, kind) => {
    const setup = await setUp({ kind: kind!, panicsWhile: flag, nodeArguments: ["--stop-delay-ms", "300"] });
    open.push(setup);
    const taken = await setup.job({ ...setup.snapshotInputs, downtime: "full" }).run();
    expect(taken.main.exitCode, taken.main.log).toBe(0);
    const [pid = 0] = setup.pids();
    damages[damage](setup);
    process.kill(pid, "SIGKILL");
    await until("it has panicked", () => setup.nodeLog().includes("panicked"));

    const inputs = { ...setup.snapshotInputs, command: "restore", "allow-lower-height": "true" };
    const { main, post } = await setup.job(inputs).run();
    expect(main.exitCode, main.log).toBe(0);
    await untilNodeRuns(setup);
    const now = setup.pids();
    const lives = livesOf(setup.nodeLog());
    // Longer than every supervisor here waits before it starts it once more.
    await pause(3_000);
    expect(setup.pids()).toEqual(now);
    expect(livesOf(setup.nodeLog())).toEqual(lives);
    expect(await setup.height()).toBeGreaterThanOrEqual(Number(taken.main.outputs["stacks-height"]));
    expect(main.outputs["node-running"]).toBe("true");
    expect(main.summary).toContain("The node is running");
    expect(`${main.log}${post.log}`).not.toMatch(/::error/);
    const state = join(setup.directory, "state");
    expect(existsSync(state) ? readdirSync(state).filter((name) => name.endsWith(".json")) : []).toEqual([]);
  });
});
