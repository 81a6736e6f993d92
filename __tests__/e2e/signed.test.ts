/** Signed snapshots through the action: the key from a secret is seen by nobody, and a stranger's frames are not taken over. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { makeKey } from "../catalog/signing/keys.ts";
import { fresh } from "./fresh.ts";

const key = makeKey();
const stranger = makeKey("stranger@example.org");
const signs = (text: string): Record<string, string> => ({ "sign-key": text.replaceAll("\n", "\\n") });

it("a key from a secret signs, and neither a log nor a child process has it", async () => {
  const setup = await fresh();
  const seen = join(setup.directory, "environment");
  const node = [setup.executable.launcher, "--dir", setup.chainstate, "--rpc-port", String(setup.port)];
  const { main, post } = await setup
    .job({
      ...setup.snapshotInputs,
      "sign-key": key.text,
      "node-start-command": `env >${seen}; ${node.join(" ")} >/dev/null 2>&1 &`,
    })
    .run();
  expect(main.exitCode, main.log).toBe(0);
  expect(main.summary).toContain(key.fingerprint);
  const signature = `${new URL(main.outputs["manifest-url"] ?? "").pathname}.sig`;
  expect(existsSync(signature)).toBe(true);
  const environment = readFileSync(seen, "utf8");
  expect(environment).toContain("PATH=");
  // The runner itself takes the lines that tell it what to hide.
  const said = [main.log, main.summary, post.log].join("\n").replaceAll(/^::add-mask::.*$/gm, "");
  for (const line of key.text.split("\n").slice(1, -2)) {
    expect(said).not.toContain(line);
    expect(environment).not.toContain(line);
    expect(main.log).toContain(`::add-mask::${line}`);
  }
});

it("frames are taken over from those who are trusted alone", async () => {
  const setup = await fresh({ running: false });
  const own = { ...setup.snapshotInputs, "node-manager": "none", downtime: "full" };
  const take = async (more: Readonly<Record<string, string>>): Promise<string> => {
    const { main } = await setup.job({ ...own, ...more }).run();
    expect(main.exitCode, main.log).toBe(0);
    return main.log.includes("No earlier snapshot can be used")
      ? "refused"
      : (main.outputs["reused-percent"] ?? "");
  };
  await take(signs(stranger.text));
  expect(await take({ ...signs(key.text), "trusted-signers": key.line })).toBe("refused");
  expect(Number(await take({ ...signs(key.text), "trusted-signers": key.line }))).toBeGreaterThan(90);
});
