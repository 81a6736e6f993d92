/** What a freezer has to know of a chainstate's databases (`DatabaseRules` of the freeze layer), asked inside its cut. */
import { databases } from "./layout.ts";
import { runTipChecks } from "./checks.ts";
import type { Ask } from "./read-only-database.ts";
import { type ChainSource, Schema } from "./source.ts";
import { hasExternalTries, hasUnconfirmedTries, recordedEnd } from "./tries.ts";

/** In the order in which a node commits to them. */
const consensusDatabases: readonly string[] = [
  databases.clarity,
  databases.index,
  databases.nakamoto,
  databases.sortition,
];

export const chainstateRules = {
  consensusDatabases,

  appendOnlyFileOf(database: string): string | undefined {
    const marfs: readonly string[] = [databases.clarity, databases.index, databases.sortition];
    return marfs.includes(database) ? `${database}.blobs` : undefined;
  },

  async recordedLength(database: string, ask: Ask): Promise<number | "unstable"> {
    const schema = await Schema.of({ ask, has: () => true }, database);
    if (!hasExternalTries(schema)) return 0;
    if (await hasUnconfirmedTries(ask, database)) return "unstable";
    return recordedEnd(ask, database, schema);
  },

  async tipsAgree(ask: Ask): Promise<{ readonly agree: boolean; readonly detail: string }> {
    const findings = await runTipChecks(await asked(ask));
    const failures = findings.filter((finding) => finding.result === "failed");
    return {
      agree: failures.length === 0,
      detail: failures.map((finding) => `${finding.id}: ${finding.detail}`).join("; "),
    };
  },
};

/** All databases that are there are frozen; before Nakamoto one of them is not. */
async function asked(ask: Ask): Promise<ChainSource> {
  const hasNakamoto = await ask(databases.nakamoto, "SELECT 1 AS found").then(
    () => true,
    () => false,
  );
  return { ask, has: (database) => database !== databases.nakamoto || hasNakamoto };
}
