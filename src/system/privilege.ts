/**
 * Rights on the host. Commands that need root are written as if this process were root and pass through here, so the
 * input `sudo` (`auto`, `always`, `never`) is honoured in one place and always as `sudo -n`.
 */
import type { SudoMode } from "../domain/options.ts";
import { ActionError } from "../domain/errors.ts";
import { query } from "./exec.ts";

export interface Privilege {
  readonly isRoot: boolean;
  /** The argv as it has to be run: unchanged for root and mode `never`, else behind `sudo -n`. */
  elevate(argv: readonly string[]): readonly string[];
  /** True when `elevate(argv)` would be permitted, asked with `sudo -n -l` without running it. */
  may(argv: readonly string[]): Promise<boolean>;
  /** Throws PRIVILEGE_MISSING with the sudoers line that is needed, unless `may(argv)`. */
  require(argv: readonly string[], purpose: string): Promise<void>;
}

export function privilegeFor(mode: SudoMode): Privilege {
  const isRoot = process.geteuid?.() === 0;
  const viaSudo = mode === "always" || (mode === "auto" && !isRoot);
  const elevate = (argv: readonly string[]): readonly string[] => (viaSudo ? ["sudo", "-n", ...argv] : argv);
  const may = async (argv: readonly string[]): Promise<boolean> => {
    if (!viaSudo) return true;
    return (await query(["sudo", "-n", "-l", ...argv])).exitCode === 0;
  };
  return {
    isRoot,
    elevate,
    may,
    async require(argv, purpose) {
      if (await may(argv)) return;
      throw new ActionError(
        "PRIVILEGE_MISSING",
        `This runner may not run \`sudo -n ${argv.join(" ")}\`, which is needed ${purpose}.`,
        {
          hint: `Allow it in sudoers (docs/permissions.md) or run the runner as a user that needs no sudo.`,
        },
      );
    },
  };
}
