/** Who has a chainstate open: the node's scratch files come and go while it is found out. */
import { spawn } from "node:child_process";
import { linkSync, mkdirSync, mkdtempSync, rmSync, unlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { scanHolders } from "../../src/node/holders.ts";
import { privilegeFor, type Privilege } from "../../src/system/privilege.ts";

const { signal } = new AbortController();

function bed(): { readonly chainstate: string; readonly elsewhere: string } {
  const root = mkdtempSync(join(tmpdir(), "holders-"));
  onTestFinished(() => rmSync(root, { recursive: true, force: true }));
  const [chainstate, elsewhere] = [join(root, "mainnet"), join(root, "other")];
  for (const directory of [chainstate, elsewhere]) mkdirSync(directory);
  return { chainstate, elsewhere };
}

/** Somebody who is no child of this process, which would be left out. */
async function open(file: string): Promise<number> {
  const line = 'exec 3<"$1"; setsid sleep 60 3<&3 >/dev/null 2>&1 & echo $!';
  const shell = spawn("sh", ["-c", line, "sh", file], { stdio: ["ignore", "pipe", "ignore"] });
  const said = (await shell.stdout.toArray()).join("");
  const pid = Number(said);
  onTestFinished(() => void process.kill(pid, "SIGKILL"));
  return pid;
}

/** Something happens between the list of the chainstate's files and the look at what processes have open. */
function meanwhile(work: () => void): Privilege {
  const own = privilegeFor("never");
  return {
    ...own,
    may: async (argv) => {
      work();
      return await own.may(argv);
    },
  };
}

test("whoever has a file of it open is found", async () => {
  const { chainstate } = bed();
  writeFileSync(join(chainstate, "headers.sqlite"), "");
  const pid = await open(join(chainstate, "headers.sqlite"));
  const { holders } = await scanHolders(chainstate, privilegeFor("never"), signal);
  expect(holders).toMatchObject([{ pid, file: "headers.sqlite" }]);
});

test("a scratch file that has gone, and whose inode is another directory's by now, is nobody's", async () => {
  const { chainstate, elsewhere } = bed();
  // As a file system that gives the inode of a file that was removed to the next one that is made.
  writeFileSync(join(elsewhere, "headers.sqlite.reorg-shm"), "");
  linkSync(join(elsewhere, "headers.sqlite.reorg-shm"), join(chainstate, "headers.sqlite.reorg-shm"));
  await open(join(elsewhere, "headers.sqlite.reorg-shm"));
  const privilege = meanwhile(() => unlinkSync(join(chainstate, "headers.sqlite.reorg-shm")));
  expect((await scanHolders(chainstate, privilege, signal)).holders).toEqual([]);
});
