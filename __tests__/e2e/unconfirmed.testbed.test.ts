/** The same under real supervisors, all at once. */
import { describe, expect, it } from "vitest";
import { byContainer, bySystemd, type SupervisorKind } from "./supervisors.ts";
import { endings, settles } from "./unconfirmed.ts";

const kinds: readonly (readonly [string, SupervisorKind | undefined])[] = [
  ["systemd", bySystemd("")],
  ["docker", byContainer("docker")],
];

const cases = kinds.flatMap(([name, kind]) =>
  kind === undefined ? [] : endings.map((ending) => [name, ending, kind] as const),
);

describe.skipIf(cases.length === 0)("a restored node that is silent", () => {
  it.concurrent.each(cases)("by %s, and then %s", { timeout: 400_000 }, async (_name, ending, kind) =>
    expect(await settles(kind, ending)).toBe(1),
  );
});
