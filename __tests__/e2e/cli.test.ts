/** The command line, as a person or cron calls it: no runner, nothing of a workflow in its environment. */
import { spawn } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { setUp, until, visibleSnapshots, type Setup } from "./support.ts";

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

const entries = process.env["ACTION_ENTRIES"] ?? resolve(import.meta.dirname, "../../dist");
const program =
  ["cli.js", "cli.ts"].map((name) => join(entries, name)).find((path) => existsSync(path)) ?? "";

function call(
  setup: Setup,
  words: readonly string[],
): { kill(): void; log(): string; ended: Promise<Ended> } {
  const child = spawn(process.execPath, [program, ...words], {
    cwd: setup.directory,
    env: {
      PATH: process.env["PATH"] ?? "",
      HOME: setup.directory,
      TMPDIR: setup.directory,
      CHAINSTATE_SNAPSHOT_STATE_DIR: join(setup.directory, "state"),
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let [out, err] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => (out += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (err += text));
  return {
    kill: () => void child.kill("SIGINT"),
    log: () => out + err,
    ended: new Promise((done) => child.once("close", (code) => done({ code, out, err }))),
  };
}

describe("chainstate-snapshot on the command line", () => {
  let setup: Setup;
  let words: string[];
  beforeAll(async () => {
    setup = await setUp();
    words = ["--chainstate-dir", setup.chainstate, "--storage", `file://${setup.store}`];
    words.push("--node-manager", "process", "--rpc-url", `http://127.0.0.1:${setup.port}`);
  });
  afterAll(async () => await setup.remove());

  const storage = (): string[] => ["--storage", `file://${setup.store}`];
  const inTerminal = async (...line: string[]): Promise<Ended> => {
    const ended = await call(setup, line).ended;
    expect(ended.code, ended.out + ended.err).toBe(0);
    return ended;
  };

  test("takes a snapshot with the log in the terminal, and the node is back", async () => {
    const { out, err } = await inTerminal("snapshot", ...words);
    expect(out).toMatch(/✅ .*\n(?:.*\n)*The node is running\./);
    expect(out + err).not.toMatch(/::\w+/);
    expect(setup.pids()).toHaveLength(1);
    // What a runner would wipe with RUNNER_TEMP is gone.
    expect(readdirSync(setup.directory).filter((name) => name.startsWith("chainstate-snapshot-"))).toEqual(
      [],
    );
  });

  test("lists, verifies, restores, imports and prunes; with --json the outputs and nothing else", async () => {
    const json = async (...line: string[]): Promise<{ outcome: string; outputs: Record<string, unknown> }> =>
      JSON.parse((await inTerminal(...line, "--json")).out) as never;
    const [id] = visibleSnapshots(setup.store);
    const { outputs } = await json("list", ...storage());
    expect(outputs["snapshots"]).toMatchObject([{ id }]);
    expect(await json("verify", ...storage())).toMatchObject({
      outcome: "done",
      outputs: { "snapshot-id": id },
    });
    const target = join(setup.directory, "restored", "mainnet");
    const restored = await json(
      "restore",
      "--chainstate-dir",
      target,
      ...storage(),
      "--node-manager",
      "none",
    );
    expect(restored.outputs).toMatchObject({ "restored-dir": target });
    const file = readdirSync(join(setup.store, "snapshots", id ?? "")).find((name) =>
      name.endsWith(".tar.zst"),
    );
    await json(
      "import",
      "--from",
      `file://${join(setup.store, "snapshots", id ?? "", file ?? "")}`,
      ...storage(),
    );
    expect(visibleSnapshots(setup.store)).toHaveLength(2);
    const pruned = await json("prune", ...storage(), "--keep-last", "1");
    expect(pruned.outputs["pruned"]).toEqual([]); // an archive made elsewhere does not count, and nothing is older
  });

  test("says what is wrong, all of it, and ends with 2", async () => {
    const { code, out } = await call(setup, ["restor", "--chek", "full"]).ended;
    expect(code).toBe(2);
    expect(out).toContain("Did you mean 'restore'?");
    expect(out).toContain("Did you mean 'check'?");
  });

  test("brings the node back when it is interrupted, and ends with 130", async () => {
    const before = visibleSnapshots(setup.store);
    const run = call(setup, ["snapshot", ...words, "--downtime", "full", "--rate-limit-send", "100kB"]);
    await until("it archives while the node is down", () => /Archive to/.test(run.log()));
    run.kill();
    const { code, out } = await run.ended;
    expect(code, out).toBe(130);
    expect(out).toContain("The node is running.");
    expect(setup.pids()).toHaveLength(1);
    expect(visibleSnapshots(setup.store)).toEqual(before);
    expect(readdirSync(join(setup.directory, "state")).filter((name) => name.endsWith(".json"))).toEqual([]);
  });
});
