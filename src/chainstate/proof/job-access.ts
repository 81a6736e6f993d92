/** What the process that proves gives a job: databases and files that stay open, and a way to say how far it is. */
import type { DatabaseSync } from "node:sqlite";
import { setImmediate as nextTurn } from "node:timers/promises";

export interface JobAccess {
  /** The mode directory. */
  readonly dir: string;
  /** A database by its path below it; the connection stays open. */
  readonly database: (path: string) => DatabaseSync;
  /** A file that is open for reading; it stays open. */
  readonly file: (path: string) => number;
  readonly onProgress: (doneBytes: number) => void;
  /** Each failure, also those that the report leaves out. */
  readonly onFailure?: (what: string) => void;
}

const sliceMs = 100;
const progressMs = 1000;

/** Lets the process hear that it is to end, and says how far it is. */
export class Slices {
  readonly #onProgress: JobAccess["onProgress"];
  #sliceEnd = performance.now() + sliceMs;
  #reportAt = performance.now() + progressMs;

  constructor(onProgress: JobAccess["onProgress"]) {
    this.#onProgress = onProgress;
  }

  async pause(doneBytes: number): Promise<void> {
    const now = performance.now();
    if (now < this.#sliceEnd) return;
    if (now >= this.#reportAt) {
      this.#onProgress(doneBytes);
      this.#reportAt = now + progressMs;
    }
    await nextTurn();
    this.#sliceEnd = performance.now() + sliceMs;
  }
}
