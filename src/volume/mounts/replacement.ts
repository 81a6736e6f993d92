/**
 * Which live volume a restored one replaces: the one that holds the same part of the chainstate now, on which it must
 * lie at the same place, because only the volume is exchanged and not the directories on it.
 */
import { ActionError } from "../../domain/errors.ts";
import type { Mount } from "../../system/mounts.ts";
import type { Host } from "../host.ts";
import { locateChainstate } from "./locate.ts";

interface Placed {
  readonly source: string;
  readonly parts: readonly { readonly at: string; readonly within: string }[];
}

export interface Replacement<R> {
  readonly record: R;
  /** The mount that is going to be replaced. */
  readonly mount: Mount;
}

/**
 * One for each record, main volume first. Errors, each before anything is touched: RESTORE_NO_PLACE, RESTORE_SPREAD,
 * VOLUME_IS_ROOT, VOLUME_LAYOUT_DIFFERS.
 */
export async function findReplacements<R extends Placed>(
  records: readonly R[],
  chainstateDir: string,
  host: Host,
): Promise<readonly Replacement<R>[]> {
  const live = await locateChainstate(chainstateDir, host);
  const found: Replacement<R>[] = [];
  for (const record of records) {
    for (const { at, within } of record.parts) {
      const part = live.find((each) => each.at === at);
      if (part === undefined) {
        throw new ActionError(
          "RESTORE_NO_PLACE",
          `${chainstateDir}/${at} is no mount or link here, but the snapshot of ${record.source} holds it.`,
          {
            hint: "Mount a volume there first (an empty one will do) or restore an archive.",
          },
        );
      }
      if (part.within !== within) {
        throw new ActionError(
          "VOLUME_LAYOUT_DIFFERS",
          `In the snapshot the chainstate is in "/${within}" of the volume, here it is in "/${part.within}" of ${part.mount.mountPoint}.`,
          { hint: "Mount the volume where it was mounted when the snapshot was taken." },
        );
      }
      if (!found.some((each) => each.record === record)) found.push({ record, mount: part.mount });
    }
  }
  for (const { mount } of found) refuseRoot(mount);
  refuseNested(found.map(({ mount }) => mount.mountPoint));
  return found.toSorted((a, b) => Number(!holdsMain(a.record)) - Number(!holdsMain(b.record)));
}

function holdsMain(record: Placed): boolean {
  return record.parts.some(({ at }) => at === "");
}

function refuseRoot(mount: Mount): void {
  if (mount.mountPoint !== "/") return;
  throw new ActionError(
    "VOLUME_IS_ROOT",
    "The chainstate is on the root volume, which cannot be exchanged while the machine runs.",
    {
      hint: "Move the chainstate to a volume of its own, restore an archive, or make a volume from the snapshot by hand.",
    },
  );
}

function refuseNested(points: readonly string[]): void {
  const outer = points.find((point) => points.some((other) => other.startsWith(`${point}/`)));
  if (outer === undefined) return;
  throw new ActionError(
    "RESTORE_SPREAD",
    `The chainstate is spread over volumes that are mounted inside each other (below ${outer}).`,
    {
      hint: "Such volumes are snapshotted together but have to be restored by hand, from the inside out; or restore an archive.",
    },
  );
}
