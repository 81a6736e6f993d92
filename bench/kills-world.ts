/**
 * One world of `kills.ts`: a node, its store, and runs on them that are killed one after the other. A process of its own, so
 * that worlds do not see each other's processes. Prints a line of JSON for each kill; it is told which ones by its arguments.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import {
  isScratch,
  setUp,
  until,
  untilNodeRuns,
  visibleSnapshots,
  type Setup,
} from "../__tests__/e2e/support.ts";
import { byProcess } from "../__tests__/e2e/supervisors.ts";
import { ChainWriter } from "../simulator/chainstate.ts";
import { whyInconsistent } from "../simulator/consistency.ts";
import type { StepResult } from "../simulator/runner.ts";
import { addPages, judgeKept, keptBeside } from "./kept-archive.ts";
import { casesOf, type Case, type Command, type Result } from "./kills-cases.ts";

const { values } = parseArgs({
  options: {
    seed: { type: "string", default: "1" },
    count: { type: "string", default: "1" },
    of: { type: "string", default: "1" },
    this: { type: "string", default: "0" },
    until: { type: "string", default: "Infinity" },
    "keep-clone": { type: "string" },
  },
});

/** A machine that others keep busy has longer minutes. */
const slowness = 3;
/** Kills between two runs to their end. */
const inARow = 4;
const marker = "chainstate/marker";

interface World {
  readonly setup: Setup;
  readonly start: () => void;
  /** The id of what a restore brings. */
  readonly snapshot: string;
  readonly metrics: string;
  /** Of the last run to its end. */
  readonly lengthMs: Record<Command, number>;
  /** What was said since the last run to its end. */
  said: string;
  kills: number;
  /** The last run to its end left pages unread. */
  spared: boolean;
}

/** A node with a snapshot of its own on the store, told from what runs by the marker in it. */
async function makeWorld(): Promise<World> {
  let start = (): void => undefined;
  const quick = ["--stop-delay-ms", "500", "--start-delay-ms", "100"];
  const setup = await setUp({
    nodeArguments: [...quick, "--blocks-per-second", "1", "--bytes-per-block", "100"],
    height: 16,
    extraBytes: 0,
    ...(values["keep-clone"] === undefined ? {} : { parent: values["keep-clone"] }),
    fill: (chainstate) => {
      writeFileSync(join(chainstate, marker), "snapshot");
      if (values["keep-clone"] !== undefined) addPages(join(chainstate, "chainstate/vm/clarity/marf.sqlite"));
    },
    kind: {
      ...byProcess,
      supervise: (charge) => {
        const supervisor = byProcess.supervise(charge);
        start = () => supervisor.start();
        return supervisor;
      },
    },
  });
  const metrics = join(setup.directory, "metrics.prom");
  const lengthMs = { snapshot: 0, restore: 0 };
  const world: World = { setup, start, snapshot: "", metrics, lengthMs, said: "", kills: 0, spared: false };
  const startedAt = performance.now();
  const taken = await setup.job({ ...inputsOf(world, "snapshot"), pin: "true" }).main();
  if (taken.exitCode !== 0) throw new Error(taken.log);
  lengthMs.snapshot = lengthMs.restore = performance.now() - startedAt;
  writeFileSync(join(setup.chainstate, marker), "mine");
  return { ...world, snapshot: taken.outputs["snapshot-id"] ?? "" };
}

const keepClone: Readonly<Record<string, string>> =
  values["keep-clone"] === undefined
    ? {}
    : { downtime: "short", "freeze-with": "reflink", "rebase-above": "60%", "keep-clone": "true" };

function inputsOf({ setup, snapshot, metrics }: World, command: Command): Record<string, string> {
  const restore = { command: "restore", snapshot, "sync-blocks": "0" };
  const all = { ...setup.snapshotInputs, parallelism: "1", "metrics-file": metrics };
  return { ...all, ...(command === "restore" ? restore : { "keep-last": "2", ...keepClone }) };
}

