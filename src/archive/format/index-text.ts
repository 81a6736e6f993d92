/**
 * The text of `index.json.zst`, decompressed and taken apart line by line, in batches: half a million lines one by one
 * through asynchronous iteration would cost more than what is in them.
 */
import { createReadStream } from "node:fs";
import { createZstdDecompress } from "node:zlib";
import { ActionError, throwIfAborted } from "../../domain/errors.ts";
import type { Frame } from "./frame-table.ts";
import type { IndexEntry, IndexRoot } from "./index-format.ts";
import { parseEntry, parseFrame, parseHead, parseRoot, refuse } from "./index-lines.ts";

/** A line is one entry; the pieces of a file of 10 TB fit. Without a limit a hostile index could fill the memory. */
const maxLineBytes = 64 * 1024 * 1024;
/** More than two paths of 4095 bytes in escapes and the fields beside them; what is longer is so by its pieces. */
const plainLineChars = 64 * 1024;
const piecesKey = '"pieces":[';
const chunkBytes = 256 * 1024;

export interface IndexReceiver {
  head(head: { readonly segmentSize: number }): void;
  root(root: IndexRoot): void;
  frame(frame: Frame): void;
  entry(entry: IndexEntry): void;
}

/** The lines' fixed order: head, root, frames, files, end. Each line goes to the receiver as what it is. */
class IndexScanner {
  readonly #receiver: IndexReceiver;
  #expected: "head" | "root" | "frames" | "frame" | "files" | "entry" | "nothing" = "head";
  /** The last element ended with a comma, or none has come yet. */
  #more = false;
  #any = false;

  constructor(receiver: IndexReceiver) {
    this.#receiver = receiver;
  }

  line(line: string): void {
    switch (this.#expected) {
      case "entry":
      case "frame":
        this.#element(line, this.#expected);
        break;
      case "head":
        this.#receiver.head(parseHead(line));
        this.#expected = "root";
        break;
      case "root":
        this.#receiver.root(parseRoot(line));
        this.#expected = "frames";
        break;
      case "frames":
        this.#open(line, `"frames":[`, "frame");
        break;
      case "files":
        this.#open(line, `"files":[`, "entry");
        break;
      case "nothing":
        throw refuse("something follows its end");
    }
  }

  end(): void {
    if (this.#expected !== "nothing") throw refuse("it ends too early");
  }

  #open(line: string, wanted: string, next: "frame" | "entry"): void {
    if (line !== wanted) throw refuse("its lines are not in the order of the format");
    this.#expected = next;
    this.#more = true;
    this.#any = false;
  }

  #element(line: string, kind: "frame" | "entry"): void {
    if (line === (kind === "frame" ? "]," : "]}")) {
      if (this.#more && this.#any) throw refuse("a list ends with a comma");
      this.#expected = kind === "frame" ? "files" : "nothing";
      return;
    }
    if (!this.#more) throw refuse("a comma is missing between two of its lines");
    this.#any = true;
    this.#more = line.endsWith(",");
    const text = this.#more ? line.slice(0, -1) : line;
    if (text.length > plainLineChars) checkLongLine(text);
    if (kind === "frame") this.#receiver.frame(parseFrame(text));
    else this.#receiver.entry(parseEntry(text));
  }
}

/**
 * Long texts have one hash where they have one length, and a parser that meets thousands of them as keys compares each
 * with each. So a long line has nothing but numbers in its pieces, and nothing long before them.
 */
function checkLongLine(text: string): void {
  const at = text.indexOf(piecesKey);
  const pieces = text.slice(at + piecesKey.length);
  if (
    at === -1 ||
    at > plainLineChars ||
    !/^[\d{}[\],:"a-zA-Z]*$/.test(pieces) ||
    /[a-zA-Z]{16}/.test(pieces)
  ) {
    throw refuse("one of its lines is too long");
  }
}

/** Reads the whole file and yields after every batch of lines the receiver has been given. Throws INDEX_INVALID. */
export async function* scanIndex(
  file: string,
  receiver: IndexReceiver,
  signal: AbortSignal,
): AsyncGenerator<void> {
  const scanner = new IndexScanner(receiver);
  const input = createReadStream(file, { highWaterMark: chunkBytes });
  const decoder = createZstdDecompress({ chunkSize: chunkBytes });
  input.on("error", (error) => decoder.destroy(error));
  let rest: Buffer[] = [];
  let restBytes = 0;
  try {
    for await (const chunk of input.pipe(decoder) as AsyncIterable<Buffer>) {
      throwIfAborted(signal);
      const end = chunk.lastIndexOf(10) + 1;
      if (end > 0) {
        const text = Buffer.concat([...rest, chunk.subarray(0, end - 1)]).toString("utf8");
        for (const line of text.split("\n")) scanner.line(line);
        rest = [];
        restBytes = 0;
        yield;
      }
      rest.push(chunk.subarray(end));
      restBytes += chunk.length - end;
      if (restBytes > maxLineBytes) throw refuse("one of its lines is too long");
    }
  } catch (cause) {
    if (cause instanceof ActionError) throw cause;
    throw refuse("it cannot be read", cause);
  } finally {
    input.destroy();
    decoder.destroy();
  }
  if (restBytes > 0) throw refuse("its last line is cut off");
  scanner.end();
}
