/** What a real node is tested with, as far as it can be tried without one. */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { expect, test } from "vitest";
import { realPrograms } from "../../simulator/real/network.ts";
import { Account, c32Address } from "../../simulator/real/transactions.ts";

test("the Bitcoin stand-in passes its own test", () => {
  const program = join(import.meta.dirname, "../../testbed/regtest-bitcoin.test.mjs");
  const { status, stdout, stderr } = spawnSync(process.execPath, [program], { encoding: "utf8" });
  expect(status, stdout + stderr).toBe(0);
  expect(stdout).toMatch(/\b0 failed\b/);
});

test("accounts have the addresses that nodes give them", () => {
  const funds = Buffer.from("41634762d89dfa09133a4a8e9c1378d0161d29cd0a9433b51f1e3d32947a73dc", "hex");
  // Of the balances of the public chain.
  expect(new Account(funds).address).toBe("ST24VB7FBXCBV6P0SRDSPSW0Y2J9XHDXNHW9Q8S7H");
  expect(c32Address(26, Buffer.alloc(20))).toBe("ST000000000000000000002AMW42H");
  expect(c32Address(22, Buffer.alloc(20))).toBe("SP000000000000000000002Q6VF78");
});

test("a transaction is as long as its parts, and is signed anew for each nonce", () => {
  const account = new Account(createHash("sha256").update("a").digest());
  const other = new Account(createHash("sha256").update("b").digest());
  const [one, two] = [account.transfer(other, 5n, 0n), account.transfer(other, 5n, 1n)];
  // SIP-005: 1 + 4, 1 + 1 + 20 + 8 + 8 + 1 + 65, 1 + 1 + 4, 1 + 22 + 8 + 34.
  expect(one).toHaveLength(180);
  expect(one.subarray(44, 109)).not.toEqual(two.subarray(44, 109));
});

test("what is missing is named", () => {
  expect(realPrograms({ STACKS_NODE: "/nowhere/stacks-node" })).toMatchObject({
    missing: expect.stringMatching(/no \/nowhere\/stacks-node.*STACKS_SIGNER is not set/) as string,
  });
});
