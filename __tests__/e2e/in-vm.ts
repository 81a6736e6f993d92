/**
 * The program that `testbed/vm-volumes.sh` runs in the virtual machine for the action itself: the committed `dist`, run as a
 * runner runs it, on ZFS or on a thin volume with a simulated node. No test runner, because every line of JavaScript is slow
 * there, and each run of the action serves as many cases as it can: what a killed run has left is looked for in
 * the run after it, which is killed in turn.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  openSync,
  closeSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { readersPrefix } from "../../src/catalog/ids.ts";
import { readMounts } from "../../src/system/mounts.ts";
import { isScratch, setUp, treeOf, untilNodeRuns, visibleSnapshots, type Setup } from "./support.ts";

/** Of the machine, against one that does not emulate its processor; for limits, never for what is expected. */
const slowness = 5;
const toolName = "chainstate-snapshot";

interface World {
  readonly driver: "zfs" | "lvm";
  /** The volume's mount point. */
  readonly place: string;
  /** Everything of this tool's making that the volume manager knows. */
  made(): readonly string[];
  /** Calls `look` with the directory at which the snapshot can be read, without any help of the action. */
  read<T>(snapshot: string, look: (root: string) => T): T;
  /** Removes what a restore kept because nobody had proved it healthy, as the run's warning says. */
  removeKept(name: string): void;
}

