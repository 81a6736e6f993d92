import { execFileSync } from "node:child_process";
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { describe, expect, it } from "vitest";
import { expectOthersToTakeIt } from "./other-tools.ts";
import { fresh } from "./fresh.ts";
import { hasFixture, isScratch, treeOf, visibleSnapshots } from "./support.ts";
import { publishAtOnce } from "./two-at-once.ts";

describe("a snapshot of a running node", () => {
  it("is published with the evidence of a clean stop, and the node is back", async () => {
    const setup = await fresh();
    const before = setup.pids();
    const { main, post } = await setup.job(setup.snapshotInputs).run();
    expect(main.exitCode, main.log).toBe(0);
    expect(post.exitCode, post.log).toBe(0);
    expect(setup.pids()).toHaveLength(1);
    expect(setup.pids()).not.toEqual(before);
    const manifest = JSON.parse(readFileSync(main.outputs["manifest-path"] ?? "", "utf8"));
    expect(manifest.cleanStop.exitCode === 0 || manifest.cleanStop.exitCode === null).toBe(true);
    const evidence = manifest.cleanStop.evidence.map(({ id }: { id: string }) => id);
    expect(evidence).toEqual(
      expect.arrayContaining(["process-gone", "rpc-closed", "no-open-files", "files-stable"]),
    );
    expect(manifest.checks.filter(({ result }: { result: string }) => result === "failed")).toEqual([]);
    // Its executable, Node itself, answers no `version`; its RPC does.
    expect(manifest.node).toMatchObject({ version: "4.0.2", commit: "0123abc" });
    expect(main.outputs["node-running"]).toBe("true");
    expect(Number(main.outputs["downtime-seconds"])).toBeGreaterThan(0);
    expect(Number(main.outputs["stacks-height"])).toBe(manifest.chain.stacksHeight);
    expect(visibleSnapshots(setup.store)).toEqual([main.outputs["snapshot-id"]]);
    expect(main.summary).toContain("gantt");
    expect(
      readdirSync(join(setup.directory, "state"), { recursive: true }).filter((name) =>
        String(name).endsWith(".json"),
      ),
    ).toEqual([]);
  });

  it("of a node that was down leaves it down", async () => {
    const setup = await fresh({ running: false });
    const { main } = await setup
      .job({ ...setup.snapshotInputs, "node-manager": "none", downtime: "full" })
      .run();
    expect(main.exitCode, main.log).toBe(0);
    expect(setup.pids()).toEqual([]);
  });

  it("changes nothing with dry-run", async () => {
    const setup = await fresh();
    const before = setup.pids();
    const { main } = await setup.job({ ...setup.snapshotInputs, "dry-run": "true" }).run();
    expect(main.exitCode, main.log).toBe(0);
    expect(setup.pids()).toEqual(before);
    expect(visibleSnapshots(setup.store)).toEqual([]);
  });

  it("fails without a trace when the store cannot be written, and the node was never stopped", async () => {
    const setup = await fresh();
    const before = setup.pids();
    writeFileSync(join(setup.directory, "no-directory"), "");
    const { main } = await setup
      .job({ ...setup.snapshotInputs, storage: `file://${setup.directory}/no-directory/store` })
      .run();
    expect(main.exitCode).toBe(1);
    expect(setup.pids()).toEqual(before);
  });
});

describe("what was archived", () => {
  // A cold cut, since the way by SQLite's locks leaves out what a WAL holds beyond its last transaction.
  for (const [name, options] of [
    ["generated, nobody has it open", { running: false }],
    ["real, held open by a node", { real: true }],
  ] as const) {
    it.skipIf("real" in options && !hasFixture)(`comes back byte for byte (${name})`, async () => {
      const setup = await fresh(options);
      const manager = "real" in options ? {} : { "node-manager": "none" };
      const { main } = await setup.job({ ...setup.snapshotInputs, ...manager, downtime: "full" }).run();
      expect(main.exitCode, main.log).toBe(0);
      const expected = treeOf(setup.chainstate, isScratch);
      const file = new URL(main.outputs["archive-url"] ?? "").pathname;
      expectOthersToTakeIt(file, setup.directory, expected);
      const checksum = 'cd "$(dirname "$1")" && sha256sum -c "$(basename "$1").sha256"';
      execFileSync("sh", ["-c", checksum, "sh", file]);

      const target = join(setup.directory, "restored", basename(setup.chainstate));
      const restore = await setup
        .job({
          command: "restore",
          "chainstate-dir": target,
          storage: `file://${setup.store}`,
          "node-manager": "none",
        })
        .run();
      expect(restore.main.exitCode, restore.main.log).toBe(0);
      expect(treeOf(target, isScratch)).toEqual(expected);
    });
  }
});

describe("two runs at once", () => {
  it("both end up in the catalogue of one directory, and latest is the newer", async () => {
    const hosts = await Promise.all([fresh(), fresh({ height: 90 })]);
    const { made, listed, newest, latest, verified } = await publishAtOnce(hosts, {
      storage: `file://${hosts[0].store}`,
    });
    expect(listed).toEqual(made);
    expect(newest).toContain(latest);
    expect(verified.exitCode, verified.log).toBe(0);
  });
});

describe("a restore onto a running node", () => {
  it("puts the snapshot in place, the node runs on it, and the old directory is gone", async () => {
    const setup = await fresh();
    const taken = await setup.job(setup.snapshotInputs).run();
    expect(taken.main.exitCode, taken.main.log).toBe(0);
    const { main } = await setup
      .job({ ...setup.snapshotInputs, command: "restore", "allow-lower-height": "true" })
      .run();
    expect(main.exitCode, main.log).toBe(0);
    expect(setup.pids()).toHaveLength(1);
    expect(await setup.height()).toBeGreaterThanOrEqual(Number(taken.main.outputs["stacks-height"]));
    expect(readdirSync(join(setup.directory, "node")).filter((name) => name.startsWith("."))).toEqual([]);
    expect(main.outputs["restored-dir"]).toBe(setup.chainstate);
  });
});
