/**
 * The commands with which a person downloads, verifies and unpacks a snapshot without this program, and the step with
 * which this program does it. For the catalogue page and the job summary.
 */
import type { ObjectStore } from "../store/port.ts";
import { quote } from "../system/shell-quote.ts";

/** Where the storage is. */
export interface StoragePlace {
  /** As in the input `storage`, such as `s3://bucket/prefix` or `https://host/prefix`; never with credentials in it. */
  readonly url: string;
  /** Where an S3-compatible store answers that is not AWS. */
  readonly s3Endpoint?: string | undefined;
}

export function placeOf({ url, s3Endpoint }: ObjectStore): StoragePlace {
  return { url, s3Endpoint };
}

export interface ArchiveByHand {
  readonly storage: StoragePlace;
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

export function commandsByHand({ storage, key, hasSha256 }: ArchiveByHand): Commands {
  const name = key.split("/").at(-1) ?? key;
  return {
    download: (hasSha256 ? [key, `${key}.sha256`] : [key]).map((one) => downloadCommand(storage, one)),
    // Without a digest of the whole (parts of it were copied on the store) each frame still has a checksum of its own.
    verify: [hasSha256 ? `sha256sum -c ${shellQuote(`${name}.sha256`)}` : `zstd -t ${shellQuote(name)}`],
    // The archive brings its own directory along, named like the one it was made of.
    unpack: [`tar --zstd -xf ${shellQuote(name)}`],
  };
}

export interface RestoreStep {
  readonly id: string;
  /** Base name of the directory to fill: the network's. */
  readonly network: string;
  /** From the snapshot of a volume instead of from an archive. */
  readonly fromVolume?: boolean;
}

/** A workflow's step that restores it. */
export function restoreStep(storage: StoragePlace, { id, network, fromVolume }: RestoreStep): string {
  const { s3Endpoint } = storage;
  const inputs: readonly (readonly [string, string])[] = [
    ["command", "restore"],
    ["storage", storage.url],
    ...(s3Endpoint === undefined ? [] : ([["s3-endpoint", s3Endpoint]] as const)),
    ["snapshot", id],
    ...(fromVolume === true ? ([["method", "volume"]] as const) : []),
    ["chainstate-dir", `/var/stacks/${network}`],
  ];
  return [
    "- uses: OWNER/chainstate-snapshot@v0",
    "  with:",
    ...inputs.map(([name, value]) => `    ${name}: ${yamlQuote(value)}`),
  ].join("\n");
}

function downloadCommand({ url: storageUrl, s3Endpoint }: StoragePlace, key: string): string {
  const url = `${storageUrl.replace(/\/+$/, "")}/${key}`;
  const scheme = /^([a-z0-9]+):\/\//.exec(url)?.[1];
  if (scheme === "s3") {
    const where = s3Endpoint === undefined ? "" : ` --endpoint-url ${shellQuote(s3Endpoint)}`;
    return `aws s3 cp${where} ${shellQuote(url)} .`;
  }
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
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(text) && !text.startsWith("-") ? text : quote(text);
}

/** As it is where YAML reads it as one plain text (or boolean), else in double quotes. */
function yamlQuote(text: string): string {
  return /^[A-Za-z/][A-Za-z0-9_@%+=./-]*(?::[A-Za-z0-9_@%+=./-]+)*$/.test(text) ? text : JSON.stringify(text);
}
