import { execFileSync, spawnSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import {
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { Parser } from "tar";
import { encodeTarHeader } from "../../src/archive/format/tar-header.ts";
import { decodePath } from "../../src/system/path-bytes.ts";
import { archiveOf, signal, unpack, useScratch, verify } from "./local-archive.ts";
import { framesBySeekTable } from "./seekable-reader.ts";
import { has } from "../tools.ts";

const isRoot = process.geteuid?.() === 0;
const MiB = 1024 * 1024;

/** One of everything a file system can hold below a directory. */
function makeTortureTree(root: string): void {
  mkdirSync(join(root, "deep/er/empty"), { recursive: true });
  mkdirSync(join(root, "a-b"));
  mkdirSync(join(root, "a"));
  writeFileSync(join(root, "a/x"), "x");
  writeFileSync(join(root, "a.sqlite"), randomBytes(70_000));
  writeFileSync(join(root, "empty"), "");
  writeFileSync(join(root, "block-512"), randomBytes(512));
  writeFileSync(join(root, "exec"), "#!/bin/sh\n", { mode: 0o755 });
  writeFileSync(join(root, "deep/er/zeros"), Buffer.alloc(300_000));
  writeFileSync(join(root, "sparse"), "start");
  truncateSync(join(root, "sparse"), 5 * MiB + 7);
  writeFileSync(
    join(root, "large"),
    Buffer.concat([randomBytes(3 * MiB), Buffer.alloc(2 * MiB), randomBytes(11)]),
  );
  symlinkSync("a/x", join(root, "soft"));
  symlinkSync("../../a", join(root, "deep/er/soft"));
  symlinkSync("dangling-".repeat(30), join(root, "soft-long"));
  linkSync(join(root, "a.sqlite"), join(root, "deep/hard"));
  linkSync(join(root, "a.sqlite"), join(root, "zz-hard"));
  writeFileSync(join(root, 'with\nnewline and \ttab \\ "quotes"'), "odd");
  writeFileSync(join(root, "größe-\u{1f512}-日本"), "utf-8");
  writeFileSync(Buffer.concat([Buffer.from(`${root}/raw-`), Buffer.from([0xff, 0xc3, 0x28, 0x80])]), "raw");
  writeFileSync(join(root, "n".repeat(255)), "longest name");
  let path = root;
  for (let depth = 0; depth < 12; depth += 1) path = join(path, "p".repeat(200));
  mkdirSync(path, { recursive: true });
  writeFileSync(join(path, "bottom"), "a path of 2.4 KiB");
  symlinkSync("q".repeat(1000), join(path, "long-link"));
  utimesSync(join(root, "exec"), 1.25, 0.5);
  utimesSync(join(root, "a"), 1_600_000_000.123456, 1_600_000_000.123456);
  lutimesSync(join(root, "soft"), 7, 7);
  chmodSync(join(root, "deep/er/empty"), 0o2770);
  if (isRoot) chownSync(join(root, "a/x"), 12_345, 3_000_000_000);
}

interface Seen {
  readonly type: string;
  readonly mode: number;
  readonly owner: string;
  /** Node sets times to a quarter of a microsecond, tar to a nanosecond or a second. */
  readonly mtimeSeconds: number;
  readonly content: string;
  readonly links: number;
}

function see(root: string, tolerance: { readonly times: boolean }): Map<string, Seen> {
  const seen = new Map<string, Seen>();
  const visit = (path: Buffer): void => {
    const stats = lstatSync(path, { bigint: true });
    const name = decodePath(path.subarray(Buffer.byteLength(root)));
    seen.set(name, {
      type: stats.isDirectory() ? "directory" : stats.isSymbolicLink() ? "symlink" : "file",
      // Set-uid, set-gid and sticky bits do not travel.
      mode: Number(stats.mode & 0o777n),
      owner: `${stats.uid}:${stats.gid}`,
      mtimeSeconds: tolerance.times ? Math.round(Number(stats.mtimeNs) / 1e4) / 1e5 : 0,
      content: stats.isFile()
        ? createHash("sha256").update(readFileSync(path)).digest("hex")
        : stats.isSymbolicLink()
          ? readlinkSync(path, "latin1")
          : "",
      links: stats.isFile() ? Number(stats.nlink) : 0,
    });
    if (!stats.isDirectory()) return;
    for (const child of readdirSync(path, { encoding: "buffer" })) {
      visit(Buffer.concat([path, Buffer.from("/"), child]));
    }
  };
  visit(Buffer.from(root));
  return seen;
}

describe("an archive of everything", () => {
  test("comes back the same: bytes, types, modes, owners, times, links, holes", async () =>
    useScratch(async (scratch) => {
      const tree = join(scratch, "tree");
      makeTortureTree(tree);
      // Small segments, so that several files of it come in pieces.
      const archive = await archiveOf(tree, scratch, { segmentSizeOf: () => MiB });
      expect(archive.written.frames).toBeGreaterThan(8);
      const back = join(scratch, "back");
      await unpack(archive, back);
      expect(see(back, { times: true })).toEqual(see(tree, { times: true }));
      expect(lstatSync(join(back, "sparse")).blocks).toBeLessThan(500);
      expect(lstatSync(join(back, "large")).blocks * 512).toBeLessThan(4 * MiB);
      expect(await verify(archive)).toMatchObject({
        files: archive.written.files,
        frames: archive.written.frames,
        tarSize: archive.written.tarSize,
        treeSha256: archive.written.treeSha256,
      });
      expect(createHash("sha256").update(readFileSync(archive.file)).digest("hex")).toBe(
        archive.written.sha256,
      );
      expect(lstatSync(archive.file).size).toBe(archive.written.size);
      expect(existsSync(`${archive.indexFile}.entries`)).toBe(false);
    }));

  test("is the same to the byte when it is written again, with any number of threads", async () =>
    useScratch(async (scratch) => {
      const tree = join(scratch, "tree");
      makeTortureTree(tree);
      const first = await archiveOf(tree, scratch, { segmentSizeOf: () => MiB, concurrency: 1 }, "one");
      const second = await archiveOf(tree, scratch, { segmentSizeOf: () => MiB, concurrency: 3 }, "two");
      expect(readFileSync(second.file).equals(readFileSync(first.file))).toBe(true);
      expect(readFileSync(second.indexFile).equals(readFileSync(first.indexFile))).toBe(true);
    }));

  for (const [name, tools, command] of [
    ["tar --zstd", ["tar", "zstd"], (file, to) => `tar --zstd -xpf '${file}' -C '${to}'`],
    ["zstd | tar", ["tar", "zstd"], (file, to) => `zstd -dcq '${file}' | tar -xp -C '${to}'`],
    ["pzstd | tar", ["tar", "pzstd"], (file, to) => `pzstd -dcq '${file}' | tar -xp -C '${to}'`],
    ["bsdtar", ["bsdtar"], (file, to) => `bsdtar -xpf '${file}' -C '${to}'`],
  ] satisfies [string, string[], (file: string, to: string) => string][]) {
    test.skipIf(!tools.every(has))(`unpacks with ${name}`, async () =>
      useScratch(async (scratch) => {
        const tree = join(scratch, "tree");
        makeTortureTree(tree);
        const archive = await archiveOf(tree, scratch, { segmentSizeOf: () => MiB });
        const back = join(scratch, "back");
        mkdirSync(back);
        const run = spawnSync("bash", ["-o", "pipefail", "-c", command(archive.file, back)], {
          encoding: "utf8",
          env: { PATH: process.env["PATH"] ?? "", LC_ALL: "C.UTF-8" },
        });
        expect(run).toMatchObject({ status: 0 });
        expect(readdirSync(back)).toEqual(["mainnet"]);
        expect(see(join(back, "mainnet"), { times: true })).toEqual(see(tree, { times: true }));
      }),
    );
  }

  test("passes `zstd -t`, and an independent reader of the seekable format finds every frame", async () =>
    useScratch(async (scratch) => {
      const tree = join(scratch, "tree");
      makeTortureTree(tree);
      const archive = await archiveOf(tree, scratch, { segmentSizeOf: () => MiB });
      if (has("zstd")) execFileSync("zstd", ["-tq", archive.file]);
      const frames = framesBySeekTable(readFileSync(archive.file));
      expect(frames.length).toBe(archive.written.frames);
      expect(frames.reduce((total, frame) => total + frame.length, 0)).toBe(archive.written.tarSize);
    }));

  test("of a directory with nothing in it", async () =>
    useScratch(async (scratch) => {
      const tree = join(scratch, "tree");
      mkdirSync(tree, { mode: 0o750 });
      const archive = await archiveOf(tree, scratch);
      await unpack(archive, join(scratch, "back"));
      expect(see(join(scratch, "back"), { times: true })).toEqual(see(tree, { times: true }));
      expect(await verify(archive)).toMatchObject({ files: 0, frames: 2 });
    }));

  test.each(["tar", "bsdtar"].filter(has))(
    "says the size of a file over 8 GiB and the owner beyond octal so that %s -tv reads them",
    (tool) => {
      const size = 9 * 1024 * MiB + 5;
      const header = encodeTarHeader({
        path: "mainnet/blobs",
        type: "file",
        size,
        mode: 0o600,
        uid: 3_000_000_000,
        gid: 0,
        mtimeNs: 0n,
      });
      // The content is not there, which is the last thing they complain about.
      const { stdout } = spawnSync("bash", ["-c", `${tool} -tv --numeric-owner -f -`], {
        input: header,
        encoding: "utf8",
      });
      expect(stdout).toContain(String(size));
      expect(stdout).toContain("3000000000");
    },
  );

  test("is read by node-tar, all but names that are not UTF-8", async () =>
    useScratch(async (scratch) => {
      const tree = join(scratch, "tree");
      makeTortureTree(tree);
      const archive = await archiveOf(tree, scratch, { segmentSizeOf: () => MiB });
      const bytes = readFileSync(archive.file);
      const frames = framesBySeekTable(bytes);
      const listed: string[] = [];
      const parser = new Parser({
        strict: true,
        onReadEntry: (entry) => (listed.push(entry.path), entry.resume()),
      });
      for (const frame of frames) parser.write(frame);
      parser.end();
      const expected = [...see(tree, { times: false })].map(
        ([path, seen]) => `mainnet${path}${seen.type === "directory" ? "/" : ""}`,
      );
      const odd = (path: string): boolean => path.includes("raw-");
      expect(listed.filter((path) => !odd(path)).toSorted()).toEqual(
        expected.filter((path) => !odd(path)).toSorted(),
      );
    }));

  test("is the real chainstate's too, where the fixture is at hand", async () =>
    useScratch(async (scratch) => {
      const fixture = join(import.meta.dirname, "../../../shared/fixtures/sbtc-regtest-chainstate.tar.xz");
      if (!existsSync(fixture)) return;
      const tree = join(scratch, "tree");
      mkdirSync(tree);
      execFileSync("tar", ["-xf", fixture, "-C", tree]);
      const archive = await archiveOf(tree, scratch);
      await unpack(archive, join(scratch, "back"));
      expect(see(join(scratch, "back"), { times: true })).toEqual(see(tree, { times: true }));
    }));
});

describe("unpacking", () => {
  test("gives all to one owner, or leaves it to whoever unpacks", async () =>
    useScratch(async (scratch) => {
      const tree = join(scratch, "tree");
      makeTortureTree(tree);
      const archive = await archiveOf(tree, scratch);
      const me = `${process.geteuid?.()}:${process.getegid?.()}`;
      await unpack(archive, join(scratch, "mine"), { owner: "mine" });
      expect(see(join(scratch, "mine"), { times: false }).get("/a/x")?.owner).toBe(me);
      if (!isRoot) return;
      await unpack(archive, join(scratch, "given"), { owner: { uid: 1234, gid: 567 } });
      const owners = new Set(
        [...see(join(scratch, "given"), { times: false }).values()].map((seen) => seen.owner),
      );
      expect([...owners]).toEqual(["1234:567"]);
      const soft = see(join(scratch, "given"), { times: true }).get("/soft");
      expect(soft?.mtimeSeconds).toBe(7);
    }));

  test("takes only what is selected, with the directories above and what a hard link names", async () =>
    useScratch(async (scratch) => {
      const tree = join(scratch, "tree");
      makeTortureTree(tree);
      const archive = await archiveOf(tree, scratch, { segmentSizeOf: () => MiB });
      const back = join(scratch, "back");
      const { fetchedFrames } = await unpack(archive, back, { select: (path) => path === "deep/hard" });
      expect(fetchedFrames).toBeLessThan(archive.written.frames);
      const names = readdirSync(back, { recursive: true, encoding: "utf8" });
      expect(new Set(names)).toEqual(new Set(["a.sqlite", "deep", "deep/hard"]));
      expect(readFileSync(join(back, "deep/hard"))).toEqual(readFileSync(join(tree, "a.sqlite")));
    }));

  test("refuses a directory that is not empty", async () =>
    useScratch(async (scratch) => {
      const tree = join(scratch, "tree");
      mkdirSync(tree);
      const archive = await archiveOf(tree, scratch);
      await expect(unpack(archive, tree)).resolves.toBeDefined();
      writeFileSync(join(tree, "mine"), "precious");
      await expect(unpack(archive, tree)).rejects.toMatchObject({ code: "TARGET_NOT_EMPTY" });
      expect(readFileSync(join(tree, "mine"), "utf8")).toBe("precious");
      expect(signal.aborted).toBe(false);
    }));
});
