/** What docs/store-recipes.md tells people to write, taken out of it. */
import { readFileSync } from "node:fs";
import { parse } from "yaml";

export const recipesPath = new URL("../../docs/store-recipes.md", import.meta.url);
const page = readFileSync(recipesPath, "utf8");

interface Step {
  readonly uses?: string;
  readonly with?: Readonly<Record<string, unknown>>;
}

export interface Recipe {
  /** Of the last step with this action. */
  readonly inputs: Readonly<Record<string, string>>;
  readonly storage: string;
  /** The block after the comment of this name. */
  json(name: string): unknown;
}

export function recipe(title: string): Recipe {
  const section = page.split(/^## /m).find((text) => text.startsWith(`${title}\n`));
  if (section === undefined) throw new Error(`there is no recipe “${title}”`);
  const steps = [...section.matchAll(/^```yaml\n([\s\S]*?)^```/gm)].flatMap(
    ([, text = ""]) => (parse(text) as { steps: readonly Step[] }).steps,
  );
  const ours = steps.findLast(({ uses }) => uses?.startsWith("OWNER/chainstate-snapshot@") === true);
  if (ours === undefined) throw new Error(`the recipe “${title}” has no step`);
  const inputs = Object.fromEntries(
    Object.entries(ours.with ?? {}).map(([name, value]) => [name, String(value)]),
  );
  return {
    inputs,
    storage: inputs["storage"] ?? "",
    json(name) {
      const text = new RegExp(`<!-- ${name} -->\\s+\`\`\`json\\n([\\s\\S]*?)\`\`\``).exec(section)?.[1];
      if (text === undefined) throw new Error(`the recipe “${title}” has no block ${name}`);
      return JSON.parse(text) as unknown;
    },
  };
}
