export const id = 56;
export const ids = [56];
export const modules = {

/***/ 9056:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __webpack_require__) => {

/* harmony export */ __webpack_require__.d(__webpack_exports__, {
/* harmony export */   G: () => (/* binding */ settle)
/* harmony export */ });
/* harmony import */ var _errors_js__WEBPACK_IMPORTED_MODULE_0__ = __webpack_require__(9473);
/* harmony import */ var _recovery_dead_mans_switch_js__WEBPACK_IMPORTED_MODULE_1__ = __webpack_require__(7417);
/* harmony import */ var _recovery_file_operations_js__WEBPACK_IMPORTED_MODULE_2__ = __webpack_require__(8881);
/* harmony import */ var _recovery_recover_js__WEBPACK_IMPORTED_MODULE_3__ = __webpack_require__(8154);
/* harmony import */ var _recovery_swap_js__WEBPACK_IMPORTED_MODULE_4__ = __webpack_require__(9067);





/** Cleaning up listens to no cancellation, but has to end before a runner loses patience. */
const limitMs = 4 * 60_000;
/** Returns what could not be finished, in words; throws only when the node or a swap could not be seen to. */
async function settle(rooms, journal) {
    const signal = AbortSignal.timeout(limitMs);
    const { sudo } = journal.content;
    const privilege = rooms.privilege(sudo);
    const recovery = await (0,_recovery_recover_js__WEBPACK_IMPORTED_MODULE_3__/* .recoverFully */ .Lt)(journal, { privilege, clock: rooms.clock, signal, nodes: rooms.nodes });
    if (recovery.node === "started")
        rooms.report.info("The node was down on our account and has been started.");
    if (recovery.node === "started" || recovery.node === "running") {
        rooms.report.node("running");
        rooms.report.output("node-running", "true");
    }
    const { switch: armed } = journal.content;
    if (armed !== null) {
        await (0,_recovery_dead_mans_switch_js__WEBPACK_IMPORTED_MODULE_1__/* .disarm */ .Jt)(armed, privilege, rooms.clock);
        await journal.update({ switch: null });
    }
    const files = (0,_recovery_file_operations_js__WEBPACK_IMPORTED_MODULE_2__/* .fileOperations */ .D)(privilege, signal);
    await closeSwap(rooms, journal, recovery.swap, signal);
    const left = [];
    const attempt = async (what, work) => {
        await work().catch((error) => {
            left.push(`${what}: ${(0,_errors_js__WEBPACK_IMPORTED_MODULE_0__/* .describeError */ .Uc)(error)}`);
        });
    };
    for (const upload of journal.content.uploads) {
        await attempt(`upload of ${upload.key}`, async () => {
            const store = await rooms.openStore(upload.location);
            try {
                await store.abortUpload({ key: upload.key, id: upload.id }, signal);
            }
            finally {
                await store.close();
            }
            await journal.update((now) => ({ ...now, uploads: now.uploads.filter(({ id }) => id !== upload.id) }));
        });
    }
    const { chainstateDir } = journal.content;
    for (const frozen of journal.content.frozen) {
        await attempt(`frozen view (${frozen.freezer})`, async () => {
            const freezer = rooms.freezers(privilege).find(({ name }) => name === frozen.freezer);
            await freezer?.cleanUp(frozen.runId, { chainstateDir, stateDir: rooms.host.stateDir, signal });
            await journal.update((now) => ({ ...now, frozen: now.frozen.filter((other) => other !== frozen) }));
        });
    }
    for (const directory of journal.content.staging) {
        await attempt(`directory ${directory}`, async () => {
            await files.removeTree(directory);
            await journal.update((now) => ({
                ...now,
                staging: now.staging.filter((other) => other !== directory),
            }));
        });
    }
    for (const line of left)
        rooms.report.warning(`Could not be cleaned up: ${line}`);
    return left;
}
/**
 * A restore that died after its swap. Proved: the old directory is dropped, as the run was about to. Not proved, and a
 * node runs on it: it stays, and the old directory stays beside it for a person to decide.
 */
async function closeSwap(rooms, journal, outcome, signal) {
    const { swap, sudo } = journal.content;
    if (swap === null)
        return;
    const files = (0,_recovery_file_operations_js__WEBPACK_IMPORTED_MODULE_2__/* .fileOperations */ .D)(rooms.privilege(sudo), signal);
    const record = async (next) => await journal.update({ swap: next });
    const unproved = outcome === "kept";
    if (unproved) {
        rooms.report.warning(`The restored chainstate is in place at ${swap.target} and the node runs on it, but the run ended before that was ` +
            `proved healthy. The old one is kept at ${swap.aside}: remove it when you are content, or stop the node and rename it back.`);
        await (0,_recovery_swap_js__WEBPACK_IMPORTED_MODULE_4__/* .prove */ .zn)(swap, record);
    }
    const proved = journal.content.swap;
    if (proved !== null)
        await (0,_recovery_swap_js__WEBPACK_IMPORTED_MODULE_4__/* .finishSwap */ .RM)(proved, unproved, record, files);
}


/***/ }),

/***/ 9340:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __webpack_require__) => {

/* harmony export */ __webpack_require__.d(__webpack_exports__, {
/* harmony export */   l: () => (/* binding */ writeFileAtomically),
/* harmony export */   z: () => (/* binding */ syncDirectory)
/* harmony export */ });
/* harmony import */ var node_crypto__WEBPACK_IMPORTED_MODULE_0__ = __webpack_require__(7598);
/* harmony import */ var node_fs_promises__WEBPACK_IMPORTED_MODULE_1__ = __webpack_require__(1455);
/* harmony import */ var node_path__WEBPACK_IMPORTED_MODULE_2__ = __webpack_require__(6760);
/**
 * Replacing a small file so that after a crash or a power cut either the old or the new content is there, whole: written
 * beside it, flushed, renamed over it, and the directory flushed.
 */



async function writeFileAtomically(path, data, mode) {
    const temporary = `${path}.${process.pid}-${(0,node_crypto__WEBPACK_IMPORTED_MODULE_0__.randomBytes)(4).toString("hex")}.tmp`;
    try {
        const file = await (0,node_fs_promises__WEBPACK_IMPORTED_MODULE_1__.open)(temporary, "wx", mode);
        try {
            await file.writeFile(data);
            await file.sync();
        }
        finally {
            await file.close();
        }
        await (0,node_fs_promises__WEBPACK_IMPORTED_MODULE_1__.rename)(temporary, path);
    }
    catch (error) {
        await (0,node_fs_promises__WEBPACK_IMPORTED_MODULE_1__.rm)(temporary, { force: true });
        throw error;
    }
    await syncDirectory((0,node_path__WEBPACK_IMPORTED_MODULE_2__.dirname)(path));
}
/** Makes the names in a directory durable. */
async function syncDirectory(path) {
    const directory = await (0,node_fs_promises__WEBPACK_IMPORTED_MODULE_1__.open)(path, "r");
    try {
        await directory.sync();
    }
    finally {
        await directory.close();
    }
}


/***/ }),

