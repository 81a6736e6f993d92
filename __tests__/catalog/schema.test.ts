import { readFileSync } from "node:fs";
import { Ajv2020 } from "ajv/dist/2020.js";
import { describe, expect, test } from "vitest";
import { writeManifest } from "../../src/catalog/manifest-text.ts";
import { manifestJsonSchema, schemaPath } from "../../scripts/generate-schema.ts";
import { sampleManifest } from "./samples.ts";

describe("the published JSON Schema", () => {
  const validator = new Ajv2020({
    formats: { "date-time": (text: string) => !Number.isNaN(Date.parse(text)) && text.endsWith("Z") },
  });
  const validate = validator.compile(JSON.parse(readFileSync(schemaPath, "utf8")) as object);
  const at = new Date(Date.UTC(2026, 10, 22));
  const written = (sample: Parameters<typeof sampleManifest>[0]): Record<string, unknown> =>
    JSON.parse(Buffer.from(writeManifest(sampleManifest(sample)).bytes).toString()) as Record<
      string,
      unknown
    >;

  test("is what the program's own schema says (else run scripts/generate-schema.ts)", async () => {
    expect(readFileSync(schemaPath, "utf8")).toBe(await manifestJsonSchema());
  });

  test("takes what is written", () => {
    const volumes = [
      {
        driver: "zfs",
        source: "tank/stacks",
        snapshot: "tank/stacks@x",
        createdAt: at.toISOString(),
        guid: 7,
      },
    ];
    for (const sample of [{ at }, { at, pinned: true }, { at, volumes }]) {
      validate(written(sample));
      expect(validate.errors).toBeNull();
    }
  });

  test("refuses what the program refuses", () => {
    const good = written({ at });
    const { digest: _, ...unsealed } = good;
    const archive = good["archive"] as Record<string, unknown>;
    for (const bad of [
      unsealed,
      { ...good, extra: 1 },
      { ...good, version: 2 },
      { ...good, archive: { ...archive, key: "../x" } },
      { ...good, archive: { ...archive, size: -1 } },
      { ...good, createdAt: "yesterday" },
    ]) {
      expect(validate(bad)).toBe(false);
    }
  });
});
