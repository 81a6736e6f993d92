/**
 * Threads that own connections to a store. TLS, HTTP, signatures and copies of a GB take seconds of CPU: on one thread that would be
 * the limit of every fast link. What crosses is a whole buffer, moved and not copied, or one that both sides see.
 */
import { Worker } from "node:worker_threads";
import { ActionError, throwIfAborted } from "../../domain/errors.ts";
import { bestEffort } from "../../system/best-effort.ts";
import { entryPath } from "../../system/entry.ts";
import { errorOf } from "../../system/thread-failure.ts";
import type {
  TransferAnswer,
  TransferData,
  TransferMessage,
  TransferReplies,
  TransferRequest,
} from "./protocol.ts";

const closeTimeoutMs = 5_000;
/** Bytes on their way are not on the heap, and what is there is short-lived. */
const resourceLimits = { maxYoungGenerationSizeMb: 4, maxOldGenerationSizeMb: 256 };

export interface ThreadOptions {
  readonly count: number;
  /** Of the run: where a store's client finds its credentials. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}

export class TransferPool {
  readonly #threads: readonly TransferThread[];

  constructor(data: TransferData, { count, environment }: ThreadOptions) {
    this.#threads = Array.from({ length: count }, () => new TransferThread(data, environment));
  }

  /** By the thread that has the least to do. Throws what the store throws there, the signal's reason, or WORKER_FAILED. */
  async call<K extends TransferRequest["kind"]>(
    request: Extract<TransferRequest, { kind: K }>,
    signal: AbortSignal,
    onRelease?: () => void,
  ): Promise<TransferReplies[K]> {
    throwIfAborted(signal);
    const thread = this.#threads.reduce((least, one) => (one.load < least.load ? one : least));
    try {
      return (await thread.call(request, signal, onRelease)) as TransferReplies[K];
    } catch (error) {
      throwIfAborted(signal);
      throw error;
    }
  }

  /** Requests that are under way fail. */
  async close(): Promise<void> {
    const end = async (): Promise<void> => {
      await Promise.all(this.#threads.map(async (thread) => await thread.end()));
    };
    await bestEffort({ warning: () => undefined }, "end the threads", end, closeTimeoutMs);
  }
}

interface Call extends PromiseWithResolvers<TransferReplies[TransferRequest["kind"]]> {
  readonly onRelease: (() => void) | undefined;
}

class TransferThread {
  readonly #worker: Worker;
  readonly #calls = new Map<number, Call>();
  #last = 0;
  #failure: unknown;

  constructor(workerData: TransferData, environment: ThreadOptions["environment"]) {
    const options = { workerData, env: { ...environment }, resourceLimits };
    this.#worker = new Worker(entryPath("transfer-worker"), options);
    this.#worker.unref();
    this.#worker.on("message", (answer: TransferAnswer) => {
      const call = this.#calls.get(answer.id);
      if ("released" in answer) call?.onRelease?.();
      else if (answer.ok) call?.resolve(answer.reply);
      else call?.reject(errorOf(answer.failure));
    });
    const fail = (cause: unknown): void => {
      this.#fail(
        new ActionError("WORKER_FAILED", "A thread that moves bytes to or from the store broke.", {
          hint: "Run it again. If it stays, report it with the log.",
          cause,
        }),
      );
    };
    this.#worker.on("error", fail);
    this.#worker.on("messageerror", fail);
    this.#worker.on("exit", (code) => fail(new Error(`The thread ended with code ${code}.`)));
  }

  get load(): number {
    return this.#calls.size;
  }

  async call(
    request: TransferRequest,
    signal: AbortSignal,
    onRelease: (() => void) | undefined,
  ): Promise<TransferReplies[TransferRequest["kind"]]> {
    if (this.#failure !== undefined) throw this.#failure;
    const id = (this.#last += 1);
    const call = Promise.withResolvers<TransferReplies[TransferRequest["kind"]]>();
    const end = (): void => this.#worker.postMessage({ id, end: true } satisfies TransferMessage, []);
    this.#calls.set(id, { ...call, onRelease });
    // A thread at work keeps the process alive, an idle one does not.
    this.#worker.ref();
    signal.addEventListener("abort", end, { once: true });
    try {
      this.#worker.postMessage({ id, end: false, request } satisfies TransferMessage, []);
      return await call.promise;
    } finally {
      signal.removeEventListener("abort", end);
      this.#calls.delete(id);
      if (this.#calls.size === 0) this.#worker.unref();
    }
  }

  async end(): Promise<void> {
    this.#fail(new ActionError("WORKER_CLOSED", "The store was closed."));
    await this.#worker.terminate();
  }

  #fail(reason: unknown): void {
    this.#failure ??= reason;
    for (const { reject } of this.#calls.values()) reject(this.#failure);
  }
}
