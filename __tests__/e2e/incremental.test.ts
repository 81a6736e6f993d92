/** What nobody needs to read, send or fetch again, through the bundled action. */
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { setUp, treeOf, until, type Setup } from "./support.ts";
import { serveDirectory } from "./web.ts";

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

/** A node that is down, with blobs of some frames. */
async function fresh(): Promise<Setup> {
  const setup = await setUp({ running: false, height: 200, extraBytes: 300_000 });
  closing.push(async () => await setup.remove());
  return setup;
}

const isScratch = (path: string): boolean => /(?:-shm|\.reorg|\.tmp)$|(?:^|\/)\._/.test(path);

describe("trust-timestamps", () => {
  it("reads nothing again of what stands as it stood, and all of what does not", async () => {
    const setup = await fresh();
    const inputs = {
      ...setup.snapshotInputs,
      "node-manager": "none",
      downtime: "full",
      "trust-timestamps": "true",
    };
    const blobs = join(setup.chainstate, "chainstate/vm/clarity/marf.sqlite.blobs");
    // Younger files are not remembered: so long must the last change be past.
    await until(
      "the chainstate is older than the margin",
      () => Date.now() - statSync(blobs).ctimeMs > 6_000,
    );
    const first = await setup.job(inputs).run();
    expect(first.main.exitCode, first.main.log).toBe(0);
    expect(first.main.summary).toContain("0 B in 0 segments");
    const second = await setup.job(inputs).run();
    expect(second.main.exitCode, second.main.log).toBe(0);
    // The checks open databases, which may make or touch their sidecars; the blobs nobody touches.
    const spared = /([\d.]+) MiB in (\d+) segments, unchanged/.exec(second.main.summary);
    expect(Number(spared?.[1]) * 1024 ** 2, second.main.summary).toBeGreaterThan(statSync(blobs).size * 0.95);
    expect(Number(second.main.outputs["reused-percent"])).toBeGreaterThan(95);
    expect(Number(second.main.outputs["reused-frames"])).toBeGreaterThan(3);
    const verify = await setup.job({ command: "verify", storage: `file://${setup.store}` }).run();
    expect(verify.main.exitCode, verify.main.log).toBe(0);
  });
});

describe("a restore", () => {
  it("that was killed goes on in the next process, and fetches the rest only", async () => {
    const { setup, web, archiveBytes, restoreInputs, target, expected } = await publishedOnTheWeb();
    web.stallAfterBytes = archiveBytes / 2;
    const dying = setup.job(restoreInputs);
    const main = dying.startMain();
    // Every connection stands still, and what came before has been unpacked.
    await until("the web stands still", () => web.stalled > 0 && web.idleMs() > 1_500);
    main.child.kill("SIGKILL");
    await main.ended;
    expect(existsSync(target)).toBe(false);
    const fetchedBefore = web.archiveBytesSent;
    expect(fetchedBefore).toBeLessThan(archiveBytes);
    web.stallAfterBytes = Infinity;
    web.archiveBytesSent = 0;
    const { main: again } = await setup.job(restoreInputs).run();
    expect(again.exitCode, again.log).toBe(0);
    expect(treeOf(target, isScratch)).toEqual(expected);
    expect(Number(again.outputs["fetched-bytes"])).toBeLessThan(0.6 * archiveBytes);
    // The proof is what went over the wire, the seek table and the server's cut-off bodies aside.
    expect(web.archiveBytesSent).toBeLessThan(0.65 * archiveBytes);
    expect(Number(again.outputs["reused-frames"])).toBeGreaterThan(0);
  });

  it("notices when its source becomes another one, and puts nothing in place", async () => {
    const { setup, web, archiveBytes, restoreInputs, target } = await publishedOnTheWeb();
    web.changeAfterBytes = archiveBytes / 3;
    const { main } = await setup.job(restoreInputs).run();
    expect(main.exitCode).toBe(1);
    expect(main.log).toMatch(/OBJECT_CHANGED/);
    expect(existsSync(target)).toBe(false);
  });
});

async function publishedOnTheWeb() {
  const setup = await fresh();
  const taken = await setup.job({ ...setup.snapshotInputs, "node-manager": "none", downtime: "full" }).run();
  expect(taken.main.exitCode, taken.main.log).toBe(0);
  const web = await serveDirectory(setup.store);
  closing.push(async () => await web.close());
  const target = join(setup.directory, "restored", "mainnet");
  return {
    setup,
    web,
    target,
    archiveBytes: Number(taken.main.outputs["size-bytes"]),
    expected: treeOf(setup.chainstate, isScratch),
    restoreInputs: {
      command: "restore",
      storage: web.url,
      "chainstate-dir": target,
      "node-manager": "none",
    },
  };
}
