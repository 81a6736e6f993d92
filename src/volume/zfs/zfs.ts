/**
 * ZFS snapshots of the datasets that hold the chainstate, all of a pool in one call and so of one moment. Read through
 * `.zfs/snapshot` without mounting anything, with a hold (`zfs hold`) while they are read. A restore is a clone that takes the dataset's
 * name; when it is confirmed healthy it is promoted, so that it no longer depends on what it replaced. The user property
 * `chainstate-snapshot:run` marks what this tool made.
 */
import { stat } from "node:fs/promises";
import * as v from "valibot";
import { ActionError } from "../../domain/errors.ts";
import { VolumeExchange } from "../exchange.ts";
import type { Host } from "../host.ts";
import { groupParts, locateChainstate, type ChainstatePart } from "../mounts/locate.ts";
import { mountScratch, unmountAllScratch, unmountScratch } from "../mounts/scratch-mounts.ts";
import { nameFor } from "../names.ts";
import { OpenedSnapshot } from "../opened.ts";
import { CollectedErrors, orTakeBack, probing } from "../outcome.ts";
import type {
  CleanUpRequest,
  CommitRequest,
  OpenSnapshot,
  PreparedRestore,
  RestoreRequest,
  SnapshotRequest,
  VolumeProbe,
  VolumeRecord,
  VolumeRequest,
  VolumeSnapshotter,
} from "../port.ts";
import { parseRecords } from "../records.ts";
import {
  datasetName,
  destroy,
  findSnapshot,
  rowsOf,
  runProperty,
  tryFindSnapshot,
  type ZfsRecord,
  zfsSchema,
} from "./commands.ts";
import { commitZfsRestore, planZfsExchanges } from "./restore.ts";

interface Dataset {
  readonly name: string;
  readonly mountPoint: string;
  readonly parts: readonly ChainstatePart[];
}

export class ZfsSnapshotter implements VolumeSnapshotter {
  readonly driver = "zfs";
  readonly isInstant = true;
  readonly #host: Host;
  readonly #named: readonly string[];

  constructor(host: Host, named: readonly string[] = []) {
    this.#host = host;
    this.#named = named;
  }

  async probe(request: SnapshotRequest): Promise<VolumeProbe> {
    return await probing(async () => {
      const { privilege } = this.#host;
      const datasets = await this.#find(request.chainstateDir);
      const [first] = datasets;
      if (first === undefined) throw new ActionError("VOLUME_WRONG_TYPE", "No dataset holds the chainstate.");
      const name = nameFor(request.runId);
      const snapshot = `${first.name}@${name}`;
      await privilege.require(snapshotArgv(datasets, request.runId), "to snapshot the dataset");
      await privilege.require(["zfs", "hold", name, snapshot], "to keep the snapshot while it is read");
      await privilege.require(["zfs", "release", name, snapshot], "to let go of the snapshot");
      await privilege.require(["zfs", "destroy", snapshot], "to remove the snapshot again");
      const sources = datasets.map((dataset) => dataset.name);
      await this.#host.do(["zfs", "list", "-H", "-o", "name", ...sources]);
      return { usable: true, reason: `${sources.join(" and ")} can be snapshotted at once`, sources };
    });
  }

