/**
 * Worker threads for what costs CPU: reading, hashing, (de)compressing, writing. A worker is leased to one piece of work
 * at a time, which may call it several times and find what it left there (a loaded segment). `close` ends every thread;
 * none outlives the archive it worked for.
 */
import { Worker } from "node:worker_threads";
import type { Transferable } from "node:worker_threads";
import { ActionError, throwIfAborted } from "../../domain/errors.ts";
import { bestEffort } from "../../system/best-effort.ts";
import { Limiter } from "../../system/concurrency.ts";
import { entryPath } from "../../system/entry.ts";
import { errorOf, type ThreadFailure } from "../../system/thread-failure.ts";
import type { WorkerReplies, WorkerRequest } from "./worker-protocol.ts";

/** A thread in the middle of a native call ends when the call does; nobody waits longer than this for it. */
const closeTimeoutMs = 5_000;

export interface WorkerLease {
  call<K extends WorkerRequest["kind"]>(
    request: Extract<WorkerRequest, { kind: K }>,
    transfer?: readonly Transferable[],
  ): Promise<WorkerReplies[K]>;
}

/** A worker's buffers are not on its heap; what is there is small and short-lived, and must not wait for a large heap to fill. */
const resourceLimits = { maxYoungGenerationSizeMb: 6, maxOldGenerationSizeMb: 512 };

/** What a thread is told when it starts. */
export interface WorkerOptions {
  /** It steps behind others for CPU and disk. */
  readonly gentle: boolean;
}

export class WorkerPool {
  readonly #threads: readonly Thread[];
  readonly #free: Thread[];
  readonly #closed = new AbortController();
  readonly #uses: Limiter;

  constructor(size: number, options: WorkerOptions = { gentle: false }) {
    this.#threads = Array.from({ length: size }, () => new Thread(options));
    this.#free = [...this.#threads];
    this.#uses = new Limiter({ count: size, signal: this.#closed.signal });
  }

  get size(): number {
    return this.#threads.length;
  }

  /** Waits for a free worker, lends it to `work`, and takes it back whatever happens. */
  async use<T>(work: (lease: WorkerLease) => Promise<T>, signal: AbortSignal): Promise<T> {
    throwIfAborted(signal);
    return await this.#uses.run(async () => {
      throwIfAborted(signal);
      // As many are lent at once as there are.
      const thread = this.#free.pop() as Thread;
      try {
        return await work(thread);
      } finally {
        this.#free.push(thread);
      }
    });
  }

  /** Ends all threads; calls still under way fail with `reason`, and what waits for a thread is not begun. */
  async close(reason: unknown = new ActionError("WORKER_CLOSED", "The work was given up.")): Promise<void> {
    this.#closed.abort(reason);
    const end = async (): Promise<void> => {
      await Promise.all(this.#threads.map(async (thread) => await thread.end(reason)));
    };
    await bestEffort({ warning: () => undefined }, "end the threads", end, closeTimeoutMs);
  }
}

class Thread implements WorkerLease {
  readonly #worker: Worker;
  #call: { resolve: (value: never) => void; reject: (reason: unknown) => void } | undefined;
  /** Resolves when the thread has answered its last request, or is gone. */
  #answered = Promise.withResolvers<void>();
  #failure: unknown;

  constructor(options: WorkerOptions) {
    this.#answered.resolve();
    this.#worker = new Worker(entryPath("archive-worker"), { workerData: options, resourceLimits });
    this.#worker.unref();
    this.#worker.on("message", (message: WorkerMessage) => {
      const call = this.#call;
      this.#call = undefined;
      this.#answered.resolve();
      if (message.ok) call?.resolve(message.reply as never);
      else call?.reject(errorOf(message.failure));
    });
    const fail = (cause: unknown): void => {
      this.#answered.resolve();
      this.#fail(new ActionError("WORKER_FAILED", "A worker thread of the archive broke.", { cause }));
    };
    this.#worker.on("error", fail);
    this.#worker.on("messageerror", fail);
    this.#worker.on("exit", (code) => fail(new Error(`The thread ended with code ${code}.`)));
  }

  async call<K extends WorkerRequest["kind"]>(
    request: Extract<WorkerRequest, { kind: K }>,
    transfer: readonly Transferable[] = [],
  ): Promise<WorkerReplies[K]> {
    if (this.#failure !== undefined) throw this.#failure;
    // A thread at work keeps the process alive, an idle one does not.
    this.#worker.ref();
    try {
      return await new Promise<WorkerReplies[K]>((resolve, reject) => {
        this.#call = { resolve, reject };
        this.#answered = Promise.withResolvers<void>();
        this.#worker.postMessage(request, transfer);
      });
    } finally {
      this.#worker.unref();
    }
  }

  /**
   * Only when it has answered: a thread that is ended while it makes a zlib stream takes the whole process with it
   * ("close before init", an assertion of Node).
   */
  async end(reason: unknown): Promise<void> {
    this.#fail(reason);
    this.#worker.ref();
    await this.#answered.promise;
    await this.#worker.terminate();
  }

  #fail(reason: unknown): void {
    this.#failure ??= reason;
    this.#call?.reject(this.#failure);
    this.#call = undefined;
  }
}

/** What a worker answers. */
export type WorkerMessage =
  | { readonly ok: true; readonly reply: WorkerReplies[WorkerRequest["kind"]] }
  | { readonly ok: false; readonly failure: ThreadFailure };
