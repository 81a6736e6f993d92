/** A thread that steps back and waits to be looked at. */
import { parentPort } from "node:worker_threads";
import { stepBackBestEffort } from "../../src/system/gentle.ts";

// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a message port has no origin
parentPort?.postMessage(stepBackBestEffort());
parentPort?.once("message", () => process.exit(0));