/***/ 7417:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __webpack_require__) => {


// EXPORTS
__webpack_require__.d(__webpack_exports__, {
  J6: () => (/* binding */ arm),
  Jt: () => (/* binding */ disarm)
});

// UNUSED EXPORTS: logPathOf, stopTimer

// EXTERNAL MODULE: external "node:crypto"
var external_node_crypto_ = __webpack_require__(7598);
// EXTERNAL MODULE: external "node:fs/promises"
var promises_ = __webpack_require__(1455);
// EXTERNAL MODULE: external "node:path"
var external_node_path_ = __webpack_require__(6760);
// EXTERNAL MODULE: ./build/errors.js
var errors = __webpack_require__(9473);
// EXTERNAL MODULE: ./build/system/entry.js
var system_entry = __webpack_require__(8188);
// EXTERNAL MODULE: ./build/system/exec.js
var exec = __webpack_require__(3991);
// EXTERNAL MODULE: ./build/system/proc.js
var proc = __webpack_require__(7646);
// EXTERNAL MODULE: ./build/recovery/atomic-file.js
var atomic_file = __webpack_require__(9340);
// EXTERNAL MODULE: ./build/recovery/lock.js
var lock = __webpack_require__(4667);
// EXTERNAL MODULE: ./build/recovery/journal.js + 1 modules
var journal = __webpack_require__(6233);
// EXTERNAL MODULE: ./build/recovery/recover.js
var recovery_recover = __webpack_require__(8154);
;// CONCATENATED MODULE: ./build/recovery/watch.js
/**
 * The watcher's loop: looks whether the run that holds a journal still lives, and when it does not, and nobody takes its
 * place within the grace (the post step comes first), recovers. It runs in a process of its own, started by
 * `dead-mans-switch.ts`; a systemd timer calls it with `once`, a detached watcher stays in it.
 */




const watchTimings = { intervalMs: 2_000, graceMs: 20_000, giveUpMs: 24 * 3600_000 };
async function watch(options) {
    const { clock, log, signal } = options;
    const timings = { ...watchTimings, ...options.timings };
    let deadSince;
    let said = "";
    let failures = 0;
    const say = (line) => {
        if (line !== said)
            log(line);
        said = line;
    };
    for (;;) {
        const look = await lookAt(options);
        if (look.kind === "gone")
            return "disarmed";
        if (look.kind === "alive") {
            if (options.once)
                return "owner-alive";
            deadSince = undefined;
            failures = 0;
        }
        else {
            deadSince ??= clock.now();
            const deadForMs = clock.now() - deadSince;
            if (deadForMs > timings.giveUpMs)
                return "gave-up";
            if (look.kind === "unreadable") {
                say(`Not acting: ${describeError(look.error)}`);
            }
            else if (deadForMs < timings.graceMs) {
                say(`Run ${options.runId} is dead; waiting ${timings.graceMs / 1000} s for its post step.`);
            }
            else if (!needsRecovery(look.content)) {
                return "nothing-to-do";
            }
            else {
                const failed = await attempt(options, say);
                if (failed === "done")
                    return "recovered";
                failures = failed === "failed" ? failures + 1 : 0;
            }
        }
        await clock.sleep(Math.min(timings.intervalMs * 2 ** Math.min(failures, 4), 30_000), signal);
    }
}
async function lookAt(options) {
    try {
        const content = await readJournal(options.journalPath);
        if (content?.runId !== options.runId)
            return { kind: "gone" };
        return isLocked(lockPathOf(options.journalPath)) ? { kind: "alive" } : { kind: "dead", content };
    }
    catch (error) {
        return { kind: "unreadable", error };
    }
}
async function attempt(options, say) {
    let journal;
    try {
        journal = await takeJournal(options.journalPath, {
            role: "watchdog",
            signal: options.signal,
            clock: options.clock,
        });
        if (journal?.content.runId !== options.runId)
            return "later";
        const recovery = await recover(journal, {
            ...options,
            privilege: options.privilege(journal.content.sudo),
        });
        say(`Recovered: swap ${recovery.swap}, node ${recovery.node}.`);
        return recovery.node === "stopping" ? "later" : "done";
    }
    catch (error) {
        if (hasCode(error, "RUN_IN_PROGRESS"))
            return "later";
        say(`Recovery failed and is tried again: ${describeError(error)}`);
        return "failed";
    }
    finally {
        journal?.release();
    }
}

;// CONCATENATED MODULE: ./build/recovery/dead-mans-switch.js
/**
 * Arms what brings the node back when everything else is dead: a transient systemd timer where this user may make one,
 * else a detached watcher. Both run `entries/watchdog.ts`, from a copy in the state directory, because the checkout of an
 * action may be wiped while the node is down. Nothing of the job keeps hold of them: an own session, an own environment
 * without RUNNER_TRACKING_ID (the runner ends every process that carries the job's), no inherited stdio.
 */









/** How often the timer looks, and (see `watch.ts`) how long it then waits for a post step: together under 40 s. */
const timerSeconds = 10;
/** Nothing here may be a secret: systemd shows the environment of units to everybody. */
const handedOn = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "LANG",
    "XDG_RUNTIME_DIR",
    "DOCKER_HOST",
    "DOCKER_CONTEXT",
    "DOCKER_CONFIG",
    "CONTAINER_HOST",
];
/** Where this process finds the system bus, when not at the usual place; a unit of that systemd needs no telling. */
const busNames = ["DBUS_SYSTEM_BUS_ADDRESS", "SYSTEMCTL_FORCE_BUS"];
/**
 * Arms the switch and notes it in the journal. Call it before anything is stopped. SWITCH_NOT_ARMED when not even a
 * detached watcher can be started.
 */
