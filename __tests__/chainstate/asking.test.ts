/** How databases are asked: by secrets' scan, by a freezer's rules, and never by reading a table from end to end. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runChecks } from "../../src/chainstate/checks.ts";
import { factsOf } from "../../src/chainstate/facts.ts";
import { chainstateRules } from "../../src/chainstate/freeze-rules.ts";
import { inspectFrozen, readFacts } from "../../src/chainstate/inspect.ts";
import { databases, selectEntries } from "../../src/chainstate/layout.ts";
import { type Ask, openReader } from "../../src/chainstate/read-only-database.ts";
import { assertNoSecrets, findSecrets } from "../../src/chainstate/secrets.ts";
import { blobsOf } from "../../src/chainstate/source.ts";
import { Tips } from "../../src/chainstate/tips.ts";
import { ChainWriter, createChainstate } from "../../simulator/chainstate.ts";
import * as damage from "../../simulator/damage.ts";
import { databasePaths } from "../../simulator/schema.ts";
import { hasFixture, Scratch } from "./scratch.ts";

const signal = new AbortController().signal;
const scratch = new Scratch();
const base = scratch.path();

beforeAll(() => {
  createChainstate(base, { era: "nakamoto", height: 40 });
});
afterAll(() => scratch.remove());

describe("a look-up is a look-up", () => {
  /** Plans of every question that checks and facts ask, as "database: sql → steps". */
  async function plansOf(dir: string): Promise<{ sql: string; steps: string[] }[]> {
    const reader = await openReader({ dir, signal });
    const blobs = blobsOf(dir);
    const plans: { sql: string; steps: string[] }[] = [];
    const ask: Ask = async (database, sql) => {
      const plan = await reader.ask(database, `EXPLAIN QUERY PLAN ${sql}`);
      plans.push({ sql, steps: plan.map((row) => String(row["detail"])) });
      return reader.ask(database, sql);
    };
    try {
      const tips = new Tips({ ask, has: () => true, blobs });
      const findings = await runChecks(tips);
      expect(findings.filter((finding) => finding.result !== "passed")).toEqual([]);
      await factsOf(tips, dir, false);
      return plans;
    } finally {
      await blobs.close();
      await reader.end();
    }
  }

  it.each(hasFixture ? ["generated", "real"] : ["generated"])(
    "in the schema of the %s chainstate",
    async (which) => {
      const plans = await plansOf(which === "real" ? scratch.unpackFixture() : base);
      expect(plans.length).toBeGreaterThan(20);
      const grows =
        /\b(?:marf_data|nakamoto_block_headers|block_headers|nakamoto_staging_blocks|snapshots|stacks_chain_tips(?:_by_burn_view)?|headers|burnchain_db_block_headers)\b/;
      for (const { sql, steps } of plans) {
        // A scan is bounded where it stands in a subquery of the newest rows; elsewhere there may be none.
        const scans = steps.filter((step) => step.startsWith("SCAN") && grows.test(step));
        expect(scans.length === 0 || /LIMIT \d+/.test(sql), `${sql}\n${steps.join("\n")}`).toBe(true);
      }
    },
  );
});

describe("secrets in what is shared", () => {
  const share = selectEntries("share");

  it("are none where the profile has left out what is known", async () => {
    await expect(assertNoSecrets({ dir: base, selection: share, signal })).resolves.toBeUndefined();
  });

  it("are found in the peer database, where it is not left out", async () => {
    const found = await findSecrets({ dir: base, selection: selectEntries("backup"), signal });
    expect(found).toEqual([{ path: "peer.sqlite", place: "column local_peer.private_key" }]);
  });

  it("are named by place and never repeated", async () => {
    const dir = scratch.copy(base);
    mkdirSync(join(dir, "notes"));
    writeFileSync(join(dir, "notes", "node.conf"), 'auth_token = "hunter2hunter2"\n');
    writeFileSync(join(dir, "notes", "id"), "-----BEGIN EC PRIVATE KEY-----\nMHcC\n");
    writeFileSync(join(dir, "notes", "env"), "seed=0123456789abcdef\n");
    writeFileSync(join(dir, "Config.toml"), 'seed = "left out by every profile"\n');
    writeFileSync(join(dir, "readme.txt"), "The seeder of this snapshot is not secret.\n");
    const own = new DatabaseSync(join(dir, "own.sqlite"));
    own.exec(
      "CREATE TABLE accounts (name TEXT, mnemonic TEXT); INSERT INTO accounts VALUES ('a', 'abandon ability')",
    );
    own.exec("CREATE TABLE empty (private_key TEXT); INSERT INTO empty VALUES ('')");
    own.close();
    const error = await assertNoSecrets({ dir, selection: share, signal }).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code: "SECRETS_FOUND" });
    const { message } = error as Error;
    for (const place of [
      "notes/node.conf (an auth token)",
      "notes/id (a private key)",
      "notes/env (a seed or private key)",
      "own.sqlite (column accounts.mnemonic)",
    ])
      expect(message).toContain(place);
    for (const secret of ["hunter2", "MHcC", "0123456789abcdef", "abandon", "Config.toml", "readme"])
      expect(message).not.toContain(secret);
  });

  it.runIf(hasFixture)("are none in the real chainstate", async () => {
    await expect(
      assertNoSecrets({ dir: scratch.unpackFixture(), selection: share, signal }),
    ).resolves.toBeUndefined();
  });
});

