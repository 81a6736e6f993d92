/**
 * The main job for real, on this machine, in about a minute: a small node process with a real-shaped chainstate is
 * snapshotted into a local directory by the committed action, is running again, and a second node runs on what was
 * restored. Nothing is touched outside a temporary directory, and everything that is started is stopped again.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createChainstate } from "../simulator/chainstate.ts";
import {
  freePort,
  makeNodeExecutable,
  startDetached,
  waitForInfo,
  type NodeExecutable,
} from "../simulator/launch.ts";
import { Job, type StepResult } from "../simulator/runner.ts";

if (process.platform !== "linux") {
  console.error(
    `The demo needs Linux, as the action does; this is ${process.platform}. In a container: ` +
      "docker run --rm -v \"$PWD\":/checkout -v /checkout/node_modules -w /checkout node:24 sh -c 'npm ci && npm run demo'",
  );
  process.exit(1);
}

const directory = mkdtempSync(join(tmpdir(), "chainstate-demo-"));
const executable = makeNodeExecutable(join(directory, "install"));
const env = { CHAINSTATE_SNAPSHOT_STATE_DIR: join(directory, "state"), HOME: directory };

try {
  await demo();
} catch (error) {
  console.error(`\nThe demo failed: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
} finally {
  await stopAll(executable);
  rmSync(directory, { recursive: true, force: true });
}

async function demo(): Promise<void> {
  const chainstate = join(directory, "node", "mainnet");
  const store = join(directory, "snapshots");
  const restored = join(directory, "restored", "mainnet");
  mkdirSync(store);

  say(
    "1. A small node starts on a chainstate of 400 blocks (the tables and files of a real one) and makes two blocks a second.",
  );
  createChainstate(chainstate, { era: "nakamoto", height: 400, seed: "demo", extraBytes: 40_000 });
  const port = await freePort();
  const nodeArguments = ["--dir", chainstate, "--rpc-port", String(port), "--blocks-per-second", "2"];
  const pid = startDetached(executable, nodeArguments);
  const before = await waitForInfo(port);
  say(`   It runs: pid ${pid}, height ${String(before["stacks_tip_height"])}.`);

  say("2. The action takes a snapshot of it into a local directory.");
  const snapshot = await action({
    command: "snapshot",
    "chainstate-dir": chainstate,
    storage: `file://${store}`,
    "node-manager": "process",
    "rpc-url": `http://127.0.0.1:${port}`,
  });
  const after = await waitForInfo(port);
  const pids = pidsOf(executable);
  say(
    `   The node is back: pid ${pids.join(", ")}, height ${String(after["stacks_tip_height"])}, and it goes on.`,
  );
  if (pids.length !== 1) throw new Error(`${pids.length} nodes run where one should`);

  say("3. Plain tools take the archive.");
  const archive = new URL(snapshot.outputs["archive-url"] ?? "").pathname;
  execFileSync(
    "sh",
    ["-c", 'cd "$(dirname "$1")" && sha256sum -c "$(basename "$1").sha256"', "sh", archive],
    { stdio: "inherit" },
  );

  say("4. The action restores it beside the node that runs, as a test job would.");
  const restore = await action({
    command: "restore",
    "chainstate-dir": restored,
    storage: `file://${store}`,
    "node-manager": "none",
  });
  const height = Number(restore.outputs["stacks-height"]);

  say("5. A second node starts on what was restored. A node refuses a chainstate whose databases disagree.");
  const secondPort = await freePort();
  startDetached(executable, [
    "--dir",
    restored,
    "--rpc-port",
    String(secondPort),
    "--blocks-per-second",
    "5",
  ]);
  const first = await waitForInfo(secondPort);
  const from = Number(first["stacks_tip_height"]);
  if (from < height) throw new Error(`the restored node stands at ${from}, the snapshot at ${height}`);
  let now = from;
  for (let waited = 0; now <= from && waited < 50; waited += 1) {
    await new Promise((resolve) => setTimeout(resolve, 200));
    now = Number((await waitForInfo(secondPort))["stacks_tip_height"]);
  }
  if (now <= from) throw new Error("the restored node does not move");

  const seconds = snapshot.outputs["downtime-seconds"] ?? "?";
  console.log(
    `\nIt works: snapshot ${snapshot.outputs["snapshot-id"] ?? "?"} was taken with ${seconds} s of downtime, the node is running ` +
      `again, and a second node started from the restored copy at height ${from} and has reached ${now}.\n\n` +
      'Next: the workflow below "A snapshot each night" in the README, first with `dry-run: true`; or without GitHub, docs/command-line.md.',
  );
}

async function action(inputs: Record<string, string>): Promise<StepResult> {
  const job = new Job(inputs, {
    env,
    onOutput: (text) => process.stdout.write(forPeople(text)),
  });
  try {
    const { main, post } = await job.run();
    if (main.exitCode !== 0 || post.exitCode !== 0)
      throw new Error(`the action ended with ${main.exitCode} and ${post.exitCode}`);
    return main;
  } finally {
    job.remove();
  }
}

/** What the runner would make of it: groups with a title, annotations with their kind. */
function forPeople(text: string): string {
  return text
    .replaceAll(/^::endgroup::\n/gm, "")
    .replaceAll(/^::group::/gm, "── ")
    .replaceAll(/^::(error|warning|notice)[^:]*::/gm, "$1: ")
    .replaceAll("%0A", "\n")
    .replaceAll(/^(?=.)/gm, "   | ");
}

function say(line: string): void {
  console.log(line.startsWith(" ") ? line : `\n${line}`);
}

/** The processes that run our copy of the node; after a snapshot the node is nobody's child. */
function pidsOf({ binary }: NodeExecutable): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        return readlinkSync(`/proc/${pid}/exe`) === binary;
      } catch {
        return false;
      }
    });
}

async function stopAll(executable: NodeExecutable): Promise<void> {
  for (const pid of pidsOf(executable)) process.kill(pid, "SIGTERM");
  for (let waited = 0; pidsOf(executable).length > 0 && waited < 100; waited += 1) {
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
