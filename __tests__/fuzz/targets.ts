/**
 * What comes from strangers, and what reads it. Each target makes cases of the reader's own structure and asks of each: an
 * answer or an `ActionError`, and nothing outside the target directory; `run.ts` asks for an end and for bounded memory.
 */
import {
  array,
  asyncProperty,
  constantFrom,
  double,
  integer,
  nat,
  oneof,
  option,
  record,
  string,
  tuple,
  uint8Array,
} from "fast-check";
import type { Arbitrary, IRawProperty } from "fast-check";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import type { ServerResponse } from "node:http";
import { join } from "node:path";
import { gzipSync, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { entryOf, readCatalog, writeCatalog } from "../../src/catalog/catalog.ts";
import { readManifest, writeManifest } from "../../src/catalog/manifest-text.ts";
import { readLatest } from "../../src/catalog/read.ts";
import { lookAtDatabase } from "../../src/chainstate/sqlite-file.ts";
import { ActionError } from "../../src/domain/errors.ts";
import { journalModeOf } from "../../src/freeze/journal-mode.ts";
import { assertLastFrame, readWalIndex, readWalSalt } from "../../src/freeze/sqlite/wal.ts";
import { askNodeHealth, askNodeInfo, askTenureInfo, describeOutcome } from "../../src/node/rpc.ts";
import { parseJournal } from "../../src/recovery/content.ts";
import { harmless } from "../../src/report/words.ts";
import { rawEntry, tarEnd, unpackInto } from "../archive/external-archives.ts";
import { archiveOf, signal, unpack } from "../archive/local-archive.ts";
import { sampleManifest } from "../catalog/samples.ts";
import { info, startRpcServer } from "../node/rpc-server.ts";
import { memoryDirectory } from "../tools.ts";
import { damaged, damages, likeJson, likeJsonText } from "./mutations.ts";

export interface Target {
  /** `run` looks at one case at a time. */
  readonly property: IRawProperty<unknown>;
  readonly close: () => Promise<void>;
}

/** An answer or an ActionError: anything else is a fault. */
async function tolerant(work: () => unknown): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof ActionError)) throw error;
  }
}

function expectThat(holds: boolean, what: string): void {
  if (!holds) throw new Error(what);
}

/** A directory in which only `inside` may change. */
class Cage {
  readonly root = mkdtempSync(join(memoryDirectory(), "fuzz-"));
  readonly inside = join(this.root, "inside");

  constructor() {
    mkdirSync(join(this.root, "outside"));
    writeFileSync(join(this.root, "outside", "file"), "mine");
  }

  async run(work: (target: string) => Promise<unknown>): Promise<void> {
    mkdirSync(this.inside);
    try {
      await tolerant(async () => await work(join(this.inside, "target")));
    } finally {
      rmSync(this.inside, { recursive: true, force: true });
    }
    const names = [...readdirSync(this.root), ...readdirSync(join(this.root, "outside"))].toSorted().join();
    expectThat(names === "file,outside", `outside the target: ${names}`);
    expectThat(
      readFileSync(join(this.root, "outside", "file"), "utf8") === "mine",
      "a file outside was changed",
    );
  }

  remove(): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}

const nothing = async (): Promise<void> => await Promise.resolve();

function ofText(arbitrary: Arbitrary<Buffer>, read: (bytes: Buffer) => unknown): Target {
  return {
    property: asyncProperty(arbitrary, async (bytes) => await tolerant(() => read(bytes))),
    close: nothing,
  };
}

const manifest = writeManifest(sampleManifest({ at: new Date("2026-11-20T00:00:00Z") })).manifest;

/** With the digest that fits, or with the one of before. */
const manifestTarget = (): Target =>
  ofText(
    oneof(
      likeJsonText(manifest),
      likeJson(manifest).map((value) => {
        try {
          return Buffer.from(writeManifest(value as typeof manifest).bytes);
        } catch (error) {
          if (!(error instanceof ActionError || error instanceof TypeError)) throw error;
          return Buffer.from("{}");
        }
      }),
    ),
    (bytes) => readManifest(bytes, manifest.id, "memory:manifest.json"),
  );

const catalogueTarget = (): Target => {
  const bytes = writeCatalog(
    [entryOf(manifest), entryOf(sampleManifest({ at: new Date("2026-11-21T00:00:00Z") }))],
    new Date(0),
  );
  return ofText(likeJsonText(JSON.parse(Buffer.from(bytes).toString())), (text) => {
    readLatest(text);
    const read = readCatalog(text, "memory:catalog.json");
    if (read !== undefined) writeCatalog(read.snapshots, new Date(0));
  });
};

