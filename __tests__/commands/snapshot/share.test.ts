/** A snapshot for sharing asks for no right that one for oneself does not ask for. */
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test, vi } from "vitest";
import { createChainstate } from "../../../simulator/chainstate.ts";
import { FakeHost, nodeOptions, snapshotConfig } from "../fake-host.ts";

const host = new FakeHost();
createChainstate(host.chainstateDir, { era: "nakamoto", height: 10 });
afterAll(() => host.remove());

test.each(["backup", "share"] as const)("a user without sudo takes one of profile %s", async (profile) => {
  const bin = join(host.root, "bin");
  mkdirSync(bin, { recursive: true });
  writeFileSync(join(bin, "sudo"), "#!/bin/sh\necho 'sudo: a password is required' >&2\nexit 1\n");
  chmodSync(join(bin, "sudo"), 0o755);
  vi.stubEnv("PATH", `${bin}:${process.env["PATH"]}`);
  const { error } = await host.run(
    snapshotConfig(host, { profile, node: { ...nodeOptions, sudo: "always" } }),
  );
  vi.unstubAllEnvs();
  expect(error).toBeUndefined();
  expect(host.node.running).toBe(true);
});
