/**
 * The one walk of the tree before the node is touched: how much there is to archive, and what freezers ask of the tree
 * when they are chosen. Files may come and go meanwhile.
 */
import { stat } from "node:fs/promises";
import { ofRunningNode } from "../chainstate/layout.ts";
import { fsPath } from "../system/path-bytes.ts";
import type { FreezeRequest, Survey, ViewOf } from "./port.ts";
import { withoutScratch } from "./scratch.ts";

export async function surveyTree(
  viewOf: ViewOf,
  { chainstateDir, selection, signal }: Pick<FreezeRequest, "chainstateDir" | "selection" | "signal">,
  isNamed: (path: string) => boolean = () => false,
): Promise<Survey> {
  const { dev } = await stat(fsPath(chainstateDir));
  const view = await viewOf(chainstateDir, withoutScratch(ofRunningNode(selection)));
  let entries = 0;
  let contentBytes = 0;
  let namedBytes = 0;
  let elsewhere: string | undefined;
  for await (const { path, size, source } of view.entries(signal)) {
    entries += 1;
    contentBytes += size;
    if (isNamed(path)) namedBytes += size;
    if (source === undefined || elsewhere !== undefined || selection.isWriteOnce(path)) continue;
    const found = await stat(fsPath(source)).catch(() => undefined);
    if (found !== undefined && found.dev !== dev) elsewhere = path;
  }
  return { entries, contentBytes, namedBytes, elsewhere };
}
