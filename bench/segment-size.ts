/**
 * How large should a segment of a database be? A key-value database keyed by hashes gets a night's new rows, and for each
 * segment size it is counted what stays the same, what is sent again, and what cutting finer costs in compression.
 *
 *     node bench/segment-size.ts [--rows 600000] [--night 0.02] [--json FILE]
 *
 * "page" is what page-granular reuse would leave to send: nothing that works on whole segments can do better.
 */
import { createHash } from "node:crypto";
import {
  closeSync,
  copyFileSync,
  fstatSync,
  mkdtempSync,
  openSync,
  readSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { parseArgs } from "node:util";
import { compressFrame } from "../src/archive/format/zstd-frame.ts";

const { values } = parseArgs({
  options: {
    rows: { type: "string", default: "600000" },
    night: { type: "string", default: "0.02" },
    json: { type: "string" },
  },
});
const KiB = 1024;
const pageBytes = 4 * KiB;
const segmentSizes = [64 * KiB, 256 * KiB, 1024 * KiB, 4096 * KiB, 32 * 1024 * KiB];

const directory = mkdtempSync(join(tmpdir(), "segment-size-"));
try {
  const rows = Number(values.rows);
  const before = join(directory, "before.sqlite");
  const after = join(directory, "after.sqlite");
  insert(before, 0, rows);
  copyFileSync(before, after);
  insert(after, rows, Math.round(rows * Number(values.night)));
  const whole = compressed(after, 32 * 1024 * KiB, () => true);
  const table = segmentSizes.map((size) => measure(before, after, size, whole));
  const pages = unchanged(before, after, pageBytes);
  const page = {
    unchangedShare: pages.unchangedBytes / pages.totalBytes,
    frames: pages.totalBytes / pageBytes,
  };
  console.log(
    `${rows} rows keyed by hashes (${(pages.totalBytes / 1e6).toFixed(0)} MB), ${Number(values.night) * 100} % more rows the next night`,
  );
  console.log("segment    unchanged   sent again   archive   frames of 650 GB, half of it such databases");
  for (const { size, unchangedShare, sentShare, archiveRatio } of table) {
    const frames = Math.round(325e9 / size);
    console.log(
      `${`${size / KiB} KiB`.padEnd(10)} ${percent(unchangedShare)}       ${percent(sentShare)}        ${archiveRatio.toFixed(3)}     ${frames.toLocaleString("en")}`,
    );
  }
  console.log(`page       ${percent(page.unchangedShare)}`);
  if (values.json !== undefined) writeFileSync(values.json, JSON.stringify({ table, page }, undefined, 2));
} finally {
  rmSync(directory, { recursive: true, force: true });
}

/** The shape of a MARF's key-value table: a hash as the key, a short text as the value. */
function insert(file: string, from: number, count: number): void {
  const database = new DatabaseSync(file);
  database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF");
  database.exec("CREATE TABLE IF NOT EXISTS data_table (key TEXT PRIMARY KEY, value TEXT)");
  const statement = database.prepare("INSERT INTO data_table VALUES (?, ?)");
  database.exec("BEGIN");
  for (let n = from; n < from + count; n += 1) {
    const hash = createHash("sha512").update(String(n)).digest("hex");
    statement.run(hash.slice(0, 64), hash.slice(64, 64 + 32 + (n % 64)));
  }
  database.exec("COMMIT; PRAGMA wal_checkpoint(TRUNCATE)");
  database.close();
}

interface Measured {
  readonly size: number;
  readonly unchangedShare: number;
  /** Compressed bytes of changed segments, of the archive at 32 MiB. */
  readonly sentShare: number;
  /** Size of all frames, of the one at 32 MiB. */
  readonly archiveRatio: number;
}

function measure(before: string, after: string, size: number, whole: number): Measured {
  const { unchangedBytes, totalBytes, changed } = unchanged(before, after, size);
  return {
    size,
    unchangedShare: unchangedBytes / totalBytes,
    sentShare: compressed(after, size, (segment) => changed.has(segment)) / whole,
    archiveRatio: compressed(after, size, () => true) / whole,
  };
}

function unchanged(
  before: string,
  after: string,
  size: number,
): { readonly unchangedBytes: number; readonly totalBytes: number; readonly changed: ReadonlySet<number> } {
  const known = new Set<string>();
  for (const { bytes } of segments(before, size)) known.add(digest(bytes));
  const changed = new Set<number>();
  let unchangedBytes = 0;
  let totalBytes = 0;
  for (const { number, bytes } of segments(after, size)) {
    totalBytes += bytes.length;
    if (known.has(digest(bytes))) unchangedBytes += bytes.length;
    else changed.add(number);
  }
  return { unchangedBytes, totalBytes, changed };
}

function compressed(file: string, size: number, wanted: (segment: number) => boolean): number {
  let sum = 0;
  for (const { number, bytes } of segments(file, size))
    if (wanted(number)) sum += compressFrame(bytes, 3).length;
  return sum;
}

function* segments(
  file: string,
  size: number,
): Generator<{ readonly number: number; readonly bytes: Buffer }> {
  const descriptor = openSync(file, "r");
  const buffer = Buffer.alloc(size);
  const { size: total } = fstatSync(descriptor);
  for (let number = 0; number * size < total; number += 1) {
    const read = readSync(descriptor, buffer, 0, size, number * size);
    yield { number, bytes: buffer.subarray(0, read) };
  }
  closeSync(descriptor);
}

function digest(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("base64");
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`.padStart(7);
}
