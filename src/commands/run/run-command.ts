/** Which command a configuration asks for. */
import type { Config } from "../../config/config.ts";
import type { RunContext } from "../context.ts";
import { tryRemoveContainers } from "./clean-up.ts";

export async function runCommand(config: Config, ctx: RunContext): Promise<void> {
  await tryRemoveContainers(ctx);
  switch (config.command) {
    case "snapshot":
      return await (await import("../snapshot/snapshot.ts")).snapshot(config, ctx);
    case "restore":
      return await (await import("../restore/restore.ts")).restore(config, ctx);
    case "verify":
      return await (await import("../verify/verify.ts")).verify(config, ctx);
    case "prune":
      return await (await import("../prune.ts")).prune(config, ctx);
    case "import":
      return await (await import("../import.ts")).importArchive(config, ctx);
    case "list":
      return await (await import("../list.ts")).list(config, ctx);
  }
}
