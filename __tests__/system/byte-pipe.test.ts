import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { readFromCommand, writeToCommand } from "../../src/system/byte-pipe.ts";
import { startCompanion } from "../../src/system/companion.ts";

const options = { signal: new AbortController().signal, noProgressMs: 60_000 };
const damaged = new Error("the stream's end is missing");

/** So many chunks of 64 KiB, and a failure or not where a damaged stream would be found out: at its end. */
function source(chunks: number, failure?: Error) {
  const state = { given: 0, closed: false };
  const stream = (async function* () {
    try {
      for (; state.given < chunks; state.given += 1) yield Buffer.alloc(65_536, 1);
      if (failure !== undefined) throw failure;
    } finally {
      state.closed = true;
    }
  })();
  return { state, stream };
}

describe("a command that takes a stream", () => {
  it("gets all of it", async () => {
    const { state, stream } = source(100);
    const end = await writeToCommand(["sh", "-c", "wc -c >&2"], stream, options);
    expect(end).toMatchObject({ exitCode: 0, stderr: "6553600\n" });
    expect(state).toEqual({ given: 100, closed: true });
  });

  it("and ends well before its end does not hide that the rest is damaged", async () => {
    const whole = source(100);
    const early = ["sh", "-c", "head -c 10 >/dev/null"];
    expect(await writeToCommand(early, whole.stream, options)).toMatchObject({ exitCode: 0 });
    expect(whole.state).toEqual({ given: 100, closed: true });
    await expect(writeToCommand(early, source(100, damaged).stream, options)).rejects.toBe(damaged);
  });

  it("and fails before its end tells its own story, and the source is let go of", async () => {
    const { state, stream } = source(100_000);
    const end = await writeToCommand(["sh", "-c", "echo no space >&2; exit 4"], stream, options);
    expect(end).toMatchObject({ exitCode: 4, stderr: "no space\n" });
    expect(state.closed).toBe(true);
    expect(state.given).toBeLessThan(100_000);
  });

  it("is ended when the source fails, also where it ignores SIGTERM, or stands still, or the run is cancelled", async () => {
    const deaf = ["sh", "-c", "trap '' TERM; cat >/dev/null; sleep 0.1"];
    await expect(writeToCommand(deaf, source(3, damaged).stream, options)).rejects.toBe(damaged);
    const stalled = writeToCommand(["sh", "-c", "sleep 66"], source(100).stream, {
      ...options,
      noProgressMs: 300,
    });
    await expect(stalled).rejects.toThrow("made no progress for 0.3 s");
    const stop = new AbortController();
    const silent = (async function* () {
      stop.abort();
      await delay(66_000, undefined, { ref: false });
      yield Buffer.alloc(1);
    })();
    const cancelled = writeToCommand(["cat"], silent, { ...options, signal: stop.signal });
    await expect(cancelled).rejects.toMatchObject({ code: "CANCELLED" });
  });

  it("that cannot be started says so", async () => {
    const text = "Cannot run no-such-command-here.";
    await expect(writeToCommand(["no-such-command-here"], source(1).stream, options)).rejects.toThrow(text);
    await expect(readFromCommand(["no-such-command-here"], options)).rejects.toThrow(text);
    const started = startCompanion(["no-such-command-here"], { onLine: () => undefined, directory: "/" });
    await expect(started).rejects.toThrow(text);
  });
});

describe("a command that gives a stream", () => {
  it("has given it though it ended before anybody read it", async () => {
    const { chunks, ended } = await readFromCommand(["head", "-c", "50000", "/dev/zero"], options);
    expect(await ended).toMatchObject({ exitCode: 0 });
    let bytes = 0;
    for await (const chunk of chunks) bytes += chunk.length;
    expect(bytes).toBe(50_000);
  });

  it("is read to its end by a slow reader, and ends", async () => {
    const { chunks, ended } = await readFromCommand(["head", "-c", "3000000", "/dev/zero"], options);
    let bytes = 0;
    for await (const chunk of chunks) {
      bytes += chunk.length;
      await delay(2);
    }
    expect([bytes, await ended]).toMatchObject([3_000_000, { exitCode: 0 }]);
  });
});

it("a companion has ended when it exits, whatever it left with its pipes open", async () => {
  const lines: string[] = [];
  const companion = await startCompanion(["sh", "-c", "sleep 12 & echo $!; exit 5"], {
    onLine: (line) => lines.push(line),
    directory: "/",
  });
  expect(await companion.ended).toBe("ended with exit code 5");
  process.kill(Number(lines[0]), "SIGKILL");
});
