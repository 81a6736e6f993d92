/** A snapshot that has been opened for reading, the same for every driver: its parts, and what closes it again. */
import { orTakeBack } from "./outcome.ts";
import { partsAt } from "./parts.ts";
import type { OpenPart, OpenSnapshot } from "./port.ts";

export class OpenedSnapshot implements OpenSnapshot {
  parts: readonly OpenPart[] = [];
  readonly #assertFrozen: () => Promise<void>;
  readonly #closing: (() => Promise<void>)[] = [];

  private constructor(assertFrozen: () => Promise<void>) {
    this.#assertFrozen = assertFrozen;
  }

  /** `fill` adds the parts; what it opened is closed again where it fails. */
  static async open(
    assertFrozen: () => Promise<void>,
    fill: (opened: OpenedSnapshot) => Promise<void>,
  ): Promise<OpenedSnapshot> {
    const opened = new OpenedSnapshot(assertFrozen);
    await orTakeBack(
      async () => await fill(opened),
      async () => await opened.close(),
    );
    return opened;
  }

  /** What is read of a volume whose root can be seen at `root`. */
  async add(root: string, parts: readonly { readonly at: string; readonly within: string }[]): Promise<void> {
    const all = [...this.parts, ...(await partsAt(root, parts))];
    this.parts = all.toSorted((a, b) => a.at.length - b.at.length);
  }

  /** To be called before what `undo` takes back is done. The last one is undone first. */
  onClose(undo: () => Promise<void>): void {
    this.#closing.push(undo);
  }

  async assertFrozen(): Promise<void> {
    await this.#assertFrozen();
  }

  /** Each step once; one that fails is tried again by the next call. */
  async close(): Promise<void> {
    for (let last = this.#closing.at(-1); last !== undefined; last = this.#closing.at(-1)) {
      await last();
      this.#closing.pop();
    }
  }
}
