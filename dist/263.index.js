export const id = 263;
export const ids = [263];
export const modules = {

/***/ 8301:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __webpack_require__) => {

/* harmony export */ __webpack_require__.d(__webpack_exports__, {
/* harmony export */   T2: () => (/* binding */ restoreStep),
/* harmony export */   Xm: () => (/* binding */ commandsByHand)
/* harmony export */ });
/* unused harmony export shellQuote */
/**
 * The commands with which a person downloads, verifies and unpacks a snapshot without this program, and the step with
 * which this program does it. For the catalogue page and the job summary.
 */
function commandsByHand({ storageUrl, key, hasSha256 }) {
    const base = storageUrl.replace(/\/+$/, "");
    const name = key.split("/").at(-1) ?? key;
    return {
        download: (hasSha256 ? [key, `${key}.sha256`] : [key]).map((one) => downloadCommand(`${base}/${one}`)),
        // Without a digest of the whole (parts of it were copied on the store) each frame still has a checksum of its own.
        verify: [hasSha256 ? `sha256sum -c ${shellQuote(`${name}.sha256`)}` : `zstd -t ${shellQuote(name)}`],
        // The archive brings its own directory along, named like the one it was made of.
        unpack: [`tar --zstd -xf ${shellQuote(name)}`],
    };
}
/** A workflow's step that restores it. */
function restoreStep(storageUrl, id, directory) {
    return [
        "- uses: OWNER/chainstate-snapshot@v0",
        "  with:",
        "    command: restore",
        `    storage: ${storageUrl}`,
        `    snapshot: ${id}`,
        `    chainstate-dir: /var/stacks/${directory}`,
    ].join("\n");
}
function downloadCommand(url) {
    const scheme = /^([a-z0-9]+):\/\//.exec(url)?.[1];
    if (scheme === "s3")
        return `aws s3 cp ${shellQuote(url)} .`;
    if (scheme === "gs")
        return `gcloud storage cp ${shellQuote(url)} .`;
    if (scheme === "file")
        return `cp ${shellQuote(decodeURIComponent(new URL(url).pathname))} .`;
    if (scheme === "az") {
        const [account = "", container = "", ...rest] = url.slice("az://".length).split("/");
        const flags = [
            ["--account-name", account],
            ["--container-name", container],
            ["--name", rest.join("/")],
            ["--file", rest.at(-1) ?? ""],
        ];
        return `az storage blob download ${flags.map(([flag = "", value = ""]) => `${flag} ${shellQuote(value)}`).join(" ")}`;
    }
    return `curl --fail --location --retry 9 --continue-at - --remote-name ${shellQuote(url)}`;
}
/** As it is where a shell reads it as one plain word, else in single quotes. */
function shellQuote(text) {
    return /^[A-Za-z0-9_@%+=:,./-]+$/.test(text) && !text.startsWith("-")
        ? text
        : `'${text.replaceAll("'", "'\\''")}'`;
}


/***/ }),

