/**
 * ZFS snapshots of the datasets that hold the chainstate, all of a pool in one call and so of one moment. Read through
 * `.zfs/snapshot` without mounting anything, and held while they are read. A restore is a clone that takes the dataset's
 * name; when it has proved healthy it is promoted, so that it no longer depends on what it replaced. The user property
 * `chainstate-snapshot:run` marks what this tool made.
 */
import { stat } from "node:fs/promises";
import * as v from "valibot";
import { ActionError } from "../errors.ts";
import type { Host } from "./host.ts";
import { groupParts, locateChainstate, type ChainstatePart } from "./locate.ts";
import { nameFor, notOurs, runIdOf } from "./names.ts";
import { Gathered, probing } from "./outcome.ts";
import { partsAt } from "./parts.ts";
import type { OpenPart, VolumeRecord, VolumeSnapshotter } from "./port.ts";
import { parseRecords } from "./records.ts";
import { mountScratch, unmountAllScratch, unmountScratch } from "./scratch-mounts.ts";
import {
  datasetName,
  destroy,
  findSnapshot,
  markOf,
  rowsOf,
  runProperty,
  tryFindSnapshot,
  type ZfsRecord,
  zfsSchema,
} from "./zfs-commands.ts";
import { commitZfsRestore, prepareZfsRestore } from "./zfs-restore.ts";

interface Dataset {
  readonly name: string;
  readonly mountPoint: string;
  readonly parts: readonly ChainstatePart[];
}

