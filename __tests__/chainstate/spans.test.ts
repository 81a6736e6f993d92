import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { identifyDirectory, requireChainstate } from "../../src/chainstate/identify.ts";
import { databases } from "../../src/chainstate/layout.ts";
import { requireOnePlace } from "../../src/chainstate/spans.ts";

const never = new AbortController().signal;
const isRoot = process.geteuid?.() === 0;
let root: string;
let dir: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "spans-"));
  dir = join(root, "mainnet");
  for (const file of [databases.index, databases.sortition, databases.clarity]) {
    mkdirSync(join(dir, file, ".."), { recursive: true });
    writeFileSync(join(dir, file), "");
  }
});
afterEach(() => rmSync(root, { recursive: true }));

describe("a chainstate in one place", () => {
  it("is fine, whatever freezes it, and a `.blobs` elsewhere is as well", async () => {
    writeFileSync(join(root, "blobs"), "");
    symlinkSync(join(root, "blobs"), join(dir, `${databases.clarity}.blobs`));
    mkdirSync(join(dir, "chainstate/blocks/12ab/34cd"), { recursive: true });
    await expect(requireOnePlace(dir, "btrfs", never)).resolves.toBeUndefined();
  });

  it("may itself be behind a symbolic link", async () => {
    symlinkSync(dir, join(root, "link"));
    await expect(requireOnePlace(join(root, "link"), "btrfs", never)).resolves.toBeUndefined();
  });

  it.each([undefined, "btrfs"])(
    "is not one where a directory is a symbolic link (freezer %s)",
    async (by) => {
      renameSync(join(dir, "burnchain"), join(root, "elsewhere"));
      symlinkSync(join(root, "elsewhere"), join(dir, "burnchain"));
      await expect(requireOnePlace(dir, by, never)).rejects.toMatchObject({
        code: "CHAINSTATE_DIR_SPANS",
        message: expect.stringContaining(`${dir}/burnchain is a symbolic link`),
      });
    },
  );

  it.runIf(isRoot)("is not one where something is mounted in it, but for what reads both", async () => {
    const point = join(dir, "chainstate/vm");
    execFileSync("mount", ["-t", "tmpfs", "spans", point]);
    try {
      await expect(requireOnePlace(dir, "zfs", never)).rejects.toMatchObject({
        code: "CHAINSTATE_DIR_SPANS",
        message: expect.stringContaining(`${point} is another file system`),
        hint: expect.stringContaining("freeze-with: sqlite"),
      });
      await requireOnePlace(dir, undefined, never);
    } finally {
      execFileSync("umount", [point]);
    }
  });
});

describe("a path that is not the mode directory", () => {
  it.each([
    ["its parent", () => root],
    ["a directory in it", () => join(dir, "chainstate")],
    ["one deeper", () => join(dir, "chainstate/vm")],
  ])("is refused with the one that was meant: %s", async (_what, given) => {
    await expect(requireChainstate(given())).rejects.toMatchObject({
      code: "CHAINSTATE_NOT_FOUND",
      hint: expect.stringContaining(`Did you mean ${dir}?`),
    });
  });

  it("is refused where half of it is missing", async () => {
    rmSync(join(dir, "burnchain"), { recursive: true });
    expect(await identifyDirectory(dir)).toMatchObject({
      kind: "other",
      why: expect.stringContaining("sortition"),
    });
    await expect(requireChainstate(join(root, "absent"))).rejects.toMatchObject({
      code: "CHAINSTATE_DIR_MISSING",
    });
  });
});
