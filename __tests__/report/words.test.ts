import { assert, nat, property, string } from "fast-check";
import { describe, expect, test } from "vitest";
import {
  formatDuration,
  formatRate,
  markdownFence,
  markdownTable,
  markdownText,
  textTable,
  truncate,
} from "../../src/report/words.ts";

test.each([
  [0, "0 ms"],
  [850, "850 ms"],
  [999.6, "1.0 s"],
  [12_345, "12.3 s"],
  [59_960, "1 min"],
  [125_000, "2 min 5 s"],
  [3_599_600, "1 h"],
  [3_780_000, "1 h 3 min"],
  [86_400_000, "1 d"],
  [100_000_000, "1 d 4 h"],
])("%d ms", (ms, words) => expect(formatDuration(ms)).toBe(words));

test("a duration never shows 60 of a unit", () => {
  assert(property(nat(400_000_000), (ms) => !/\b(60|60\.0) (s|min)\b|\b24 h\b/.test(formatDuration(ms))));
});

test("a rate without time is no number", () => expect(formatRate(5, 0)).toBe("–"));

describe("external text in Markdown", () => {
  test("is plain words", () => {
    expect(markdownText("a|b\n<script>`x`[l](u)*_~$#")).toBe(
      String.raw`a\|b &lt;script&gt;`.concat("`x`", String.raw`\[l\](u)\*\_\~\$\#`),
    );
  });

  test("keeps code spans, of which nothing can be made", () => {
    expect(markdownText("use `height<=5`, or `a|b` or `c")).toBe("use `height<=5`, or \\`a\\|b\\` or \\`c");
  });

  test("cannot leave its table cell", () => {
    assert(
      property(string({ maxLength: 80 }), (text) => {
        const lines = markdownTable(["a"], [[markdownText(text)]]).split("\n");
        return lines.length === 3 && !/(?<!\\)(?:\\\\)*\|/.test(lines[2]!.slice(1, -1));
      }),
    );
  });

  test("cannot close its fence", () => {
    const block = markdownFence("text", "a\n````\nb");
    expect(block.startsWith("`````text\n")).toBe(true);
    expect(block.endsWith("\n`````")).toBe(true);
  });

  test("is cut at a whole character", () => {
    expect(truncate("ab😀", 4)).toBe("ab😀");
    expect(truncate("ab😀x", 4)).toBe("ab…");
    expect(truncate("abc", 5)).toBe("abc");
  });
});

test("a text table has as many rows as there are", () => {
  const rows = Array.from({ length: 150_000 }, (_, at) => [String(at), "x"]);
  expect(textTable(["n", "x"], rows).at(-1)).toBe("149999  x");
});

test("a text table aligns its columns", () => {
  expect(textTable(["id", "height"], [["mainnet-1", "1"]])).toEqual(["id         height", "mainnet-1  1"]);
});
