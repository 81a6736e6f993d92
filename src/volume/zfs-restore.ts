/**
 * Restores datasets: a clone of each snapshot is looked at beside the running node; then it takes the dataset's name,
 * properties and mount point. What it replaced stays under another name, not mounted at boot, until the node has proved
 * healthy on the clone.
 */
import { ActionError } from "../errors.ts";
import type { Host } from "./host.ts";
import { mountDataset, unmountPoint } from "./mounting.ts";
import { nameFor, toolName } from "./names.ts";
import { blobsElsewhere, mainOf, partsAt } from "./parts.ts";
import type { CommitRequest, OpenPart, PreparedRestore, RestoreRequest, UndoStep } from "./port.ts";
import { findReplacements } from "./replacement.ts";
import { mountScratch, unmountScratch } from "./scratch-mounts.ts";
import { stepsOf } from "./undo.ts";
import { destroy, keepProperty, placeProperty, rowsOf, runProperty, type ZfsRecord } from "./zfs-commands.ts";

interface Exchange {
  readonly record: ZfsRecord;
  readonly place: string;
  readonly kept: string;
  readonly fresh: string;
  readonly mountPoint: string;
  readonly properties: LocalProperties;
}

interface LocalProperties {
  /** Undefined where it is inherited. */
  readonly mountpoint: string | undefined;
  readonly canmount: "on" | "off" | "noauto";
  /** Everything else that was set on the dataset itself: "compression=zstd" … */
  readonly others: readonly string[];
}

export async function prepareZfsRestore(
  records: readonly ZfsRecord[],
  request: RestoreRequest,
  host: Host,
): Promise<Extract<PreparedRestore, { kind: "volume" }>> {
  const exchanges = await planExchanges(records, request, host);
  await requirePrivileges(exchanges, host);
  const scratch: string[] = [];
  const letGo = async (): Promise<void> => {
    for (const mountPoint of scratch.toReversed()) await unmountScratch(mountPoint, host);
  };
  const discard = async (): Promise<void> => {
    await letGo();
    for (const { fresh } of exchanges) if (await exists(fresh, host)) await destroy(fresh, host);
  };
  try {
    const parts: OpenPart[] = [];
    for (const [index, { record, fresh, properties }] of exchanges.entries()) {
      const settings = [
        `${runProperty}=${request.runId}`,
        "canmount=noauto",
        "mountpoint=legacy",
        ...properties.others,
      ];
      await host.do(["zfs", "clone", ...settings.flatMap((each) => ["-o", each]), record.snapshot, fresh]);
      const mountPoint = await mountScratch(
        request,
        `new${index}`,
        { device: fresh, fsType: "zfs", options: [] },
        host,
      );
      scratch.push(mountPoint);
      parts.push(...partsAt(mountPoint, record.parts));
    }
    return {
      kind: "volume",
      directory: mainOf(parts),
      elsewhere: blobsElsewhere(parts),
      undo: exchanges.map(undoOf),
      async swap() {
        await letGo();
        for (const exchange of exchanges) await swapDataset(exchange, host);
      },
      discard,
    };
  } catch (error) {
    await discard();
    throw error;
  }
}

async function planExchanges(
  records: readonly ZfsRecord[],
  request: RestoreRequest,
  host: Host,
): Promise<readonly Exchange[]> {
  const exchanges: Exchange[] = [];
  for (const [index, { record, mount }] of (
    await findReplacements(records, request.chainstateDir, host)
  ).entries()) {
    const place = mount.source;
    if (mount.fsType !== "zfs" || place.split("/")[0] !== record.snapshot.split("/")[0]?.split("@")[0]) {
      throw new ActionError(
        "RESTORE_NO_PLACE",
        `${mount.mountPoint} is no dataset of the pool that holds ${record.snapshot}.`,
        {
          hint: "A clone stays in its pool: mount a dataset of that pool there, or `zfs send` the snapshot by hand.",
        },
      );
    }
    if (!place.includes("/")) {
      throw new ActionError(
        "RESTORE_NO_PLACE",
        `${place} is the root of its pool, whose name no clone can take.`,
        {
          hint: `Keep the chainstate in a dataset of its own (${place}/chainstate), or roll back by hand: \`zfs rollback\`.`,
        },
      );
    }
    const parent = place.slice(0, place.lastIndexOf("/"));
    exchanges.push({
      record,
      place,
      kept: `${parent}/${nameFor(request.runId)}.old${index}`,
      fresh: `${parent}/${nameFor(request.runId)}.new${index}`,
      mountPoint: mount.mountPoint,
      properties: await localProperties(place, host),
    });
  }
  return exchanges;
}

/** Set by ZFS itself or settled by the clone's origin. */
const notForClones =
  /^(encryption|keylocation|keyformat|pbkdf2iters|casesensitivity|normalization|utf8only|volsize|volblocksize|chainstate-snapshot:.*)$/;

