/** The words of a command line: a command, inputs as options of the same names, and what is asked of the program itself. */
import { parseArgs, type ParseArgsConfig } from "node:util";
import { commandNames, type CommandName, type InputSpec } from "../config/input-spec.ts";
import { inputNames, inputTable } from "../config/table.ts";

export interface CommandLine {
  readonly wants: "run" | "help" | "version";
  /** The command as it was written, where there is one of that name. */
  readonly command: CommandName | undefined;
  /** By the input's name, `command` among them; names that are no input's too. */
  readonly texts: ReadonlyMap<string, string>;
  /** Outputs as JSON on standard output, the log on standard error. */
  readonly asJson: boolean;
}

const own = ["help", "version", "json"] as const;

/** Never throws: what is wrong with the words is said with the other wrong inputs. */
export function readCommandLine(argv: readonly string[]): CommandLine {
  const { values, positionals } = parseArgs({
    args: joinBooleans(argv),
    options: optionsOf(),
    strict: false,
    allowPositionals: true,
  });
  const texts = new Map<string, string>();
  const [command, ...others] = positionals;
  if (command !== undefined) texts.set("command", command);
  // A word that belongs to nothing is as wrong as an option that nobody knows.
  for (const word of others) texts.set(word, "");
  for (const [name, value] of Object.entries(values)) {
    if ((own as readonly string[]).includes(name)) continue;
    // `--pin` alone; of an input that needs a value it is as if the option were empty, which is a value that is refused.
    texts.set(name, Array.isArray(value) ? value.join("\n") : String(value));
  }
  return {
    wants:
      values["help"] === true || command === "help" ? "help" : values["version"] === true ? "version" : "run",
    command: commandNames.find((name) => name === (command === "help" ? others[0] : command)),
    texts,
    asJson: values["json"] === true,
  };
}

/** `--pin false` as one word: an option of this kind takes none of its own accord. */
function joinBooleans(argv: readonly string[]): string[] {
  const words: string[] = [];
  for (const word of argv) {
    const before = words.at(-1);
    const isValue = (word === "true" || word === "false") && before !== undefined && isBooleanOption(before);
    if (isValue) words[words.length - 1] = `${before}=${word}`;
    else words.push(word);
  }
  return words;
}

function isBooleanOption(word: string): boolean {
  const name = inputNames.find((one) => `--${one}` === word);
  return name !== undefined && (inputTable[name] as InputSpec).parse.kind === "boolean";
}

function optionsOf(): NonNullable<ParseArgsConfig["options"]> {
  const inputs = inputNames
    .filter((name) => name !== "command")
    .map((name) => {
      const { kind } = (inputTable[name] as InputSpec).parse;
      const option =
        kind === "boolean"
          ? { type: "boolean" as const }
          : { type: "string" as const, multiple: kind === "lines" };
      return [name, option] as const;
    });
  return {
    ...Object.fromEntries(inputs),
    help: { type: "boolean", short: "h" },
    version: { type: "boolean" },
    json: { type: "boolean" },
  };
}
