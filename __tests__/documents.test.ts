/** What is said in `action.yml` and the README agrees with the program. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { loadInputs } from "../src/inputs.ts";
import { variableOf } from "../src/inputs/given.ts";
import { inputTable, type InputName, type InputSpec } from "../src/inputs/table.ts";
import { outputNames } from "../src/report/port.ts";
import {
  actionPath,
  availableInputs,
  readAction,
  readmePath,
  renderAction,
  renderReadme,
} from "../scripts/generate-readme.ts";

const root = join(import.meta.dirname, "..");
const actionText = readFileSync(actionPath, "utf8");
const readme = readFileSync(readmePath, "utf8");
const action = readAction(actionText);

describe("action.yml", () => {
  test("is what the table of inputs says", () => {
    expect(renderAction(actionText)).toBe(actionText);
    expect(Object.keys(action.inputs)).toEqual([...availableInputs]);
  });

  test("has defaults that the parser takes", () => {
    for (const [name, { default: preset }] of Object.entries(action.inputs)) {
      const spec: InputSpec = inputTable[name as InputName];
      expect(preset).toBe(spec.default);
      expect(() => spec.default === "" || spec.parse(spec.default, name)).not.toThrow();
    }
  });

  test("has every output that the program sets, and no other", () => {
    expect(Object.keys(action.outputs)).toEqual([...outputNames]);
  });

  test("runs dist under node24, and after the job whatever happened", () => {
    expect(action).toMatchObject({
      runs: { using: "node24", main: "dist/index.js", post: "dist/index.js", "post-if": "always()" },
      branding: { icon: "archive", color: "purple" },
    });
  });
});

describe("the README", () => {
  test("has the inputs and outputs of action.yml", () => {
    expect(renderReadme(readme, action)).toBe(readme);
    for (const name of [...Object.keys(action.inputs), ...Object.keys(action.outputs)]) {
      expect(readme).toContain(`| \`${name}\` |`);
    }
  });

  test("has a smallest workflow that the program takes as it stands", () => {
    const block = /```yaml\n(on:[\s\S]*?)```/.exec(readme)?.[1] ?? "";
    const given = [...block.matchAll(/^ {10}([\w-]+): (.+)$/gm)].map(([, name, value]) => [
      variableOf(name ?? ""),
      value,
    ]);
    expect(given.length).toBeGreaterThan(1);
    expect(loadInputs(Object.fromEntries(given))).toMatchObject({ command: "snapshot" });
  });

  test("explains no error that the program does not know", () => {
    const source = readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" })
      .filter((path) => path.endsWith(".ts"))
      .map((path) => readFileSync(join(root, "src", path), "utf8"))
      .join("\n");
    const codes = [...readme.matchAll(/^\| `([A-Z_]+)` +\|/gm)].map(([, code]) => code);
    expect(codes.length).toBeGreaterThan(15);
    expect(codes.filter((code) => !source.includes(`"${code}"`))).toEqual([]);
  });

  test("links to files that are there", () => {
    const links = [...readme.matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g)].map(([, path = ""]) => path);
    const missing = links.filter((path) => !existsSync(join(root, path)));
    expect(missing).toEqual([]);
  });
});
