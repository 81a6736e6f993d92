/**
 * Milliseconds from the start of the action's process to the first line of its log, through the committed bundle:
 *
 *     node bench/first-line.ts [--runs 21] [--json FILE]
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { createChainstate } from "../simulator/chainstate.ts";
import { Job } from "../simulator/runner.ts";
import { median } from "./median.ts";

const { values } = parseArgs({
  options: { runs: { type: "string", default: "21" }, json: { type: "string" } },
});
const directory = mkdtempSync(join(tmpdir(), "first-line-"));
const milliseconds: number[] = [];
try {
  const chainstate = join(directory, "mainnet");
  createChainstate(chainstate, { era: "nakamoto", height: 20, blocksInWal: 0 });
  mkdirSync(join(directory, "store"));
  for (let run = 0; run < Number(values.runs); run += 1) {
    let firstAt: number | undefined;
    const inputs = {
      "chainstate-dir": chainstate,
      storage: `file://${directory}/store`,
      "node-manager": "none",
    };
    const job = new Job(
      { ...inputs, "dry-run": "true" },
      {
        env: { CHAINSTATE_SNAPSHOT_STATE_DIR: join(directory, "state") },
        onOutput: () => (firstAt ??= performance.now()),
      },
    );
    const startedAt = performance.now();
    const step = await job.main();
    job.remove();
    if (step.exitCode !== 0 || firstAt === undefined) throw new Error(step.log);
    milliseconds.push(Math.round(firstAt - startedAt));
  }
} finally {
  rmSync(directory, { recursive: true, force: true });
}
const report = {
  runs: milliseconds.length,
  medianMs: median(milliseconds),
  longestMs: Math.max(...milliseconds),
};
console.log(JSON.stringify(report));
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(report, null, 2)}\n`);
