/** No node to stop or start: an ephemeral test node, or a directory that no node uses. That nobody works there is checked all the same. */
import { ActionError } from "../domain/errors.ts";
import type { NodeContext } from "./context.ts";
import { describeHolders, requireSeen, scanHolders } from "./holders.ts";
import type { NodeControl } from "./port.ts";

export function noNode(
  name: string,
  { chainstateDir, privilege }: Pick<NodeContext, "chainstateDir" | "privilege">,
): NodeControl {
  return {
    identity: { manager: "none", name, foundBy: "node-manager is none" },
    inspect: () => Promise.resolve({ running: false, detail: "nothing to stop or start" }),
    async preflight(_stopTimeoutMs, signal) {
      const scan = await scanHolders(chainstateDir, privilege, signal);
      if (scan.holders.length === 0) requireSeen(scan, chainstateDir);
      else {
        throw new ActionError(
          "DIRECTORY_IN_USE",
          `With \`node-manager: none\` nothing is stopped, but ${chainstateDir} is in use by ${describeHolders(scan.holders)}.`,
          { hint: "Name what runs the node in `node-manager`, or end that program." },
        );
      }
      return [];
    },
    recipe: () => Promise.resolve({ manager: "none" }),
    stop: () => Promise.resolve({ result: "nothing to stop", exitCode: null, signal: null, seconds: 0 }),
    verifyDown: () => Promise.resolve([]),
    start: () => Promise.resolve([]),
    versionCommand: () => Promise.resolve(undefined),
  };
}
