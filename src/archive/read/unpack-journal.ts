/**
 * Which frames an unpacking has finished, kept in a small file so that the next process can go on. What it says is a hint,
 * not a proof: a frame it lists is read back and hashed before it counts, because after a crash of the machine a journal
 * may know more than the disk.
 */
import { appendFileSync, closeSync, existsSync, openSync, readFileSync } from "node:fs";
import { ActionError } from "../../domain/errors.ts";
import type { ArchiveIndex } from "../format/index-reader.ts";
import { show } from "../format/tree-check.ts";

export interface UnpackJournal {
  /** True when the file was there and belongs to this archive. */
  readonly resumed: boolean;
  has(frame: number): boolean;
  /** Makes the file where there is none. Only after the target was found fit, for a journal says what fills it. */
  begin(): void;
  add(frame: number): void;
  close(): void;
}

/** Throws JOURNAL_FOREIGN when the file belongs to another archive. */
export function openUnpackJournal(file: string | undefined, index: ArchiveIndex): UnpackJournal {
  const done = new Set<number>();
  if (file === undefined) {
    return {
      resumed: false,
      has: () => false,
      begin: () => undefined,
      add: () => undefined,
      close: () => undefined,
    };
  }
  const head = `unpacking ${index.treeSha256} ${index.frames.count}\n`;
  const resumed = existsSync(file);
  if (resumed) {
    const text = readFileSync(file, "latin1");
    if (!text.startsWith(head)) {
      throw new ActionError("JOURNAL_FOREIGN", `${show(file)} belongs to the unpacking of another archive.`, {
        hint: "Remove it together with the directory that was being filled.",
      });
    }
    // A torn line names a wrong frame at worst, and every frame named is hashed before it counts.
    for (const line of text.slice(head.length).split("\n")) if (line !== "") done.add(Number(line));
  }
  let descriptor: number | undefined;
  return {
    resumed,
    has: (frame) => done.has(frame),
    begin() {
      descriptor = openSync(file, "a", 0o600);
      // The newline ends a line that may be torn.
      appendFileSync(descriptor, resumed ? "\n" : head);
    },
    add(frame) {
      if (descriptor !== undefined && !done.has(frame)) appendFileSync(descriptor, `${frame}\n`);
    },
    close() {
      if (descriptor !== undefined) closeSync(descriptor);
    },
  };
}