const journalTarget = (): Target => {
  const swap = {
    target: "/d/m",
    place: "/d/p",
    staging: "/d/p/tree",
    aside: "/d/o",
    layout: "directory",
    hadTarget: true,
    restored: [{ path: "", inode: "1", bornNs: "1" }],
    previous: [],
    step: "in",
  };
  const node = {
    wasRunning: true,
    mustStart: true,
    recipe: { manager: "command", name: "n" },
    process: { pid: 1, startTicks: 1 },
    stopTimeoutMs: 1,
    stopRequestedAt: null,
    startRequestedAt: null,
  };
  const owner = { role: "main", pid: 1, startTicks: 1, boot: { id: "b", at: "2026-11-20T00:00:00Z" } };
  const sample = {
    version: 2,
    runId: "r",
    command: "restore",
    sudo: "auto",
    chainstateDir: "/d/m",
    openedAt: "2026-11-20T00:00:00Z",
    owner,
    phase: "swap",
    node,
    swap,
    undo: [{ do: "thaw" }],
    volumeSwap: null,
    switch: { kind: "detached", process: { pid: 1, startTicks: 1 } },
    uploads: [{ location: {}, key: "k", id: "i" }],
    frozen: [{ freezer: "reflink", runId: "r" }],
    staging: ["/d/p"],
    recovered: [],
  };
  parseJournal(JSON.stringify(sample), "sample");
  return ofText(likeJsonText(sample), (text) => parseJournal(text.toString("utf8"), "memory:journal"));
};

const name = oneof(
  constantFrom(
    "a",
    "b",
    "d",
    "d/x",
    "d/l",
    "chainstate/vm/index.sqlite",
    "../outside/file",
    "/tmp/x",
    ".",
    "./.",
    "d/",
    "a/../b",
    "l",
    "l/x",
    "x".repeat(99),
    "d/".repeat(40) + "x",
    "\ud800",
    "é",
    "a\0b",
    "",
  ),
  string({ unit: "binary", maxLength: 20 }),
);
const types = constantFrom(
  "File",
  "File",
  "OldFile",
  "ContiguousFile",
  "Directory",
  "SymbolicLink",
  "Link",
  "CharacterDevice",
  "BlockDevice",
  "FIFO",
  "GNUDumpDir",
  "NextFileHasLongPath",
  "NextFileHasLongLinkpath",
  "ExtendedHeader",
  "GlobalExtendedHeader",
  "SparseFile",
);

/** A size in base 256, as GNU tar writes large ones; the checksum fits. */
function withBinarySize(entry: Buffer, bytes: Uint8Array): Buffer {
  entry.set(bytes, 124);
  entry.fill(" ", 148, 156);
  const sum = entry.subarray(0, 512).reduce((all, byte) => all + byte, 0);
  entry.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return entry;
}

interface Entry {
  readonly binarySize: Uint8Array | null;
  readonly path: string;
  readonly type: string;
  readonly linkpath: string | undefined;
  readonly size: number | undefined;
  readonly mode: number;
  readonly content: Uint8Array;
}

const paxText = array(
  tuple(
    constantFrom("path", "linkpath", "size", "mtime", "uid", "GNU.sparse.map", "GNU.sparse.major", "x"),
    oneof(name, constantFrom("1e9", "-1", "99999999999999999999", "0x10", "1.5")),
    integer({ min: -3, max: 3 }),
  ),
).map((records) =>
  records
    .map(([key, value, off]) => {
      const rest = ` ${key}=${value}\n`;
      const length = Buffer.byteLength(rest);
      const digits = String(length + String(length).length).length;
      return `${length + digits + (off === 3 ? 1 : 0)}${rest}`;
    })
    .join(""),
);

const entries: Arbitrary<readonly Entry[]> = array(
  record({
    path: name,
    type: types,
    linkpath: option(name, { nil: undefined }),
    size: option(oneof(nat(3000), constantFrom(2 ** 31, 2 ** 33 - 1, 2 ** 40)), { nil: undefined, freq: 6 }),
    binarySize: option(
      tuple(constantFrom(0x80, 0xff, 0x81, 0xc0), uint8Array({ minLength: 11, maxLength: 11 })).map(
        ([first, rest]) =>
          Uint8Array.from([
            first,
            ...rest.map((byte, at) => (at < 8 && byte % 3 > 0 ? (first === 0xff ? 0xff : 0) : byte)),
          ]),
      ),
      { freq: 8 },
    ),
    mode: nat(0o7777),
    content: oneof(
      uint8Array({ maxLength: 1500 }),
      paxText.map((text) => Buffer.from(text)),
    ),
  }),
  { maxLength: 12 },
);