/***/ 9688:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __webpack_require__) => {


// EXPORTS
__webpack_require__.d(__webpack_exports__, {
  Qj: () => (/* binding */ changeCatalog),
  eN: () => (/* binding */ claimSnapshotId),
  mk: () => (/* binding */ publish),
  Lq: () => (/* binding */ reconcile)
});

// EXTERNAL MODULE: external "node:util"
var external_node_util_ = __webpack_require__(7975);
// EXTERNAL MODULE: ./build/errors.js
var errors = __webpack_require__(9473);
// EXTERNAL MODULE: ./build/system/clock.js
var system_clock = __webpack_require__(7218);
// EXTERNAL MODULE: ./build/catalog/catalog.js
var catalog = __webpack_require__(9063);
// EXTERNAL MODULE: ./build/catalog/ids.js
var ids = __webpack_require__(8970);
// EXTERNAL MODULE: ./build/catalog/manifest-text.js
var manifest_text = __webpack_require__(1323);
// EXTERNAL MODULE: ./build/catalog/read.js
var read = __webpack_require__(8990);
;// CONCATENATED MODULE: ./build/catalog/replace-object.js
/**
 * Changes a small object that several hosts may change at once: read it, make the next version, put it only if nobody
 * was faster, else again. Where a store cannot enforce the condition, what stands afterwards is looked at once more;
 * that is as good as it gets without a lock, and `reconcile` repairs the rest.
 */

const attempts = 40;
const firstPauseMs = 50;
const longestPauseMs = 2_000;
/** Long enough for a write that was on its way when ours was made to have arrived. */
const lookAgainMs = 1_500;
/**
 * `edit` gets the present bytes (undefined: no such object) and returns the new ones, or undefined when nothing is to be
 * changed. It may be called many times. CATALOG_BUSY when others were faster forty times.
 */
async function replaceObject(store, key, edit, clock, signal) {
    for (let attempt = 0; attempt < attempts; attempt += 1) {
        const now = await replace_object_read(store, key, signal);
        const next = await edit(now?.bytes);
        if (next === undefined)
            return;
        if (await wrote(store, key, next, now, signal)) {
            if (store.capabilities.conditionalWrites)
                return;
            // Not enforced: somebody who read before us may have written after us. The next turn finds nothing to change.
            await clock.sleep(lookAgainMs * (0.5 + Math.random()), signal);
            continue;
        }
        const pauseMs = Math.min(longestPauseMs, firstPauseMs * 2 ** attempt);
        await clock.sleep(pauseMs * (0.5 + Math.random()), signal);
    }
    throw new errors/* ActionError */.lZ("CATALOG_BUSY", `${store.urlOf(key)} was changed by others each of ${attempts} times.`, {
        hint: "Run this again, and let fewer hosts publish to one prefix at the same moment.",
    });
}
async function replace_object_read(store, key, signal) {
    try {
        const { bytes, info } = await store.get(key, { signal });
        return { bytes, etag: info.etag };
    }
    catch (error) {
        if ((0,errors/* hasCode */.up)(error, "OBJECT_NOT_FOUND"))
            return undefined;
        throw error;
    }
}
async function wrote(store, key, bytes, seen, signal) {
    const condition = seen === undefined ? { ifAbsent: true } : seen.etag === undefined ? {} : { ifMatch: seen.etag };
    try {
        await store.put(key, bytes, { ...condition, contentType: "application/json", signal });
        return true;
    }
    catch (error) {
        if ((0,errors/* hasCode */.up)(error, "PRECONDITION_FAILED"))
            return false;
        throw error;
    }
}

;// CONCATENATED MODULE: ./build/catalog/publish.js
/**
 * Makes a finished snapshot visible, in an order in which every crash leaves something true: archive and index stand
 * already, then the manifest (now it is a snapshot), then the catalogue, and `latest` last. Two hosts may do this to one
 * prefix at once.
 */








/** Returns the manifest as it was written (with its digest). SNAPSHOT_EXISTS, SNAPSHOT_INCOMPLETE, CATALOG_BUSY. */
async function publish(store, manifest, signal, clock = system_clock/* systemClock */.m) {
    const { manifest: sealed, bytes } = (0,manifest_text/* writeManifest */.H)(manifest);
    await requireObjects(store, sealed, signal);
    await putManifest(store, sealed.id, bytes, signal);
    await addToCatalog(store, (0,catalog/* entryOf */.Ms)(sealed), clock, signal);
    await advanceLatest(store, sealed, clock, signal);
    await store.delete((0,ids/* claimKey */.Eo)(sealed.id), signal);
    return sealed;
}
/**
 * An id nobody else has, for a fleet whose hosts may stop at one height in the same second: an object in its folder
 * holds it until `publish`. Returns the time the id was made with, a few seconds after `at` at most.
 */
async function claimSnapshotId(store, chain, at, runId, signal) {
    for (let seconds = 0; seconds < 60; seconds += 1) {
        const moment = new Date(at.getTime() + seconds * 1000);
        const id = (0,ids/* snapshotId */.iy)(chain.network, chain.stacksHeight, moment);
        const claim = Buffer.from(`${JSON.stringify({ runId, at: at.toISOString() })}\n`);
        try {
            if ((await store.head((0,ids/* manifestKey */.Rn)(id), signal)) !== undefined)
                continue;
            await store.put((0,ids/* claimKey */.Eo)(id), claim, { ifAbsent: true, contentType: "application/json", signal });
            return { id, at: moment };
        }
        catch (error) {
            if (!(0,errors/* hasCode */.up)(error, "PRECONDITION_FAILED"))
                throw error;
        }
    }
    throw new errors/* ActionError */.lZ("SNAPSHOT_EXISTS", `Sixty snapshots of height ${chain.stacksHeight} are being made in ${store.url}.`, {
        hint: "Give each host a prefix of its own.",
    });
}
/**
 * Makes the catalogue say what the manifests say, and `latest` name the newest. Every manifest is read, unless
 * `trustListed`: then only those of snapshots that the catalogue lacks.
 */
async function reconcile(store, clock, signal, trustListed = false) {
    const listed = new Map((await (0,read/* loadCatalog */.ak)(store, signal))?.map((entry) => [entry.id, entry]));
    const rebuilt = await (0,read/* rebuildEntries */.Az)(store, signal, trustListed ? listed : new Map());
    // What a later version has added to an entry stays.
    const entries = rebuilt.entries.map((entry) => ({ ...listed.get(entry.id), ...entry }));
    const present = new Set(entries.map(({ id }) => id));
    const wrong = entries.filter((entry) => !(0,external_node_util_.isDeepStrictEqual)(listed.get(entry.id), entry));
    const gone = [...listed.keys()].filter((id) => !present.has(id));
    // Only the difference is applied: what another host publishes meanwhile is in neither and stays.
    if (wrong.length > 0 || gone.length > 0)
        await changeCatalog(store, wrong, gone, clock, signal);
    const [newest] = entries;
    if (newest !== undefined)
        await advanceLatest(store, newest, clock, signal);
    return { entries, refused: rebuilt.refused, repaired: [...wrong.map(({ id }) => id), ...gone] };
}
/** Adds and removes entries in one change. A damaged catalogue is made again from the manifests first. */
async function changeCatalog(store, add, remove, clock, signal) {
    const touched = new Set([...add.map(({ id }) => id), ...remove]);
    await replaceObject(store, ids/* catalogKey */.Vz, async (bytes) => {
        const now = bytes === undefined ? undefined : (0,catalog/* readCatalog */.uM)(bytes, store.urlOf(ids/* catalogKey */.Vz))?.snapshots;
        const present = now ?? (await (0,read/* rebuildEntries */.Az)(store, signal)).entries;
        const wanted = [...present.filter(({ id }) => !touched.has(id)), ...add].sort(catalog/* byNewest */.Kd);
        if ((0,external_node_util_.isDeepStrictEqual)(now, wanted))
            return undefined;
        return (0,catalog/* writeCatalog */.Jj)(wanted, new Date(clock.now()));
    }, clock, signal);
}
async function requireObjects(store, manifest, signal) {
    const { archive } = manifest;
    if (archive === undefined)
        return;
    for (const { key, size } of [archive, archive.index]) {
        const found = await store.head(key, signal);
        if (found?.size === size)
            continue;
        const holds = found === undefined ? "does not exist" : `has ${found.size} bytes instead of ${size}`;
        throw new errors/* ActionError */.lZ("SNAPSHOT_INCOMPLETE", `${store.urlOf(key)} ${holds}, so the snapshot is not published.`, {
            hint: "Something else writes to that prefix, or the store lost it. Run this again.",
        });
    }
}
async function putManifest(store, id, bytes, signal) {
    const key = (0,ids/* manifestKey */.Rn)(id);
    try {
        await store.put(key, bytes, { ifAbsent: true, contentType: "application/json", signal });
    }
    catch (error) {
        if (!(0,errors/* hasCode */.up)(error, "PRECONDITION_FAILED"))
            throw error;
        // A put whose answer was lost is sent again and then finds itself.
        const present = await store.get(key, { signal });
        if (Buffer.compare(present.bytes, bytes) === 0)
            return;
        throw new errors/* ActionError */.lZ("SNAPSHOT_EXISTS", `There is a snapshot ${id} in ${store.url} already; it is never overwritten.`, {
            cause: error,
            hint: "Another host published the same height in the same second. Run this again.",
        });
    }
}
async function addToCatalog(store, entry, clock, signal) {
    await changeCatalog(store, [entry], [], clock, signal);
    // Without conditional writes somebody else's change may have lost an entry, so each publisher repairs the whole.
    if (!store.capabilities.conditionalWrites)
        await reconcile(store, clock, signal, true);
}
/** `latest.json` names this snapshot unless it names a newer one that exists. */
async function advanceLatest(store, candidate, clock, signal) {
    const next = Buffer.from(`${JSON.stringify({ id: candidate.id, manifest: (0,ids/* manifestKey */.Rn)(candidate.id) })}\n`);
    await replaceObject(store, ids/* latestKey */.p8, async (bytes) => {
        const named = bytes === undefined ? undefined : (0,read/* readLatest */.Eg)(bytes);
        if (named === candidate.id)
            return undefined;
        const present = named === undefined ? undefined : await findManifest(store, named, signal);
        return present !== undefined && (0,catalog/* byNewest */.Kd)(present, candidate) < 0 ? undefined : next;
    }, clock, signal);
}
/** Undefined for one that is gone or that this version cannot believe: `latest` must not stay on it. */
async function findManifest(store, id, signal) {
    try {
        return await (0,read/* loadManifest */.eY)(store, id, signal);
    }
    catch (error) {
        if (error instanceof errors/* ActionError */.lZ && read/* aboutOneManifest */.$m.has(error.code))
            return undefined;
        throw error;
    }
}


/***/ }),

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

