import { execFileSync } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { chown, lchown, link, mkdir, readdir, realpath, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { databaseOfBlobs } from "../../../src/chainstate/layout.ts";
import { decodePath } from "../../../src/system/path-bytes.ts";
import { openDirectoryView } from "../../../src/archive/write/directory-view.ts";
import type { DirectoryViewOptions } from "../../../src/archive/write/directory-view.ts";
import { compareEntries } from "../../../src/archive/view.ts";
import type { SkippedEntry, ViewEntry } from "../../../src/archive/view.ts";
import { all, useScratch } from "../local-archive.ts";

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
      expect(asked).toEqual(["estimates false", "estimates true", "peer.sqlite false"]);
      expect(entries.map((entry) => entry.path)).toEqual(["peer.sqlite"]);
      expect(skipped).toEqual([{ path: "estimates", reason: "profile" }]);
    }));

  test("what is left out is not looked at, what may vanish is looked for once more, all else must be there", async () =>
    useScratch(async (directory) => {
      const names = ["a", "b-left-out", "c-may-vanish", "d-comes-back", "e-state"];
      const write = async (): Promise<void> => {
        for (const name of names) await writeFile(join(directory, name), name);
      };
      /** `gone` are removed after the names were read; what comes back does so before the second look. */
      const walk = async (gone: readonly string[]): Promise<string[]> => {
        await write();
        const { entries } = await look({
          directory,
          selection: {
            leavesOut(path) {
              if (path === "a") for (const name of gone) rmSync(join(directory, name));
              return path.includes("left-out") ? "scratch" : undefined;
            },
            mayVanish(path) {
              if (path === "d-comes-back") writeFileSync(join(directory, path), "again");
              return !path.includes("state");
            },
          },
        });
        return entries.map((entry) => entry.path);
      };
      expect(await walk(["b-left-out"])).toEqual(["a", "c-may-vanish", "d-comes-back", "e-state"]);
      expect(await walk(["c-may-vanish"])).toEqual(["a", "d-comes-back", "e-state"]);
      expect(await walk(["d-comes-back"])).toEqual(["a", "c-may-vanish", "d-comes-back", "e-state"]);
      await expect(walk(["e-state"])).rejects.toMatchObject({ code: "FILE_VANISHED" });
    }));

  test("packs a link as the file it points to where it is told to", async () =>
    useScratch(async (scratch) => {
      const directory = join(scratch, "chainstate");
      await mkdir(directory);
      await writeFile(join(scratch, "elsewhere"), "bytes on another disk");
      await symlink(join(scratch, "elsewhere"), join(directory, "marf.sqlite.blobs"));
      const followLink = databaseOfBlobs;
      await expect(look({ directory, followLink })).rejects.toMatchObject({ code: "LINK_OF_ANOTHER" });
      await writeFile(join(directory, "marf.sqlite"), "");
      const { entries } = await look({ directory, followLink });
      const source = await realpath(join(scratch, "elsewhere"));
      expect(entries).toMatchObject([
        { path: "marf.sqlite" },
        { path: "marf.sqlite.blobs", type: "file", size: 21, source },
      ]);
      await symlink("/", join(directory, "dir.sqlite.blobs"));
      await expect(look({ directory, followLink })).rejects.toMatchObject({ code: "LINK_NOT_A_FILE" });
    }));

  test.runIf(process.geteuid?.() === 0)("packs no file of another user by a link of the node's", async () =>
    useScratch(async (scratch) => {
      const directory = join(scratch, "chainstate");
      await mkdir(directory);
      const [database, blobs, secret] = [
        join(directory, "marf.sqlite"),
        join(directory, "marf.sqlite.blobs"),
        join(scratch, "shadow"),
      ];
      await writeFile(secret, "root:$6$", { mode: 0o600 });
      await writeFile(database, "");
      await symlink(secret, blobs);
      await lchown(blobs, 65534, 65534);
      // Neither with a database of its own nor with one of root's.
      await expect(look({ directory, followLink: databaseOfBlobs })).rejects.toMatchObject({
        code: "LINK_OF_ANOTHER",
      });
      await chown(database, 65534, 65534);
      await expect(look({ directory, followLink: databaseOfBlobs })).rejects.toMatchObject({
        code: "LINK_OF_ANOTHER",
      });
      await chown(secret, 65534, 65534);
      expect((await look({ directory, followLink: databaseOfBlobs })).entries).toHaveLength(2);
    }),
  );

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
