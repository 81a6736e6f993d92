/**
 * Restores datasets: a clone of each snapshot is looked at beside the running node; then it takes the dataset's name,
 * properties and mount point. What it replaced stays under another name, not mounted at boot, until the node is
 * healthy on the clone.
 */
import { ActionError } from "../../domain/errors.ts";
import type { Host } from "../host.ts";
import type { Mount } from "../../system/mounts.ts";
import type { Exchange } from "../exchange.ts";
import { mountDataset, unmountPoint, type MountPlan } from "../mounts/mounting.ts";
import { nameFor, toolName } from "../names.ts";
import type { CommitRequest, RestoreRequest, UndoStep } from "../port.ts";
import { findReplacements } from "../mounts/replacement.ts";
import { stepsOf } from "../undo.ts";
import { destroy, keepProperty, placeProperty, rowsOf, runProperty, type ZfsRecord } from "./commands.ts";

interface LocalProperties {
  /** Undefined where it is inherited. */
  readonly mountpoint: string | undefined;
  readonly canmount: "on" | "off" | "noauto";
  /** Everything else that was set on the dataset itself: "compression=zstd" … */
  readonly others: readonly string[];
}

/** One for each dataset. RESTORE_NO_PLACE, PRIVILEGE_MISSING, each before anything is made. */
export async function planZfsExchanges(
  records: readonly ZfsRecord[],
  request: RestoreRequest,
  host: Host,
): Promise<readonly DatasetExchange[]> {
  const exchanges: DatasetExchange[] = [];
  const replacements = await findReplacements(records, request.chainstateDir, host);
  for (const [index, { record, mount }] of replacements.entries()) {
    const place = requirePlace(record, mount);
    const properties = await localProperties(place, host);
    const name = `${place.slice(0, place.lastIndexOf("/"))}/${nameFor(request.runId)}`;
    const names = { place, kept: `${name}.old${index}`, fresh: `${name}.new${index}` };
    exchanges.push(new DatasetExchange({ record, mount, properties, runId: request.runId, ...names }, host));
  }
  for (const exchange of exchanges) await exchange.requirePrivileges();
  return exchanges;
}

/** The name of the dataset that is replaced. */
function requirePlace(record: ZfsRecord, { fsType, source, mountPoint }: Mount): string {
  if (fsType !== "zfs" || source.split("/")[0] !== record.snapshot.split(/[/@]/)[0]) {
    throw new ActionError(
      "RESTORE_NO_PLACE",
      `${mountPoint} is no dataset of the pool that holds ${record.snapshot}.`,
      {
        hint: "A clone stays in its pool: mount a dataset of that pool there, or `zfs send` the snapshot by hand.",
      },
    );
  }
  if (source.includes("/")) return source;
  throw new ActionError(
    "RESTORE_NO_PLACE",
    `${source} is the root of its pool, whose name no clone can take.`,
    {
      hint: `Keep the chainstate in a dataset of its own (${source}/chainstate), or roll back by hand: \`zfs rollback\`.`,
    },
  );
}

interface DatasetPlan {
  readonly record: ZfsRecord;
  readonly mount: Mount;
  readonly properties: LocalProperties;
  readonly runId: string;
  /** The dataset's name, what the old one is called afterwards, and what the clone is called before. */
  readonly place: string;
  readonly kept: string;
  readonly fresh: string;
}

class DatasetExchange implements Exchange {
  readonly parts: ZfsRecord["parts"];
  readonly #plan: DatasetPlan;
  readonly #host: Host;

  constructor(plan: DatasetPlan, host: Host) {
    this.parts = plan.record.parts;
    this.#plan = plan;
    this.#host = host;
  }

  async requirePrivileges(): Promise<void> {
    const { record, place, kept, fresh, mount } = this.#plan;
    const { privilege } = this.#host;
    await privilege.require(["zfs", "clone", record.snapshot, fresh], "to restore the dataset");
    await privilege.require(["umount", mount.mountPoint], "to exchange the dataset");
    await privilege.require(["zfs", "rename", place, kept], "to keep the old dataset");
    await privilege.require(["zfs", "rename", fresh, place], "to put the clone in its place");
    await privilege.require(["zfs", "set", "canmount=noauto", place], "to exchange the dataset");
    await privilege.require(["zfs", "inherit", "mountpoint", place], "to exchange the dataset");
    await privilege.require(["zfs", "mount", place], "to mount the restored dataset");
    await privilege.require(["zfs", "promote", place], "to make the restored dataset independent");
  }

  async make(): Promise<Omit<MountPlan, "mountPoint">> {
    const { record, fresh, properties, runId } = this.#plan;
    const settings = [
      `${runProperty}=${runId}`,
      "canmount=noauto",
      "mountpoint=legacy",
      ...properties.others,
    ];
    const argv = ["zfs", "clone", ...settings.flatMap((each) => ["-o", each]), record.snapshot, fresh];
    await this.#host.do(argv);
    return { device: fresh, fsType: "zfs", options: [] };
  }

  undo(): UndoStep {
    const { kept, place, fresh, mount, properties } = this.#plan;
    const { canmount } = properties;
    return { do: "dataset-back", kept, place, aside: fresh, canmount, mountPoint: mount.mountPoint };
  }

  async swap(): Promise<void> {
    const { place, kept, fresh, mount, properties } = this.#plan;
    await unmountPoint(mount.mountPoint, this.#host);
    await this.#host.do(["zfs", "set", "canmount=noauto", place]);
    await this.#host.do(["zfs", "rename", place, kept]);
    await this.#host.do(["zfs", "rename", fresh, place]);
    await this.#host.do(
      properties.mountpoint === undefined
        ? ["zfs", "inherit", "mountpoint", place]
        : ["zfs", "set", `mountpoint=${properties.mountpoint}`, place],
    );
    await this.#host.do(["zfs", "set", `canmount=${properties.canmount}`, place]);
    await mountDataset(place, mount.mountPoint, this.#host);
  }

  async discard(): Promise<void> {
    const { fresh } = this.#plan;
    if (await exists(fresh, this.#host)) await destroy(fresh, this.#host);
  }
}

/** Set by ZFS itself or decided by the clone's origin. */
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

/** More than once where the snapshot was in what an earlier restore had replaced. A clone of anything else is left. */
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
