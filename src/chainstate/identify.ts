/** What a directory is, before it is archived or replaced: a chainstate, nothing, or something else that is left alone. */
import { lstat, readdir } from "node:fs/promises";
import { dirname } from "node:path";
import { ActionError, hasCode } from "../domain/errors.ts";
import { databases } from "./layout.ts";

/** What file systems and this program put into a directory that is otherwise empty. */
const ofNobody = /^(?:lost\+found$|\.chainstate-snapshot-)/;

/**
 * What a node's operator keeps and no chainstate holds: configurations (which have the seed), keys, the database of a
 * signer, a whole node's working directory.
 */
const notOfChainstate =
  /\.(?:toml|conf|cfg|ya?ml|env|key|pem)$|^\.env$|signer|^(?:mainnet|xenon|krypton|testnet|nakamoto-neon)$/i;

export type Identified =
  | { readonly kind: "absent" | "empty" | "chainstate" }
  | { readonly kind: "other"; readonly why: string; readonly didYouMean?: string };

/** Reads names only. */
export async function identifyDirectory(path: string): Promise<Identified> {
  let names: readonly string[];
  try {
    names = (await readdir(path)).filter((name) => !ofNobody.test(name));
  } catch (error) {
    if (hasCode(error, "ENOENT")) return { kind: "absent" };
    if (hasCode(error, "ENOTDIR")) return { kind: "other", why: `${path} is not a directory` };
    throw error;
  }
  if (names.length === 0) return { kind: "empty" };
  const lacks = await findMissing(path);
  if (lacks !== undefined) {
    const didYouMean = (await findBelow(path, names)) ?? (await findAbove(path));
    return {
      kind: "other",
      why: `${path} has no ${lacks}, so it is no chainstate`,
      ...(didYouMean === undefined ? {} : { didYouMean }),
    };
  }
  const strange = names.find((name) => notOfChainstate.test(name));
  if (strange === undefined) return { kind: "chainstate" };
  return { kind: "other", why: `${path} holds ${JSON.stringify(strange)}, which is no part of a chainstate` };
}

/** For a snapshot. CHAINSTATE_DIR_MISSING, CHAINSTATE_NOT_FOUND. */
export async function requireChainstate(path: string): Promise<void> {
  if ((await findMissing(path)) === undefined) return;
  const found = await identifyDirectory(path);
  if (found.kind === "absent") {
    throw new ActionError("CHAINSTATE_DIR_MISSING", `${path} does not exist.`, { hint: modeDirectory });
  }
  const why = found.kind === "other" ? found.why : `${path} is empty`;
  throw new ActionError("CHAINSTATE_NOT_FOUND", `${why}.`, { hint: hintOf(found) });
}

/** Whatever else is in it. */
export async function hasChainstate(path: string): Promise<boolean> {
  return (await findMissing(path)) === undefined;
}

/** For a restore: true where it holds a chainstate that is to be replaced. TARGET_NO_CHAINSTATE for anything else in it. */
export async function holdsChainstate(path: string): Promise<boolean> {
  const found = await identifyDirectory(path);
  if (found.kind !== "other") return found.kind === "chainstate";
  throw new ActionError("TARGET_NO_CHAINSTATE", `${found.why}; it is not replaced.`, { hint: hintOf(found) });
}

const modeDirectory = "`chainstate-dir` names the mode directory of the node, such as /var/stacks/mainnet.";

function hintOf(found: Identified): string {
  const meant = found.kind === "other" ? found.didYouMean : undefined;
  if (meant !== undefined) return `Did you mean ${meant}? ${modeDirectory}`;
  return `${modeDirectory} If it is right, move away by hand what does not belong there.`;
}

async function findBelow(path: string, names: readonly string[]): Promise<string | undefined> {
  for (const name of names.slice(0, 1000)) {
    if ((await findMissing(`${path}/${name}`)) === undefined) return `${path}/${name}`;
  }
  return undefined;
}

/** For a path that goes on into the mode directory: `…/mainnet/chainstate`. */
async function findAbove(path: string): Promise<string | undefined> {
  for (let at = dirname(path), steps = 0; at !== dirname(at) && steps < 3; at = dirname(at), steps += 1) {
    if ((await findMissing(at)) === undefined) return at;
  }
  return undefined;
}

/** What every mode directory has and this one has not. */
async function findMissing(path: string): Promise<string | undefined> {
  for (const database of [databases.index, databases.sortition]) {
    if (!(await isFile(`${path}/${database}`))) return database;
  }
  return undefined;
}

async function isFile(path: string): Promise<boolean> {
  try {
    return (await lstat(path)).isFile();
  } catch (error) {
    if (hasCode(error, "ENOENT") || hasCode(error, "ENOTDIR")) return false;
    throw error;
  }
}