async function arm(journal, options) {
    const script = await installWatchdog((0,external_node_path_.dirname)(journal.path));
    const { record, detail } = await armEither(journal, script, options);
    await journal.update({ switch: record });
    return { record, detail, disarm: async () => await disarm(record, options.privilege, options.clock) };
}
async function armEither(journal, script, options) {
    const unit = `chainstate-snapshot-${journal.content.runId.replaceAll(/[^A-Za-z0-9_.-]/g, "_")}`;
    let whyNot = "a detached watcher was asked for";
    if (options.prefer !== "detached") {
        try {
            await armSystemd(journal, script, unit, options);
            return {
                record: { kind: "systemd", unit },
                detail: `systemd timer ${unit}.timer, every ${timerSeconds} s`,
            };
        }
        catch (error) {
            if (options.prefer === "systemd")
                throw error;
            whyNot = (0,errors/* describeError */.Uc)(error);
        }
    }
    try {
        const record = await armDetached(journal, script, options);
        return { record, detail: `detached watcher, pid ${record.process.pid} (${whyNot})` };
    }
    catch (cause) {
        throw new errors/* ActionError */.lZ("SWITCH_NOT_ARMED", "The dead man's switch could not be started.", {
            cause,
            hint: "Without it a killed job would leave the node down, so nothing was stopped. See the cause.",
        });
    }
}
async function armSystemd(journal, script, unit, options) {
    const { privilege } = options;
    await (0,promises_.access)("/run/systemd/system");
    const start = [
        "systemd-run",
        "--quiet",
        "--collect",
        `--unit=${unit}`,
        `--description=Brings the Stacks node back if chainstate-snapshot dies (run ${journal.content.runId})`,
        `--on-active=${timerSeconds}`,
        `--on-unit-active=${timerSeconds}`,
        "--timer-property=AccuracySec=1s",
        `--uid=${process.geteuid?.() ?? 0}`,
        `--gid=${process.getegid?.() ?? 0}`,
        // The node that it starts may be a child of it and must outlive it.
        "--property=KillMode=process",
        "--property=SendSIGKILL=no",
        "--property=WorkingDirectory=/",
        ...Object.entries(pick(options.env, handedOn)).map(([name, value]) => `--setenv=${name}=${value}`),
        process.execPath,
        script,
        ...watchArguments(journal, options),
        "--once",
        `--timer=${unit}`,
    ];
    const stop = stopTimer(unit);
    for (const argv of [start, stop])
        await privilege.require(argv, "to arm the dead man's switch as a systemd timer");
    await (0,exec/* queryOk */.j1)(privilege.elevate(start));
}
async function armDetached(journal, script, options) {
    const log = logPathOf(journal.path);
    if (((await (0,promises_.stat)(log).catch(() => undefined))?.size ?? 0) > 1024 * 1024)
        await (0,promises_.truncate)(log);
    const argv = [process.execPath, script, ...watchArguments(journal, options)];
    const env = pick(options.env, [...handedOn, ...busNames]);
    const pid = await (0,exec/* spawnDetached */.W3)(argv, { env, directory: "/", stdout: log, stderr: log });
    const found = (0,proc/* readStat */.BV)(pid);
    if (found === undefined)
        throw new errors/* ActionError */.lZ("SWITCH_NOT_ARMED", `The watcher ended at once; see ${log}.`);
    return { kind: "detached", process: { pid, startTicks: found.startTicks } };
}
/** Ends a switch, this run's own or one that a dead run left (from its journal). */
async function disarm(record, privilege, clock) {
    if (record.kind === "systemd") {
        // An exit code other than 0 says that the timer is not there any more, which is what is wanted.
        await (0,exec/* query */.P)(privilege.elevate(stopTimer(record.unit)));
        return;
    }
    for (let waitedMs = 0; waitedMs < 5_000 && (0,proc/* isAlive */._n)(record.process); waitedMs += 50) {
        if (waitedMs === 0)
            signalEnd(record.process.pid);
        await clock.sleep(50);
    }
}
function stopTimer(unit) {
    return ["systemctl", "stop", `${unit}.timer`];
}
function logPathOf(journalPath) {
    return journalPath.replace(/\.json$/, ".log");
}
function watchArguments(journal, options) {
    const { graceMs, intervalMs } = { ...watchTimings, ...options };
    return [
        "watch",
        journal.path,
        journal.content.runId,
        `--grace-ms=${graceMs}`,
        `--interval-ms=${intervalMs}`,
    ];
}
/** The bundle is one file without neighbours; from source the tree itself is run. */
async function installWatchdog(stateDirectory) {
    const entry = (0,system_entry/* entryPath */.s)("watchdog");
    if ((0,system_entry/* runsFromSource */.w)())
        return entry;
    const bytes = await (0,promises_.readFile)(entry);
    const name = `watchdog-${(0,external_node_crypto_.createHash)("sha256").update(bytes).digest("hex").slice(0, 12)}.mjs`;
    const copy = (0,external_node_path_.join)(stateDirectory, name);
    await (0,atomic_file/* writeFileAtomically */.l)(copy, bytes, 0o700);
    const replay = `#!/bin/sh\nexec '${process.execPath}' '${copy}' replay '${stateDirectory}' "$@"\n`;
    await (0,atomic_file/* writeFileAtomically */.l)((0,external_node_path_.join)(stateDirectory, "replay.sh"), replay, 0o700);
    return copy;
}
function pick(env, names) {
    const pairs = names.map((name) => [name, env[name]]);
    return Object.fromEntries(pairs.filter((pair) => pair[1] !== undefined));
}
function signalEnd(pid) {
    try {
        process.kill(pid, "SIGTERM");
    }
    catch {
        // It ended by itself between the look and the signal.
    }
}


/***/ }),

/***/ 8881:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __webpack_require__) => {

/* harmony export */ __webpack_require__.d(__webpack_exports__, {
/* harmony export */   C: () => (/* binding */ conflictHint),
/* harmony export */   D: () => (/* binding */ fileOperations)
/* harmony export */ });
/* harmony import */ var node_fs_promises__WEBPACK_IMPORTED_MODULE_0__ = __webpack_require__(1455);
/* harmony import */ var _errors_js__WEBPACK_IMPORTED_MODULE_1__ = __webpack_require__(9473);
/* harmony import */ var _system_exec_js__WEBPACK_IMPORTED_MODULE_2__ = __webpack_require__(3991);
/* harmony import */ var _system_path_bytes_js__WEBPACK_IMPORTED_MODULE_3__ = __webpack_require__(1435);
/* harmony import */ var _atomic_file_js__WEBPACK_IMPORTED_MODULE_4__ = __webpack_require__(9340);
/**
 * The few changes to the operator's directories that a swap makes. Each is tried as this user first and, where that is
 * not permitted, once more through `sudo -n`, because a runner often does not own what a node's service owns.
 */





/** Hours, because removing half a million files of a slow disk may take that long. */
const longMs = 6 * 3600_000;
function fileOperations(privilege, signal) {
    const elevated = async (argv, timeoutMs = 60_000) => {
        await (0,_system_exec_js__WEBPACK_IMPORTED_MODULE_2__/* .runOk */ .uO)(privilege.elevate(argv), { signal, timeoutMs });
    };
    const direct = async (work, argv) => {
        try {
            await work();
        }
        catch (error) {
            const denied = (0,_errors_js__WEBPACK_IMPORTED_MODULE_1__/* .hasCode */ .up)(error, "EACCES") || (0,_errors_js__WEBPACK_IMPORTED_MODULE_1__/* .hasCode */ .up)(error, "EPERM");
            if (!denied || privilege.elevate(argv).length === argv.length)
                throw error;
            await privilege.require(argv, `to change ${argv.at(-1) ?? ""}`);
            await elevated(argv);
        }
    };
    return {
        async exists(path) {
            return (await (0,node_fs_promises__WEBPACK_IMPORTED_MODULE_0__.lstat)((0,_system_path_bytes_js__WEBPACK_IMPORTED_MODULE_3__/* .fsPath */ .Jk)(path)).catch(absent)) !== undefined;
        },
        async names(directory) {
            const names = await (0,node_fs_promises__WEBPACK_IMPORTED_MODULE_0__.readdir)((0,_system_path_bytes_js__WEBPACK_IMPORTED_MODULE_3__/* .fsPath */ .Jk)(directory), { encoding: "buffer" }).catch(absent);
            return (names ?? []).map((name) => (0,_system_path_bytes_js__WEBPACK_IMPORTED_MODULE_3__/* .decodePath */ .q0)(name));
        },
        async makeDirectory(path) {
            await direct(async () => {
                await (0,node_fs_promises__WEBPACK_IMPORTED_MODULE_0__.mkdir)((0,_system_path_bytes_js__WEBPACK_IMPORTED_MODULE_3__/* .fsPath */ .Jk)(path), { recursive: true, mode: 0o700 });
            }, ["install", "-d", "-m", "0700", "-o", String(process.geteuid?.() ?? 0), "--", path]);
        },
        async move(from, to) {
            // rename(2) would replace an empty directory or a file without a word; `mv` is told the same in its own way.
            if ((await (0,node_fs_promises__WEBPACK_IMPORTED_MODULE_0__.lstat)((0,_system_path_bytes_js__WEBPACK_IMPORTED_MODULE_3__/* .fsPath */ .Jk)(to)).catch(absent)) !== undefined) {
                throw new _errors_js__WEBPACK_IMPORTED_MODULE_1__/* .ActionError */ .lZ("SWAP_CONFLICT", `Cannot move ${from}: ${to} exists already.`, {
                    hint: conflictHint,
                });
            }
            await direct(async () => await (0,node_fs_promises__WEBPACK_IMPORTED_MODULE_0__.rename)((0,_system_path_bytes_js__WEBPACK_IMPORTED_MODULE_3__/* .fsPath */ .Jk)(from), (0,_system_path_bytes_js__WEBPACK_IMPORTED_MODULE_3__/* .fsPath */ .Jk)(to)), ["mv", "--no-clobber", "--no-target-directory", "--", from, to]);
        },
        async removeEmptyDirectory(path) {
            await direct(async () => await (0,node_fs_promises__WEBPACK_IMPORTED_MODULE_0__.rmdir)((0,_system_path_bytes_js__WEBPACK_IMPORTED_MODULE_3__/* .fsPath */ .Jk)(path)), ["rmdir", "--", path]);
        },
        async copyOwner(model, path) {
            const { uid, gid, mode } = await (0,node_fs_promises__WEBPACK_IMPORTED_MODULE_0__.lstat)((0,_system_path_bytes_js__WEBPACK_IMPORTED_MODULE_3__/* .fsPath */ .Jk)(model));
            const now = await (0,node_fs_promises__WEBPACK_IMPORTED_MODULE_0__.lstat)((0,_system_path_bytes_js__WEBPACK_IMPORTED_MODULE_3__/* .fsPath */ .Jk)(path));
            if (now.uid !== uid || now.gid !== gid) {
                await direct(async () => await (0,node_fs_promises__WEBPACK_IMPORTED_MODULE_0__.chown)((0,_system_path_bytes_js__WEBPACK_IMPORTED_MODULE_3__/* .fsPath */ .Jk)(path), uid, gid), ["chown", `${uid}:${gid}`, "--", path]);
            }
            const bits = mode & 0o7777;
            if ((now.mode & 0o7777) !== bits) {
                await direct(async () => await (0,node_fs_promises__WEBPACK_IMPORTED_MODULE_0__.chmod)((0,_system_path_bytes_js__WEBPACK_IMPORTED_MODULE_3__/* .fsPath */ .Jk)(path), bits), ["chmod", bits.toString(8), "--", path]);
            }
        },
        async copyOwnerToTree(model, path) {
            const { uid, gid } = await (0,node_fs_promises__WEBPACK_IMPORTED_MODULE_0__.lstat)((0,_system_path_bytes_js__WEBPACK_IMPORTED_MODULE_3__/* .fsPath */ .Jk)(model));
            const isRunner = uid === process.geteuid?.() && gid === process.getegid?.();
            const argv = ["chown", "--recursive", "--no-dereference", `${uid}:${gid}`, "--", path];
            await (0,_system_exec_js__WEBPACK_IMPORTED_MODULE_2__/* .runOk */ .uO)(isRunner ? argv : privilege.elevate(argv), { signal, timeoutMs: longMs });
        },
        async removeTree(path) {
            if ((await (0,node_fs_promises__WEBPACK_IMPORTED_MODULE_0__.lstat)((0,_system_path_bytes_js__WEBPACK_IMPORTED_MODULE_3__/* .fsPath */ .Jk)(path)).catch(absent)) === undefined)
                return;
            const argv = ["rm", "--recursive", "--force", "--one-file-system", "--", path];
            const removed = await (0,_system_exec_js__WEBPACK_IMPORTED_MODULE_2__/* .runOk */ .uO)(argv, { signal, timeoutMs: longMs }).catch((error) => {
                if (!(0,_errors_js__WEBPACK_IMPORTED_MODULE_1__/* .hasCode */ .up)(error, "COMMAND_FAILED"))
                    throw error;
                return undefined;
            });
            if (removed === undefined)
                await elevated(argv, longMs);
        },
        async sync(directory) {
            await direct(async () => await (0,_atomic_file_js__WEBPACK_IMPORTED_MODULE_4__/* .syncDirectory */ .z)((0,_system_path_bytes_js__WEBPACK_IMPORTED_MODULE_3__/* .fsPath */ .Jk)(directory)), ["sync", "--", directory]);
        },
        async syncFileSystem(path) {
            await (0,_system_exec_js__WEBPACK_IMPORTED_MODULE_2__/* .runOk */ .uO)(["sync", "--file-system", "--", path], { signal, timeoutMs: longMs }).catch(async () => {
                await elevated(["sync", "--file-system", "--", path], longMs);
            });
        },
    };
}
const conflictHint = "Something else made a directory there in the meantime. Stop what uses it, move it away by hand, and run this again.";
function absent(error) {
    if ((0,_errors_js__WEBPACK_IMPORTED_MODULE_1__/* .hasCode */ .up)(error, "ENOENT"))
        return undefined;
    throw error;
}


/***/ }),

