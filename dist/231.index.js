export const id = 231;
export const ids = [231];
export const modules = {

/***/ 7333:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __webpack_require__) => {

/* harmony export */ __webpack_require__.d(__webpack_exports__, {
/* harmony export */   u: () => (/* binding */ withJournal)
/* harmony export */ });
/* harmony import */ var _errors_js__WEBPACK_IMPORTED_MODULE_0__ = __webpack_require__(9473);
/* harmony import */ var _recovery_journal_js__WEBPACK_IMPORTED_MODULE_1__ = __webpack_require__(6233);
/* harmony import */ var _settle_js__WEBPACK_IMPORTED_MODULE_2__ = __webpack_require__(9056);
/**
 * Every command that touches a node or a chainstate directory runs inside a journal: it is the lock on the directory, and
 * what a dead run left in it is finished before anything new is begun.
 */



/** Runs `work` holding the directory's journal; afterwards what it left undone is settled or left to the post step. */
async function withJournal(rooms, run, work) {
    const own = { runId: rooms.host.runId, command: run.command, sudo: run.sudo };
    const { journal, leftBehind } = await (0,_recovery_journal_js__WEBPACK_IMPORTED_MODULE_1__/* .openJournal */ ._0)({
        stateDirectory: rooms.host.stateDir,
        chainstateDir: run.chainstateDir,
        run: own,
        clock: rooms.clock,
        signal: rooms.signal,
    });
    try {
        await rooms.rememberJournal(journal.path);
        if (leftBehind !== undefined)
            await finishLeftBehind(rooms, journal);
        const result = await work(journal);
        await (0,_settle_js__WEBPACK_IMPORTED_MODULE_2__/* .settle */ .G)(rooms, journal);
        await journal.remove();
        return result;
    }
    catch (error) {
        await settleAfterFailure(rooms, journal);
        throw error;
    }
    finally {
        journal.release();
    }
}
async function finishLeftBehind(rooms, journal) {
    const { runId, command, sudo } = journal.content;
    rooms.report.warning(`An earlier run (${command}, ${runId}) ended before it was done. Finishing what it left.`);
    const left = await (0,_settle_js__WEBPACK_IMPORTED_MODULE_2__/* .settle */ .G)(rooms, journal);
    if (left.length > 0) {
        throw new _errors_js__WEBPACK_IMPORTED_MODULE_0__/* .ActionError */ .lZ("LEFT_BEHIND", `What run ${runId} left could not be finished: ${left.join("; ")}`, {
            hint: `See to that by hand, then remove ${journal.path} and run this again.`,
        });
    }
    await journal.begin({ runId: rooms.host.runId, command, sudo });
}
/** The post step tries again what does not work here, so a failure in here must not hide the one that came first. */
async function settleAfterFailure(rooms, journal) {
    if (rooms.signal.aborted)
        return;
    try {
        const left = await (0,_settle_js__WEBPACK_IMPORTED_MODULE_2__/* .settle */ .G)(rooms, journal);
        if (left.length === 0)
            await journal.remove();
    }
    catch (error) {
        rooms.report.warning(`Not all could be cleaned up now; the post step tries again: ${(0,_errors_js__WEBPACK_IMPORTED_MODULE_0__/* .describeError */ .Uc)(error)}`);
    }
}


/***/ }),

/***/ 3067:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __webpack_require__) => {

/* harmony export */ __webpack_require__.d(__webpack_exports__, {
/* harmony export */   y: () => (/* binding */ meetNode)
/* harmony export */ });
/* harmony import */ var _errors_js__WEBPACK_IMPORTED_MODULE_0__ = __webpack_require__(9473);
/* harmony import */ var _node_rpc_js__WEBPACK_IMPORTED_MODULE_1__ = __webpack_require__(302);
/* harmony import */ var _node_version_js__WEBPACK_IMPORTED_MODULE_2__ = __webpack_require__(5141);



/** Finds the node, tries all that stop and start will need, and asks it where it stands. Touches nothing. */
async function meetNode(rooms, options, chainstateDir) {
    const { report, signal } = rooms;
    const control = await rooms.chooseNodeControl(options, chainstateDir, rooms.privilege(options.sudo));
    const { manager, name, foundBy } = control.identity;
    const before = await control.inspect(signal);
    if (manager === "none") {
        report.info("No node is managed here; that nobody has the directory open is proved all the same.");
    }
    else {
        report.info(`Node: ${manager} ${name} (${foundBy}), ${before.running ? "running" : "not running"}: ${before.detail}.`);
        report.node(before.running ? "running" : "left-down");
        report.output("node-running", String(before.running));
    }
    for (const adjustment of await control.preflight(options.stopTimeoutMs, signal))
        report.info(adjustment);
    const version = await (0,_node_version_js__WEBPACK_IMPORTED_MODULE_2__/* .askVersion */ .qN)(await control.versionCommand(signal));
    if (version !== undefined)
        report.fact("Node version", version.line);
    const rpcUrl = before.running && manager !== "none" ? options.rpcUrl : undefined;
    if (rpcUrl === undefined)
        return { control, before, version, info: undefined, tenure: undefined };
    const info = await answeringInfo(rpcUrl, signal);
    report.info(`Before: Stacks height ${info.stacks_tip_height}, burn height ${info.burn_block_height}.`);
    const tenure = await (0,_node_rpc_js__WEBPACK_IMPORTED_MODULE_1__/* .askTenureInfo */ .ZU)(rpcUrl, signal);
    if (tenure.kind !== "answer")
        report.info(`/v3/tenures/info: ${(0,_node_rpc_js__WEBPACK_IMPORTED_MODULE_1__/* .describeOutcome */ .SS)(tenure)}.`);
    return { control, before, version, info, tenure: tenure.kind === "answer" ? tenure.value : undefined };
}
/** A node that runs and does not answer is starting or ill: neither is a moment to stop it. */
async function answeringInfo(rpcUrl, signal) {
    const outcome = await (0,_node_rpc_js__WEBPACK_IMPORTED_MODULE_1__/* .askNodeInfo */ .qp)(rpcUrl, signal);
    if (outcome.kind === "answer")
        return outcome.value;
    throw new _errors_js__WEBPACK_IMPORTED_MODULE_0__/* .ActionError */ .lZ("RPC_NOT_ANSWERING", `The node runs, but at ${(0,_node_rpc_js__WEBPACK_IMPORTED_MODULE_1__/* .describeRpcUrl */ .Go)(rpcUrl)} ${(0,_node_rpc_js__WEBPACK_IMPORTED_MODULE_1__/* .describeOutcome */ .SS)(outcome)}.`, {
        hint: "It may still be starting: try again later. Correct `rpc-url`, or set it to `none` if the node has no reachable RPC.",
    });
}


/***/ }),

