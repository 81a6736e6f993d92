export const id = 990;
export const ids = [990];
export const modules = {

/***/ 9063:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __webpack_require__) => {

/* harmony export */ __webpack_require__.d(__webpack_exports__, {
/* harmony export */   Jj: () => (/* binding */ writeCatalog),
/* harmony export */   Kd: () => (/* binding */ byNewest),
/* harmony export */   Ms: () => (/* binding */ entryOf),
/* harmony export */   uM: () => (/* binding */ readCatalog)
/* harmony export */ });
/* unused harmony export catalogEntrySchema */
/* harmony import */ var valibot__WEBPACK_IMPORTED_MODULE_2__ = __webpack_require__(7934);
/* harmony import */ var _errors_js__WEBPACK_IMPORTED_MODULE_0__ = __webpack_require__(9473);
/* harmony import */ var _ids_js__WEBPACK_IMPORTED_MODULE_3__ = __webpack_require__(8970);
/* harmony import */ var _manifest_js__WEBPACK_IMPORTED_MODULE_1__ = __webpack_require__(9227);
/**
 * `catalog.json`: what a list, the page and retention need of every snapshot, in one object. It says nothing that the
 * manifests do not say, and can be made from them again. Entries are newest first.
 */




const text = valibot__WEBPACK_IMPORTED_MODULE_2__/* .string */ .YjP();
const count = valibot__WEBPACK_IMPORTED_MODULE_2__/* .pipe */ .FsL(valibot__WEBPACK_IMPORTED_MODULE_2__/* .number */ .aig(), valibot__WEBPACK_IMPORTED_MODULE_2__/* .safeInteger */ .Y2b(), valibot__WEBPACK_IMPORTED_MODULE_2__/* .minValue */ .Wwf(0));
const time = valibot__WEBPACK_IMPORTED_MODULE_2__/* .pipe */ .FsL(valibot__WEBPACK_IMPORTED_MODULE_2__/* .string */ .YjP(), valibot__WEBPACK_IMPORTED_MODULE_2__/* .isoTimestamp */ .yhX());
/** Loose: what a later version adds must survive an earlier one's change. */
const catalogEntrySchema = valibot__WEBPACK_IMPORTED_MODULE_2__/* .looseObject */ ._H3({
    id: _manifest_js__WEBPACK_IMPORTED_MODULE_1__/* .snapshotIdSchema */ .hB,
    createdAt: time,
    kind: valibot__WEBPACK_IMPORTED_MODULE_2__/* .picklist */ .KIO(["archive", "volume", "both"]),
    network: text,
    stacksHeight: count,
    stacksTip: valibot__WEBPACK_IMPORTED_MODULE_2__/* .nullable */ .mee(text),
    burnHeight: valibot__WEBPACK_IMPORTED_MODULE_2__/* .nullable */ .mee(count),
    epochEra: text,
    pruned: valibot__WEBPACK_IMPORTED_MODULE_2__/* .boolean */ .zMY(),
    host: text,
    nodeVersion: valibot__WEBPACK_IMPORTED_MODULE_2__/* .nullable */ .mee(text),
    profile: valibot__WEBPACK_IMPORTED_MODULE_2__/* .picklist */ .KIO(["backup", "share"]),
    verified: valibot__WEBPACK_IMPORTED_MODULE_2__/* .picklist */ .KIO(["none", "checksum", "database"]),
    checks: valibot__WEBPACK_IMPORTED_MODULE_2__/* .array */ .YOg(valibot__WEBPACK_IMPORTED_MODULE_2__/* .looseObject */ ._H3({ id: text, result: text })),
    cut: valibot__WEBPACK_IMPORTED_MODULE_2__/* .looseObject */ ._H3({ method: text, downtimeSeconds: valibot__WEBPACK_IMPORTED_MODULE_2__/* .number */ .aig() }),
    manifest: text,
    archive: valibot__WEBPACK_IMPORTED_MODULE_2__/* .nullable */ .mee(valibot__WEBPACK_IMPORTED_MODULE_2__/* .looseObject */ ._H3({
        key: text,
        size: count,
        tarSize: count,
        files: count,
        sha256: valibot__WEBPACK_IMPORTED_MODULE_2__/* .nullable */ .mee(text),
        uploadedBytes: count,
        reusedBytes: count,
    })),
    volumes: valibot__WEBPACK_IMPORTED_MODULE_2__/* .array */ .YOg(valibot__WEBPACK_IMPORTED_MODULE_2__/* .looseObject */ ._H3({ driver: text, snapshot: text })),
    pinned: valibot__WEBPACK_IMPORTED_MODULE_2__/* .boolean */ .zMY(),
});
const catalogSchema = valibot__WEBPACK_IMPORTED_MODULE_2__/* .looseObject */ ._H3({
    version: valibot__WEBPACK_IMPORTED_MODULE_2__/* .literal */ .euz(1),
    updatedAt: time,
    snapshots: valibot__WEBPACK_IMPORTED_MODULE_2__/* .array */ .YOg(catalogEntrySchema),
});
function entryOf(manifest) {
    const { chain, archive } = manifest;
    return {
        id: manifest.id,
        createdAt: manifest.createdAt,
        kind: manifest.kind,
        network: chain.network,
        stacksHeight: chain.stacksHeight,
        stacksTip: chain.stacksTip,
        burnHeight: chain.burnHeight,
        epochEra: chain.epochEra,
        pruned: chain.pruned,
        host: manifest.host,
        nodeVersion: manifest.node.version,
        profile: manifest.profile,
        verified: manifest.verified,
        checks: manifest.checks.map(({ id, result }) => ({ id, result })),
        cut: { method: manifest.cut.method, downtimeSeconds: manifest.cut.downtimeSeconds },
        manifest: (0,_ids_js__WEBPACK_IMPORTED_MODULE_3__/* .manifestKey */ .Rn)(manifest.id),
        archive: archive === undefined
            ? null
            : {
                key: archive.key,
                size: archive.size,
                tarSize: archive.tarSize,
                files: archive.files,
                sha256: archive.sha256 ?? null,
                uploadedBytes: archive.uploadedBytes,
                reusedBytes: archive.reused?.bytes ?? 0,
            },
        volumes: manifest.volumes.map(({ driver, snapshot }) => ({ driver, snapshot })),
        pinned: manifest.pinned ?? false,
    };
}
/** Newest first; among equals by id, so that every host puts them in the same order. */
function byNewest(a, b) {
    return Date.parse(b.createdAt) - Date.parse(a.createdAt) || (a.id < b.id ? 1 : a.id > b.id ? -1 : 0);
}
function writeCatalog(snapshots, updatedAt) {
    const catalog = {
        version: 1,
        updatedAt: updatedAt.toISOString(),
        snapshots: [...snapshots].sort(byNewest),
    };
    return Buffer.from(`${JSON.stringify(catalog, undefined, 1)}\n`);
}
/** Undefined when it is damaged: it can be made again. CATALOG_NEWER when it must not be. */
function readCatalog(bytes, where) {
    let value;
    try {
        value = JSON.parse(Buffer.from(bytes).toString("utf8"));
    }
    catch {
        return undefined;
    }
    const versioned = valibot__WEBPACK_IMPORTED_MODULE_2__/* .safeParse */ .xLC(valibot__WEBPACK_IMPORTED_MODULE_2__/* .looseObject */ ._H3({ version: valibot__WEBPACK_IMPORTED_MODULE_2__/* .number */ .aig() }), value);
    if (versioned.success && versioned.output.version > 1) {
        throw new _errors_js__WEBPACK_IMPORTED_MODULE_0__/* .ActionError */ .lZ("CATALOG_NEWER", `${where} has format ${versioned.output.version}, newer than this version reads.`, {
            hint: "Use a newer version of this action on every host that publishes to this prefix.",
        });
    }
    const parsed = valibot__WEBPACK_IMPORTED_MODULE_2__/* .safeParse */ .xLC(catalogSchema, value);
    return parsed.success ? parsed.output : undefined;
}


/***/ }),