/***/ 7263:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __webpack_require__) => {

// ESM COMPAT FLAG
__webpack_require__.r(__webpack_exports__);

// EXPORTS
__webpack_require__.d(__webpack_exports__, {
  applyRetention: () => (/* binding */ applyRetention),
  prune: () => (/* binding */ prune_prune)
});

// EXTERNAL MODULE: ./node_modules/valibot/dist/index.mjs
var dist = __webpack_require__(7934);
// EXTERNAL MODULE: ./build/system/clock.js
var system_clock = __webpack_require__(7218);
// EXTERNAL MODULE: ./build/catalog/ids.js
var ids = __webpack_require__(8970);
// EXTERNAL MODULE: ./build/catalog/manifest.js
var manifest = __webpack_require__(9227);
// EXTERNAL MODULE: ./build/catalog/publish.js + 1 modules
var publish = __webpack_require__(9688);
// EXTERNAL MODULE: ./build/catalog/readers.js
var readers = __webpack_require__(2388);
// EXTERNAL MODULE: ./build/catalog/read.js
var read = __webpack_require__(8990);
// EXTERNAL MODULE: ./build/catalog/catalog.js
var catalog = __webpack_require__(9063);
;// CONCATENATED MODULE: ./build/catalog/retention.js

/**
 * One decision for each snapshot, newest first. Without any rule everything stays. `announced`: ids that a running
 * restore reads. Whatever the rules say, of each network and profile the newest and the newest verified one stay.
 */
function decideRetention(snapshots, rules, announced = new Set()) {
    const reasons = new Map(snapshots.map(({ id }) => [id, []]));
    const keep = (id, reason) => {
        if (id !== undefined)
            reasons.get(id)?.push(reason);
    };
    const buckets = bucketsOf(rules);
    for (const group of groups(snapshots)) {
        const newest = group.toSorted(catalog/* byNewest */.Kd);
        if (buckets.length === 0)
            for (const { id } of newest)
                keep(id, "no rule is set");
        for (const bucket of buckets)
            fill(bucket, newest, keep);
        keep(newest[0]?.id, "newest");
        keep(newestVerified(newest)?.id, "newest verified");
        for (const { id, pinned } of newest) {
            if (pinned)
                keep(id, "pinned");
            if (announced.has(id))
                keep(id, "a restore reads it");
        }
    }
    return snapshots.toSorted(catalog/* byNewest */.Kd).map(({ id }) => {
        const found = reasons.get(id) ?? [];
        return found.length > 0
            ? { id, keep: true, reasons: found }
            : {
                id,
                keep: false,
                reasons: [`beyond ${buckets.map(({ name, count }) => `keep-${name} ${count}`).join(", ")}`],
            };
    });
}
function bucketsOf(rules) {
    const all = [
        { name: "last", count: rules.keepLast ?? 0, valueOf: (_, position) => String(position + 1) },
        { name: "daily", count: rules.keepDaily ?? 0, valueOf: (at) => at.toISOString().slice(0, 10) },
        { name: "weekly", count: rules.keepWeekly ?? 0, valueOf: isoWeek },
        { name: "monthly", count: rules.keepMonthly ?? 0, valueOf: (at) => at.toISOString().slice(0, 7) },
    ];
    return all.filter(({ count }) => count > 0);
}
/** As restic does it: the newest of each value, and the very oldest while there are places left. */
function fill(bucket, newest, keep) {
    let left = bucket.count;
    let last;
    for (const [position, { id, createdAt }] of newest.entries()) {
        if (left === 0)
            return;
        const value = bucket.valueOf(new Date(createdAt), position);
        if (value === last && position !== newest.length - 1)
            continue;
        keep(id, value === last ? `${bucket.name}, oldest` : `${bucket.name} ${value}`);
        last = value;
        left -= 1;
    }
}
/** Its databases were opened and proved, or, where none was, at least its bytes. */
function newestVerified(newest) {
    return (newest.find(({ verified }) => verified === "database") ??
        newest.find(({ verified }) => verified === "checksum"));
}
function groups(snapshots) {
    return [...Map.groupBy(snapshots, ({ network, profile }) => `${profile} ${network}`).values()];
}
/** "2026-W47": weeks start on Monday, and the week with the year's first Thursday is its first. */
function isoWeek(at) {
    const dayMs = 86_400_000;
    const weekday = (at.getUTCDay() + 6) % 7;
    const thursday = new Date(Date.UTC(at.getUTCFullYear(), at.getUTCMonth(), at.getUTCDate() - weekday + 3));
    const yearStart = Date.UTC(thursday.getUTCFullYear(), 0, 1);
    const week = Math.floor((thursday.getTime() - yearStart) / dayMs / 7) + 1;
    return `${thursday.getUTCFullYear()}-W${String(week).padStart(2, "0")}`;
}

;// CONCATENATED MODULE: ./build/catalog/prune.js
/**
 * Removes what retention lets go. The order makes every crash harmless: a tombstone, so that nobody lists the snapshot
 * again; out of the catalogue; the manifest, so that it is no snapshot any more; what it has outside the store; its
 * objects; the tombstone. Whoever prunes next finishes what has a tombstone, and clears what dead runs left unfinished.
 */








/** An upload or a folder without a manifest may belong to a run that is still at it until it is this old. */
const deadAfterMs = 24 * 3600_000;
async function prune(store, options) {
    const { signal, dryRun } = options;
    const clock = options.clock ?? system_clock/* systemClock */.m;
    const now = clock.now();
    const { entries, refused } = dryRun
        ? await (0,read/* rebuildEntries */.Az)(store, signal)
        : await (0,publish/* reconcile */.Lq)(store, clock, signal);
    const decisions = await decide(store, entries, options, clock);
    const removed = [];
    if (!dryRun) {
        for (const { id } of decisions.filter(({ keep }) => !keep)) {
            if (await remove(store, id, options, clock))
                removed.push(id);
        }
    }
    const leftovers = [
        ...(await clearFolders(store, now, options)),
        ...(await clearUploads(store, now, options)),
    ];
    return { decisions, removed, leftovers, refused };
}
async function decide(store, entries, options, clock) {
    const going = decideRetention(entries, options.retention).filter(({ keep }) => !keep);
    const announced = new Set();
    for (const { id } of going) {
        if (await (0,readers/* isBeingRead */.sd)(store, id, clock, options.signal))
            announced.add(id);
    }
    const withVolumes = new Set(entries.filter(({ volumes }) => volumes.length > 0).map(({ id }) => id));
    return decideRetention(entries, options.retention, announced).map((decision) => decision.keep || options.removeVolume !== undefined || !withVolumes.has(decision.id)
        ? decision
        : { ...decision, keep: true, reasons: ["its volume snapshot cannot be removed from here"] });
}
const tombstoneSchema = dist/* looseObject */._H3({ volumes: dist/* array */.YOg(manifest/* volumeSchema */.gh) });
/** False when a restore announced itself at the last moment: then nothing was touched. */
async function remove(store, id, options, clock) {
    const { signal } = options;
    const { volumes } = await (0,read/* loadManifest */.eY)(store, id, signal);
    const tombstone = Buffer.from(`${JSON.stringify({ volumes })}\n`);
    await store.put((0,ids/* tombstoneKey */.Z7)(id), tombstone, { contentType: "application/json", signal });
    if (await (0,readers/* isBeingRead */.sd)(store, id, clock, signal)) {
        await store.delete((0,ids/* tombstoneKey */.Z7)(id), signal);
        return false;
    }
    await (0,publish/* changeCatalog */.Qj)(store, [], [id], clock, signal);
    await finishRemoval(store, id, options);
    return true;
}
/** From the tombstone on; safe to repeat. */
async function finishRemoval(store, id, options) {
    const { signal } = options;
    const { bytes } = await store.get((0,ids/* tombstoneKey */.Z7)(id), { signal });
    await store.delete((0,ids/* manifestKey */.Rn)(id), signal);
    const { volumes } = dist/* parse */.qgA(tombstoneSchema, JSON.parse(Buffer.from(bytes).toString("utf8")));
    if (options.removeVolume !== undefined)
        for (const volume of volumes)
            await options.removeVolume(volume);
    const keys = await keysBelow(store, `${(0,ids/* snapshotFolder */.H1)(id)}/`, signal);
    for (const key of keys.filter((key) => key !== (0,ids/* tombstoneKey */.Z7)(id)))
        await store.delete(key, signal);
    // Volumes that cannot be removed from here are remembered by the tombstone for somebody who can.
    if (volumes.length > 0 && options.removeVolume === undefined)
        return;
    await store.delete((0,ids/* tombstoneKey */.Z7)(id), signal);
}
/** Folders with a tombstone are finished at once, folders without a manifest when nothing in them is young. */
async function clearFolders(store, now, options) {
    const { signal, dryRun } = options;
    const clock = options.clock ?? system_clock/* systemClock */.m;
    const folders = new Map();
    for await (const object of store.list(ids/* snapshotsPrefix */.mT, signal)) {
        const id = object.key.split("/")[1] ?? "";
        folders.set(id, [...(folders.get(id) ?? []), object]);
    }
    const cleared = [];
    for (const [id, objects] of folders) {
        const has = (key) => objects.some((object) => object.key === key);
        if (has((0,ids/* tombstoneKey */.Z7)(id))) {
            if (!dryRun)
                await buryAgain(store, id, has((0,ids/* manifestKey */.Rn)(id)), options, clock);
            cleared.push(`${(0,ids/* snapshotFolder */.H1)(id)}/`);
        }
        else if (!has((0,ids/* manifestKey */.Rn)(id)) && objects.every((object) => isOld(object.modifiedAt, now))) {
            if (!dryRun)
                for (const { key } of objects)
                    await store.delete(key, signal);
            cleared.push(`${(0,ids/* snapshotFolder */.H1)(id)}/`);
        }
        else if (has((0,ids/* manifestKey */.Rn)(id)) && !dryRun) {
            const litter = objects.filter(({ key }) => key === (0,ids/* claimKey */.Eo)(id) || key.startsWith((0,ids/* readersPrefix */.db)(id)));
            for (const { key, modifiedAt } of litter) {
                if (isOld(modifiedAt, now - deadAfterMs))
                    await store.delete(key, signal);
            }
        }
    }
    return cleared;
}
/** A removal that died. One that had not come further than the tombstone gives way to a restore. */
async function buryAgain(store, id, isWhole, options, clock) {
    if (isWhole && (await (0,readers/* isBeingRead */.sd)(store, id, clock, options.signal)))
        return;
    await (0,publish/* changeCatalog */.Qj)(store, [], [id], clock, options.signal);
    await finishRemoval(store, id, options);
}
async function clearUploads(store, now, options) {
    const cleared = [];
    for await (const { token, startedAt } of store.listUploads(ids/* snapshotsPrefix */.mT, options.signal)) {
        if (!isOld(startedAt, now))
            continue;
        if (!options.dryRun)
            await store.abortUpload(token, options.signal);
        cleared.push(token.key);
    }
    return cleared;
}
/** What has no date is never old. */
function isOld(at, now) {
    return at !== undefined && now - at.getTime() > deadAfterMs;
}
async function keysBelow(store, prefix, signal) {
    const keys = [];
    for await (const { key } of store.list(prefix, signal))
        keys.push(key);
    return keys;
}

// EXTERNAL MODULE: ./build/commands/write-page.js + 4 modules
var write_page = __webpack_require__(5628);
;// CONCATENATED MODULE: ./build/commands/prune.js
/** `command: prune`, and the retention at the end of a snapshot: the same rules, the same order, the same report. */


async function prune_prune(config, rooms) {
    const store = await rooms.openStore(config.storage);
    try {
        const removed = await applyRetention(rooms, store, config.retention, config.dryRun);
        const would = config.dryRun ? "Dry run: " : "";
        rooms.report.headline(`${would}${removed} snapshots ${config.dryRun ? "would be" : "were"} removed from ${store.url}.`);
    }
    finally {
        await store.close();
    }
}
/** Returns how many went (or, dry, would go). Without any rule only what dead runs left is cleaned. */
async function applyRetention(rooms, store, retention, dryRun) {
    const { report, signal, clock } = rooms;
    return await report.phase("retention", dryRun ? "Decide what stays" : "Keep what retention says", async () => {
        const pruned = await prune(store, { retention, dryRun, signal, clock });
        const going = pruned.decisions.filter(({ keep }) => !keep);
        report.table("Retention", ["snapshot", "", "why"], pruned.decisions.map(({ id, keep, reasons }) => [id, keep ? "stays" : "goes", reasons.join(", ")]));
        for (const key of pruned.leftovers)
            report.info(`Left by a dead run${dryRun ? "" : ", removed"}: ${key}`);
        for (const { id, error } of pruned.refused)
            report.warning(`${id} is left alone: ${error.message}`);
        report.output("pruned", JSON.stringify(dryRun ? going.map(({ id }) => id) : pruned.removed));
        if (!dryRun && pruned.removed.length > 0)
            await (0,write_page/* writePage */.x)(store, signal);
        return dryRun ? going.length : pruned.removed.length;
    });
}


/***/ }),