async function kill(world: World, one: Case): Promise<Result> {
  const { setup } = world;
  const wrong: string[] = [];
  writeFileSync(join(setup.chainstate, marker), "mine");
  const before = setup.pids();
  const job = setup.job(inputsOf(world, one.command));
  const afterMs = Math.round(one.share * world.lengthMs[one.command]);
  const main = job.startMain();
  await new Promise((done) => setTimeout(done, afterMs));
  main.child.kill("SIGKILL");
  const ended = await main.ended;
  const killedAt = performance.now();
  // Also where everything was done, and said to be, and the process had not ended yet.
  const late = ended.signal !== "SIGKILL" || ended.log.includes("✅");
  const post = one.withPost ? await job.post() : undefined;
  await untilNodeRuns(setup, slowness).catch((error: unknown) => wrong.push(String(error)));
  const secondsToNode = (performance.now() - killedAt) / 1000;
  await new Promise((done) => setTimeout(done, 1_500));
  await untilNodeRuns(setup, slowness).catch(() => wrong.push("the node did not stay"));
  world.said += ended.log + (post?.log ?? "");
  world.kills += 1;
  world.spared = false;
  const place = readMarker(setup);
  if (place === "nothing") wrong.push("neither the old chainstate nor the new one is in place");
  wrong.push(...judgeWords(world, one, { ended, post, late, place, before }));
  wrong.push(...judgeStore(setup), ...judgeNode(setup));
  if (world.kills % inARow === 0) {
    wrong.push(...(await judgeChainstate(world)), ...(await judgeNextRun(world, one.next)));
  }
  // On a machine that has become quicker the next one comes in time.
  if (late) world.lengthMs[one.command] = Math.min(world.lengthMs[one.command], afterMs);
  const phase = [...ended.log.matchAll(/(?:::group::|▸ )(.+)/gu)].at(-1)?.[1] ?? "before the first phase";
  const name = phase.replaceAll(/ \/\S+/gu, "").replace(/: done .*$/u, "");
  const unknown = post?.summary.includes("is not known") ?? false;
  return { ...one, afterMs, phase: name, late, secondsToNode, unknown, spared: world.spared, wrong };
}

function archiveOf({ store }: Setup, id: string): string {
  const manifest = readFileSync(join(store, "snapshots", id, "manifest.json"), "utf8");
  return join(store, (JSON.parse(manifest) as { archive: { key: string } }).archive.key);
}

function readMarker({ chainstate }: Setup): string {
  const file = join(chainstate, marker);
  return existsSync(file) ? readFileSync(file, "utf8") : "nothing";
}

interface Seen {
  readonly ended: StepResult;
  readonly post: StepResult | undefined;
  readonly late: boolean;
  readonly place: string;
  readonly before: readonly number[];
}

/** What was said against what is there. */
function judgeWords(world: World, { command }: Case, seen: Seen): string[] {
  const { ended, post, late, place, before } = seen;
  const { setup, metrics } = world;
  const wrong: string[] = [];
  const say = (isWrong: boolean, what: string): void => void (isWrong && wrong.push(what));
  const said = `${ended.summary}\n${post?.summary ?? ""}`;
  const isSame = JSON.stringify(setup.pids()) === JSON.stringify(before);
  say(ended.signal === null && ended.exitCode !== 0, `it ended by itself with ${ended.exitCode}`);
  say(!late && said.includes("✅"), "it was killed, and it is said to be done");
  say(said.includes("was not touched") && !isSame, "the node is said not to be touched, and is another one");
  say(said.includes("NOT running"), "the node runs, and the opposite is said");
  say(post !== undefined && post.exitCode !== 0, `the post step ended with ${post?.exitCode}`);
  const { "snapshot-id": id, "restored-dir": restored, "node-running": running } = ended.outputs;
  say(running === "false" && post?.outputs["node-running"] !== "true", "node-running is false, and it runs");
  if (command === "snapshot" && id !== undefined)
    say(!visibleSnapshots(setup.store).includes(id), "an output names a snapshot that is not there");
  if (command === "restore") {
    say(late && place !== "snapshot", "it is done, and the old chainstate is in place");
    say(restored !== undefined && place !== "snapshot", "restored-dir is set, and the old one is in place");
  }
  say(command === "snapshot" && place !== "mine", "a snapshot replaced the chainstate");
  const figures = existsSync(metrics) ? readFileSync(metrics, "utf8") : "";
  const success = new RegExp(`last_run_success\\{command="${command}".*\\} 1`, "u").test(figures);
  // A post step has nothing to tell of a step that was killed before it had begun.
  const began = post !== undefined && ended.log !== "" && !post.log.includes("Nothing was left to do");
  say(began && !late && success, "it was killed, and the metrics call it a success");
  return wrong;
}

/** Whatever can be seen on the store is what its manifest says, by other people's tools. */
function judgeStore({ store }: Setup): string[] {
  const wrong: string[] = [];
  const ids = visibleSnapshots(store);
  const archives = ids.map((id) => {
    const manifest = readFileSync(join(store, "snapshots", id, "manifest.json"), "utf8");
    return (JSON.parse(manifest) as { archive: { key: string; size: number; sha256?: string } }).archive;
  });
  const files = archives.map(({ key }) => join(store, key));
  const digests = execFileSync("sha256sum", files, { encoding: "utf8" }).split("\n");
  for (const [index, { key, size, sha256 }] of archives.entries()) {
    const file = join(store, key);
    // Of what the store has copied nobody has read all bytes: each frame has a checksum, which zstd looks at.
    const isIt =
      sha256 === undefined
        ? statSync(file).size === size && spawnSync("zstd", ["-tq", file]).status === 0
        : digests[index]?.startsWith(sha256);
    if (isIt !== true) wrong.push(`${key} is not what its manifest says`);
  }
  const latest = JSON.parse(readFileSync(join(store, "latest.json"), "utf8")) as { id: string };
  if (!ids.includes(latest.id)) wrong.push("latest names what is not there");
  return wrong;
}

