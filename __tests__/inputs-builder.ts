/** Configurations for tests, made the way the program makes them: texts of inputs over the defaults of action.yml. */
import type { Config } from "../src/config/config.ts";
import { loadInputs } from "../src/config/inputs.ts";
import { variableOf } from "../src/config/given.ts";
import type { CommandName } from "../src/config/input-spec.ts";
import { inputNames, inputTable, type InputName } from "../src/config/table.ts";

export type InputTexts = Partial<Record<InputName, string>>;

/** What each command cannot do without. */
export const needed: Readonly<Record<CommandName, InputTexts>> = {
  snapshot: { "chainstate-dir": "/var/stacks/mainnet", storage: "file:///srv/snapshots" },
  restore: { "chainstate-dir": "/var/stacks/mainnet", storage: "file:///srv/snapshots" },
  verify: { storage: "file:///srv/snapshots" },
  list: { storage: "file:///srv/snapshots" },
  prune: { storage: "file:///srv/snapshots" },
  import: { storage: "file:///srv/snapshots", from: "https://host.example/mainnet.tar.zst" },
};

/** The `INPUT_…` variables as a runner sets them: every default of action.yml, then what the workflow gave. */
export function inputVariables(given: InputTexts): Record<string, string> {
  const texts = inputNames.map((name) => [variableOf(name), given[name] ?? inputTable[name].default]);
  return Object.fromEntries(texts) as Record<string, string>;
}

/** `createInputs({ command: "restore", snapshot: "height<=5" })`; what the command needs is filled in. */
export function createInputs<C extends CommandName = "snapshot">(
  given: InputTexts & { readonly command?: C } = {},
): Extract<Config, { command: C }> {
  const command = given.command ?? "snapshot";
  const texts = { ...needed[command], ...given };
  return loadInputs(inputVariables(texts)) as Extract<Config, { command: C }>;
}
