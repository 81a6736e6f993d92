/**
 * Everybody's first night, second night and restore, on the same data to the same place, in one run:
 *
 *     npm run bench -- [--size 1e9] [--files 7000] [--night 0.02] [--runs 5] [--dir DIR] [--only "NAME;…"] [--scale 1,2,4] [--json FILE]
 *     npm run bench -- --data hash-keyed [--on xfs|btrfs|ext4] [--size 4e9] [--night 0.001] [--runs 5] …
 *
 * The second, as root, has databases at mainnet's ratio, on a file system of its own in a file in DIR, and nothing in the page cache
 * before each step but the programs; what was read and sent is beside what changed, and an hour later (0.05 of a night) comes one more
 * snapshot. Ours goes to a store in memory, a process of its own that copies by itself.
 *
 * A round takes all contestants one after the other, each beginning with another, through: first night into an empty store; a night's
 * growth; second night; restore. The next round goes on with the grown data. A time ends when everything is on the disk (`sync -f`). Shown
 * are medians. With AWS_ENDPOINT_URL_S3, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and BENCH_BUCKET set, those that go to S3 run too; with
 * BENCH_STORE_PIDS (separated by commas) what those processes computed meanwhile is taken off, shared out over the processors.
 * `--scale` takes those sizes in GB instead of `--size`, one after the other. What is not installed is named and left out.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { availableParallelism, loadavg } from "node:os";
import { basename, join } from "node:path";
import { parseArgs } from "node:util";
import type { LoopFileSystem } from "../__tests__/freeze/loop-mount.ts";
import type { Changed } from "./changes.ts";
import {
  hashKeyedData,
  mountGround,
  serveOwnS3,
  shapedData,
  type BenchData,
  type Ground,
  type OwnS3,
} from "./data.ts";
import { median } from "./median.ts";
import { contestants, hashKeyedContestants } from "./peers.ts";
import type { Contestant, Places } from "./peers.ts";
import { run, storePidsOf, timed, type Timed } from "./timed.ts";

const { values } = parseArgs({
  options: {
    data: { type: "string", default: "shape" },
    on: { type: "string", default: "xfs" },
    size: { type: "string" },
    files: { type: "string" },
    night: { type: "string" },
    runs: { type: "string", default: "5" },
    dir: { type: "string", default: "/var/tmp/bench-run" },
    only: { type: "string" },
    scale: { type: "string" },
    json: { type: "string" },
  },
});

export interface Round {
  readonly firstSeconds: number;
  readonly secondSeconds: number;
  readonly restoreSeconds: number;
  /** Processor time of the contestant's own processes, in the order of the three. */
  readonly cpuSeconds?: readonly number[];
  /** What the three times would be if the store had processors of its own. */
  readonly withoutStore?: readonly number[];
  /** Of its store after the first night; absent on S3. */
  readonly storedBytes?: number;
  /** By the second night: what ours says it sent, what others added to their store or wrote anew. */
  readonly sentBytes?: number;
  /** Of the second night: from disks, and from files and sockets at all. */
  readonly readBytes?: number;
  readonly takenBytes?: number;
  /** Before the second night, where that is counted. */
  readonly changed?: Changed;
  readonly hourly?: {
    readonly seconds: number;
    readonly sentBytes: number | undefined;
    readonly changed: Changed | undefined;
  };
}

export interface Report {
  readonly versions: Readonly<Record<string, string>>;
  readonly results: readonly Result[];
}

export interface Result {
  readonly sizeBytes: number;
  readonly name: string;
  readonly place: Contestant["place"];
  readonly settings: string;
  readonly rounds: readonly Round[];
  readonly failed?: string;
}

const isHashKeyed = values.data === "hash-keyed";
const s3 = placeOnS3();
const share = Number(values.night ?? (isHashKeyed ? 0.001 : 0.02));
/** Of a night, an hour's. */
const hourShare = 0.05;
const size = Number(values.size ?? (isHashKeyed ? 4e9 : 1e9));

