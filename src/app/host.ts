/**
 * Whether this program can run here at all. Asked before anything else is loaded, because what is loaded could not say it: imports
 * nothing, and each entry point carries its own copy.
 */

const oldestNode = 24;

/** One sentence, or undefined where it can run. */
export function reasonNotHere(
  { node }: { readonly node: string },
  platform: NodeJS.Platform,
): string | undefined {
  if (platform !== "linux")
    return `chainstate-snapshot runs on Linux only, on the machine of the node or on one that can read the storage; this is ${platform}.`;
  if (Number(node.split(".")[0]) < oldestNode)
    return `chainstate-snapshot needs Node.js ${oldestNode} or newer; this is ${node} (${process.execPath}). As an action it is run by the Node.js of the runner, 2.327.1 or newer.`;
  return undefined;
}

/** Says why not, as the runner or a terminal shows it, and fails. True: go on. */
export function canRunHere(): boolean {
  const reason = reasonNotHere(process.versions, process.platform);
  if (reason === undefined) return true;
  process.stdout.write(`${process.env["GITHUB_ACTIONS"] === "true" ? "::error::" : ""}${reason}\n`);
  process.exitCode = 1;
  return false;
}
