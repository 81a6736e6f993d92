import { execFileSync } from "node:child_process";
import { createServer } from "node:net";
import { link, mkdir, readdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { decodePath } from "../../src/system/path-bytes.ts";
import { openDirectoryView } from "../../src/archive/directory-view.ts";
import type { DirectoryViewOptions } from "../../src/archive/directory-view.ts";
import { compareEntries } from "../../src/archive/view.ts";
import type { SkippedEntry, ViewEntry } from "../../src/archive/view.ts";
import { all, useScratch } from "./local-archive.ts";

const signal = new AbortController().signal;

async function look(
  options: DirectoryViewOptions,
): Promise<{ entries: ViewEntry[]; skipped: SkippedEntry[] }> {
  const view = await openDirectoryView(options);
  const skipped: SkippedEntry[] = [];
  view.onSkipped = (entry) => skipped.push(entry);
  return { entries: await all(view.entries(signal)), skipped };
}

describe("openDirectoryView", () => {
  test("walks in the archive's order, a directory right before all that is in it", async () =>
    useScratch(async (directory) => {
      for (const name of ["a", "a/x", "a-b", "a-b/y", "a.b", "ab", "Z", "é", "\u{1f600}", "\uffee"]) {
        await mkdir(join(directory, name));
        await writeFile(join(directory, name, "file"), name);
      }
      await writeFile(Buffer.concat([Buffer.from(`${directory}/`), Buffer.from([0xff, 0xfe, 0x0a])]), "odd");
      const { entries } = await look({ directory });
      const paths = entries.map((entry) => entry.path);
      expect(entries).toEqual(entries.toSorted(compareEntries));
      expect(paths).toContain(decodePath(Buffer.from([0xff, 0xfe, 0x0a])));
      expect(paths.indexOf("a-b/y")).toBeLessThan(paths.indexOf("a/x"));
      expect(entries).toHaveLength(21);
      for (const [n, path] of paths.entries()) {
        const parent = path.includes("/") ? [path.slice(0, path.lastIndexOf("/"))] : [];
        expect(paths.slice(0, n)).toEqual(expect.arrayContaining(parent));
      }
    }));

  test("records links, leaves out what is no file, and says so", async () =>
    useScratch(async (directory) => {
      await writeFile(join(directory, "one"), "1");
      await link(join(directory, "one"), join(directory, "two"));
      await link(join(directory, "one"), join(directory, "three"));
      await symlink("one", join(directory, "soft"));
      execFileSync("mkfifo", [join(directory, "pipe")]);
      const server = createServer().listen(join(directory, "socket"));
      await new Promise((resolve) => server.once("listening", resolve));
      try {
        const { entries, skipped } = await look({ directory });
        expect(entries.map(({ path, type, linkTarget }) => [path, type, linkTarget])).toEqual([
          ["one", "file", undefined],
          ["soft", "symlink", "one"],
          ["three", "hardlink", "one"],
          ["two", "hardlink", "one"],
        ]);
        expect(skipped).toEqual([
          { path: "pipe", reason: "fifo" },
          { path: "socket", reason: "socket" },
        ]);
      } finally {
        await new Promise((resolve) => server.close(resolve));
      }
    }));

  test("asks the selection, and never enters a directory that is left out", async () =>
    useScratch(async (directory) => {
      await mkdir(join(directory, "estimates/deep"), { recursive: true });
      await writeFile(join(directory, "estimates/deep/file"), "");
      await writeFile(join(directory, "peer.sqlite"), "");
      const asked: string[] = [];
      const { entries, skipped } = await look({
        directory,
        selection: {
          leavesOut(path, isDirectory) {
            asked.push(`${path} ${isDirectory}`);
            return isDirectory ? "profile" : undefined;
          },
        },
      });
      expect(asked).toEqual(["estimates true", "peer.sqlite false"]);
      expect(entries.map((entry) => entry.path)).toEqual(["peer.sqlite"]);
      expect(skipped).toEqual([{ path: "estimates", reason: "profile" }]);
    }));

  test("packs a link as the file it points to where it is told to", async () =>
    useScratch(async (scratch) => {
      const directory = join(scratch, "chainstate");
      await mkdir(directory);
      await writeFile(join(scratch, "elsewhere"), "bytes on another disk");
      await symlink(join(scratch, "elsewhere"), join(directory, "marf.sqlite.blobs"));
      const followLink = (path: string): boolean => path.endsWith(".blobs");
      const { entries } = await look({ directory, followLink });
      expect(entries).toMatchObject([
        { path: "marf.sqlite.blobs", type: "file", size: 21, source: join(directory, "marf.sqlite.blobs") },
      ]);
      await symlink("/", join(directory, "dir.blobs"));
      await expect(look({ directory, followLink })).rejects.toMatchObject({ code: "LINK_NOT_A_FILE" });
    }));

  test("has an error for what is no directory, and stops when told to", async () =>
    useScratch(async (directory) => {
      await writeFile(join(directory, "file"), "");
      await expect(openDirectoryView({ directory: join(directory, "file") })).rejects.toMatchObject({
        code: "DIRECTORY_UNREADABLE",
      });
      await expect(openDirectoryView({ directory: join(directory, "none") })).rejects.toMatchObject({
        code: "FILE_VANISHED",
      });
      const view = await openDirectoryView({ directory });
      const entries = view.entries(AbortSignal.abort());
      await expect(all(entries)).rejects.toMatchObject({ code: "CANCELLED" });
      expect(await readdir(directory)).toEqual(["file"]);
    }));
});
