/** Writes `index.html` beside the catalogue, for people. It says nothing that the catalogue does not say. */
import { placeOf } from "../catalog/by-hand.ts";
import { renderPage } from "../catalog/page.ts";
import { listSnapshots } from "../catalog/read.ts";
import type { ObjectStore } from "../store/port.ts";

export async function writePage(store: ObjectStore, signal: AbortSignal): Promise<void> {
  const entries = await listSnapshots(store, signal);
  const page = renderPage({ storage: placeOf(store), entries });
  await store.put("index.html", Buffer.from(page), { contentType: "text/html; charset=utf-8", signal });
}
