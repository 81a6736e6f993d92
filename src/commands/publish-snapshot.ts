/** Publishes a manifest, and says of it at once what there is to say: what fails afterwards does not take the snapshot away. */
import { placeOf } from "../catalog/by-hand.ts";
import type { ManifestSigner } from "../catalog/signing/signer.ts";
import { manifestKey } from "../catalog/ids.ts";
import { renderPage } from "../catalog/page/page.ts";
import { publish } from "../catalog/publish.ts";
import { listSnapshots } from "../catalog/read.ts";
import type { Manifest } from "../domain/manifest.ts";
import type { ObjectStore } from "../store/port.ts";
import { bestEffort } from "../system/best-effort.ts";
import type { RunContext } from "./context.ts";
import { reportPublished } from "./snapshot/result.ts";

export async function publishSnapshot(
  ctx: RunContext,
  store: ObjectStore,
  manifest: Manifest,
  signer: ManifestSigner | undefined,
): Promise<void> {
  const { report, signal, clock } = ctx;
  await report.phase("publish", "Publish", async () => {
    let written: Manifest | undefined;
    try {
      const onWritten = (sealed: Manifest): void => void (written = sealed);
      await publish(store, manifest, signal, clock, { onWritten, signer });
    } catch (error) {
      await reportHalfPublished(ctx, store, manifest, written);
      throw error;
    }
    await reportPublished(ctx, store, written ?? manifest);
    await tryWritePage(ctx, store);
  });
}

/** Once its manifest stands in the store a snapshot can be restored, whatever else failed. */
async function reportHalfPublished(
  ctx: RunContext,
  store: ObjectStore,
  manifest: Manifest,
  written: Manifest | undefined,
): Promise<void> {
  const { id } = manifest;
  await bestEffort(ctx.report, `find out whether ${id} was published`, async (limit) => {
    // Where its answer was lost, or the store has gone since, only what it said before is known.
    if (written === undefined && (await store.head(manifestKey(id), limit)) === undefined) return;
    await reportPublished(ctx, store, written ?? manifest);
    ctx.report.warning(
      `${id} is in ${store.url} and can be restored; the catalogue may not list it before the next snapshot or prune.`,
    );
  });
}

/** `index.html` beside the catalogue, for people. It says nothing that the catalogue does not say, so it fails no run. */
export async function tryWritePage({ report }: RunContext, store: ObjectStore): Promise<void> {
  const notice = { warning: (message: string) => report.notice(message) };
  await bestEffort(notice, "write the page of all snapshots, index.html", async (signal) => {
    const entries = await listSnapshots(store, signal);
    const page = renderPage({ storage: placeOf(store), entries });
    await store.put("index.html", Buffer.from(page), { contentType: "text/html; charset=utf-8", signal });
  });
}
