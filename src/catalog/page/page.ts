/**
 * The catalogue as a page for people: `index.html` beside `catalog.json`, one static file with nothing from elsewhere, so
 * it works from a website, a CDN, a signed URL or a disk, with and without JavaScript. Everything in it may come from
 * somebody else's manifest and is text, never markup; a content security policy stands behind that as a second wall.
 */
import { createHash } from "node:crypto";
import { formatBytes } from "../../system/space.ts";
import type { StoragePlace } from "../by-hand.ts";
import { Markup, markup } from "./html.ts";
import { pageScript, pageStyle } from "./assets.ts";
import { renderChart } from "./chart.ts";
import { formatCount, instantOf, renderEntry, renderTime, renderVerdict, type PageEntry } from "./entry.ts";

export interface PageContent {
  readonly storage: StoragePlace;
  readonly entries: readonly PageEntry[];
}

/** More networks than this share no overview: a page of charts is none. */
const mostNetworks = 6;

export function renderPage({ storage, entries }: PageContent): string {
  const newestFirst = [...entries].sort((a, b) => instantOf(b) - instantOf(a));
  const page = markup`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src '${digest(pageStyle)}'; script-src '${digest(pageScript)}'; img-src data:; base-uri 'none'; form-action 'none'">
<meta name="referrer" content="no-referrer">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
<title>Stacks chainstate snapshots</title>
<style>${new Markup(pageStyle)}</style>
</head>
<body>
<header>
<h1>Stacks chainstate snapshots</h1>
<p class="place">${storage.url}</p>
</header>
<main>
${newestFirst.length === 0 ? renderNothing() : renderCatalogue(newestFirst, storage)}
</main>
<footer>
<p>The same for programs: <a href="catalog.json">catalog.json</a>. Made by chainstate-snapshot.</p>
</footer>
<script>${new Markup(pageScript)}</script>
</body>
</html>
`;
  return page.text;
}

function renderNothing(): Markup {
  return markup`<section class="card nothing">
<h2>There is no snapshot here yet</h2>
<p>The first run of the action with <code>command: snapshot</code> and this storage publishes one, and writes this page anew. So does every later run.</p>
</section>`;
}

function renderCatalogue(entries: readonly PageEntry[], storage: StoragePlace): Markup {
  const networks = [...new Set(entries.map(({ network }) => network))];
  const overview = networks.length > mostNetworks ? [] : networks;
  return markup`${overview.map((network) =>
    renderNetwork(
      network,
      entries.filter((entry) => entry.network === network),
    ),
  )}
<section aria-labelledby="all">
<h2 id="all">${entries.length === 1 ? "The snapshot" : `All ${formatCount(entries.length)} snapshots, newest first`}</h2>
<div class="list">
<div class="row columns" aria-hidden="true"><span></span><span>Taken (UTC)</span><span>Chain</span><span>Archive</span><span>Node</span><span>Checks</span></div>
<ol class="entries">${entries.map((entry, index) => renderEntry(entry, storage, index === 0))}</ol>
</div>
</section>`;
}

/** The newest snapshot of a network in large figures, and how its snapshots grew. `entries` newest first. */
function renderNetwork(network: string, entries: readonly PageEntry[]): Markup {
  const [newest] = entries;
  if (newest === undefined) return markup``;
  const { archive } = newest;
  const points = entries
    .filter((entry) => instantOf(entry) > 0)
    .map((entry) => ({
      at: instantOf(entry),
      height: entry.stacksHeight,
      sizeBytes: entry.archive?.size,
    }));
  const figures: readonly (readonly [string, Markup, string | undefined])[] = [
    [
      "Stacks height",
      markup`${formatCount(newest.stacksHeight)}`,
      newest.burnHeight === null ? undefined : `Bitcoin height ${formatCount(newest.burnHeight)}`,
    ],
    ["Taken (UTC)", renderTime(newest.createdAt), undefined],
    [
      archive === null ? "Kept as" : "Archive",
      markup`${archive === null ? "volume snapshot" : formatBytes(archive.size)}`,
      archive === null
        ? newest.volumes.map(({ driver }) => driver).join(", ")
        : `${formatBytes(archive.tarSize)} unpacked`,
    ],
    ["Checks", renderVerdict(newest), undefined],
  ];
  return markup`<section class="card">
<h2>${network}, newest of ${entries.length === 1 ? "1 snapshot" : `${formatCount(entries.length)} snapshots`}</h2>
<dl class="figures">${figures.map(
    ([label, value, more]) =>
      markup`<div><dt>${label}</dt><dd>${value}${more === undefined ? undefined : markup` <span class="more-of">${more}</span>`}</dd></div>`,
  )}</dl>
${renderChart(network, points)}
</section>`;
}

function digest(text: string): string {
  return `sha256-${createHash("sha256").update(text).digest("base64")}`;
}
