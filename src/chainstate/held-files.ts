/**
 * SQLite resolves the way through `/proc` to a directory that is held, and opens what has its name by then: whoever may rename above
 * it can have a process of root's open another file. So what was opened is compared with what is in the directory.
 */
import { fstatSync, readdirSync, statSync, type BigIntStats } from "node:fs";
import { hasCode } from "../domain/errors.ts";
import { fsPath } from "../system/path-bytes.ts";

/** Something else than the held directory's own was opened. Nothing of it was used, and nothing written. */
export class FilesExchangedError extends Error {}

export interface OpenedFiles {
  /** FilesExchangedError unless all that was opened since belongs to this database, and `ending` of it is among that. */
  require(ending: "" | "-wal"): void;
}

/** To be asked for before the database is opened. Of a path that leads through no held directory nothing is asked. */
export function watchOpened(database: string): OpenedFiles {
  if (!/^\/proc\/\d+\/fd\/\d+\//.test(database)) return { require: () => undefined };
  const before = new Set(openFiles().keys());
  return {
    require(ending) {
      const own = ["", "-wal"].map((each) => identityOf(`${database}${each}`));
      const opened = [...openFiles()]
        .filter(([descriptor]) => !before.has(descriptor))
        .map(([, file]) => file);
      const wanted = own[ending === "" ? 0 : 1];
      if (wanted !== undefined && opened.includes(wanted) && opened.every((file) => own.includes(file)))
        return;
      throw new FilesExchangedError("something else stood at its name while it was opened");
    },
  };
}

/** Files, by descriptor. */
function openFiles(): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const name of readdirSync("/proc/self/fd")) {
    try {
      const file = fstatSync(Number(name), { bigint: true });
      if (file.isFile()) found.set(name, identity(file));
    } catch (error) {
      // The one that has just listed them.
      if (!hasCode(error, "EBADF")) throw error;
    }
  }
  return found;
}

function identityOf(path: string): string | undefined {
  const found = statSync(fsPath(path), { bigint: true, throwIfNoEntry: false });
  return found === undefined ? undefined : identity(found);
}

function identity({ dev, ino }: BigIntStats): string {
  return `${dev} ${ino}`;
}
