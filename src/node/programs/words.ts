/** What a program says while it is tried: the last lines are kept, those that matter are told at once. */

const keptLines = 40;
/** Those told at once, so that a program that fails again and again does not fill the log. */
const toldAtMost = 40;
/** A node prints transactions whole, thousands of characters each. */
const longestLine = 300;

/**
 * As a node says it, and as Rust does where nobody else does. Anywhere else in a line the words may be anybody's: whoever calls a
 * contract chooses what stands in the log of its call.
 */
const panics = /^(?:ERRO|FATL|CRIT)\S* .*(?:\bpanicked\b|thread panic)|^thread '.*' panicked at/;

export class Words {
  readonly #last: string[] = [];
  readonly #say: (line: string) => void;
  #told = 0;
  #panic: string | undefined;

  constructor(say: (line: string) => void) {
    this.#say = say;
  }

  /** As it comes; a line that a program writes over and over (`\r`) counts as what stands there at the end. */
  readonly hear = (text: string): void => {
    const whole = text
      .split("\r")
      .findLast((part) => part.trim() !== "")
      ?.trimEnd();
    if (whole === undefined) return;
    const line = whole.length > longestLine ? `${whole.slice(0, longestLine)}…` : whole;
    this.#last.push(line);
    if (this.#last.length > keptLines) this.#last.shift();
    const isPanic = panics.test(whole);
    if (isPanic) this.#panic ??= line;
    if ((isPanic || /^(?:ERRO|FATL|CRIT)/.test(line)) && this.#told < toldAtMost) {
      this.#told += 1;
      this.#say(line);
    }
  };

  /** The first line by which a thread of it has died; a node may go on without that thread. */
  get panic(): string | undefined {
    return this.#panic;
  }

  get lastLine(): string {
    return this.#last.at(-1) ?? "it said nothing";
  }

  tellLast(count: number): void {
    for (const line of this.#last.slice(-count)) this.#say(line);
  }
}