function tarOf(list: readonly Entry[], isEnded: boolean): Buffer {
  const parts = list.flatMap((entry) => {
    try {
      const { linkpath, size, binarySize, ...rest } = entry;
      const raw = rawEntry({
        ...rest,
        content: Buffer.from(entry.content),
        ...(linkpath === undefined ? {} : { linkpath }),
        ...(size === undefined ? {} : { size }),
      });
      return [binarySize === null ? raw : withBinarySize(raw, binarySize)];
    } catch {
      // What the encoder of the test cannot write.
      return [];
    }
  });
  return Buffer.concat([...parts, isEnded ? tarEnd : Buffer.alloc(0)]);
}

const packings = {
  plain: (bytes: Buffer) => bytes,
  gzip: (bytes: Buffer) => gzipSync(bytes),
  zstd: (bytes: Buffer) => zstdCompressSync(bytes),
};

const externalTar = (): Target => {
  const cage = new Cage();
  return {
    property: asyncProperty(
      record({
        list: entries,
        inner: damages,
        outer: damages,
        packing: constantFrom<keyof typeof packings>("plain", "gzip", "zstd"),
        isEnded: nat(9),
      }),
      async ({ list, inner, outer, packing, isEnded }) => {
        const bytes = damaged(packings[packing](damaged(tarOf(list, isEnded > 0), inner)), outer);
        await cage.run(async (target) => await unpackInto(target, bytes));
      },
    ),
    close: async () => await Promise.resolve(cage.remove()),
  };
};

/** A real archive with an index that says something else. */
const indexTarget = async (): Promise<Target> => {
  const cage = new Cage();
  const home = mkdtempSync(join(memoryDirectory(), "fuzz-index-"));
  const tree = join(home, "tree");
  mkdirSync(join(tree, "d"), { recursive: true });
  for (const path of ["a", "d/inner"]) writeFileSync(join(tree, path), path);
  writeFileSync(join(tree, "z"), Buffer.alloc(20_000, "z"));
  const archive = await archiveOf(tree, home);
  const lines = zstdDecompressSync(readFileSync(archive.indexFile)).toString().trimEnd().split("\n");
  const parsed = lines.map((line) => {
    try {
      return JSON.parse(line.replace(/,$/u, "")) as unknown;
    } catch {
      return undefined;
    }
  });
  const text = tuple(nat(lines.length - 1), damages).chain(([at, list]) => {
    const sample = parsed[at];
    if (sample === undefined) return constantFrom(damaged(Buffer.from(lines.join("\n")), list));
    return likeJsonText(sample).map((line) => {
      const end = (lines[at] ?? "").endsWith(",") ? "," : "";
      return damaged(Buffer.from(lines.with(at, line.toString() + end).join("\n") + "\n"), list);
    });
  });
  const indexFile = join(home, "fuzzed.json.zst");
  return {
    property: asyncProperty(tuple(text, damages), async ([bytes, list]) => {
      writeFileSync(indexFile, damaged(zstdCompressSync(bytes), list));
      await cage.run(
        async (target) =>
          await unpack({ ...archive, indexFile }, target, {
            indexDigest: undefined as never,
            concurrency: 1,
            owner: "mine",
          }),
      );
    }),
    close: async () => {
      cage.remove();
      await Promise.resolve(rmSync(home, { recursive: true, force: true }));
    },
  };
};