/***/ 6233:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __webpack_require__) => {


// EXPORTS
__webpack_require__.d(__webpack_exports__, {
  _0: () => (/* binding */ openJournal),
  rl: () => (/* binding */ takeJournal),
  II: () => (/* binding */ toleratesFullDisk)
});

// UNUSED EXPORTS: isFullDisk, lockPathOf, readJournal

// EXTERNAL MODULE: external "node:crypto"
var external_node_crypto_ = __webpack_require__(7598);
// EXTERNAL MODULE: external "node:fs/promises"
var promises_ = __webpack_require__(1455);
// EXTERNAL MODULE: external "node:path"
var external_node_path_ = __webpack_require__(6760);
// EXTERNAL MODULE: ./build/errors.js
var errors = __webpack_require__(9473);
// EXTERNAL MODULE: ./build/system/clock.js
var clock = __webpack_require__(7218);
// EXTERNAL MODULE: ./build/system/proc.js
var proc = __webpack_require__(7646);
// EXTERNAL MODULE: ./build/recovery/atomic-file.js
var atomic_file = __webpack_require__(9340);
// EXTERNAL MODULE: ./node_modules/valibot/dist/index.mjs
var dist = __webpack_require__(7934);
;// CONCATENATED MODULE: ./build/recovery/content.js
/**
 * What a journal says. It is read by another process than the one that wrote it, often by another version of this
 * program: the shape is checked on reading, and `version` rises whenever an older reader would act wrongly on it.
 */


const journalVersion = 1;
const content_text = dist/* pipe */.FsL(dist/* string */.YjP(), dist/* minLength */.BpQ(1));
const absolutePath = dist/* pipe */.FsL(dist/* string */.YjP(), dist/* startsWith */.w1_("/"));
const utcTime = dist/* pipe */.FsL(dist/* string */.YjP(), dist/* isoTimestamp */.yhX());
const processSchema = dist/* object */.Ikc({ pid: dist/* number */.aig(), startTicks: dist/* number */.aig() });
const managers = [
    "systemd",
    "docker",
    "process",
    "command",
    "none",
];
/** The node room owns the recipe's fields; here only that it is one. */
const recipeSchema = dist/* custom */.IeY((value) => dist.is(dist/* looseObject */._H3({ manager: dist/* picklist */.KIO(managers) }), value), "not a start recipe");
const nodeSchema = dist/* object */.Ikc({
    /** A node that was down before stays down. */
    wasRunning: dist/* boolean */.zMY(),
    /** True from just before the stop is asked for until the node has been started again. */
    mustStart: dist/* boolean */.zMY(),
    recipe: recipeSchema,
    /** The process that is being stopped; while it lives the node is not started beside it. */
    process: dist/* nullable */.mee(processSchema),
    /** How long the run gives it to stop, from `stopRequestedAt`: a node that still runs after that was never stopped. */
    stopTimeoutMs: dist/* number */.aig(),
    stopRequestedAt: dist/* nullable */.mee(utcTime),
    /** Set just before a start is asked for. */
    startRequestedAt: dist/* nullable */.mee(utcTime),
});
const swapSchema = dist/* object */.Ikc({
    target: absolutePath,
    staging: absolutePath,
    aside: absolutePath,
    /** "directory": the directory itself is renamed. "contents": it is a mount point, so what is in it is. */
    layout: dist/* picklist */.KIO(["directory", "contents"]),
    hadTarget: dist/* boolean */.zMY(),
    /** See `swap.ts`. "proved": the restored node was healthy, and the swap is never taken back. */
    step: dist/* picklist */.KIO(["out", "in", "swapped", "proved"]),
});
const switchSchema = dist/* variant */.Oxt("kind", [
    dist/* object */.Ikc({ kind: dist/* literal */.euz("systemd"), unit: content_text }),
    dist/* object */.Ikc({ kind: dist/* literal */.euz("detached"), process: processSchema }),
]);
const journalSchema = dist/* object */.Ikc({
    version: dist/* literal */.euz(journalVersion),
    runId: content_text,
    command: content_text,
    /** The input `sudo` of the run: whoever recovers for it uses the same rights. */
    sudo: dist/* picklist */.KIO(["auto", "always", "never"]),
    chainstateDir: absolutePath,
    openedAt: utcTime,
    /** Who holds the journal, for people; whether that process lives is decided by the lock. */
    owner: dist/* object */.Ikc({
        role: dist/* picklist */.KIO(["main", "post", "watchdog", "replay"]),
        pid: dist/* number */.aig(),
        startTicks: dist/* number */.aig(),
        bootId: content_text,
    }),
    /** The step under way, in the words of `PhaseName`. */
    phase: dist/* string */.YjP(),
    node: dist/* nullable */.mee(nodeSchema),
    swap: dist/* nullable */.mee(swapSchema),
    switch: dist/* nullable */.mee(switchSchema),
    /** Uploads to take back; `location` is the storage as URL and options, without credentials. */
    uploads: dist/* array */.YOg(dist/* object */.Ikc({ location: dist/* unknown */.L5J(), key: content_text, id: content_text })),
    /** Views to release: freezer and the run that made them. */
    frozen: dist/* array */.YOg(dist/* object */.Ikc({ freezer: content_text, runId: content_text })),
    /** Directories of this run that are to be removed. */
    staging: dist/* array */.YOg(absolutePath),
    /** What a recovery did, for the report of whoever comes next. */
    recovered: dist/* array */.YOg(dist/* object */.Ikc({ at: utcTime, by: content_text, did: dist/* string */.YjP() })),
});
/** JOURNAL_NEWER or JOURNAL_UNREADABLE where it cannot be acted upon. */
function parseJournal(bytes, path) {
    let value;
    try {
        value = JSON.parse(bytes);
    }
    catch (cause) {
        throw unreadable(path, cause);
    }
    const version = dist/* safeParse */.xLC(dist/* looseObject */._H3({ version: dist/* number */.aig() }), value);
    if (version.success && version.output.version > journalVersion) {
        throw new errors/* ActionError */.lZ("JOURNAL_NEWER", `The journal ${path} was written by a newer version of this action (format ${version.output.version}).`, { hint: "Run the version that wrote it once more; it finishes what was left behind." });
    }
    const parsed = dist/* safeParse */.xLC(journalSchema, value);
    if (!parsed.success) {
        const issue = parsed.issues[0];
        throw unreadable(path, new Error(`${dist/* getDotPath */.BuJ(issue) ?? "(root)"}: ${issue.message}`));
    }
    return parsed.output;
}
function unreadable(path, cause) {
    return new errors/* ActionError */.lZ("JOURNAL_UNREADABLE", `The journal ${path} is damaged.`, {
        cause,
        hint: "See whether the node runs and its chainstate directory is in place, start it if it was running, then remove that file.",
    });
}

// EXTERNAL MODULE: ./build/recovery/lock.js
var recovery_lock = __webpack_require__(4667);
// EXTERNAL MODULE: ./build/recovery/state-directory.js
var state_directory = __webpack_require__(7133);
;// CONCATENATED MODULE: ./build/recovery/journal.js
/**
 * The journal of one chainstate directory: what is under way and what has to be undone or finished if this process dies
 * now. It is also the lock: whoever holds it is the only one that may touch the node and the directory. main holds it
 * while it works, then post, or else the watchdog or the next run: each takes over what the one before left behind.
 */










/** For a run that starts. RUN_IN_PROGRESS when another one is alive; JOURNAL_* when what it left cannot be read. */
async function openJournal(options) {
    await (0,state_directory/* ensureStateDirectory */.$Q)(options.stateDirectory);
    const path = await (0,state_directory/* journalPathFor */.S7)(options.stateDirectory, options.chainstateDir);
    const lock = await lockJournal(path, options.clock ?? clock/* systemClock */.m, options.signal);
    try {
        const leftBehind = await readJournal(path);
        const chainstateDir = await (0,state_directory/* canonicalPath */.Op)(options.chainstateDir);
        const content = leftBehind ?? freshContent(options.run, chainstateDir);
        const journal = holdJournal(path, lock, await owned(content, "main"));
        await reserveSpace(path);
        await journal.update({});
        return { journal, leftBehind };
    }
    catch (error) {
        lock.release();
        throw error;
    }
}
/** For whoever finishes what another process began: post, watchdog, replay. Undefined: nothing was left. */
async function takeJournal(path, options) {
    if ((await readJournal(path)) === undefined)
        return undefined;
    const lock = await lockJournal(path, options.clock ?? clock/* systemClock */.m, options.signal);
    try {
        const content = await readJournal(path);
        if (content === undefined) {
            lock.release();
            return undefined;
        }
        const journal = holdJournal(path, lock, await owned(content, options.role));
        // Who holds it is written for people; a full disk must not keep anybody from bringing the node back.
        await journal.update({}).catch(toleratesFullDisk);
        return journal;
    }
    catch (error) {
        lock.release();
        throw error;
    }
}
/** The content as it stands, without taking it over. Undefined where there is none. */
async function readJournal(path) {
    let bytes;
    try {
        const { uid, mode } = await (0,promises_.stat)(path);
        if ((uid !== 0 && uid !== process.geteuid?.()) || (mode & 0o022) !== 0) {
            throw new errors/* ActionError */.lZ("JOURNAL_UNREADABLE", `The journal ${path} could have been written by another user.`, {
                hint: "Remove it after a look at the node, and see who writes to the state directory.",
            });
        }
        bytes = await (0,promises_.readFile)(path, "utf8");
    }
    catch (error) {
        if ((0,errors/* hasCode */.up)(error, "ENOENT"))
            return undefined;
        throw error;
    }
    return parseJournal(bytes, path);
}
function lockPathOf(journalPath) {
    return journalPath.replace(/\.json$/, ".lock");
}
// A watcher's look holds the lock for a moment, a recovery for as long as a node takes to start.
const patienceMs = 3_000;
const patienceWithRecoveryMs = 90_000;
async function lockJournal(path, clock, signal) {
    const since = clock.now();
    for (;;) {
        const lock = (0,recovery_lock/* tryLock */.b)(lockPathOf(path));
        if (lock !== undefined)
            return lock;
        const waitedMs = clock.now() - since;
        const holder = waitedMs < patienceMs ? undefined : (await readJournal(path))?.owner;
        const recovering = holder?.role === "watchdog" || holder?.role === "replay";
        if (waitedMs >= (recovering ? patienceWithRecoveryMs : patienceMs)) {
            throw new errors/* ActionError */.lZ("RUN_IN_PROGRESS", `Another run (pid ${holder?.pid ?? "unknown"}, ${holder?.role ?? "starting"}) works on this chainstate directory.`, { hint: "Wait until it has ended; a concurrency group in the workflow keeps two apart." });
        }
        await clock.sleep(100, signal);
    }
}
function holdJournal(path, lock, initial) {
    let content = initial;
    // Updates of concurrent tasks are written one after the other, each on top of the one before.
    let lastWrite = Promise.resolve();
    let open = true;
    const write = async (change) => {
        if (!open)
            throw new errors/* ActionError */.lZ("JOURNAL_CLOSED", `The journal ${path} was let go already.`);
        const next = change(content);
        await writeWithReserve(path, `${JSON.stringify(next, undefined, 2)}\n`);
        content = next;
    };
    const update = async (change) => {
        const apply = typeof change === "function"
            ? change
            : (now) => ({ ...now, ...change });
        const done = lastWrite.then(async () => await write(apply));
        lastWrite = done.catch(() => undefined);
        await done;
    };
    const release = () => {
        open = false;
        lock.release();
    };
    return {
        path,
        get content() {
            return content;
        },
        update,
        async begin(run) {
            await update((now) => ({ ...freshContent(run, now.chainstateDir), owner: now.owner }));
        },
        async remove() {
            await lastWrite;
            await (0,promises_.rm)(reservePathOf(path), { force: true });
            await (0,promises_.rm)(path, { force: true });
            await (0,atomic_file/* syncDirectory */.z)((0,external_node_path_.dirname)(path));
            release();
        },
        release,
    };
}
/** Room for a journal on a disk that is full by the time it matters most. */
const reserveBytes = 64 * 1024;
function reservePathOf(path) {
    return path.replace(/\.json$/, ".reserve");
}
async function reserveSpace(path) {
    try {
        // Random, because some file systems give no room to zeros.
        await (0,promises_.writeFile)(reservePathOf(path), (0,external_node_crypto_.randomBytes)(reserveBytes), { mode: 0o600 });
    }
    catch (cause) {
        throw new errors/* ActionError */.lZ("STATE_DIRECTORY_UNUSABLE", `There is no room for a journal in ${(0,external_node_path_.dirname)(path)}.`, {
            cause,
            hint: "Without a journal nobody could bring the node back after a crash. Free a few kilobytes.",
        });
    }
}
async function writeWithReserve(path, text) {
    try {
        await (0,atomic_file/* writeFileAtomically */.l)(path, text, 0o600);
    }
    catch (error) {
        if (!isFullDisk(error))
            throw error;
        await (0,promises_.rm)(reservePathOf(path), { force: true });
        await (0,atomic_file/* writeFileAtomically */.l)(path, text, 0o600);
    }
}
function isFullDisk(error) {
    return (0,errors/* hasCode */.up)(error, "ENOSPC") || (0,errors/* hasCode */.up)(error, "EDQUOT");
}
function toleratesFullDisk(error) {
    if (!isFullDisk(error))
        throw error;
}
function freshContent(run, chainstateDir) {
    return {
        version: journalVersion,
        ...run,
        chainstateDir,
        openedAt: new Date().toISOString(),
        phase: "preflight",
        node: null,
        swap: null,
        switch: null,
        uploads: [],
        frozen: [],
        staging: [],
        recovered: [],
    };
}
async function owned(content, role) {
    const self = (0,proc/* readStat */.BV)(process.pid);
    const bootId = (await (0,promises_.readFile)("/proc/sys/kernel/random/boot_id", "utf8")).trim();
    return { ...content, owner: { role, pid: process.pid, startTicks: self?.startTicks ?? 0, bootId } };
}


/***/ }),