describe("a freezer's rules", () => {
  /** As a keeper answers: its own connections, its own kind of error. */
  function keeperOf(dir: string): { ask: Ask; close: () => void } {
    const open = new Map<string, DatabaseSync>();
    const ask: Ask = (database, sql) => {
      let connection = open.get(database);
      if (connection === undefined) {
        try {
          connection = new DatabaseSync(join(dir, database), { readOnly: true });
        } catch {
          return Promise.reject(new Error(`${database} is not held`));
        }
        open.set(database, connection);
      }
      return Promise.resolve(connection.prepare(sql).all() as Record<string, string>[]);
    };
    return {
      ask,
      close: () => {
        for (const each of open.values()) each.close();
      },
    };
  }

  it.each([
    { era: "nakamoto", height: 30 },
    { era: "epoch2", height: 9 },
    { era: "epoch2", height: 9, generation: "epoch2" },
  ] as const)("say that the tips of a whole chainstate agree: %o", async (options) => {
    const dir = scratch.path();
    createChainstate(dir, options);
    const keeper = keeperOf(dir);
    expect(await chainstateRules.tipsAgree(keeper.ask)).toEqual({ agree: true, detail: "" });
    const inspection = await inspectFrozen(keeper.ask, dir);
    expect(inspection.checks.filter((check) => check.result === "failed")).toEqual([]);
    expect(inspection.facts.stacksHeight).toBe(options.height);
    keeper.close();
  });

  it.each(["clarity", "index", "nakamoto"] as const)(
    "say that they do not between the commits, after %s",
    async (until) => {
      const dir = scratch.copy(base);
      damage.tearCommit(dir, until);
      const keeper = keeperOf(dir);
      const verdict = await chainstateRules.tipsAgree(keeper.ask);
      expect(verdict.agree).toBe(false);
      expect(verdict.detail).not.toBe("");
      keeper.close();
    },
  );

  it("know how much of `.blobs` is recorded, and when it may be rewritten", async () => {
    const dir = scratch.copy(base);
    const chain = ChainWriter.open(dir);
    const row = chain
      .database("clarity")
      .prepare("SELECT MAX(external_offset + external_length) AS n FROM marf_data")
      .get();
    const keeper = keeperOf(dir);
    expect(await chainstateRules.recordedLength(databases.clarity, keeper.ask)).toBe(row?.["n"]);
    expect(await chainstateRules.recordedLength(databases.sortition, keeper.ask)).toBe(0);
    expect(chainstateRules.appendOnlyFileOf(databases.index)).toBe(`${databasePaths.index}.blobs`);
    expect(chainstateRules.appendOnlyFileOf(databases.headers)).toBeUndefined();
    chain.database("clarity").exec("UPDATE marf_data SET unconfirmed = 1 WHERE block_id = 7");
    expect(await chainstateRules.recordedLength(databases.clarity, keeper.ask)).toBe("unstable");
    keeper.close();
    chain.close(false);
  });
});

it("reads facts beside a node that writes", async () => {
  const dir = scratch.copy(base);
  const chain = ChainWriter.open(dir);
  const growing = setInterval(() => chain.appendBlock(), 5);
  try {
    const facts = await readFacts(dir, signal);
    expect(facts).toMatchObject({ network: "mainnet", mainnet: false, chainId: 2147483648, pruned: false });
    expect(facts.schemas.index).toBe(14);
  } finally {
    clearInterval(growing);
    chain.close(false);
  }
});
