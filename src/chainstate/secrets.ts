/**
 * A last look at what a `share` snapshot would hand to others: the profile leaves out what is known to be private, and
 * this finds what is not. Secrets are looked for by the names of columns in databases, and in the text of every file that
 * is no part of a chainstate.
 */
import { open, readdir } from "node:fs/promises";
import { ActionError, throwIfAborted } from "../domain/errors.ts";
import { decodePath, fsPath } from "../system/path-bytes.ts";
import {
  databaseStem,
  type EntrySelection,
  isBlobs,
  isDatabase,
  isWriteOnce,
  isWriteOnceDirectory,
} from "./layout.ts";
import { openReader } from "./read-only-database.ts";
import { Schema } from "./source.ts";

export interface Secret {
  /** Below the mode directory. */
  readonly path: string;
  /** Where in it, in words: a column, or what a line looks like. Never the secret itself. */
  readonly place: string;
}

export interface ScanOptions {
  /** The mode directory; nobody may be writing to it. */
  readonly dir: string;
  readonly selection: EntrySelection;
  readonly signal: AbortSignal;
}

const secretColumn =
  /^(?!.*expire).*(?:private_?key|secret|mnemonic|passw(?:or)?d|auth_?token|seed_?phrase|signing_?key)/i;
const textBytes = 1024 ** 2;

const secretTexts: readonly { readonly pattern: RegExp; readonly place: string }[] = [
  { pattern: /-----BEGIN [A-Z ]*PRIVATE KEY-----/, place: "a private key" },
  { pattern: /\bauth_?token\b\s*["']?\s*[=:]/i, place: "an auth token" },
  {
    pattern:
      /\b(?:seed|mining_key|local_peer_seed|stacks_private_key|private_?key|mnemonic)\b\s*["']?\s*[=:]\s*["']?\S/i,
    place: "a seed or private key",
  },
  { pattern: /\b(?:password|passwd|rpcpassword)\b\s*["']?\s*[=:]\s*["']?\S/i, place: "a password" },
];

/** Every secret in what the selection takes. */
export async function findSecrets({ dir, selection, signal }: ScanOptions): Promise<readonly Secret[]> {
  const { paths, texts } = await listFiles(dir, selection, signal);
  const secrets: Secret[] = [];
  for (const path of texts) {
    const place = await secretIn(`${dir}/${path}`);
    if (place !== undefined) secrets.push({ path, place });
  }
  // As this user, who reads the very same files for the archive.
  const reader = await openReader({ dir, signal });
  try {
    for (const path of paths) {
      const schema = await Schema.of({ ask: reader.ask, has: () => true }, path);
      for (const table of schema.tables()) {
        for (const column of schema.columnsOf(table).filter((name) => secretColumn.test(name))) {
          const [name, from] = [quoted(column), quoted(table)];
          const sql = `SELECT 1 AS found FROM ${from} WHERE ${name} IS NOT NULL AND ${name} <> '' LIMIT 1`;
          if ((await reader.ask(path, sql)).length > 0)
            secrets.push({ path, place: `column ${table}.${column}` });
        }
      }
    }
  } finally {
    await reader.end();
  }
  return secrets;
}

/** Throws SECRETS_FOUND, naming every place, unless there are none. */
export async function assertNoSecrets(options: ScanOptions): Promise<void> {
  const secrets = await findSecrets(options);
  if (secrets.length === 0) return;
  const places = secrets.map(({ path, place }) => `${path} (${place})`).join(", ");
  throw new ActionError("SECRETS_FOUND", `A snapshot for sharing would hold what is private: ${places}.`, {
    hint: "Move these files out of chainstate-dir or name them in `exclude`.",
  });
}

async function listFiles(
  dir: string,
  selection: EntrySelection,
  signal: AbortSignal,
): Promise<{ readonly paths: readonly string[]; readonly texts: readonly string[] }> {
  const paths: string[] = [];
  const texts: string[] = [];
  const pending = [""];
  for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
    throwIfAborted(signal);
    const directory = fsPath(at === "" ? dir : `${dir}/${at}`);
    for (const entry of await readdir(directory, { withFileTypes: true, encoding: "buffer" })) {
      const name = decodePath(entry.name);
      const path = at === "" ? name : `${at}/${name}`;
      if (selection.leavesOut(path, entry.isDirectory()) !== undefined) continue;
      if (entry.isDirectory()) {
        if (!isWriteOnceDirectory(path)) pending.push(path);
      } else if (isDatabase(path)) {
        paths.push(path);
      } else if (entry.isFile() && !isBlobs(path) && !isWriteOnce(path) && databaseStem(path) === path) {
        texts.push(path);
      }
    }
  }
  return { paths: paths.toSorted(), texts: texts.toSorted() };
}

async function secretIn(file: string): Promise<string | undefined> {
  const handle = await open(fsPath(file), "r");
  try {
    const { bytesRead, buffer } = await handle.read(Buffer.alloc(textBytes), 0, textBytes, 0);
    const text = buffer.toString("latin1", 0, bytesRead);
    return secretTexts.find(({ pattern }) => pattern.test(text))?.place;
  } finally {
    await handle.close();
  }
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
