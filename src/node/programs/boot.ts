/**
 * The node's own program on a copy of a chainstate, on addresses of this host alone: it has to come up, to stand at the
 * copy's height, and to stop cleanly. Nobody's node is touched: what is ended here by force, if it has to be, works on the copy.
 */
import { createServer } from "node:net";
import { ActionError, describeError, hasCode, throwIfAborted } from "../../domain/errors.ts";
import type { Clock } from "../../system/clock.ts";
import type { ExecResult } from "../../system/exec.ts";
import { poll } from "../../system/poll.ts";
import { askNodeInfo, describeOutcome, type NodeInfo } from "../rpc.ts";
import type { ProgramRunner } from "./runner.ts";
import { Words } from "./words.ts";

export interface BootRequest {
  readonly programs: ProgramRunner;
  readonly program: string;
  readonly configFile: string;
  readonly rpcUrl: string;
  readonly home: string;
  /** Of the chainstate. */
  readonly height: number;
  readonly startTimeoutMs: number;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly say: (line: string) => void;
  /** While it runs at that height. */
  readonly whileUp: (rpcUrl: string) => Promise<void>;
}

export interface Booted {
  readonly info: NodeInfo;
  /** From the start until its RPC was at the height. */
  readonly startedMs: number;
  readonly stoppedMs: number;
}

/** A node without peers to answer ends in seconds; one that does not is broken, or the disk is slow. */
const stopLimitMs = 10 * 60_000;
/** A thread that died right after the start says so by then. */
const watchedMs = 5_000;
const everyMs = 500;

/** BOOT_FAILED. */
export async function bootNode(request: BootRequest): Promise<Booted> {
  const { programs, program, configFile, home, signal, clock, say, startTimeoutMs } = request;
  const words = new Words(say);
  const stop = new AbortController();
  const startedAt = clock.now();
  let ended: ExecResult | undefined;
  const running = programs
    .run({
      argv: [program, "start", "--config", configFile],
      home,
      configFile,
      network: "host",
      signal,
      timeoutMs: startTimeoutMs + stopLimitMs + 60 * 60_000,
      onLine: words.hear,
      stop: { signal: stop.signal, killAfterMs: stopLimitMs },
    })
    .then((result) => (ended = result));
  // Awaited in the end whatever happens before.
  running.catch(() => undefined);
  let told = false;
  try {
    const info = await waitForHeight(request, words, () => ended);
    const startedMs = clock.now() - startedAt;
    await request.whileUp(request.rpcUrl);
    await clock.sleep(watchedMs, signal);
    requireAlive(words, ended);
    const stoppedAt = clock.now();
    stop.abort();
    requireCleanEnd(words, await running);
    return { info, startedMs, stoppedMs: clock.now() - stoppedAt };
  } catch (error) {
    throwIfAborted(signal);
    words.tellLast(40);
    told = true;
    throw hasCode(error, "COMMAND_FAILED")
      ? failed(`could not be run: ${describeError(error)}`, error)
      : error;
  } finally {
    stop.abort();
    await running.catch(() => undefined);
    if (!told) words.tellLast(3);
  }
}

async function waitForHeight(
  { rpcUrl, height, startTimeoutMs, signal, clock }: BootRequest,
  words: Words,
  ended: () => ExecResult | undefined,
): Promise<NodeInfo> {
  let last = "its RPC was not asked";
  const found = await poll({ everyMs, limitMs: startTimeoutMs, signal, clock }, async () => {
    requireAlive(words, ended());
    const asked = await askNodeInfo(rpcUrl, signal);
    if (asked.kind !== "answer") last = `its RPC: ${describeOutcome(asked)}`;
    else if (asked.value.stacks_tip_height < height)
      last = `it is at height ${asked.value.stacks_tip_height}`;
    else return asked.value;
    return undefined;
  });
  requireAlive(words, ended());
  if (found !== undefined) return found;
  throw failed(`was not at height ${height} after ${Math.round(startTimeoutMs / 1000)} s: ${last}`);
}

function requireAlive(words: Words, ended: ExecResult | undefined): void {
  if (words.panic !== undefined) throw failed(`panicked: ${words.panic}`);
  if (ended !== undefined)
    throw failed(`ended with ${ended.signal ?? `exit code ${ended.exitCode}`}: ${words.lastLine}`);
}

function requireCleanEnd(words: Words, { exitCode, signal }: ExecResult): void {
  if (words.panic !== undefined) throw failed(`panicked when it was told to stop: ${words.panic}`);
  if (signal === "SIGKILL") throw failed(`did not stop within ${stopLimitMs / 60_000} minutes`);
  if (exitCode !== 0) throw failed(`did not stop cleanly: ${signal ?? `exit code ${exitCode}`}`);
}

function failed(what: string, cause?: unknown): ActionError {
  return new ActionError("BOOT_FAILED", `The node's program, on a copy of the chainstate, ${what}.`, {
    cause,
  });
}

/** Two ports of this host that nobody listens on now. */
export async function freePorts(): Promise<{ readonly rpc: number; readonly p2p: number }> {
  const servers = [createServer(), createServer()];
  const ports = await Promise.all(
    servers.map(
      async (server) =>
        await new Promise<number>((resolve, reject) => {
          server.once("error", reject);
          server.listen(0, "127.0.0.1", () => {
            const address = server.address();
            resolve(typeof address === "object" && address !== null ? address.port : 0);
          });
        }),
    ),
  );
  await Promise.all(servers.map(async (server) => await new Promise((resolve) => server.close(resolve))));
  const [rpc = 0, p2p = 0] = ports;
  return { rpc, p2p };
}
