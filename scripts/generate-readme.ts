/**
 * Writes the generated parts of `action.yml` (its inputs, from the table in `src/inputs/table.ts`) and of the README
 * (usage, inputs, outputs, from `action.yml`), each between its markers. With `--check` it writes nothing and fails
 * when something would change. Run it after changing an input: `npm run node24 -- scripts/generate-readme.ts`.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { inputNames, inputTable, type InputName, type InputSpec } from "../src/inputs/table.ts";

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
  const withUsage = between(current, "usage", renderUsage(action), "<!--", "-->");
  const withInputs = between(withUsage, "inputs", renderInputs(action), "<!--", "-->");
  return between(withInputs, "outputs", renderOutputs(action), "<!--", "-->");
}

export function readAction(text: string): Action {
  return parse(text) as Action;
}

function usedBy(spec: InputSpec): string {
  return spec.commands.length === 5 ? "Used by every command." : `Used by: ${spec.commands.join(", ")}.`;
}

function renderUsage(action: Action): string {
  const lines = Object.entries(action.inputs).flatMap(([name, { description, default: preset }]) => {
    const about = description.split("\n");
    return [...about.map((line) => `    # ${line}`), `    ${name}: ${JSON.stringify(preset ?? "")}`, ""];
  });
  const yaml = ["- uses: OWNER/chainstate-snapshot@v0", "  with:", ...lines].join("\n").trimEnd();
  return `<details><summary>Every input with its default, to copy</summary>\n\n\`\`\`yaml\n${yaml}\n\`\`\`\n\n</details>`;
}

function renderInputs(action: Action): string {
  const rows = Object.entries(action.inputs).map(([name, input]) => {
    const spec: InputSpec = inputTable[name as InputName];
    const commands = spec.commands.length === 5 ? "all" : spec.commands.join(", ");
    const preset = input.default === "" ? (spec.defaultWords ?? "–") : `\`${input.default}\``;
    const choices = choicesOf(name as InputName).map(([value, meaning]) => `<br>\`${value}\`: ${meaning}`);
    return `| \`${name}\` | ${commands} | ${preset} | ${cell(spec.about)}${cell(choices.join(""))} |`;
  });
  return ["| input | used by | default | meaning |", "| --- | --- | --- | --- |", ...rows].join("\n");
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
  for (const [path, wanted] of [
    [actionPath, action],
    [readmePath, readme],
  ] as const) {
    if (readFileSync(path, "utf8") === wanted) continue;
    if (check)
      throw new Error(`${path} is not what the table of inputs says. Run scripts/generate-readme.ts.`);
    writeFileSync(path, wanted);
    console.log(`wrote ${path}`);
  }
}

if (import.meta.main) main(process.argv.includes("--check"));
