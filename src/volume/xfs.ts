/**
 * Dumps of an XFS file system: `xfsdump` level 0 and up to nine incremental levels on it, streamed to the store in
 * frames, and `xfsrestore` of the whole chain. A dump reads the live file system, so the node is down while it is made:
 * it is taken because somebody asks for it, never by `auto`. No copy of it touches a local disk.
 */
import { createHash } from "node:crypto";
import { lstat, readdir } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import * as v from "valibot";
import { ActionError } from "../errors.ts";
import type { ObjectStore } from "../store/port.ts";
import { readFromCommand, writeToCommand } from "../system/byte-pipe.ts";
import { CommandError } from "../system/exec.ts";
import { formatBytes, spaceAt } from "../system/space.ts";
import { decodeFrames, encodeFrames } from "./frame-stream.ts";
import type { Host } from "./host.ts";
import { locateChainstate, type ChainstatePart } from "./locate.ts";
import { nameFor, notOurs, runIdOf } from "./names.ts";
import { Gathered, probing } from "./outcome.ts";
import type { FixRequest, RestoreRequest, VolumeRecord, VolumeSnapshotter } from "./port.ts";
import { commonFields, mainPart, parseRecords } from "./records.ts";

const key = v.pipe(v.string(), v.regex(/^snapshots\/[A-Za-z0-9._-]+\/[A-Za-z0-9._-]+\.xfsdump\.zst$/));
const dumpSchema = v.object({
  key,
  level: v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(9)),
  /** What xfsdump's inventory on the host calls it; the next level is based on it. */
  sessionId: v.pipe(v.string(), v.regex(/^[0-9a-f-]{36}$/)),
  snapshotId: v.string(),
  createdAt: v.string(),
  sizeBytes: v.number(),
  dumpBytes: v.number(),
  /** Of the plain dump. */
  sha256: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)),
});
type Dump = v.InferOutput<typeof dumpSchema>;

const schema = v.looseObject({
  ...commonFields,
  driver: v.literal("xfs"),
  snapshot: key,
  /** Level 0 first; the last one is this snapshot's own. */
  chain: v.pipe(v.array(dumpSchema), v.minLength(1)),
  /** Snapshots that must be kept as long as this one. */
  requires: v.array(v.string()),
});

/** What the driver needs of the store room, which it may not import. */
export interface DumpStore {
  readonly store: ObjectStore;
  /** Sends a stream as one object that appears when it is whole; resolves with its size. */
  readonly send: (
    key: string,
    chunks: AsyncIterable<Uint8Array>,
    options: { readonly expectedSizeBytes: number; readonly signal: AbortSignal },
  ) => Promise<number>;
}

const suffix = ".xfsdump.zst";
const highestLevel = 9;
/** xfsdump reads its list of inodes before the first byte comes: minutes on a large file system. */
const noProgressMs = 30 * 60_000;

