import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openDirectoryView } from "../../src/archive/write/directory-view.ts";
import { selectEntries } from "../../src/chainstate/layout.ts";
import { listEntries } from "../../src/freeze/listing.ts";

const signal = new AbortController().signal;

test("a list that has lost lines, or got some, is an error and no smaller chainstate", async () => {
  const scratch = mkdtempSync(join(tmpdir(), "listing-"));
  try {
    const directory = join(scratch, "mainnet");
    const spoolPath = join(scratch, "entries");
    mkdirSync(directory);
    for (const name of ["a", "b", "c"]) writeFileSync(join(directory, name), name);
    const listing = await listEntries({
      viewOf: async (path) => await openDirectoryView({ directory: path }),
      chainstateDir: directory,
      spoolPath,
      selection: selectEntries("backup"),
      rules: { appendOnlyFileOf: () => undefined },
      signal,
    });
    const paths = async (): Promise<string[]> => {
      const found: string[] = [];
      for await (const { entry } of listing.entries(signal, () => undefined)) found.push(entry.path);
      return found;
    };
    expect(await paths()).toEqual(["a", "b", "c"]);
    const [first = "", second = ""] = readFileSync(spoolPath, "utf8").split("\n");
    writeFileSync(spoolPath, `${first}\n${second}\n`);
    await expect(paths()).rejects.toMatchObject({ code: "FREEZE_BROKEN" });
    appendFileSync(spoolPath, `${first}\n${second}\n`);
    await expect(paths()).rejects.toMatchObject({ code: "FREEZE_BROKEN" });
  } finally {
    rmSync(scratch, { recursive: true });
  }
});
