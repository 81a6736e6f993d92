/**
 * The commands with which a person downloads, verifies and unpacks a snapshot without this program, and the step with
 * which this program does it. For the catalogue page and the job summary.
 */

export interface ArchiveByHand {
  /** Where the storage is, such as `s3://bucket/prefix` or `https://host/prefix`. */
  readonly storageUrl: string;
  /** The archive's key below it. */
  readonly key: string;
  /** True where a `.sha256` file lies beside the archive. */
  readonly hasSha256: boolean;
}

export interface Commands {
  readonly download: readonly string[];
  readonly verify: readonly string[];
  readonly unpack: readonly string[];
}

export function commandsByHand({ storageUrl, key, hasSha256 }: ArchiveByHand): Commands {
  const base = storageUrl.replace(/\/+$/, "");
  const name = key.split("/").at(-1) ?? key;
  return {
    download: (hasSha256 ? [key, `${key}.sha256`] : [key]).map((one) => downloadCommand(`${base}/${one}`)),
    // Without a digest of the whole (parts of it were copied on the store) each frame still has a checksum of its own.
    verify: [hasSha256 ? `sha256sum -c ${shellQuote(`${name}.sha256`)}` : `zstd -t ${shellQuote(name)}`],
    // The archive brings its own directory along, named like the one it was made of.
    unpack: [`tar --zstd -xf ${shellQuote(name)}`],
  };
}

/** A workflow's step that restores it. */
export function restoreStep(storageUrl: string, id: string, directory: string): string {
  return [
    "- uses: OWNER/chainstate-snapshot@v0",
    "  with:",
    "    command: restore",
    `    storage: ${storageUrl}`,
    `    snapshot: ${id}`,
    `    chainstate-dir: /var/stacks/${directory}`,
  ].join("\n");
}

function downloadCommand(url: string): string {
  const scheme = /^([a-z0-9]+):\/\//.exec(url)?.[1];
  if (scheme === "s3") return `aws s3 cp ${shellQuote(url)} .`;
  if (scheme === "gs") return `gcloud storage cp ${shellQuote(url)} .`;
  if (scheme === "file") return `cp ${shellQuote(decodeURIComponent(new URL(url).pathname))} .`;
  if (scheme === "az") {
    const [account = "", container = "", ...rest] = url.slice("az://".length).split("/");
    const flags = [
      ["--account-name", account],
      ["--container-name", container],
      ["--name", rest.join("/")],
      ["--file", rest.at(-1) ?? ""],
    ];
    return `az storage blob download ${flags.map(([flag = "", value = ""]) => `${flag} ${shellQuote(value)}`).join(" ")}`;
  }
  return `curl --fail --location --retry 9 --continue-at - --remote-name ${shellQuote(url)}`;
}

/** As it is where a shell reads it as one plain word, else in single quotes. */
export function shellQuote(text: string): string {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(text) && !text.startsWith("-")
    ? text
    : `'${text.replaceAll("'", "'\\''")}'`;
}
