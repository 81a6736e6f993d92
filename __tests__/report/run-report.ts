/** One run of the reporter in a process of its own, as `main` would drive it; the scenario is the first argument. */
import { createInputs } from "../inputs-builder.ts";
import { ActionError } from "../../src/domain/errors.ts";
import { openReport } from "../../src/report/run-report.ts";

const report = await openReport({ step: "main", environment: process.env, toolVersion: "1.2.3" });
const metrics = process.env["TEST_METRICS"];
report.begin(createInputs(metrics === undefined ? {} : { "metrics-file": metrics }));
await report.phase("preflight", "Preflight", async () => {
  report.info("a line\n::set-output name=x::forged\n  ##[error]forged");
  report.info(process.env["TEST_FOREIGN"] ?? "");
  report.warning(process.env["TEST_FOREIGN"] ?? "");
  report.fact("foreign", process.env["TEST_FOREIGN"] ?? "");
  for (let i = 0; i < 14; i += 1) report.warning(`warning ${i} with ${process.env["TEST_SECRET"]}`);
});
report.node("down");
report.downtime(new Date(1000), undefined);
report.downtime(new Date(1000), new Date(3500));
report.node("running");
await report.phase("archive", "Archive", async (phase) => {
  phase.progress({ doneBytes: 2048, totalBytes: 2048 });
  await report.phase("start", "Start", async () => undefined);
});
report.output("stacks-height", "57");
report.fact("secret", process.env["TEST_SECRET"] ?? "");
report.table("Snapshots", ["id", "height"], [["mainnet-57", "57"]]);
report.headline("Snapshot published.");
const failure = new ActionError("STORE_DENIED", `The store said no to ${process.env["TEST_SECRET"]}.`, {
  hint: "Look at the bucket.",
  cause: new Error(`denied ${process.env["TEST_SECRET"]}`),
});
await report.conclude(process.argv[2] === "fails" ? failure : undefined);
