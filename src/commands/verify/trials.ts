/**
 * The node's own programs, tried on a copy of a chainstate that has passed the checks: its inspector executes the last
 * blocks again, the node itself is started on it. What checks cannot see, that the software can work with it, they say.
 */
import { chmod, mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { identityDatabase } from "../../chainstate/layout.ts";
import { readFacts } from "../../chainstate/inspect.ts";
import { mayBeNeededForChecks } from "../../chainstate/mode-directory.ts";
import type { BootOptions, ReplayOptions } from "../../config/config.ts";
import { ActionError } from "../../domain/errors.ts";
import type { ChainFacts } from "../../domain/manifest.ts";
import type { SudoMode } from "../../domain/options.ts";
import { hostPrograms, openWay, programUser, type ProgramUser } from "../../node/programs/as-user.ts";
import { bootNode, freePorts } from "../../node/programs/boot.ts";
import { replayBlocks } from "../../node/programs/replay.ts";
import type { ContainersOfRun, ProgramRunner } from "../../node/programs/runner.ts";
import { readTrialConfig, type TrialConfig } from "../../node/programs/trial-config.ts";
import { canonicalPath } from "../../recovery/state-directory.ts";
import { formatDuration } from "../../report/words.ts";
import { runOk } from "../../system/exec.ts";
import { askNode } from "../ask-node.ts";
import type { RunContext } from "../context.ts";

export interface TrialOptions {
  readonly replay?: ReplayOptions;
  readonly boot?: BootOptions;
  readonly nodeImage?: string;
}

interface TrialPlace {
  /** Whose the chainstate is. */
  readonly owner?: string | undefined;
  /** The copy is going to be in this job's scratch. */
  readonly inTemp: boolean;
  readonly sudo: SudoMode;
}

export interface Copy {
  /** The copy, a mode directory. It is moved, and written to. */
  readonly dir: string;
  /** A directory of this run's, on the same file system, that goes with the copy. */
  readonly work: string;
  /** Whoever runs the programs has to be let through from here on. */
  readonly within: string;
  readonly facts: ChainFacts;
}

export interface Trials {
  readonly user: ProgramUser;
  /** To be noted before `run`. */
  readonly containers: readonly ContainersOfRun[];
  /** Whether an archive has to be unpacked whole. */
  readonly takesAll: boolean;
  /** Which entries of an archive have to be in the copy. */
  needs(path: string): boolean;
  /** PROGRAM_UNUSABLE where the inspector has to be given a configuration of that network's nodes, and is not. */
  requireNetwork(facts: Pick<ChainFacts, "network" | "mainnet">): void;
  /** REPLAY_FAILED, BOOT_FAILED, PROGRAM_UNUSABLE; CHAIN_DIFFERS where the node has another block at the height. */
  run(copy: Copy): Promise<void>;
}

/** Before anything is fetched. Undefined: nothing is to be tried. PROGRAM_UNUSABLE. */
export async function openTrials(
  ctx: RunContext,
  { replay, boot, nodeImage }: TrialOptions,
  { owner, inTemp, sudo }: TrialPlace,
): Promise<Trials | undefined> {
  if (replay === undefined && boot === undefined) return undefined;
  const user = programUser(owner);
  const image =
    nodeImage === undefined ? undefined : await ctx.images.open(nodeImage, user, ctx.privilege(sudo));
  if (image !== undefined) ctx.report.fact("Node image", image.what);
  const programs = image ?? hostPrograms(user);
  await withWay(ctx, user, inTemp, async (home) => {
    if (replay !== undefined) await programs.require("node-inspector", replay.inspector, "--version", home);
    if (boot !== undefined) await programs.require("node-program", boot.program, "version", home);
  });
  const configFile = boot?.nodeConfig ?? replay?.nodeConfig;
  const config = configFile === undefined ? undefined : await readTrialConfig(configFile);
  const takesAll = boot !== undefined;
  const trials: Trials = {
    user,
    containers: image === undefined ? [] : [image.containers],
    takesAll,
    requireNetwork: (facts) => {
      if (replay !== undefined && config === undefined) networkArgument(facts);
    },
    needs: (path) => takesAll || mayBeNeededForChecks(path, "full"),
    run: (copy) => tryPrograms(ctx, { replay, boot, config, user, programs }, copy),
  };
  if (owner !== undefined) trials.requireNetwork(await readFacts(owner, ctx.signal));
  return trials;
}

/** A directory in this job's scratch in which the user can work, where a copy is going to be there. */
async function withWay(
  ctx: RunContext,
  user: ProgramUser,
  inTemp: boolean,
  work: (directory: string) => Promise<void>,
): Promise<void> {
  const tempDir = await canonicalPath(ctx.host.tempDir);
  const directory = await mkdtemp(join(tempDir, "way-"));
  try {
    if (inTemp && user.uid !== process.geteuid?.()) await giveTo(ctx, user, directory);
    if (inTemp) await openWay(user, directory, tempDir);
    await work(directory);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

interface Tried {
  readonly replay: ReplayOptions | undefined;
  readonly boot: BootOptions | undefined;
  readonly config: TrialConfig | undefined;
  readonly user: ProgramUser;
  readonly programs: ProgramRunner;
}

async function tryPrograms(ctx: RunContext, tried: Tried, copy: Copy): Promise<void> {
  const { config, user } = tried;
  const home = join(copy.work, "node");
  const mode = config?.mode ?? (copy.facts.mainnet === true ? "mainnet" : "xenon");
  const dir = join(home, mode);
  if (copy.dir !== dir) {
    await mkdir(home, { recursive: true, mode: 0o700 });
    await rename(copy.dir, dir);
  }
  if (user.uid !== process.geteuid?.()) await giveTo(ctx, user, home);
  await openWay(user, home, copy.within);
  const ports = await freePorts();
  const configFile = join(copy.work, "node.toml");
  // There is no secret in it, and another user may be the one who reads it.
  if (config !== undefined) {
    await writeFile(configFile, config.text(home, ports));
    await chmod(configFile, 0o644);
  }
  const place = { dir, home, configFile, rpcUrl: `http://127.0.0.1:${ports.rpc}`, facts: copy.facts };
  await replay(ctx, tried, place);
  await boot(ctx, tried, place);
}

interface Place {
  readonly dir: string;
  readonly home: string;
  readonly configFile: string;
  readonly rpcUrl: string;
  readonly facts: ChainFacts;
}

async function replay(ctx: RunContext, tried: Tried, { dir, home, configFile, facts }: Place): Promise<void> {
  const { replay: options, config, programs } = tried;
  if (options === undefined) return;
  const { report, signal } = ctx;
  const network = config === undefined ? { network: networkArgument(facts) } : { configFile };
  const { blocks, inspector } = options;
  await report.phase("check", `Replay the last ${blocks} blocks`, async () => {
    const startedAt = ctx.clock.now();
    const count = await replayBlocks({
      programs,
      inspector,
      blocks,
      ...network,
      chainstateDir: dir,
      home,
      signal,
      say: (line) => report.info(line),
    });
    const took = formatDuration(ctx.clock.now() - startedAt);
    report.fact("Replayed", `the last ${count} blocks by ${inspector}, in ${took}`);
  });
}

function networkArgument({ network, mainnet }: Pick<ChainFacts, "network" | "mainnet">): readonly string[] {
  if (mainnet === true) return [];
  if (network === "xenon") return ["--network-config", "xenon"];
  throw new ActionError(
    "PROGRAM_UNUSABLE",
    `${network} is neither the mainnet nor the public testnet, so \`replay-blocks\` needs 'node-config'.`,
    { hint: "Set `node-config` to a configuration of its node." },
  );
}

async function boot(ctx: RunContext, tried: Tried, place: Place): Promise<void> {
  const { boot: options, programs } = tried;
  if (options === undefined) return;
  const { report, signal, clock } = ctx;
  const { dir, home, configFile, rpcUrl, facts } = place;
  const { program, startTimeoutMs } = options;
  await report.phase("check", `Start ${program} on the copy`, async () => {
    // With it the copy would be the same peer as the node.
    for (const suffix of ["", "-wal", "-shm", "-journal"])
      await rm(join(dir, `${identityDatabase}${suffix}`), { force: true });
    const booted = await bootNode({
      programs,
      program,
      configFile,
      rpcUrl,
      home,
      height: facts.stacksHeight,
      startTimeoutMs,
      clock,
      signal,
      say: (line) => report.info(line),
      whileUp: () => requireSameBlock(ctx, rpcUrl, facts),
    });
    const [started, stopped] = [booted.startedMs, booted.stoppedMs].map(formatDuration);
    report.fact(
      "Booted",
      `at height ${booted.info.stacks_tip_height} after ${started}, stopped cleanly in ${stopped} (${booted.info.server_version || program})`,
    );
  });
}

/** A node may start on a chainstate and go back to an older block, or to another fork. */
async function requireSameBlock(ctx: RunContext, rpcUrl: string, facts: ChainFacts): Promise<void> {
  const { kind, detail } = await askNode(ctx, rpcUrl, facts);
  if (kind === "theirs") return;
  if (kind === "differs")
    throw new ActionError(
      "BOOT_FAILED",
      `The node's program stands on another block than the copy: ${detail}.`,
    );
  ctx.report.notice(`Whether the node that was started has the block of the copy is not known: ${detail}.`);
}

/** Hours: a file at a time, of which an epoch-2 chain has half a million. */
const longMs = 6 * 3600_000;

async function giveTo({ signal }: RunContext, { uid, gid }: ProgramUser, directory: string): Promise<void> {
  const argv = ["chown", "--recursive", "--no-dereference", `${uid}:${gid}`, "--", directory];
  await runOk(argv, { signal, timeoutMs: longMs });
}
