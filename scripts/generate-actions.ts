/**
 * The files that say the same as `action.yml` of a part of it, or to another reader: an action a command (`restore/`,
 * `verify/` …), which takes only the inputs of that command, and `action-types.yml`, from which typed generators of workflows
 * learn what each input is. Written by `generate-readme.ts`.
 */
import { stringify } from "yaml";
import type { InputSpec } from "../src/config/input-spec.ts";
import { inputNames, inputTable, type InputName } from "../src/config/table.ts";
import type { OutputName } from "../src/report/port.ts";
import type { Action } from "./generate-readme.ts";

/** Commands that have an action of their own, and the outputs they set; `snapshot` is the action itself. */
const subActions = {
  restore: [
    "snapshot-id",
    "stacks-height",
    "burn-height",
    "fetched-bytes",
    "reused-frames",
    "reused-percent",
    "downtime-seconds",
    "node-running",
    "restored-dir",
    "cache-hit",
    "plan",
  ],
  verify: ["snapshot-id", "stacks-height", "burn-height", "fetched-bytes"],
  list: ["snapshots", "newest-id", "newest-created-at"],
  prune: ["pruned", "plan"],
  import: [
    "snapshot-id",
    "archive-url",
    "manifest-url",
    "manifest-path",
    "manifest-digest",
    "stacks-height",
    "burn-height",
    "size-bytes",
    "uploaded-bytes",
    "reused-frames",
    "reused-percent",
    "pruned",
  ],
} as const satisfies Readonly<Record<string, readonly OutputName[]>>;

type SubAction = keyof typeof subActions;

/** Path below the checkout → text. */
export function renderGenerated(action: Action): Readonly<Record<string, string>> {
  const names = Object.keys(subActions) as SubAction[];
  return {
    "action-types.yml": renderTypes(action),
    ...Object.fromEntries(names.map((name) => [`${name}/action.yml`, renderSubAction(name, action)])),
  };
}

const head = "# Generated from src/config/table.ts by scripts/generate-readme.ts.\n";

function renderSubAction(name: SubAction, { inputs, outputs, runs }: Action): string {
  const used = Object.entries(inputs).filter(
    ([input]) => input !== "command" && (inputTable[input as InputName] as InputSpec).commands.includes(name),
  );
  const command = {
    description: `Stays as it is: this action is the main one with \`command: ${name}\`.`,
    required: false,
    default: name,
  };
  const document = {
    name: `Stacks chainstate snapshot: ${name}`,
    description: (inputTable.command.choices as Readonly<Record<string, string>>)[name],
    author: "The chainstate-snapshot authors",
    inputs: { command, ...Object.fromEntries(used) },
    outputs: Object.fromEntries(subActions[name].map((output) => [output, outputs[output]])),
    runs: { ...runs, main: `../${runs.main}`, post: `../${runs.post}` },
  };
  return head + stringify(document, { lineWidth: 0 });
}

function renderTypes({ outputs }: Action): string {
  const inputs = Object.fromEntries(inputNames.map((name) => [name, typeOf(inputTable[name])]));
  const results = Object.fromEntries(Object.keys(outputs).map((name) => [name, { type: "string" }]));
  const types = stringify({ inputs, outputs: results }, { blockQuote: false });
  return `${head}# See https://github.com/typesafegithub/github-actions-typing\n${types}`;
}

function typeOf(spec: InputSpec): Readonly<Record<string, unknown>> {
  if (spec.parse.kind === "boolean") return { type: "boolean" };
  if (spec.parse.kind === "count" || takes(spec, "0")) return { type: "integer" };
  if (spec.parse.kind === "lines") return { type: "list", separator: "\n", "list-item": { type: "string" } };
  const values = Object.keys(spec.choices ?? {});
  const isClosed = values.length > 0 && values.every((value) => takes(spec, value)) && !takesAnything(spec);
  return isClosed ? { type: "enum", "allowed-values": values } : { type: "string" };
}

function takesAnything(spec: InputSpec): boolean {
  return takes(spec, "anything-else") || takes(spec, "/anything/else");
}

function takes(spec: InputSpec, text: string): boolean {
  try {
    return typeof spec.parse(text, "") === (/^\d+$/.test(text) ? "number" : "string");
  } catch {
    return false;
  }
}
