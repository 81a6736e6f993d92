/**
 * Writes the JSON Schema of the manifest to `schema/manifest.schema.json`, from the valibot schema the program itself
 * uses. A test compares the two.
 *
 *   node scripts/generate-schema.ts
 */
import { writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { toJsonSchema } from "@valibot/to-json-schema";
import { format, resolveConfig } from "prettier";
import { manifestSchema } from "../src/domain/manifest.ts";

export const schemaPath = join(resolve(import.meta.dirname, ".."), "schema", "manifest.schema.json");

export async function manifestJsonSchema(): Promise<string> {
  const { required = [], ...shape } = toJsonSchema(manifestSchema, {
    target: "draft-2020-12",
    // JSON itself has no number that is not finite.
    ignoreActions: ["finite"],
  });
  const schema = {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: "Manifest of a Stacks chainstate snapshot",
    description:
      "snapshots/<id>/manifest.json. Sizes in bytes, times in ISO 8601 UTC, hashes in lower-case hex. " +
      "`digest` is the SHA-256 of the JSON text without spaces of everything before it.",
    ...shape,
    // Inside the program a manifest has no digest until it is written; what is written always has one.
    required: [...required, "digest"],
  };
  return await format(JSON.stringify(schema), { ...(await resolveConfig(schemaPath)), parser: "json" });
}

if (process.argv[1] === import.meta.filename) writeFileSync(schemaPath, await manifestJsonSchema());
