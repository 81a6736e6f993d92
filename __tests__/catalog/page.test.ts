import { createHash } from "node:crypto";
import { assert, property, string } from "fast-check";
import { describe, expect, test } from "vitest";
import { commandsByHand, shellQuote } from "../../src/catalog/by-hand.ts";
import { escapeHtml } from "../../src/catalog/html.ts";
import { renderPage } from "../../src/catalog/page.ts";
import { hostileEntry, manyEntries, sampleEntry } from "./page-samples.ts";

const storageUrl = "s3://my-stacks-snapshots/mainnet";

describe("the page", () => {
  test("is newest first, whatever order the entries have", () => {
    const page = renderPage({ storageUrl, entries: manyEntries(5).toReversed() });
    const times = [...page.matchAll(/<summary>.*?datetime="([^"]+)"/g)].map(([, at]) => at);
    expect(times).toHaveLength(5);
    expect(times).toEqual(manyEntries(5).map(({ createdAt }) => createdAt));
    expect(page.match(/<details open>/g)).toHaveLength(1);
  });

  test("says of a snapshot what a chooser needs", () => {
    const page = renderPage({ storageUrl, entries: [sampleEntry(3), sampleEntry(29)] });
    for (const words of [
      "8,096,",
      "924,135",
      "4.0.2",
      "98.3 %, 3.5",
      "yes, retention keeps it",
      "7 of 7 checks passed",
    ]) {
      expect(page).toContain(words);
    }
    expect(page).toContain(`aws s3 cp ${storageUrl}/snapshots/`);
    expect(page).toContain("sha256sum -c mainnet-4.0.2-20261024T020014Z.tar.zst.sha256");
    expect(page).toContain("zstd -t mainnet-4.0.2-20261119T020014Z.tar.zst");
    expect(page).toContain("    snapshot: mainnet-");
  });

  test("draws nothing for less than two snapshots, and says so when there is none", () => {
    expect(renderPage({ storageUrl, entries: manyEntries(400) })).toContain("<svg");
    expect(renderPage({ storageUrl, entries: manyEntries(1) })).not.toContain("<svg");
    expect(renderPage({ storageUrl, entries: [] })).toContain("There is no snapshot here yet.");
  });

  test("stays small with 400 snapshots", () => {
    expect(renderPage({ storageUrl, entries: manyEntries(400) }).length).toBeLessThan(1_500_000);
  });

  test("loads nothing from elsewhere and allows its own style and script only", () => {
    const page = renderPage({ storageUrl, entries: manyEntries(2) });
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
    const page = renderPage({ storageUrl: hostileEntry().id, entries: [hostileEntry(), sampleEntry(1)] });
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
    expect(commandsByHand({ storageUrl: url, key, hasSha256: false }).download).toEqual([command]);
    expect(commandsByHand({ storageUrl: url, key, hasSha256: true }).download).toHaveLength(2);
  });

  test("quote what a shell would read", () => {
    expect(shellQuote("a b'; rm -rf $HOME")).toBe(`'a b'\\''; rm -rf $HOME'`);
    expect(shellQuote("-x")).toBe("'-x'");
  });
});
