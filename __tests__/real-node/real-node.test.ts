/**
 * The action and the real programs of a node: snapshots of nodes that work, restores over them, kills of either, and each
 * snapshot executed again and booted by the node's own programs. How many of each the environment says; docs/real-node.md.
 */
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { RealNetwork, realPrograms, type RealNode } from "../../simulator/real/network.ts";
import { Job, type StepResult } from "../../simulator/runner.ts";
import { visibleSnapshots } from "../e2e/support.ts";

const found = realPrograms(process.env);
/** With the same programs by their names: then `boot` and `replay-blocks` take them from there. */
const image = process.env["STACKS_IMAGE"];
const isLong = process.env["REAL_NODE"] === "long";
/** How many, in the long form and in the short. */
const count = (name: string, long: number, short: number): number =>
  Number(process.env[`REAL_NODE_${name}`] ?? (isLong ? long : short));
const live = count("LIVE", 100, 3);
const stopped = count("STOPPED", 10, 1);
const nights = count("NIGHTS", 20, 2);
const restores = count("RESTORES", 20, 1);
const catchUps = count("CATCH_UPS", 10, 1);
const kills = count("KILLS", 50, 2);
const burnSeconds = count("BURN_SECONDS", 20, 10);

if ("missing" in found)
  process.stdout.write(
    `Skipped: ${found.missing}. Needed are STACKS_NODE, STACKS_SIGNER and STACKS_INSPECT, paths of the programs of stacks-core 4.0.2, ` +
      "and STACKS_PAIR, a folder with bitcoin/ and stacks-node/ of a regtest chain (docs/real-node.md).\n",
  );

