import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { comparePaths } from "../../../src/system/path-bytes.ts";
import { maxFrameSizeBytes, planSegments, segmentSizeBytes } from "../../../src/archive/format/segments.ts";
import type { PlannableEntry, Segment } from "../../../src/archive/format/segments.ts";
import { all } from "../local-archive.ts";

const MiB = 1024 * 1024;

function entryOf(path: string, size: number, segmentSize = segmentSizeBytes): PlannableEntry<null> {
  return { path, headerSize: 512, size, segmentSize, payload: null };
}

async function plan(entries: Iterable<PlannableEntry<null>>): Promise<Segment<null>[]> {
  return all(planSegments(entries));
}

/** What a segment holds, without its number: equal identities give equal bytes. */
function identity(segment: Segment<null>): string {
  return segment.items
    .map((item) => `${item.entry.path} ${item.headerAt ?? "-"} ${item.fileOffset}+${item.size}`)
    .join("\n");
}

const size = fc.oneof(
  { weight: 8, arbitrary: fc.nat(200_000) },
  { weight: 1, arbitrary: fc.constantFrom(0, 1, 511, 512, 513, segmentSizeBytes, segmentSizeBytes + 1) },
  { weight: 1, arbitrary: fc.nat(200 * MiB) },
);
const tree = fc
  .uniqueArray(
    fc.record({
      path: fc.string({ minLength: 1, maxLength: 12, unit: "grapheme-ascii" }),
      size,
      segmentSize: fc.constantFrom(MiB, 4 * MiB, segmentSizeBytes),
      headerSize: fc.constantFrom(512, 1536, 10_240),
      payload: fc.constant(null),
    }),
    { selector: (entry) => entry.path, minLength: 1, maxLength: 60 },
  )
  .map((entries) => entries.toSorted((a, b) => comparePaths(a.path, b.path)));

describe("planSegments", () => {
  test("holds every header once and every byte once, in order, with nothing between", async () => {
    await fc.assert(
      fc.asyncProperty(tree, async (entries) => {
        const segments = await plan(entries);
        const seen = new Map<string, number>();
        let number = 0;
        for (const segment of segments) {
          expect(segment.number).toBe(number);
          number += 1;
          expect(segment.size % 512).toBe(0);
          expect(segment.size).toBeGreaterThan(0);
          expect(segment.size).toBeLessThanOrEqual(maxFrameSizeBytes);
          let at = 0;
          for (const item of segment.items) {
            // Its header comes once, before all else of it.
            expect(item.headerAt === undefined).toBe(seen.has(item.entry.path));
            expect(item.headerAt ?? at).toBe(at);
            if (item.headerAt !== undefined) {
              seen.set(item.entry.path, 0);
              at += item.entry.headerSize;
            }
            expect(item.contentAt).toBe(at);
            expect(item.fileOffset).toBe(seen.get(item.entry.path));
            seen.set(item.entry.path, item.fileOffset + item.size);
            at += item.size + item.padding;
          }
          expect(at).toBe(segment.size);
        }
        expect([...seen.keys()]).toEqual(entries.map((entry) => entry.path));
        for (const entry of entries) expect(seen.get(entry.path)).toBe(entry.size);
      }),
    );
  });

  test("cuts a large file at multiples of its segment size, alone", async () => {
    const segments = await plan([
      entryOf("a", 10),
      entryOf("b", 2 * segmentSizeBytes + 3 * MiB),
      entryOf("c", 10),
    ]);
    expect(segments.map((segment) => segment.size)).toEqual([
      512 + 512 + 512,
      segmentSizeBytes,
      segmentSizeBytes,
      3 * MiB,
      1024,
    ]);
    const own = await plan([entryOf("b", 5 * MiB + 1, 2 * MiB)]);
    expect(own.map((segment) => segment.size)).toEqual([512, 2 * MiB, 2 * MiB, MiB + 512]);
  });

  test("an append to a large file changes its last segment only", async () => {
    const before = await plan([entryOf("a", 5), entryOf("b", 100 * MiB), entryOf("c", 7)]);
    const after = await plan([entryOf("a", 5), entryOf("b", 100 * MiB + 9), entryOf("c", 7)]);
    const known = new Set(before.map(identity));
    expect(after.filter((segment) => !known.has(identity(segment)))).toHaveLength(1);
  });

  test("a small file added or removed changes its own segment, or two where it begins one", async () => {
    const paths = Array.from({ length: 20_000 }, (_, n) => `blocks/${String(n).padStart(6, "0")}`);
    const before = await plan(paths.map((path) => entryOf(path, 3000)));
    expect(before.length).toBeGreaterThan(20);
    const known = new Set(before.map(identity));
    for (const removed of [0, 1, 777, 9_999, 19_999]) {
      const after = await plan(paths.filter((_, n) => n !== removed).map((path) => entryOf(path, 3000)));
      expect(after.filter((segment) => !known.has(identity(segment))).length).toBeLessThanOrEqual(2);
    }
  });

  test("gathers no more than the limit, whatever the hashes say", async () => {
    const paths = Array.from({ length: 100 }, (_, n) => `f${n}`).toSorted();
    const segments = await plan(paths.map((path) => entryOf(path, 3 * MiB)));
    for (const segment of segments) expect(segment.size).toBeLessThanOrEqual(segmentSizeBytes);
  });
});