/***/ 7329:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __webpack_require__) => {


// EXPORTS
__webpack_require__.d(__webpack_exports__, {
  a: () => (/* binding */ Outage)
});

// EXTERNAL MODULE: ./build/errors.js
var errors = __webpack_require__(9473);
// EXTERNAL MODULE: ./build/node/rpc.js
var rpc = __webpack_require__(302);
;// CONCATENATED MODULE: ./build/node/health.js
/**
 * Whether a node that was started is well. Starting is not syncing, and a node that answers may be on another chain, so
 * each way to be unwell is an error of its own with its own advice. `is_fully_synced` is never looked at, for it is
 * always true, and `/v3/health` only where it names a neighbour: without one it says "no difference" too.
 */


/** Refused or silent until the time was up, with the node running: it starts, or its RPC is somewhere else. */
class NodeStillStartingError extends errors/* ActionError */.lZ {
    name = "NodeStillStartingError";
    constructor(message, details) {
        super("NODE_STILL_STARTING", message, details);
    }
}
/** It answers, with a status that is no answer. */
class NodeAnswersErrorsError extends errors/* ActionError */.lZ {
    name = "NodeAnswersErrorsError";
    constructor(message, details) {
        super("NODE_ANSWERS_ERRORS", message, details);
    }
}
/** It ran and does not run any more. */
class NodeGoneError extends errors/* ActionError */.lZ {
    name = "NodeGoneError";
    constructor(message, details) {
        super("NODE_GONE_AGAIN", message, details);
    }
}
class WrongChainError extends errors/* ActionError */.lZ {
    name = "WrongChainError";
    constructor(message, details) {
        super("NODE_WRONG_CHAIN", message, details);
    }
}
/** It is on the right chain, below the height it must have. */
class NodeBehindError extends errors/* ActionError */.lZ {
    name = "NodeBehindError";
    constructor(message, details) {
        super("NODE_BEHIND", message, details);
    }
}
/** It is up, and its tip has not advanced as far as it should have. */
class NodeNotMovingError extends errors/* ActionError */.lZ {
    name = "NodeNotMovingError";
    constructor(message, details) {
        super("NODE_NOT_MOVING", message, details);
    }
}
const lookMs = 500;
/** How long a node that has answered may be silent, or answer with errors, before that counts. */
const silenceMs = 30_000;
/**
 * Waits until the node is well. Throws NodeStillStartingError, NodeAnswersErrorsError, NodeGoneError, WrongChainError,
 * NodeBehindError or NodeNotMovingError.
 */
async function waitHealthy(request) {
    const { clock, expected } = request;
    const where = (0,rpc/* describeRpcUrl */.Go)(request.rpcUrl);
    const say = sayOnce(request.onProgress);
    const startDeadline = clock.now() + request.startTimeoutMs;
    const firstInfo = await waitForAnswer(request, startDeadline, say);
    const firstAnswerAt = new Date(clock.now());
    requireChain(firstInfo, expected, where);
    say(`The RPC answers: height ${firstInfo.stacks_tip_height}, burn height ${firstInfo.burn_block_height}`);
    let info = await waitForInfo(request, firstInfo, startDeadline, say, (now) => isHighEnough(now, expected));
    if (!isHighEnough(info, expected)) {
        throw new NodeBehindError(`The node is up at ${where} and its tip is too low: ${describeTip(info)}, expected at least ${describeExpected(expected)}.`, {
            hint: "It works on another directory than the one that was restored, or it has thrown blocks away. Compare `working_dir` in its configuration with `chainstate-dir`.",
        });
    }
    if (request.syncBlocks > 0) {
        const from = info.stacks_tip_height;
        const target = from + request.syncBlocks;
        info = await waitForInfo(request, info, clock.now() + request.syncTimeoutMs, say, (now) => now.stacks_tip_height >= target);
        if (info.stacks_tip_height < target) {
            throw new NodeNotMovingError(`The node is up at ${where} but ${info.stacks_tip_height > from ? "slow" : "does not move"}: height ${info.stacks_tip_height} after ${request.syncTimeoutMs / 1000} s, ${target} was waited for (${request.syncBlocks} blocks).`, {
                hint: "Look at its peers and its burnchain connection in its log; raise `sync-timeout` where blocks are rare.",
            });
        }
    }
    const peers = await readPeers(request);
    return {
        firstAnswerAt,
        firstTip: tipOf(firstInfo),
        tip: tipOf(info),
        serverVersion: info.server_version,
        ...(peers === undefined ? {} : { peers }),
    };
}
/** The first answer of a node that has just been started. */
async function waitForAnswer(request, deadline, say) {
    const { rpcUrl, clock, signal } = request;
    const where = (0,rpc/* describeRpcUrl */.Go)(rpcUrl);
    for (;;) {
        const outcome = await (0,rpc/* askNodeInfo */.qp)(rpcUrl, signal);
        if (outcome.kind === "answer")
            return outcome.value;
        await requireRunning(request, where);
        say(`The node is starting: ${(0,rpc/* describeOutcome */.SS)(outcome)}`);
        if (clock.now() >= deadline)
            throw silent(outcome, where, request.startTimeoutMs);
        await clock.sleep(lookMs, signal);
    }
}
/** Follows `/v2/info` until `enough` or the deadline; returns the last answer. Throws when the node falls silent. */
async function waitForInfo(request, first, deadline, say, enough) {
    const { rpcUrl, clock, signal, expected } = request;
    const where = (0,rpc/* describeRpcUrl */.Go)(rpcUrl);
    let info = first;
    let answeredAt = clock.now();
    while (!enough(info) && clock.now() < deadline) {
        await clock.sleep(lookMs, signal);
        const outcome = await (0,rpc/* askNodeInfo */.qp)(rpcUrl, signal);
        if (outcome.kind === "answer") {
            answeredAt = clock.now();
            info = outcome.value;
            requireChain(info, expected, where);
            say(`Height ${info.stacks_tip_height}, burn height ${info.burn_block_height}`);
            continue;
        }
        await requireRunning(request, where);
        say(`The node has answered before and now ${(0,rpc/* describeOutcome */.SS)(outcome)}`);
        if (clock.now() - answeredAt < silenceMs)
            continue;
        if (outcome.kind === "refused")
            throw gone(`it refuses connections at ${where} after it had answered`);
        throw silent(outcome, where, silenceMs);
    }
    return info;
}
async function requireRunning({ control, clock, signal }, where) {
    const state = await control.inspect(signal);
    // `command` sees a node by the files it has open, and a node that has just started has none yet: look twice.
    if (state.running)
        return;
    await clock.sleep(3_000, signal);
    const again = await control.inspect(signal);
    if (!again.running)
        throw gone(`it does not run any more (${again.detail}) and has not answered at ${where}`);
}
function gone(why) {
    return new NodeGoneError(`The node was started and is gone again: ${why}.`, {
        hint: "Its log says why it ended. Exit code 1 is mostly its configuration, 101 or 134 a panic.",
    });
}
function silent(outcome, where, afterMs) {
    const message = `The node runs, but after ${afterMs / 1000} s ${(0,rpc/* describeOutcome */.SS)(outcome)} at ${where}.`;
    if (outcome.kind === "status" || outcome.kind === "invalid") {
        return new NodeAnswersErrorsError(message, {
            hint: "Look into its log. If it is a proxy that answers, give the node's own address in `rpc-url`.",
        });
    }
    return new NodeStillStartingError(message, {
        hint: "The RPC opens only when the burnchain headers have synced: raise `start-timeout`, and check that `rpc-url` is the node's `rpc_bind`.",
    });
}
function requireChain(info, expected, where) {
    const wrong = [
        ["network id", info.network_id, expected.networkId],
        ["parent network id", info.parent_network_id, expected.parentNetworkId],
    ].find(([, is, wanted]) => wanted !== undefined && is !== wanted);
    if (wrong === undefined)
        return;
    const [what, is, wanted] = wrong;
    throw new WrongChainError(`The node at ${where} is on another chain: ${what} ${is}, expected ${wanted}.`, {
        hint: "Check that `rpc-url` is this node's, and its `burnchain.mode` and `chain_id` against the chainstate's.",
    });
}
function isHighEnough(info, { minStacksHeight = 0, minBurnHeight = 0 }) {
    return info.stacks_tip_height >= minStacksHeight && info.burn_block_height >= minBurnHeight;
}
async function readPeers({ rpcUrl, signal }) {
    const outcome = await (0,rpc/* askNodeHealth */.Mv)(rpcUrl, signal);
    if (outcome.kind !== "answer")
        return undefined;
    const { max_stacks_neighbor_address: neighbour, max_stacks_height_of_neighbors: max } = outcome.value;
    if (neighbour === null || max === 0)
        return undefined;
    return { blocksBehind: outcome.value.difference_from_max_peer, neighbour };
}
function tipOf(info) {
    return {
        stacksHeight: info.stacks_tip_height,
        burnHeight: info.burn_block_height,
        stacksTip: info.stacks_tip,
    };
}
function describeTip(info) {
    return `height ${info.stacks_tip_height}, burn height ${info.burn_block_height}`;
}
function describeExpected({ minStacksHeight = 0, minBurnHeight = 0 }) {
    return `height ${minStacksHeight}, burn height ${minBurnHeight}`;
}
/** Passes a line on unless it is the one that was passed on last. */
function sayOnce(onProgress) {
    let last = "";
    return (line) => {
        if (line !== last)
            onProgress?.(line);
        last = line;
    };
}

// EXTERNAL MODULE: external "node:fs/promises"
var promises_ = __webpack_require__(1455);
// EXTERNAL MODULE: external "node:path"
var external_node_path_ = __webpack_require__(6760);
// EXTERNAL MODULE: ./build/system/proc.js
var proc = __webpack_require__(7646);
// EXTERNAL MODULE: ./build/node/context.js
var context = __webpack_require__(1738);
// EXTERNAL MODULE: ./build/node/errors.js
var node_errors = __webpack_require__(3266);
// EXTERNAL MODULE: ./build/node/holders.js
var holders = __webpack_require__(4934);
;// CONCATENATED MODULE: ./build/node/shutdown-proof.js
/**
 * The proof that a node is down, each piece recorded as evidence: what its supervisor says, that its process is gone,
 * that nobody has a file of the chainstate open, that its RPC is silent, and that the files are at rest. No single one
 * of them would do: a supervisor can lose sight of a process, a process can be one of two, a port can be closed early.
 */








/** Children and connections may take a moment longer to go than the node itself. */
const settleMs = 15_000;
const lookApartMs = 300;
/**
 * The whole proof, for after the stop. Throws NodeStillRunningError, NodeCameBackError, DirectoryInUseError or
 * ChainstateNotAtRestError.
 */
async function proveDown(request) {
    const { control, before, chainstateDir, clock, signal } = request;
    const evidence = [...(await control.provesDown(signal))];
    const node = before.process;
    if (node !== undefined) {
        const gone = await (0,context/* poll */.wt)(clock, settleMs, signal, async () => ((0,proc/* isAlive */._n)(node) ? undefined : true));
        if (gone === undefined)
            throw new node_errors/* NodeStillRunningError */.km(`The node's process (pid ${node.pid}) still runs.`);
        evidence.push({
            id: "process-gone",
            detail: `pid ${node.pid}, started at tick ${node.startTicks}, is gone`,
        });
    }
    evidence.push(await proveRpcSilent(request));
    const first = await (0,holders/* listChainstateFiles */.Ol)(chainstateDir, signal);
    const firstLookAt = clock.now();
    evidence.push(await proveNobodyHolds(request), await proveNoHotJournal(chainstateDir, first));
    await clock.sleep(Math.max(0, lookApartMs - (clock.now() - firstLookAt)), signal);
    const second = await (0,holders/* listChainstateFiles */.Ol)(chainstateDir, signal);
    evidence.push(proveStable(first, second, clock.now() - firstLookAt));
    return evidence;
}
/**
 * The cheap part, to be asked again and again while the node has to stay down. Throws as `proveDown` does; whatever
 * works in the directory now has come back.
 */
async function proveStillDown(request) {
    const { control, chainstateDir, privilege, signal } = request;
    await control.provesDown(signal);
    const { holders } = await scanHolders(chainstateDir, privilege, signal);
    if (holders.length === 0)
        return;
    throw new NodeCameBackError(`The node was down and ${chainstateDir} is in use again: ${describeHolders(holders)}.`);
}
async function proveNobodyHolds(request) {
    const { control, chainstateDir, privilege, clock, signal } = request;
    let last;
    const free = await (0,context/* poll */.wt)(clock, settleMs, signal, async () => {
        last = await (0,holders/* scanHolders */.jE)(chainstateDir, privilege, signal);
        if (last.holders.length === 0)
            return last;
        // It may be the node itself, back again; its control says so better than a list of files.
        await control.provesDown(signal);
        return undefined;
    });
    if (free === undefined) {
        throw new node_errors/* DirectoryInUseError */.WS(`The node is down, but somebody has files of ${chainstateDir} open: ${(0,holders/* describeHolders */.hX)(last?.holders ?? [])}.`, { hint: "End that program (or stop the second node), then run again." });
    }
    const unseen = free.unseen === 0 ? "" : `; ${free.unseen} processes of other users could not be looked at`;
    return {
        id: "no-open-files",
        detail: `none of ${free.seen} processes has any of ${free.files} files open or mapped${unseen}`,
    };
}
async function proveRpcSilent({ control, rpcUrl, clock, signal }) {
    const id = "rpc-closed";
    if (rpcUrl === undefined)
        return { id, detail: "not asked: rpc-url is none" };
    const where = (0,rpc/* describeRpcUrl */.Go)(rpcUrl);
    let said = "";
    const silent = await (0,context/* poll */.wt)(clock, settleMs, signal, async () => {
        const outcome = await (0,rpc/* askNodeInfo */.qp)(rpcUrl, signal);
        said = (0,rpc/* describeOutcome */.SS)(outcome);
        if (outcome.kind !== "answer")
            return outcome;
        await control.provesDown(signal);
        return undefined;
    });
    if (silent === undefined) {
        throw new node_errors/* NodeStillRunningError */.km(`A node still answers at ${where}, although the one that was stopped is down.`, {
            hint: "Check `rpc-url` and `node-name`: they seem to name two different nodes.",
        });
    }
    // A proxy in front of the node keeps its port open and answers for itself.
    return {
        id,
        detail: silent.kind === "refused" ? `${where} refuses connections` : `no node answers at ${where}: ${said}`,
    };
}
const journalMagic = Buffer.from("d9d505f920a163d7", "hex");
/** A rollback journal with a header belongs to a transaction that was cut off: its database is not whole without it. */
async function proveNoHotJournal(chainstateDir, files) {
    const journals = files.filter((file) => file.path.endsWith("-journal") && file.sizeBytes > 0);
    for (const journal of journals) {
        if (!(await startsWith(external_node_path_.join(chainstateDir, journal.path), journalMagic)))
            continue;
        throw new node_errors/* ChainstateNotAtRestError */.lL(`${journal.path} is a hot rollback journal: a transaction was cut off.`, {
            hint: "Start the node, let it roll the transaction back, and take the snapshot after the next clean stop.",
        });
    }
    return { id: "no-hot-journal", detail: `${journals.length} journals left, none of them hot` };
}
async function startsWith(file, magic) {
    try {
        const handle = await (0,promises_.open)(file);
        try {
            const head = Buffer.alloc(magic.length);
            await handle.read(head, 0, head.length, 0);
            return head.equals(magic);
        }
        finally {
            await handle.close();
        }
    }
    catch (error) {
        if ((0,errors/* hasCode */.up)(error, "ENOENT"))
            return false;
        throw error;
    }
}
const databaseFile = /(\.sqlite|-wal|-journal|\.blobs)$/;
function proveStable(first, second, apartMs) {
    const databases = (files) => new Map(files
        .filter((file) => databaseFile.test(file.path))
        .map((file) => [file.path, `${file.key} ${file.sizeBytes} ${file.mtimeNs}`]));
    const before = databases(first);
    const after = databases(second);
    for (const name of new Set([...before.keys(), ...after.keys()])) {
        if (before.get(name) === after.get(name))
            continue;
        throw new node_errors/* ChainstateNotAtRestError */.lL(`${name} still changes although the node is down.`, {
            hint: "Find out who writes there: a node on another host (a shared file system), or in a container that cannot be seen from here.",
        });
    }
    return {
        id: "files-stable",
        detail: `size and time of ${after.size} databases, logs and blobs the same in two looks ${apartMs} ms apart`,
    };
}

// EXTERNAL MODULE: ./build/recovery/dead-mans-switch.js + 1 modules
var dead_mans_switch = __webpack_require__(7417);
// EXTERNAL MODULE: ./build/recovery/node-account.js
var node_account = __webpack_require__(9158);
// EXTERNAL MODULE: ./build/recovery/recover.js
var recover = __webpack_require__(8154);
;// CONCATENATED MODULE: ./build/commands/outage.js






/** How long a node may take to start when nobody waits for its RPC any more. */
const bareStartMs = 5 * 60_000;
class Outage {
    #rooms;
    #node;
    #options;
    #journal;
    #chainstateDir;
    #armed;
    #requestedAt;
    #backAt;
    #swapping = false;
    #standing = "not-touched";
    constructor(rooms, node, options, journal, chainstateDir) {
        this.#rooms = rooms;
        this.#node = node;
        this.#options = options;
        this.#journal = journal;
        this.#chainstateDir = chainstateDir;
    }
    /** Seconds from the request to stop to the first answer (until now while there is none); 0 without a stop. */
    get downtimeSeconds() {
        if (this.#requestedAt === undefined)
            return 0;
        const end = this.#backAt?.getTime() ?? this.#rooms.clock.now();
        return Math.round((end - this.#requestedAt.getTime()) / 10) / 100;
    }
    /** Stops the node gracefully (one that is down stays so) and proves that nobody has the chainstate open. */
    async begin() {
        const { rooms, node } = { rooms: this.#rooms, node: this.#node };
        if (!node.before.running) {
            const evidence = await this.#prove();
            return { result: "was not running", exitCode: null, signal: null, seconds: 0, evidence };
        }
        await (0,node_account/* noteNode */.XD)(this.#journal, {
            wasRunning: true,
            recipe: await node.control.recipe(rooms.signal),
            process: node.before.process,
            stopTimeoutMs: this.#options.stopTimeoutMs,
        });
        this.#armed = await (0,dead_mans_switch/* arm */.J6)(this.#journal, {
            privilege: rooms.privilege(this.#options.sudo),
            clock: rooms.clock,
            env: rooms.environment,
        });
        rooms.report.info(`Dead man's switch: ${this.#armed.detail}`);
        const stop = await rooms.report.phase("stop", `Stop ${this.#name}`, async () => {
            await (0,node_account/* noteStopRequested */.Hy)(this.#journal, rooms.clock);
            this.#requestedAt = new Date(rooms.clock.now());
            rooms.report.downtime(this.#requestedAt, undefined);
            this.#stands("down");
            return await node.control.stop(this.#options.stopTimeoutMs, rooms.signal);
        });
        rooms.report.info(`Stopped in ${stop.seconds.toFixed(1)} s: ${stop.result}.`);
        return { ...stop, evidence: await this.#prove() };
    }
    /** Says again that nobody has come back to the directory; for a cold archive, before and after it is made. */
    async proveStillDown() {
        await this.#node.control.provesDown(this.#rooms.signal);
    }
    /** From now until `end` the chainstate is being replaced: a failure puts the old one back before the start. */
    beginSwap() {
        this.#swapping = true;
    }
    /**
     * Runs `work`; if it fails, brings the node back before the error goes on. The error that came first is the one that is
     * thrown; where the node could not be brought back either, NODE_LEFT_DOWN with both.
     */
    async guard(work) {
        try {
            return await work();
        }
        catch (error) {
            try {
                await this.#bringBack();
            }
            catch (second) {
                this.#stands("unknown");
                throw new errors/* ActionError */.lZ("NODE_NOT_BROUGHT_BACK", `${(0,errors/* describeError */.Uc)(error)} And the node could not be brought back: ${(0,errors/* describeError */.Uc)(second)}`, {
                    cause: error,
                    hint: `Start ${this.#name} by hand if it is down. The post step and the dead man's switch go on trying.`,
                });
            }
            throw error;
        }
    }
    /** The way back when all is well: starts the node and waits until it answers as `expected`. */
    async end(expected) {
        if (this.#requestedAt === undefined || this.#backAt !== undefined)
            return;
        const answeredAt = await this.#rooms.report.phase("start", `Start ${this.#name}`, async () => {
            await (0,node_account/* noteStartRequested */.B4)(this.#journal, this.#rooms.clock);
            await this.#node.control.start(this.#rooms.signal);
            await (0,node_account/* noteStarted */.A8)(this.#journal);
            this.#stands("running");
            return await this.#answers(expected, 0);
        });
        await this.#wentBack(answeredAt);
    }
    /** Waits until the tip of the node, which is back, has advanced by `sync-blocks`; nothing to do where that is 0. */
    async sync(expected) {
        const { syncBlocks } = this.#options;
        if (syncBlocks === 0 || this.#standing !== "running")
            return;
        await this.#rooms.report.phase("sync", `Wait until ${this.#name} has advanced ${syncBlocks} blocks`, () => this.#answers(expected, syncBlocks));
    }
    /** The swap that was begun is proved, and not taken back from now on. */
    async endSwap() {
        this.#swapping = false;
        await this.#disarm();
    }
    /**
     * The way back when something failed: takes a swap back, starts the node unless it runs, and does not listen to the
     * run's cancellation. Does nothing where nothing is owed.
     */
    async #bringBack() {
        const owesStart = this.#requestedAt !== undefined && this.#backAt === undefined;
        if (!owesStart && !this.#swapping)
            return;
        const { report, clock, signal } = this.#rooms;
        await report.phase("start", `Bring ${this.#name} back`, async () => {
            const limit = AbortSignal.timeout(this.#options.stopTimeoutMs + bareStartMs);
            if (this.#swapping && this.#standing === "running")
                await this.#stopAgain(limit);
            const recovery = await (0,recover/* recoverFully */.Lt)(this.#journal, {
                privilege: this.#rooms.privilege(this.#options.sudo),
                clock,
                signal: limit,
                nodes: this.#rooms.nodes,
            });
            this.#swapping = false;
            if (recovery.swap === "rolled-back")
                report.info("The old chainstate is back in its place.");
            if (recovery.node === "started" || recovery.node === "running")
                this.#stands("running");
            // A cancelled job has seconds left, and nobody waits for what was asked to wait before.
            if (recovery.node !== "started" || signal.aborted)
                return;
            await this.#answers({}, 0).catch((error) => {
                report.warning(`The node was started again but does not answer yet: ${(0,errors/* describeError */.Uc)(error)}`);
            });
        });
        await this.#wentBack(new Date(clock.now()));
    }
    /** The node runs on a chainstate that did not prove healthy: it has to be down again before that is taken back. */
    async #stopAgain(signal) {
        await (0,node_account/* noteStopRequested */.Hy)(this.#journal, this.#rooms.clock);
        this.#stands("down");
        await this.#node.control.stop(this.#options.stopTimeoutMs, signal);
    }
    /** Returns when the RPC answered first; at once where there is none. */
    async #answers(expected, syncBlocks) {
        const { clock, signal, report } = this.#rooms;
        if (this.#options.rpcUrl === undefined)
            return new Date(clock.now());
        const health = await waitHealthy({
            rpcUrl: this.#options.rpcUrl,
            startTimeoutMs: this.#options.startTimeoutMs,
            expected: { ...this.#sameChain(), ...expected },
            syncBlocks,
            syncTimeoutMs: this.#options.syncTimeoutMs,
            control: this.#node.control,
            clock,
            signal,
            onProgress: (line) => report.info(line),
        });
        return health.firstAnswerAt;
    }
    /** Whatever it was before, it has to be the same after. */
    #sameChain() {
        const { info } = this.#node;
        return info === undefined ? {} : { networkId: info.network_id, parentNetworkId: info.parent_network_id };
    }
    async #wentBack(at) {
        if (this.#requestedAt !== undefined && this.#backAt === undefined) {
            this.#backAt = at;
            this.#rooms.report.downtime(this.#requestedAt, at);
            this.#rooms.report.output("downtime-seconds", String(this.downtimeSeconds));
        }
        // A swap that is not proved yet may still leave the node down: the switch stays armed for it.
        if (this.#swapping)
            return;
        await this.#disarm();
    }
    async #disarm() {
        if (this.#armed === undefined)
            return;
        await this.#armed.disarm();
        await this.#journal.update({ switch: null });
    }
    async #prove() {
        const { report } = this.#rooms;
        return await report.phase("prove", "Prove that it is down", async () => {
            const evidence = await proveDown({
                control: this.#node.control,
                before: this.#node.before,
                chainstateDir: this.#chainstateDir,
                rpcUrl: this.#options.rpcUrl,
                privilege: this.#rooms.privilege(this.#options.sudo),
                clock: this.#rooms.clock,
                signal: this.#rooms.signal,
            });
            for (const { id, detail } of evidence)
                report.info(`${id}: ${detail}`);
            return evidence;
        });
    }
    get #name() {
        return this.#node.control.identity.name;
    }
    #stands(standing) {
        this.#standing = standing;
        this.#rooms.report.node(standing);
        this.#rooms.report.output("node-running", String(standing === "running"));
    }
}


/***/ }),

/***/ 302:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __webpack_require__) => {

/* harmony export */ __webpack_require__.d(__webpack_exports__, {
/* harmony export */   Go: () => (/* binding */ describeRpcUrl),
/* harmony export */   Mv: () => (/* binding */ askNodeHealth),
/* harmony export */   SS: () => (/* binding */ describeOutcome),
/* harmony export */   ZU: () => (/* binding */ askTenureInfo),
/* harmony export */   qp: () => (/* binding */ askNodeInfo)
/* harmony export */ });
/* unused harmony exports nodeInfoSchema, tenureInfoSchema, nodeHealthSchema */
/* harmony import */ var node_http__WEBPACK_IMPORTED_MODULE_0__ = __webpack_require__(7067);
/* harmony import */ var node_https__WEBPACK_IMPORTED_MODULE_1__ = __webpack_require__(4708);
/* harmony import */ var valibot__WEBPACK_IMPORTED_MODULE_3__ = __webpack_require__(7934);
/* harmony import */ var _errors_js__WEBPACK_IMPORTED_MODULE_2__ = __webpack_require__(9473);
/**
 * The node's HTTP API, as far as it is asked: `/v2/info`, `/v3/tenures/info`, `/v3/health`. A node may be starting, gone
 * or broken at any moment, so every outcome is an answer and none an exception. Plain `node:http` without keep-alive:
 * a connection kept open would make the node's shutdown wait.
 */




const height = valibot__WEBPACK_IMPORTED_MODULE_3__/* .pipe */ .FsL(valibot__WEBPACK_IMPORTED_MODULE_3__/* .number */ .aig(), valibot__WEBPACK_IMPORTED_MODULE_3__/* .safeInteger */ .Y2b(), valibot__WEBPACK_IMPORTED_MODULE_3__/* .minValue */ .Wwf(0));
/** `is_fully_synced` is left out on purpose: a Nakamoto node always says true. */
const nodeInfoSchema = valibot__WEBPACK_IMPORTED_MODULE_3__/* .object */ .Ikc({
    network_id: height,
    parent_network_id: height,
    burn_block_height: height,
    stacks_tip_height: height,
    stacks_tip: valibot__WEBPACK_IMPORTED_MODULE_3__/* .string */ .YjP(),
    stacks_tip_consensus_hash: valibot__WEBPACK_IMPORTED_MODULE_3__/* .string */ .YjP(),
    server_version: valibot__WEBPACK_IMPORTED_MODULE_3__/* .optional */ .lqM(valibot__WEBPACK_IMPORTED_MODULE_3__/* .string */ .YjP(), ""),
});
const tenureInfoSchema = valibot__WEBPACK_IMPORTED_MODULE_3__/* .object */ .Ikc({
    consensus_hash: valibot__WEBPACK_IMPORTED_MODULE_3__/* .string */ .YjP(),
    tip_block_id: valibot__WEBPACK_IMPORTED_MODULE_3__/* .string */ .YjP(),
    tip_height: height,
    reward_cycle: height,
});
const nodeHealthSchema = valibot__WEBPACK_IMPORTED_MODULE_3__/* .object */ .Ikc({
    difference_from_max_peer: height,
    max_stacks_height_of_neighbors: height,
    max_stacks_neighbor_address: valibot__WEBPACK_IMPORTED_MODULE_3__/* .nullable */ .mee(valibot__WEBPACK_IMPORTED_MODULE_3__/* .string */ .YjP()),
    node_stacks_tip_height: height,
});
const askNodeInfo = asker("/v2/info", nodeInfoSchema);
const askTenureInfo = asker("/v3/tenures/info", tenureInfoSchema);
const askNodeHealth = asker("/v3/health", nodeHealthSchema);
const defaultTimeoutMs = 5_000;
const maxBodyBytes = 1024 * 1024;
function asker(path, schema) {
    return async (rpcUrl, signal, timeoutMs = defaultTimeoutMs) => {
        const fetched = await get(rpcUrl.replace(/\/+$/, "") + path, signal, timeoutMs);
        if (fetched.kind !== "answer")
            return fetched;
        const parsed = valibot__WEBPACK_IMPORTED_MODULE_3__/* .safeParse */ .xLC(valibot__WEBPACK_IMPORTED_MODULE_3__/* .pipe */ .FsL(valibot__WEBPACK_IMPORTED_MODULE_3__/* .string */ .YjP(), valibot__WEBPACK_IMPORTED_MODULE_3__/* .parseJson */ .qFJ(), schema), fetched.value);
        return parsed.success
            ? { kind: "answer", value: parsed.output }
            : { kind: "invalid", detail: valibot__WEBPACK_IMPORTED_MODULE_3__/* .summarize */ .ehc(parsed.issues).slice(0, 300) };
    };
}
/** GET with a time limit on the whole exchange and a size limit on the body. Redirects are not followed. */
async function get(url, signal, timeoutMs) {
    (0,_errors_js__WEBPACK_IMPORTED_MODULE_2__/* .throwIfAborted */ .Te)(signal);
    const target = new URL(url);
    const request = target.protocol === "https:" ? node_https__WEBPACK_IMPORTED_MODULE_1__.request : node_http__WEBPACK_IMPORTED_MODULE_0__.request;
    const limit = AbortSignal.timeout(timeoutMs);
    try {
        return await new Promise((resolve, reject) => {
            const sent = request(target, {
                agent: false,
                headers: { accept: "application/json" },
                signal: AbortSignal.any([signal, limit]),
            });
            sent.on("error", reject);
            sent.on("response", (response) => {
                const chunks = [];
                let size = 0;
                response.on("error", reject);
                response.on("data", (chunk) => {
                    size += chunk.length;
                    chunks.push(chunk);
                    if (size <= maxBodyBytes)
                        return;
                    response.destroy();
                    resolve({ kind: "invalid", detail: `more than ${maxBodyBytes} bytes` });
                });
                response.on("end", () => {
                    const status = response.statusCode ?? 0;
                    resolve(status === 200
                        ? { kind: "answer", value: Buffer.concat(chunks).toString("utf8") }
                        : { kind: "status", status });
                });
            });
            sent.end();
        });
    }
    catch (error) {
        (0,_errors_js__WEBPACK_IMPORTED_MODULE_2__/* .throwIfAborted */ .Te)(signal);
        if (limit.aborted)
            return { kind: "timeout" };
        if ((0,_errors_js__WEBPACK_IMPORTED_MODULE_2__/* .hasCode */ .up)(error, "ECONNREFUSED"))
            return { kind: "refused" };
        const code = error instanceof Error && "code" in error ? String(error.code) : "no connection";
        return { kind: "unreachable", detail: code };
    }
}
/** What an outcome means, in words. */
function describeOutcome(outcome) {
    switch (outcome.kind) {
        case "answer":
            break;
        case "refused":
            return "the connection is refused";
        case "timeout":
            return "it takes the connection and does not answer";
        case "unreachable":
            return `it cannot be reached (${outcome.detail})`;
        case "status":
            return `it answers with HTTP status ${outcome.status}`;
        case "invalid":
            return `what answers there is not a node (${outcome.detail})`;
    }
    return "it answers";
}
/** An RPC's address for messages: without user, password and query. */
function describeRpcUrl(rpcUrl) {
    const { protocol, host, pathname } = new URL(rpcUrl);
    return `${protocol}//${host}${pathname === "/" ? "" : pathname}`;
}


/***/ })

};
