/** Which command a configuration asks for. */
import type { Config } from "../config.ts";
import type { Rooms } from "./rooms.ts";

export async function runCommand(config: Config, rooms: Rooms): Promise<void> {
  switch (config.command) {
    case "snapshot":
      return await (await import("./snapshot.ts")).snapshot(config, rooms);
    case "restore":
      return await (await import("./restore.ts")).restore(config, rooms);
    case "verify":
      return await (await import("./verify.ts")).verify(config, rooms);
    case "prune":
      return await (await import("./prune.ts")).prune(config, rooms);
    case "import":
      return await (await import("./import.ts")).importArchive(config, rooms);
    case "list":
      return await (await import("./list.ts")).list(config, rooms);
  }
}
