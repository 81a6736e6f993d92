/**
 * The earlier snapshot whose frames a new archive may take over: the newest one of the same network on the same store.
 * Equal digests are equal bytes, so any will do; this is only about how much is saved, and nothing here may fail a run.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { openIndex } from "../archive/index-reader.ts";
import type { BaseFrames } from "../archive/segment-record.ts";
import type { KnownFrame } from "../archive/writer.ts";
import { listSnapshots, loadManifest } from "../catalog/read.ts";
import { tryAnnounceRestore, type Announcement } from "../catalog/readers.ts";
import { describeError } from "../errors.ts";
import type { ObjectStore } from "../store/port.ts";
import { openArchive } from "./open-snapshot.ts";
import type { Rooms } from "./rooms.ts";

export interface BaseSnapshot extends BaseFrames {
  /** Of its archive. */
  readonly key: string;
  readonly etag: string;
  known(sha256: string): KnownFrame | undefined;
  /** Retention may remove it from now on. */
  withdraw(): Promise<void>;
}

/** Undefined, with the reason in the log, where there is none that can be used: then everything is sent. */
export async function tryFindBase(
  rooms: Rooms,
  store: ObjectStore,
  network: string,
): Promise<BaseSnapshot | undefined> {
  const { report, host, signal } = rooms;
  if (!store.capabilities.copyRange) {
    report.info("This store cannot copy parts of an earlier archive: everything is sent.");
    return undefined;
  }
  const scratch = await mkdtemp(join(host.tempDir, "base-"));
  let announcement: Announcement | undefined;
  try {
    const candidates = (await listSnapshots(store, signal)).filter(
      (entry) => entry.network === network && entry.archive !== null,
    );
    const chosen = candidates.find((entry) => entry.host === host.hostName) ?? candidates[0];
    if (chosen === undefined) {
      report.info("There is no earlier snapshot of this network to take frames from: everything is sent.");
      return undefined;
    }
    announcement = await tryAnnounceRestore(store, chosen.id, host.runId, rooms.clock, signal);
    const manifest = await loadManifest(store, chosen.id, signal);
    const { record, source, indexFile } = await openArchive({ store, manifest }, scratch, signal);
    if (source.etag === undefined) {
      report.info("This store names no versions of its objects: everything is sent.");
      await announcement?.withdraw(signal);
      return undefined;
    }
    const { frames } = await openIndex(indexFile, { signal, expect: record.index });
    const bySha256 = new Map<string, number>();
    for (let frame = 0; frame < frames.count; frame += 1) bySha256.set(frames.sha256Of(frame), frame);
    report.info(
      `Frames that ${chosen.id} has already are copied by the store and not sent (${frames.count} known).`,
    );
    const withdraw = async (): Promise<void> => await announcement?.withdraw(AbortSignal.timeout(10_000));
    return {
      id: chosen.id,
      key: record.key,
      etag: source.etag,
      indexSha256: record.index.sha256,
      frames: frames.count,
      sha256Of: (frame) => frames.sha256Of(frame),
      known(sha256) {
        const frame = bySha256.get(sha256);
        if (frame === undefined) return undefined;
        return { offset: frames.offsetOf(frame), compressedSize: frames.compressedSizeOf(frame) };
      },
      withdraw,
    };
  } catch (error) {
    signal.throwIfAborted();
    report.notice(`No earlier snapshot can be used to save sending: ${describeError(error)}`);
    await announcement?.withdraw(AbortSignal.timeout(10_000)).catch(() => undefined);
    return undefined;
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}
