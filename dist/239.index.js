export const id = 239;
export const ids = [239];
export const modules = {

/***/ 2388:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __webpack_require__) => {

/* harmony export */ __webpack_require__.d(__webpack_exports__, {
/* harmony export */   Vs: () => (/* binding */ tryAnnounceRestore),
/* harmony export */   sd: () => (/* binding */ isBeingRead)
/* harmony export */ });
/* unused harmony export announcedForMs */
/* harmony import */ var valibot__WEBPACK_IMPORTED_MODULE_1__ = __webpack_require__(7934);
/* harmony import */ var _errors_js__WEBPACK_IMPORTED_MODULE_0__ = __webpack_require__(9473);
/* harmony import */ var _ids_js__WEBPACK_IMPORTED_MODULE_2__ = __webpack_require__(8970);
/**
 * A restore that runs for hours says in the store which snapshot it reads, so that another host's retention leaves it
 * alone. An announcement ends by itself: a restore that died keeps nothing for ever.
 */



const announcementSchema = valibot__WEBPACK_IMPORTED_MODULE_1__/* .looseObject */ ._H3({ until: valibot__WEBPACK_IMPORTED_MODULE_1__/* .pipe */ .FsL(valibot__WEBPACK_IMPORTED_MODULE_1__/* .string */ .YjP(), valibot__WEBPACK_IMPORTED_MODULE_1__/* .isoTimestamp */ .yhX()) });
/** Longer than a restore of a terabyte takes at 10 MB/s. */
const announcedForMs = 36 * 3600_000;
/**
 * Announces it. Where the store cannot be written to (credentials for reading only, an HTTPS prefix) nothing is
 * announced and undefined returned. SNAPSHOT_GONE when retention was faster.
 */
async function tryAnnounceRestore(store, id, runId, clock, signal) {
    if (store.capabilities.readOnly)
        return undefined;
    const key = `${(0,_ids_js__WEBPACK_IMPORTED_MODULE_2__/* .readersPrefix */ .db)(id)}${runId.replaceAll(/[^A-Za-z0-9_-]/g, "_")}.json`;
    const until = new Date(clock.now() + announcedForMs).toISOString();
    try {
        await store.put(key, Buffer.from(`${JSON.stringify({ until })}\n`), {
            contentType: "application/json",
            signal,
        });
    }
    catch (error) {
        if ((0,_errors_js__WEBPACK_IMPORTED_MODULE_0__/* .hasCode */ .up)(error, "STORE_DENIED") || (0,_errors_js__WEBPACK_IMPORTED_MODULE_0__/* .hasCode */ .up)(error, "STORE_READ_ONLY"))
            return undefined;
        throw error;
    }
    const withdraw = async (signal) => await store.delete(key, signal);
    // Written first and looked at after: retention looks for announcements after it has put its tombstone.
    const [manifest, tombstone] = await Promise.all([
        store.head((0,_ids_js__WEBPACK_IMPORTED_MODULE_2__/* .manifestKey */ .Rn)(id), signal),
        store.head((0,_ids_js__WEBPACK_IMPORTED_MODULE_2__/* .tombstoneKey */ .Z7)(id), signal),
    ]);
    if (manifest !== undefined && tombstone === undefined)
        return { withdraw };
    await withdraw(signal);
    throw new _errors_js__WEBPACK_IMPORTED_MODULE_0__/* .ActionError */ .lZ("SNAPSHOT_GONE", `Snapshot ${id} is being removed from ${store.url}.`, {
        hint: "Choose another snapshot; `latest` never is.",
    });
}
/** True while any announcement for the snapshot is in force. One that cannot be read counts. */
async function isBeingRead(store, id, clock, signal) {
    for await (const { key } of store.list((0,_ids_js__WEBPACK_IMPORTED_MODULE_2__/* .readersPrefix */ .db)(id), signal)) {
        if (await isInForce(store, key, clock, signal))
            return true;
    }
    return false;
}
async function isInForce(store, key, clock, signal) {
    try {
        const { bytes } = await store.get(key, { signal });
        const parsed = valibot__WEBPACK_IMPORTED_MODULE_1__/* .safeParse */ .xLC(announcementSchema, JSON.parse(Buffer.from(bytes).toString("utf8")));
        return !parsed.success || Date.parse(parsed.output.until) > clock.now();
    }
    catch (error) {
        if ((0,_errors_js__WEBPACK_IMPORTED_MODULE_0__/* .hasCode */ .up)(error, "OBJECT_NOT_FOUND"))
            return false;
        if (error instanceof SyntaxError)
            return true;
        throw error;
    }
}


/***/ }),

