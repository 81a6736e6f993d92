/** What is heard of a program that is tried. */
import { expect, test } from "vitest";
import { Words } from "../../../src/node/programs/words.ts";

function hear(...lines: readonly string[]): { readonly words: Words; readonly told: readonly string[] } {
  const told: string[] = [];
  const words = new Words((line) => told.push(line));
  for (const line of lines) words.hear(line);
  return { words, told };
}

test.each([
  "ERRO [1796046865.1] [stacks-node/src/main.rs:306] [main] Process abort due to thread panic: panicked at stackslib/src/x.rs:1:2",
  "thread 'main' panicked at contrib/stacks-inspect/src/lib.rs:197:9:",
  "ERROR [1796046865.100000] panicked: a bad block",
])("a panic is one, and told at once: %s", (line) => {
  const { words, told } = hear("INFO [1] up", line, "INFO [2] still up");
  expect(words.panic).toBe(line);
  expect(told).toEqual([line]);
});

test("what anybody has written into a transaction is no panic of the node", () => {
  const call =
    'INFO [1] Contract-call successfully processed, function_args: ["thread panic, panicked at x"]';
  expect(hear(call).words.panic).toBeUndefined();
});

test("a line that is written over counts as what stands there at the end, and a long one is cut", () => {
  const { words } = hear(
    "\rValidating:  50% (1/2)\rValidating: 100% (2/2)",
    `INFO ${"x".repeat(5_000)}`,
    "\r",
  );
  const last: string[] = [];
  const again = new Words((line) => last.push(line));
  again.hear("\rValidating:  50% (1/2)\rValidating: 100% (2/2)");
  again.tellLast(5);
  expect(last).toEqual(["Validating: 100% (2/2)"]);
  expect(words.lastLine.length).toBeLessThan(400);
});

test("a panic is one however far back in its line it is said", () => {
  const { words, told } = hear(`ERRO [1] abort in ${"x".repeat(400)}: panicked at stackslib/src/x.rs:1:2`);
  expect(words.panic).toMatch(/^ERRO \[1\] abort in x+…$/);
  expect(told).toHaveLength(1);
});
