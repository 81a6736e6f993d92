import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  openJournal,
  readJournal,
  takeJournal,
  type Journal,
  type OpenedJournal,
} from "../../src/recovery/journal.ts";
import { defaultStateDirectory, journalPathFor } from "../../src/recovery/state-directory.ts";

const signal = AbortSignal.timeout(120_000);
const source = join(import.meta.dirname, "../../src/recovery/journal.ts");
let base: string;
let chainstateDir: string;
const open: Journal[] = [];
const children: ChildProcess[] = [];

beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), "journal-"));
  chainstateDir = join(base, "mainnet");
  mkdirSync(chainstateDir);
});
afterEach(() => {
  for (const journal of open.splice(0)) journal.release();
  for (const child of children.splice(0)) child.kill("SIGKILL");
  rmSync(base, { recursive: true });
});

async function openHere(runId: string, directory = chainstateDir): Promise<OpenedJournal> {
  const opened = await openJournal({
    stateDirectory: join(base, "state"),
    chainstateDir: directory,
    run: { runId, command: "snapshot", sudo: "never" },
    signal,
  });
  open.push(opened.journal);
  return opened;
}

/** Another process that opens the journal, notes `phase`, and stays until it is killed. */
async function otherRun(runId: string): Promise<ChildProcess> {
  const script = `
    const { openJournal } = await import(${JSON.stringify(source)});
    const { journal } = await openJournal({ stateDirectory: ${JSON.stringify(join(base, "state"))},
      chainstateDir: ${JSON.stringify(chainstateDir)}, run: { runId: ${JSON.stringify(runId)}, command: "restore", sudo: "never" },
      signal: AbortSignal.timeout(60000) });
    await journal.update({ phase: "swap" });
    console.log("open");
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  children.push(child);
  await once(child.stdout, "data");
  return child;
}

describe("a journal", () => {
  test("is private, durable and one file for each directory, however it is named", async () => {
    const { journal, leftBehind } = await openHere("one");
    expect(leftBehind).toBeUndefined();
    expect(statSync(journal.path).mode & 0o777).toBe(0o600);
    expect(statSync(join(base, "state")).mode & 0o777).toBe(0o700);
    symlinkSync(chainstateDir, join(base, "link"));
    expect(await journalPathFor(join(base, "state"), join(base, "link"))).toBe(journal.path);
    renameSync(chainstateDir, join(base, "aside"));
    expect(await journalPathFor(join(base, "state"), join(base, "link"))).toBe(journal.path);
    await journal.update({ phase: "swap" });
    expect((await readJournal(journal.path))?.phase).toBe("swap");
    expect(readdirSync(join(base, "state")).filter((name) => name.endsWith(".tmp"))).toEqual([]);
  });

  test("keeps every one of many updates made at once", async () => {
    const { journal } = await openHere("one");
    await Promise.all(
      Array.from(
        { length: 20 },
        async (_, at) => await journal.update((now) => ({ ...now, staging: [...now.staging, `/s/${at}`] })),
      ),
    );
    expect((await readJournal(journal.path))?.staging).toHaveLength(20);
  });

  test("of two directories live side by side", async () => {
    mkdirSync(join(base, "testnet"));
    const first = await openHere("one");
    const second = await openHere("two", join(base, "testnet"));
    expect(first.journal.path).not.toBe(second.journal.path);
  });

  test("shuts out a second run while the first lives, and hands over what it left when it is killed", async () => {
    const other = await otherRun("dead-run");
    await expect(openHere("mine")).rejects.toMatchObject({ code: "RUN_IN_PROGRESS" });
    other.kill("SIGKILL");
    await once(other, "exit");
    const { journal, leftBehind } = await openHere("mine");
    expect(leftBehind).toMatchObject({ runId: "dead-run", command: "restore", phase: "swap" });
    expect(journal.content.owner.pid).toBe(process.pid);
    await journal.begin({ runId: "mine", command: "snapshot", sudo: "never" });
    expect(await readJournal(journal.path)).toMatchObject({ runId: "mine", phase: "preflight" });
  });

  test("is not kept by a reused pid, a reused pid with the same start, or a boot long gone", async () => {
    const { journal } = await openHere("dead-run");
    journal.release();
    const content = JSON.parse(readFileSync(journal.path, "utf8")) as { owner: Record<string, unknown> };
    // This very process, alive, as if the dead owner's pid had come to us.
    for (const owner of [
      {},
      { startTicks: 1 },
      { boot: { id: "11111111-2222-3333-4444-555555555555", at: "2026-11-20T00:00:00Z" } },
    ]) {
      writeFileSync(
        journal.path,
        JSON.stringify({ ...content, runId: "dead-run", owner: { ...content.owner, ...owner } }),
      );
      chmodSync(journal.path, 0o600);
      const { journal: mine, leftBehind } = await openHere("mine");
      expect(leftBehind?.runId).toBe("dead-run");
      mine.release();
    }
  });

  test("goes from main to post, and is nobody's after it was removed", async () => {
    const { journal } = await openHere("one");
    await journal.update({ phase: "archive" });
    journal.release();
    await expect(journal.update({ phase: "late" })).rejects.toMatchObject({ code: "JOURNAL_CLOSED" });
    const post = await takeJournal(journal.path, { role: "post", signal });
    expect(post?.content).toMatchObject({ runId: "one", phase: "archive", owner: { role: "post" } });
    await post?.remove();
    expect(await takeJournal(journal.path, { role: "post", signal })).toBeUndefined();
  });

  test("is taken by a post step that was told to end: the node may still have to be started", async () => {
    const { journal } = await openHere("one");
    journal.release();
    const post = await takeJournal(journal.path, { role: "post", signal: AbortSignal.abort() });
    expect(post?.content).toMatchObject({ runId: "one", owner: { role: "post" } });
    await post?.remove();
  });

  test("is given to exactly one of many takers", async () => {
    const { journal } = await openHere("one");
    journal.release();
    const takers = await Promise.allSettled(
      Array.from({ length: 4 }, async () => await takeJournal(journal.path, { role: "post", signal })),
    );
    const won = takers.flatMap((taker) => (taker.status === "fulfilled" && taker.value ? [taker.value] : []));
    open.push(...won);
    expect(won).toHaveLength(1);
    const lost = takers.flatMap((taker) => (taker.status === "rejected" ? [taker.reason as unknown] : []));
    expect(lost).toHaveLength(3);
    for (const reason of lost) expect(reason).toMatchObject({ code: "RUN_IN_PROGRESS" });
  });
});

describe("a journal that cannot be read", () => {
  test.each([
    ["empty", ""],
    ["cut short", '{"version":1,"runId":"x"'],
    ["of another shape", '{"version":1,"runId":7}'],
    ["not an object", "[]"],
  ])("because it is %s stops the run and is left as it is", async (_, text) => {
    const { journal } = await openHere("one");
    journal.release();
    writeFileSync(journal.path, text);
    await expect(openHere("two")).rejects.toMatchObject({ code: "JOURNAL_UNREADABLE" });
    expect(readFileSync(journal.path, "utf8")).toBe(text);
  });

  test("because a newer version wrote it says so", async () => {
    const { journal } = await openHere("one");
    journal.release();
    writeFileSync(journal.path, '{"version":3,"somethingNew":true}');
    await expect(openHere("two")).rejects.toMatchObject({ code: "JOURNAL_NEWER" });
  });

  test("because others may write to it or to its directory is not trusted", async () => {
    const { journal } = await openHere("one");
    journal.release();
    chmodSync(journal.path, 0o666);
    await expect(openHere("two")).rejects.toMatchObject({ code: "JOURNAL_UNREADABLE" });
    chmodSync(journal.path, 0o600);
    chmodSync(join(base, "state"), 0o777);
    await expect(openHere("two")).rejects.toMatchObject({ code: "STATE_DIRECTORY_UNUSABLE" });
  });
});

test("the state directory is root's, the user's, or an error, never the job's temporary directory", () => {
  expect(defaultStateDirectory({ RUNNER_TEMP: "/tmp/x" }, true)).toBe("/var/lib/chainstate-snapshot");
  expect(defaultStateDirectory({ XDG_STATE_HOME: "/s" }, false)).toBe("/s/chainstate-snapshot");
  expect(defaultStateDirectory({ HOME: "/home/r" }, false)).toBe("/home/r/.local/state/chainstate-snapshot");
  expect(() => defaultStateDirectory({}, false)).toThrow("no home directory");
});
