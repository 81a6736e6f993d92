/**
 * Everybody's first night, second night and restore, on the same data to the same place, in one run:
 *
 *     npm run bench -- [--size 1e9] [--files 7000] [--night 0.02] [--runs 5] [--dir DIR] [--only "NAME;…"] [--scale 1,2,4] [--json FILE]
 *
 * A round takes all contestants one after the other, each beginning with another, through: first night into an empty store; a night's
 * growth; second night; restore. The next round goes on with the grown data. A time ends when everything is on the disk (`sync -f`). Shown
 * are medians. With AWS_ENDPOINT_URL_S3, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and BENCH_BUCKET set, those that go to S3 run too; with
 * BENCH_STORE_PIDS (separated by commas) what those processes computed meanwhile is taken off, shared out over the processors.
 * `--scale` takes those sizes in GB instead of `--size`, one after the other. What is not installed is named and left out.
 */
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { availableParallelism, loadavg } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { createChainstate } from "../simulator/chainstate.ts";
import { addNight, writeChainstate } from "./chainstate-data.ts";
import { median } from "./median.ts";
import { contestants } from "./peers.ts";
import type { Contestant, Places, Step } from "./peers.ts";

const { values } = parseArgs({
  options: {
    size: { type: "string", default: "1e9" },
    files: { type: "string", default: "7000" },
    night: { type: "string", default: "0.02" },
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

const s3 = placeOnS3();
const storePids = (process.env["BENCH_STORE_PIDS"] ?? "").split(",").filter((pid) => pid !== "");
const share = Number(values.night);

async function main(): Promise<void> {
  const taking = contestants.filter(isTaking);
  const sizes = values.scale?.split(",").map((gigabytes) => Number(gigabytes) * 1e9) ?? [Number(values.size)];
  const results: Result[] = [];
  for (const sizeBytes of sizes) results.push(...(await compare(sizeBytes, taking)));
  const report = {
    at: new Date().toISOString(),
    processors: availableParallelism(),
    load: loadavg()[0],
    night: share,
    runs: Number(values.runs),
    versions: versions(),
    results,
  };
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(report, null, 2)}\n`);
  for (const sizeBytes of sizes) print(results.filter((result) => result.sizeBytes === sizeBytes));
}

async function compare(sizeBytes: number, taking: readonly Contestant[]): Promise<Result[]> {
  const data = join(values.dir, "mainnet");
  rmSync(values.dir, { recursive: true, force: true });
  mkdirSync(values.dir, { recursive: true });
  createChainstate(data, { era: "nakamoto", height: 100, seed: "bench", blocksInWal: 0 });
  const shape = {
    sizeBytes,
    smallFiles: Math.round((Number(values.files) * sizeBytes) / Number(values.size)),
    blocks: join(data, "chainstate/blocks"),
  };
  const bulk = join(data, "bulk");
  writeChainstate(bulk, shape);
  const rounds = new Map<Contestant, Round[]>(taking.map((one) => [one, []]));
  const failed = new Map<Contestant, string>();
  for (let round = 0; round < Number(values.runs); round += 1) {
    const order = [...taking.slice(round % taking.length), ...taking.slice(0, round % taking.length)].filter(
      (one) => !failed.has(one),
    );
    const firsts = new Map<Contestant, Timed & { readonly stored: number }>();
    for (const one of order) {
      const places = placesOf(one, data);
      rmSync(places.store, { recursive: true, force: true });
      mkdirSync(places.store, { recursive: true });
      await attempt(failed, one, async () => {
        firsts.set(one, { ...(await timed(one.first, places)), stored: treeSize(places.store) });
      });
    }
    addNight(bulk, shape, share, round);
    await run("sync", placesOf(taking[0]!, data));
    for (const one of order) {
      const places = placesOf(one, data);
      const first = firsts.get(one);
      if (first === undefined || failed.has(one)) continue;
      await attempt(failed, one, async () => {
        const second = await timed(one.second ?? one.first, places);
        const now = treeSize(places.store);
        const added = one.second === undefined ? now : now - first.stored;
        const sentBytes = second.sent ?? (one.place === "s3" ? undefined : added);
        mkdirSync(places.back, { recursive: true });
        const restored = await timed(one.restore, places);
        const three = [first, second, restored];
        if (round === 0) await assertRestored(places);
        rounds.get(one)?.push({
          firstSeconds: first.seconds,
          secondSeconds: second.seconds,
          restoreSeconds: restored.seconds,
          cpuSeconds: three.map(({ cpuSeconds }) => cpuSeconds),
          ...(storePids.length === 0 || one.place !== "s3"
            ? {}
            : {
                withoutStore: three.map((each) => each.seconds - each.storeSeconds / availableParallelism()),
              }),
          ...(one.place === "s3" ? {} : { storedBytes: first.stored }),
          ...(sentBytes === undefined ? {} : { sentBytes }),
        });
      });
      rmSync(places.back, { recursive: true, force: true });
      rmSync(places.store, { recursive: true, force: true });
      if (one.place === "s3")
        await run(
          'aws --endpoint-url "$AWS_ENDPOINT_URL_S3" s3 rm --quiet --recursive "s3://$BUCKET"',
          places,
        );
    }
  }
  rmSync(values.dir, { recursive: true, force: true });
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

function placesOf(one: Contestant, data: string): Places {
  const directory = join(values.dir, one.place, String(contestants.indexOf(one)));
  return {
    data,
    store: `${directory}-store`,
    back: `${directory}-back`,
    s3: one.place === "s3" ? s3 : undefined,
  };
}

interface Timed {
  readonly seconds: number;
  readonly cpuSeconds: number;
  /** Processor time of the store meanwhile. */
  readonly storeSeconds: number;
  readonly sent?: number;
}

async function timed(step: Step, places: Places): Promise<Timed> {
  const started = performance.now();
  const [cpu, store] = [cpuOfChildren(), cpuOfStore()];
  const sent = typeof step === "string" ? await run(step, places) : await step(places);
  const [cpuSeconds, storeSeconds] = [cpuOfChildren() - cpu, cpuOfStore() - store];
  await run('sync -f "$STORE"', places);
  const seconds = (performance.now() - started) / 1000;
  return { seconds, cpuSeconds, storeSeconds, ...(sent === undefined ? {} : { sent }) };
}

const ticksPerSecond = 100;
/** Of `/proc/PID/stat`, counted behind the name: own times, and those of children that were waited for. */
const [ownTicks, childTicks] = [11, 13];

function cpuOf(pid: string, at: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "latin1").split(") ").at(-1)?.split(" ") ?? [];
  return (Number(fields[at]) + Number(fields[at + 1])) / ticksPerSecond;
}

function cpuOfChildren(): number {
  return cpuOf("self", childTicks);
}

function cpuOfStore(): number {
  return storePids.reduce((sum, pid) => sum + cpuOf(pid, ownTicks), 0);
}

async function run(line: string, { data, store, back, s3: place }: Places): Promise<undefined> {
  const child = spawn("bash", ["-e", "-o", "pipefail", "-c", line], {
    env: {
      ...process.env,
      AWS_REGION: "us-east-1",
      DATA: data,
      STORE: store,
      BACK: back,
      BUCKET: place?.bucket ?? "",
    },
    stdio: ["ignore", "ignore", "pipe"],
  });
  let text = "";
  child.stderr.setEncoding("utf8").on("data", (piece: string) => (text += piece));
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  if (code !== 0) throw new Error(`${line}\nended with ${code}: ${text}`);
  return undefined;
}

/** Contestants restore to different depths; the bulk of the data and the block files must be there with every byte. */
async function assertRestored(places: Places): Promise<void> {
  await run(
    'found=$(find "$BACK" -type d -name bulk) && diff -r "$found" "$DATA/bulk" && diff -r "$found/../chainstate/blocks" "$DATA/chainstate/blocks"',
    places,
  );
}

function treeSize(directory: string): number {
  let size = 0;
  for (const entry of readdirSync(directory, { withFileTypes: true, recursive: true })) {
    if (entry.isFile()) size += statSync(join(entry.parentPath, entry.name)).size;
  }
  return size;
}

function isTaking(one: Contestant): boolean {
  if (one.place === "s3" && s3 === undefined) return false;
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
    const cell = (pick: (round: Round) => number): string =>
      `${median(rounds.map(pick)).toFixed(2)} (${(median(rounds.map(pick)) / median(base?.rounds.map(pick) ?? [])).toFixed(2)})`.padEnd(
        15,
      );
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
  }
}

await main();