/***/ 8970:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __webpack_require__) => {

/* harmony export */ __webpack_require__.d(__webpack_exports__, {
/* harmony export */   Eo: () => (/* binding */ claimKey),
/* harmony export */   H1: () => (/* binding */ snapshotFolder),
/* harmony export */   Rn: () => (/* binding */ manifestKey),
/* harmony export */   Vz: () => (/* binding */ catalogKey),
/* harmony export */   Z7: () => (/* binding */ tombstoneKey),
/* harmony export */   db: () => (/* binding */ readersPrefix),
/* harmony export */   iy: () => (/* binding */ snapshotId),
/* harmony export */   mT: () => (/* binding */ snapshotsPrefix),
/* harmony export */   p8: () => (/* binding */ latestKey),
/* harmony export */   uv: () => (/* binding */ archiveName)
/* harmony export */ });
/* unused harmony export utcStamp */
/** Names of snapshots and where their parts stand below the storage prefix. */
/** "20261122T020014Z" */
function utcStamp(at) {
    return at.toISOString().replaceAll(/[-:]|\.\d+/g, "");
}
/** `<network>-<stacks height>-<UTC>`; `network` is the base name of the mode directory. */
function snapshotId(network, stacksHeight, at) {
    return `${safeName(network)}-${stacksHeight}-${utcStamp(at)}`;
}
/** `<directory>-<node version>-<UTC>.tar.zst`, the last component of an archive's key. */
function archiveName(directoryName, nodeVersion, at) {
    return `${safeName(directoryName)}-${safeName(nodeVersion)}-${utcStamp(at)}.tar.zst`;
}
const snapshotsPrefix = "snapshots/";
const latestKey = "latest.json";
const catalogKey = "catalog.json";
function snapshotFolder(id) {
    return `${snapshotsPrefix}${id}`;
}
function manifestKey(id) {
    return `${snapshotFolder(id)}/manifest.json`;
}
/** Holds an id for the run that is filling its folder. */
function claimKey(id) {
    return `${snapshotFolder(id)}/claim.json`;
}
/** Says that a snapshot is being removed, and what of it stands outside the store. Goes last. */
function tombstoneKey(id) {
    return `${snapshotFolder(id)}/deleted.json`;
}
/** Below it each running restore announces itself, so that its snapshot stays. */
function readersPrefix(id) {
    return `${snapshotFolder(id)}/readers/`;
}
/** A name that is safe in a key, a file name and a shell, whatever a directory was called. */
function safeName(text) {
    const safe = text
        .replaceAll(/[^A-Za-z0-9._-]+/g, "_")
        .replace(/^[._-]+/, "")
        .slice(0, 64);
    return safe === "" ? "unknown" : safe;
}


/***/ }),