describe.skipIf("missing" in found)("a real node", () => {
  let network: RealNetwork;
  let follower: RealNode;
  let directory: string;
  let store: string;
  let oldest: string;
  const figures: string[] = [];
  const programs = "missing" in found ? { node: "", signer: "", inspector: "" } : found.programs;

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), "real-node-"));
    // Root's programs are run by somebody else, who has to get there.
    chmodSync(directory, 0o755);
    store = join(directory, "store");
    mkdirSync(store);
    network = await RealNetwork.start({
      programs,
      pair: "missing" in found ? "" : found.pair,
      directory,
      burnBlockEverySeconds: burnSeconds,
      callsPerSecond: 2,
    });
    oldest = await snapshot(network.miner, { downtime: "none", profile: "share" });
    follower = await network.place("follower");
    expectPublished(await restore(follower));
    await network.waitForHeight(follower, await network.height(network.miner), 120);
  });
  afterAll(async () => {
    const sent = await network?.stop();
    note("calls of contracts", `${sent?.taken ?? 0} taken, ${sent?.refused ?? 0} refused`);
    const table = figures.join("\n");
    process.stdout.write(`\n${table}\n`);
    const file = process.env["REAL_NODE_FIGURES"];
    if (file !== undefined) writeFileSync(file, `${table}\n`);
    if (process.env["REAL_NODE_KEEP"] === undefined) rmSync(directory, { recursive: true, force: true });
  });

  it(`${live} live snapshots of the miner under load`, async () => {
    let [published, proven, tries] = [0, 0, 0];
    for (let n = 0; n < live; n += 1) {
      // What is carried in WALs has to be as good as what is archived whole.
      const carried = n % 2 === 1 ? { "rebase-above": "20%" } : {};
      tries += 1;
      const id = await snapshot(network.miner, {
        downtime: "none",
        check: "proof",
        ...carried,
        ...(n % 5 === 0 ? replay(10) : {}),
      });
      published += 1;
      await confirm(id);
      proven += 1;
      progress("live snapshots", proven);
      await pause(2_000);
    }
    note("live snapshots of the miner", `${published} of ${tries} published, ${proven} replayed and booted`);
    expect(proven).toBe(live);
  });

  it(`${stopped} short and full snapshots of a follower`, async () => {
    const seconds: string[] = [];
    for (let n = 0; n < stopped; n += 1) {
      for (const downtime of ["short", "full"]) {
        const { main, id } = await take(follower, { downtime, check: "quick" });
        seconds.push(`${downtime} ${main.outputs["downtime-seconds"]} s`);
        expect(network.pidsOf(follower)).toHaveLength(1);
        await confirm(id);
      }
    }
    note(
      "short and full snapshots of a follower",
      `${2 * stopped} replayed and booted; downtime ${seconds.join(", ")}`,
    );
  });

  it(`${nights} nights with carried pages`, async () => {
    const reused: string[] = [];
    for (let n = 0; n < nights; n += 1) {
      const before = await network.height(follower);
      await network.waitForHeight(follower, before + 5, 300);
      const { main, id } = await take(follower, { downtime: "short", check: "proof", "rebase-above": "20%" });
      reused.push(`${main.outputs["reused-percent"]} %`);
      await confirm(id);
    }
    expect(reused).toHaveLength(nights);
    note("nights with carried pages", `${nights} replayed and booted; taken over ${reused.join(", ")}`);
  });

  it(`${restores} restores over a running follower`, async () => {
    for (let n = 0; n < restores; n += 1) {
      const id = await snapshot(network.miner, { downtime: "none", profile: "share", check: "quick" });
      expectPublished(await restore(follower, id));
      expect(network.pidsOf(follower)).toHaveLength(1);
      await network.waitForHeight(follower, await network.height(network.miner), 180);
    }
    note("restores over a running follower", `${restores}, each followed the miner again`);
  });

  it(`${catchUps} live snapshots of a follower that catches up`, async () => {
    const behind: number[] = [];
    for (let n = 0; n < catchUps; n += 1) {
      // The oldest there is: all blocks since are to come from its peer.
      expectPublished(await restore(follower, oldest));
      const missing = (await network.height(network.miner)) - (await network.height(follower));
      const id = await snapshot(follower, { downtime: "none", check: "proof" });
      behind.push(missing);
      await confirm(id);
      await network.waitForHeight(follower, await network.height(network.miner), 300);
    }
    note(
      "live snapshots of a follower that catches up",
      `${catchUps} replayed and booted; behind by ${behind.join(", ")} blocks`,
    );
    expect(behind).toHaveLength(catchUps);
  });

  it(`${kills} kills of the node`, async () => {
    let [killed, refused] = [0, 0];
    for (let n = 0; n < kills; n += 1) {
      await pause(500 + Math.random() * 3_000);
      for (const pid of network.pidsOf(follower)) process.kill(pid, "SIGKILL");
      while (network.pidsOf(follower).length > 0) await pause(50);
      const main = await runJob(
        inputsOf(follower, { "node-manager": "none", "rpc-url": "none", check: "quick" }),
      );
      // A transaction of a database without a WAL that was cut off is the node's to roll back: no snapshot then.
      const isHot = main.log.includes("CHAINSTATE_NOT_AT_REST");
      expect(isHot).toBe(main.log.includes("is a hot rollback journal"));
      if (isHot) refused += 1;
      else {
        expectPublished(main);
        await confirm(main.outputs["snapshot-id"] ?? "");
      }
      network.startNode(follower);
      await network.waitForHeight(follower, await network.height(network.miner), 180);
      expect(network.pidsOf(follower)).toHaveLength(1);
      killed += 1;
      progress("kills of the node", killed);
    }
    note(
      "kills of the node",
      `${kills}; ${kills - refused} snapshots of what was left were replayed and booted, ${refused} refused for a hot journal`,
    );
  });

  it(`${kills} kills of the action`, async () => {
    for (let n = 0; n < kills; n += 1) {
      const job = reachable(
        new Job(inputsOf(follower, { downtime: n % 2 === 0 ? "short" : "full" }), jobOptions()),
      );
      const main = job.startMain();
      await pause(1_000 + Math.random() * 7_000);
      main.child.kill("SIGKILL");
      await main.ended;
      await job.post();
      job.remove();
      // The restart watchdog may be the one who starts it.
      await network.waitForHeight(follower, 1, 120);
      expect(network.pidsOf(follower)).toHaveLength(1);
      await network.waitForHeight(follower, await network.height(network.miner), 180);
      progress("kills of the action", n + 1);
    }
    const id = await snapshot(follower, { downtime: "short", check: "full" });
    await confirm(id);
    note("kills of the action", `${kills}: one node each time, and what it had was whole`);
  });

  it("a reward cycle later the signers still follow from the set of the first", async () => {
    const set = await snapshotSet();
    const from = await network.burnHeight();
    const boundary = Math.ceil((from + 1) / 20) * 20 + 2;
    while ((await network.burnHeight()) < boundary) await pause(2_000);
    const id = await snapshot(network.miner, { downtime: "none", check: "full", "trusted-signer-set": set });
    const verified = await verify(id, { check: "full", "trusted-signer-set": set });
    expect(verified.summary).toMatch(/they follow from the trusted set of cycle \d+/);
    note(
      "reward cycle",
      `boundary before burn block ${boundary} passed; followed from "${set.slice(0, 12)}…"`,
    );
  });

  it("a set that is not the chain's, and another chain's node, are refused", async () => {
    const [id = ""] = visibleSnapshots(store);
    const set = (await snapshotSet()).replace(/[0-9a-f]{8}$/, "00000000");
    const refused = await verify(id, { check: "full", "trusted-signer-set": set }, 1);
    expect(refused.log).toMatch(/SIGNER_SET_DIFFERS|CHAIN_UNCONFIRMED/);
  });

  it("damage below the tip is refused by the depth that should see it, whatever the node makes of it", async () => {
    const id = await snapshot(network.miner, { downtime: "none", profile: "share", check: "full" });
    const still = await network.place("still");
    const restored = await runJob({
      command: "restore",
      "chainstate-dir": still.chainstate,
      storage: `file://${store}`,
      snapshot: id,
      "node-manager": "none",
      "rpc-url": "none",
    });
    expect(restored.exitCode, restored.log).toBe(0);
    const rows = [
      "| damage | tips | quick | proof | full | replay | boot |",
      "|---|---|---|---|---|---|---|",
    ];
    for (const [what, damage] of damages) {
      const cells: string[] = [];
      const copy = { ...still, chainstate: join(still.directory, "damaged") };
      rmSync(copy.chainstate, { recursive: true, force: true });
      cpSync(still.chainstate, copy.chainstate, { recursive: true });
      damage(copy.chainstate);
      for (const check of ["tips", "quick", "proof", "full"]) cells.push(await outcomeOf(copy, { check }));
      cells.push(await outcomeOf(copy, { check: "tips", ...replay(20) }));
      cells.push(await outcomeOf(copy, { check: "tips", ...bootInputs }));
      rows.push(`| ${what} | ${cells.join(" | ")} |`);
      const [, , proof, full] = cells;
      expect([proof, full], what).toEqual(what === "none" ? ["passes", "passes"] : ["refused", "refused"]);
    }
    figures.push("", ...rows);
  });

  async function outcomeOf(node: RealNode, more: Readonly<Record<string, string>>): Promise<string> {
    const main = await runJob({ command: "verify", "chainstate-dir": node.chainstate, ...more });
    if (main.exitCode === 0) return "passes";
    if (/REPLAY_FAILED|BOOT_FAILED/.test(main.log)) return "fails";
    return main.log.includes("CHAINSTATE_INCONSISTENT") ? "refused" : `? ${main.log.slice(-300)}`;
  }

  /** Cycle and digest of the set that the newest snapshot names. */
  async function snapshotSet(): Promise<string> {
    const id = await snapshot(network.miner, { downtime: "none", check: "full" });
    const { summary } = await verify(id, { check: "full" });
    const [, set] = /Signer set[^0-9]*(\d+ [0-9a-f]{64})/.exec(summary) ?? [];
    if (set === undefined) throw new Error(`no signer set in: ${summary}`);
    return set;
  }

  /** For whoever waits hours for a figure. */
  function progress(what: string, done: number): void {
    if (isLong || done % 10 === 0) process.stdout.write(`${what}: ${done}\n`);
  }

  function note(what: string, figure: string): void {
    figures.push(`${what}: ${figure}`);
    process.stdout.write(`${what}: ${figure}\n`);
  }

  const bootInputs = {
    boot: "true",
    ...(image === undefined ? { "node-program": programs.node } : { "node-image": image }),
    "start-timeout": "1m",
    get "node-config"() {
      return network.miner.configFile;
    },
  };

  const replay = (blocks: number): Record<string, string> => ({
    "replay-blocks": String(blocks),
    ...(image === undefined ? { "node-inspector": programs.inspector } : { "node-image": image }),
    "node-config": network.miner.configFile,
  });

  function inputsOf(node: RealNode, more: Readonly<Record<string, string>>): Record<string, string> {
    return {
      command: "snapshot",
      "chainstate-dir": node.chainstate,
      storage: `file://${store}`,
      "node-manager": "process",
      "rpc-url": node.rpcUrl,
      "stop-timeout": "2m",
      "start-timeout": "2m",
      "quiet-timeout": "5m",
      ...more,
    };
  }

  function jobOptions(): { readonly env: Record<string, string> } {
    const engine = process.env["DOCKER_HOST"];
    return {
      env: {
        HOME: directory,
        CHAINSTATE_SNAPSHOT_STATE_DIR: join(directory, "state"),
        ...(engine === undefined ? {} : { DOCKER_HOST: engine }),
      },
    };
  }

  async function take(
    node: RealNode,
    more: Readonly<Record<string, string>>,
  ): Promise<{ readonly main: StepResult; readonly id: string }> {
    const main = await runJob(inputsOf(node, more));
    expectPublished(main);
    return { main, id: main.outputs["snapshot-id"] ?? "" };
  }

  async function snapshot(node: RealNode, more: Readonly<Record<string, string>>): Promise<string> {
    return (await take(node, more)).id;
  }

  /** Read back, executed again, booted, and the miner's block. */
  async function confirm(id: string): Promise<void> {
    const inputs = { ...replay(30), ...bootInputs, "start-timeout": "2m" };
    const verified = await verify(id, { ...inputs, "confirm-with": network.miner.rpcUrl });
    expect(verified.summary).toMatch(/Replayed/);
    expect(verified.summary).toMatch(/Booted/);
    expect(verified.summary).toMatch(/the block is theirs/);
  }

  async function verify(
    id: string,
    more: Readonly<Record<string, string>>,
    exitCode = 0,
  ): Promise<StepResult> {
    const main = await runJob({ command: "verify", storage: `file://${store}`, snapshot: id, ...more });
    expect(main.exitCode, main.log).toBe(exitCode);
    return main;
  }

  async function restore(node: RealNode, id = "latest"): Promise<StepResult> {
    const isThere = existsSync(node.chainstate);
    return await runJob({
      ...inputsOf(node, { command: "restore", snapshot: id, check: "quick" }),
      "quiet-timeout": "5m",
      ...(isThere
        ? {}
        : {
            "node-manager": "command",
            "node-start-command": network.startLine(node),
            "node-stop-command": "true",
          }),
    });
  }

  async function runJob(inputs: Readonly<Record<string, string>>): Promise<StepResult> {
    const job = reachable(new Job(inputs, jobOptions()));
    const { main, post } = await job.run();
    job.remove();
    expect(post.exitCode, post.log).toBe(0);
    return main;
  }

  function expectPublished(main: StepResult): void {
    expect(main.exitCode, `${main.log}\n${tailOf(network.miner)}`).toBe(0);
  }
});