/***/ 4667:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __webpack_require__) => {

/* harmony export */ __webpack_require__.d(__webpack_exports__, {
/* harmony export */   b: () => (/* binding */ tryLock)
/* harmony export */ });
/* unused harmony export isLocked */
/* harmony import */ var node_sqlite__WEBPACK_IMPORTED_MODULE_0__ = __webpack_require__(99);
/* harmony import */ var _errors_js__WEBPACK_IMPORTED_MODULE_1__ = __webpack_require__(9473);
/**
 * The mutual exclusion behind the journal: an exclusive SQLite transaction on an empty file, which is a POSIX record lock
 * that the kernel takes away the moment its process dies, however it dies. So a reused pid, a reboot or another pid
 * namespace cannot make a dead run look alive or a live one dead, and two takers cannot both win.
 *
 * POSIX drops all locks of a process when it closes any descriptor of the file: nothing else may ever open a `.lock`.
 * The file itself stays for ever (removing a lock file is a race) and stays empty.
 */


const sqliteBusy = 5;
/** Takes the lock if it is free; undefined when another process (or another holder in this one) has it. */
function tryLock(path) {
    let database;
    try {
        database = new node_sqlite__WEBPACK_IMPORTED_MODULE_0__.DatabaseSync(path, { timeout: 0 });
        database.exec("PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE");
    }
    catch (cause) {
        database?.close();
        if (isBusy(cause))
            return undefined;
        throw new _errors_js__WEBPACK_IMPORTED_MODULE_1__/* .ActionError */ .lZ("LOCK_FAILED", `The lock ${path} cannot be taken.`, {
            cause,
            hint: "The state directory must be writable and on a file system with working locks (a local disk, not NFS).",
        });
    }
    const held = database;
    return {
        release() {
            if (held.isOpen)
                held.close();
        },
    };
}
/** True while somebody holds the lock. A look takes the lock for a moment: takers retry, see `journal.ts`. */
function isLocked(path) {
    const lock = tryLock(path);
    lock?.release();
    return lock === undefined;
}
function isBusy(error) {
    return error instanceof Error && "errcode" in error && Number(error.errcode) % 256 === sqliteBusy;
}


/***/ }),

