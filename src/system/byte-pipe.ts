/**
 * Commands that produce or take a stream of bytes (a dump, a restore), with backpressure and without anything of it in
 * memory. What they say on stderr is kept. A command behind sudo cannot be signalled by us; it ends because its pipe does.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { PassThrough, pipeline, type Writable } from "node:stream";
import { throwIfAborted } from "../domain/errors.ts";
import { ChildSupervisor, type ChildEnd } from "./child-end.ts";
import { CommandError } from "./command-error.ts";
import { deadline } from "./deadline.ts";
import { inheritedEnvironment } from "./environment.ts";

export interface PipeOptions {
  readonly signal: AbortSignal;
  /** Ends the command when it has neither taken nor given a byte for this long. */
  readonly noProgressMs: number;
}

export interface PipeEnd extends ChildEnd {
  /** The last 64 Ki characters. */
  readonly stderr: string;
}

/** What a command writes to its stdout; iterate to the end, then await `ended`. */
export interface CommandOutput {
  readonly chunks: AsyncIterable<Uint8Array>;
  readonly ended: Promise<PipeEnd>;
}

const keptChars = 64 * 1024;
const closeWithinMs = 5_000;

/** Starts it; CommandError where it cannot be started. The iteration throws the signal's reason, or STALLED. */
export async function readFromCommand(argv: readonly string[], options: PipeOptions): Promise<CommandOutput> {
  const command = new PipedCommand(argv, "read", options);
  await command.started();
  return { chunks: command.output(), ended: command.ended };
}

/**
 * Feeds it to the end and waits for its exit. Its own early end is not an error of this call (see `exitCode`), but where it
 * exits with 0 before it took everything, `chunks` is read to its end all the same: what is wrong there is thrown.
 */
export async function writeToCommand(
  argv: readonly string[],
  chunks: AsyncIterable<Uint8Array>,
  options: PipeOptions,
): Promise<PipeEnd> {
  const command = new PipedCommand(argv, "write", options);
  await command.started();
  return await command.input(chunks);
}

class PipedCommand {
  readonly ended: Promise<PipeEnd>;
  readonly #argv: readonly string[];
  readonly #options: PipeOptions;
  readonly #child: ChildProcess;
  readonly #supervisor: ChildSupervisor;
  readonly #timer: NodeJS.Timeout;
  readonly #written = new PassThrough();
  #stderr = "";
  #stalled = false;

  constructor(argv: readonly string[], way: "read" | "write", options: PipeOptions) {
    throwIfAborted(options.signal);
    const [command, ...args] = argv;
    if (command === undefined) throw new CommandError("No command given.");
    this.#argv = argv;
    this.#options = options;
    this.#child = spawn(command, args, {
      detached: true,
      env: inheritedEnvironment(),
      stdio: [way === "write" ? "pipe" : "ignore", way === "read" ? "pipe" : "ignore", "pipe"],
    });
    // At once: Node throws away what a child that has ended wrote and nobody has begun to read.
    if (this.#child.stdout !== null) pipeline(this.#child.stdout, this.#written, () => undefined);
    this.#supervisor = new ChildSupervisor(this.#child, {
      command,
      // What is read may take its time to be taken; it has a limit of its own.
      ...(way === "write" ? { pipesAfterExitMs: 1_000 } : {}),
    });
    this.#child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-keptChars);
    });
    this.#timer = setTimeout(() => {
      this.#stalled = true;
      this.#stop();
    }, options.noProgressMs);
    const onAbort = (): void => this.#stop();
    options.signal.addEventListener("abort", onAbort, { once: true });
    this.ended = this.#supervisor.ended
      .then((end) => ({ ...end, stderr: this.#stderr }))
      .finally(() => {
        clearTimeout(this.#timer);
        options.signal.removeEventListener("abort", onAbort);
      });
    this.ended.catch(() => undefined);
  }

  async started(): Promise<void> {
    await this.#supervisor.started;
  }

  async *output(): AsyncGenerator<Uint8Array> {
    const { stdout } = this.#child;
    try {
      for await (const chunk of this.#written) {
        this.#timer.refresh();
        yield chunk as Buffer;
      }
      this.#check();
    } catch (error) {
      this.#check();
      throw error;
    } finally {
      if (this.#child.exitCode === null) stdout?.destroy();
    }
  }

  async input(chunks: AsyncIterable<Uint8Array>): Promise<PipeEnd> {
    const { stdin } = this.#child;
    if (stdin === null) throw new RangeError("The command takes no input.");
    const source = chunks[Symbol.asyncIterator]();
    try {
      const left = await this.#feed(source, stdin);
      left?.coming.catch(() => undefined);
      const end = await this.ended;
      this.#check();
      // Only the end of some streams tells whether they are whole.
      if (end.exitCode === 0) await readOut(left, source, this.#options.signal);
      return end;
    } catch (error) {
      this.#stop();
      await this.ended;
      this.#check();
      throw error;
    } finally {
      const limit = { ms: closeWithinMs, code: "COMMAND_FAILED", what: "The end of a stream" } as const;
      // Best effort: where the source stands still there is no end of it to wait for.
      await deadline(limit, async () => await source.return?.()).catch(() => undefined);
    }
  }

  /** Undefined when everything was taken; else the command closed its end, and this comes next from the source. */
  async #feed(source: AsyncIterator<Uint8Array>, stdin: Writable): Promise<Left | undefined> {
    let broken = false;
    let wake = (): void => undefined;
    const onBroken = (): void => {
      broken = true;
      wake();
    };
    let draining = false;
    stdin.on("drain", () => draining && wake()).on("error", onBroken);
    stdin.once("close", onBroken);
    /** A promise of its own each time: on a lasting one each race would leave something behind. */
    const woken = async (): Promise<undefined> =>
      await new Promise((resolve) => {
        wake = () => resolve(undefined);
        if (broken) wake();
      });
    for (;;) {
      const coming = source.next();
      coming.catch(() => undefined);
      const next = await Promise.race([coming, woken()]);
      if (broken || next === undefined) return { coming };
      if (next.done === true) break;
      this.#timer.refresh();
      draining = !stdin.write(next.value);
      if (draining) await woken();
      draining = false;
      if (broken) return { coming: source.next() };
    }
    stdin.end();
    return undefined;
  }

  #stop(): void {
    this.#child.stdin?.destroy();
    this.#child.stdout?.destroy();
    this.#supervisor.stop();
  }

  #check(): void {
    const { signal, noProgressMs } = this.#options;
    throwIfAborted(signal);
    if (!this.#stalled) return;
    throw new CommandError(`\`${this.#argv.join(" ")}\` made no progress for ${noProgressMs / 1000} s.`);
  }
}

interface Left {
  readonly coming: Promise<IteratorResult<Uint8Array>>;
}

async function readOut(
  left: Left | undefined,
  source: AsyncIterator<Uint8Array>,
  signal: AbortSignal,
): Promise<void> {
  if (left === undefined) return;
  for (let next = await left.coming; next.done !== true; next = await source.next()) throwIfAborted(signal);
}
