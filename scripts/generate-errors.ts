/**
 * Writes `docs/errors.md` from the table in `src/domain/error-codes.ts`. With `--check` it writes nothing and fails when
 * something would change. Run it after changing the table: `npm run node24 -- scripts/generate-errors.ts`.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { errorGroups } from "../src/domain/error-codes.ts";

export const errorsPath = join(import.meta.dirname, "..", "docs", "errors.md");

const head = `# Errors

<!-- Generated from src/domain/error-codes.ts by scripts/generate-errors.ts. -->

Every error has a code: it ends the title of the annotation, and stands in the summary and the log. The message itself says which file, process or
object it was, whether the node is running, and what to do.`;

/** A heading each, so that an error can link to its code. */
export function renderErrors(): string {
  const sections = Object.entries(errorGroups).flatMap(([title, codes]) => [
    `## ${title}`,
    ...Object.entries(codes).map(([code, [happened, remedy]]) => `### ${code}\n\n${happened} ${remedy}`),
  ]);
  return `${[head, ...sections].join("\n\n")}\n`;
}

function main(check: boolean): void {
  const wanted = renderErrors();
  if (readFileSync(errorsPath, { encoding: "utf8", flag: "a+" }) === wanted) return;
  if (check) throw new Error(`${errorsPath} is not what the table says. Run scripts/generate-errors.ts.`);
  writeFileSync(errorsPath, wanted);
  console.log(`wrote ${errorsPath}`);
}

if (import.meta.main) main(process.argv.includes("--check"));
