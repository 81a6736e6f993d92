/**
 * Writes the generated parts of `action.yml` (its inputs, from the table in `src/config/table.ts`) and of the README
 * (inputs, outputs, from `action.yml`), each between its markers, and what `generate-actions.ts` makes of them. With `--check` it writes nothing and fails
 * when something would change. Run it after changing an input: `npm run node24 -- scripts/generate-readme.ts`.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { parse } from "yaml";
import { commandNames, type InputSpec } from "../src/config/input-spec.ts";
import { inputNames, inputTable, type InputName } from "../src/config/table.ts";
import { renderGenerated } from "./generate-actions.ts";

const root = join(import.meta.dirname, "..");
export const actionPath = join(root, "action.yml");
export const readmePath = join(root, "README.md");

interface ActionInput {
  readonly description: string;
  readonly default?: string;
}

export interface Action {
  readonly name: string;
  readonly inputs: Readonly<Record<string, ActionInput>>;
  readonly outputs: Readonly<Record<string, { readonly description: string }>>;
  readonly runs: Readonly<Record<"using" | "main" | "post" | "post-if", string>>;
}

function choicesOf(name: InputName): readonly (readonly [string, string])[] {
  const spec: InputSpec = inputTable[name];
  return Object.entries(spec.choices ?? {});
}

/** `action.yml` with the inputs of the table. */
export function renderAction(current: string): string {
  const blocks = inputNames.map((name) => {
    const spec: InputSpec = inputTable[name];
    const choices = choicesOf(name).map(([value, meaning]) => `      - \`${value}\`: ${meaning}`);
    const unset =
      spec.default === "" && spec.defaultWords !== undefined ? ` Default: ${spec.defaultWords}.` : "";
    const text = [`${spec.about}${unset}`, ...choices.map((line) => line.trimStart()), usedBy(spec)];
    return [
      `  ${name}:`,
      "    description: |-",
      ...text.map((line) => `      ${line}`),
      "    required: false",
      `    default: ${JSON.stringify(spec.default)}`,
    ].join("\n");
  });
  return between(current, "inputs", blocks.join("\n"), "#", "");
}

/** The README with what `action.yml` says. */
export function renderReadme(current: string, action: Action): string {
  const withInputs = between(current, "inputs", renderInputs(action), "<!--", "-->");
  return between(withInputs, "outputs", renderOutputs(action), "<!--", "-->");
}

export function readAction(text: string): Action {
  return parse(text) as Action;
}

function usedBy(spec: InputSpec): string {
  return spec.commands.length === commandNames.length
    ? "Used by every command."
    : `Used by: ${spec.commands.join(", ")}.`;
}

/** Headings of the README and the inputs below them; one that none names comes last, below a heading of its own. */
const groups: Readonly<Record<string, RegExp>> = {
  "What to do, where": /^(command|chainstate-dir|storage|snapshot|from|dry-run)$/,
  "The node": /^((node|start|stop|sync|quiet|force)-.*|rpc-url|sudo)$/,
  "How a snapshot is made":
    /^(method|downtime|freeze-with|volume.*|profile|exclude|check|trust-timestamps|compression-level)$/,
  "Which snapshots are kept and listed": /^(keep-(last|.*ly)|pin|unpin|delete|filter|max-age)$/,
  "Who is believed": /^(sign-key|trusted-sign.*|expect-digest|confirm-with)$/,
  "Restore and verify": /^(verify-scope|allow-.*|seed-from|keep-previous|cache|remove-after-job)$/,
  "S3 and what is compatible with it": /^s3-/,
  "How fast, and what else": /./,
};

function renderInputs(action: Action): string {
  let rest: readonly InputName[] = inputNames;
  return Object.entries(groups)
    .map(([title, pattern]) => {
      const names = rest.filter((name) => pattern.test(name));
      rest = rest.filter((name) => !pattern.test(name));
      return [title, names] as const;
    })
    .filter(([, names]) => names.length > 0)
    .map(([title, names]) => {
      const list = names.map((name) => `<code>${name}</code>`).join(" ");
      const rows = names.map((name) => renderInput(name, action.inputs[name]?.default ?? ""));
      const table = ["| input | used by | default | meaning |", "| --- | --- | --- | --- |", ...rows].join(
        "\n",
      );
      return `<details><summary><b>${title}</b>: ${list}</summary>\n\n${table}\n\n</details>`;
    })
    .join("\n");
}

function renderInput(name: InputName, preset: string): string {
  const spec: InputSpec = inputTable[name];
  const commands = spec.commands.length === commandNames.length ? "all" : spec.commands.join(", ");
  const words = preset === "" ? (spec.defaultWords ?? "–") : `\`${preset}\``;
  const choices = choicesOf(name).map(([value, meaning]) => `<br>\`${value}\`: ${meaning}`);
  return `| \`${name}\` | ${commands} | ${words} | ${cell(spec.about)}${cell(choices.join(""))} |`;
}

function renderOutputs(action: Action): string {
  const rows = Object.entries(action.outputs).map(
    ([name, { description }]) => `| \`${name}\` | ${cell(description)} |`,
  );
  return ["| output | meaning |", "| --- | --- |", ...rows].join("\n");
}

function cell(text: string): string {
  return text.trim().replaceAll("|", "\\|").replaceAll("\n", " ");
}

/** Replaces what stands between `begin` and `end` of a marker. */
function between(text: string, name: string, content: string, open: string, close: string): string {
  const marker = (word: string): string =>
    `${open} generated ${name}: ${word}${close === "" ? "" : ` ${close}`}`;
  const begin = text.indexOf(marker("begin"));
  const end = text.indexOf(marker("end"));
  if (begin < 0 || end < begin) throw new Error(`The markers of "generated ${name}" are missing.`);
  const head = text.slice(0, begin + marker("begin").length);
  const gap = close === "" ? "\n" : "\n\n";
  // A formatter would pad every row of a table to its longest.
  const [first, last] =
    close === "" ? ["", ""] : ["<!-- prettier-ignore-start -->\n\n", "\n\n<!-- prettier-ignore-end -->"];
  const indent = text.slice(text.lastIndexOf("\n", end) + 1, end);
  return `${head}${gap}${first}${content}${last}${gap}${indent}${text.slice(end)}`;
}

function main(check: boolean): void {
  const action = renderAction(readFileSync(actionPath, "utf8"));
  const readme = renderReadme(readFileSync(readmePath, "utf8"), readAction(action));
  const others = Object.entries(renderGenerated(readAction(action)));
  for (const [path, wanted] of [
    [actionPath, action],
    [readmePath, readme],
    ...others.map(([name, text]) => [join(root, name), text] as const),
  ] as const) {
    mkdirSync(dirname(path), { recursive: true });
    if (readFileSync(path, { encoding: "utf8", flag: check ? "r" : "a+" }) === wanted) continue;
    if (check)
      throw new Error(`${path} is not what the table of inputs says. Run scripts/generate-readme.ts.`);
    writeFileSync(path, wanted);
    console.log(`wrote ${path}`);
  }
}

if (import.meta.main) main(process.argv.includes("--check"));