  async freeze(request: SnapshotRequest): Promise<readonly VolumeRecord[]> {
    const datasets = await this.#find(request.chainstateDir);
    const made: VolumeRecord[] = [];
    return await orTakeBack(
      async () => {
        for (const [, ofPool] of Map.groupBy(datasets, (dataset) => dataset.name.split("/")[0])) {
          await this.#host.do(snapshotArgv(ofPool, request.runId));
          const createdAt = new Date(this.#host.clock.now()).toISOString();
          for (const dataset of ofPool) made.push(recordOf(dataset, request.runId, createdAt));
        }
        return made;
      },
      async () => {
        for (const record of made) await this.#host.do(["zfs", "destroy", record.snapshot]);
      },
    );
  }

  async describe(records: readonly VolumeRecord[]): Promise<readonly VolumeRecord[]> {
    return await Promise.resolve(records);
  }

  async open(records: readonly VolumeRecord[], request: VolumeRequest): Promise<OpenSnapshot> {
    const host = this.#host;
    const parsed = parseRecords("zfs", records, zfsSchema);
    const tag = nameFor(request.runId);
    const assertFrozen = async (): Promise<void> => {
      for (const record of parsed) await findSnapshot(record, host);
    };
    return await OpenedSnapshot.open(assertFrozen, async (opened) => {
      for (const [index, record] of parsed.entries()) {
        const snapshot = await findSnapshot(record, host);
        await host.do(["zfs", "hold", tag, snapshot]);
        opened.onClose(async () => void (await host.do(["zfs", "release", tag, snapshot])));
        let root = await snapshotDirectory(snapshot, host);
        if (root === undefined) {
          const plan = { device: snapshot, fsType: "zfs", options: ["ro"] };
          const mountPoint = await mountScratch(request, String(index), plan, host);
          opened.onClose(async () => await unmountScratch(mountPoint, host));
          root = mountPoint;
        }
        await opened.add(root, record.parts);
      }
    });
  }

  async restore(records: readonly VolumeRecord[], request: RestoreRequest): Promise<PreparedRestore> {
    const found: ZfsRecord[] = [];
    for (const record of parseRecords("zfs", records, zfsSchema))
      found.push({ ...record, snapshot: await findSnapshot(record, this.#host) });
    const exchanges = await planZfsExchanges(found, request, this.#host);
    return await VolumeExchange.prepare(exchanges, request, this.#host);
  }

  async commit(undo: readonly { readonly do: string }[], request: CommitRequest): Promise<readonly string[]> {
    return await commitZfsRestore(undo, request, this.#host);
  }

  async delete(record: VolumeRecord): Promise<void> {
    const [parsed] = parseRecords("zfs", [record], zfsSchema);
    if (parsed === undefined) return;
    const snapshot = await tryFindSnapshot(parsed, this.#host);
    if (snapshot !== undefined) await destroy(snapshot, this.#host);
  }

  async cleanUp(runId: string, request: CleanUpRequest): Promise<void> {
    const host = this.#host;
    const errors = new CollectedErrors("Datasets or snapshots of a dead run could not be removed");
    await errors.attempt(async () => await unmountAllScratch({ ...request, runId }, host));
    const name = nameFor(runId);
    const columns = `name,${runProperty},userrefs`;
    const rows = rowsOf(await host.do(["zfs", "list", "-H", "-t", "filesystem,snapshot", "-o", columns]));
    const marked = rows.filter(([, mark]) => mark === runId).map(([dataset = ""]) => dataset);
    // A clone that came into use has lost the run's name. Clones go first: their snapshots cannot go before them.
    for (const dataset of marked.filter((each) => each.includes(`/${name}.new`)))
      await errors.attempt(async () => await destroy(dataset, host));
    // It may have been reading snapshots of other runs. Only a hold of this run has its name.
    for (const [snapshot = "", mark, holds = "-"] of rows) {
      if (mark !== "-" && holds !== "-" && holds !== "0") await host.ask(["zfs", "release", name, snapshot]);
    }
    for (const snapshot of marked.filter((each) => each.endsWith(`@${name}`))) {
      if (request.keep?.(snapshot) !== true) await errors.attempt(async () => await destroy(snapshot, host));
    }
    errors.finish();
  }

  async #find(chainstateDir: string): Promise<readonly Dataset[]> {
    const parts = await locateChainstate(chainstateDir, this.#host);
    const other = parts.find((part) => part.mount.fsType !== "zfs");
    if (other !== undefined) {
      throw new ActionError("VOLUME_WRONG_TYPE", `${other.path} is on ${other.mount.fsType}, not on ZFS.`, {
        hint: "Choose another `volume-driver` or `freeze-with`.",
      });
    }
    const groups = groupParts(parts, (part) => part.mount.source);
    const unknown = this.#named.find((name) => !groups.has(name));
    if (unknown !== undefined) {
      throw new ActionError("VOLUME_MISMATCH", `The chainstate is not on the dataset ${unknown}.`, {
        hint: `It is on ${[...groups.keys()].join(", ")}.`,
      });
    }
    return [...groups].map(([name, group]) => ({
      name: v.parse(datasetName, name),
      mountPoint: group[0]?.mount.mountPoint ?? "/",
      parts: group,
    }));
  }
}

function recordOf({ name, mountPoint, parts }: Dataset, runId: string, createdAt: string): VolumeRecord {
  return {
    driver: "zfs",
    source: name,
    snapshot: `${name}@${nameFor(runId)}`,
    createdAt,
    runId,
    parts: parts.map(({ at, within }) => ({ at, within })),
    mountPoint,
    fsType: "zfs",
  };
}

function snapshotArgv(datasets: readonly Dataset[], runId: string): readonly string[] {
  const snapshots = datasets.map((dataset) => `${dataset.name}@${nameFor(runId)}`);
  return ["zfs", "snapshot", "-o", `${runProperty}=${runId}`, ...snapshots];
}

/** `<mount point>/.zfs/snapshot/<name>`, hidden and there all the same; undefined while the dataset is not mounted. */
async function snapshotDirectory(snapshot: string, host: Host): Promise<string | undefined> {
  const [dataset = "", name = ""] = snapshot.split("@");
  const mount = (await host.readMounts()).findLast(
    (each) => each.fsType === "zfs" && each.source === dataset,
  );
  const directory = `${mount?.mountPoint ?? ""}/.zfs/snapshot/${name}`;
  if (mount === undefined || (await stat(directory).catch(() => undefined)) === undefined) return undefined;
  return directory;
}