async function localProperties(dataset: string, host: Host): Promise<LocalProperties> {
  const rows = rowsOf(
    await host.do(["zfs", "get", "-H", "-p", "-s", "local", "-o", "property,value", "all", dataset]),
  );
  const values = new Map(rows.map(([property = "", value = ""]) => [property, value]));
  const canmount = values.get("canmount");
  return {
    mountpoint: values.get("mountpoint"),
    canmount: canmount === "off" || canmount === "noauto" ? canmount : "on",
    others: [...values].flatMap(([property, value]) =>
      property === "mountpoint" || property === "canmount" || notForClones.test(property)
        ? []
        : [`${property}=${value}`],
    ),
  };
}

async function requirePrivileges(exchanges: readonly Exchange[], host: Host): Promise<void> {
  for (const { record, place, kept, fresh, mountPoint } of exchanges) {
    await host.privilege.require(["zfs", "clone", record.snapshot, fresh], "to restore the dataset");
    await host.privilege.require(["umount", mountPoint], "to exchange the dataset");
    await host.privilege.require(["zfs", "rename", place, kept], "to keep the old dataset");
    await host.privilege.require(["zfs", "rename", fresh, place], "to put the clone in its place");
    await host.privilege.require(["zfs", "set", "canmount=noauto", place], "to exchange the dataset");
    await host.privilege.require(["zfs", "inherit", "mountpoint", place], "to exchange the dataset");
    await host.privilege.require(["zfs", "mount", place], "to mount the restored dataset");
    await host.privilege.require(["zfs", "promote", place], "to make the restored dataset independent");
  }
}

function undoOf({ kept, place, fresh, mountPoint, properties }: Exchange): UndoStep {
  return { do: "dataset-back", kept, place, aside: fresh, canmount: properties.canmount, mountPoint };
}

async function swapDataset(
  { place, kept, fresh, mountPoint, properties }: Exchange,
  host: Host,
): Promise<void> {
  await unmountPoint(mountPoint, host);
  await host.do(["zfs", "set", "canmount=noauto", place]);
  await host.do(["zfs", "rename", place, kept]);
  await host.do(["zfs", "rename", fresh, place]);
  await host.do(
    properties.mountpoint === undefined
      ? ["zfs", "inherit", "mountpoint", place]
      : ["zfs", "set", `mountpoint=${properties.mountpoint}`, place],
  );
  await host.do(["zfs", "set", `canmount=${properties.canmount}`, place]);
  await mountDataset(place, mountPoint, host);
}

/** The clone becomes independent; what it replaced goes unless something else is kept in it. */
export async function commitZfsRestore(
  undo: readonly unknown[],
  { keepPrevious }: CommitRequest,
  host: Host,
): Promise<readonly string[]> {
  const notes: string[] = [];
  for (const { place, kept } of stepsOf("dataset-back", undo)) {
    await promote(place, host);
    await host.do(["zfs", "inherit", runProperty, place]);
    notes.push(...(await dropEmptied(place, host)));
    if (!(await exists(kept, host))) continue;
    const inside = rowsOf(await host.do(["zfs", "list", "-H", "-r", "-t", "all", "-o", "name", kept]));
    if (!keepPrevious && inside.length === 1) {
      await destroy(kept, host);
      continue;
    }
    if (inside.length === 1)
      notes.push(`The old dataset is kept as ${kept}; \`zfs destroy ${kept}\` removes it.`);
    else {
      const marks = [`${placeProperty}=${place}`, ...(keepPrevious ? [`${keepProperty}=yes`] : [])];
      await host.do(["zfs", "set", ...marks, kept]);
      notes.push(
        `The old dataset is kept as ${kept} with the snapshots and datasets in it; those of this action can still be ` +
          `restored. \`zfs destroy -r ${kept}\` removes all of them.`,
      );
    }
  }
  return notes;
}

/** More than once where the snapshot was in what an earlier restore had replaced. What somebody else has cloned from is left. */
async function promote(place: string, host: Host): Promise<void> {
  for (let last = ""; ;) {
    const origin = (await host.do(["zfs", "get", "-H", "-o", "value", "origin", place])).trim();
    if (origin === last || !replaced.test(origin)) return;
    await host.do(["zfs", "promote", place]);
    last = origin;
  }
}

/**
 * What earlier restores left for the sake of the snapshots in it goes once they have moved: being a clone of one of them now, it would keep
 * retention from removing that.
 */
async function dropEmptied(place: string, host: Host): Promise<readonly string[]> {
  const notes: string[] = [];
  const [pool = ""] = place.split("/");
  const columns = `name,${placeProperty},${keepProperty}`;
  const rows = rowsOf(
    await host.do(["zfs", "list", "-H", "-r", "-t", "filesystem,snapshot", "-o", columns, pool]),
  );
  for (const [name = "", of, keep] of rows) {
    if (of !== place || keep === "yes" || !replaced.test(`${name}@`)) continue;
    if (rows.filter(([each = ""]) => each.startsWith(`${name}/`) || each.startsWith(`${name}@`)).length === 0)
      await destroy(name, host).catch(() =>
        notes.push(`${name}, which an earlier restore kept, is empty; \`zfs destroy ${name}\` removes it.`),
      );
  }
  return notes;
}

const replaced = new RegExp(`/${toolName}-[^/@]+\\.old\\d+@`);

async function exists(dataset: string, host: Host): Promise<boolean> {
  return (await host.ask(["zfs", "list", "-H", "-o", "name", dataset])).exitCode === 0;
}
