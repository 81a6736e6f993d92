/** A manifest as the bytes that stand in the store, and back: with its digest, so that no flipped byte goes unseen. */
import { createHash } from "node:crypto";
import * as v from "valibot";
import { ActionError } from "../domain/errors.ts";
import { manifestKey, snapshotFolder } from "./ids.ts";
import { manifestSchema, type Manifest } from "../domain/manifest.ts";
import { firstIssueAlone, isPlausibleJson } from "./small-objects.ts";

/** MANIFEST_INVALID when the run that made it would publish something that nobody could read. */
export function writeManifest(manifest: Manifest): {
  readonly manifest: Manifest;
  readonly bytes: Uint8Array;
} {
  const { digest: _, ...content } = manifest;
  const sealed = { ...content, digest: digestOf(content) };
  checkManifest(sealed, manifest.id, manifestKey(manifest.id));
  return { manifest: sealed, bytes: Buffer.from(`${JSON.stringify(sealed, undefined, 2)}\n`) };
}

/**
 * The manifest of snapshot `id`. `where` names it in messages. Errors: MANIFEST_NEWER, MANIFEST_INVALID (not JSON, another
 * shape, another id, keys outside its folder, a digest that does not fit).
 */
export function readManifest(bytes: Uint8Array, id: string, where: string): Manifest {
  let value: unknown;
  if (!isPlausibleJson(bytes)) throw invalid(where, "it is nothing but brackets");
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw invalid(where, "it is not JSON", cause);
  }
  const versioned = v.safeParse(v.looseObject({ version: v.pipe(v.number(), v.integer()) }), value);
  if (versioned.success && versioned.output.version > 1) {
    throw new ActionError(
      "MANIFEST_NEWER",
      `${where} has format ${versioned.output.version}, newer than this version reads.`,
      {
        hint: "Use a newer version of this action.",
      },
    );
  }
  const manifest = checkManifest(value, id, where);
  // Of the text as it stands, since the schema's output has its fields in the schema's order.
  const { digest, ...content } = value as Manifest;
  if (digest !== digestOf(content)) throw invalid(where, "its digest does not fit its content");
  return manifest;
}

function checkManifest(value: unknown, id: string, where: string): Manifest {
  const parsed = v.safeParse(manifestSchema, value, firstIssueAlone);
  if (!parsed.success) {
    const [issue] = parsed.issues;
    throw invalid(where, `${v.getDotPath(issue) ?? "the whole"}: ${issue.message}`);
  }
  const manifest = parsed.output;
  if (manifest.id !== id) throw invalid(where, `it is the manifest of ${manifest.id}, not of ${id}`);
  const folder = `${snapshotFolder(id)}/`;
  const { archive } = manifest;
  for (const key of archive === undefined ? [] : [archive.key, archive.index.key]) {
    if (!key.startsWith(folder)) throw invalid(where, `${key} is outside ${folder}`);
  }
  if (archive === undefined && manifest.volumes.length === 0)
    throw invalid(where, "it has neither archive nor volume");
  return manifest;
}

/** `JSON.parse` keeps the order of names, so reader and writer make the same text of the same manifest. */
function digestOf(content: Omit<Manifest, "digest">): string {
  return createHash("sha256").update(JSON.stringify(content)).digest("hex");
}

function invalid(where: string, why: string, cause?: unknown): ActionError {
  return new ActionError("MANIFEST_INVALID", `${where} is no manifest this action can trust: ${why}.`, {
    hint: "It was damaged, or changed after it was published. Choose another snapshot.",
    ...(cause === undefined ? {} : { cause }),
  });
}
