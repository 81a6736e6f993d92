/**
 * No freezing at all: the directory itself, read while the node stays down. Any change to a file meanwhile is an error
 * of the archive (`guard: "unchanged"`), so a node that comes back by itself voids the snapshot.
 */
import { ActionError } from "../domain/errors.ts";
import type { Freezer, ViewOf } from "./port.ts";
import { withoutScratch } from "./scratch.ts";

export function coldFreezer({ viewOf }: { readonly viewOf: ViewOf }): Freezer {
  return {
    name: "cold",
    probe: async () => ({ usable: true, reason: "the node stays down until the archive is made" }),
    async freeze({ chainstateDir, selection }, nodeDown) {
      if (!nodeDown) {
        throw new ActionError("FREEZE_UNSUPPORTED", "A running node's directory cannot be read as it is.");
      }
      return {
        view: await viewOf(chainstateDir, withoutScratch(selection)),
        method: "cold",
        at: new Date(),
        directory: chainstateDir,
        broken: Promise.withResolvers<never>().promise,
        assertFrozen: async () => undefined,
        release: async () => undefined,
      };
    },
    cleanUp: async () => undefined,
  };
}
