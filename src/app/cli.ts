/**
 * The command line: the commands, inputs, errors and summary of the action without a runner. One process does what the two
 * steps do: whatever the run has left open (it failed, or a signal ended it) is finished before the process ends.
 */
import { rm } from "node:fs/promises";
import type { Config } from "../config/config.ts";
import { variableOf, type Environment } from "../config/given.ts";
import { loadOptions } from "../config/inputs.ts";
import type { RunContext } from "../commands/context.ts";
import { describeError, InputError } from "../domain/errors.ts";
import type { RunRecord } from "../report/record.ts";
import { openReport, type RunReport } from "../report/run-report.ts";
import { processState, type StateStore } from "../report/state.ts";
import { bestEffort } from "../system/best-effort.ts";
import { helpOf, overview } from "./cli-help.ts";
import { readCommandLine, type CommandLine } from "./cli-options.ts";
import { cancelledBy, failUnlessSettled } from "./ending.ts";
import type { Signals } from "./signals.ts";
import { createContext, toolVersion } from "./wiring.ts";

/** As shells and supervisors have them: 2 for a wrong command line, 130 for one that was told to end. */
const exitCodes = { done: 0, failed: 1, wrongInputs: 2, cancelled: 130 } as const;

export async function runCli(argv: readonly string[], signals: Signals): Promise<void> {
  const line = readCommandLine(argv);
  const columns = Math.min(process.stdout.columns || 100, 120);
  if (line.wants === "version") process.stdout.write(`chainstate-snapshot ${toolVersion}\n`);
  else if (line.wants === "help")
    process.stdout.write(line.command === undefined ? overview(columns) : helpOf(line.command, columns));
  else if (line.texts.has("command")) return await run(line, signals);
  else {
    process.stderr.write(overview(columns));
    process.exitCode = exitCodes.wrongInputs;
  }
  signals.close();
}

async function run({ texts, asJson }: CommandLine, signals: Signals): Promise<void> {
  // Also for the search for secrets, which a signed URL may hold.
  const inputs = Object.fromEntries([...texts].map(([name, text]) => [variableOf(name), text]));
  const environment = { ...withoutRunner(process.env), ...inputs };
  const log = asJson ? process.stderr : process.stdout;
  const write = (text: string): void => void log.write(text);
  const report = await openReport({ step: "main", environment, toolVersion, write });
  const settled = failUnlessSettled(report);
  let error: unknown;
  try {
    const config = loadOptions(texts);
    if (config.command === "restore") refuseForJobs(config);
    if ("signKey" in config && config.signKey.kind === "text") throw shownToAll();
    report.begin(config);
    await work(config, { report, environment, signals });
  } catch (caught) {
    error = caught;
  }
  await report.conclude(error);
  settled();
  signals.close();
  if (asJson) process.stdout.write(`${JSON.stringify(resultOf(report.record))}\n`);
  if (error instanceof InputError) process.exitCode = exitCodes.wrongInputs;
  else if (report.record.failure?.cancelled === true) process.exitCode = exitCodes.cancelled;
}

interface Surroundings {
  readonly report: RunReport;
  readonly environment: Environment;
  readonly signals: Signals;
}

async function work(config: Config, { report, environment, signals }: Surroundings): Promise<void> {
  const state = processState();
  const ctx = await createContext({ report, signal: cancelledBy(signals), state, environment });
  try {
    const { runCommand } = await import("../commands/run/run-command.ts");
    await runCommand(config, ctx);
    await state.save({ outcome: "succeeded" });
  } catch (error) {
    await state.save({ outcome: "failed" });
    throw error;
  } finally {
    await tryFinish(state, { ...ctx, signal: cancelledBy(signals) });
    await bestEffort(report, `remove ${ctx.host.tempDir}`, async () => {
      await rm(ctx.host.tempDir, { recursive: true, force: true });
    });
  }
}

/** What the post step of the action does. The run's own error is the one that is told. */
async function tryFinish(state: StateStore, ctx: RunContext): Promise<void> {
  try {
    const { finishRun } = await import("../commands/run/finish.ts");
    await finishRun(state.load(), ctx, true);
  } catch (error) {
    ctx.report.warning(
      `Not all that this run left could be finished; the next run on this chainstate tries again: ${describeError(error)}`,
    );
  }
}

function refuseForJobs({ removeAfterJob, cache }: Extract<Config, { command: "restore" }>): void {
  const name = removeAfterJob ? "remove-after-job" : "cache";
  if (!removeAfterJob && cache.kind !== "github") return;
  throw new InputError(
    name,
    `The input '${name}' is for a job of GitHub Actions, and this is a command line.`,
    name === "cache"
      ? "Give a directory instead."
      : "Remove the directory yourself when you are done with it.",
  );
}

function shownToAll(): InputError {
  return new InputError(
    "sign-key",
    "A private key on a command line can be read by everybody on this machine.",
    "Give the path of its file, or `agent`.",
  );
}

/** A step of a workflow may call this, too: then it is still a command line, with a text of its own. */
function withoutRunner(environment: Environment): Environment {
  const ofRunner = /^(?:GITHUB|INPUT|STATE|RUNNER|ACTIONS)_/;
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !ofRunner.test(name)));
}

/** What `--json` prints: outputs as in action.yml, those that hold JSON as what they hold. */
function resultOf({ command, headline, failure, node, warnings, outputs }: RunRecord): unknown {
  const outcome = failure === undefined ? "done" : failure.cancelled ? "cancelled" : "failed";
  const { code, sentence, hint, page } = failure ?? {};
  return {
    command,
    outcome,
    sentence: sentence ?? headline ?? "",
    ...(failure === undefined ? {} : { error: { code, hint, page } }),
    node,
    warnings,
    outputs: Object.fromEntries([...outputs].map(([name, text]) => [name, parsed(text)])),
  };
}

function parsed(text: string): unknown {
  return /^[[{]/.test(text) ? (JSON.parse(text) as unknown) : text;
}