/** Of a chainstate that nobody uses. None of it is at the tip, where every depth looks. */
const damages: readonly (readonly [what: string, damage: (chainstate: string) => void])[] = [
  ["none", () => undefined],
  [
    "a row of Clarity's values gone",
    (at) => change(at, clarity, "DELETE FROM data_table WHERE rowid = (SELECT MAX(rowid) FROM data_table)"),
  ],
  [
    "400 rows of them gone",
    (at) =>
      change(
        at,
        clarity,
        "DELETE FROM data_table WHERE rowid IN (SELECT rowid FROM data_table ORDER BY rowid DESC LIMIT 400)",
      ),
  ],
  ["three bytes in the middle of Clarity's tries", (at) => spoil(join(at, `${clarity}.blobs`))],
  [
    "a header 3 below the tip gone",
    (at) => change(at, "chainstate/vm/index.sqlite", below("nakamoto_block_headers", "block_height", 3)),
  ],
  [
    "a block 30 below the tip gone",
    (at) => change(at, "chainstate/blocks/nakamoto.sqlite", below("nakamoto_staging_blocks", "height", 30)),
  ],
];

const clarity = "chainstate/vm/clarity/marf.sqlite";

const below = (table: string, height: string, by: number): string =>
  `DELETE FROM ${table} WHERE ${height} = (SELECT MAX(${height}) - ${by} FROM ${table})`;

function change(chainstate: string, database: string, sql: string): void {
  const open = new DatabaseSync(join(chainstate, database));
  const { changes } = open.prepare(sql).run();
  open.close();
  if (changes === 0) throw new Error(`nothing changed in ${database}: ${sql}`);
}

function spoil(file: string): void {
  const bytes = readFileSync(file);
  const middle = Math.floor(bytes.length / 2);
  for (let at = middle; at < middle + 3; at += 1) bytes[at] = (bytes[at] ?? 0) ^ 0xff;
  writeFileSync(file, bytes);
}

function reachable(job: Job): Job {
  for (const at of [job.directory, join(job.directory, "temp")]) chmodSync(at, 0o755);
  return job;
}

function tailOf({ name, logFile, directory }: RealNode): string {
  return `${name} (${readdirSync(directory).join(", ")}):\n${readFileSync(logFile, "utf8").split("\n").slice(-5).join("\n").slice(0, 2000)}`;
}
