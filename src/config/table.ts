/**
 * The one table of inputs: which commands use each, its default, how its text is read, and what is said about it.
 * `action.yml` and the README are generated from it, in its order (`scripts/generate-readme.ts`), `inputs.ts` reads by it,
 * and a test holds the three together.
 */
import { nodeInputs } from "./table-node.ts";
import { restoreInputs } from "./table-restore.ts";
import { snapshotInputs } from "./table-snapshot.ts";
import { trustInputs } from "./table-trust.ts";

export const inputTable = { ...nodeInputs, ...snapshotInputs, ...restoreInputs, ...trustInputs };

export type InputName = keyof typeof inputTable;
export const inputNames = Object.keys(inputTable) as InputName[];