async function main(): Promise<void> {
  if (isHashKeyed) process.env["AWS_ACCESS_KEY_ID"] = process.env["AWS_SECRET_ACCESS_KEY"] = "bench";
  const all = isHashKeyed ? hashKeyedContestants : contestants;
  const taking = all.filter(isTaking);
  const sizes = values.scale?.split(",").map((gigabytes) => Number(gigabytes) * 1e9) ?? [size];
  const results: Result[] = [];
  for (const sizeBytes of sizes) results.push(...(await onGround(sizeBytes, taking)));
  const report = {
    at: new Date().toISOString(),
    processors: availableParallelism(),
    load: loadavg()[0],
    night: share,
    ...(isHashKeyed ? { on: values.on } : {}),
    runs: Number(values.runs),
    versions: versions(),
    results,
  };
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(report, null, 2)}\n`);
  for (const sizeBytes of sizes) print(results.filter((result) => result.sizeBytes === sizeBytes));
}

async function onGround(sizeBytes: number, taking: readonly Contestant[]): Promise<Result[]> {
  const files = Math.round((Number(values.files ?? (isHashKeyed ? 3000 : 7000)) * sizeBytes) / size);
  if (isHashKeyed) {
    const ground = mountGround(values.on as LoopFileSystem, values.dir, sizeBytes * 6 + 4e9);
    try {
      return await compare(sizeBytes, taking, hashKeyedData({ ...ground, sizeBytes, files }), ground);
    } finally {
      ground.remove();
    }
  }
  rmSync(values.dir, { recursive: true, force: true });
  mkdirSync(values.dir, { recursive: true });
  const { dir: directory } = values;
  const results = await compare(sizeBytes, taking, shapedData({ directory, sizeBytes, files }), {
    directory,
    other: directory,
  });
  rmSync(directory, { recursive: true, force: true });
  return results;
}

type First = Timed & { readonly stored: number };

async function compare(
  sizeBytes: number,
  taking: readonly Contestant[],
  data: BenchData,
  ground: Omit<Ground, "remove">,
): Promise<Result[]> {
  const rounds = new Map<Contestant, Round[]>(taking.map((one) => [one, []]));
  const failed = new Map<Contestant, string>();
  for (let round = 0; round < Number(values.runs); round += 1) {
    const stores = new Map<Contestant, OwnS3>();
    const places = (one: Contestant): Places => placesOf(one, data, ground, stores.get(one) ?? s3);
    const order = [...taking.slice(round % taking.length), ...taking.slice(0, round % taking.length)].filter(
      (one) => !failed.has(one),
    );
    const each = async (work: (one: Contestant, at: Places) => Promise<void>): Promise<void> => {
      for (const one of order)
        if (!failed.has(one)) await attempt(failed, one, async () => await work(one, places(one)));
    };
    const firsts = new Map<Contestant, First>();
    await each(async (one) => {
      if (isHashKeyed && one.place === "s3") stores.set(one, await serveOwnS3());
      const at = places(one);
      rmSync(at.store, { recursive: true, force: true });
      mkdirSync(at.store, { recursive: true });
      firsts.set(one, { ...(await timed(one.first, at, isHashKeyed)), stored: treeSize(at.store) });
    });
    const changed = data.grow(share, 2 * round + 1);
    const done = new Map<Contestant, Round>();
    await each(async (one, at) => {
      const first = firsts.get(one);
      if (first === undefined) return;
      done.set(one, {
        ...(await secondAndBack(one, at, first)),
        ...(changed === undefined ? {} : { changed }),
      });
      if (round === 0) await data.assertRestored(at);
      rmSync(at.back, { recursive: true, force: true });
    });
    const hourChanged = isHashKeyed ? data.grow(share * hourShare, 2 * round + 2) : undefined;
    await each(async (one, at) => {
      const figures = done.get(one);
      if (figures === undefined) return;
      const hour = one.hourly === undefined ? undefined : await timed(one.hourly, at, isHashKeyed);
      const hourly = hour && { seconds: hour.seconds, sentBytes: hour.sent, changed: hourChanged };
      rounds.get(one)?.push({ ...figures, ...(hourly === undefined ? {} : { hourly }) });
      if (one.place === "s3" && !isHashKeyed)
        await run('aws --endpoint-url "$AWS_ENDPOINT_URL_S3" s3 rm --quiet --recursive "s3://$BUCKET"', at);
    });
    for (const one of order) rmSync(places(one).store, { recursive: true, force: true });
    for (const store of stores.values()) store.stop();
  }
  return taking.map((one) => {
    const why = failed.get(one);
    const { name, place, settings } = one;
    return {
      sizeBytes,
      name,
      place,
      settings,
      rounds: rounds.get(one) ?? [],
      ...(why === undefined ? {} : { failed: why }),
    };
  });
}

async function secondAndBack(one: Contestant, places: Places, first: First): Promise<Round> {
  const second = await timed(one.second ?? one.first, places, isHashKeyed);
  const now = treeSize(places.store);
  const added = one.second === undefined ? now : now - first.stored;
  const sentBytes = second.sent ?? (one.place === "s3" ? undefined : added);
  mkdirSync(places.back, { recursive: true });
  const restored = await timed(one.restore, places, isHashKeyed);
  const three = [first, second, restored];
  const { readBytes, takenBytes } = second;
  return {
    firstSeconds: first.seconds,
    secondSeconds: second.seconds,
    restoreSeconds: restored.seconds,
    cpuSeconds: three.map(({ cpuSeconds }) => cpuSeconds),
    readBytes,
    takenBytes,
    ...(storePidsOf(places).length === 0 || one.place !== "s3"
      ? {}
      : { withoutStore: three.map((each) => each.seconds - each.storeSeconds / availableParallelism()) }),
    ...(one.place === "s3" ? {} : { storedBytes: first.stored }),
    ...(sentBytes === undefined ? {} : { sentBytes }),
  };
}

/** One that cannot is named in the result, and the others go on. */
async function attempt(
  failed: Map<Contestant, string>,
  one: Contestant,
  work: () => Promise<void>,
): Promise<void> {
  try {
    await work();
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    console.error(`${one.name}: ${why}`);
    failed.set(one, why.slice(-300));
  }
}

function placesOf(
  one: Contestant,
  data: BenchData,
  ground: Omit<Ground, "remove">,
  place: Places["s3"],
): Places {
  const directory = join(ground.directory, one.place, one.name.replaceAll(/\W+/gu, "-"));
  return {
    data: one.ownPath === true ? join(ground.other, basename(data.path)) : data.path,
    store: `${directory}-store`,
    back: `${directory}-back`,
    s3: one.place === "s3" ? place : undefined,
  };
}

function treeSize(directory: string): number {
  let size = 0;
  for (const entry of readdirSync(directory, { withFileTypes: true, recursive: true })) {
    if (entry.isFile()) size += statSync(join(entry.parentPath, entry.name)).size;
  }
  return size;
}

function isTaking(one: Contestant): boolean {
  if (one.place === "s3" && s3 === undefined && !isHashKeyed) return false;
  if (values.only !== undefined && !values.only.split(";").some((name) => one.name.startsWith(name)))
    return false;
  const tools = [one.first, one.restore].flatMap((step) =>
    typeof step === "string"
      ? (step.match(/\b(?:pzstd|zstd|restic|borg|casync|aws|rclone|aria2c)\b/g) ?? [])
      : [],
  );
  const missing = tools.find((tool) => spawnSync("bash", ["-c", `command -v ${tool}`]).status !== 0);
  if (missing !== undefined) console.error(`${one.name} is left out: ${missing} is not installed.`);
  return missing === undefined;
}

function placeOnS3(): Places["s3"] {
  const { AWS_ENDPOINT_URL_S3: endpoint, BENCH_BUCKET: bucket } = process.env;
  return endpoint === undefined || bucket === undefined ? undefined : { endpoint, bucket };
}

function versions(): Record<string, string> {
  const lines = {
    zstd: "zstd --version",
    restic: "restic version",
    borg: "borg --version",
    casync: "casync --version",
    aws: "aws --version | cut -d' ' -f1",
    rclone: "rclone version",
    aria2c: "aria2c --version",
  };
  const found = Object.entries(lines).map(([name, line]) => [
    name,
    spawnSync("bash", ["-c", line], { encoding: "utf8" }).stdout.split("\n")[0] ?? "",
  ]);
  return { node: process.version, ...(Object.fromEntries(found) as Record<string, string>) };
}

function print(results: readonly Result[]): void {
  const [first] = results;
  if (first === undefined) return;
  console.log(
    `\n${(first.sizeBytes / 1e9).toFixed(1)} GB, ${values.runs} rounds, medians in seconds (and of the seed's way in its place)`,
  );
  for (const { name, place, rounds, failed } of results) {
    const base = results.find((one) => one.place === place && one.name.startsWith("tar | pzstd"));
    const cell = (pick: (round: Round) => number): string => {
      const middle = median(rounds.map(pick));
      const beside = base === undefined ? "" : ` (${(middle / median(base.rounds.map(pick))).toFixed(2)})`;
      return `${middle.toFixed(2)}${beside}`.padEnd(15);
    };
    const figures = [
      cell((round) => round.firstSeconds),
      cell((round) => round.secondSeconds),
      cell((round) => round.restoreSeconds),
    ];
    console.log(`${place.padEnd(5)}${name.padEnd(40)}${failed === undefined ? figures.join("") : "failed"}`);
    for (const key of ["cpuSeconds", "withoutStore"] as const) {
      if (rounds[0]?.[key] === undefined) continue;
      const each = [0, 1, 2].map((step) => cell((round) => round[key]?.[step] ?? Number.NaN));
      console.log(
        `     ${{ cpuSeconds: "  CPU", withoutStore: "  store's CPU subtracted" }[key].padEnd(40)}${each.join("")}`,
      );
    }
    if (failed === undefined && isHashKeyed) printChanges(rounds);
  }
}

