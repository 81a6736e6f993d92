import { createHash } from "node:crypto";
import { assert, constantFrom, nat, property, string } from "fast-check";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { commandsByHand, restoreStep, shellQuote } from "../../../src/catalog/by-hand.ts";
import { escapeHtml } from "../../../src/catalog/page/html.ts";
import { renderPage } from "../../../src/catalog/page/page.ts";
import { renderChart, ticksOf } from "../../../src/catalog/page/chart.ts";
import { hostileEntry, manyEntries, mixedEntries, sampleEntry } from "../page-samples.ts";

const storage = { url: "s3://my-stacks-snapshots/mainnet" };

describe("the page", () => {
  test("is newest first, whatever order the entries have", () => {
    const page = renderPage({ storage, entries: manyEntries(5).toReversed() });
    const times = [...page.matchAll(/<summary .*?datetime="([^"]+)"/g)].map(([, at]) => at);
    expect(times).toHaveLength(5);
    expect(times).toEqual(manyEntries(5).map(({ createdAt }) => createdAt));
    expect(page.match(/<details open>/g)).toHaveLength(1);
  });

  test("says of a snapshot what a chooser needs", () => {
    const page = renderPage({ storage, entries: [sampleEntry(3), sampleEntry(29)] });
    for (const words of [
      "8,096,",
      "924,135",
      "4.0.2",
      "98.3 %, 3.5",
      "yes, retention keeps it",
      "9 checks passed",
    ]) {
      expect(page).toContain(words);
    }
    expect(page).toContain(`aws s3 cp ${storage.url}/snapshots/`);
    expect(page).toContain("sha256sum -c mainnet-4.0.2-20261024T020014Z.tar.zst.sha256");
    expect(page).toContain("zstd -t mainnet-4.0.2-20261119T020014Z.tar.zst");
    expect(page).toContain("    snapshot: mainnet-");
  });

  test("shows snapshots of volumes as what they are", () => {
    const [both, volume] = mixedEntries();
    const only = renderPage({ storage, entries: [volume ?? sampleEntry()] });
    expect(only).toContain("volume snapshot");
    expect(only).toContain("aws-ebs: snap-0a1b2c3d4e5f60718");
    expect(only).toContain("    method: volume");
    expect(only).not.toContain("aws s3 cp");
    const page = renderPage({ storage, entries: [both ?? sampleEntry()] });
    expect(page).toContain("aws s3 cp");
    expect(page.match(/ {4}command: restore/g)).toHaveLength(2);
    expect(page.match(/ {4}method: volume/g)).toHaveLength(1);
  });

  test("takes what others wrote: results of any name, and more entries than a stack has places", () => {
    for (const result of ["constructor", "__proto__", "toString"]) {
      const entry = sampleEntry(0, { checks: [{ id: "A", result }] });
      expect(renderPage({ storage, entries: [entry] })).toContain("not made: ");
    }
    const points = Array.from({ length: 150_000 }, (_, at) => ({ at, height: at, sizeBytes: at }));
    expect(renderChart("mainnet", points)?.text).toContain("149,999");
  });

  test("says of the checks which failed and which were not made", () => {
    const page = renderPage({ storage, entries: mixedEntries() });
    expect(page).toContain("✗ failed: F");
    expect(page).toMatch(
      /class="bad" aria-hidden="true">✗<\/span> <span class="unseen">failed: <\/span>tries/,
    );
    expect(page).toMatch(/not made: <\/span>block store/);
    expect(page).toContain("not checked");
  });

  test("draws nothing for less than two snapshots, and says so when there is none", () => {
    expect(renderPage({ storage, entries: manyEntries(400) })).toContain("<svg");
    expect(renderPage({ storage, entries: manyEntries(1) })).not.toContain("<svg");
    expect(renderPage({ storage, entries: [] })).toContain("There is no snapshot here yet");
  });

  test("stays small with 400 snapshots", () => {
    expect(renderPage({ storage, entries: manyEntries(400) }).length).toBeLessThan(1_500_000);
  });

  test("loads nothing from elsewhere and allows its own style and script only", () => {
    const page = renderPage({ storage, entries: manyEntries(2) });
    expect(page.match(/\b(src|srcset|action|poster)=/g)).toBeNull();
    const policy = /Content-Security-Policy" content="([^"]+)"/.exec(page)?.[1] ?? "";
    for (const [tag, directive] of [
      ["style", "style-src"],
      ["script", "script-src"],
    ] as const) {
      const content = new RegExp(`<${tag}>([\\s\\S]*?)</${tag}>`).exec(page)?.[1] ?? "";
      const hash = createHash("sha256").update(content).digest("base64");
      expect(policy).toContain(`${directive} 'sha256-${hash}'`);
    }
  });

  test("shows a manifest full of markup as text", () => {
    const page = renderPage({
      storage: { url: hostileEntry().id },
      entries: [hostileEntry(), sampleEntry(1)],
    });
    expect(page).not.toContain("<img");
    expect(page.match(/<script>/g)).toHaveLength(1);
    expect(page).not.toMatch(/href="javascript:/i);
    expect(page).toContain("&quot;&gt;&lt;img");
  });
});

test("escaped text holds nothing that HTML reads", () => {
  assert(
    property(
      string({ unit: "binary", maxLength: 30 }),
      (text) => !/[<>"']|&(?!(amp|lt|gt|quot|#39);)/.test(escapeHtml(text)),
    ),
  );
});

describe("commands by hand", () => {
  test.each([
    ["s3://b/p", "aws s3 cp s3://b/p/snapshots/i/n.tar.zst ."],
    [
      "https://h/p/",
      "curl --fail --location --retry 9 --continue-at - --remote-name https://h/p/snapshots/i/n.tar.zst",
    ],
    ["gs://b/p", "gcloud storage cp gs://b/p/snapshots/i/n.tar.zst ."],
    ["file:///srv/my%20disk", "cp '/srv/my disk/snapshots/i/n.tar.zst' ."],
    [
      "az://a/c/p",
      "az storage blob download --account-name a --container-name c --name p/snapshots/i/n.tar.zst --file n.tar.zst",
    ],
  ])("from %s", (url, command) => {
    const key = "snapshots/i/n.tar.zst";
    expect(commandsByHand({ storage: { url }, key, hasSha256: false }).download).toEqual([command]);
    expect(commandsByHand({ storage: { url }, key, hasSha256: true }).download).toHaveLength(2);
  });

  test("name an S3-compatible store that is not AWS, for people and for the action", () => {
    const ceph = { url: "s3://b/p", s3Endpoint: "https://s3.example.org:9000" };
    expect(commandsByHand({ storage: ceph, key: "k", hasSha256: false }).download).toEqual([
      "aws s3 cp --endpoint-url https://s3.example.org:9000 s3://b/p/k .",
    ]);
    expect(parse(restoreStep(ceph, { id: "mainnet-1-x", network: "mainnet" }))).toEqual([
      {
        uses: "OWNER/chainstate-snapshot@v0",
        with: {
          command: "restore",
          storage: "s3://b/p",
          "s3-endpoint": "https://s3.example.org:9000",
          snapshot: "mainnet-1-x",
          "chainstate-dir": "/var/stacks/mainnet",
        },
      },
    ]);
  });

  test("are one step of a workflow, whatever is in a manifest", () => {
    assert(
      property(string({ unit: "binary", maxLength: 40 }), string({ maxLength: 20 }), (network, id) => {
        const step = restoreStep({ url: "file:///srv/a b: c" }, { network: network.toWellFormed(), id });
        const [{ with: inputs } = { with: {} }] = parse(step) as { with: Record<string, unknown> }[];
        return (
          Object.keys(inputs).join() === "command,storage,snapshot,chainstate-dir" &&
          inputs["chainstate-dir"] === `/var/stacks/${network.toWellFormed()}` &&
          String(inputs["snapshot"]) === id
        );
      }),
    );
  });

  test("quote what a shell would read", () => {
    expect(shellQuote("a b'; rm -rf $HOME")).toBe(`'a b'\\''; rm -rf $HOME'`);
    expect(shellQuote("-x")).toBe("'-x'");
  });
});

test("scales have few, round, evenly spaced steps around what they show", () => {
  assert(
    property(nat(2 ** 50), nat(2 ** 50), constantFrom(1, 1024), (a, b, unit) => {
      const [least, most] = [Math.min(a, b), Math.max(a, b)];
      const ticks = ticksOf(least, most, unit);
      const steps = new Set(ticks.slice(1).map((tick, index) => tick - (ticks[index] ?? 0)));
      return steps.size === 1 && (ticks[0] ?? 1) <= least && (ticks.at(-1) ?? 0) >= most && ticks.length <= 6;
    }),
  );
  expect(ticksOf(6_037_514, 8_112_233, 1)).toEqual([6_000_000, 7_000_000, 8_000_000, 9_000_000]);
  expect(ticksOf(0, 208 * 2 ** 30, 1024).map((tick) => tick / 2 ** 30)).toEqual([0, 100, 200, 300]);
});