/***/ 1323:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __webpack_require__) => {

/* harmony export */ __webpack_require__.d(__webpack_exports__, {
/* harmony export */   H: () => (/* binding */ writeManifest),
/* harmony export */   W: () => (/* binding */ readManifest)
/* harmony export */ });
/* harmony import */ var node_crypto__WEBPACK_IMPORTED_MODULE_0__ = __webpack_require__(7598);
/* harmony import */ var valibot__WEBPACK_IMPORTED_MODULE_4__ = __webpack_require__(7934);
/* harmony import */ var _errors_js__WEBPACK_IMPORTED_MODULE_1__ = __webpack_require__(9473);
/* harmony import */ var _ids_js__WEBPACK_IMPORTED_MODULE_3__ = __webpack_require__(8970);
/* harmony import */ var _manifest_js__WEBPACK_IMPORTED_MODULE_2__ = __webpack_require__(9227);
/** A manifest as the bytes that stand in the store, and back: with its digest, so that no flipped byte goes unseen. */





/** MANIFEST_INVALID when the run that made it would publish something that nobody could read. */
function writeManifest(manifest) {
    const { digest: _, ...content } = manifest;
    const sealed = { ...content, digest: digestOf(content) };
    checkManifest(sealed, manifest.id, (0,_ids_js__WEBPACK_IMPORTED_MODULE_3__/* .manifestKey */ .Rn)(manifest.id));
    return { manifest: sealed, bytes: Buffer.from(`${JSON.stringify(sealed, undefined, 2)}\n`) };
}
/**
 * The manifest of snapshot `id`. `where` names it in messages. Errors: MANIFEST_NEWER, MANIFEST_INVALID (not JSON, another
 * shape, another id, keys outside its folder, a digest that does not fit).
 */
function readManifest(bytes, id, where) {
    let value;
    try {
        value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    }
    catch (cause) {
        throw invalid(where, "it is not JSON", cause);
    }
    const versioned = valibot__WEBPACK_IMPORTED_MODULE_4__/* .safeParse */ .xLC(valibot__WEBPACK_IMPORTED_MODULE_4__/* .looseObject */ ._H3({ version: valibot__WEBPACK_IMPORTED_MODULE_4__/* .pipe */ .FsL(valibot__WEBPACK_IMPORTED_MODULE_4__/* .number */ .aig(), valibot__WEBPACK_IMPORTED_MODULE_4__/* .integer */ .ndf()) }), value);
    if (versioned.success && versioned.output.version > 1) {
        throw new _errors_js__WEBPACK_IMPORTED_MODULE_1__/* .ActionError */ .lZ("MANIFEST_NEWER", `${where} has format ${versioned.output.version}, newer than this version reads.`, {
            hint: "Use a newer version of this action.",
        });
    }
    const manifest = checkManifest(value, id, where);
    const { digest, ...content } = manifest;
    if (digest !== digestOf(content))
        throw invalid(where, "its digest does not fit its content");
    return manifest;
}
function checkManifest(value, id, where) {
    const parsed = valibot__WEBPACK_IMPORTED_MODULE_4__/* .safeParse */ .xLC(_manifest_js__WEBPACK_IMPORTED_MODULE_2__/* .manifestSchema */ .rc, value);
    if (!parsed.success) {
        const [issue] = parsed.issues;
        throw invalid(where, `${valibot__WEBPACK_IMPORTED_MODULE_4__/* .getDotPath */ .BuJ(issue) ?? "the whole"}: ${issue.message}`);
    }
    const manifest = parsed.output;
    if (manifest.id !== id)
        throw invalid(where, `it is the manifest of ${manifest.id}, not of ${id}`);
    const folder = `${(0,_ids_js__WEBPACK_IMPORTED_MODULE_3__/* .snapshotFolder */ .H1)(id)}/`;
    const { archive } = manifest;
    for (const key of archive === undefined ? [] : [archive.key, archive.index.key]) {
        if (!key.startsWith(folder))
            throw invalid(where, `${key} is outside ${folder}`);
    }
    if (archive === undefined && manifest.volumes.length === 0)
        throw invalid(where, "it has neither archive nor volume");
    return manifest;
}
/** Parsing keeps the order of names, so reader and writer make the same text of the same manifest. */
function digestOf(content) {
    return (0,node_crypto__WEBPACK_IMPORTED_MODULE_0__.createHash)("sha256").update(JSON.stringify(content)).digest("hex");
}
function invalid(where, why, cause) {
    return new _errors_js__WEBPACK_IMPORTED_MODULE_1__/* .ActionError */ .lZ("MANIFEST_INVALID", `${where} is no manifest this action can trust: ${why}.`, {
        hint: "It was damaged, or changed after it was published. Choose another snapshot.",
        ...(cause === undefined ? {} : { cause }),
    });
}


/***/ }),

