import { spawnSync } from "node:child_process";
import {
  appendFileSync,
  copyFileSync,
  closeSync,
  mkdirSync,
  mkdtempSync,
  readlinkSync,
  openSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { cameBack } from "../../src/node/errors.ts";
import { listChainstateFiles } from "../../src/node/holders.ts";
import { noNode } from "../../src/node/none.ts";
import { verifyStillStopped } from "../../src/node/shutdown-proof.ts";
import { verifyStopped } from "./verify-stopped.ts";
import { systemClock } from "../../src/system/clock.ts";
import { privilegeFor } from "../../src/system/privilege.ts";
import { readStat } from "../../src/system/proc.ts";
import { endProcess, holdOpen, quote, startOrphan } from "./bed.ts";
import { info, startRpcServer } from "./rpc-server.ts";

const never = new AbortController().signal;
const privilege = privilegeFor("auto");
const { isRoot } = privilege;
const seesAll = isRoot || spawnSync("sudo", ["-n", "true"]).status === 0;
const down = { running: false, detail: "" };

describe("proof of shutdown", () => {
  let root: string;
  let chainstateDir: string;
  const pids: number[] = [];
  /** Hurries where only the limits of polls are at stake. */
  let now = 0;
  const hurried = {
    now: () => now,
    sleep: async (ms: number) => {
      now += ms * 20;
      await systemClock.sleep(ms / 20);
    },
  };
  const request = () => ({
    control: noNode("none", { chainstateDir, privilege }),
    before: down,
    chainstateDir,
    privilege,
    clock: hurried,
    signal: never,
  });

  beforeEach(() => {
    root = mkdtempSync(path.join(tmpdir(), "proof-"));
    chainstateDir = path.join(root, "mainnet");
    mkdirSync(path.join(chainstateDir, "chainstate/blocks/12ab/34cd"), { recursive: true });
    for (const file of ["chainstate/a.sqlite", "chainstate/a.sqlite-wal", "chainstate/blocks/12ab/34cd/f00d"])
      writeFileSync(path.join(chainstateDir, file), file);
    writeFileSync(path.join(root, "elsewhere.blobs"), "blobs");
    symlinkSync("../../elsewhere.blobs", path.join(chainstateDir, "chainstate/a.sqlite.blobs"));
  });
  afterEach(async () => {
    for (const pid of pids.splice(0)) await endProcess(pid);
    rmSync(root, { recursive: true });
  });

  it("holds for a directory that nobody works in, an open file of our own notwithstanding", async () => {
    const own = openSync(path.join(chainstateDir, "chainstate/a.sqlite"), "r");
    try {
      const evidence = await verifyStopped(request());
      expect(evidence.map(({ id }) => id)).toEqual([
        "rpc-closed",
        "no-open-files",
        "no-hot-journal",
        "files-stable",
      ]);
      // Who is not root, nor may become it, is shown the processes of his own, of which there may be a few.
      const seen = seesAll
        ? /^none of \d\d+ processes has any of 3 files open or mapped/
        : /^none of [1-9]\d* processes has any of 3 files open;/;
      expect(evidence[1]?.detail).toMatch(seen);
      expect(evidence[3]?.detail).toContain("3 databases");
    } finally {
      closeSync(own);
    }
  });

  it("holds for a directory that is not there", async () => {
    expect(await verifyStopped({ ...request(), chainstateDir: path.join(root, "absent") })).toHaveLength(4);
  });

  it("walks past the flat block files", async () => {
    const files = await listChainstateFiles(chainstateDir, never);
    expect(files.map((file) => file.path).sort()).toEqual([
      "chainstate/a.sqlite",
      "chainstate/a.sqlite-wal",
      "chainstate/a.sqlite.blobs",
    ]);
  });

  it("names who has a file open, behind a symlink too", async () => {
    pids.push(await holdOpen(path.join(root, "elsewhere.blobs")));
    await expect(verifyStopped(request())).rejects.toMatchObject({
      code: "DIRECTORY_IN_USE",
      message: expect.stringContaining(`sleep, pid ${pids[0]} (chainstate/a.sqlite.blobs)`),
    });
    await expect(verifyStillStopped(request())).rejects.toMatchObject({ code: "NODE_CAME_BACK" });
  });

  it.runIf(isRoot)("names who has a file mapped", async () => {
    // A program is mapped from its file, and nobody has that open.
    const program = path.join(chainstateDir, "mapped.sqlite");
    copyFileSync("/bin/sleep", program);
    const pid = startOrphan(`${quote(program)} 100`);
    pids.push(pid);
    await expect.poll(() => readlinkSync(`/proc/${pid}/exe`)).toBe(program);
    await expect(verifyStopped(request())).rejects.toMatchObject({ code: "DIRECTORY_IN_USE" });
  });

  it("fails while the process that was the node is there", async () => {
    pids.push(await holdOpen("/dev/null"));
    const { pid, startTicks } = readStat(pids[0]!)!;
    const before = { running: true, detail: "", process: { pid, startTicks } };
    await expect(verifyStopped({ ...request(), before })).rejects.toMatchObject({
      code: "NODE_STILL_RUNNING",
    });
    // The same pid, started at another time, is somebody else.
    const reused = { ...before, process: { pid, startTicks: startTicks - 1 } };
    expect((await verifyStopped({ ...request(), before: reused }))[0]?.id).toBe("process-gone");
  });

  it("fails while a node answers, and not for a proxy that stays", async () => {
    const rpc = await startRpcServer({ "/v2/info": info(57) });
    try {
      await expect(verifyStopped({ ...request(), rpcUrl: rpc.url })).rejects.toMatchObject({
        code: "NODE_STILL_RUNNING",
      });
      rpc.answers = { "/v2/info": 502 };
      const [first] = await verifyStopped({ ...request(), rpcUrl: rpc.url });
      expect(first?.detail).toMatch(/no node answers .* HTTP status 502/);
    } finally {
      await rpc.close();
    }
    expect((await verifyStopped({ ...request(), rpcUrl: rpc.url }))[0]?.detail).toContain(
      "refuses connections",
    );
  });

  it("finds a hot journal, and not one that is spent", async () => {
    const journal = path.join(chainstateDir, "chainstate/b.sqlite-journal");
    writeFileSync(journal, Buffer.alloc(512));
    expect((await verifyStopped(request()))[2]?.detail).toBe("1 journal left, none of them hot");
    writeFileSync(journal, Buffer.concat([Buffer.from("d9d505f920a163d7", "hex"), Buffer.alloc(504)]));
    await expect(verifyStopped(request())).rejects.toMatchObject({
      code: "CHAINSTATE_NOT_AT_REST",
      message: expect.stringContaining("b.sqlite-journal"),
    });
  });

  it("does not mind a hot journal of what is scratch", async () => {
    const hot = Buffer.concat([Buffer.from("d9d505f920a163d7", "hex"), Buffer.alloc(504)]);
    writeFileSync(path.join(chainstateDir, "headers.sqlite.reorg-journal"), hot);
    expect((await verifyStopped(request()))[2]?.detail).toBe("0 journals left, none of them hot");
    const real = path.join(chainstateDir, "headers.sqlite-journal");
    writeFileSync(real, hot);
    await expect(verifyStopped(request())).rejects.toMatchObject({ code: "CHAINSTATE_NOT_AT_REST" });
  });

  it.each(["chainstate/a.sqlite", "chainstate/a.sqlite-wal", "chainstate/a.sqlite.blobs", "new.sqlite"])(
    "sees that %s still changes",
    async (file) => {
      const writer = {
        now: () => systemClock.now(),
        sleep: (ms: number) => {
          appendFileSync(path.join(chainstateDir, file), "x");
          return systemClock.sleep(ms);
        },
      };
      await expect(verifyStopped({ ...request(), clock: writer })).rejects.toMatchObject({
        code: "CHAINSTATE_NOT_AT_REST",
        message: expect.stringContaining(file),
      });
    },
  );

  it("passes on what the control says", async () => {
    const control = {
      ...noNode("none", { chainstateDir, privilege }),
      verifyDown: () => Promise.reject(cameBack("It is back.")),
    };
    await expect(verifyStopped({ ...request(), control })).rejects.toMatchObject({ code: "NODE_CAME_BACK" });
    await expect(verifyStillStopped({ ...request(), control })).rejects.toMatchObject({
      code: "NODE_CAME_BACK",
    });
  });

  it("says how many processes it could not look at", async () => {
    const evidence = await verifyStopped({
      ...request(),
      privilege: {
        ...privilege,
        elevate: (argv) =>
          isRoot ? ["setpriv", "--reuid=65534", "--clear-groups", "--inh-caps=-all", ...argv] : argv,
      },
    });
    expect(evidence.find(({ id }) => id === "no-open-files")?.detail).toMatch(
      /; nobody has a lock on them either, \d+ processes of other users could not be looked at/,
    );
  });
});
