/**
 * Starts a simulated node on a small chainstate and leaves it running: for a job that tries the action on a runner, and for a
 * try by hand. `node scripts/simulated-node.ts DIRECTORY PORT`; the chainstate is DIRECTORY/mainnet. Needs no npm package.
 */
import { join, resolve } from "node:path";
import { createChainstate } from "../simulator/chainstate.ts";
import { makeNodeExecutable, startDetached, waitForInfo } from "../simulator/launch.ts";

const [directory, port] = process.argv.slice(2);
if (directory === undefined || port === undefined) throw new Error("Give a directory and a port.");
const chainstate = join(resolve(directory), "mainnet");
createChainstate(chainstate, { era: "nakamoto", height: 200, seed: "simulated", extraBytes: 20_000 });
const executable = makeNodeExecutable(join(resolve(directory), "install"));
const pid = startDetached(executable, ["--dir", chainstate, "--rpc-port", port, "--blocks-per-second", "2"]);
const { stacks_tip_height: height } = await waitForInfo(Number(port));
console.log(`A simulated node runs on ${chainstate}: pid ${pid}, height ${String(height)}.`);