export function xfsSnapshotter(
  host: Host,
  options: { readonly dumps?: DumpStore; readonly compressionLevel?: number },
  named: readonly string[] = [],
): VolumeSnapshotter {
  const find = async (chainstateDir: string): Promise<ChainstatePart> => {
    const [main, ...others] = await locateChainstate(chainstateDir, host);
    if (main === undefined || main.mount.fsType !== "xfs") {
      throw new ActionError(
        "VOLUME_WRONG_TYPE",
        `${chainstateDir} is on ${main?.mount.fsType ?? "nothing"}, not on XFS.`,
        {
          hint: "Choose another `volume-driver`.",
        },
      );
    }
    const elsewhere = others.find((part) => part.mount.device !== main.mount.device || !isInside(part, main));
    if (elsewhere !== undefined) {
      throw new ActionError(
        "VOLUME_SPREAD",
        `${elsewhere.path} belongs to the chainstate but would not be in the dump of ${main.path}.`,
        {
          hint: "Use `method: archive`, which takes what symlinks lead to, or keep the chainstate in one directory.",
        },
      );
    }
    const whole = (await host.readMounts()).findLast(
      (mount) => mount.device === main.mount.device && mount.root === "/",
    );
    if (whole === undefined || main.mount.root !== "/") {
      throw new ActionError(
        "VOLUME_NOT_VISIBLE",
        `xfsdump needs the file system of ${main.path} itself mounted, not only a directory of it.`,
        {
          hint: "Mount the whole file system and point `chainstate-dir` into it.",
        },
      );
    }
    const strange = named.find((name) => name !== main.mount.mountPoint && name !== main.mount.source);
    if (strange !== undefined) {
      throw new ActionError(
        "VOLUME_MISMATCH",
        `The chainstate is on ${main.mount.mountPoint}, not on ${strange}.`,
      );
    }
    return main;
  };

  const dumps = (): DumpStore => {
    if (options.dumps !== undefined) return options.dumps;
    throw new ActionError("STORE_MISSING", "An XFS dump goes to the store, and there is none.", {
      hint: "Set `storage`.",
    });
  };

  return {
    driver: "xfs",
    isInstant: false,

    probe: async (request) =>
      await probing(async () => {
        const main = await find(request.chainstateDir);
        dumps();
        await host.privilege.require(dumpArgv(main, 0, undefined, request.runId), "to dump the file system");
        const inventory = await host.ask(["xfsdump", "-I"]);
        if (inventory.exitCode !== 0) {
          throw new CommandError("xfsdump does not run here.", {
            result: inventory,
            hint: "Install the package xfsdump.",
          });
        }
        const base = baseOf(request, main, inventory.stdout);
        const used = await usedBytes(main);
        const what =
          base === undefined
            ? `level 0 of about ${formatBytes(used)}`
            : `level ${base.length}, of what changed since ${base.at(-1)?.snapshotId}`;
        return {
          usable: true,
          reason: `${main.mount.mountPoint} can be dumped (${what}); the node is down until it is on the store`,
          sources: [main.mount.mountPoint],
        };
      }),

    async freeze(request) {
      const main = await find(request.chainstateDir);
      return [await dump(main, request, host, dumps(), options.compressionLevel ?? 3)];
    },

    async describe(records) {
      return await Promise.resolve(records);
    },

    async open() {
      return await Promise.reject(
        new ActionError("OPEN_UNSUPPORTED", "An XFS dump cannot be looked into without restoring it.", {
          hint: "Restore it beside, or use another `freeze-with`.",
        }),
      );
    },

    async restore(records, request) {
      const parsed = parseRecords("xfs", records, schema);
      const { record, within } = mainPart(parsed);
      const work = `${request.staging}-dump`;
      const discard = async (): Promise<void> => {
        await removeTree(work, host);
        await removeTree(request.staging, host);
      };
      try {
        await host.do(["mkdir", "--mode=0755", "--", work]);
        for (const level of record.chain) await restoreLevel(level, work, request, host, dumps().store);
        await host.do([
          "mv",
          "--no-target-directory",
          "--",
          within === "" ? work : `${work}/${within}`,
          request.staging,
        ]);
        // xfsrestore leaves these at the root of what it restored.
        if (within === "")
          for (const own of ["xfsrestorehousekeepingdir", "orphanage"])
            await removeTree(join(request.staging, own), host);
        await removeTree(work, host);
        return { kind: "directory", directory: request.staging, discard };
      } catch (error) {
        await discard();
        throw error;
      }
    },

    async list({ chainstateDir, signal }) {
      const main = await find(chainstateDir);
      const found = [];
      for await (const { key, modifiedAt } of dumps().store.list("snapshots/", signal)) {
        const runId = runOf(key);
        if (runId === undefined) continue;
        found.push({
          driver: "xfs" as const,
          snapshot: key,
          source: main.mount.mountPoint,
          createdAt: (modifiedAt ?? new Date(0)).toISOString(),
          state: "completed",
          runId,
        });
      }
      return found;
    },

    async delete(record, signal) {
      const [parsed] = parseRecords("xfs", [record], schema);
      if (parsed === undefined) return;
      if (runOf(parsed.snapshot) === undefined) throw notOurs(`The object ${parsed.snapshot}`);
      await dumps().store.delete(parsed.snapshot, signal);
    },

    async cleanUp(runId, { chainstateDir, signal, keep }) {
      const { store } = dumps();
      const gathered = new Gathered("Dumps of a dead run could not be removed");
      const isTheirs = (key: string): boolean => runOf(key) === runId && keep?.(key) !== true;
      await gathered.attempt(async () => {
        for await (const { token } of store.listUploads("snapshots/", signal))
          if (isTheirs(token.key)) await store.abortUpload(token, signal);
        for await (const { key } of store.list("snapshots/", signal))
          if (isTheirs(key)) await store.delete(key, signal);
      });
      for (const parent of [dirname(chainstateDir), chainstateDir]) {
        for (const name of await readdir(parent).catch(() => [])) {
          if (!name.startsWith(".chainstate-snapshot-") || !name.endsWith(`${runId}-new-dump`)) continue;
          await gathered.attempt(async () => await removeTree(join(parent, name), host));
        }
      }
      gathered.finish();
    },
  };
}

