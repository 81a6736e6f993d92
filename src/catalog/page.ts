/**
 * The catalogue as a page for people: `index.markup` beside `catalog.json`, one static file with nothing from elsewhere, so
 * it works from a website, a CDN, a signed URL or a disk, with and without JavaScript. Everything in it may come from
 * somebody else's manifest and is text, never markup; a content security policy stands behind that as a second wall.
 */
import { createHash } from "node:crypto";
import { formatBytes } from "../system/space.ts";
import { commandsByHand, restoreStep } from "./by-hand.ts";
import { Markup, markup } from "./html.ts";
import { pageScript, pageStyle } from "./page-assets.ts";
import { renderChart } from "./page-chart.ts";

/** What the page says of a snapshot, out of `catalog.json`. Sizes in bytes, times in ISO 8601 UTC, keys below the storage. */
export interface PageEntry {
  readonly id: string;
  readonly createdAt: string;
  readonly kind: "archive" | "volume" | "both";
  readonly network: string;
  readonly stacksHeight: number;
  readonly burnHeight: number | null;
  readonly nodeVersion: string | null;
  readonly profile: string;
  readonly pinned: boolean;
  readonly pruned: boolean;
  readonly cut: { readonly method: string; readonly downtimeSeconds: number };
  readonly verified: "none" | "checksum" | "database";
  /** `result` is "passed", "failed" or "not-made". */
  readonly checks: readonly { readonly id: string; readonly result: string }[];
  /** Key of the manifest. */
  readonly manifest: string;
  readonly archive: {
    readonly key: string;
    readonly size: number;
    /** Bytes of the unpacked tar. */
    readonly tarSize: number;
    /** Null: parts of it were copied on the store and no digest of the whole is known. */
    readonly sha256: string | null;
    readonly uploadedBytes: number;
    readonly reusedBytes: number;
  } | null;
  readonly volumes: readonly { readonly driver: string; readonly snapshot: string }[];
}

export interface PageContent {
  /** As in the input `storage`; never with credentials in it. */
  readonly storageUrl: string;
  readonly entries: readonly PageEntry[];
}

/** More networks than this share no chart: a page of charts is no overview. */
const mostCharts = 6;

export function renderPage({ storageUrl, entries }: PageContent): string {
  const newestFirst = [...entries].sort((a, b) => instant(b) - instant(a));
  const [newest] = newestFirst;
  const page = markup`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src '${digest(pageStyle)}'; script-src '${digest(pageScript)}'; img-src data:; base-uri 'none'; form-action 'none'">
<meta name="referrer" content="no-referrer">
<link rel="icon" href="data:,">
<title>Stacks chainstate snapshots</title>
<style>${new Markup(pageStyle)}</style>
</head>
<body>
<main>
<h1>Stacks chainstate snapshots</h1>
<p class="soft">${storageUrl}</p>
${newest === undefined ? markup`<p>There is no snapshot here yet.</p>` : renderNewest(newest, newestFirst.length)}
${renderCharts(newestFirst)}
${newest === undefined ? undefined : markup`<h2>All snapshots, newest first</h2>`}
${newest === undefined ? undefined : markup`<ol>${newestFirst.map((entry, index) => renderEntry(entry, storageUrl, index === 0))}</ol>`}
</main>
<footer>
<p class="soft">The same for programs: <a href="catalog.json">catalog.json</a>. Made by chainstate-snapshot.</p>
</footer>
<script>${new Markup(pageScript)}</script>
</body>
</html>
`;
  return page.text;
}

function renderNewest(entry: PageEntry, count: number): Markup {
  return markup`<p>The newest of ${count === 1 ? "1 snapshot" : `${count} snapshots`} is of ${time(entry.createdAt)}: ${entry.network} at height ${number(entry.stacksHeight)}${entry.archive === null ? "" : `, ${formatBytes(entry.archive.size)}`}.</p>`;
}

function renderCharts(entries: readonly PageEntry[]): Markup | undefined {
  const networks = [...new Set(entries.map(({ network }) => network))];
  if (networks.length > mostCharts) return undefined;
  const charts = networks.map((network) => {
    const own = entries.filter((entry) => entry.network === network && instant(entry) > 0);
    const points = own.map(({ createdAt, stacksHeight, archive }) => ({
      at: Date.parse(createdAt),
      height: stacksHeight,
      sizeBytes: archive?.size,
    }));
    return renderChart(network, points);
  });
  return charts.every((chart) => chart === undefined)
    ? undefined
    : markup`<h2>Height and size over time</h2>${charts}`;
}