/** What was sent and read, beside what changed; the second night beside the first. */
function printChanges(rounds: readonly Round[]): void {
  const middle = (pick: (round: Round) => number | undefined): number =>
    median(rounds.map((round) => pick(round) ?? Number.NaN));
  const MB = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;
  const beside = (pick: (round: Round) => number | undefined, of: keyof Changed): string =>
    `${MB(middle(pick))} (${middle((round) => (pick(round) ?? Number.NaN) / (round.changed?.[of] ?? 0)).toFixed(2)} of what changed)`;
  const ratio = middle(({ firstSeconds, secondSeconds }) => secondSeconds / firstSeconds).toFixed(3);
  console.log(
    `       second ${ratio} of the first; sent ${beside(({ sentBytes }) => sentBytes, "compressedBytes")}; ` +
      `read from disk ${beside(({ readBytes }) => readBytes, "bytes")}, at all ${MB(middle(({ takenBytes }) => takenBytes))}`,
  );
  if (rounds[0]?.hourly !== undefined)
    console.log(
      `       an hour later: ${middle(({ hourly }) => hourly?.seconds).toFixed(2)} s, sent ${MB(middle(({ hourly }) => hourly?.sentBytes))} of ${MB(middle(({ hourly }) => hourly?.changed?.compressedBytes))} that changed`,
    );
}

await main();
