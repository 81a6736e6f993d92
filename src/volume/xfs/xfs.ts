/**
 * Dumps of an XFS file system: `xfsdump` level 0 and up to nine incremental levels on it, streamed to the store in
 * frames, and `xfsrestore` of the whole chain. A dump reads the live file system, so the node is down while it is made:
 * it is taken only where the input asks for it, never by `auto`. No copy of it touches a local disk.
 */
import { join } from "node:path";
import { ActionError } from "../../domain/errors.ts";
import { CommandError } from "../../system/exec.ts";
import { formatBytes } from "../../system/space.ts";
import type { Host } from "../host.ts";
import { locateChainstate, type ChainstatePart } from "../mounts/locate.ts";
import { notOurs } from "../names.ts";
import { CollectedErrors, probing } from "../outcome.ts";
import type {
  CleanUpRequest,
  PreparedRestore,
  RestoreRequest,
  SnapshotRequest,
  VolumeProbe,
  VolumeRecord,
  VolumeSnapshotter,
} from "../port.ts";
import { mainPart, parseRecords } from "../records.ts";
import {
  longMs,
  prepareDirectory,
  removeTree,
  requireOwnKind,
  WorkDirectory,
  type DirectoryMaker,
} from "../work-directory.ts";
import { baseOf, dump, dumpArgv, restoreLevel, runOf, usedBytes, xfsSchema, type DumpStore } from "./dump.ts";

export class XfsSnapshotter implements VolumeSnapshotter {
  readonly driver = "xfs";
  readonly isInstant = false;
  readonly #host: Host;
  readonly #options: { readonly dumps?: DumpStore; readonly compressionLevel?: number };
  readonly #named: readonly string[];

  constructor(
    host: Host,
    options: { readonly dumps?: DumpStore; readonly compressionLevel?: number },
    named: readonly string[] = [],
  ) {
    this.#host = host;
    this.#options = options;
    this.#named = named;
  }

  async probe(request: SnapshotRequest): Promise<VolumeProbe> {
    return await probing(async () => {
      const main = await this.#find(request.chainstateDir);
      this.#dumps();
      const argv = dumpArgv(main, 0, undefined, request.runId);
      await this.#host.privilege.require(argv, "to dump the file system");
      const inventory = await this.#host.ask(["xfsdump", "-I"]);
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
    });
  }

