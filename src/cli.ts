#!/usr/bin/env node
/** The command line: what the action does, without a runner. */
import { canRunHere } from "./app/host.ts";
import { listenForSignals } from "./app/signals.ts";

if (canRunHere()) {
  const signals = listenForSignals();
  const { runCli } = await import("./app/steps.ts");
  await runCli(process.argv.slice(2), signals);
}
