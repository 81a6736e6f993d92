/** What `kills.ts` kills, and when: all of it comes of the seed. */

export type Command = "snapshot" | "restore";

export interface Case {
  readonly number: number;
  readonly command: Command;
  readonly withPost: boolean;
  /** Of the length of an undisturbed run. */
  readonly share: number;
  /** Of the run to its end, where one follows. */
  readonly next: Command;
}

export interface Result extends Case {
  readonly afterMs: number;
  /** Of the log that the kill came after. */
  readonly phase: string;
  /** The run was done, and had said so, before the kill came. */
  readonly late: boolean;
  readonly secondsToNode: number;
  /** It is said that nobody knows whether the node runs: true, and less than could be known. */
  readonly unknown: boolean;
  /** The run to its end that followed read not all pages, by a kept clone. */
  readonly spared: boolean;
  readonly wrong: readonly string[];
}

/** mulberry32: numbers in [0, 1) that depend on the seed alone. */
function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export function casesOf(seed: number, count: number): Case[] {
  const random = randomFrom(seed);
  const command = (): Command => (random() < 0.5 ? "snapshot" : "restore");
  return Array.from({ length: count }, (_, number) => ({
    number,
    command: command(),
    withPost: random() < 0.5,
    share: random(),
    next: command(),
  }));
}