/***/ 9158:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __webpack_require__) => {

/* harmony export */ __webpack_require__.d(__webpack_exports__, {
/* harmony export */   A8: () => (/* binding */ noteStarted),
/* harmony export */   B4: () => (/* binding */ noteStartRequested),
/* harmony export */   Hy: () => (/* binding */ noteStopRequested),
/* harmony export */   XD: () => (/* binding */ noteNode)
/* harmony export */ });
/** At preflight: how it was found, and how it is brought back. */
async function noteNode(journal, found) {
    const process = found.process ?? null;
    await journal.update({
        node: { ...found, process, mustStart: false, stopRequestedAt: null, startRequestedAt: null },
    });
}
/** Just before the stop: from here on a node that was running has to be started by whoever is left. */
async function noteStopRequested(journal, clock) {
    const at = new Date(clock.now()).toISOString();
    await change(journal, (node) => ({
        ...node,
        mustStart: node.wasRunning,
        stopRequestedAt: at,
        startRequestedAt: null,
    }));
}
/** Just before a start. */
async function noteStartRequested(journal, clock) {
    const at = new Date(clock.now()).toISOString();
    await change(journal, (node) => ({ ...node, startRequestedAt: at }));
}
/** The start has succeeded: nobody has to start it again. */
async function noteStarted(journal) {
    await change(journal, (node) => ({ ...node, mustStart: false }));
}
async function change(journal, edit) {
    await journal.update((now) => (now.node === null ? now : { ...now, node: edit(now.node) }));
}


/***/ }),

