import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { serveObjects, type ObjectServer } from "../store/object-server.ts";
import { fresh } from "./fresh.ts";
import { has } from "../tools.ts";
import { isScratch, treeOf, until, visibleSnapshots, type Setup } from "./support.ts";
import { serveDirectory } from "./web.ts";

const servers: ObjectServer[] = [];
afterEach(async () => {
  await Promise.all(servers.splice(0).map(async (server) => await server.close()));
});

/** Archives the setup's chainstate the way others do, with a checksum beside it. */
function archive(setup: Setup, name: string, line: string): string {
  const file = join(setup.directory, name);
  execFileSync("sh", ["-c", line, "sh", join(setup.directory, "node"), file]);
  execFileSync("sh", ["-c", 'cd "$1" && sha256sum "$2" > "$2.sha256"', "sh", setup.directory, name]);
  return file;
}

const gzipped = 'tar -C "$1" --format=pax -cf - ./mainnet | gzip -1 > "$2"';

describe("an archive made elsewhere", () => {
  it("fills an empty directory, is verified, and becomes a snapshot of one's own", async () => {
    const setup = await fresh({ running: false });
    const expected = treeOf(setup.chainstate);
    const file = archive(setup, "mainnet-stacks-blockchain-latest.tar.gz", gzipped);
    const target = join(setup.directory, "ephemeral", "mainnet");
    const restore = await setup
      .job({
        command: "restore",
        "chainstate-dir": target,
        snapshot: `file://${file}`,
        "node-manager": "none",
      })
      .run();
    expect(restore.main.exitCode, restore.main.log).toBe(0);
    expect(treeOf(target)).toEqual(expected);
    expect(readdirSync(join(setup.directory, "ephemeral"))).toEqual(["mainnet"]);
    expect(restore.main.outputs["restored-dir"]).toBe(target);

    const verify = await setup.job({ command: "verify", snapshot: `file://${file}` }).run();
    expect(verify.main.exitCode, verify.main.log).toBe(0);
    expect(verify.main.log).toContain("is what its checksum says and its chainstate is consistent");

    const storage = `file://${setup.store}`;
    const imported = await setup.job({ command: "import", from: `file://${file}`, storage }).run();
    expect(imported.main.exitCode, imported.main.log).toBe(0);
    expect(visibleSnapshots(setup.store)).toEqual([imported.main.outputs["snapshot-id"]]);
    const manifest = JSON.parse(readFileSync(imported.main.outputs["manifest-path"] ?? "", "utf8"));
    expect(manifest).toMatchObject({
      cleanStop: null,
      node: { version: null },
      cut: { method: "cold", freezer: "import", downtimeSeconds: 0 },
      chain: { network: "mainnet" },
    });
    const own = join(setup.directory, "own", "mainnet");
    const back = await setup
      .job({ command: "restore", "chainstate-dir": own, storage, "node-manager": "none" })
      .run();
    expect(back.main.exitCode, back.main.log).toBe(0);
    expect(treeOf(own, isScratch)).toEqual(
      Object.fromEntries(Object.entries(expected).filter(([path]) => !isScratch(path))),
    );
    expect(readdirSync(join(setup.directory, "state"), { recursive: true }).filter(isJournal)).toEqual([]);
  });

  it("takes the place of a running node's chainstate, and the node runs on it", async () => {
    const setup = await fresh();
    // Of another host, a little behind.
    const other = await fresh({ running: false, height: 62 });
    const file = archive(other, "latest.tar.gz", 'tar -C "$1/mainnet" -cf - . | gzip -1 > "$2"');
    const server = await serveObjects();
    servers.push(server);
    server.objects.set("/a b/latest.tar.gz", { bytes: readFileSync(file) });
    server.redirects.set("/get/latest.tar.gz", "/a%20b/latest.tar.gz?X-Amz-Signature=0123456789");
    const { main } = await setup
      .job({
        ...setup.snapshotInputs,
        storage: "",
        command: "restore",
        snapshot: `${server.url}/get/latest.tar.gz`,
        "allow-lower-height": "true",
      })
      .run();
    expect(main.exitCode, main.log).toBe(0);
    expect(main.log).toContain("has no .sha256 beside it");
    expect(setup.pids()).toHaveLength(1);
    expect(await setup.height()).toBeGreaterThanOrEqual(62);
    expect(leftBeside(setup)).toEqual([]);
  });
});

