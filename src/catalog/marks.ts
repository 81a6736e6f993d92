/**
 * What is said of a snapshot after it was published: that it is being removed, that it is not pinned any more. Its manifest, which may be
 * signed, never changes, so that each stands beside it, signed as the manifest is. Neither says anything but whose it is and when it was
 * made: what belongs to the snapshot is said by its manifest alone.
 */
import * as v from "valibot";
import { ActionError } from "../domain/errors.ts";
import type { ObjectStore } from "../store/port.ts";
import type { Clock } from "../system/clock.ts";
import { signatureOf, tombstoneKey, unpinnedKey } from "./ids.ts";
import type { ManifestSigner } from "./signing/signer.ts";
import { parseJson, readUnlessDamaged } from "./small-objects.ts";

/** The name of each is that of a field of it: what is signed as a manifest, or as another mark, is none. */
const keyOf = { deleted: tombstoneKey, unpinned: unpinnedKey } as const;
export type Mark = keyof typeof keyOf;

export interface Marking {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Without it those with `trusted-signers` do not believe the mark. */
  readonly signer?: ManifestSigner | undefined;
}

/** After its signature, so that nobody ever sees it without. SIGNING_FAILED. */
export async function putMark(
  store: ObjectStore,
  mark: Mark,
  id: string,
  { clock, signal, signer }: Marking,
): Promise<void> {
  const key = keyOf[mark](id);
  const bytes = Buffer.from(`${JSON.stringify({ [mark]: id, at: new Date(clock.now()).toISOString() })}\n`);
  if (signer !== undefined)
    await store.put(signatureOf(key), await signer.sign(bytes), { contentType: "text/plain", signal });
  await store.put(key, bytes, { contentType: "application/json", signal });
}

/** False where it is gone. MANIFEST_INVALID where it is of something else, and what a store says that checks signatures. */
export async function readMark(
  store: ObjectStore,
  mark: Mark,
  id: string,
  signal: AbortSignal,
): Promise<boolean> {
  const bytes = await readUnlessDamaged(store, keyOf[mark](id), signal);
  if (bytes === undefined) return false;
  const schema = v.strictObject({ [mark]: v.literal(id), at: v.pipe(v.string(), v.isoTimestamp()) });
  if (v.is(schema, parseJson(bytes))) return true;
  throw new ActionError(
    "MANIFEST_INVALID",
    `${store.urlOf(keyOf[mark](id))} does not say that ${id} is ${mark}.`,
  );
}