/***/ 5628:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __webpack_require__) => {


// EXPORTS
__webpack_require__.d(__webpack_exports__, {
  x: () => (/* binding */ writePage)
});

// EXTERNAL MODULE: external "node:crypto"
var external_node_crypto_ = __webpack_require__(7598);
// EXTERNAL MODULE: ./build/system/space.js
var space = __webpack_require__(9834);
// EXTERNAL MODULE: ./build/catalog/by-hand.js
var by_hand = __webpack_require__(8301);
;// CONCATENATED MODULE: ./build/catalog/html.js
/** HTML from templates in which everything that is put in is text, unless it was made by such a template itself. */
class Markup {
    text;
    constructor(text) {
        this.text = text;
    }
}
/** `` markup`<p>${anything}</p>` ``: texts are escaped, lists joined, undefined leaves nothing. */
function markup(strings, ...parts) {
    const pieces = strings.map((piece, index) => `${piece}${render(parts[index])}`);
    return new Markup(pieces.join(""));
}
function render(part) {
    if (part === undefined)
        return "";
    if (part instanceof Markup)
        return part.text;
    if (typeof part === "object")
        return part.map(render).join("");
    return escapeHtml(String(part));
}
/** Safe in text and in quoted attributes; control characters, which HTML forbids, become visible. */
function escapeHtml(text) {
    return (text
        .toWellFormed()
        // oxlint-disable-next-line no-control-regex -- control characters are exactly what is looked for
        .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, "\uFFFD")
        .replaceAll("&", "&amp;")
        .replaceAll("<", "&lt;")
        .replaceAll(">", "&gt;")
        .replaceAll('"', "&quot;")
        .replaceAll("'", "&#39;"));
}