/***/ 8154:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __webpack_require__) => {

/* harmony export */ __webpack_require__.d(__webpack_exports__, {
/* harmony export */   Lt: () => (/* binding */ recoverFully)
/* harmony export */ });
/* unused harmony exports needsRecovery, recover */
/* harmony import */ var _errors_js__WEBPACK_IMPORTED_MODULE_0__ = __webpack_require__(9473);
/* harmony import */ var _system_proc_js__WEBPACK_IMPORTED_MODULE_1__ = __webpack_require__(7646);
/* harmony import */ var _file_operations_js__WEBPACK_IMPORTED_MODULE_2__ = __webpack_require__(8881);
/* harmony import */ var _journal_js__WEBPACK_IMPORTED_MODULE_3__ = __webpack_require__(6233);
/* harmony import */ var _node_account_js__WEBPACK_IMPORTED_MODULE_5__ = __webpack_require__(9158);
/* harmony import */ var _swap_js__WEBPACK_IMPORTED_MODULE_4__ = __webpack_require__(9067);
/**
 * Brings back what a dead or failed run left: first the directory, then the node. The one mechanism behind the run's own
 * `finally`, the post step, the dead man's switch, the hook and the next run; safe to repeat, and each call does as much
 * as can be done at that moment. It removes nothing: uploads, frozen views and old directories are cleaned by the action
 * afterwards, when the node runs.
 */






/** True when `recover` would change something: half a swap, or a node that was running and has not been started again. */
function needsRecovery(content) {
    const swapOpen = content.swap !== null && content.swap.step !== "proved";
    return swapOpen || (content.node?.mustStart === true && content.node.wasRunning);
}
/**
 * One attempt. Errors: NODE_RUNS_DURING_SWAP, SWAP_CONFLICT, SWAP_LOST, and what the node's start says. The journal is
 * up to date after each thing done, so a later attempt goes on from there.
 */
async function recover(journal, options) {
    const swap = await recoverSwap(journal, options);
    return { swap, node: options.swapOnly === true ? "left" : await recoverNode(journal, options) };
}
/** Repeats `recover` while the old process is still ending, at most until the stop's own deadline has passed. */
async function recoverFully(journal, options) {
    for (;;) {
        const recovery = await recover(journal, options);
        if (recovery.node !== "stopping")
            return recovery;
        await options.clock.sleep(1_000, options.signal);
    }
}
async function recoverSwap(journal, options) {
    const swap = journal.content.swap;
    if (swap === null)
        return "none";
    if (swap.step === "proved")
        return "completed";
    if (await runsNow(journal.content, options)) {
        if (swap.step === "swapped")
            return "kept";
        throw new _errors_js__WEBPACK_IMPORTED_MODULE_0__/* .ActionError */ .lZ("NODE_RUNS_DURING_SWAP", `The node runs although the swap of ${swap.target} is only half done, so it cannot be taken back.`, {
            hint: `Stop the node; then the old chainstate in ${swap.aside} is put back and the node started on it.`,
        });
    }
    await rollBackSwap(journal, swap, options);
    return "rolled-back";
}
const settleMs = 5_000;
/** A start asked for just before the run died may still take effect: then it is looked once more before anything moves. */
async function runsNow({ node, chainstateDir }, options) {
    const isInUse = async () => await options.nodes.isInUse(chainstateDir, options.privilege, options.signal);
    if (await isInUse())
        return true;
    if (node === null || node.startRequestedAt === null)
        return false;
    await options.clock.sleep(settleMs, options.signal);
    return await isInUse();
}
async function rollBackSwap(journal, swap, options) {
    const files = (0,_file_operations_js__WEBPACK_IMPORTED_MODULE_2__/* .fileOperations */ .D)(options.privilege, options.signal);
    await (0,_swap_js__WEBPACK_IMPORTED_MODULE_4__/* .rollBack */ .Fu)(swap, async (next) => await journal.update({ swap: next }), files);
    await note(journal, `put the old directory ${swap.target} back`);
}
async function recoverNode(journal, options) {
    const node = journal.content.node;
    if (node === null)
        return "no-need";
    if (!node.wasRunning)
        return "was-down";
    if (!node.mustStart)
        return "no-need";
    const mayStop = mayStillStop(node, options.clock);
    // systemd is asked all the same: it queues the start behind the stop, and then needs nobody who waits.
    if (mayStop && node.recipe.manager !== "systemd")
        return "stopping";
    // A node that cannot be noted on a full disk is started all the same: a second start finds it running.
    await (0,_node_account_js__WEBPACK_IMPORTED_MODULE_5__/* .noteStartRequested */ .B4)(journal, options.clock).catch(_journal_js__WEBPACK_IMPORTED_MODULE_3__/* .toleratesFullDisk */ .II);
    const how = await options.nodes.start(node.recipe, options.privilege, options.signal);
    if (mayStop && how === "already-running")
        return "stopping";
    await (0,_node_account_js__WEBPACK_IMPORTED_MODULE_5__/* .noteStarted */ .A8)(journal);
    if (how === "nothing-to-start")
        return "no-need";
    await note(journal, how === "started" ? "started the node" : "found the node running");
    return how === "started" ? "started" : "running";
}
/** A request to a supervisor that tells of a stop under way is on its way for no longer than `query` allows it. */
const requestMs = 35_000;
/**
 * True while the very process that was to be stopped still lives and the request to stop may yet reach it or take effect:
 * it may be gone in a moment. When that time is up it is a node that was never stopped.
 */
function mayStillStop(node, clock) {
    if (node.process === null || node.stopRequestedAt === null)
        return false;
    const limitMs = node.recipe.manager === "systemd" ? requestMs : node.stopTimeoutMs;
    return clock.now() < Date.parse(node.stopRequestedAt) + limitMs && (0,_system_proc_js__WEBPACK_IMPORTED_MODULE_1__/* .isAlive */ ._n)(node.process);
}
async function note(journal, did) {
    await journal.update((now) => ({
        ...now,
        recovered: [...now.recovered, { at: new Date().toISOString(), by: now.owner.role, did }],
    }));
}


/***/ }),

