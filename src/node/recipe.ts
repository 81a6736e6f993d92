/**
 * How to bring a node back, as plain JSON: written to the journal before the stop, so that the post step, the dead
 * man's switch or the next run can do it when the run that stopped the node is gone.
 */

export type StartRecipe =
  | { readonly manager: "systemd"; readonly unit: string; readonly sudo: boolean; readonly dropIn?: string }
  | { readonly manager: "docker"; readonly cli: string; readonly container: string; readonly sudo: boolean }
  | {
      readonly manager: "process";
      readonly name: string;
      readonly executable: string;
      readonly argv: readonly string[];
      /** The process's environment; the journal that holds it is readable by its owner only. */
      readonly environment: Readonly<Record<string, string>>;
      readonly directory: string;
      readonly uid: number;
      readonly gid: number;
      readonly groups: readonly number[];
      /** Where stdout and stderr went, when they were files; /dev/null otherwise. */
      readonly stdout: string;
      readonly stderr: string;
      /** Given by `node-start-command`: then this line is run by a shell instead. */
      readonly startCommand?: string;
      readonly sudo: boolean;
    }
  | { readonly manager: "command"; readonly name: string; readonly startCommand: string }
  | { readonly manager: "none" };