;// CONCATENATED MODULE: ./build/catalog/page-assets.js
/** The catalogue page's style and script. Both are in the page itself, and the page allows these two and nothing else. */
const pageStyle = `
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #57606a; --paper: #fff; --card: #f6f8fa; --edge: #d0d7de; --link: #0550ae; --mark: #6639ba; --good: #116329; --bad: #a40e26; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6edf3; --soft: #9ea7b3; --paper: #0d1117; --card: #161b22; --edge: #3d444d; --link: #79b8ff; --mark: #c297ff; --good: #56d364; --bad: #ff938a; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 60rem; padding: 1.5rem 1rem 4rem; background: var(--paper); color: var(--ink); font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 .25rem; }
h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; }
h3 { font-size: .95rem; margin: 1rem 0 .25rem; }
p { margin: .25rem 0 .75rem; }
a { color: var(--link); }
.soft { color: var(--soft); }
footer { margin-top: 1.5rem; }
.chart { margin: 1rem 0; }
figcaption { font-weight: 600; margin-bottom: .5rem; }
.plot { display: grid; grid-template-columns: 5.5rem 1fr; gap: .25rem .75rem; margin-bottom: .75rem; font-size: .85rem; }
.plot b { grid-column: 1 / -1; font-weight: 500; }
.scale { display: flex; flex-direction: column; justify-content: space-between; text-align: right; line-height: 1; font-size: .8rem; color: var(--soft); }
.axis { display: flex; justify-content: space-between; margin-left: 6.25rem; font-size: .8rem; color: var(--soft); }
svg { width: 100%; height: 5.5rem; display: block; overflow: visible; }
svg path { fill: none; vector-effect: non-scaling-stroke; }
.grid { stroke: var(--edge); stroke-width: 1; }
.line { stroke: var(--mark); stroke-width: 2; stroke-linejoin: round; }
.dots { stroke: var(--mark); stroke-width: 6; stroke-linecap: round; }
ol { list-style: none; margin: 0; padding: 0; border: 1px solid var(--edge); border-radius: .5rem; overflow: clip; }
li + li { border-top: 1px solid var(--edge); }
summary { display: grid; grid-template-columns: 1.25rem minmax(11rem, 1.5fr) 1.6fr 1fr 1.4fr; gap: .25rem .75rem; align-items: baseline; padding: .5rem .75rem; cursor: pointer; }
summary::-webkit-details-marker { display: none; }
summary::before { content: "+"; color: var(--soft); }
details[open] > summary::before { content: "−"; }
summary:hover, details[open] > summary { background: var(--card); }
:focus-visible { outline: 3px solid var(--link); outline-offset: -3px; }
.when { font-weight: 600; }
.when .age { display: block; font-weight: 400; font-size: .85rem; }
.good { color: var(--good); }
.bad { color: var(--bad); font-weight: 600; }
.more { padding: .25rem .75rem 1rem 2.75rem; }
dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(12rem, 1fr)); gap: .5rem 1rem; margin: .5rem 0; }
dt { font-size: .8rem; color: var(--soft); }
dd { margin: 0; }
pre { margin: .25rem 0; padding: .6rem .75rem; background: var(--card); border: 1px solid var(--edge); border-radius: .4rem; font: .8rem/1.5 ui-monospace, monospace; white-space: pre-wrap; overflow-wrap: anywhere; }
.code { position: relative; }
.code button { position: absolute; top: .3rem; right: .3rem; }
.copyable pre { padding-right: 5rem; }
button, input { font: inherit; color: inherit; background: var(--card); border: 1px solid var(--edge); border-radius: .4rem; padding: .3rem .7rem; }
button { cursor: pointer; font-size: .8rem; }
input { width: 100%; margin-bottom: .75rem; padding: .5rem .7rem; }
label { display: block; font-size: .85rem; color: var(--soft); }
@media (max-width: 42rem) {
  summary { grid-template-columns: 1.25rem minmax(0, 1fr) minmax(0, auto); }
  summary > :nth-child(1) { grid-area: 1 / 2 / 2 / 4; }
  summary > :nth-child(2) { grid-area: 2 / 2; }
  summary > :nth-child(3) { grid-area: 2 / 3; text-align: right; }
  summary > :nth-child(4) { grid-area: 3 / 2 / 4 / 4; }
  .more { padding-left: .75rem; }
}
@media print { details > .more { display: block; } }
`;
/** Adds what needs to know the reader's moment or address: ages, copying, a filter. The page is whole without it. */
const pageScript = `
(() => {
  const units = [["day", 864e5], ["hour", 36e5], ["minute", 6e4]];
  const words = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
  for (const time of document.querySelectorAll("time[data-age]")) {
    const ms = Date.parse(time.dateTime) - Date.now();
    const [unit, size] = units.find(([, size]) => Math.abs(ms) >= size) ?? units[2];
    const age = document.createElement("span");
    age.className = "age soft";
    age.textContent = " " + words.format(Math.round(ms / size), unit);
    time.after(age);
  }
  const onTheWeb = location.protocol.startsWith("http") && location.search === "";
  for (const pre of document.querySelectorAll("pre[data-keys]")) {
    if (!onTheWeb) break;
    const urls = pre.dataset.keys.split(" ").map((key) => new URL(key, location.href).href.replaceAll("'", "%27"));
    const lines = urls.map((url) => "curl --fail --location --retry 9 --continue-at - --remote-name '" + url + "'");
    pre.textContent = lines.join("\\n");
  }
  for (const code of document.querySelectorAll(".code")) {
    const pre = code.firstElementChild;
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "Copy";
    button.setAttribute("aria-label", "Copy: " + code.previousElementSibling.textContent);
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(pre.textContent);
        button.textContent = "Copied";
      } catch {
        getSelection().selectAllChildren(pre);
        button.textContent = "Selected";
      }
    });
    code.classList.add("copyable");
    code.append(button);
  }
  const items = [...document.querySelectorAll("li[data-words]")];
  const list = document.querySelector("ol");
  if (items.length < 8 || list === null) return;
  const label = document.createElement("label");
  const input = document.createElement("input");
  const count = document.createElement("p");
  label.textContent = "Show those with these words (network, height, node version, date)";
  input.type = "search";
  count.className = "soft";
  count.setAttribute("role", "status");
  label.append(input);
  list.before(label, count);
  input.addEventListener("input", () => {
    const wanted = input.value.toLowerCase().split(/\\s+/).filter(Boolean);
    let shown = 0;
    for (const item of items) {
      item.hidden = !wanted.every((word) => item.dataset.words.includes(word));
      if (!item.hidden) shown += 1;
    }
    count.textContent = wanted.length === 0 ? "" : shown + " of " + items.length;
  });
})();
`;