/***/ 8239:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __webpack_require__) => {

// ESM COMPAT FLAG
__webpack_require__.r(__webpack_exports__);

// EXPORTS
__webpack_require__.d(__webpack_exports__, {
  restore: () => (/* binding */ restore)
});

// EXTERNAL MODULE: external "node:fs/promises"
var promises_ = __webpack_require__(1455);
// EXTERNAL MODULE: external "node:path"
var external_node_path_ = __webpack_require__(6760);
// EXTERNAL MODULE: ./build/archive/reader.js + 4 modules
var reader = __webpack_require__(2195);
// EXTERNAL MODULE: ./build/catalog/readers.js
var readers = __webpack_require__(2388);
// EXTERNAL MODULE: ./build/errors.js
var errors = __webpack_require__(9473);
;// CONCATENATED MODULE: ./build/chainstate/guards.js

/** What releases write and open at most; an older release opens no more than the next one in this list. */
const newestSchemas = [
    { version: "4.0.2", schemas: { index: 14, sortition: 11, burnchain: 3, nakamoto: 5, marf: 3, headers: 3 } },
];
const mainnetChainId = 1;
/** Burnchain modes, after which nodes name their mode directories. Others are names of an operator's own. */
const modes = new Set(["mainnet", "xenon", "krypton", "neon", "nakamoto-neon", "mocknet", "helium", "argon"]);
/** Throws NETWORK_DIFFERS, SCHEMA_NEWER or SNAPSHOT_PRUNED. */
function checkFits(chain, target) {
    refuseOtherNetwork(chain, target);
    if (chain.pruned &&
        target.replaced !== undefined &&
        !target.replaced.pruned &&
        target.replaced.stacksTip !== null) {
        throw new errors/* ActionError */.lZ("SNAPSHOT_PRUNED", "The snapshot is of a pruned chainstate, the one to be replaced is not.", {
            hint: "History that the node has now would be gone. Choose another snapshot, or restore into an empty directory.",
        });
    }
    if (!target.allowNewerSchema)
        refuseNewerSchema(chain.schemas, target);
}
function refuseOtherNetwork(chain, { replaced, node }) {
    const differs = (what, here, there, where) => new errors/* ActionError */.lZ("NETWORK_DIFFERS", `The snapshot's ${what} is ${String(there)}, ${where} is ${String(here)}.`, {
        hint: "A node cannot run on another network's chainstate. Choose a snapshot of this network.",
    });
    if (replaced !== undefined) {
        const where = "that of the chainstate to be replaced";
        for (const [key, what] of [
            ["mainnet", "`mainnet` flag"],
            ["chainId", "chain id"],
        ]) {
            const [here, there] = [replaced[key], chain[key]];
            if (here !== null && there !== null && here !== there)
                throw differs(what, here, there, where);
        }
        // Test networks share one chain id, so that only their names tell them apart.
        if (replaced.network !== chain.network && modes.has(replaced.network) && modes.has(chain.network)) {
            throw differs("network", replaced.network, chain.network, where);
        }
    }
    if (node === undefined)
        return;
    if (chain.chainId !== null && node.network_id !== chain.chainId) {
        throw differs("chain id", node.network_id, chain.chainId, "the running node's network id");
    }
    if (chain.mainnet !== null && chain.mainnet !== (node.network_id === mainnetChainId)) {
        throw differs("`mainnet` flag", node.network_id === mainnetChainId, chain.mainnet, "the running node's");
    }
}
function refuseNewerSchema(schemas, { replaced, nodeVersion }) {
    const openable = nodeVersion === undefined ? undefined : schemasOf(nodeVersion);
    for (const [name, version] of Object.entries(schemas)) {
        if (version === null)
            continue;
        const limit = openable?.[name];
        if (limit !== undefined && version > limit) {
            throw newer(name, version, `stacks-node ${nodeVersion ?? ""} opens ${limit} at most`);
        }
        const here = replaced?.schemas[name] ?? null;
        if (here !== null && version > here)
            throw newer(name, version, `the chainstate to be replaced has ${here}`);
    }
}
function newer(name, version, than) {
    return new errors/* ActionError */.lZ("SCHEMA_NEWER", `The snapshot's ${name} schema is ${version}, but ${than}.`, {
        hint: "An older node refuses or panics on a newer schema. Upgrade the node first, choose an older snapshot, or, when you " +
            "know that the node opens it, set `allow-newer-schema: true`.",
    });
}
/** Undefined for a release newer than those known: what it opens is not. */
function schemasOf(version) {
    return newestSchemas.find((release) => compareVersions(version, release.version) <= 0)?.schemas;
}
function compareVersions(a, b) {
    const numbers = (version) => version.split(/[.+-]/).map((part) => Number.parseInt(part, 10) || 0);
    const [left, right] = [numbers(a), numbers(b)];
    for (let at = 0; at < Math.max(left.length, right.length); at += 1) {
        const difference = (left[at] ?? 0) - (right[at] ?? 0);
        if (difference !== 0)
            return difference;
    }
    return 0;
}

// EXTERNAL MODULE: ./build/chainstate/inspect.js + 5 modules
var inspect = __webpack_require__(2387);
// EXTERNAL MODULE: ./build/recovery/file-operations.js
var file_operations = __webpack_require__(8881);
// EXTERNAL MODULE: ./build/recovery/swap.js
var recovery_swap = __webpack_require__(9067);
// EXTERNAL MODULE: ./build/system/space.js
var space = __webpack_require__(9834);
// EXTERNAL MODULE: ./build/commands/inspection-report.js
var inspection_report = __webpack_require__(8636);
// EXTERNAL MODULE: ./build/commands/journaled.js
var journaled = __webpack_require__(7333);
// EXTERNAL MODULE: ./build/commands/managed-node.js
var managed_node = __webpack_require__(3067);
// EXTERNAL MODULE: ./build/commands/open-snapshot.js
var open_snapshot = __webpack_require__(8792);
// EXTERNAL MODULE: ./build/commands/outage.js + 2 modules
var commands_outage = __webpack_require__(7329);
;// CONCATENATED MODULE: ./build/commands/restore.js
/**
 * `command: restore`. Everything is fetched, verified and unpacked beside the target while the node runs; only a
 * chainstate that has passed its checks takes the place of the old one, by renames that can be taken back; and the old
 * one is dropped only when the node has proved healthy on the new.
 */















async function restore(config, rooms) {
    const { chainstateDir, node, storage } = config;
    if (storage === undefined)
        throw new RangeError("a foreign archive is restored elsewhere");
    await (0,journaled/* withJournal */.u)(rooms, { chainstateDir, command: "restore", sudo: node.sudo }, async (journal) => {
        const scratch = await (0,promises_.mkdtemp)((0,external_node_path_.join)(rooms.host.tempDir, "restore-"));
        const opened = await (0,open_snapshot/* openSnapshot */.r)(rooms, storage, config.snapshot);
        try {
            const files = (0,file_operations/* fileOperations */.D)(rooms.privilege(node.sudo), rooms.signal);
            await new Restore(config, rooms, journal, files, opened).run(scratch);
        }
        finally {
            await opened.store.close();
            await (0,promises_.rm)(scratch, { recursive: true, force: true });
        }
    });
}
class Restore {
    #config;
    #rooms;
    #journal;
    #files;
    #opened;
    constructor(config, rooms, journal, files, opened) {
        this.#config = config;
        this.#rooms = rooms;
        this.#journal = journal;
        this.#files = files;
        this.#opened = opened;
    }
    async run(scratch) {
        const { report } = this.#rooms;
        const prepared = await report.phase("preflight", "Look at everything before anything is touched", () => this.#preflight());
        if (this.#config.dryRun) {
            report.headline(`Dry run: ${this.#manifest.id} fits ${this.#config.chainstateDir}; nothing was touched.`);
            return;
        }
        await this.#unpack(prepared, scratch);
        await this.#check(prepared);
        await this.#putInPlace(prepared);
        this.#reportResult();
    }
    get #manifest() {
        return this.#opened.manifest;
    }
    async #preflight() {
        const { report, signal } = this.#rooms;
        const { chainstateDir, node: options, allowNewerSchema, dryRun } = this.#config;
        const manifest = this.#manifest;
        report.info(`Snapshot ${manifest.id}: Stacks height ${manifest.chain.stacksHeight}, taken ${manifest.cut.at}.`);
        report.output("snapshot-id", manifest.id);
        const node = await (0,managed_node/* meetNode */.y)(this.#rooms, options, chainstateDir);
        const replaces = !(await isAbsentOrEmpty(chainstateDir));
        if (replaces && node.control.identity.manager === "none") {
            throw new errors/* ActionError */.lZ("TARGET_NOT_EMPTY", `${chainstateDir} is not empty.`, {
                hint: "With `node-manager: none` only an absent or empty directory is filled. Remove it, or name the node's manager.",
            });
        }
        checkFits(manifest.chain, {
            replaced: replaces ? await (0,inspect/* readFacts */.MH)(chainstateDir, signal) : undefined,
            nodeVersion: node.version?.version ?? undefined,
            node: node.info,
            allowNewerSchema,
        });
        // An ephemeral runner has nothing yet; what is made here is an empty directory at most.
        if (!dryRun)
            await (0,promises_.mkdir)((0,external_node_path_.dirname)(chainstateDir), { recursive: true });
        const swap = await (0,recovery_swap/* planSwap */.DR)(chainstateDir, manifest.id);
        await this.#requireSpace((0,external_node_path_.dirname)(swap.staging));
        return { node, swap, replaces };
    }
    async #requireSpace(directory) {
        const needed = this.#manifest.archive?.tarSize ?? 0;
        const { freeBytes } = await (0,space/* spaceAt */.Cc)(directory);
        if (freeBytes >= needed * 1.01)
            return;
        throw new errors/* ActionError */.lZ("SPACE_MISSING", `${directory} has ${(0,space/* formatBytes */.z3)(freeBytes)} free; the chainstate needs ${(0,space/* formatBytes */.z3)(needed)} beside the old one.`, { hint: "Free some space. The old chainstate is only dropped when the node runs on the new one." });
    }
    /** Into a directory named by the snapshot, so that a restore that was interrupted goes on where it stopped. */
    async #unpack({ swap, replaces }, scratch) {
        const { signal, host, clock } = this.#rooms;
        const { store, manifest } = this.#opened;
        await this.#removeOtherStaging(swap);
        const announcement = await (0,readers/* tryAnnounceRestore */.Vs)(store, manifest.id, host.runId, clock, signal);
        try {
            await this.#unpackFrom(await (0,open_snapshot/* openArchive */.p)(this.#opened, scratch, signal), swap, replaces);
        }
        finally {
            await announcement?.withdraw(AbortSignal.timeout(10_000));
        }
    }
    async #unpackFrom(archive, swap, replaces) {
        const { report, signal, host } = this.#rooms;
        const privilege = this.#rooms.privilege(this.#config.node.sudo);
        const journalFile = (0,external_node_path_.join)(host.stateDir, `${(0,external_node_path_.basename)(swap.staging).slice(1)}.frames`);
        await report.phase("download", `Fetch and unpack beside ${swap.target}`, async (phase) => {
            const totalBytes = archive.record.tarSize;
            const unpacked = await (0,reader/* unpackArchive */.b)({
                source: archive.source,
                indexFile: archive.indexFile,
                indexDigest: archive.record.index,
                target: swap.staging,
                owner: privilege.isRoot && !replaces ? "archived" : "mine",
                // Read while the node writes to it: a piece that is not what it should be is fetched instead.
                seeds: this.#config.seedFrom ?? (replaces ? [swap.target] : []),
                journalFile,
                concurrency: this.#config.concurrency,
                durable: true,
                signal,
                onProgress: ({ doneBytes }) => phase.progress({ doneBytes, totalBytes }),
            });
            phase.bytes(unpacked.contentSize);
            report.fact("Fetched", `${(0,space/* formatBytes */.z3)(unpacked.fetchedBytes)} of ${(0,space/* formatBytes */.z3)(archive.record.size)}`);
            if (replaces)
                await this.#files.copyOwnerToTree(swap.target, swap.staging);
        });
        await (0,promises_.rm)(journalFile, { force: true });
    }
    /** What an interrupted restore of another snapshot left beside this target is of no use any more. */
    async #removeOtherStaging(swap) {
        const container = (0,external_node_path_.dirname)(swap.staging);
        const ours = `${recovery_swap/* ownPrefix */.l1}${swap.layout === "contents" ? "" : `${(0,external_node_path_.basename)(swap.target)}-`}`;
        for (const name of await this.#files.names(container)) {
            const path = (0,external_node_path_.join)(container, name);
            if (!name.startsWith(ours) || !name.endsWith("-new") || path === swap.staging)
                continue;
            this.#rooms.report.info(`Removing ${path}, left by an interrupted restore of another snapshot.`);
            await this.#files.removeTree(path);
        }
    }
    async #check({ swap }) {
        const { report, signal } = this.#rooms;
        const { check: depth } = this.#config;
        if (depth === "none")
            return;
        await report.phase("check", "Check the restored chainstate", async () => {
            try {
                const inspection = await (0,inspect/* inspectChainstate */.Tz)({ dir: swap.staging, depth, signal });
                (0,inspection_report/* reportInspection */.B)(report, inspection);
                (0,inspect/* assertConsistent */.B$)(inspection);
                const { stacksTip, stacksHeight } = inspection.facts;
                const { chain } = this.#manifest;
                if (stacksTip !== chain.stacksTip || stacksHeight !== chain.stacksHeight) {
                    throw new errors/* ActionError */.lZ("TIP_DIFFERS", `What was unpacked stands at height ${stacksHeight}, the manifest says ${chain.stacksHeight}.`, { hint: "The snapshot does not hold what it says. Choose another one." });
                }
            }
            catch (error) {
                if (!signal.aborted)
                    await this.#files.removeTree(swap.staging);
                throw error;
            }
        });
    }
    async #putInPlace({ node, swap }) {
        const { report } = this.#rooms;
        const { keepPrevious, node: options } = this.#config;
        const { chain } = this.#manifest;
        const record = async (next) => await this.#journal.update({ swap: next });
        const outage = new commands_outage/* Outage */.a(this.#rooms, node, options, this.#journal, swap.target);
        await outage.guard(async () => {
            await outage.begin();
            const swapped = await report.phase("swap", `Put it in the place of ${swap.target}`, async () => {
                outage.beginSwap();
                return await (0,recovery_swap/* swapIn */.zN)(swap, record, this.#files);
            });
            const expected = {
                minStacksHeight: chain.stacksHeight,
                ...(chain.burnHeight === null ? {} : { minBurnHeight: chain.burnHeight }),
            };
            await outage.end(expected);
            await outage.sync(expected);
            await (0,recovery_swap/* prove */.zn)(swapped, record);
            await outage.endSwap();
        });
        const proved = this.#journal.content.swap;
        if (proved === null)
            return;
        await report.phase("clean-up", keepPrevious ? "Keep the old chainstate" : "Drop the old chainstate", async () => {
            await (0,recovery_swap/* finishSwap */.RM)(proved, keepPrevious, record, this.#files);
        });
        if (keepPrevious && proved.hadTarget)
            report.fact("Previous chainstate", proved.aside);
    }
    #reportResult() {
        const { report } = this.#rooms;
        const { chain, id } = this.#manifest;
        const { chainstateDir } = this.#config;
        report.output("restored-dir", chainstateDir);
        report.output("stacks-height", String(chain.stacksHeight));
        if (chain.burnHeight !== null)
            report.output("burn-height", String(chain.burnHeight));
        report.fact("Snapshot", id);
        report.fact("Stacks height", String(chain.stacksHeight));
        report.headline(`${id} is restored to ${chainstateDir}.`);
    }
}
async function isAbsentOrEmpty(path) {
    try {
        return (await (0,promises_.lstat)(path)).isDirectory() && (await (0,promises_.readdir)(path)).length === 0;
    }
    catch (error) {
        if ((0,errors/* hasCode */.up)(error, "ENOENT"))
            return true;
        throw error;
    }
}


/***/ })

};
