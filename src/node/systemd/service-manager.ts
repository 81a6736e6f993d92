/**
 * Whom `systemctl` asks: the system's service manager, or a user's. What changes something in the system's goes through
 * sudo; a user's manager answers that user alone, and root becomes that user to ask it.
 */
import { statSync } from "node:fs";
import { ActionError } from "../../domain/errors.ts";
import { query, type ExecResult } from "../../system/exec.ts";
import type { Privilege } from "../../system/privilege.ts";

export class ServiceManager {
  /** Undefined: the system's. */
  readonly user: number | undefined;
  readonly #privilege: Privilege;

  constructor(user: number | undefined, privilege: Privilege) {
    this.user = user;
    this.#privilege = privilege;
  }

  /** The argv of a change, as a sudoers line has to allow it (without sudo). */
  command(...words: string[]): readonly string[] {
    return ["systemctl", ...(this.user === undefined ? [] : ["--user"]), "--no-ask-password", ...words];
  }

  /** Asks for a change; resolves whatever its exit code. */
  async ask(words: readonly string[]): Promise<ExecResult> {
    return await query(this.asOwner(this.command(...words)));
  }

  /** Properties of a unit as `systemctl show` prints them. SUPERVISOR_UNAVAILABLE where nobody answers. */
  async show(properties: readonly string[], ...units: string[]): Promise<string> {
    const argv = this.command("show", `--property=${properties.join(",")}`, "--", ...units);
    const shown = await query(this.user === undefined ? argv : this.asOwner(argv));
    if (shown.exitCode === 0) return shown.stdout;
    const said = (shown.stderr.trim() || `exit code ${shown.exitCode}`).slice(-500);
    const who = this.user === undefined ? "systemd" : `The service manager of user ${this.user}`;
    throw new ActionError("SUPERVISOR_UNAVAILABLE", `${who} does not answer: ${said}`, {
      hint: "Set `node-manager` to what runs the node on this host.",
    });
  }

  /** Throws PRIVILEGE_MISSING unless the change may be asked for. */
  async require(words: readonly string[], purpose: string): Promise<void> {
    if (this.user === undefined) await this.#privilege.require(this.command(...words), purpose);
    else this.asOwner([]);
  }

  /** The argv as it has to be run to change what belongs to this manager. */
  asOwner(argv: readonly string[]): readonly string[] {
    const { user } = this;
    if (user === undefined) return this.#privilege.elevate(argv);
    const runtime = `/run/user/${user}`;
    const withRuntime = [
      "env",
      `XDG_RUNTIME_DIR=${runtime}`,
      `DBUS_SESSION_BUS_ADDRESS=unix:path=${runtime}/bus`,
      ...argv,
    ];
    if (user === process.geteuid?.()) return withRuntime;
    if (this.#privilege.isRoot) {
      const { gid } = statSync(runtime);
      return ["setpriv", `--reuid=${user}`, `--regid=${gid}`, "--clear-groups", ...withRuntime];
    }
    throw new ActionError(
      "PRIVILEGE_MISSING",
      `The node is run by the service manager of user ${user}, which answers that user and root alone.`,
      { hint: "Run the runner as that user, or as root." },
    );
  }
}