;// CONCATENATED MODULE: ./build/catalog/page-chart.js
/**
 * Height and size over time as two small SVG charts with one time axis. The drawing is stretched to whatever width there
 * is, so words stand beside it in HTML, where a phone can read them too.
 */


const width = 1000;
const height = 120;
/** Undefined where a line would need more points than there are. `points` in any order. */
function renderChart(network, points) {
    const ordered = [...points].sort((a, b) => a.at - b.at);
    const first = ordered[0];
    const last = ordered.at(-1);
    if (first === undefined || last === undefined || first.at === last.at)
        return undefined;
    const heights = ordered.map(({ at, height: value }) => ({ at, value }));
    const sizes = ordered.flatMap(({ at, sizeBytes }) => sizeBytes === undefined ? [] : [{ at, value: sizeBytes }]);
    const span = { from: first.at, to: last.at };
    return markup `<figure class="chart">
    <figcaption>${network}: ${ordered.length} snapshots from ${day(first.at)} to ${day(last.at)}</figcaption>
    ${renderPlot("Stacks height", heights, span, (value) => Math.round(value).toLocaleString("en"), "least")}
    ${sizes.length < 2 ? undefined : renderPlot("Size of the archive", sizes, span, space/* formatBytes */.z3, "zero")}
    <div class="axis" aria-hidden="true"><span>${day(first.at)}</span><span>${day(last.at)}</span></div>
  </figure>`;
}
function renderPlot(title, samples, span, format, from) {
    const values = samples.map(({ value }) => value);
    const most = Math.max(...values);
    const least = from === "zero" ? 0 : Math.min(...values);
    const range = most - least || 1;
    const place = ({ at, value }) => {
        const x = ((at - span.from) / (span.to - span.from)) * width;
        const y = height - 6 - ((value - least) / range) * (height - 12);
        return `${x.toFixed(1)} ${y.toFixed(1)}`;
    };
    const line = `M${samples.map(place).join("L")}`;
    // Dots as lines without length: unlike circles they stay round when the drawing is stretched.
    const dots = samples.length > 60 ? "" : samples.map((sample) => `M${place(sample)}h0`).join("");
    const said = `${title}: from ${format(values[0] ?? 0)} to ${format(values.at(-1) ?? 0)}, at most ${format(most)}`;
    return markup `<div class="plot">
    <b>${title}</b>
    <div class="scale"><span>${format(most)}</span><span>${format(least)}</span></div>
    <svg viewBox="0 0 ${width} ${height}" preserveAspectRatio="none" role="img" aria-label="${said}">
      <path class="grid" d="M0 6H${width}M0 ${height - 6}H${width}"></path>
      <path class="line" d="${line}"></path>
      <path class="dots" d="${dots}"></path>
    </svg>
  </div>`;
}
function day(at) {
    return new Date(at).toISOString().slice(0, 10);
}

