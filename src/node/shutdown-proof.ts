/**
 * The proof that a node is down, each piece recorded as evidence: what its supervisor says, that its process is gone,
 * that nobody has a file of the chainstate open, that its RPC is silent, and that the files are at rest. No single one
 * of them would do: a supervisor can lose sight of a process, a process can be one of two, a port can be closed early.
 */
import { open } from "node:fs/promises";
import path from "node:path";
import { databaseStem, isScratch } from "../chainstate/layout.ts";
import { ActionError, hasCode } from "../domain/errors.ts";
import type { Clock } from "../system/clock.ts";
import { poll } from "../system/poll.ts";
import type { Privilege } from "../system/privilege.ts";
import { isAlive } from "../system/proc.ts";
import { stopPauses } from "./context.ts";
import { cameBack } from "./errors.ts";
import { describeHolders, describeNobody, listChainstateFiles, requireSeen, scanHolders } from "./holders.ts";
import type { ChainstateFile, HolderScan } from "./holders.ts";
import type { Evidence, NodeControl, NodeState } from "./port.ts";
import { askNodeInfo, describeOutcome, describeRpcUrl } from "./rpc.ts";

export interface VerifyStoppedRequest {
  readonly control: NodeControl;
  /** What `inspect` said before the stop. */
  readonly before: NodeState;
  readonly chainstateDir: string;
  /** Undefined: the node has no RPC that could be asked. */
  readonly rpcUrl?: string | undefined;
  readonly privilege: Privilege;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** What is there is replaced, so that a transaction was cut off does not matter. */
  readonly isReplaced?: boolean;
}

/** Children and connections may take a moment longer to go than the node itself. */
const lastMs = 15_000;
const lookApartMs = 300;

export interface ProvenStop {
  readonly evidence: readonly Evidence[];
  /** The last piece, some time after the first look. CHAINSTATE_NOT_AT_REST. */
  readonly lookAgain: () => Promise<Evidence>;
}

/**
 * The proof but for its second look, so that the time between the two is of use: the node is down for all of it. Throws
 * NODE_STILL_RUNNING, NODE_CAME_BACK, DIRECTORY_IN_USE, PRIVILEGE_MISSING (what could not be looked at is not known) or
 * CHAINSTATE_NOT_AT_REST.
 */
export async function proveStopped(request: VerifyStoppedRequest): Promise<ProvenStop> {
  const { control, before, chainstateDir, clock, signal } = request;
  const evidence: Evidence[] = [...(await control.verifyDown(signal))];
  const node = before.process;
  if (node !== undefined) {
    const gone = await poll({ everyMs: stopPauses, limitMs: lastMs, signal, clock }, () =>
      isAlive(node) ? undefined : true,
    );
    if (gone === undefined)
      throw new ActionError("NODE_STILL_RUNNING", `The node's process (pid ${node.pid}) still runs.`);
    evidence.push({
      id: "process-gone",
      detail: `pid ${node.pid}, started at tick ${node.startTicks}, is gone`,
    });
  }
  evidence.push(await verifyRpcClosed(request));
  const first = await listChainstateFiles(chainstateDir, signal);
  const firstLookAt = clock.now();
  evidence.push(await verifyNoOpenFiles(request));
  if (request.isReplaced !== true) evidence.push(await verifyNoHotJournal(chainstateDir, first));
  const lookAgain = async (): Promise<Evidence> => {
    // No `poll`: the time between the two listings is what makes them evidence.
    await clock.sleep(Math.max(0, lookApartMs - (clock.now() - firstLookAt)), signal);
    const second = await listChainstateFiles(chainstateDir, signal);
    return verifyStable(first, second, clock.now() - firstLookAt);
  };
  return { evidence, lookAgain };
}

/**
 * The cheap part, to be asked again and again while the node has to stay down. Throws as `proveStopped` does; whatever
 * works in the directory now has come back.
 */
export async function verifyStillStopped(request: Omit<VerifyStoppedRequest, "before">): Promise<void> {
  const { control, chainstateDir, privilege, signal } = request;
  await control.verifyDown(signal);
  const scan = await scanHolders(chainstateDir, privilege, signal);
  if (scan.holders.length === 0) return requireSeen(scan, chainstateDir);
  throw cameBack(`The node was down and ${chainstateDir} is in use again: ${describeHolders(scan.holders)}.`);
}

