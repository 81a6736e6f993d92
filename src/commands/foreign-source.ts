/** An archive made elsewhere as what a restore is made from. What it holds is known when it has been unpacked. */
import { basename, join } from "node:path";
import { findModeDirectory } from "../chainstate/mode-directory.ts";
import type { S3Options } from "../config.ts";
import { formatBytes } from "../system/space.ts";
import { openForeignArchive, unpackForeignArchive, type ForeignArchive } from "./foreign-archive.ts";
import type { RestoreSource, UnpackRequest } from "./restore-source.ts";
import type { Rooms } from "./rooms.ts";

export async function openForeignSource(rooms: Rooms, url: string, s3: S3Options): Promise<RestoreSource> {
  const archive = await openForeignArchive(rooms, url, s3, "snapshot");
  let network: string | undefined;
  return {
    id: archive.id,
    name: archive.name,
    chain: undefined,
    get network() {
      return network;
    },
    // A chainstate is never smaller than what it was compressed to; each entry is counted as it comes.
    neededBytes: archive.source.size,
    introduce() {
      rooms.report.info(
        "It was made elsewhere: whether it fits this node is known when it is unpacked, and looked at before anything is replaced.",
      );
    },
    async unpack(request) {
      const root = await unpackBeside(rooms, archive, request);
      network = root === "" ? undefined : basename(root);
    },
    close: async () => await archive.close(),
  };
}

/** Unpacked whole beside the staging directory; what of it is the mode directory becomes the staging directory. */
async function unpackBeside(
  rooms: Rooms,
  archive: ForeignArchive,
  { staging, owner, files, journal, phase }: UnpackRequest,
): Promise<string> {
  const whole = staging.replace(/-new$/, "-unpacked-new");
  // There is no going on in the middle of a stream, so whatever ends this run, nothing of it stays.
  await journal.update((now) => ({ ...now, staging: [...now.staging, whole, staging] }));
  await files.removeTree(whole);
  await files.removeTree(staging);
  const { root, contentSize } = await unpackForeignArchive(rooms, archive, phase, {
    target: whole,
    owner,
    locateRoot: findModeDirectory,
    durable: true,
  });
  await files.move(root === "" ? whole : join(whole, root), staging);
  await files.removeTree(whole);
  rooms.report.fact("Unpacked", `${formatBytes(contentSize)} from ${formatBytes(archive.source.size)}`);
  return root;
}