;// CONCATENATED MODULE: ./build/catalog/page.js
/**
 * The catalogue as a page for people: `index.markup` beside `catalog.json`, one static file with nothing from elsewhere, so
 * it works from a website, a CDN, a signed URL or a disk, with and without JavaScript. Everything in it may come from
 * somebody else's manifest and is text, never markup; a content security policy stands behind that as a second wall.
 */






/** More networks than this share no chart: a page of charts is no overview. */
const mostCharts = 6;
function renderPage({ storageUrl, entries }) {
    const newestFirst = [...entries].sort((a, b) => instant(b) - instant(a));
    const [newest] = newestFirst;
    const page = markup `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src '${digest(pageStyle)}'; script-src '${digest(pageScript)}'; img-src data:; base-uri 'none'; form-action 'none'">
<meta name="referrer" content="no-referrer">
<link rel="icon" href="data:,">
<title>Stacks chainstate snapshots</title>
<style>${new Markup(pageStyle)}</style>
</head>
<body>
<main>
<h1>Stacks chainstate snapshots</h1>
<p class="soft">${storageUrl}</p>
${newest === undefined ? markup `<p>There is no snapshot here yet.</p>` : renderNewest(newest, newestFirst.length)}
${renderCharts(newestFirst)}
${newest === undefined ? undefined : markup `<h2>All snapshots, newest first</h2>`}
${newest === undefined ? undefined : markup `<ol>${newestFirst.map((entry, index) => renderEntry(entry, storageUrl, index === 0))}</ol>`}
</main>
<footer>
<p class="soft">The same for programs: <a href="catalog.json">catalog.json</a>. Made by chainstate-snapshot.</p>
</footer>
<script>${new Markup(pageScript)}</script>
</body>
</html>
`;
    return page.text;
}
function renderNewest(entry, count) {
    return markup `<p>The newest of ${count === 1 ? "1 snapshot" : `${count} snapshots`} is of ${time(entry.createdAt)}: ${entry.network} at height ${number(entry.stacksHeight)}${entry.archive === null ? "" : `, ${(0,space/* formatBytes */.z3)(entry.archive.size)}`}.</p>`;
}
function renderCharts(entries) {
    const networks = [...new Set(entries.map(({ network }) => network))];
    if (networks.length > mostCharts)
        return undefined;
    const charts = networks.map((network) => {
        const own = entries.filter((entry) => entry.network === network && instant(entry) > 0);
        const points = own.map(({ createdAt, stacksHeight, archive }) => ({
            at: Date.parse(createdAt),
            height: stacksHeight,
            sizeBytes: archive?.size,
        }));
        return renderChart(network, points);
    });
    return charts.every((chart) => chart === undefined)
        ? undefined
        : markup `<h2>Height and size over time</h2>${charts}`;
}
function renderEntry(entry, storageUrl, isOpen) {
    const { archive } = entry;
    const words = [
        entry.id,
        entry.network,
        entry.stacksHeight,
        entry.nodeVersion ?? "",
        entry.createdAt,
        entry.profile,
    ];
    return markup `
<li data-words="${words.join(" ").toLowerCase()}"><details${new Markup(isOpen ? " open" : "")}>
<summary><span class="when">${time(entry.createdAt)}</span> <span>${entry.network} ${number(entry.stacksHeight)}</span> <span>${archive === null ? "volume" : (0,space/* formatBytes */.z3)(archive.size)}</span> ${renderVerdict(entry)}</summary>
<div class="more">
<dl>${facts(entry).map(([label, value]) => markup `<div><dt>${label}</dt><dd>${value}</dd></div>`)}</dl>
${archive === null ? undefined : renderCommands(archive, storageUrl)}
${renderCode("Restore with the action", (0,by_hand/* restoreStep */.T2)(storageUrl, entry.id, entry.network))}
<p><a href="${relative(entry.manifest)}">Manifest of ${entry.id}</a></p>
</div>
</details></li>`;
}
function renderCommands({ key, sha256 }, storageUrl) {
    const { download, verify, unpack } = (0,by_hand/* commandsByHand */.Xm)({ storageUrl, key, hasSha256: sha256 !== null });
    // A page that came over the web knows, by its script, an address that plain curl can use.
    const keys = (sha256 === null ? [key] : [key, `${key}.sha256`]).map(relative);
    return markup `<p><a href="${relative(key)}">Download ${key.split("/").at(-1) ?? key}</a></p>
${renderCode("Download with plain tools", download.join("\n"), keys.join(" "))}
${renderCode("Verify", verify.join("\n"))}
${renderCode("Unpack here", unpack.join("\n"))}`;
}
function renderCode(title, lines, keys) {
    const data = keys === undefined ? undefined : markup ` data-keys="${keys}"`;
    return markup `<h3>${title}</h3><div class="code"><pre${data}>${lines}</pre></div>`;
}
function renderVerdict({ checks, verified }) {
    const failed = checks.filter(({ result }) => result === "failed").map(({ id }) => id);
    if (failed.length > 0)
        return markup `<span class="bad">checks failed: ${failed.join(", ")}</span>`;
    const passed = checks.filter(({ result }) => result === "passed").length;
    if (passed === 0)
        return markup `<span class="soft">${verified === "none" ? "not checked" : "checksum only"}</span>`;
    return markup `<span class="good">${passed} of ${checks.length} checks passed</span>`;
}
function facts(entry) {
    const { archive, checks } = entry;
    const named = (result) => checks
        .filter((check) => check.result === result)
        .map(({ id }) => id)
        .join(", ");
    const rows = [
        ["Id", entry.id],
        ["Network", entry.network],
        ["Stacks height", number(entry.stacksHeight)],
        ["Bitcoin height", entry.burnHeight === null ? "not known" : number(entry.burnHeight)],
        ["Node version", entry.nodeVersion ?? "not known"],
        [
            "Archive",
            archive === null ? undefined : `${(0,space/* formatBytes */.z3)(archive.size)} (${number(archive.size)} bytes)`,
        ],
        ["Unpacked", archive === null ? undefined : (0,space/* formatBytes */.z3)(archive.tarSize)],
        ["Reused from the one before", archive === null ? undefined : reuse(archive)],
        ["SHA-256", archive?.sha256 ?? undefined],
        ["Volume snapshots", entry.volumes.map(({ driver, snapshot }) => `${driver}: ${snapshot}`).join("; ")],
        ["Checks passed", named("passed") || "none"],
        ["Checks failed", named("failed")],
        ["Checks not made", named("not-made")],
        [
            "Read back",
            { none: "no", checksum: "every digest", database: "every digest and the databases" }[entry.verified],
        ],
        ["Profile", entry.profile],
        ["Cut", `${entry.cut.method}, node down for ${entry.cut.downtimeSeconds.toFixed(1)} s`],
        ["Pruned chainstate", entry.pruned ? "yes" : undefined],
        ["Pinned", entry.pinned ? "yes, retention keeps it" : undefined],
    ];
    return rows.filter((row) => row[1] !== undefined && row[1] !== "");
}
function reuse({ size, uploadedBytes, reusedBytes }) {
    const share = size === 0 ? 0 : Math.floor((reusedBytes / size) * 1000) / 10;
    return reusedBytes === 0 ? "nothing" : `${share} %, ${(0,space/* formatBytes */.z3)(uploadedBytes)} were sent`;
}
function time(iso) {
    const at = new Date(iso);
    const shown = Number.isNaN(at.getTime()) ? iso : `${at.toISOString().slice(0, 16).replace("T", " ")} UTC`;
    return markup `<time datetime="${iso}" data-age>${shown}</time>`;
}
/** A time that is none counts as the oldest. */
function instant({ createdAt }) {
    return Date.parse(createdAt) || 0;
}
/** Always below the page's own address, whatever a key begins with. */
function relative(key) {
    return `./${encodeURI(key.toWellFormed())}`;
}
function number(value) {
    return value.toLocaleString("en");
}
function digest(text) {
    return `sha256-${(0,external_node_crypto_.createHash)("sha256").update(text).digest("base64")}`;
}

// EXTERNAL MODULE: ./build/catalog/read.js
var read = __webpack_require__(8990);
;// CONCATENATED MODULE: ./build/commands/write-page.js
/** Writes `index.html` beside the catalogue, for people. It says nothing that the catalogue does not say. */


async function writePage(store, signal) {
    const entries = await (0,read/* listSnapshots */.Cb)(store, signal);
    const page = renderPage({ storageUrl: store.url, entries });
    await store.put("index.html", Buffer.from(page), { contentType: "text/html; charset=utf-8", signal });
}


/***/ })

};
