/** The command line's words: the inputs of `action.yml`, by the same names, with the same meaning and the same errors. */
import { describe, expect, test } from "vitest";
import { helpOf, overview } from "../../src/app/cli-help.ts";
import { readCommandLine } from "../../src/app/cli-options.ts";
import { reasonNotHere } from "../../src/app/host.ts";
import { commandNames, type InputSpec } from "../../src/config/input-spec.ts";
import { loadInputs, loadOptions } from "../../src/config/inputs.ts";
import { inputNames, inputTable, type InputName } from "../../src/config/table.ts";
import { defaultInputs } from "../../simulator/runner.ts";
import { inputVariables, needed, type InputTexts } from "../inputs-builder.ts";

/** A value of each input that is neither its default nor refused, with what it needs beside it. */
const samples: Readonly<Partial<Record<InputName, InputTexts>>> = {
  "node-start-command": { "node-manager": "process" },
  "node-stop-command": { "node-manager": "command", "node-start-command": "systemd-run /opt/node" },
  "freeze-with": {},
  "volume-driver": { method: "volume" },
  volume: { method: "volume" },
  "keep-clone": { "rebase-above": "20%" },
  "trusted-signer-set": { check: "proof" },
  boot: { "node-program": "/opt/stacks-node", "node-config": "/etc/stacks/Config.toml" },
  "node-program": { boot: "true", "node-config": "/etc/stacks/Config.toml" },
  "replay-blocks": { "node-inspector": "/opt/stacks-inspect" },
  "node-inspector": { "replay-blocks": "7" },
  "node-image": { "replay-blocks": "7" },
  "node-config": { "replay-blocks": "7", "node-inspector": "/opt/stacks-inspect" },
};

const values: Readonly<Partial<Record<InputName, string>>> = {
  "chainstate-dir": "/var/stacks/testnet",
  storage: "s3://bucket/prefix",
  from: "https://host.example/other.tar.zst",
  snapshot: "height<=100",
  cache: "/var/cache/chainstates",
  "seed-from": "/var/a\n/var/b",
  exclude: "*.log\na/**",
  volume: "tank/a\ntank/b",
  filter: "network=mainnet\nheight>=7",
  "node-name": "stacks-node-2",
  "s3-endpoint": "https://minio.example.org",
  "s3-sse": "AES256",
  "rpc-url": "none",
  "metrics-file": "/var/lib/x.prom",
  "node-program": "/opt/stacks-node",
  "node-inspector": "/opt/stacks-inspect",
  "node-config": "/etc/stacks/Config.toml",
};

function valueOf(name: InputName): string {
  const { default: preset, choices = {}, parse }: InputSpec = inputTable[name];
  const given = values[name] ?? Object.keys(choices).find((choice) => choice !== preset);
  if (given !== undefined) return given;
  if (parse.kind === "boolean") return preset === "true" ? "false" : "true";
  return ["7", "7m", "7MiB", "word"].find((text) => takes(name, text)) ?? "";
}

function takes(name: InputName, text: string): boolean {
  try {
    inputTable[name].parse(text, name);
    return text !== inputTable[name].default;
  } catch {
    return false;
  }
}

const cases = Object.keys(defaultInputs())
  .filter((name) => name !== "command")
  .flatMap((name) =>
    (inputTable[name as InputName] as InputSpec).commands.map((command) => [command, name] as const),
  );

describe("every input of action.yml is an option", () => {
  test.each(cases)("%s --%s", (command, text) => {
    const name = text as InputName;
    const onS3 = name.startsWith("s3-") ? { storage: "s3://bucket/prefix" } : {};
    const beside: InputTexts = { ...needed[command], ...onS3, ...samples[name], [name]: valueOf(name) };
    const given = Object.fromEntries(
      // A directory that is verified is no snapshot.
      Object.entries(beside).filter(
        ([one]) => !(command === "verify" && name === "chainstate-dir" && one !== name),
      ),
    ) as InputTexts;
    const isOne = (one: string, kind: string): boolean =>
      (inputTable[one as InputName] as InputSpec).parse.kind === kind;
    const words = Object.entries(given).flatMap(([one, value]) =>
      isOne(one, "boolean") && value === "true"
        ? [`--${one}`]
        : isOne(one, "lines")
          ? value.split("\n").flatMap((line) => [`--${one}`, line])
          : [`--${one}`, value],
    );
    const line = readCommandLine([command, ...words]);
    expect(line).toMatchObject({ wants: "run", command });
    expect(loadOptions(line.texts)).toEqual(loadInputs(inputVariables({ ...given, command })));
    expect(helpOf(command, 100)).toContain(`--${name}`);
  });
});

test("help of a command has its inputs alone, and of the program every command", () => {
  for (const command of commandNames) {
    const help = helpOf(command, 80);
    const shown = [...help.matchAll(/^ {2}--([\w-]+)/gm)].map(([, name]) => name);
    expect(shown).toEqual(
      inputNames.filter(
        (name) => name !== "command" && (inputTable[name] as InputSpec).commands.includes(command),
      ),
    );
    expect(Math.max(...help.split("\n").map((line) => line.length))).toBeLessThanOrEqual(100);
    expect(overview(80)).toContain(`\n  ${command}`);
    for (const words of [
      ["help", command],
      [command, "--help"],
      [command, "-h", "--storage", "x"],
    ])
      expect(readCommandLine(words)).toMatchObject({ wants: "help", command });
  }
});

test("booleans are options alone or with a value", () => {
  const pinOf = (...words: string[]): string | undefined =>
    readCommandLine(["snapshot", ...words]).texts.get("pin");
  expect([pinOf("--pin"), pinOf("--pin", "false"), pinOf("--pin=true"), pinOf()]).toEqual([
    "true",
    "false",
    "true",
    undefined,
  ]);
});

test("what nobody knows is told with the rest", () => {
  const load =
    (...words: string[]) =>
    () =>
      loadOptions(readCommandLine(words).texts);
  expect(load("snapshto", "--storage", "file:///a")).toThrow("Did you mean 'snapshot'?");
  expect(load("list", "--storage", "file:///a", "--foo")).toThrow("There is no input 'foo'.");
  expect(load("list", "--storage", "file:///a", "extra")).toThrow("There is no input 'extra'.");
  expect(load("list", "--strage", "file:///a")).toThrow(/strage[^]*storage/);
  expect(load("list", "--storage")).toThrow("'true' is not valid for 'storage'");
});

test("where it cannot run it says so in one sentence", () => {
  expect(reasonNotHere({ node: "24.0.0" }, "linux")).toBeUndefined();
  expect(reasonNotHere({ node: "20.19.2" }, "linux")).toMatch(
    /^chainstate-snapshot needs Node.js 24 .*20\.19\.2/,
  );
  expect(reasonNotHere({ node: "24.19.0" }, "darwin")).toMatch(/Linux only.*darwin/);
});