/***/ 8990:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __webpack_require__) => {

/* harmony export */ __webpack_require__.d(__webpack_exports__, {
/* harmony export */   $m: () => (/* binding */ aboutOneManifest),
/* harmony export */   Az: () => (/* binding */ rebuildEntries),
/* harmony export */   Cb: () => (/* binding */ listSnapshots),
/* harmony export */   Eg: () => (/* binding */ readLatest),
/* harmony export */   Vh: () => (/* binding */ resolveSnapshot),
/* harmony export */   ak: () => (/* binding */ loadCatalog),
/* harmony export */   eY: () => (/* binding */ loadManifest)
/* harmony export */ });
/* unused harmony export listManifestIds */
/* harmony import */ var valibot__WEBPACK_IMPORTED_MODULE_5__ = __webpack_require__(7934);
/* harmony import */ var _errors_js__WEBPACK_IMPORTED_MODULE_0__ = __webpack_require__(9473);
/* harmony import */ var _catalog_js__WEBPACK_IMPORTED_MODULE_1__ = __webpack_require__(9063);
/* harmony import */ var _ids_js__WEBPACK_IMPORTED_MODULE_4__ = __webpack_require__(8970);
/* harmony import */ var _manifest_js__WEBPACK_IMPORTED_MODULE_2__ = __webpack_require__(9227);
/* harmony import */ var _manifest_text_js__WEBPACK_IMPORTED_MODULE_3__ = __webpack_require__(1323);
/** Reading what is published: one manifest, the catalogue, and which snapshot a selector means. */






/** Far above any real manifest: what is larger is none, and is not read into memory. */
const longestManifestBytes = 16 * 1024 * 1024;
/** Errors: SNAPSHOT_NOT_FOUND, MANIFEST_INVALID, MANIFEST_NEWER, and the store's. */
async function loadManifest(store, id, signal) {
    const key = (0,_ids_js__WEBPACK_IMPORTED_MODULE_4__/* .manifestKey */ .Rn)(valibot__WEBPACK_IMPORTED_MODULE_5__.is(_manifest_js__WEBPACK_IMPORTED_MODULE_2__/* .snapshotIdSchema */ .hB, id) ? id : noSuchId(id));
    const where = store.urlOf(key);
    const found = await store.head(key, signal);
    if (found === undefined)
        throw notFound(`There is no snapshot ${id} in ${store.url}.`);
    if (found.size > longestManifestBytes) {
        throw new _errors_js__WEBPACK_IMPORTED_MODULE_0__/* .ActionError */ .lZ("MANIFEST_INVALID", `${where} has ${found.size} bytes; no manifest is that large.`);
    }
    const { bytes } = await store.get(key, { signal });
    return (0,_manifest_text_js__WEBPACK_IMPORTED_MODULE_3__/* .readManifest */ .W)(bytes, id, where);
}
/** The manifest a selector means. Errors as `loadManifest`, and NETWORK_AMBIGUOUS. */
async function resolveSnapshot(store, selector, signal) {
    if (selector.kind === "id")
        return await loadManifest(store, selector.id, signal);
    if (selector.kind === "latest")
        return await loadLatest(store, signal);
    if (selector.kind === "height")
        return await loadAtHeight(store, selector.atMost, signal);
    throw new _errors_js__WEBPACK_IMPORTED_MODULE_0__/* .ActionError */ .lZ("SNAPSHOT_FOREIGN", `${selector.url} is an archive made elsewhere, not a snapshot in a catalogue.`);
}
/** Every snapshot, newest first: from the catalogue, or from the manifests where there is no (whole) catalogue. */
async function listSnapshots(store, signal) {
    return (await loadCatalog(store, signal)) ?? (await rebuildEntries(store, signal)).entries;
}
/** The catalogue's entries; undefined when it is missing or damaged. */
async function loadCatalog(store, signal) {
    try {
        const { bytes } = await store.get(_ids_js__WEBPACK_IMPORTED_MODULE_4__/* .catalogKey */ .Vz, { signal });
        return (0,_catalog_js__WEBPACK_IMPORTED_MODULE_1__/* .readCatalog */ .uM)(bytes, store.urlOf(_ids_js__WEBPACK_IMPORTED_MODULE_4__/* .catalogKey */ .Vz))?.snapshots.toSorted(_catalog_js__WEBPACK_IMPORTED_MODULE_1__/* .byNewest */ .Kd);
    }
    catch (error) {
        if ((0,_errors_js__WEBPACK_IMPORTED_MODULE_0__/* .hasCode */ .up)(error, "OBJECT_NOT_FOUND"))
            return undefined;
        throw error;
    }
}
/** The catalogue as the manifests alone give it. Snapshots that are being removed are not in it. */
async function rebuildEntries(store, signal, known = new Map()) {
    const entries = [];
    const refused = [];
    const ids = await listManifestIds(store, signal);
    const work = ids.values();
    const worker = async () => {
        for (const id of work) {
            try {
                entries.push(known.get(id) ?? (0,_catalog_js__WEBPACK_IMPORTED_MODULE_1__/* .entryOf */ .Ms)(await loadManifest(store, id, signal)));
            }
            catch (error) {
                if (!(error instanceof _errors_js__WEBPACK_IMPORTED_MODULE_0__/* .ActionError */ .lZ) || !aboutOneManifest.has(error.code))
                    throw error;
                // Removed since it was listed: that is no refusal.
                if (error.code !== "SNAPSHOT_NOT_FOUND")
                    refused.push({ id, error });
            }
        }
    };
    await Promise.all(Array.from({ length: 8 }, worker));
    return { entries: entries.sort(_catalog_js__WEBPACK_IMPORTED_MODULE_1__/* .byNewest */ .Kd), refused };
}
/** Codes of errors that speak of one manifest and say nothing of the store. */
const aboutOneManifest = new Set([
    "SNAPSHOT_NOT_FOUND",
    "MANIFEST_INVALID",
    "MANIFEST_NEWER",
]);
/** Ids of the folders that hold a manifest and no tombstone. */
async function listManifestIds(store, signal) {
    const ids = new Set();
    const going = new Set();
    for await (const { key } of store.list(_ids_js__WEBPACK_IMPORTED_MODULE_4__/* .snapshotsPrefix */ .mT, signal)) {
        const id = key.split("/")[1] ?? "";
        if (key === (0,_ids_js__WEBPACK_IMPORTED_MODULE_4__/* .manifestKey */ .Rn)(id))
            ids.add(id);
        if (key === (0,_ids_js__WEBPACK_IMPORTED_MODULE_4__/* .tombstoneKey */ .Z7)(id))
            going.add(id);
    }
    return [...ids].filter((id) => !going.has(id));
}
const latestSchema = valibot__WEBPACK_IMPORTED_MODULE_5__/* .looseObject */ ._H3({ id: _manifest_js__WEBPACK_IMPORTED_MODULE_2__/* .snapshotIdSchema */ .hB, manifest: valibot__WEBPACK_IMPORTED_MODULE_5__/* .string */ .YjP() });
/** The id in `latest.json`; undefined when there is none or it cannot be read. */
function readLatest(bytes) {
    try {
        const parsed = valibot__WEBPACK_IMPORTED_MODULE_5__/* .safeParse */ .xLC(latestSchema, JSON.parse(Buffer.from(bytes).toString("utf8")));
        return parsed.success ? parsed.output.id : undefined;
    }
    catch {
        return undefined;
    }
}
async function loadLatest(store, signal) {
    const named = await store.get(_ids_js__WEBPACK_IMPORTED_MODULE_4__/* .latestKey */ .p8, { signal }).then(({ bytes }) => readLatest(bytes), (error) => {
        if ((0,_errors_js__WEBPACK_IMPORTED_MODULE_0__/* .hasCode */ .up)(error, "OBJECT_NOT_FOUND"))
            return undefined;
        throw error;
    });
    if (named !== undefined) {
        try {
            return await loadManifest(store, named, signal);
        }
        catch (error) {
            // Retention may have moved on between the two looks; then the catalogue knows the newest.
            if (!(0,_errors_js__WEBPACK_IMPORTED_MODULE_0__/* .hasCode */ .up)(error, "SNAPSHOT_NOT_FOUND"))
                throw error;
        }
    }
    const [newest] = await listSnapshots(store, signal);
    if (newest === undefined)
        throw notFound(`There is no snapshot in ${store.url} yet.`);
    return await loadManifest(store, newest.id, signal);
}
async function loadAtHeight(store, atMost, signal) {
    const all = await listSnapshots(store, signal);
    const low = all.filter(({ stacksHeight }) => stacksHeight <= atMost);
    const networks = [...new Set(low.map(({ network }) => network))];
    if (networks.length > 1) {
        throw new _errors_js__WEBPACK_IMPORTED_MODULE_0__/* .ActionError */ .lZ("NETWORK_AMBIGUOUS", `${store.url} holds snapshots of ${networks.join(" and ")}, and a height means one of them.`, {
            hint: "Give the snapshot's id, or keep each network below a prefix of its own.",
        });
    }
    const [best] = low.toSorted((a, b) => b.stacksHeight - a.stacksHeight || (0,_catalog_js__WEBPACK_IMPORTED_MODULE_1__/* .byNewest */ .Kd)(a, b));
    if (best === undefined) {
        const lowest = Math.min(...all.map(({ stacksHeight }) => stacksHeight));
        throw notFound(all.length === 0
            ? `There is no snapshot in ${store.url} yet.`
            : `No snapshot in ${store.url} is at height ${atMost} or below; the lowest is at ${lowest}.`);
    }
    return await loadManifest(store, best.id, signal);
}
function noSuchId(id) {
    throw notFound(`"${id}" is no snapshot's id.`);
}
function notFound(message) {
    return new _errors_js__WEBPACK_IMPORTED_MODULE_0__/* .ActionError */ .lZ("SNAPSHOT_NOT_FOUND", message, {
        hint: "`command: list` shows what there is. See that `storage` names the right prefix.",
    });
}


/***/ })

};
