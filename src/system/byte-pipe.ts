/**
 * Commands that produce or take a stream of bytes (a dump, a restore), with backpressure and without anything of it in
 * memory. What they say on stderr is kept. A command behind sudo cannot be signalled by us; it ends because its pipe does.
 */
import { spawn } from "node:child_process";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { throwIfAborted } from "../errors.ts";
import { CommandError } from "./exec.ts";

export interface PipeOptions {
  readonly signal: AbortSignal;
  /** Ends the command when it has neither taken nor given a byte for this long. */
  readonly noProgressMs: number;
}

export interface PipeEnd {
  readonly exitCode: number | null;
  readonly signal: string | null;
  /** The last 64 Ki characters. */
  readonly stderr: string;
}

/** What a command writes to its stdout; iterate to the end, then await `ended`. */
export interface CommandOutput {
  readonly chunks: AsyncIterable<Uint8Array>;
  readonly ended: Promise<PipeEnd>;
}

const keptChars = 64 * 1024;

/** Starts it; CommandError where it cannot be started. The iteration throws the signal's reason, or STALLED. */
export async function readFromCommand(argv: readonly string[], options: PipeOptions): Promise<CommandOutput> {
  const started = await start(argv, "read", options);
  return { chunks: started.output(), ended: started.ended };
}

/** Feeds it to the end and waits for its exit. Its own early end is not an error of this call: see `exitCode`. */
export async function writeToCommand(
  argv: readonly string[],
  chunks: AsyncIterable<Uint8Array>,
  options: PipeOptions,
): Promise<PipeEnd> {
  const started = await start(argv, "write", options);
  await started.input(chunks);
  return await started.ended;
}

async function start(argv: readonly string[], way: "read" | "write", options: PipeOptions) {
  throwIfAborted(options.signal);
  const [command, ...args] = argv;
  if (command === undefined) throw new CommandError("No command given.");
  const child = spawn(command, args, {
    detached: true,
    env: { ...process.env, LC_ALL: "C" },
    stdio: [way === "write" ? "pipe" : "ignore", way === "read" ? "pipe" : "ignore", "pipe"],
  });
  let stderr = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    stderr = (stderr + text).slice(-keptChars);
  });
  let stalled = false;
  const end = (): void => {
    child.stdin?.destroy();
    child.stdout?.destroy();
    child.kill("SIGTERM");
  };
  const timer = setTimeout(() => {
    stalled = true;
    end();
  }, options.noProgressMs);
  options.signal.addEventListener("abort", end, { once: true });
  const ended = new Promise<PipeEnd>((resolve) => {
    child.once("close", (exitCode, signal) => {
      clearTimeout(timer);
      options.signal.removeEventListener("abort", end);
      resolve({ exitCode, signal, stderr });
    });
  });
  await new Promise<void>((resolve, reject) => {
    child.once("spawn", resolve);
    child.once("error", (cause) => {
      clearTimeout(timer);
      reject(
        new CommandError(`Cannot run ${command}.`, { cause, hint: `Install ${command} or put it on PATH.` }),
      );
    });
  });
  const check = (): void => {
    throwIfAborted(options.signal);
    if (stalled)
      throw new CommandError(`\`${argv.join(" ")}\` made no progress for ${options.noProgressMs / 1000} s.`);
  };
  return {
    ended,
    async *output(): AsyncGenerator<Uint8Array> {
      try {
        for await (const chunk of child.stdout ?? []) {
          timer.refresh();
          yield chunk as Buffer;
        }
        check();
      } catch (error) {
        check();
        throw error;
      } finally {
        if (child.exitCode === null) child.stdout?.destroy();
      }
    },
    async input(chunks: AsyncIterable<Uint8Array>): Promise<void> {
      const { stdin } = child;
      if (stdin === null) return;
      const counted = async function* (): AsyncGenerator<Uint8Array> {
        for await (const chunk of chunks) {
          timer.refresh();
          yield chunk;
        }
      };
      let failure: unknown;
      await pipeline(Readable.from(counted(), { objectMode: false }), stdin).catch((error: unknown) => {
        failure = error;
      });
      check();
      // A command that ends before its input does has its own story to tell; anything else is the source's failure.
      if (failure !== undefined && !isPipeEnd(failure)) {
        end();
        await ended;
        throw failure;
      }
    },
  };
}

function isPipeEnd(error: unknown): boolean {
  return (
    error instanceof Error &&
    "code" in error &&
    (error.code === "EPIPE" || error.code === "ERR_STREAM_PREMATURE_CLOSE" || error.code === "ECONNRESET")
  );
}