async function dump(
  main: ChainstatePart,
  request: FixRequest,
  host: Host,
  dumps: DumpStore,
  compressionLevel: number,
): Promise<VolumeRecord> {
  const { facts, signal } = request;
  if (facts === undefined)
    throw new ActionError("OPEN_UNSUPPORTED", "An XFS dump cannot serve as a frozen view.");
  const chain = baseOf(request, main, await host.do(["xfsdump", "-I"])) ?? [];
  const objectKey = `snapshots/${facts.snapshotId}/${nameFor(request.runId)}${suffix}`;
  const createdAt = new Date(host.clock.now()).toISOString();
  const argv = dumpArgv(main, chain.length, chain.at(-1)?.sessionId, request.runId);
  const output = await readFromCommand(host.privilege.elevate(argv), { signal, noProgressMs });
  const hash = createHash("sha256");
  let dumpBytes = 0;
  const counted = async function* (): AsyncGenerator<Uint8Array> {
    for await (const chunk of output.chunks) {
      hash.update(chunk);
      dumpBytes += chunk.length;
      yield chunk;
    }
    // Before the object is completed: a dump that failed must never become one.
    const end = await output.ended;
    if (end.exitCode !== 0) throw dumpFailed(main, end.stderr);
  };
  const expectedSizeBytes = await usedBytes(main);
  const sizeBytes = await dumps.send(objectKey, encodeFrames(counted(), compressionLevel, signal), {
    expectedSizeBytes,
    signal,
  });
  const { stderr } = await output.ended;
  const sessionId = /session id:\s*([0-9a-f-]{36})/.exec(stderr)?.[1];
  if (sessionId === undefined) throw dumpFailed(main, stderr);
  const own: Dump = {
    key: objectKey,
    level: chain.length,
    sessionId,
    snapshotId: facts.snapshotId,
    createdAt,
    sizeBytes,
    dumpBytes,
    sha256: hash.digest("hex"),
  };
  return {
    driver: "xfs",
    source: main.mount.mountPoint,
    snapshot: objectKey,
    createdAt,
    runId: request.runId,
    parts: [{ at: "", within: main.within }],
    mountPoint: main.mount.mountPoint,
    fsType: "xfs",
    mountOptions: [],
    chain: [...chain, own],
    requires: chain.map((each) => each.snapshotId),
  };
}

/** The chain that a dump can be based on: of the same directory, not full, and its last session in this host's inventory. */
function baseOf(request: FixRequest, main: ChainstatePart, inventory: string): readonly Dump[] | undefined {
  const [previous] = request.previous ?? [];
  const parsed = v.safeParse(schema, previous);
  if (!parsed.success || parsed.output.source !== main.mount.mountPoint) return undefined;
  const { chain, parts } = parsed.output;
  const last = chain.at(-1);
  const sameTree = parts.some((part) => part.at === "" && part.within === main.within);
  if (!sameTree || last === undefined || last.level >= highestLevel || !inventory.includes(last.sessionId))
    return undefined;
  return chain;
}

function dumpArgv(
  main: ChainstatePart,
  level: number,
  base: string | undefined,
  runId: string,
): readonly string[] {
  return [
    "xfsdump",
    "-l",
    String(level),
    ...(base === undefined ? [] : ["-B", base]),
    "-L",
    nameFor(runId),
    "-M",
    "object",
    ...(main.within === "" ? [] : ["-s", main.within]),
    "-",
    main.mount.mountPoint,
  ];
}

async function restoreLevel(
  dump: Dump,
  directory: string,
  request: RestoreRequest,
  host: Host,
  store: ObjectStore,
): Promise<void> {
  const { signal } = request;
  const { chunks } = await store.stream(dump.key, { signal });
  const hash = createHash("sha256");
  const plain = async function* (): AsyncGenerator<Uint8Array> {
    for await (const bytes of decodeFrames(chunks)) {
      hash.update(bytes);
      yield bytes;
    }
    if (hash.digest("hex") !== dump.sha256) {
      throw new ActionError(
        "DUMP_CORRUPT",
        `${store.urlOf(dump.key)} is not the dump that the manifest names.`,
        { hint: "Choose another snapshot." },
      );
    }
  };
  const argv = host.privilege.elevate(["xfsrestore", "-r", "-J", "-F", "-", directory]);
  const end = await writeToCommand(argv, plain(), { signal, noProgressMs });
  if (end.exitCode === 0) return;
  throw new ActionError(
    "RESTORE_FAILED",
    `xfsrestore of ${store.urlOf(dump.key)} failed: ${end.stderr.trim().slice(-300)}`,
    {
      hint: "See whether the disk is full and whether the directory is on a local file system.",
    },
  );
}

function dumpFailed(main: ChainstatePart, stderr: string): ActionError {
  return new ActionError(
    "DUMP_FAILED",
    `xfsdump of ${main.mount.mountPoint} failed: ${stderr.trim().slice(-300)}`,
    {
      hint: "The node is brought back and nothing is published. Try it by hand: `xfsdump -l 0 -J - <mount point> >/dev/null`.",
    },
  );
}

async function usedBytes(main: ChainstatePart): Promise<number> {
  const { totalBytes, freeBytes } = await spaceAt(main.mount.mountPoint);
  return totalBytes - freeBytes;
}

function isInside(part: ChainstatePart, main: ChainstatePart): boolean {
  return `${part.path}/`.startsWith(`${main.path}/`);
}

function runOf(key: string): string | undefined {
  return key.endsWith(suffix) ? runIdOf(basename(key).slice(0, -suffix.length)) : undefined;
}

async function removeTree(directory: string, host: Host): Promise<void> {
  if ((await lstat(directory).catch(() => undefined)) === undefined) return;
  await host.do(["rm", "--recursive", "--force", "--one-file-system", "--", directory], 6 * 3600_000);
}
