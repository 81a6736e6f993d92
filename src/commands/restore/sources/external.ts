/** An archive made elsewhere as what a restore is made from. What it holds is known when it has been unpacked. */
import type { S3Options } from "../../../domain/options.ts";
import { readFile, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import * as v from "valibot";
import { takeInventory } from "../../../cache/inventory.ts";
import { findModeDirectory } from "../../../chainstate/mode-directory.ts";
import { noteOf, partOf } from "../../../recovery/place.ts";
import { formatBytes } from "../../../system/space.ts";
import { openExternalArchive, unpackExternalArchive, type ExternalArchive } from "../../external-archive.ts";
import { writeFileAtomically } from "../../../system/atomic-file.ts";
import type { Fetched, FetchRequest, Kept, RestoreSource } from "./source.ts";
import type { RunContext } from "../../context.ts";

export async function openExternalSource(
  ctx: RunContext,
  url: string,
  s3: S3Options,
  expectDigest: string | undefined,
): Promise<RestoreSource> {
  const archive = await openExternalArchive(ctx, url, s3, "snapshot", expectDigest);
  return {
    id: archive.id,
    name: archive.name,
    about:
      "It was made elsewhere: whether it fits this node is known when it is unpacked, and looked at before anything is replaced.",
    archiveBytes: archive.source.size,
    // A chainstate is never smaller than what it was compressed to; each entry is counted as it comes.
    neededBytes: archive.source.size,
    fetch: async (request) => await unpackBeside(ctx, archive, request),
    close: async () => await archive.close(),
  };
}

/** What is known of a staging directory that holds all of it. */
const wholeSchema = v.object({ root: v.string(), entries: v.number() });

/** Unpacked whole beside the staging directory; what of it is the mode directory becomes the staging directory. */
export async function unpackBeside(
  ctx: RunContext,
  archive: Pick<ExternalArchive, "source" | "sha256" | "id">,
  { staging, pinned, keepIn, owner, files, journal, phase }: FetchRequest,
): Promise<Fetched> {
  const noteFile = noteOf(ctx.host.stateDir, staging, "whole");
  const kept: Kept = { hasDigests: false, forget: async () => await rm(noteFile, { force: true }) };
  const before = await readWhole(noteFile);
  const stands = before !== undefined && (await files.names(pinned)).length > 0;
  if (stands && (await takeInventory(pinned, ctx.signal)).entries === before.entries) {
    ctx.report.fact("Unpacked", "by an earlier run");
    return { ...networkOf(before.root), kept };
  }
  await kept.forget();
  const whole = partOf(dirname(pinned), "unpacked");
  const unfinished = [partOf(dirname(staging), "unpacked"), staging];
  // There is no going on in the middle of a stream, so whatever ends this run there, nothing that is unpacked of it stays.
  await journal.update((now) => ({ ...now, staging: [...now.staging, ...unfinished] }));
  await files.removeTree(whole);
  await files.removeTree(pinned);
  const { root, contentSize } = await unpackExternalArchive(ctx, archive, phase, {
    target: whole,
    keepIn,
    owner,
    locateRoot: findModeDirectory,
    durable: true,
  });
  await files.move(root === "" ? whole : join(whole, root), pinned);
  await files.removeTree(whole);
  const { entries } = await takeInventory(pinned, ctx.signal);
  // Once all of it is there it need not be fetched again.
  await journal.update((now) => ({ ...now, staging: now.staging.filter((path) => path !== staging) }));
  await writeFileAtomically(noteFile, JSON.stringify({ root, entries }), 0o600);
  ctx.report.fact("Unpacked", `${formatBytes(contentSize)} from ${formatBytes(archive.source.size)}`);
  return { ...networkOf(root), kept };
}

const networkOf = (root: string): Fetched => (root === "" ? {} : { network: basename(root) });

async function readWhole(file: string): Promise<v.InferOutput<typeof wholeSchema> | undefined> {
  try {
    return v.parse(wholeSchema, JSON.parse(await readFile(file, "utf8")));
  } catch {
    // Absent or torn: it is fetched.
    return undefined;
  }
}
