/** How much of a snapshot `verify` fetches, and what it sees with that. */
import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, it } from "vitest";
import { setUp } from "./support.ts";
import { serveDirectory } from "./web.ts";

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

/** A snapshot on the web with far more in `.blobs` and block files than in databases. */
async function published() {
  const setup = await setUp({ height: 100, extraBytes: 120_000 });
  closing.push(async () => await setup.remove());
  for (let file = 0; file < 16; file += 1) {
    const directory = join(setup.chainstate, "chainstate/blocks", `00${file.toString(16)}a`, "0001");
    mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, file.toString(16).padStart(64, "0")), randomBytes(6 * 1024 ** 2));
  }
  const { main } = await setup.job(setup.snapshotInputs).run();
  expect(main.exitCode, main.log).toBe(0);
  const web = await serveDirectory(setup.store);
  closing.push(async () => await web.close());
  const archive = new URL(main.outputs["archive-url"] ?? "").pathname;
  return { setup, web, archive, archiveBytes: Number(main.outputs["size-bytes"]) };
}

it("fetches what the checks read, or everything: counted where it is sent", async () => {
  const { setup, web, archiveBytes } = await published();
  const verify = async (inputs: Readonly<Record<string, string>>): Promise<number> => {
    web.archiveBytesSent = 0;
    const { main } = await setup.job({ command: "verify", storage: web.url, ...inputs }).run();
    expect(main.exitCode, main.log).toBe(0);
    expect(main.log).toContain(inputs["verify-scope"] === undefined ? "is whole" : "was not looked at");
    const sent = web.archiveBytesSent;
    // Of what is sent, only the seek table and the byte that finds the size are no frames.
    const fetched = Number(main.outputs["fetched-bytes"]);
    expect(fetched).toBeLessThanOrEqual(sent);
    expect(fetched).toBeGreaterThan(sent - 1_000);
    return sent;
  };
  const databases = { "verify-scope": "databases" };
  const tips = await verify({ ...databases, check: "tips" });
  const quick = await verify({ ...databases, check: "quick" });
  const full = await verify({ ...databases, check: "full" });
  const whole = await verify({ check: "none" });
  const sent = JSON.stringify({ tips, quick, full, whole, archiveBytes });
  expect(tips, sent).toBeLessThan(0.3 * archiveBytes);
  expect(quick, sent).toBeLessThan(0.3 * archiveBytes);
  // Every record of the `.blobs` is looked at, no block file is.
  expect(full, sent).toBeGreaterThan(tips + 5_000_000);
  expect(full, sent).toBeLessThan(0.5 * archiveBytes);
  expect(whole, sent).toBeGreaterThanOrEqual(archiveBytes);
});

it("sees a damaged database without the rest, and says that it did not look at the rest", async () => {
  const { setup, archive } = await published();
  const good = readFileSync(archive);
  const verify = async (flipped: number, inputs: Readonly<Record<string, string>>) => {
    const bad = Buffer.from(good);
    bad[flipped] = (bad[flipped] ?? 0) ^ 0x20;
    writeFileSync(archive, bad);
    return (await setup.job({ command: "verify", storage: `file://${setup.store}`, ...inputs }).run()).main;
  };
  const databases = { "verify-scope": "databases" };
  // The burnchain's databases are in the first frame, the middle of the archive is in block files.
  const early = await verify(2_000, databases);
  expect(early.exitCode, early.log).toBe(1);
  expect(early.log).toMatch(/What to do/);
  const middle = Math.floor(good.length / 2);
  const unseen = await verify(middle, databases);
  expect(unseen.exitCode, unseen.log).toBe(0);
  expect(unseen.log).toContain("the rest of its archive was not looked at");
  const seen = await verify(middle, {});
  expect(seen.exitCode, seen.log).toBe(1);
});
