/**
 * A store for as long as it is used, which gives no manifest to anybody that is not signed as `trusted-signers` says. That it
 * cannot be closed fails no run.
 */
import { readFile } from "node:fs/promises";
import {
  readAllowedSigners,
  type AllowedSigners,
  type SignedBy,
} from "../catalog/signing/allowed-signers.ts";
import { checkSignatures } from "../catalog/signing/checked-store.ts";
import { ActionError, describeError } from "../domain/errors.ts";
import type { StorageLocation, TrustedSigners } from "../domain/options.ts";
import type { ObjectStore } from "../store/port.ts";
import { bestEffort } from "../system/best-effort.ts";
import type { RunContext } from "./context.ts";

export interface StorageAccess {
  readonly storage: StorageLocation;
  readonly trustedSigners?: TrustedSigners | undefined;
}

export interface OpenedStore {
  readonly store: ObjectStore;
  /** Whose signature the manifest has that was read of this snapshot; undefined where no signature is asked for. */
  readonly signerOf: (id: string) => SignedBy | undefined;
}

type Opener = Pick<RunContext, "openStore" | "report">;

/** To be closed with `closeStore`. SIGNERS_UNREADABLE. */
export async function openCheckedStore(
  ctx: Opener & Pick<RunContext, "clock">,
  { storage, trustedSigners }: StorageAccess,
): Promise<OpenedStore> {
  const signers = trustedSigners === undefined ? undefined : await readSigners(trustedSigners);
  const store = await ctx.openStore(storage);
  return signers === undefined
    ? { store, signerOf: () => undefined }
    : checkSignatures(store, signers, ctx.clock);
}

async function readSigners(given: TrustedSigners): Promise<AllowedSigners> {
  if (given.kind === "lines") return readAllowedSigners(given.lines, "`trusted-signers`");
  let text: string;
  try {
    text = await readFile(given.path, "utf8");
  } catch (cause) {
    throw new ActionError("SIGNERS_UNREADABLE", `${given.path} cannot be read: ${describeError(cause)}.`, {
      cause,
      hint: "Correct `trusted-signers`, or let the runner's user read the file.",
    });
  }
  return readAllowedSigners(text, given.path);
}

export async function withStore<T>(
  ctx: Opener & Pick<RunContext, "clock">,
  access: StorageAccess,
  work: (store: ObjectStore) => Promise<T>,
): Promise<T> {
  const { store } = await openCheckedStore(ctx, access);
  try {
    return await work(store);
  } finally {
    await closeStore(ctx, store);
  }
}

export async function closeStore({ report }: Pick<RunContext, "report">, store: ObjectStore): Promise<void> {
  await bestEffort(report, `close ${store.url}`, () => store.close());
}
