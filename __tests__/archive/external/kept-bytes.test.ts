/** An archive made elsewhere whose connection is lost: the next run fetches what is missing and nothing else. */
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { unpackExternal, type UnpackedExternal } from "../../../src/archive/external/external.ts";
import type { FrameSource } from "../../../src/archive/transport.ts";
import { StoreError } from "../../../src/store/errors.ts";
import { treeOf } from "../../e2e/support.ts";
import { makeTree, shell } from "../external-archives.ts";

const MiB = 1024 * 1024;
const scratch = mkdtempSync(join(tmpdir(), "kept-"));
let archive: Buffer;
let expected: Record<string, string>;

beforeAll(() => {
  const tree = join(scratch, "tree/mainnet");
  makeTree(tree);
  for (let n = 0; n < 6; n += 1) writeFileSync(join(tree, `z-${n}`), randomBytes(24 * MiB));
  shell('find "$1" -exec touch -h -d @1600000000 {} +', tree);
  expected = treeOf(tree);
  shell(
    'tar -C "$1" --sort=name --format=pax -cf "$2" mainnet',
    join(scratch, "tree"),
    join(scratch, "a.tar"),
  );
  archive = readFileSync(join(scratch, "a.tar"));
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

interface Wire {
  /** No byte from here on can be had. */
  endsAt: number;
  fetched: number;
}

function sourceOver(wire: Wire, bytes = archive): FrameSource {
  return {
    size: bytes.length,
    url: "https://elsewhere.test/a.tar",
    read: async (offset, length) => {
      await Promise.resolve();
      if (offset + length > wire.endsAt) throw new StoreError("STORE_STALLED", "the connection is lost");
      wire.fetched += length;
      return bytes.subarray(offset, offset + length);
    },
  };
}

let places = 0;
function place(parent = scratch): string {
  places += 1;
  const directory = join(parent, `place-${places}`);
  mkdirSync(directory);
  return directory;
}

async function unpack(
  directory: string,
  source: FrameSource,
  said: string[] = [],
  options: { readonly sha256?: string; readonly signal?: AbortSignal } = {},
): Promise<UnpackedExternal> {
  const target = join(directory, "unpacked");
  rmSync(target, { recursive: true, force: true });
  return await unpackExternal({
    source,
    target,
    owner: "mine",
    locateRoot: async () => await Promise.resolve("mainnet"),
    keep: { file: join(directory, "kept"), onInfo: (sentence) => said.push(sentence) },
    spoolFile: join(directory, "spool"),
    durable: false,
    signal: new AbortController().signal,
    ...options,
  });
}

test("goes on where the connection was lost, however often", async () => {
  const directory = place();
  const file = join(directory, "kept");
  const said: string[] = [];
  const wire = { endsAt: 70 * MiB, fetched: 0 };
  await expect(unpack(directory, sourceOver(wire), said)).rejects.toMatchObject({ code: "STORE_STALLED" });
  const first = statSync(file).size;
  expect(first).toBeGreaterThanOrEqual(64 * MiB);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(said.at(-1)).toContain(`stay in ${file}: run the same restore again`);

  Object.assign(wire, { endsAt: 120 * MiB, fetched: 0 });
  await expect(unpack(directory, sourceOver(wire), said)).rejects.toMatchObject({ code: "STORE_STALLED" });
  expect(statSync(file).size - first).toBe(wire.fetched);

  const rest = archive.length - statSync(file).size;
  Object.assign(wire, { endsAt: Infinity, fetched: 0 });
  await unpack(directory, sourceOver(wire), said);
  expect(wire.fetched).toBe(rest);
  expect(treeOf(join(directory, "unpacked/mainnet"))).toEqual(expected);
  expect(existsSync(file)).toBe(false);
});

test("a run that is cancelled leaves it too", async () => {
  const directory = place();
  const stop = new AbortController();
  const wire = { endsAt: Infinity, fetched: 0 };
  const slow = sourceOver(wire);
  const source: FrameSource = {
    ...slow,
    read: async (offset, length, signal) => {
      if (offset > 90 * MiB) stop.abort(new Error("cancelled"));
      return await slow.read(offset, length, signal);
    },
  };
  await expect(unpack(directory, source, [], { signal: stop.signal })).rejects.toThrow("cancelled");
  expect(statSync(join(directory, "kept")).size).toBeGreaterThan(8 * MiB);
});

test("what may be damaged is not gone on with", async () => {
  const directory = place();
  const wire = { endsAt: Infinity, fetched: 0 };
  const sha256 = "00".repeat(32);
  await expect(unpack(directory, sourceOver(wire), [], { sha256 })).rejects.toMatchObject({
    code: "CHECKSUM_DIFFERS",
  });
  expect(existsSync(join(directory, "kept"))).toBe(false);
  const broken = Buffer.from(archive);
  broken.fill(0xff, 60 * MiB, 90 * MiB);
  await expect(unpack(directory, sourceOver(wire, broken))).rejects.toMatchObject({ code: /^ARCHIVE_/u });
  expect(existsSync(join(directory, "kept"))).toBe(false);
});

test("a server without ranges: nothing is kept that could not be gone on with", async () => {
  const directory = place();
  const wire = { endsAt: Infinity, fetched: 0 };
  async function* whole(): AsyncGenerator<Uint8Array, void, undefined> {
    yield await Promise.resolve(archive.subarray(0, 50 * MiB));
    throw new StoreError("STORE_STALLED", "the connection is lost");
  }
  await expect(unpack(directory, { ...sourceOver(wire), whole })).rejects.toMatchObject({
    code: "STORE_STALLED",
  });
  expect(existsSync(join(directory, "kept"))).toBe(false);
});

test("a link that lies in its place is not followed", async () => {
  const directory = place();
  const victim = join(directory, "victim");
  writeFileSync(victim, "untouched");
  symlinkSync(victim, join(directory, "kept"));
  const wire = { endsAt: 70 * MiB, fetched: 0 };
  await expect(unpack(directory, sourceOver(wire))).rejects.toMatchObject({ code: "STORE_STALLED" });
  expect(readFileSync(victim, "utf8")).toBe("untouched");
  expect(statSync(join(directory, "kept")).size).toBeGreaterThanOrEqual(64 * MiB);
});

/** What is there beside the archive's own bytes, the tree of which it is made included: so small that both do not fit. */
test.skipIf(process.geteuid?.() !== 0)(
  "where both do not fit the archive is unpacked, and what came goes",
  async () => {
    const mount = place();
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${Math.round(archive.length * 1.5)}`, "none", mount]);
    try {
      const directory = place(mount);
      const said: string[] = [];
      const wire = { endsAt: Infinity, fetched: 0 };
      await unpack(directory, sourceOver(wire), said);
      expect(said.join()).toContain("not kept any more");
      expect(treeOf(join(directory, "unpacked/mainnet"))).toEqual(expected);
      expect(existsSync(join(directory, "kept"))).toBe(false);

      // Kept by a run on a larger disk: it goes when its space is needed, and what it no longer gives is fetched.
      rmSync(join(directory, "unpacked"), { recursive: true });
      writeFileSync(join(directory, "kept"), archive.subarray(0, 80 * MiB));
      wire.fetched = 0;
      await unpack(directory, sourceOver(wire), said);
      expect(treeOf(join(directory, "unpacked/mainnet"))).toEqual(expected);
      expect(wire.fetched).toBeGreaterThanOrEqual(archive.length - 80 * MiB);
    } finally {
      execFileSync("umount", [mount]);
    }
  },
);

test.skipIf(process.geteuid?.() !== 0)(
  "with room for only what is missing what is read of it is given back, and the rest alone is fetched",
  async () => {
    const mount = place();
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${Math.round(archive.length * 1.06)}`, "none", mount]);
    try {
      const directory = place(mount);
      const said: string[] = [];
      const wire = { endsAt: Infinity, fetched: 0 };
      const kept = 80 * MiB;
      writeFileSync(join(directory, "kept"), archive.subarray(0, kept));
      await unpack(directory, sourceOver(wire), said);
      expect(wire.fetched).toBeLessThanOrEqual(1.05 * (archive.length - kept));
      expect(treeOf(join(directory, "unpacked/mainnet"))).toEqual(expected);
      expect(existsSync(join(directory, "kept"))).toBe(false);

      // One that is lost in the middle of that leaves nothing that another would take for the archive's beginning.
      rmSync(join(directory, "unpacked"), { recursive: true });
      writeFileSync(join(directory, "kept"), archive.subarray(0, kept));
      Object.assign(wire, { endsAt: kept + 8 * MiB, fetched: 0 });
      await expect(unpack(directory, sourceOver(wire), said)).rejects.toMatchObject({
        code: "STORE_STALLED",
      });
      expect(existsSync(join(directory, "kept"))).toBe(false);
    } finally {
      execFileSync("umount", [mount]);
    }
  },
);
