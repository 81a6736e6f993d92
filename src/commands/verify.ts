/**
 * `command: verify`. A directory is checked in place, read-only. A snapshot is read back whole, unless it is to be
 * its databases alone: every frame's digest and tar headers, the index, the seek table; then its databases are unpacked
 * into scratch space and checked like a directory. The snapshot of a volume is opened and checked where it is.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { verifyArchive } from "../archive/reader.ts";
import { assertConsistent, inspectChainstate, type InspectOptions } from "../chainstate/inspect.ts";
import { isBlobs } from "../chainstate/layout.ts";
import { findModeDirectory, mayBeNeededForChecks } from "../chainstate/mode-directory.ts";
import type { VerifyConfig } from "../config.ts";
import { ActionError } from "../errors.ts";
import { openForeignArchive, unpackForeignArchive } from "./foreign-archive.ts";
import { formatBytes } from "../system/space.ts";
import { proveArchive } from "./prove-archive.ts";
import { reportInspection } from "./inspection-report.ts";
import { openArchive, openSnapshot, type OpenSnapshot } from "./open-snapshot.ts";
import { verifyVolumes } from "./verify-volumes.ts";
import type { Rooms } from "./rooms.ts";

export async function verify(config: VerifyConfig, rooms: Rooms): Promise<void> {
  const { chainstateDir, storage } = config;
  if (chainstateDir !== undefined) {
    await verifyDirectory(chainstateDir, config, rooms);
    rooms.report.headline(`${chainstateDir} is one consistent chainstate.`);
    return;
  }
  if (config.snapshot.kind === "foreign") {
    await verifyForeign(config.snapshot.url, config, rooms);
    return;
  }
  if (storage === undefined) throw new RangeError("nothing to verify");
  const opened = await openSnapshot(rooms, storage, config.snapshot);
  if (opened.manifest.archive === undefined) return await verifyVolumes(opened, config, rooms);
  const scratch = await mkdtemp(join(rooms.host.tempDir, "verify-"));
  try {
    await verifySnapshot(opened, scratch, config, rooms);
  } finally {
    await rm(scratch, { recursive: true, force: true });
    await opened.store.close();
  }
}

async function verifyDirectory(
  dir: string,
  config: VerifyConfig,
  rooms: Rooms,
  options: Pick<InspectOptions, "blobs"> = {},
): Promise<void> {
  const depth = config.check === "none" ? "tips" : config.check;
  await rooms.report.phase("check", `Check ${dir} in place`, async (phase) => {
    const inspection = await inspectChainstate({
      ...options,
      dir,
      depth,
      signal: rooms.signal,
      onProgress: (progress) => phase.progress(progress),
    });
    reportInspection(rooms.report, inspection);
    assertConsistent(inspection);
  });
}

/** There is no index to check frames against: it is read through once, and its databases are looked at. */
async function verifyForeign(url: string, config: VerifyConfig, rooms: Rooms): Promise<void> {
  const { report, host } = rooms;
  const { check: depth } = config;
  const archive = await openForeignArchive(rooms, url, config.s3, "snapshot");
  const scratch = await mkdtemp(join(host.tempDir, "verify-"));
  try {
    const target = join(scratch, "databases");
    const blobs = new Map<string, number>();
    const { root } = await report.phase("verify", `Read ${archive.source.url} through`, (phase) =>
      unpackForeignArchive(rooms, archive, phase, {
        target,
        owner: "mine",
        select: (path, size) => {
          if (isBlobs(path)) blobs.set(path, size);
          return depth !== "none" && mayBeNeededForChecks(path, depth);
        },
        locateRoot: async (directory, signal) =>
          depth === "none" ? "" : await findModeDirectory(directory, signal),
        durable: false,
      }),
    );
    const sizeOf = async (path: string): Promise<number | undefined> =>
      blobs.get(root === "" ? path : `${root}/${path}`);
    if (depth !== "none") {
      const sizesAlone = depth === "full" ? {} : { blobs: { sizeOf } };
      await verifyDirectory(join(target, root), config, rooms, sizesAlone);
    }
  } finally {
    await rm(scratch, { recursive: true, force: true });
    await archive.close();
  }
  const is = archive.sha256 === undefined ? "can be unpacked" : "is what its checksum says";
  report.headline(`${archive.name} ${is}${depth === "none" ? "" : " and its chainstate is consistent"}.`);
}

async function verifySnapshot(
  opened: OpenSnapshot,
  scratch: string,
  config: VerifyConfig,
  rooms: Rooms,
): Promise<void> {
  const { report, signal } = rooms;
  const { manifest } = opened;
  report.output("snapshot-id", manifest.id);
  report.output("stacks-height", String(manifest.chain.stacksHeight));
  const { source, indexFile, record } = await openArchive(opened, scratch, signal);
  const options = { source, indexFile, indexDigest: record.index, concurrency: config.concurrency, signal };
  const whole = config.scope === "archive";
  let fetchedBytes = 0;
  if (whole) {
    const verified = await report.phase("verify", `Read ${source.url} back whole`, (phase) =>
      verifyArchive({
        ...options,
        ...(record.sha256 === undefined ? {} : { archiveSha256: record.sha256 }),
        onProgress: ({ doneBytes }) => phase.progress({ doneBytes, totalBytes: record.tarSize }),
      }),
    );
    fetchedBytes += verified.fetchedBytes;
    if (verified.treeSha256 !== record.treeSha256 || verified.frames !== record.frames) {
      throw new ActionError(
        "SNAPSHOT_DAMAGED",
        `The archive of ${manifest.id} is not the one its manifest describes.`,
        {
          hint: "It was changed after it was published. Choose another snapshot.",
        },
      );
    }
  }
  if (config.check !== "none") {
    const { check: depth } = config;
    const { chain, checks } = manifest;
    await report.phase("check", "Unpack the databases and check them", async () => {
      const proof = await proveArchive({
        ...options,
        scratchParent: scratch,
        depth,
        cut: { facts: chain, checks },
      });
      if (!proof.made) {
        throw new ActionError("SPACE_MISSING", `The databases cannot be checked: ${proof.reason}.`, {
          hint: whole
            ? "Every frame is whole. Point RUNNER_TEMP to a larger disk, or set `check: none`."
            : "Point RUNNER_TEMP to a larger disk.",
        });
      }
      fetchedBytes += proof.fetchedBytes;
      reportInspection(report, proof.inspection);
    });
  }
  report.output("fetched-bytes", String(fetchedBytes));
  report.fact("Fetched", `${formatBytes(fetchedBytes)}, of an archive of ${formatBytes(record.size)}`);
  const consistent = config.check === "none" ? "" : " and its chainstate consistent";
  report.headline(
    whole
      ? `Snapshot ${manifest.id} is whole${consistent}.`
      : `The chainstate of snapshot ${manifest.id} is consistent; the rest of its archive was not looked at.`,
  );
}