const tool = (...argv: string[]): string =>
  execFileSync(argv[0] ?? "", argv.slice(1), { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
const linesOf = (text: string): readonly string[] =>
  text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line.includes(toolName));

const worlds: readonly World[] = [
  {
    driver: "zfs",
    place: "/tmp/zfs",
    made: () => linesOf(tool("zfs", "list", "-H", "-r", "-t", "all", "-o", "name", "tank")),
    read: (snapshot, look) => look(`/tmp/zfs/.zfs/snapshot/${snapshot.split("@")[1]}/mainnet`),
    removeKept: (name) => void tool("zfs", "destroy", "-r", name),
  },
  {
    driver: "lvm",
    place: "/tmp/thin",
    made: () => linesOf(tool("lvs", "--noheadings", "-o", "vg_name,lv_name", "--separator", "/", "group")),
    read(snapshot, look) {
      mkdirSync("/tmp/look", { recursive: true });
      tool("mount", "-o", "ro", `/dev/${snapshot}`, "/tmp/look");
      try {
        return look("/tmp/look/mainnet");
      } finally {
        tool("umount", "/tmp/look");
      }
    },
    removeKept: (name) => void tool("lvremove", "--yes", name),
  },
];
const found = worlds.find(({ driver }) => driver === process.argv[2]);
if (found === undefined) throw new Error(`no world ${process.argv[2]}`);
const world = found;
const { driver } = world;

interface ManifestLike {
  readonly kind: string;
  readonly verified: string;
  readonly checks: readonly { readonly id: string; readonly result: string }[];
  readonly cut: { readonly method: string; readonly freezer: string; readonly downtimeSeconds: number };
  readonly volumes: readonly { readonly snapshot: string }[];
  readonly archive?: { readonly key: string };
  readonly chain: { readonly stacksHeight: number };
}

const setup: Setup = await setUp({
  chainstateParent: world.place,
  height: 30,
  env: { NODE_COMPILE_CACHE: process.env["NODE_COMPILE_CACHE"] ?? "" },
  nodeArguments: ["--blocks-per-second", "0.5", "--stop-delay-ms", "300"],
});
const { chainstate, store } = setup;
const after = join(chainstate, "written-after");
const inputsOf = (more: Readonly<Record<string, string>>) => ({
  ...setup.snapshotInputs,
  "stop-timeout": "5m",
  "start-timeout": "5m",
  ...(more["freeze-with"] === undefined ? { "volume-driver": driver } : {}),
  ...more,
});
const snapshotOf = (more: Readonly<Record<string, string>>) => inputsOf({ command: "snapshot", ...more });
const restoreOf = (id: string, more: Readonly<Record<string, string>> = {}) =>
  inputsOf({ command: "restore", method: "volume", snapshot: id, ...more });

/** What is there beside what is published: in the volume manager, the mount table, and the journals. */
async function leavings(): Promise<readonly string[]> {
  const published = publishedVolumes();
  const state = join(setup.directory, "state");
  const mounts = (await readMounts()).filter(({ mountPoint }) => mountPoint.startsWith(state));
  const journals = existsSync(state) ? readdirSync(state).filter((name) => name.endsWith(".json")) : [];
  return [
    ...world.made().filter((name) => !published.includes(name)),
    ...mounts.map(({ mountPoint }) => mountPoint),
    ...journals,
  ];
}

function manifestOf(id: string): ManifestLike {
  return JSON.parse(readFileSync(join(store, "snapshots", id, "manifest.json"), "utf8")) as ManifestLike;
}

function publishedVolumes(): readonly string[] {
  return visibleSnapshots(store).flatMap((id) => manifestOf(id).volumes.map(({ snapshot }) => snapshot));
}

function assertHealthy(manifest: ManifestLike): void {
  assert.equal(manifest.verified, "database");
  for (const id of ["A", "B", "C", "D", "E", "F", "G"]) {
    const check = manifest.checks.find((each) => each.id === id);
    assert.ok(check !== undefined && check.result !== "failed", `check ${id}: ${JSON.stringify(check)}`);
  }
}

/** A whole job that has to succeed; returns the manifest of a snapshot. */
async function succeed(inputs: Readonly<Record<string, string>>) {
  const { main, post } = await setup.job(inputs).run();
  assert.equal(main.exitCode, 0, main.log);
  assert.equal(post.exitCode, 0, post.log);
  return { id: main.outputs["snapshot-id"] ?? "", log: main.log };
}

async function fail(inputs: Readonly<Record<string, string>>, message: RegExp): Promise<void> {
  const { main, post } = await setup.job(inputs).run();
  assert.equal(main.exitCode, 1, main.log);
  assert.equal(post.exitCode, 0, post.log);
  assert.match(main.log, message);
  await untilNodeRuns(setup, slowness);
}

/** Of the killed run before: nothing of it may be there when the next has got anywhere. */
let left: readonly string[] = [];

/** Killed without a post step when the log says `moment`: the node runs, and what the run before had left is gone. */
async function kill(inputs: Readonly<Record<string, string>>, moment: RegExp): Promise<void> {
  const main = setup.job(inputs).startMain();
  await main.waitForLog(moment, slowness * 60_000);
  main.child.kill("SIGKILL");
  const { log } = await main.ended;
  await untilNodeRuns(setup, slowness);
  const now = await leavings();
  const stays = now.filter((name) => left.includes(name) && !name.endsWith(".json"));
  assert.deepEqual(stays, [], `left by the run before\n${log}`);
  left = now;
  console.log(
    `# ${driver}: killed, left ${now.filter((name) => !name.endsWith(".json")).join(", ") || "nothing"}`,
  );
}

async function assertTidy(): Promise<void> {
  assert.deepEqual(await leavings(), []);
  assert.equal(setup.pids().length, 1);
  left = [];
}

let first = "";
const cases: readonly (readonly [string, () => Promise<void>])[] = [
  [
    "method volume: taken of a running node, looked into, published",
    async () => {
      const before = setup.pids();
      const { id } = await succeed(snapshotOf({ method: "volume" }));
      first = id;
      const manifest = manifestOf(id);
      assert.equal(manifest.kind, "volume");
      assert.deepEqual(
        { ...manifest.cut, at: "", downtimeSeconds: 0 },
        {
          method: "frozen",
          freezer: driver,
          at: "",
          downtimeSeconds: 0,
        },
      );
      assertHealthy(manifest);
      assert.notDeepEqual(setup.pids(), before);
      assert.deepEqual(world.made(), publishedVolumes());
      assert.ok((await setup.height()) >= manifest.chain.stacksHeight);
      await assertTidy();
    },
  ],
  [
    "verify opens the snapshot, and leaves nothing",
    async () => {
      await succeed({ command: "verify", storage: `file://${store}` });
      await assertTidy();
    },
  ],
  [
    "a restore that nobody proves healthy gives way to the old chainstate",
    async () => {
      writeFileSync(after, "x");
      // Nobody can be at that height.
      const unreachable = { "sync-blocks": "1000000", "sync-timeout": "5s" };
      await fail(restoreOf(first, unreachable), /sync|blocks/);
      assert.ok(existsSync(after));
      await assertTidy();
    },
  ],
  [
    "a volume that somebody else uses is not exchanged: an error that says so, the node on the old",
    async () => {
      // Beside the chainstate, so that the proof of shutdown has nothing to say of it.
      const beside = openSync(join(world.place, "beside"), "w");
      try {
        await fail(restoreOf(first), /cannot be unmounted.*fuser -vm/s);
      } finally {
        closeSync(beside);
      }
      assert.ok(existsSync(after));
      await assertTidy();
    },
  ],
  [
    "restored onto the running node: at the recorded tip, without what was written after",
    async () => {
      const before = setup.pids();
      await succeed(restoreOf(first));
      assert.ok(!existsSync(after));
      assert.notDeepEqual(setup.pids(), before);
      assert.ok((await setup.height()) >= manifestOf(first).chain.stacksHeight);
      await assertTidy();
    },
  ],
  [
    "killed in a snapshot while the node is started again: the volume's is there and unpublished",
    async () => {
      await kill(snapshotOf({ method: "volume" }), /Start stacks-node/);
      assert.ok(left.some((name) => world.made().includes(name)));
    },
  ],
  [
    "killed in a snapshot while the archive is made of the frozen view",
    async () => await kill(snapshotOf({ downtime: "short", "freeze-with": driver }), /Archive to/),
  ],
  [
    "killed in a snapshot while its databases are read back",
    async () => await kill(snapshotOf({ method: "volume" }), /Read the databases in the/),
  ],
  [
    "killed in a restore while the new volume is looked at",
    async () => await kill(restoreOf(first), /Check the restored chainstate/),
  ],
  [
    "killed in a restore while the volumes are exchanged: the node runs on the old",
    async () => {
      writeFileSync(after, "x");
      await kill(restoreOf(first), /Swap into/);
      assert.ok(existsSync(after));
    },
  ],
  [
    "killed in a restore while the node is started: the node runs on one of the two",
    async () => {
      await kill(restoreOf(first), /Start stacks-node/);
      assert.ok((await setup.height()) >= manifestOf(first).chain.stacksHeight);
      // Where it runs on the new, the next run adopts that and keeps the old for a person to decide.
      left = left.filter((name) => !/\.old\d+/.test(name));
    },
  ],
  [
    "killed in a restore that was proved: the next run lets go of the old volume",
    async () => {
      await kill(restoreOf(first), /Remove the old chainstate/);
      assert.ok(!existsSync(after));
    },
  ],
  [
    "method both: the archive is the moment of the stop, byte for byte, while the node writes on",
    async () => {
      const job = setup.job(snapshotOf({ method: "both" }));
      const main = job.startMain();
      await main.waitForLog(/Archive to/, slowness * 60_000);
      const early = await setup.height();
      await main.waitForLog(/Read the databases back/, slowness * 60_000);
      const late = await setup.height();
      const { exitCode, outputs, log } = await main.ended;
      assert.equal(exitCode, 0, log);
      assert.equal((await job.post()).exitCode, 0);
      assert.match(log, /Finishing what it left/);
      for (const kept of world.made().filter((name) => /\.old\d+$/.test(name))) {
        console.log(`# ${driver}: kept ${kept}`);
        world.removeKept(kept);
      }
      await assertTidy();
      const manifest = manifestOf(outputs["snapshot-id"] ?? "");
      assert.equal(manifest.kind, "both");
      assert.equal(manifest.cut.freezer, driver);
      assertHealthy(manifest);
      console.log(
        `# ${driver}: stopped at ${manifest.chain.stacksHeight}, at ${early} to ${late} while the archive was made`,
      );
      assert.ok(late > manifest.chain.stacksHeight);
      const [volume] = manifest.volumes;
      assert.ok(volume !== undefined && manifest.archive !== undefined);
      const target = join(setup.directory, "unpacked");
      mkdirSync(target);
      tool("tar", "--zstd", "-xf", join(store, manifest.archive.key), "-C", target);
      const moment = world.read(volume.snapshot, (root) => treeOf(root, isScratch));
      assert.ok(Object.keys(moment).length > 10);
      assert.deepEqual(treeOf(join(target, "mainnet"), isScratch), moment);
    },
  ],
  [
    "an archive from the frozen view, after which retention removes the volume snapshots",
    async () => {
      // The restores that were killed have announced what they read, and retention would leave it alone for a day and a half.
      for (const read of visibleSnapshots(store))
        rmSync(join(store, readersPrefix(read)), { recursive: true, force: true });
      const { id } = await succeed(
        snapshotOf({ downtime: "short", "freeze-with": driver, "keep-last": "1" }),
      );
      const manifest = manifestOf(id);
      assert.equal(manifest.cut.freezer, driver);
      assertHealthy(manifest);
      assert.deepEqual(visibleSnapshots(store), [id]);
      assert.deepEqual(world.made(), []);
      await assertTidy();
    },
  ],
];

const ofLvm: typeof cases = [
  [
    "a full thin pool is refused before the node is stopped",
    async () => {
      const before = setup.pids();
      tool(
        "lvcreate",
        "--yes",
        "--type",
        "thin",
        "--thinpool",
        "pool",
        "-V",
        "200M",
        "-n",
        "stuffing",
        "group",
      );
      try {
        const columns = ["--noheadings", "--nosuffix", "--units", "m", "-o", "data_percent,lv_size"];
        const [percent = 0, sizeMib = 0] = tool("lvs", ...columns, "group/pool")
          .trim()
          .split(/\s+/)
          .map(Number);
        const count = Math.ceil(sizeMib * (0.96 - percent / 100));
        tool("dd", "if=/dev/zero", "of=/dev/group/stuffing", "bs=1M", `count=${count}`, "oflag=direct");
        await fail(snapshotOf({ method: "volume" }), /thin pool group\/pool is 9\d %(25)? full/);
      } finally {
        tool("lvremove", "--yes", "group/stuffing");
      }
      assert.deepEqual(setup.pids(), before);
      await assertTidy();
    },
  ],
];

const only = new RegExp(process.argv[3] ?? "");
let failed = 0;
for (const [title, run] of driver === "lvm" ? [...cases, ...ofLvm] : cases) {
  if (!only.test(title)) continue;
  const start = performance.now();
  try {
    await run();
    console.log(`ok ${driver} through dist: ${title} (${((performance.now() - start) / 1000).toFixed(1)} s)`);
  } catch (error) {
    failed += 1;
    console.log(`not ok ${driver} through dist: ${title}`);
    console.log(error);
    // What comes after it builds on it: the node has to be there, the rest is told by the cases themselves.
    await untilNodeRuns(setup, slowness).catch((late: unknown) => console.log(late));
  }
}
await setup.remove();
console.log(
  failed === 0 ? `all of ${driver} through dist passed` : `${failed} of ${driver} through dist failed`,
);
process.exitCode = failed === 0 ? 0 : 1;