export function zfsSnapshotter(host: Host, named: readonly string[] = []): VolumeSnapshotter {
  const find = async (chainstateDir: string): Promise<readonly Dataset[]> => {
    const parts = await locateChainstate(chainstateDir, host);
    const other = parts.find((part) => part.mount.fsType !== "zfs");
    if (other !== undefined) {
      throw new ActionError("VOLUME_WRONG_TYPE", `${other.path} is on ${other.mount.fsType}, not on ZFS.`, {
        hint: "Choose another `volume-driver` or `freeze-with`.",
      });
    }
    const groups = groupParts(parts, (part) => part.mount.source);
    const strange = named.find((name) => !groups.has(name));
    if (strange !== undefined) {
      throw new ActionError("VOLUME_MISMATCH", `The chainstate is not on the dataset ${strange}.`, {
        hint: `It is on ${[...groups.keys()].join(", ")}.`,
      });
    }
    return [...groups].map(([name, group]) => ({
      name: v.parse(datasetName, name),
      mountPoint: group[0]?.mount.mountPoint ?? "/",
      parts: group,
    }));
  };

  return {
    driver: "zfs",
    isInstant: true,

    probe: async (request) =>
      await probing(async () => {
        const datasets = await find(request.chainstateDir);
        const [first] = datasets;
        if (first === undefined)
          throw new ActionError("VOLUME_WRONG_TYPE", "No dataset holds the chainstate.");
        const name = nameFor(request.runId);
        const snapshot = `${first.name}@${name}`;
        await host.privilege.require(snapshotArgv(datasets, request.runId), "to snapshot the dataset");
        await host.privilege.require(
          ["zfs", "hold", name, snapshot],
          "to hold the snapshot while it is read",
        );
        await host.privilege.require(["zfs", "release", name, snapshot], "to let go of the snapshot");
        await host.privilege.require(["zfs", "destroy", snapshot], "to remove the snapshot again");
        await host.do(["zfs", "list", "-H", "-o", "name", ...datasets.map((dataset) => dataset.name)]);
        const sources = datasets.map((dataset) => dataset.name);
        return { usable: true, reason: `${sources.join(" and ")} can be snapshotted at once`, sources };
      }),

    async freeze(request) {
      const datasets = await find(request.chainstateDir);
      const made: VolumeRecord[] = [];
      try {
        for (const [, ofPool] of Map.groupBy(datasets, (dataset) => dataset.name.split("/")[0])) {
          await host.do(snapshotArgv(ofPool, request.runId));
          const createdAt = new Date(host.clock.now()).toISOString();
          for (const { name, mountPoint, parts } of ofPool) {
            made.push({
              driver: "zfs",
              source: name,
              snapshot: `${name}@${nameFor(request.runId)}`,
              createdAt,
              runId: request.runId,
              parts: parts.map(({ at, within }) => ({ at, within })),
              mountPoint,
              fsType: "zfs",
              mountOptions: [],
            });
          }
        }
        return made;
      } catch (error) {
        for (const record of made) await host.ask(["zfs", "destroy", record.snapshot]);
        throw error;
      }
    },

    async describe(records) {
      return await Promise.resolve(records);
    },

    async open(records, request) {
      const parsed = parseRecords("zfs", records, zfsSchema);
      const tag = nameFor(request.runId);
      const held: string[] = [];
      const mounted: string[] = [];
      const close = async (): Promise<void> => {
        for (const mountPoint of mounted.toReversed()) await unmountScratch(mountPoint, host);
        for (let last = held.at(-1); last !== undefined; last = held.at(-1)) {
          await host.do(["zfs", "release", tag, last]);
          held.pop();
        }
      };
      try {
        const parts: OpenPart[] = [];
        for (const [index, record] of parsed.entries()) {
          const snapshot = await findSnapshot(record, host);
          await host.do(["zfs", "hold", tag, snapshot]);
          held.push(snapshot);
          let root = await snapshotDirectory(snapshot, host);
          if (root === undefined) {
            const plan = { device: snapshot, fsType: "zfs", options: ["ro"] };
            root = await mountScratch(request, String(index), plan, host);
            mounted.push(root);
          }
          parts.push(...partsAt(root, record.parts));
        }
        return {
          parts: parts.toSorted((a, b) => a.at.length - b.at.length),
          async assertHeld() {
            for (const record of parsed) await findSnapshot(record, host);
          },
          close,
        };
      } catch (error) {
        await close();
        throw error;
      }
    },

    async restore(records, request) {
      const found: ZfsRecord[] = [];
      for (const record of parseRecords("zfs", records, zfsSchema))
        found.push({ ...record, snapshot: await findSnapshot(record, host) });
      return await prepareZfsRestore(found, request, host);
    },

    commit: async (undo, request) => await commitZfsRestore(undo, request, host),

    async list(request) {
      const names = (await find(request.chainstateDir)).map((dataset) => dataset.name);
      const rows = await host.do([
        "zfs",
        "list",
        "-H",
        "-p",
        "-d",
        "1",
        "-t",
        "snapshot",
        "-o",
        `name,creation,${runProperty}`,
        ...names,
      ]);
      return rowsOf(rows).flatMap(([snapshot = "", creation = "", runId = ""]) =>
        runIdOf(snapshot.split("@")[1] ?? "") === runId
          ? [
              {
                driver: "zfs" as const,
                snapshot,
                source: snapshot.split("@")[0] ?? "",
                createdAt: new Date(Number(creation) * 1000).toISOString(),
                state: "available",
                runId,
              },
            ]
          : [],
      );
    },

    async delete(record) {
      const [parsed] = parseRecords("zfs", [record], zfsSchema);
      if (parsed === undefined) return;
      const runId = runIdOf(parsed.snapshot.split("@")[1] ?? "");
      if (runId === undefined) throw notOurs(`The snapshot ${parsed.snapshot}`);
      const snapshot = await tryFindSnapshot(parsed, host);
      if (snapshot === undefined) return;
      if ((await markOf(snapshot, host)) !== runId) throw notOurs(`The snapshot ${snapshot}`);
      await destroy(snapshot, host);
    },

    async cleanUp(runId, request) {
      const gathered = new Gathered("Datasets or snapshots of a dead run could not be removed");
      await gathered.attempt(async () => await unmountAllScratch({ ...request, runId }, host));
      const name = nameFor(runId);
      const columns = `name,${runProperty},userrefs`;
      const rows = rowsOf(await host.do(["zfs", "list", "-H", "-t", "filesystem,snapshot", "-o", columns]));
      const marked = rows.filter(([, mark]) => mark === runId).map(([dataset = ""]) => dataset);
      // A clone that came into use has lost the run's name. Clones go first: their snapshots cannot go before them.
      for (const dataset of marked.filter((each) => each.includes(`/${name}.new`))) {
        await gathered.attempt(async () => await destroy(dataset, host));
      }
      // It may have been reading snapshots of other runs. Only a hold of this run has its name.
      for (const [snapshot = "", mark, holds = "-"] of rows) {
        if (mark !== "-" && holds !== "-" && holds !== "0")
          await host.ask(["zfs", "release", name, snapshot]);
      }
      for (const snapshot of marked.filter((each) => each.endsWith(`@${name}`))) {
        if (request.keep?.(snapshot) !== true)
          await gathered.attempt(async () => await destroy(snapshot, host));
      }
      gathered.finish();
    },
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
