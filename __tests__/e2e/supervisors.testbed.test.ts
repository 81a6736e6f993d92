/**
 * The bundled action on nodes that real supervisors keep. What each is asked: a stop that the node itself calls graceful,
 * evidence in the manifest, and the node back after success, a failed upload, a restore, and a run ended in the middle.
 * E2E_MOMENTS=all ends runs in every way at every moment; else each way and each moment comes up, but not each pair.
 */
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { describeEnding, endAt, endings, failuresOf, moments, type Ending } from "./moments.ts";
import { byCommand, byContainer, bySystemd, type SupervisorKind } from "./supervisors.ts";
import { setUp, until, visibleSnapshots, type Setup, type SetupOptions } from "./support.ts";

const open: Setup[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map(async (setup) => await setup.remove()));
});

async function fresh(kind: SupervisorKind, options?: SetupOptions): Promise<Setup> {
  const setup = await setUp({ kind, ...options });
  open.push(setup);
  return setup;
}

const kinds: readonly (readonly [string, SupervisorKind | undefined])[] = [
  ["systemd", bySystemd("TimeoutStopSec=600\nSendSIGKILL=no")],
  ["systemd, Restart=always", bySystemd("Restart=always\nRestartSec=100ms\nTimeoutStopSec=600")],
  // Half a second to stop, where the node takes longer: without the drop-in it is killed.
  ["systemd, short TimeoutStopSec", bySystemd("TimeoutStopSec=500ms\nSendSIGKILL=yes")],
  ["docker", byContainer("docker")],
  ["docker, restart unless-stopped", byContainer("docker", ["--restart", "unless-stopped"])],
  ["docker, restart always", byContainer("docker", ["--restart", "always"])],
  ["podman", byContainer("podman")],
  ["podman, restart always", byContainer("podman", ["--restart", "always"])],
  ["command", byCommand],
];

const slow = ["--stop-delay-ms", "1500", "--start-delay-ms", "500"];

for (const [name, kind] of kinds) {
  describe.skipIf(kind === undefined)(`${name}${kind === undefined ? " (not up: testbed/up)" : ""}`, () => {
    if (kind === undefined) return;

    it("stops as the node itself says, with evidence, and is back", async () => {
      const setup = await fresh(kind, { nodeArguments: slow });
      const before = setup.pids();
      const { main } = await setup.job(setup.snapshotInputs).run();
      expect(main.exitCode, main.log).toBe(0);
      expect(setup.nodeLog()).toMatch(/Graceful termination request received[^]*Exiting stacks-node/);
      const manifest = JSON.parse(readFileSync(main.outputs["manifest-path"] ?? "", "utf8"));
      const evidence = manifest.cleanStop.evidence.map(({ id }: { id: string }) => id);
      expect(evidence).toEqual(
        expect.arrayContaining(["process-gone", "rpc-closed", "no-open-files", "files-stable"]),
      );
      // A shell line tells nothing of how the node ended.
      expect(manifest.cleanStop.exitCode).toBe(kind === byCommand ? null : 0);
      expect(manifest.node.manager).toBe(kind.name);
      expect(main.outputs["node-running"]).toBe("true");
      expect(setup.pids()).toHaveLength(1);
      expect(setup.pids()).not.toEqual(before);
      expect(visibleSnapshots(setup.store)).toEqual([main.outputs["snapshot-id"]]);
    });
  });
}

const plain = kinds.filter(([name]) => !name.includes(","));

for (const [name, kind] of plain) {
  describe.skipIf(kind === undefined)(`a failure, ${name}`, () => {
    if (kind === undefined) return;

    it("is back after an upload that failed, and nothing is listed", async () => {
      const setup = await fresh(kind, { nodeArguments: slow, height: 300, extraBytes: 60_000 });
      const before = setup.pids();
      const job = setup.job(setup.snapshotInputs);
      const main = job.startMain();
      await main.waitForLog(/Freeze by/);
      // As a file server that goes away.
      renameSync(setup.store, `${setup.store}-gone`);
      writeFileSync(setup.store, "");
      const { exitCode, log } = await main.ended;
      await job.post();
      expect(exitCode, log).toBe(1);
      await until("the node runs", () => setup.pids().length === 1);
      expect(setup.pids()).not.toEqual(before);
      expect(log).toMatch(/The node is running/);
      expect(visibleSnapshots(`${setup.store}-gone`)).toEqual([]);
    });
  });

  describe.skipIf(kind === undefined)(`a restore, ${name}`, () => {
    if (kind === undefined) return;

    it("takes the place of the old chainstate while the node is down, and the node runs on it", async () => {
      const setup = await fresh(kind, { nodeArguments: slow });
      const taken = await setup.job(setup.snapshotInputs).run();
      expect(taken.main.exitCode, taken.main.log).toBe(0);
      const mark = join(setup.chainstate, "written-after");
      writeFileSync(mark, "");
      const before = setup.pids();
      const { main } = await setup
        .job({ ...setup.snapshotInputs, command: "restore", "allow-lower-height": "true" })
        .run();
      expect(main.exitCode, main.log).toBe(0);
      expect(main.outputs["node-running"]).toBe("true");
      expect(existsSync(mark)).toBe(false);
      expect(setup.pids()).toHaveLength(1);
      expect(setup.pids()).not.toEqual(before);
      expect(await setup.height()).toBeGreaterThanOrEqual(Number(taken.main.outputs["stacks-height"]));
    });
  });
}

for (const [name, kind] of plain) {
  describe.skipIf(kind === undefined)(`a run that is ended, ${name}`, () => {
    if (kind === undefined) return;
    const every = moments.flatMap((moment, at) =>
      endings
        .filter((_, way) => process.env["E2E_MOMENTS"] === "all" || way === (at * 5 + 3) % endings.length)
        .map((ending) => [moment, ending] as const),
    );
    it("brings the node back", { timeout: 1_800_000 }, async () => {
      const failures = await failuresOf(
        every,
        ([[when], ending]) => `${describeEnding(ending)} ${when}`,
        async ([[, pattern], ending]) => await endOne(kind, pattern, ending),
      );
      expect(failures).toEqual([]);
    });
  });
}

async function endOne(kind: SupervisorKind, pattern: RegExp, ending: Ending): Promise<void> {
  const setup = await setUp({ kind, nodeArguments: slow });
  try {
    await endAt(setup, pattern, ending);
  } finally {
    await setup.remove();
  }
}
