/**
 * The examples, run as they stand: each step that uses this action, and each script beside it, with names of directories and storages
 * changed and nothing else. What cannot be run here is said below, with the reason.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parse } from "yaml";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { StepResult } from "../../simulator/runner.ts";
import { setUp, visibleSnapshots, type Setup } from "./support.ts";

const examples = resolve(import.meta.dirname, "../../examples");

interface Step {
  readonly name?: string;
  readonly uses?: string;
  readonly run?: string;
  readonly with?: Readonly<Record<string, string | number | boolean>>;
}

function stepsOf(file: string): readonly Step[] {
  const { jobs } = parse(readFileSync(join(examples, file), "utf8")) as {
    jobs: Record<string, { steps?: readonly Step[] }>;
  };
  return Object.values(jobs).flatMap(({ steps = [] }) => steps);
}

const ours = /^OWNER\/chainstate-snapshot(?:\/(\w+))?@/;

/** Each example: run here, or why not. */
const notRunHere: Readonly<Record<string, string>> = {
  "docker-compose.yml": "needs Docker: containers.testbed.test.ts finds a container by its files",
  "ebs-snapshot.yml": "needs EC2: volumes-aws.testbed.test.ts runs it against EC2's API",
  "restore.yml":
    "its choices are a person's: workflows.test.ts reads its inputs, the tests of restores run what it does",
  "fleet.yml": "calls snapshot-fleet.yml, which is run here; a reusable workflow needs GitHub",
};

describe("the examples", () => {
  let setup: Setup;
  beforeAll(async () => {
    setup = await setUp();
  });
  afterAll(async () => await setup.remove());

  /** The inputs of the step of `file` that runs `command`, on this machine's directories. */
  function inputsOf(
    file: string,
    command: string,
    changes: Record<string, string> = {},
  ): Record<string, string> {
    const step = stepsOf(file).find(({ uses, with: given }) => {
      const [all, sub] = ours.exec(uses ?? "") ?? [];
      return all !== undefined && (sub ?? given?.["command"] ?? "snapshot") === command;
    });
    if (step?.with === undefined) throw new Error(`${file} has no step that does ${command}`);
    const onNode = { "chainstate-dir": setup.chainstate, "rpc-url": `http://127.0.0.1:${setup.port}` };
    return {
      ...Object.fromEntries(Object.entries(step.with).map(([name, value]) => [name, String(value)])),
      command,
      storage: `file://${setup.store}`,
      ...(["snapshot", "restore"].includes(command) ? onNode : {}),
      ...("metrics-file" in step.with ? { "metrics-file": join(setup.directory, "metrics.prom") } : {}),
      ...changes,
    };
  }

  async function run(inputs: Record<string, string>): Promise<StepResult> {
    const { main, post } = await setup.job(inputs).run();
    expect(main.exitCode, main.log).toBe(0);
    expect(post.exitCode, post.log).toBe(0);
    return main;
  }

  test("are all run here, or named with the reason", () => {
    const known = [
      "alert-on-failure.yml",
      "import-public-archive.yml",
      "integration-test.yml",
      "nightly-snapshot.yml",
      "snapshot-fleet.yml",
      "stale-snapshot-alarm.yml",
      "verify-all.yml",
      ...Object.keys(notRunHere),
    ];
    expect(
      readdirSync(examples)
        .filter((name) => name.endsWith(".yml"))
        .toSorted(),
    ).toEqual(known.toSorted());
  });

  test("nightly-snapshot.yml, and a host of snapshot-fleet.yml: the node is back", async () => {
    const { outputs } = await run(inputsOf("nightly-snapshot.yml", "snapshot"));
    expect(outputs["node-running"]).toBe("true");
    expect(readFileSync(join(setup.directory, "metrics.prom"), "utf8")).toContain("chainstate_snapshot");
    await run(inputsOf("snapshot-fleet.yml", "snapshot"));
    expect(setup.pids()).toHaveLength(1);
  });

  test("stale-snapshot-alarm.yml and verify-all.yml list what there is, and verify it", async () => {
    const filter = "network=mainnet\nheight>=1";
    const { outputs } = await run(inputsOf("verify-all.yml", "list", { filter }));
    const [newest] = JSON.parse(outputs["snapshots"] ?? "") as { id: string }[];
    expect(newest?.id).toMatch(/^mainnet-/);
    await run(inputsOf("verify-all.yml", "verify", { snapshot: newest?.id ?? "" }));
    await run(inputsOf("stale-snapshot-alarm.yml", "list"));
  });

  test("integration-test.yml fills an empty directory", async () => {
    const target = join(setup.directory, "seeded", "testnet");
    const seeded = await run(inputsOf("integration-test.yml", "restore", { "chainstate-dir": target }));
    expect(seeded.outputs["restored-dir"]).toBe(target);
  });

  test("import-public-archive.yml makes a snapshot of an archive", async () => {
    const [id = ""] = visibleSnapshots(setup.store);
    const folder = join(setup.store, "snapshots", id);
    const file = readdirSync(folder).find((name) => name.endsWith(".tar.zst")) ?? "";
    const { outputs } = await run(
      inputsOf("import-public-archive.yml", "import", { from: `file://${join(folder, file)}` }),
    );
    expect(visibleSnapshots(setup.store)).toContain(outputs["snapshot-id"]);
  });

  test("alert-on-failure.yml tells how the node is", async () => {
    const script = stepsOf("alert-on-failure.yml").find(({ name }) => name === "Tell somebody")?.run ?? "";
    // Stands in for curl, and keeps what it would send.
    const bin = join(setup.directory, "bin");
    mkdirSync(bin, { recursive: true });
    writeFileSync(
      join(bin, "curl"),
      '#!/bin/sh\ncat >"$TOLD"\nfor last; do :; done\nprintf %s "$last" >"$TOLD.url"\n',
      {
        mode: 0o755,
      },
    );
    for (const [state, words] of [
      ["true", "the node is running"],
      ["false", "THE NODE IS DOWN"],
      ["", "not touched"],
    ]) {
      const told = join(setup.directory, "told");
      const { status, stderr } = spawnSync("bash", ["-e", "-o", "pipefail", "-c", script], {
        encoding: "utf8",
        env: {
          PATH: `${bin}:${process.env["PATH"] ?? ""}`,
          NODE_RUNNING: state,
          SNAPSHOT: "",
          RUN: "https://example.org/run",
          WEBHOOK: "https://hooks.example.org/x",
          TOLD: told,
        },
      });
      expect(status, stderr).toBe(0);
      expect((JSON.parse(readFileSync(told, "utf8")) as { text: string }).text).toContain(words);
      expect(readFileSync(`${told}.url`, "utf8")).toBe("https://hooks.example.org/x");
    }
  });
});
