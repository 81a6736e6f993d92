/** The action's step. Signals are listened for before anything is loaded. */
import { canRunHere } from "./app/host.ts";
import { listenForSignals } from "./app/signals.ts";

if (canRunHere()) {
  const signals = listenForSignals();
  const { runMain } = await import("./app/steps.ts");
  await runMain(signals);
}
