/** What could end a step before its time. */
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";

const root = join(import.meta.dirname, "../..");
const directory = mkdtempSync(join(tmpdir(), "steps-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** Runs a module that imports from `src`, and returns how it ended. */
async function runModule(
  text: string,
  output: "pipe" | "closed" = "pipe",
): Promise<{ readonly code: number | null; readonly signal: string | null; readonly log: string }> {
  const script = join(directory, `${Math.random()}.ts`);
  writeFileSync(script, text.replaceAll("SRC", join(root, "src")));
  const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", script], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { PATH: process.env["PATH"] ?? "", HOME: directory },
  });
  let log = "";
  if (output === "closed") {
    child.stdout.destroy();
    child.stderr.destroy();
  } else
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (bytes) => (log += String(bytes)));
  return await new Promise((resolve) =>
    child.once("close", (code, signal) => resolve({ code, signal, log })),
  );
}

test("what the environment says of an earlier step ends no step before its work", async () => {
  const script = `process.env["STATE_isPost"] = "true";
    process.env["STATE_outcome"] = "succeeded";
    process.env["INPUT_COMMAND"] = "list";
    await import("SRC/main.ts");`;
  const { code, log } = await runModule(script);
  expect(log).toContain("storage");
  expect(code).toBe(1);
});

test("a log that nobody reads any more is not the end", async () => {
  const done = join(directory, "done");
  const { code, signal } = await runModule(
    `import { writeFileSync } from "node:fs";
     import { setTimeout as sleep } from "node:timers/promises";
     import { listenForSignals } from "SRC/app/signals.ts";
     listenForSignals();
     for (let n = 0; n < 20; n += 1) { process.stdout.write("x".repeat(5000)); process.stderr.write("y"); await sleep(10); }
     writeFileSync(${JSON.stringify(done)}, "yes");`,
    "closed",
  );
  expect({ code, signal, done: readFileSync(done, "utf8") }).toEqual({ code: 0, signal: null, done: "yes" });
});

test("a signal that comes before anybody listens is kept", async () => {
  const { code, log } = await runModule(
    `import { listenForSignals } from "SRC/app/signals.ts";
     import { setTimeout as sleep } from "node:timers/promises";
     const signals = listenForSignals();
     process.kill(process.pid, "SIGTERM");
     await sleep(100);
     signals.subscribe((name) => console.log("got", name));`,
  );
  expect({ code, log }).toEqual({ code: 0, log: "got SIGTERM\n" });
});

test("an await that cannot end fails the step in so many words", async () => {
  const { code, log } = await runModule(
    `import { registerHooks } from "node:module";
     const stuck = "data:text/javascript,export const runCommand = () => new Promise(() => {})";
     registerHooks({
       resolve: (name, context, next) =>
         name.endsWith("run-command.ts") ? { url: stuck, shortCircuit: true } : next(name, context),
     });
     Object.assign(process.env, { INPUT_COMMAND: "list", INPUT_STORAGE: "file:///" });
     const { listenForSignals } = await import("SRC/app/signals.ts");
     const { runMain } = await import("SRC/app/steps.ts");
     void runMain(listenForSignals());`,
  );
  expect(log).toContain("UNSETTLED");
  expect(code).toBe(1);
});
