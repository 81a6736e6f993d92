/** What is said in `action.yml` and the README agrees with the program. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { loadInputs } from "../src/config/inputs.ts";
import { variableOf } from "../src/config/given.ts";
import type { InputSpec } from "../src/config/input-spec.ts";
import { inputNames, inputTable, type InputName } from "../src/config/table.ts";
import { errorCodes, errorGroups } from "../src/domain/error-codes.ts";
import { outputNames } from "../src/report/port.ts";
import {
  actionPath,
  readAction,
  readmePath,
  renderAction,
  renderReadme,
} from "../scripts/generate-readme.ts";
import { renderGenerated } from "../scripts/generate-actions.ts";
import { errorsPath, renderErrors } from "../scripts/generate-errors.ts";
import { lintOurs } from "../scripts/lint-workflows.ts";
import { recipe, recipesPath } from "./e2e/recipe.ts";

const root = join(import.meta.dirname, "..");
const actionText = readFileSync(actionPath, "utf8");
const readme = readFileSync(readmePath, "utf8");
const action = readAction(actionText);

describe("action.yml", () => {
  test("is what the table of inputs says", () => {
    expect(renderAction(actionText)).toBe(actionText);
    expect(Object.keys(action.inputs)).toEqual(inputNames);
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
      runs: { using: "node24", main: "dist/main.js", post: "dist/post.js", "post-if": "always()" },
      branding: { icon: "archive", color: "purple" },
    });
  });
});

describe("the actions of one command each, and action-types.yml", () => {
  const generated = renderGenerated(action);

  test.each(Object.entries(generated))("%s is what action.yml says", (path, text) => {
    expect(readFileSync(join(root, path), "utf8")).toBe(text);
  });

  test.each(Object.keys(generated).filter((path) => path.endsWith("/action.yml")))(
    "%s takes the inputs of its command and runs the one dist",
    (path) => {
      const { inputs, runs } = readAction(generated[path] ?? "");
      const command = dirname(path);
      const used = inputNames.filter(
        (name) => name === "command" || (inputTable[name] as InputSpec).commands.includes(command as never),
      );
      expect(Object.keys(inputs)).toEqual(used);
      expect(inputs["command"]?.default).toBe(command);
      expect(runs).toMatchObject({ main: "../dist/main.js", post: "../dist/post.js", "post-if": "always()" });
    },
  );
});

describe("the README", () => {
  test("has the inputs and outputs of action.yml", () => {
    expect(renderReadme(readme, action)).toBe(readme);
    for (const name of [...Object.keys(action.inputs), ...Object.keys(action.outputs)]) {
      expect(readme).toContain(`| \`${name}\` |`);
    }
  });

  test("has a workflow to begin with that the program takes as it stands", () => {
    const block = /```yaml\n(on:[\s\S]*?)```/.exec(readme)?.[1] ?? "";
    const given = [...block.matchAll(/^ {10}([\w-]+): (.+)$/gm)].map(([, name, value]) => [
      variableOf(name ?? ""),
      value,
    ]);
    expect(given.length).toBeGreaterThan(1);
    expect(loadInputs(Object.fromEntries(given))).toMatchObject({ command: "snapshot" });
  });

  test("asks for the rights of AWS that the recipe asks for", () => {
    const page = readFileSync(join(root, "docs/permissions.md"), "utf8");
    const policy = /```json\n(\{[\s\S]*?)```/.exec(page)?.[1] ?? "";
    expect(JSON.parse(policy)).toEqual(recipe("AWS").json("policy: writer"));
  });
});

describe("the codes of errors", () => {
  test("stand in docs/errors.md as in their table", () => {
    expect(readFileSync(errorsPath, "utf8")).toBe(renderErrors());
  });

  test("are all raised by the program", () => {
    const source = readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" })
      .filter((path) => path.endsWith(".ts") && !path.endsWith("error-codes.ts"))
      .map((path) => readFileSync(join(root, "src", path), "utf8"))
      .join("\n");
    expect(Object.keys(errorCodes).filter((code) => !source.includes(`"${code}"`))).toEqual([]);
  });

  test("belong to one group each", () => {
    const codes = Object.values(errorGroups).flatMap((group) => Object.keys(group));
    expect(codes.toSorted()).toEqual(Object.keys(errorCodes).toSorted());
  });
});

const pages = ["README.md", ...readdirSync(join(root, "docs")).map((name) => `docs/${name}`)].filter((path) =>
  path.endsWith(".md"),
);
test.each(pages)("%s links to files and headings that are there", (page) => {
  const read = (path: string): string => readFileSync(join(root, path), "utf8");
  const missing = [...read(page).matchAll(/\]\(([^)\s:#]*)(?:#([^)]*))?\)/g)].filter(
    ([, path = "", heading]) => {
      const target = path === "" ? page : join(dirname(page), path);
      if (!existsSync(join(root, target))) return true;
      return heading !== undefined && !headingsOf(read(target)).includes(heading);
    },
  );
  expect(missing.map(([link]) => link)).toEqual([]);
});

/** As GitHub names them. */
function headingsOf(text: string): readonly string[] {
  return [...text.matchAll(/^#+ (.+)$/gm)].map(([, title = ""]) =>
    title
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
      .replaceAll(" ", "-"),
  );
}

describe("the recipes for stores", () => {
  const text = readFileSync(recipesPath, "utf8");
  const titles = [...text.matchAll(/^## (.+)$/gm)].map(([, title = ""]) => title);

  test.each(titles)("%s: inputs that the program takes", (title) => {
    const given = Object.entries(recipe(title).inputs).map(([name, value]) => [variableOf(name), value]);
    expect(() => loadInputs(Object.fromEntries(given))).not.toThrow();
  });

  test("pin what they use by commit", () => {
    const steps = [...text.matchAll(/^ *(- uses:.*)$/gm)].map(([, step]) => `  ${step}`);
    const faults = lintOurs("docs", ["permissions: {}", "jobs: {}", "steps:", ...steps].join("\n"));
    expect(faults).toEqual([]);
    expect(text.match(/@[0-9a-f]{40} # v/g)?.length).toBeGreaterThan(1);
  });
});

test("words that nobody in the field uses stand nowhere", () => {
  const banned = /\b(?:rooms?|furnish|revive[dr]?|outage)\b/i;
  const below = (directory: string): readonly string[] =>
    readdirSync(join(root, directory), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name));
  const files = [...below("src"), ...below("docs"), readmePath, actionPath].filter((path) =>
    /\.(?:ts|md|yml)$/.test(path),
  );
  const found = files.flatMap((path) =>
    readFileSync(path, "utf8")
      .split("\n")
      .flatMap((line, index) => (banned.test(line) ? [`${path}:${index + 1}`] : [])),
  );
  expect(found).toEqual([]);
});