async function verifyNoOpenFiles(request: VerifyStoppedRequest): Promise<Evidence> {
  const { control, chainstateDir, privilege, clock, signal } = request;
  let last: HolderScan | undefined;
  const free = await poll({ everyMs: stopPauses, limitMs: lastMs, signal, clock }, async () => {
    last = await scanHolders(chainstateDir, privilege, signal);
    if (last.holders.length === 0) return last;
    // It may be the node itself, back again; its control says so better than a list of files.
    await control.verifyDown(signal);
    return undefined;
  });
  if (free === undefined) {
    throw new ActionError(
      "DIRECTORY_IN_USE",
      `The node is down, but files of ${chainstateDir} are in use by ${describeHolders(last?.holders ?? [])}.`,
      { hint: "End that program (or stop the second node), then run again." },
    );
  }
  requireSeen(free, chainstateDir);
  return { id: "no-open-files", detail: describeNobody(free) };
}

async function verifyRpcClosed({ control, rpcUrl, clock, signal }: VerifyStoppedRequest): Promise<Evidence> {
  const id = "rpc-closed";
  if (rpcUrl === undefined) return { id, detail: "not asked: rpc-url is none" };
  const where = describeRpcUrl(rpcUrl);
  let said = "";
  const silent = await poll({ everyMs: stopPauses, limitMs: lastMs, signal, clock }, async () => {
    const outcome = await askNodeInfo(rpcUrl, signal);
    said = describeOutcome(outcome);
    if (outcome.kind !== "answer") return outcome;
    await control.verifyDown(signal);
    return undefined;
  });
  if (silent === undefined) {
    throw new ActionError(
      "NODE_STILL_RUNNING",
      `A node still answers at ${where}, although the one that was stopped is down.`,
      {
        hint: "Check `rpc-url` and `node-name`: they seem to name two different nodes.",
      },
    );
  }
  // A proxy in front of the node keeps its port open and answers for itself.
  return {
    id,
    detail:
      silent.kind === "refused" ? `${where} refuses connections` : `no node answers at ${where}: ${said}`,
  };
}

const journalMagic = Buffer.from("d9d505f920a163d7", "hex");

/** A rollback journal with a header belongs to a transaction that was cut off: its database is not whole without it. */
async function verifyNoHotJournal(
  chainstateDir: string,
  files: readonly ChainstateFile[],
): Promise<Evidence> {
  // What is made anew at each poll of the burn chain is in no snapshot, and nobody rolls it back: its database is made anew too.
  const journals = files.filter(
    ({ path, sizeBytes }) => path.endsWith("-journal") && sizeBytes > 0 && !isScratch(databaseStem(path)),
  );
  for (const journal of journals) {
    if (!(await startsWith(path.join(chainstateDir, journal.path), journalMagic))) continue;
    throw new ActionError(
      "CHAINSTATE_NOT_AT_REST",
      `${journal.path} is a hot rollback journal: a transaction was cut off.`,
      {
        hint: "Start the node, let it roll the transaction back, and take the snapshot after the next clean stop.",
      },
    );
  }
  return {
    id: "no-hot-journal",
    detail: `${journals.length === 1 ? "1 journal" : `${journals.length} journals`} left, none of them hot`,
  };
}

async function startsWith(file: string, magic: Buffer): Promise<boolean> {
  try {
    const handle = await open(file);
    try {
      const head = Buffer.alloc(magic.length);
      await handle.read(head, 0, head.length, 0);
      return head.equals(magic);
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (hasCode(error, "ENOENT")) return false;
    throw error;
  }
}

const databaseFile = /(\.sqlite|-wal|-journal|\.blobs)$/;

function verifyStable(
  first: readonly ChainstateFile[],
  second: readonly ChainstateFile[],
  apartMs: number,
): Evidence {
  const databases = (files: readonly ChainstateFile[]): Map<string, string> =>
    new Map(
      files
        .filter((file) => databaseFile.test(file.path))
        .map((file) => [file.path, `${file.key} ${file.sizeBytes} ${file.mtimeNs}`]),
    );
  const before = databases(first);
  const after = databases(second);
  for (const name of new Set([...before.keys(), ...after.keys()])) {
    if (before.get(name) === after.get(name)) continue;
    throw new ActionError("CHAINSTATE_NOT_AT_REST", `${name} still changes although the node is down.`, {
      hint: "Find out who writes there: a node on another host (a shared file system), or in a container that cannot be seen from here.",
    });
  }
  return {
    id: "files-stable",
    detail: `size and time of ${after.size} databases, logs and blobs the same in two looks ${apartMs} ms apart`,
  };
}