function renderEntry(entry: PageEntry, storageUrl: string, isOpen: boolean): Markup {
  const { archive } = entry;
  const words = [
    entry.id,
    entry.network,
    entry.stacksHeight,
    entry.nodeVersion ?? "",
    entry.createdAt,
    entry.profile,
  ];
  return markup`
<li data-words="${words.join(" ").toLowerCase()}"><details${new Markup(isOpen ? " open" : "")}>
<summary><span class="when">${time(entry.createdAt)}</span> <span>${entry.network} ${number(entry.stacksHeight)}</span> <span>${archive === null ? "volume" : formatBytes(archive.size)}</span> ${renderVerdict(entry)}</summary>
<div class="more">
<dl>${facts(entry).map(([label, value]) => markup`<div><dt>${label}</dt><dd>${value}</dd></div>`)}</dl>
${archive === null ? undefined : renderCommands(archive, storageUrl)}
${renderCode("Restore with the action", restoreStep(storageUrl, entry.id, entry.network))}
<p><a href="${relative(entry.manifest)}">Manifest of ${entry.id}</a></p>
</div>
</details></li>`;
}

function renderCommands({ key, sha256 }: NonNullable<PageEntry["archive"]>, storageUrl: string): Markup {
  const { download, verify, unpack } = commandsByHand({ storageUrl, key, hasSha256: sha256 !== null });
  // A page that came over the web knows, by its script, an address that plain curl can use.
  const keys = (sha256 === null ? [key] : [key, `${key}.sha256`]).map(relative);
  return markup`<p><a href="${relative(key)}">Download ${key.split("/").at(-1) ?? key}</a></p>
${renderCode("Download with plain tools", download.join("\n"), keys.join(" "))}
${renderCode("Verify", verify.join("\n"))}
${renderCode("Unpack here", unpack.join("\n"))}`;
}

function renderCode(title: string, lines: string, keys?: string): Markup {
  const data = keys === undefined ? undefined : markup` data-keys="${keys}"`;
  return markup`<h3>${title}</h3><div class="code"><pre${data}>${lines}</pre></div>`;
}

function renderVerdict({ checks, verified }: PageEntry): Markup {
  const failed = checks.filter(({ result }) => result === "failed").map(({ id }) => id);
  if (failed.length > 0) return markup`<span class="bad">checks failed: ${failed.join(", ")}</span>`;
  const passed = checks.filter(({ result }) => result === "passed").length;
  if (passed === 0)
    return markup`<span class="soft">${verified === "none" ? "not checked" : "checksum only"}</span>`;
  return markup`<span class="good">${passed} of ${checks.length} checks passed</span>`;
}

function facts(entry: PageEntry): readonly (readonly [string, string])[] {
  const { archive, checks } = entry;
  const named = (result: string): string =>
    checks
      .filter((check) => check.result === result)
      .map(({ id }) => id)
      .join(", ");
  const rows: readonly (readonly [string, string | undefined])[] = [
    ["Id", entry.id],
    ["Network", entry.network],
    ["Stacks height", number(entry.stacksHeight)],
    ["Bitcoin height", entry.burnHeight === null ? "not known" : number(entry.burnHeight)],
    ["Node version", entry.nodeVersion ?? "not known"],
    [
      "Archive",
      archive === null ? undefined : `${formatBytes(archive.size)} (${number(archive.size)} bytes)`,
    ],
    ["Unpacked", archive === null ? undefined : formatBytes(archive.tarSize)],
    ["Reused from the one before", archive === null ? undefined : reuse(archive)],
    ["SHA-256", archive?.sha256 ?? undefined],
    ["Volume snapshots", entry.volumes.map(({ driver, snapshot }) => `${driver}: ${snapshot}`).join("; ")],
    ["Checks passed", named("passed") || "none"],
    ["Checks failed", named("failed")],
    ["Checks not made", named("not-made")],
    [
      "Read back",
      { none: "no", checksum: "every digest", database: "every digest and the databases" }[entry.verified],
    ],
    ["Profile", entry.profile],
    ["Cut", `${entry.cut.method}, node down for ${entry.cut.downtimeSeconds.toFixed(1)} s`],
    ["Pruned chainstate", entry.pruned ? "yes" : undefined],
    ["Pinned", entry.pinned ? "yes, retention keeps it" : undefined],
  ];
  return rows.filter((row): row is readonly [string, string] => row[1] !== undefined && row[1] !== "");
}

function reuse({ size, uploadedBytes, reusedBytes }: NonNullable<PageEntry["archive"]>): string {
  const share = size === 0 ? 0 : Math.floor((reusedBytes / size) * 1000) / 10;
  return reusedBytes === 0 ? "nothing" : `${share} %, ${formatBytes(uploadedBytes)} were sent`;
}

function time(iso: string): Markup {
  const at = new Date(iso);
  const shown = Number.isNaN(at.getTime()) ? iso : `${at.toISOString().slice(0, 16).replace("T", " ")} UTC`;
  return markup`<time datetime="${iso}" data-age>${shown}</time>`;
}

/** A time that is none counts as the oldest. */
function instant({ createdAt }: PageEntry): number {
  return Date.parse(createdAt) || 0;
}

/** Always below the page's own address, whatever a key begins with. */
function relative(key: string): string {
  return `./${encodeURI(key.toWellFormed())}`;
}

function number(value: number): string {
  return value.toLocaleString("en");
}

function digest(text: string): string {
  return `sha256-${createHash("sha256").update(text).digest("base64")}`;
}
