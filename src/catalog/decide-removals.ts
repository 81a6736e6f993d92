/**
 * What of a catalogue goes: what retention lets go, what a person names, and what was begun to be removed. Whoever may write to the storage
 * can put a mark of a removal there: of one that cannot be believed, retention says whether the snapshot goes.
 */
import type { Retention } from "../domain/options.ts";
import { ActionError } from "../domain/errors.ts";
import type { ObjectStore } from "../store/port.ts";
import type { Clock } from "../system/clock.ts";
import type { CatalogEntry } from "./catalog.ts";
import { inUse, requireDeletable } from "./named.ts";
import type { Refused } from "./read.ts";
import { isBeingRead } from "./readers.ts";
import { decideRetention, type Candidate, type Decision } from "./retention.ts";

export interface Asked {
  readonly retention: Retention;
  readonly signal: AbortSignal;
  /** What the run has just published. */
  readonly published?: string | undefined;
  /** One that is yet to come, of which a dry run asks what it would push out. It is no part of the decisions. */
  readonly expected?: Candidate | undefined;
  /** Ids to remove whatever retention says. */
  readonly delete?: readonly string[];
  /** Without it, snapshots that have volumes stay. */
  readonly volumes?: {
    /** Undefined, or why volumes of this driver, snapshotted on that host, cannot be removed from here. */
    reasonNotRemovable(driver: string, host: string): string | undefined;
  };
}

interface Found {
  /** Newest first. */
  readonly entries: readonly CatalogEntry[];
  /** Those of them that hold a mark of a removal; they take no other's place. */
  readonly begun: ReadonlySet<string>;
  /** Whose marks are not believed. */
  readonly doubted: readonly Refused[];
}

interface Decided {
  /** Newest first, without those whose removal was begun and is not gone on with. */
  readonly decisions: readonly Decision[];
  readonly unfinished: readonly Refused[];
}

/** SNAPSHOT_PINNED, SNAPSHOT_NEEDED, VOLUME_ELSEWHERE, SNAPSHOT_IN_USE of what `delete` names. */
export async function decide(
  store: ObjectStore,
  { entries, begun, doubted }: Found,
  asked: Asked,
  clock: Clock,
): Promise<Decided> {
  const { signal, expected } = asked;
  const isNamed = ({ id }: CatalogEntry): boolean => asked.delete?.includes(id) === true;
  const isDoubted = ({ id }: CatalogEntry): boolean => doubted.some((each) => each.id === id);
  const named = entries.filter(isNamed);
  // As if they were gone already: the next newest stays in the newest one's place.
  const others = entries.filter((entry) => !isNamed(entry) && !begun.has(entry.id));
  const marked = entries.filter((entry) => !isNamed(entry) && begun.has(entry.id));
  const competing: readonly (Candidate | CatalogEntry)[] =
    expected === undefined ? others : [expected, ...others];
  const retain = async (candidates: typeof competing): Promise<readonly Decision[]> =>
    await retainOf(store, { candidates, entries }, asked, clock);
  const doubtful = marked.filter(isDoubted);
  const decisions = [
    ...(await retain(competing)).filter(({ id }) => others.some((entry) => entry.id === id)),
    ...(doubtful.length === 0 ? [] : await retain([...competing, ...doubtful])).filter(({ id }) =>
      doubtful.some((entry) => entry.id === id),
    ),
  ];
  const kept = new Set(decisions.filter(({ keep }) => keep).map(({ id }) => id));
  const staying = entries.filter(({ id }) => kept.has(id));
  const unfinished: Refused[] = doubted.filter(({ id }) => kept.has(id));
  for (const entry of marked.filter((each) => !isDoubted(each))) {
    const { id } = entry;
    try {
      requireDeletable(entry, staying, hindrance(entry, asked));
      // One that had not come further than the mark gives way to a restore.
      if (await isBeingRead(store, id, clock, signal)) staying.push(entry);
      else decisions.push({ id, keep: false, reasons: ["its removal was begun"] });
    } catch (error) {
      if (!(error instanceof ActionError)) throw error;
      unfinished.push({ id, error });
      staying.push(entry);
    }
  }
  for (const entry of named) {
    requireDeletable(entry, staying, hindrance(entry, asked));
    if (await isBeingRead(store, entry.id, clock, signal)) throw inUse(entry.id);
    decisions.push({ id: entry.id, keep: false, reasons: ["named by `delete`"] });
  }
  const order = entries.map(({ id }) => id);
  return {
    decisions: decisions
      .filter(({ id, keep }) => !keep || !begun.has(id))
      .toSorted((a, b) => order.indexOf(a.id) - order.indexOf(b.id)),
    unfinished,
  };
}

interface Competition {
  readonly candidates: readonly Candidate[];
  /** All there are. */
  readonly entries: readonly CatalogEntry[];
}

/** What retention says, once it knows what is being read and what cannot be removed from here. */
async function retainOf(
  store: ObjectStore,
  { candidates, entries }: Competition,
  asked: Asked,
  clock: Clock,
): Promise<readonly Decision[]> {
  const facts = { now: clock.now(), published: asked.published ?? asked.expected?.id };
  const going = decideRetention(candidates, asked.retention, facts).filter(({ keep }) => !keep);
  const announced = new Set<string>();
  for (const { id } of going) {
    if (await isBeingRead(store, id, clock, asked.signal)) announced.add(id);
  }
  const byId = new Map(entries.map((entry) => [entry.id, entry]));
  return decideRetention(candidates, asked.retention, { ...facts, announced }).map((decision) => {
    const entry = byId.get(decision.id);
    if (decision.keep || entry === undefined) return decision;
    const reason = hindrance(entry, asked);
    return reason === undefined ? decision : { ...decision, keep: true, reasons: [reason] };
  });
}

/** Why a snapshot cannot be removed from here, for its volumes; undefined where it can. */
function hindrance({ volumes, host }: CatalogEntry, asked: Asked): string | undefined {
  if (volumes.length === 0) return undefined;
  if (asked.volumes === undefined) return "its volume snapshot cannot be removed from here";
  for (const { driver } of volumes) {
    const reason = asked.volumes.reasonNotRemovable(driver, host);
    if (reason !== undefined) return reason;
  }
  return undefined;
}
