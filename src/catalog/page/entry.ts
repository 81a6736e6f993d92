/**
 * One snapshot on the catalogue page: a line to choose by, and behind it what is known of it and the commands to get it.
 * The parts that open are plain `details`, so they work without JavaScript.
 */
import { formatBytes } from "../../system/space.ts";
import { commandsByHand, restoreStep, type StoragePlace } from "../by-hand.ts";
import { Markup, markup } from "./html.ts";

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
  readonly archive: PageArchive | null;
  readonly volumes: readonly { readonly driver: string; readonly snapshot: string }[];
  /** Fingerprint of the key that signed the manifest, as the manifest says it. */
  readonly signedBy?: string | undefined;
}

interface PageArchive {
  readonly key: string;
  readonly size: number;
  /** Bytes of the unpacked tar. */
  readonly tarSize: number;
  /** Null: parts of it were copied on the store and no digest of the whole is known. */
  readonly sha256: string | null;
  readonly uploadedBytes: number;
  readonly reusedBytes: number;
  /** Of WALs that hold what changed in databases. */
  readonly carriedWalBytes?: number | undefined;
}

/** What docs/checks.md calls by letters, in a reader's words. */
const checkNames: ReadonlyMap<string, string> = new Map(
  Object.entries({
    files: "database files whole",
    A: "state has a tip",
    B: "header index at the state's tip",
    C: "highest header on its chain",
    D: "block store at the tip",
    E: "sortitions know the tip",
    F: "tries reach the tip",
    G: "burn headers reach the tip",
    H: "burn chain reaches the tip",
    integrity: "SQLite integrity",
    blobs: "every trie record",
  }),
);

export function renderEntry(entry: PageEntry, storage: StoragePlace, isOpen: boolean): Markup {
  const { archive, id, network } = entry;
  const words = [id, network, entry.stacksHeight, entry.nodeVersion ?? "", entry.createdAt, entry.profile];
  return markup`
<li data-words="${words.join(" ").toLowerCase()}"><details${new Markup(isOpen ? " open" : "")}>
<summary class="row"><span class="cell when">${renderTime(entry.createdAt)}</span> <span class="cell chain">${network} <b>${formatCount(entry.stacksHeight)}</b></span> <span class="cell size">${renderSize(entry)}</span> <span class="cell node">${entry.nodeVersion ?? ""}</span> <span class="cell verdict">${renderVerdict(entry)}${entry.pinned ? markup` <span class="pin">pinned</span>` : undefined}</span></summary>
<div class="more">
<p class="id">${id}</p>
<dl class="facts">${facts(entry).map(([label, value]) => markup`<div><dt>${label}</dt><dd>${value}</dd></div>`)}</dl>
${renderChecks(entry.checks)}
${archive === null ? undefined : renderCommands(archive, storage)}
${archive === null ? undefined : renderStep("Or restore with the action", restoreStep(storage, { id, network }))}
${entry.volumes.length === 0 ? undefined : renderStep("Restore from the volume snapshot", restoreStep(storage, { id, network, fromVolume: true }), "Where the volume and its snapshot are; nothing is downloaded.")}
<p class="links">${archive === null ? undefined : markup`<a href="${relative(archive.key)}">Archive</a> · `}<a href="${relative(entry.manifest)}">Manifest<span class="unseen"> of ${id}</span></a>${entry.signedBy === undefined ? undefined : markup` · <a href="${relative(`${entry.manifest}.sig`)}">Signature<span class="unseen"> of ${id}</span></a>`}</p>
</div>
</details></li>`;
}

function renderSize({ archive, volumes }: PageEntry): Markup {
  if (archive === null)
    return markup`volume <span class="more-of">${volumes.map(({ driver }) => driver).join(", ")}</span>`;
  const sent = archive.reusedBytes === 0 ? "sent whole" : `${formatBytes(archive.uploadedBytes)} sent`;
  return markup`${formatBytes(archive.size)} <span class="more-of">${sent}${volumes.length === 0 ? "" : " + volume"}</span>`;
}

/** One look's worth: what matters when choosing. */
export function renderVerdict({ checks, verified }: PageEntry): Markup {
  const failed = checks.filter(({ result }) => result === "failed").map(({ id }) => id);
  if (failed.length > 0) return markup`<span class="bad">✗ failed: ${failed.join(", ")}</span>`;
  const passed = checks.filter(({ result }) => result === "passed").length;
  const read = {
    none: "not read back",
    checksum: "read back",
    database: "read back, databases too",
  }[verified];
  if (passed === 0) return markup`<span class="soft">not checked</span> <span class="more-of">${read}</span>`;
  return markup`<span class="good">✓ ${passed === 1 ? "1 check" : `${passed} checks`} passed</span> <span class="more-of">${read}</span>`;
}