/** Heads of a database, its WAL, its wal-index and its rollback journal. */
const sqliteHeads = (): Target => {
  const home = mkdtempSync(join(memoryDirectory(), "fuzz-sqlite-"));
  const path = join(home, "x.sqlite");
  const word = oneof(
    nat(0xffff),
    constantFrom(0, 1, 0xffffffff, 0x377f0682, 0x377f0683, 3007000, 512, 4096, 65_536),
  );
  const head = (length: number): Arbitrary<Buffer> =>
    tuple(array(word, { minLength: length / 4, maxLength: length / 4 }), damages).map(([words, list]) => {
      const bytes = Buffer.alloc(length);
      words.forEach((each, at) => bytes.writeUInt32BE(each >>> 0, at * 4));
      return damaged(bytes, list);
    });
  const database = tuple(head(100), nat(3)).map(([bytes, kind]) => {
    if (kind > 0 && bytes.length > 20) bytes.write("SQLite format 3\0", 0, "latin1");
    if (kind > 1 && bytes.length > 20) bytes.set([16, 0, 2, 2], 16);
    return bytes;
  });
  const index = tuple(head(48), nat(2)).map(([bytes, kind]) => {
    if (kind > 0 && bytes.length > 13) bytes[12] = 1;
    return Buffer.concat([bytes, kind > 1 ? bytes.subarray(0, 40) : bytes]);
  });
  return {
    property: asyncProperty(
      record({ database, index, wal: head(80), journal: option(head(28)) }),
      async (files) => {
        for (const [ending, bytes] of [
          ["", files.database],
          ["-shm", files.index],
          ["-wal", files.wal],
        ] as const)
          writeFileSync(path + ending, bytes);
        rmSync(`${path}-journal`, { force: true });
        if (files.journal !== null) writeFileSync(`${path}-journal`, files.journal);
        await tolerant(() => lookAtDatabase(path));
        await tolerant(() => journalModeOf(path, files.database.length));
        await tolerant(() => readWalSalt(`${path}-wal`));
        await tolerant(() => assertLastFrame(`${path}-wal`, readWalIndex(`${path}-shm`)));
      },
    ),
    close: async () => await Promise.resolve(rmSync(home, { recursive: true, force: true })),
  };
};

/** What a server answers in a node's place: no exception, whatever it is. */
const rpc = async (): Promise<Target> => {
  const server = await startRpcServer({});
  const samples = [info(20), { consensus_hash: "x", tip_block_id: "y", tip_height: 1, reward_cycle: 1 }];
  const answer = record({
    body: oneof(
      ...samples.map((sample) => likeJsonText(sample)),
      uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
    ),
    status: constantFrom(200, 200, 200, 204, 301, 404, 500, 999),
    length: option(nat(5000), { freq: 3 }),
    ends: constantFrom("end", "end", "destroy"),
  });
  return {
    property: asyncProperty(answer, async ({ body, status, length, ends }) => {
      const give = (response: ServerResponse): void => {
        response.writeHead(status, length === null || status === 204 ? {} : { "content-length": length });
        if (ends === "destroy") response.write(body, () => response.destroy());
        else {
          response.end(body);
          // Less than was announced would be waited for.
          if (length !== null && length > body.length) response.socket?.end();
        }
      };
      server.answers = { "/v2/info": give, "/v3/tenures/info": give, "/v3/health": give };
      for (const ask of [askNodeInfo, askTenureInfo, askNodeHealth])
        expectThat(describeOutcome(await ask(server.url, signal, 10_000)) !== "", "an outcome without words");
    }),
    close: async () => await server.close(),
  };
};

/** All that .NET trims (`char.IsWhiteSpace`), and Node.js. */
const white =
  "\t\n\u000b\f\r \u0085\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000\ufeff\u180e";

// eslint-disable-next-line no-control-regex -- these must not be there
const steering = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/u;

const sanitizer = (): Target => ({
  property: asyncProperty(
    array(
      oneof(
        constantFrom(
          ...Array.from(white),
          "::",
          "##[",
          "::set-output name=x::y",
          "::stop-commands::t",
          "\u001b[",
          "\u009b",
          "%0A",
          "#",
          "[",
          ":",
        ),
        string({ unit: "binary", maxLength: 6 }),
        double().map(String),
      ),
    ).map((parts) => parts.join("")),
    async (text) => {
      const shown = harmless(text);
      for (const line of shown.split(/\r\n|[\n\r\u0085\u2028\u2029]/u)) {
        let at = 0;
        while (at < line.length && white.includes(line[at] ?? "")) at += 1;
        expectThat(!line.startsWith("::", at), `a command: ${JSON.stringify(line)}`);
        expectThat(!line.includes("##["), `a command: ${JSON.stringify(line)}`);
      }
      expectThat(!steering.test(shown), `it steers: ${JSON.stringify(shown)}`);
      await Promise.resolve();
    },
  ),
  close: nothing,
});

export const targets: Readonly<Record<string, () => Target | Promise<Target>>> = {
  "external-tar": externalTar,
  index: indexTarget,
  manifest: manifestTarget,
  catalogue: catalogueTarget,
  journal: journalTarget,
  "sqlite-heads": sqliteHeads,
  rpc,
  sanitizer,
};
