/** Lines of `index.json.zst` → typed values. Each field is checked for type and range; unknown fields are refused. */
import { ActionError } from "../../domain/errors.ts";
import type { Frame } from "./frame-table.ts";
import { indexVersion } from "./index-format.ts";
import type { FrameRange, IndexEntry, IndexRoot, Piece } from "./index-format.ts";
import type { EntryType } from "../view.ts";

type Fields = Record<string, unknown>;

export function refuse(why: string, cause?: unknown): ActionError {
  return new ActionError("INDEX_INVALID", `The snapshot's index cannot be used: ${why}.`, {
    hint: "The index is damaged or was not written by this program. Use another snapshot.",
    cause,
  });
}

/** The first line: `{"version":1,"segmentSize":…,` */
export function parseHead(line: string): { segmentSize: number } {
  const fields = parseObject(line.endsWith(",") ? `${line.slice(0, -1)}}` : line, headFields);
  if (fields["version"] !== indexVersion) {
    throw new ActionError(
      "INDEX_VERSION_UNKNOWN",
      `The snapshot's index has version ${String(fields["version"])}.`,
      { hint: `This release reads version ${indexVersion}. Use a newer release of the action.` },
    );
  }
  return { segmentSize: integer(fields, "segmentSize", 2 ** 31) };
}

/** The second line: `"root":{…},` */
export function parseRoot(line: string): IndexRoot {
  if (!line.startsWith(`"root":`) || !line.endsWith(",")) throw refuse("its root is missing");
  const fields = parseObject(line.slice(7, -1), rootFields);
  return { name: text(fields, "name"), ...owned(fields), header: range(fields["header"]) };
}

export function parseFrame(line: string): Frame {
  const fields = parseObject(line, frameFields);
  const frame = {
    offset: integer(fields, "offset"),
    compressedSize: integer(fields, "compressedSize", 2 ** 31),
    size: integer(fields, "size", 2 ** 31),
    sha256: digest(fields, "sha256"),
    compressedSha256: digest(fields, "compressedSha256"),
  };
  if (frame.compressedSize === 0) throw refuse("a frame is empty");
  return frame;
}

function digest(fields: Fields, key: string): string {
  const value = text(fields, key);
  if (!/^[0-9a-f]{64}$/.test(value)) throw refuse("a frame has no digest");
  return value;
}

export function parseEntry(line: string): IndexEntry {
  const fields = parseObject(line, entryFields);
  const type = text(fields, "type");
  if (!isEntryType(type)) throw refuse(`an entry has the type ${JSON.stringify(type)}`);
  const pieces = fields["pieces"];
  if (!Array.isArray(pieces)) throw refuse("an entry has no pieces");
  return {
    path: text(fields, "path"),
    type,
    size: integer(fields, "size"),
    ...owned(fields),
    header: range(fields["header"]),
    pieces: pieces.map(piece),
    ...(fields["linkTarget"] === undefined ? {} : { linkTarget: text(fields, "linkTarget") }),
  };
}

const entryFields = new Set([
  "path",
  "type",
  "size",
  "mode",
  "uid",
  "gid",
  "mtimeNs",
  "header",
  "pieces",
  "linkTarget",
]);
const headFields = new Set(["version", "segmentSize"]);
const rootFields = new Set(["name", "mode", "uid", "gid", "mtimeNs", "header"]);
const frameFields = new Set(["offset", "compressedSize", "size", "sha256", "compressedSha256"]);
const rangeFields = new Set(["frame", "offset", "size"]);
const pieceFields = new Set(["frame", "offset", "fileOffset", "size"]);

function isEntryType(type: string): type is EntryType {
  return type === "file" || type === "directory" || type === "symlink" || type === "hardlink";
}

function owned(fields: Fields): { mode: number; uid: number; gid: number; mtimeNs: bigint } {
  const mtimeNs = text(fields, "mtimeNs");
  if (!/^-?\d{1,24}$/.test(mtimeNs)) throw refuse("an entry has no time");
  return {
    mode: integer(fields, "mode", 0o7777),
    uid: integer(fields, "uid", 2 ** 32 - 2),
    gid: integer(fields, "gid", 2 ** 32 - 2),
    mtimeNs: BigInt(mtimeNs),
  };
}

function range(value: unknown): FrameRange {
  const fields = checkFields(value, rangeFields);
  return {
    frame: integer(fields, "frame", 2 ** 31),
    offset: integer(fields, "offset", 2 ** 31),
    size: integer(fields, "size", 2 ** 31),
  };
}

function piece(value: unknown): Piece {
  const fields = checkFields(value, pieceFields);
  return {
    frame: integer(fields, "frame", 2 ** 31),
    offset: integer(fields, "offset", 2 ** 31),
    fileOffset: integer(fields, "fileOffset"),
    size: integer(fields, "size", 2 ** 31),
  };
}

function parseObject(line: string, known: ReadonlySet<string>): Fields {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (cause) {
    throw refuse("one of its lines is no JSON", cause);
  }
  return checkFields(value, known);
}

function checkFields(value: unknown, known: ReadonlySet<string>): Fields {
  if (typeof value !== "object" || value === null) throw refuse("an element is no object");
  for (const key in value) if (!known.has(key)) throw refuse(`the field ${JSON.stringify(key)} is unknown`);
  return value as Fields;
}

function integer(fields: Fields, key: string, max: number = Number.MAX_SAFE_INTEGER): number {
  const value = fields[key];
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0 || value > max) {
    throw refuse(`${key} is not a number in its range`);
  }
  return value;
}

function text(fields: Fields, key: string): string {
  const value = fields[key];
  if (typeof value !== "string") throw refuse(`${key} is no text`);
  return value;
}
