/** The step after the job: restarts the node and cleans up where `main` could not. It never runs a command. */
import { reasonNotHere } from "./app/host.ts";
import { listenForSignals } from "./app/signals.ts";

// Where `main` could not run it has said so, and there is nothing to do after it.
if (reasonNotHere(process.versions, process.platform) === undefined) {
  const signals = listenForSignals();
  const { runPost } = await import("./app/steps.ts");
  await runPost(signals);
}
