/**
 * Keys as every provider takes them: relative, "/"-separated, no empty component, none that starts with a dot (those
 * are the providers' own: probes, parts of files). Checked in one place, so no key can leave the prefix anywhere.
 */
import { StoreError } from "./errors.ts";

export function assertKey(key: string): void {
  if (key !== "" && key.isWellFormed() && key.split("/").every(isComponent)) return;
  throw new StoreError("STORE_UNSUPPORTED", `${JSON.stringify(key)} is no key a store can keep.`, {
    hint: "Keys are relative paths without empty parts, control characters or names that start with a dot.",
  });
}

/** Whether a listed key is one of ours and not a provider's scratch. */
export function isOwnKey(key: string): boolean {
  return key !== "" && key.split("/").every(isComponent);
}

/** A prefix without slashes at its ends; "" for the root. */
export function trimPrefix(prefix: string): string {
  return prefix.replace(/^\/+|\/+$/gu, "");
}

function isComponent(name: string): boolean {
  if (name === "" || name.startsWith(".")) return false;
  return !/\p{Cc}/u.test(name);
}