  async freeze(request: SnapshotRequest): Promise<readonly VolumeRecord[]> {
    const main = await this.#find(request.chainstateDir);
    return [await dump(main, request, this.#host, this.#dumps(), this.#options.compressionLevel ?? 3)];
  }

  async describe(records: readonly VolumeRecord[]): Promise<readonly VolumeRecord[]> {
    return await Promise.resolve(records);
  }

  async open(): Promise<never> {
    return await Promise.reject(
      new ActionError("OPEN_UNSUPPORTED", "An XFS dump cannot be looked into without restoring it.", {
        hint: "Restore it beside, or use another `freeze-with`.",
      }),
    );
  }

  async restore(records: readonly VolumeRecord[], request: RestoreRequest): Promise<PreparedRestore> {
    const host = this.#host;
    const { record, within } = mainPart(parseRecords("xfs", records, xfsSchema));
    const { store } = this.#dumps();
    await requireOwnKind("xfs", request, host);
    const maker: DirectoryMaker = {
      make: async (work) => {
        const tree = join(work.path, "tree");
        await host.do(["mkdir", "--mode=0700", "--", tree]);
        for (const level of record.chain) await restoreLevel(level, tree, request, host, store);
        // xfsrestore leaves these at the root of what it restored.
        for (const own of ["xfsrestorehousekeepingdir", "orphanage"]) await removeTree(join(tree, own), host);
        const place = await work.resolve(tree, within);
        await disarm(place, host);
        return place;
      },
      remove: async (directory) => await removeTree(directory, host),
    };
    return await prepareDirectory(maker, request, host);
  }

  async delete(record: VolumeRecord, signal: AbortSignal): Promise<void> {
    const [parsed] = parseRecords("xfs", [record], xfsSchema);
    if (parsed === undefined) return;
    if (runOf(parsed.snapshot) === undefined) throw notOurs(`The object ${parsed.snapshot}`);
    await this.#dumps().store.delete(parsed.snapshot, signal);
  }

  async cleanUp(runId: string, { chainstateDir, signal, keep }: CleanUpRequest): Promise<void> {
    const { store } = this.#dumps();
    const errors = new CollectedErrors("Dumps of a dead run could not be removed");
    const isTheirs = (key: string): boolean => runOf(key) === runId && keep?.(key) !== true;
    await errors.attempt(async () => {
      for await (const { token } of store.listUploads("snapshots/", signal))
        if (isTheirs(token.key)) await store.abortUpload(token, signal);
      for await (const { key } of store.list("snapshots/", signal))
        if (isTheirs(key)) await store.delete(key, signal);
    });
    for (const work of WorkDirectory.ofRun(chainstateDir, runId, this.#host))
      await errors.attempt(async () => await work.remove());
    errors.finish();
  }

  #dumps(): DumpStore {
    if (this.#options.dumps !== undefined) return this.#options.dumps;
    throw new ActionError("STORE_MISSING", "An XFS dump goes to the store, and there is none.", {
      hint: "Set `storage`.",
    });
  }

  async #find(chainstateDir: string): Promise<ChainstatePart> {
    const [main, ...others] = await locateChainstate(chainstateDir, this.#host);
    if (main === undefined || main.mount.fsType !== "xfs") {
      throw new ActionError(
        "VOLUME_WRONG_TYPE",
        `${chainstateDir} is on ${main?.mount.fsType ?? "nothing"}, not on XFS.`,
        { hint: "Choose another `volume-driver`." },
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
    const whole = (await this.#host.readMounts()).findLast(
      (mount) => mount.device === main.mount.device && mount.root === "/",
    );
    if (whole === undefined || main.mount.root !== "/") {
      throw new ActionError(
        "VOLUME_NOT_VISIBLE",
        `xfsdump needs the file system of ${main.path} itself mounted, not only a directory of it.`,
        { hint: "Mount the whole file system and point `chainstate-dir` into it." },
      );
    }
    const { mountPoint, source } = main.mount;
    const unknown = this.#named.find((name) => name !== mountPoint && name !== source);
    if (unknown !== undefined)
      throw new ActionError("VOLUME_MISMATCH", `The chainstate is on ${mountPoint}, not on ${unknown}.`);
    return main;
  }
}

/**
 * Whoever wrote the dump may have planted what gives more than its bytes. Devices and links that leave the tree are refused
 * (DUMP_UNSAFE): a link that only goes down from its own directory cannot leave it, whatever other links it meets. Pipes, sockets and the set-uid,
 * set-gid and sticky bits go; file capabilities were not restored.
 */
async function disarm(directory: string, host: Host): Promise<void> {
  const find = async (...what: string[]): Promise<string> =>
    await host.do(["find", "-P", directory, "-xdev", ...what], longMs);
  const leaves = ["/*", "..", "../*", "*/..", "*/../*"].flatMap((glob) => ["-o", "-lname", glob]).slice(1);
  const links = ["-type", "l", "(", ...leaves, ")"];
  const unsafe = await find("(", "-type", "b", "-o", "-type", "c", "-o", ...links, ")", "-print0", "-quit");
  if (unsafe !== "") {
    throw new ActionError(
      "DUMP_UNSAFE",
      `The dump holds a device or a link that leads out of the chainstate: ${unsafe.slice(directory.length + 1, -1)}.`,
      { hint: "Choose another snapshot, and see who can write to the storage." },
    );
  }
  await find("(", "-type", "p", "-o", "-type", "s", ")", "-delete");
  const special = ["(", "-type", "f", "-o", "-type", "d", ")", "-perm", "/7000"];
  await find(...special, "-exec", "chmod", "u-s,g-s,-t", "--", "{}", "+");
}

function isInside(part: ChainstatePart, main: ChainstatePart): boolean {
  return `${part.path}/`.startsWith(`${main.path}/`);
}