/** Each life of the node but this one has ended as it should; it looks at its chainstate itself at every start. */
function judgeNode(setup: Setup): string[] {
  const log = setup.nodeLog();
  const count = (pattern: RegExp): number => log.match(pattern)?.length ?? 0;
  const [starts, ends] = [count(/stacks-node \S+ starting/gu), count(/Exiting stacks-node/gu)];
  return [
    ...(starts === ends + 1 ? [] : [`the node was started ${starts} times and ended well ${ends} times`]),
    ...[...log.matchAll(/panicked: .*/gu)].map(([line]) => line),
  ];
}

/** The node is ended as people end it, its databases are looked at, and it is started again. */
async function judgeChainstate({ setup, start }: World): Promise<string[]> {
  for (const pid of setup.pids()) process.kill(pid, "SIGTERM");
  await until("the node ends", () => setup.pids().length === 0);
  const chain = ChainWriter.open(setup.chainstate, {});
  const why = whyInconsistent(chain);
  chain.close(false);
  start();
  await untilNodeRuns(setup, slowness);
  return why === undefined ? [] : [`the chainstate in place: ${why}`];
}

/**
 * A run to its end finishes whatever is owed: then nothing of any run is left, beside the chainstate and in the state directory, but
 * an old chainstate of which it was said that it is kept: a node runs on the new one, and nobody had confirmed that it is healthy.
 */
async function judgeNextRun(world: World, command: Command): Promise<string[]> {
  const { setup } = world;
  const startedAt = performance.now();
  const job = setup.job(inputsOf(world, command));
  const main = await job.main();
  if (main.exitCode !== 0) return [`the next run fails: ${main.log.slice(-2_000)}`];
  world.lengthMs[command] = performance.now() - startedAt;
  world.spared = main.summary.includes("Not read of databases");
  const post = await job.post();
  const said = world.said + main.log;
  world.said = "";
  const isKeeping = values["keep-clone"] !== undefined && command === "snapshot";
  const clones = isKeeping ? keptBeside(setup.chainstate) : [];
  const beside = [dirname(setup.chainstate), setup.chainstate].flatMap((place) => {
    const made = readdirSync(place).filter((name) => name.startsWith(".") && !clones.includes(name));
    const kept = made.filter((name) => said.includes(`is kept at ${join(place, name)}`));
    for (const name of kept) rmSync(join(place, name), { recursive: true });
    return made.filter((name) => !kept.includes(name));
  });
  // What is staged of a restore is gone on with by the next one: nothing is left of it only after one of those.
  const staged = command === "restore" ? [] : beside.filter((name) => name.endsWith("-new"));
  const state = join(setup.directory, "state");
  const kept = readdirSync(state).filter(
    (name) =>
      (name.endsWith(".json") && !(isKeeping && name.startsWith("kept-"))) ||
      name.startsWith("freeze") ||
      (/\.(?:frames|whole)$/u.test(name) && staged.length === 0),
  );
  const left = [...beside.filter((name) => !staged.includes(name)), ...kept];
  return [
    ...(post.exitCode === 0 ? [] : [`the next run's post step ends with ${post.exitCode}`]),
    ...left.filter((name) => !isScratch(name)).map((name) => `the next run leaves ${name}`),
    ...(isKeeping ? judgeKept(setup.chainstate, archiveOf(setup, main.outputs["snapshot-id"] ?? "")) : []),
  ];
}

const isMine = ({ number }: Case): boolean => number % Number(values.of) === Number(values.this);
let world: World | undefined;
for (const one of casesOf(Number(values.seed), Number(values.count)).filter(isMine)) {
  if (Date.now() > Number(values.until)) break;
  let result: Result;
  try {
    world ??= await makeWorld();
    result = await kill(world, one);
  } catch (error) {
    const blank = { afterMs: 0, phase: "?", late: false, secondsToNode: NaN, unknown: false, spared: false };
    result = {
      ...one,
      ...blank,
      wrong: [error instanceof Error ? (error.stack ?? String(error)) : String(error)],
    };
  }
  console.log(JSON.stringify(result));
  if (result.wrong.length === 0) continue;
  await world?.setup.remove();
  world = undefined;
}
await world?.setup.remove();