function renderChecks(checks: PageEntry["checks"]): Markup | undefined {
  if (checks.length === 0) return undefined;
  // No object: a result may be any text, `constructor` too.
  const marks = new Map<string, readonly [string, string, string]>([
    ["passed", ["good", "✓", "passed"]],
    ["failed", ["bad", "✗", "failed"]],
  ]);
  const items = checks.map(({ id, result }) => {
    const [kind, mark, said] = marks.get(result) ?? ["soft", "–", "not made"];
    const name = checkNames.get(id) ?? id;
    return markup`<li><span class="${kind}" aria-hidden="true">${mark}</span> <span class="unseen">${said}: </span>${name}</li>`;
  });
  return markup`<h3>Checks of the chainstate</h3>
<ul class="checks">${items}</ul>`;
}

function renderCommands({ key, sha256 }: PageArchive, storage: StoragePlace): Markup {
  const { download, verify, unpack } = commandsByHand({ storage, key, hasSha256: sha256 !== null });
  // A page that came over the web knows, by its script, an address that plain curl can use.
  const keys = (sha256 === null ? [key] : [key, `${key}.sha256`]).map(relative);
  const how =
    sha256 === null
      ? "Parts of it were copied on the store, so there is no digest of the whole; each part has a checksum of its own."
      : undefined;
  return markup`${renderStep("1. Download with plain tools", download.join("\n"), undefined, keys.join(" "))}
${renderStep("2. Verify", verify.join("\n"), how)}
${renderStep("3. Unpack here", unpack.join("\n"))}`;
}

function renderStep(title: string, lines: string, note?: string, keys?: string): Markup {
  const data = keys === undefined ? undefined : markup` data-keys="${keys}"`;
  return markup`<h3>${title}</h3>
${note === undefined ? undefined : markup`<p class="note">${note}</p>`}<div class="code" data-title="${title}"><pre${data}>${lines}</pre></div>`;
}

function facts(entry: PageEntry): readonly (readonly [string, string | Markup])[] {
  const { archive, cut } = entry;
  const rows: readonly (readonly [string, string | Markup | undefined])[] = [
    ["Network", entry.network],
    ["Stacks height", formatCount(entry.stacksHeight)],
    ["Bitcoin height", entry.burnHeight === null ? "not known" : formatCount(entry.burnHeight)],
    ["Node version", entry.nodeVersion ?? "not known"],
    [
      "Archive",
      archive === null
        ? undefined
        : markup`${formatBytes(archive.size)} <span class="more-of">${formatCount(archive.size)} bytes</span>`,
    ],
    ["Unpacked", archive === null ? undefined : formatBytes(archive.tarSize)],
    ["Reused from the one before", archive === null ? undefined : reuse(archive)],
    [
      "In WALs of databases",
      archive?.carriedWalBytes === undefined ? undefined : formatBytes(archive.carriedWalBytes),
    ],
    ["Volume snapshots", entry.volumes.map(({ driver, snapshot }) => `${driver}: ${snapshot}`).join("; ")],
    [
      "Node was down for",
      cut.method === "live" ? "never (live)" : `${cut.downtimeSeconds.toFixed(1)} s (${cut.method})`,
    ],
    [
      "Read back",
      { none: "no", checksum: "every digest", database: "every digest and the databases" }[entry.verified],
    ],
    ["Profile", entry.profile],
    ["Pruned chainstate", entry.pruned ? "yes" : undefined],
    ["Pinned", entry.pinned ? "yes, retention keeps it" : undefined],
    ["SHA-256 of the archive", archive?.sha256 ?? undefined],
    ["Signed with", entry.signedBy],
  ];
  return rows.filter(
    (row): row is readonly [string, string | Markup] => row[1] !== undefined && row[1] !== "",
  );
}

function reuse({ size, uploadedBytes, reusedBytes }: PageArchive): string {
  const share = size === 0 ? 0 : Math.floor((reusedBytes / size) * 1000) / 10;
  return reusedBytes === 0 ? "nothing" : `${share} %, ${formatBytes(uploadedBytes)} sent`;
}

export function renderTime(iso: string): Markup {
  const at = new Date(iso);
  const shown = Number.isNaN(at.getTime()) ? iso : at.toISOString().slice(0, 16).replace("T", " ");
  return markup`<time datetime="${iso}" data-age>${shown}</time>`;
}

/** Milliseconds since the epoch. A time that is none counts as the oldest. */
export function instantOf({ createdAt }: PageEntry): number {
  return Date.parse(createdAt) || 0;
}

/** Always below the page's own address, whatever a key begins with. */
function relative(key: string): string {
  return `./${encodeURI(key.toWellFormed())}`;
}

export function formatCount(value: number): string {
  return value.toLocaleString("en");
}
