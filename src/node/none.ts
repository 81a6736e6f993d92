/** No node to stop or start: an ephemeral test node, or a directory that no node uses. The proof is made all the same. */
import type { NodeControl } from "./port.ts";

export function noNode(name: string): NodeControl {
  return {
    identity: { manager: "none", name, foundBy: "node-manager is none" },
    inspect: () => Promise.resolve({ running: false, detail: "nothing to stop or start" }),
    preflight: () => Promise.resolve([]),
    recipe: () => Promise.resolve({ manager: "none" }),
    stop: () => Promise.resolve({ result: "nothing to stop", exitCode: null, signal: null, seconds: 0 }),
    provesDown: () => Promise.resolve([]),
    start: () => Promise.resolve(),
    versionCommand: () => Promise.resolve(undefined),
  };
}
