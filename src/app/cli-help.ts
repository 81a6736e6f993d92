/** What `--help` prints, from the table of inputs. */
import { commandNames, type CommandName, type InputSpec } from "../config/input-spec.ts";
import { inputNames, inputTable } from "../config/table.ts";

const commandMeanings = inputTable.command.choices as Readonly<Record<CommandName, string>>;

const ending = `Exit codes: 0 done, 1 failed, 2 wrong inputs, 130 ended by a signal. A run that is told to end (Ctrl-C, SIGTERM, a closed
terminal) brings the node back first. Credentials come from the environment, as for the action.`;

export function overview(columns: number): string {
  const width = Math.max(...commandNames.map((name) => name.length));
  const rows = commandNames.flatMap((name) => hanging(name, width, commandMeanings[name], columns));
  return [
    "Takes, verifies and restores snapshots of a Stacks node's chainstate.",
    "",
    "  chainstate-snapshot COMMAND --INPUT VALUE …",
    "  chainstate-snapshot COMMAND --help    its inputs",
    "",
    ...rows,
    "",
    "With every command:",
    ...hanging("--json", 9, "print outcome and outputs as JSON; the log goes to standard error", columns),
    ...hanging("--version", 9, "print the version", columns),
    "",
    ...wrap(ending.replaceAll("\n", " "), columns),
    "",
  ].join("\n");
}

export function helpOf(command: CommandName, columns: number): string {
  const inputs = inputNames.filter(
    (name) => name !== "command" && (inputTable[name] as InputSpec).commands.includes(command),
  );
  return [
    ...wrap(`chainstate-snapshot ${command}: ${commandMeanings[command]}.`, columns),
    "",
    ...inputs.flatMap((name) => [...describe(name, columns), ""]),
    ...wrap(ending.replaceAll("\n", " "), columns),
    "",
  ].join("\n");
}

function describe(name: (typeof inputNames)[number], columns: number): readonly string[] {
  const spec: InputSpec = inputTable[name];
  const { kind } = spec.parse;
  const form = kind === "boolean" ? "" : kind === "lines" ? " VALUE, again for each" : " VALUE";
  const preset = spec.default === "" ? spec.defaultWords : spec.default;
  const said = preset === undefined || kind === "boolean" ? "" : `  (default: ${preset})`;
  const choices = Object.entries(spec.choices ?? {}).flatMap(([value, meaning]) =>
    wrap(`${value}: ${meaning}`, columns - 8).map((line, at) => `${at === 0 ? "      " : "        "}${line}`),
  );
  return [
    ...wrap(`--${name}${form}${said}`, columns - 2).map((line, at) => `${at === 0 ? "  " : "    "}${line}`),
    ...wrap(spec.about, columns - 6).map((line) => `      ${line}`),
    ...choices,
  ].map((line) => line.replaceAll("`", ""));
}

function hanging(name: string, width: number, meaning: string, columns: number): readonly string[] {
  const indent = " ".repeat(width + 4);
  return wrap(meaning, columns - width - 4).map(
    (line, at) => `${at === 0 ? `  ${name.padEnd(width)}  ` : indent}${line.replaceAll("`", "")}`,
  );
}

function wrap(text: string, width: number): readonly string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= width)
      lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}
