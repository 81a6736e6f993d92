import { mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { explainError } from "../../src/report/explain-error.ts";
import { writeMetrics } from "../../src/report/metrics.ts";
import { newRecord, type RunRecord } from "../../src/report/record.ts";

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "metrics-"));
});
afterEach(() => rm(directory, { recursive: true }));

function run(
  command: string,
  endedAt: number,
  change: (record: RunRecord) => void = () => undefined,
): RunRecord {
  const record = newRecord("main", endedAt - 5000);
  record.command = command;
  record.endedAt = endedAt;
  change(record);
  return record;
}

test("a link in the place of the temporary file leads nowhere", async () => {
  const path = join(directory, "c.prom");
  const victim = join(directory, "victim");
  await writeFile(victim, "mine");
  await symlink(victim, `${path}.${process.pid}.tmp`);
  await writeMetrics(path, run("snapshot", 100_000));
  expect(await readFile(victim, "utf8")).toBe("mine");
  expect(await readFile(path, "utf8")).toContain("chainstate_snapshot");
});

test("a failure keeps the last success's figures, and commands share one file", async () => {
  const path = join(directory, "c.prom");
  await writeFile(path, '# other\nsomebody_elses 1\nchainstate_snapshot_made_up{command="snapshot"} 3\n');
  await writeMetrics(
    path,
    run("snapshot", 100_000, (record) => {
      record.node = "running";
      record.downtimes.push({ startedAt: 96_000, endedAt: 97_500 });
      record.outputs.set("stacks-height", "57").set("size-bytes", "1000");
    }),
  );
  await writeMetrics(path, run("prune", 150_000));
  await writeMetrics(
    path,
    run("snapshot", 200_000, (record) => {
      record.node = "down";
      record.failure = explainError(new Error("x"), (text) => text);
    }),
  );
  const text = await readFile(path, "utf8");
  expect(text).toContain('chainstate_snapshot_last_success_timestamp_seconds{command="snapshot"} 100\n');
  expect(text).toContain('chainstate_snapshot_last_run_timestamp_seconds{command="snapshot"} 200\n');
  expect(text).toContain('chainstate_snapshot_last_run_success{command="snapshot"} 0\n');
  expect(text).toContain('chainstate_snapshot_last_run_success{command="prune"} 1\n');
  expect(text).toContain('chainstate_snapshot_node_running{command="snapshot"} 0\n');
  expect(text).toContain('chainstate_snapshot_stacks_height{command="snapshot"} 57\n');
  expect(text).toContain('chainstate_snapshot_downtime_seconds{command="snapshot"} 1.5\n');
  expect(text).not.toContain("somebody_elses");
  expect(text).not.toContain("made_up");
  for (const line of text.trimEnd().split("\n")) {
    expect(line).toMatch(
      /^(# (HELP|TYPE) chainstate_snapshot_\w+ .+|chainstate_snapshot_\w+\{command="\w+"\} [\d.e+-]+)$/,
    );
  }
  expect(await readdir(directory)).toEqual(["c.prom"]);
});

test("every figure that is collected is written", async () => {
  const path = join(directory, "c.prom");
  const figures = ["stacks-height", "burn-height", "size-bytes", "uploaded-bytes", "fetched-bytes"] as const;
  await writeMetrics(
    path,
    run("restore", 100_000, (record) => {
      for (const name of [...figures, "reused-frames", "reused-percent"] as const)
        record.outputs.set(name, "7");
    }),
  );
  expect((await readFile(path, "utf8")).match(/\{command="restore"\} 7$/gm)).toHaveLength(7);
});

test("two nodes on one host share a file, and each has its own series", async () => {
  const path = join(directory, "c.prom");
  const places = ["/var/stacks/mainnet", '/var/"b"\\/xenon'];
  for (const [index, place] of places.entries()) {
    await writeMetrics(
      path,
      run("snapshot", 100_000, (record) => {
        record.chainstateDir = place;
        record.outputs.set("stacks-height", String(index));
      }),
    );
  }
  const text = await readFile(path, "utf8");
  expect(text).toContain('stacks_height{command="snapshot",chainstate="/var/stacks/mainnet"} 0\n');
  expect(text).toContain('stacks_height{command="snapshot",chainstate="/var/\\"b\\"\\\\/xenon"} 1\n');
});

test("a killed run is no success", async () => {
  const path = join(directory, "c.prom");
  await writeMetrics(
    path,
    run("snapshot", 100_000, (record) => {
      record.interrupted = true;
    }),
  );
  expect(await readFile(path, "utf8")).toContain('last_run_success{command="snapshot"} 0\n');
});

test("a directory that is not there is an error and leaves nothing", async () => {
  await expect(writeMetrics(join(directory, "no", "c.prom"), run("list", 1))).rejects.toThrow("ENOENT");
});