/***/ 9067:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __webpack_require__) => {

/* harmony export */ __webpack_require__.d(__webpack_exports__, {
/* harmony export */   DR: () => (/* binding */ planSwap),
/* harmony export */   Fu: () => (/* binding */ rollBack),
/* harmony export */   RM: () => (/* binding */ finishSwap),
/* harmony export */   l1: () => (/* binding */ ownPrefix),
/* harmony export */   zN: () => (/* binding */ swapIn),
/* harmony export */   zn: () => (/* binding */ prove)
/* harmony export */ });
/* harmony import */ var node_fs_promises__WEBPACK_IMPORTED_MODULE_0__ = __webpack_require__(1455);
/* harmony import */ var node_path__WEBPACK_IMPORTED_MODULE_1__ = __webpack_require__(6760);
/* harmony import */ var _errors_js__WEBPACK_IMPORTED_MODULE_2__ = __webpack_require__(9473);
/* harmony import */ var _system_mounts_js__WEBPACK_IMPORTED_MODULE_3__ = __webpack_require__(788);
/* harmony import */ var _system_path_bytes_js__WEBPACK_IMPORTED_MODULE_4__ = __webpack_require__(1435);
/* harmony import */ var _file_operations_js__WEBPACK_IMPORTED_MODULE_5__ = __webpack_require__(8881);
/* harmony import */ var _state_directory_js__WEBPACK_IMPORTED_MODULE_6__ = __webpack_require__(7133);
/**
 * Puts a restored chainstate in the place of the old one by renames on one file system, and takes it back from any
 * point at which the process may have died. Where the chainstate directory is a mount point it cannot be renamed; then
 * what is in it is moved instead, by the same steps.
 *
 *   step "out":     the old is being moved from target to aside; whatever target holds is old
 *   step "in":      the old is all aside; the new is being moved from staging to target; whatever target holds is new
 *   step "swapped": target is the new; it has not been proved healthy
 *   step "proved":  it has; the swap is never taken back, and aside is dropped
 *
 * A step is written to the journal, durably, before its first rename. Moving back undoes "in", writes "out", undoes
 * "out": so it can die anywhere as well.
 */







/** Everything this room makes beside or in a chainstate directory starts so; archives leave it out. */
const ownPrefix = ".chainstate-snapshot-";
/**
 * Where a restore has to unpack to (`staging`, does not exist yet) and where the old goes (`aside`), on the same mount
 * as the target. Errors: TARGET_NOT_A_DIRECTORY, TARGET_HAS_MOUNTS, TARGET_PARENT_MISSING.
 */
async function planSwap(chainstateDir, runId) {
    const target = await (0,_state_directory_js__WEBPACK_IMPORTED_MODULE_6__/* .canonicalPath */ .Op)(chainstateDir);
    const points = (await (0,_system_mounts_js__WEBPACK_IMPORTED_MODULE_3__/* .readMounts */ .bq)()).map((mount) => mount.mountPoint);
    const below = points.find((point) => point.startsWith(`${target}/`));
    if (below !== undefined) {
        throw new _errors_js__WEBPACK_IMPORTED_MODULE_2__/* .ActionError */ .lZ("TARGET_HAS_MOUNTS", `${below} is mounted inside the chainstate directory ${target}.`, {
            hint: "Such a directory cannot be swapped whole. Unmount it, or restore by hand into its parts.",
        });
    }
    const stat = await (0,node_fs_promises__WEBPACK_IMPORTED_MODULE_0__.lstat)((0,_system_path_bytes_js__WEBPACK_IMPORTED_MODULE_4__/* .fsPath */ .Jk)(target)).catch((error) => {
        if ((0,_errors_js__WEBPACK_IMPORTED_MODULE_2__/* .hasCode */ .up)(error, "ENOENT"))
            return undefined;
        throw error;
    });
    if (stat !== undefined && !stat.isDirectory()) {
        throw new _errors_js__WEBPACK_IMPORTED_MODULE_2__/* .ActionError */ .lZ("TARGET_NOT_A_DIRECTORY", `${target} is not a directory.`, {
            hint: "`chainstate-dir` names the mode directory, such as /var/stacks/mainnet.",
        });
    }
    const isMountPoint = points.includes(target);
    const container = isMountPoint ? target : (0,node_path__WEBPACK_IMPORTED_MODULE_1__.dirname)(target);
    await (0,node_fs_promises__WEBPACK_IMPORTED_MODULE_0__.lstat)((0,_system_path_bytes_js__WEBPACK_IMPORTED_MODULE_4__/* .fsPath */ .Jk)(container)).catch((cause) => {
        throw new _errors_js__WEBPACK_IMPORTED_MODULE_2__/* .ActionError */ .lZ("TARGET_PARENT_MISSING", `${container} does not exist.`, {
            cause,
            hint: "Create it, or correct `chainstate-dir`.",
        });
    });
    const name = isMountPoint ? "" : `${(0,node_path__WEBPACK_IMPORTED_MODULE_1__.basename)(target)}-`;
    return {
        target,
        staging: (0,node_path__WEBPACK_IMPORTED_MODULE_1__.join)(container, `${ownPrefix}${name}${runId}-new`),
        aside: (0,node_path__WEBPACK_IMPORTED_MODULE_1__.join)(container, `${ownPrefix}${name}${runId}-old`),
        layout: isMountPoint ? "contents" : "directory",
    };
}
/**
 * Swaps the finished `staging` in. The node must be proved down. The new directory gets the owner and mode of the old
 * one (what is in it: see `FileOperations.copyOwnerToTree`, before the stop). Ends in step "swapped".
 */
async function swapIn(plan, record, files) {
    if (await files.exists(plan.aside)) {
        throw new _errors_js__WEBPACK_IMPORTED_MODULE_2__/* .ActionError */ .lZ("SWAP_CONFLICT", `${plan.aside} exists already.`, { hint: _file_operations_js__WEBPACK_IMPORTED_MODULE_5__/* .conflictHint */ .C });
    }
    const hadTarget = await files.exists(plan.target);
    if (hadTarget && plan.layout === "directory")
        await files.copyOwner(plan.target, plan.staging);
    const at = (step) => ({ ...plan, hadTarget, step });
    await record(at("out"));
    await moveOut(at("out"), files);
    await record(at("in"));
    await moveIn(at("in"), files);
    await record(at("swapped"));
    return at("swapped");
}
/** Puts the old directory back, from every step but "proved". Safe to repeat; ends with `record(null)`. */
async function rollBack(swap, record, files) {
    if (swap.step === "proved") {
        throw new _errors_js__WEBPACK_IMPORTED_MODULE_2__/* .ActionError */ .lZ("SWAP_PROVED", `The restore of ${swap.target} was healthy and is not taken back.`);
    }
    if (swap.step !== "out") {
        await undoMoveIn(swap, files);
        await record({ ...swap, step: "out" });
    }
    await undoMoveOut(swap, files);
    await record(null);
}
/** The restored node is healthy: from here on the swap is only ever finished. */
async function prove(swap, record) {
    await record({ ...swap, step: "proved" });
}
/** Removes the old directory of a proved swap (or leaves it, for `keep-previous`) and closes the account. */
async function finishSwap(swap, keepPrevious, record, files) {
    if (swap.step !== "proved") {
        throw new _errors_js__WEBPACK_IMPORTED_MODULE_2__/* .ActionError */ .lZ("SWAP_UNPROVED", `The old directory of ${swap.target} is kept until the node is healthy.`);
    }
    if (!keepPrevious) {
        await files.syncFileSystem(swap.target);
        await files.removeTree(swap.aside);
    }
    await record(null);
}
async function moveOut(swap, files) {
    if (!swap.hadTarget)
        return;
    if (swap.layout === "directory") {
        await files.move(swap.target, swap.aside);
    }
    else {
        await files.makeDirectory(swap.aside);
        await moveContents(swap.target, swap.aside, files);
        await files.sync(swap.aside);
    }
    await files.sync(containerOf(swap));
}
async function moveIn(swap, files) {
    if (swap.layout === "directory") {
        await files.move(swap.staging, swap.target);
    }
    else {
        await moveContents(swap.staging, swap.target, files);
        await files.sync(swap.staging);
    }
    await files.sync(containerOf(swap));
}
async function undoMoveIn(swap, files) {
    if (swap.layout === "contents") {
        await files.makeDirectory(swap.staging);
        await moveContents(swap.target, swap.staging, files);
        await files.sync(swap.staging);
    }
    else if (!(await files.exists(swap.staging))) {
        await files.move(swap.target, swap.staging);
    }
    else {
        await clearStranger(swap, files);
    }
    await files.sync(containerOf(swap));
}
async function undoMoveOut(swap, files) {
    if (!swap.hadTarget)
        return;
    if (await files.exists(swap.aside)) {
        if (swap.layout === "directory") {
            await clearStranger(swap, files);
            await files.move(swap.aside, swap.target);
        }
        else {
            await moveContents(swap.aside, swap.target, files);
            await files.sync(swap.target);
            await files.removeEmptyDirectory(swap.aside);
        }
        await files.sync(containerOf(swap));
    }
    if (await files.exists(swap.target))
        return;
    throw new _errors_js__WEBPACK_IMPORTED_MODULE_2__/* .ActionError */ .lZ("SWAP_LOST", `Neither ${swap.target} nor ${swap.aside} exists.`, {
        hint: "Somebody moved the chainstate away while it was being replaced: put it back and start the node by hand.",
    });
}
/**
 * At this point nothing may be at the target, but a supervisor that came up in the meantime may have made an empty
 * directory (Docker does for a bind mount). Anything in it is somebody's data and stays.
 */
async function clearStranger(swap, files) {
    if (!(await files.exists(swap.target)))
        return;
    try {
        await files.removeEmptyDirectory(swap.target);
    }
    catch (cause) {
        throw new _errors_js__WEBPACK_IMPORTED_MODULE_2__/* .ActionError */ .lZ("SWAP_CONFLICT", `A directory appeared at ${swap.target} in the middle of a swap.`, {
            cause,
            hint: `The chainstate that belongs there is ${swap.aside}. ${_file_operations_js__WEBPACK_IMPORTED_MODULE_5__/* .conflictHint */ .C}`,
        });
    }
}
async function moveContents(from, to, files) {
    for (const name of await files.names(from)) {
        if (isOwnOrFixed(name))
            continue;
        await files.move(`${from}/${name}`, `${to}/${name}`);
    }
}
/** Names in a mount point that no swap moves: what this room put there and what the file system owns. */
function isOwnOrFixed(name) {
    return name.startsWith(ownPrefix) || name === "lost+found";
}
function containerOf(swap) {
    return swap.layout === "directory" ? (0,node_path__WEBPACK_IMPORTED_MODULE_1__.dirname)(swap.target) : swap.target;
}


/***/ })

};