it("goes on after a kill in the middle of an archive made elsewhere, and fetches the rest alone", async () => {
  const setup = await fresh({ running: false });
  writeFileSync(join(setup.chainstate, "chainstate/large"), randomBytes(60_000_000));
  const expected = treeOf(setup.chainstate, isScratch);
  // A name says nothing: it is a plain tar.
  const file = archive(setup, "latest.tar.zst", 'tar -C "$1" --sort=name --format=pax -cf "$2" mainnet');
  const { size } = statSync(file);
  const web = await serveDirectory(setup.directory);
  try {
    web.stallAfterBytes = Math.round(size * 0.6);
    const target = join(setup.directory, "ephemeral", "mainnet");
    const inputs = { command: "restore", "node-manager": "none", "chainstate-dir": target };
    const job = setup.job({ ...inputs, snapshot: `${web.url}/latest.tar.zst` });
    const main = job.startMain();
    await until("the server stands still", () => web.stalled > 0 && web.idleMs() > 1_000);
    main.child.kill("SIGKILL");
    expect((await main.ended).signal).toBe("SIGKILL");
    await job.post();
    const left = readdirSync(join(setup.directory, "ephemeral"));
    expect(left).toEqual([expect.stringMatching(/-new$/u)]);
    const place = join(setup.directory, "ephemeral", left[0] ?? "");
    expect(readdirSync(place)).toEqual(["fetched"]);
    const kept = statSync(join(place, "fetched")).size;
    expect(kept).toBeGreaterThan(size / 3);

    Object.assign(web, { stallAfterBytes: Infinity, archiveBytesSent: 0 });
    const again = await setup.job({ ...inputs, snapshot: `${web.url}/latest.tar.zst` }).run();
    expect(again.main.exitCode, again.main.log).toBe(0);
    expect(again.main.log).toContain("which an interrupted run left in");
    expect(web.archiveBytesSent).toBeLessThanOrEqual(1.05 * (size - kept));
    expect(treeOf(target, isScratch)).toEqual(expected);
    expect(readdirSync(join(setup.directory, "ephemeral"))).toEqual(["mainnet"]);
  } finally {
    await web.close();
  }
});

describe.skipIf(!has("zstd"))("an archive on a web server, named and made as Hiro's", () => {
  const name = "mainnet-stacks-blockchain-latest.tar.zst";
  const compressed = 'tar -C "$1/mainnet" --format=pax -cf - . | zstd -q -19 --long=31 -o "$2"';

  it("is restored and imported with the checksum beside it, and refused with another", async () => {
    const setup = await fresh({ running: false });
    const expected = treeOf(setup.chainstate, isScratch);
    const file = archive(setup, name, compressed);
    const server = await serveObjects();
    servers.push(server);
    const snapshot = `${server.url}/mainnet/${name}`;
    server.objects.set(`/mainnet/${name}`, { bytes: readFileSync(file) });
    server.objects.set(`/mainnet/${name}.sha256`, { bytes: readFileSync(`${file}.sha256`) });

    const target = join(setup.directory, "direct", "mainnet");
    const into = { command: "restore", "node-manager": "none" };
    const direct = await setup.job({ ...into, "chainstate-dir": target, snapshot }).run();
    expect(direct.main.exitCode, direct.main.log).toBe(0);
    expect(direct.main.log).not.toContain("has no .sha256 beside it");
    expect(treeOf(target, isScratch)).toEqual(expected);

    const storage = `file://${setup.store}`;
    const imported = await setup.job({ command: "import", from: snapshot, storage }).run();
    expect(imported.main.exitCode, imported.main.log).toBe(0);
    const own = join(setup.directory, "own", "mainnet");
    const id = imported.main.outputs["snapshot-id"] ?? "";
    const back = await setup.job({ ...into, "chainstate-dir": own, storage, snapshot: id }).run();
    expect(back.main.exitCode, back.main.log).toBe(0);
    expect(treeOf(own, isScratch)).toEqual(expected);

    server.objects.set(`/mainnet/${name}.sha256`, { bytes: Buffer.from(`${"0".repeat(64)}  ${name}\n`) });
    const wrong = join(setup.directory, "wrong", "mainnet");
    const refused = await setup.job({ ...into, "chainstate-dir": wrong, snapshot }).run();
    expect(refused.main.exitCode, refused.main.log).toBe(1);
    expect(refused.main.log).toMatch(/has the SHA-256/);
    expect(existsSync(wrong)).toBe(false);
  });
});

