/** What may be published, what may be put in place, and what a node makes of it: checks, profiles, guards and health, through dist. */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, loadavg } from "node:os";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { createChainstate } from "../../simulator/chainstate.ts";
import { deleteWal } from "../../simulator/damage.ts";
import { startNode, waitForInfo } from "../../simulator/launch.ts";
import { databasePaths, type DatabaseKey } from "../../simulator/schema.ts";
import { fresh } from "./fresh.ts";
import { visibleSnapshots, type Setup } from "./support.ts";

const fixture = fileURLToPath(
  new URL("../../../shared/fixtures/sbtc-regtest-chainstate.tar.xz", import.meta.url),
);

/** A snapshot of a directory that no node works in. */
async function take(setup: Setup, directory: string, more: Readonly<Record<string, string>> = {}) {
  const inputs = {
    ...setup.snapshotInputs,
    "chainstate-dir": directory,
    "node-manager": "none",
    downtime: "full",
    ...more,
  };
  return (await setup.job(inputs).run()).main;
}

describe.skipIf(!existsSync(fixture))("the chainstate of a real node", () => {
  let setup: Setup;
  let real: string;

  async function unpack(): Promise<void> {
    setup = await fresh({ running: false });
    mkdirSync(join(setup.directory, "real"));
    execFileSync("tar", ["-xJf", fixture, "-C", join(setup.directory, "real")]);
    real = join(setup.directory, "real", "stacks-node");
  }

  it("is accepted at its tip", async () => {
    await unpack();
    const { exitCode, log, outputs } = await take(setup, real);
    expect(exitCode, log).toBe(0);
    expect(outputs["stacks-height"]).toBe("57");
    const catalog = await setup.job({ command: "list", storage: `file://${setup.store}` }).run();
    expect(catalog.main.outputs["snapshots"]).toContain("121f8d16");
  });

  const damages: readonly (readonly [string, readonly DatabaseKey[], string])[] = [
    ["all", ["clarity", "index", "nakamoto", "sortition", "headers"], "B"],
    ["clarity", ["clarity"], "B"],
    ["index", ["index"], "B"],
    ["nakamoto", ["nakamoto"], "D"],
    ["sortition", ["sortition"], "E"],
  ];
  for (const [name, keys, failed] of damages) {
    it(`is refused without its WAL: ${name}`, async () => {
      await unpack();
      deleteWal(real, ...keys);
      const { exitCode, log } = await take(setup, real);
      expect(exitCode).toBe(1);
      expect(log).toMatch(new RegExp(`^(?:::error::)?${failed} failed`, "m"));
      expect(visibleSnapshots(setup.store)).toEqual([]);
    });
  }

  it("holds nothing private when it is shared, and a node starts on it", async () => {
    await unpack();
    const { exitCode, log, outputs } = await take(setup, real, { profile: "share" });
    expect(exitCode, log).toBe(0);
    const file = new URL(outputs["archive-url"] ?? "").pathname;
    const names = execFileSync("tar", ["--zstd", "-tf", file], { encoding: "utf8" }).trim().split("\n");
    expect(names.filter((name) => /peer|mempool|miner|event_observers|tx_tracking|\/\._/.test(name))).toEqual(
      [],
    );
    const out = join(setup.directory, "shared");
    mkdirSync(out);
    execFileSync("tar", ["--zstd", "-xf", file, "-C", out]);
    expect(spawnSync("grep", ["-rlai", "private_key", out], { encoding: "utf8" }).stdout).toBe("");
    const node = startNode(setup.executable, [
      "--dir",
      join(out, "stacks-node"),
      "--rpc-port",
      String(setup.port),
      "--blocks-per-second",
      "5",
    ]);
    const info = await waitForInfo(setup.port);
    expect(info["stacks_tip_height"], node.log()).toBeGreaterThanOrEqual(57);
  });
});

