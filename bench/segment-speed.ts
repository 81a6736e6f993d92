/**
 * What a segment's size does to the CPU time of archiving and restoring, apart from threads and stores: each size takes the
 * same bytes through the calls that a worker makes.
 *
 *     node bench/segment-speed.ts [--rounds 4] [--dir DIR]
 */
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import { hash } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { SegmentLoader } from "../src/archive/workers/segment-loader.ts";
import { compressFrame, decompressFrame } from "../src/archive/format/zstd-frame.ts";
import { writeChainstate } from "./chainstate-data.ts";

const { values } = parseArgs({
  options: { rounds: { type: "string", default: "4" }, dir: { type: "string", default: tmpdir() } },
});
const MiB = 1024 * 1024;
const sizes = [2, 4, 8, 16, 32].map((size) => size * MiB);
const measuredBytes = 64 * MiB;
const shownBytes = 32 * MiB;

const directory = mkdtempSync(join(values.dir, "segment-speed-"));
try {
  writeChainstate(directory, { sizeBytes: 200e6, smallFiles: 1 });
  const source = join(directory, "chainstate/vm/clarity/marf.sqlite.blobs");
  readFileSync(source);
  const best = new Map<number, { pack: number; unpack: number; archive: number }>();
  for (let round = 0; round < Number(values.rounds); round += 1) {
    for (const size of sizes) {
      const found = measure(source, size);
      const before = best.get(size) ?? found;
      best.set(size, {
        pack: Math.min(before.pack, found.pack),
        unpack: Math.min(before.unpack, found.unpack),
        archive: found.archive,
      });
    }
  }
  console.log("segment   read, hash, compress   decompress, hash, write   compressed   (CPU ms for 32 MiB)");
  for (const [size, { pack, unpack, archive }] of best) {
    console.log(
      `${`${size / MiB} MiB`.padEnd(9)} ${pack.toFixed(1).padEnd(22)} ${unpack.toFixed(1).padEnd(25)} ${archive.toFixed(4)}`,
    );
  }
} finally {
  rmSync(directory, { recursive: true, force: true });
}

function measure(source: string, size: number) {
  const loader = new SegmentLoader();
  const target = openSync(join(directory, "target"), "w");
  let pack = 0;
  let unpack = 0;
  let archive = 0;
  for (let fileOffset = 0; fileOffset < measuredBytes; fileOffset += size) {
    const item = { headerSize: 0, source, fileOffset, size, padding: 0, expect: undefined };
    let frame = Buffer.alloc(0);
    pack += cpuMs(() => {
      loader.load({ kind: "load", size, headers: new Uint8Array(0), items: [item], compress: undefined });
      frame = compressFrame(loader.bytes, 3) as Buffer<ArrayBuffer>;
    });
    unpack += cpuMs(() => {
      const bytes = decompressFrame(frame, size);
      hash("sha256", bytes, "hex");
      writeSync(target, bytes, 0, size, fileOffset);
      (bytes.buffer as ArrayBuffer).transfer(0);
    });
    archive += frame.length;
    frame.buffer.transfer(0);
  }
  closeSync(target);
  const share = shownBytes / measuredBytes;
  return { pack: pack * share, unpack: unpack * share, archive: archive / measuredBytes };
}

function cpuMs(work: () => void): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}