describe("what must not be restored leaves the target untouched and the node running", () => {
  const cases: readonly (readonly [string, string, (file: string, setup: Setup) => void, RegExp])[] = [
    [
      "cut off",
      gzipped,
      (file) => writeFileSync(file, readFileSync(file).subarray(0, -5_000)),
      /ends in the middle/,
    ],
    [
      "of another checksum",
      gzipped,
      (file) => writeFileSync(`${file}.sha256`, `${"0".repeat(64)}  ${basename(file)}\n`),
      /has the SHA-256/,
    ],
    [
      "with a link out",
      'ln -s ../../../etc "$1/mainnet/out"; tar -C "$1" -cf "$2" mainnet; rm "$1/mainnet/out"',
      () => undefined,
      /leads out/,
    ],
    [
      "without a chainstate",
      'tar -C "$1" -cf "$2" mainnet/burnchain',
      () => undefined,
      /no chainstate in the archive/,
    ],
    [
      "torn",
      'tar -C "$1" --exclude "marf.sqlite-wal" --exclude "burnchain.sqlite" -cf "$2" mainnet',
      () => undefined,
      /burnchain\.sqlite is missing/,
    ],
  ];
  it.each(cases)("%s", async (_, line, spoil, said) => {
    const setup = await fresh();
    const other = await fresh({ running: false });
    const file = archive(other, "bad.tar", line);
    if (existsSync(`${file}.sha256`) && line === gzipped) execFileSync("rm", [`${file}.sha256`]);
    spoil(file, other);
    const pids = setup.pids();
    const { main } = await setup
      .job({
        ...setup.snapshotInputs,
        storage: "",
        command: "restore",
        "allow-lower-height": "true",
        snapshot: `file://${file}`,
      })
      .run();
    expect(main.exitCode, main.log).toBe(1);
    expect(main.log).toMatch(said);
    expect(setup.pids()).toEqual(pids);
    expect(leftBeside(setup)).toEqual([]);
    expect(main.log).toMatch(/The node is running/);
  });

  it("nor does an import publish it", async () => {
    const setup = await fresh({ running: false });
    mkdirSync(join(setup.directory, "none"));
    const file = archive(setup, "bad.tar", 'tar -C "$1" -cf "$2" mainnet/burnchain');
    const { main } = await setup
      .job({ command: "import", from: `file://${file}`, storage: `file://${setup.store}` })
      .run();
    expect(main.exitCode, main.log).toBe(1);
    expect(readdirSync(setup.store).filter((name) => !name.startsWith("."))).toEqual([]);
  });
});

describe("a run that is killed in the middle of the download", () => {
  it("leaves the node running, and the post step removes what was unpacked", async () => {
    const setup = await fresh();
    const other = await fresh({ running: false });
    const server = await serveObjects();
    servers.push(server);
    const bytes = readFileSync(archive(other, "x.tar", 'tar -C "$1" -cf "$2" mainnet'));
    server.objects.set("/x.tar", { bytes });
    server.misbehaviour = { kind: "stall", afterBytes: 1_000_000, times: 100 };
    const pids = setup.pids();
    const job = setup.job({
      ...setup.snapshotInputs,
      storage: "",
      command: "restore",
      snapshot: `${server.url}/x.tar`,
    });
    const main = job.startMain();
    await main.waitForLog(/Fetch and unpack/);
    await until("something is unpacked", () =>
      leftBeside(setup).some((place) => readdirSync(join(setup.directory, "node", place)).length > 0),
    );
    main.child.kill("SIGKILL");
    await main.ended;
    const post = await job.post();
    expect(post.log).toContain("what it left is cleaned up");
    expect(leftBeside(setup)).toEqual([]);
    expect(setup.pids()).toEqual(pids);
  });
});

/** What this program made in the directory of the mode directory. */
function leftBeside(setup: Setup): string[] {
  return readdirSync(join(setup.directory, "node")).filter((name) => name.startsWith("."));
}

function isJournal(name: unknown): boolean {
  return String(name).endsWith(".json");
}