describe("a snapshot that does not fit", () => {
  const others: readonly {
    readonly what: string;
    readonly code: string;
    readonly make: (dir: string) => void;
  }[] = [
    {
      what: "another network",
      code: "NETWORK_DIFFERS",
      make: (dir) => {
        createChainstate(dir, { era: "nakamoto", height: 40, network: { mainnet: true, chainId: 1 } });
      },
    },
    {
      what: "a newer schema",
      code: "SCHEMA_NEWER",
      make: (dir) => {
        createChainstate(dir, { era: "nakamoto", height: 40 });
        change(dir, "index", "UPDATE db_config SET version = '15'");
      },
    },
    {
      what: "a pruned chainstate",
      code: "SNAPSHOT_PRUNED",
      make: (dir) => {
        createChainstate(dir, { era: "nakamoto", height: 40 });
        change(
          dir,
          "index",
          "CREATE TABLE marf_squash_info (height INTEGER); INSERT INTO marf_squash_info VALUES (30)",
        );
      },
    },
  ];
  for (const { what, code, make } of others) {
    it(`is refused from its manifest alone, within a second: ${what}`, async () => {
      const setup = await fresh();
      const other = join(setup.directory, "other", "mainnet");
      make(other);
      const taken = await take(setup, other);
      expect(taken.exitCode, taken.log).toBe(0);
      // Were a byte of it asked for, the error would be another one.
      const folder = join(setup.store, "snapshots", taken.outputs["snapshot-id"] ?? "");
      for (const name of readdirSync(folder)) if (name !== "manifest.json") rmSync(join(folder, name));
      const before = setup.pids();
      const restore = { ...setup.snapshotInputs, command: "restore", "allow-lower-height": "true" };
      let refusedInMs = Infinity;
      // Where more wants to run than there are processors, a second becomes so many times as long.
      const limitMs = 1_000 * Math.max(1, (loadavg()[0] ?? 1) / availableParallelism());
      for (let left = 3; left > 0 && refusedInMs > limitMs; left -= 1) {
        const main = setup.job(restore).startMain();
        await main.waitForLog(/chainstate-snapshot \d/);
        const startedAt = performance.now();
        await main.waitForLog(new RegExp(`::error.*${code}`));
        refusedInMs = Math.min(refusedInMs, performance.now() - startedAt);
        const { exitCode, outputs } = await main.ended;
        expect(exitCode).toBe(1);
        expect(setup.pids()).toEqual(before);
        expect(outputs["node-running"]).toBe("true");
      }
      expect(refusedInMs).toBeLessThan(limitMs);
      if (code !== "SCHEMA_NEWER") return;
      const onPurpose = await setup
        .job({ ...restore, "allow-newer-schema": "true", "dry-run": "true" })
        .run();
      expect(onPurpose.main.exitCode, onPurpose.main.log).toBe(0);
    });
  }
});

describe("a node that is not well on what was restored", () => {
  const ills: readonly (readonly [string, readonly string[], string, boolean])[] = [
    ["answers 500", ["--rpc-fails"], "NODE_ANSWERS_ERRORS", true],
    ["is on another chain", ["--network-id", "99"], "NODE_WRONG_CHAIN", true],
    ["does not move", ["--blocks-per-second", "0"], "NODE_NOT_MOVING", true],
    ["is gone again", ["--exit-after-ms", "4000"], "NODE_GONE_AGAIN", false],
  ];
  for (const [what, flags, code, runs] of ills) {
    it(`gets its old chainstate back: ${what}`, async () => {
      const setup = await fresh();
      const taken = await setup.job(setup.snapshotInputs).run();
      expect(taken.main.exitCode, taken.main.log).toBe(0);
      const mark = join(setup.chainstate, "chainstate", "the-old-one");
      writeFileSync(mark, "");
      const { launcher } = setup.executable;
      const argv = ["--dir", setup.chainstate, "--rpc-port", String(setup.port), ...flags];
      const { main } = await setup
        .job({
          ...setup.snapshotInputs,
          command: "restore",
          "allow-lower-height": "true",
          "node-start-command": `${launcher} ${argv.join(" ")} >/dev/null 2>&1 &`,
          // Waited out where the node answers, and with errors.
          "start-timeout": code === "NODE_ANSWERS_ERRORS" ? "30s" : "240s",
          "sync-blocks": "60",
          "sync-timeout": "30s",
        })
        .run();
      expect(main.exitCode).toBe(1);
      expect(main.log).toContain(code);
      expect(existsSync(mark)).toBe(true);
      // What was fetched stays for the next run.
      const beside = readdirSync(dirname(setup.chainstate)).filter((name) => name.startsWith("."));
      expect(beside).toEqual([expect.stringMatching(/~mainnet-\d+-\w+-new$/)]);
      expect(!runs || setup.pids().length === 1).toBe(true);
    });
  }
});

function change(dir: string, key: DatabaseKey, sql: string): void {
  const database = new DatabaseSync(join(dir, databasePaths[key]));
  database.exec(sql);
  database.close();
}
