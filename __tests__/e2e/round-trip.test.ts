import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, it } from "vitest";
import { has, setUp, treeOf, visibleSnapshots, type Setup } from "./support.ts";

const open: Setup[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map(async (setup) => await setup.remove()));
});

async function fresh(...args: Parameters<typeof setUp>): Promise<Setup> {
  const setup = await setUp(...args);
  open.push(setup);
  return setup;
}

const isScratch = (path: string): boolean => /(?:-shm|\.reorg|\.tmp)$|(?:^|\/)\._/.test(path);

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
    const { main } = await setup.job({ ...setup.snapshotInputs, "node-manager": "none", cut: "cold" }).run();
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
  for (const fixture of ["generated", "real"] as const) {
    const archive = fileURLToPath(
      new URL("../../../shared/fixtures/sbtc-regtest-chainstate.tar.xz", import.meta.url),
    );
    it.skipIf(fixture === "real" && !existsSync(archive))(
      `comes back byte for byte (${fixture})`,
      async () => {
        const setup = await fresh({ running: false });
        let source = setup.chainstate;
        if (fixture === "real") {
          mkdirSync(join(setup.directory, "real"));
          execFileSync("tar", ["-xJf", archive, "-C", join(setup.directory, "real")]);
          source = join(setup.directory, "real", "stacks-node");
        }
        const snapshot = await setup
          .job({ ...setup.snapshotInputs, "chainstate-dir": source, "node-manager": "none", cut: "cold" })
          .run();
        expect(snapshot.main.exitCode, snapshot.main.log).toBe(0);
        const expected = treeOf(source, isScratch);
        const file = new URL(snapshot.main.outputs["archive-url"] ?? "").pathname;
        for (const [tool, ...argv] of [
          ["tar", "--zstd", "-xf", file, "-C"],
          ["bsdtar", "-xpf", file, "-C"],
        ] as const) {
          if (!has(tool)) continue;
          const out = join(setup.directory, `by-${tool}`);
          mkdirSync(out);
          execFileSync(tool, [...argv, out]);
          expect(treeOf(join(out, readdirSync(out)[0] ?? ""), isScratch)).toEqual(expected);
        }
        if (has("zstd")) execFileSync("zstd", ["-tq", file]);
        if (has("pzstd")) execFileSync("sh", ["-c", 'pzstd -dcq "$1" | tar -t >/dev/null', "sh", file]);
        execFileSync("sh", [
          "-c",
          'cd "$(dirname "$1")" && sha256sum -c "$(basename "$1").sha256"',
          "sh",
          file,
        ]);

        const target = join(setup.directory, "restored", "mainnet");
        mkdirSync(join(setup.directory, "restored"));
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
      },
    );
  }
});

describe("a damaged snapshot", () => {
  const files = ["archive", "index.json.zst", "manifest.json"] as const;
  for (const which of files) {
    it(`is refused, the target untouched and the node running: a flipped byte in ${which}`, async () => {
      const setup = await fresh();
      const { main } = await setup.job(setup.snapshotInputs).run();
      expect(main.exitCode, main.log).toBe(0);
      const folder = join(setup.store, "snapshots", main.outputs["snapshot-id"] ?? "");
      const file =
        which === "archive" ? new URL(main.outputs["archive-url"] ?? "").pathname : join(folder, which);
      const bytes = readFileSync(file);
      const at = Math.floor(bytes.length / 2);
      bytes[at] = (bytes[at] ?? 0) ^ 0x20;
      writeFileSync(file, bytes);
      cpSync(setup.chainstate, join(setup.directory, "copy"), { recursive: true });
      const pids = setup.pids();
      const restore = await setup
        .job({
          ...setup.snapshotInputs,
          command: "restore",
          // Nothing to take the damaged frame from instead.
          "seed-from": setup.store,
        })
        .run();
      expect(restore.main.exitCode, restore.main.log).toBe(1);
      expect(setup.pids()).toEqual(pids);
      expect(existsSync(join(setup.chainstate, "chainstate/vm/index.sqlite"))).toBe(true);
      expect(restore.main.log).toMatch(/The node (?:is running|was not touched)/);
      const verify = await setup.job({ command: "verify", storage: `file://${setup.store}` }).run();
      expect(verify.main.exitCode).toBe(1);
    });
  }
});

describe("a restore onto a running node", () => {
  it("puts the snapshot in place, the node runs on it, and the old directory is gone", async () => {
    const setup = await fresh();
    const taken = await setup.job(setup.snapshotInputs).run();
    expect(taken.main.exitCode, taken.main.log).toBe(0);
    const { main } = await setup.job({ ...setup.snapshotInputs, command: "restore" }).run();
    expect(main.exitCode, main.log).toBe(0);
    expect(setup.pids()).toHaveLength(1);
    expect(await setup.height()).toBeGreaterThanOrEqual(Number(taken.main.outputs["stacks-height"]));
    expect(readdirSync(join(setup.directory, "node")).filter((name) => name.startsWith("."))).toEqual([]);
    expect(main.outputs["restored-dir"]).toBe(setup.chainstate);
  });
});
