export const id = 274;
export const ids = [274];
export const modules = {

/***/ 2274:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __webpack_require__) => {

__webpack_require__.r(__webpack_exports__);
/* harmony export */ __webpack_require__.d(__webpack_exports__, {
/* harmony export */   verify: () => (/* binding */ verify)
/* harmony export */ });
/* harmony import */ var node_fs_promises__WEBPACK_IMPORTED_MODULE_0__ = __webpack_require__(1455);
/* harmony import */ var node_path__WEBPACK_IMPORTED_MODULE_1__ = __webpack_require__(6760);
/* harmony import */ var _archive_reader_js__WEBPACK_IMPORTED_MODULE_2__ = __webpack_require__(2195);
/* harmony import */ var _chainstate_inspect_js__WEBPACK_IMPORTED_MODULE_3__ = __webpack_require__(2387);
/* harmony import */ var _chainstate_layout_js__WEBPACK_IMPORTED_MODULE_4__ = __webpack_require__(3250);
/* harmony import */ var _errors_js__WEBPACK_IMPORTED_MODULE_5__ = __webpack_require__(9473);
/* harmony import */ var _inspection_report_js__WEBPACK_IMPORTED_MODULE_7__ = __webpack_require__(8636);
/* harmony import */ var _open_snapshot_js__WEBPACK_IMPORTED_MODULE_6__ = __webpack_require__(8792);
/**
 * `command: verify`. A directory is checked in place, read-only. A snapshot is read back whole: every frame's digest and
 * tar headers, the index, the seek table; then its databases are unpacked into scratch space and checked like a
 * directory.
 */








async function verify(config, rooms) {
    const { chainstateDir, storage } = config;
    if (chainstateDir !== undefined) {
        await verifyDirectory(chainstateDir, config, rooms);
        rooms.report.headline(`${chainstateDir} is one consistent chainstate.`);
        return;
    }
    if (storage === undefined)
        throw new RangeError("nothing to verify");
    const opened = await (0,_open_snapshot_js__WEBPACK_IMPORTED_MODULE_6__/* .openSnapshot */ .r)(rooms, storage, config.snapshot);
    const scratch = await (0,node_fs_promises__WEBPACK_IMPORTED_MODULE_0__.mkdtemp)((0,node_path__WEBPACK_IMPORTED_MODULE_1__.join)(rooms.host.tempDir, "verify-"));
    try {
        await verifySnapshot(opened, scratch, config, rooms);
    }
    finally {
        await (0,node_fs_promises__WEBPACK_IMPORTED_MODULE_0__.rm)(scratch, { recursive: true, force: true });
        await opened.store.close();
    }
}
async function verifyDirectory(dir, config, rooms) {
    const depth = config.check === "none" ? "tips" : config.check;
    await rooms.report.phase("check", `Check ${dir} in place`, async (phase) => {
        const inspection = await (0,_chainstate_inspect_js__WEBPACK_IMPORTED_MODULE_3__/* .inspectChainstate */ .Tz)({
            dir,
            depth,
            signal: rooms.signal,
            onProgress: (progress) => phase.progress(progress),
        });
        (0,_inspection_report_js__WEBPACK_IMPORTED_MODULE_7__/* .reportInspection */ .B)(rooms.report, inspection);
        (0,_chainstate_inspect_js__WEBPACK_IMPORTED_MODULE_3__/* .assertConsistent */ .B$)(inspection);
    });
}
async function verifySnapshot(opened, scratch, config, rooms) {
    const { report, signal } = rooms;
    const { manifest } = opened;
    report.output("snapshot-id", manifest.id);
    report.output("stacks-height", String(manifest.chain.stacksHeight));
    const { source, indexFile, record } = await (0,_open_snapshot_js__WEBPACK_IMPORTED_MODULE_6__/* .openArchive */ .p)(opened, scratch, signal);
    const options = { source, indexFile, indexDigest: record.index, concurrency: config.concurrency, signal };
    const verified = await report.phase("verify", `Read ${source.url} back whole`, (phase) => (0,_archive_reader_js__WEBPACK_IMPORTED_MODULE_2__/* .verifyArchive */ .w)({
        ...options,
        ...(record.sha256 === undefined ? {} : { archiveSha256: record.sha256 }),
        onProgress: ({ doneBytes }) => phase.progress({ doneBytes, totalBytes: record.tarSize }),
    }));
    if (verified.treeSha256 !== record.treeSha256 || verified.frames !== record.frames) {
        throw new _errors_js__WEBPACK_IMPORTED_MODULE_5__/* .ActionError */ .lZ("SNAPSHOT_DAMAGED", `The archive of ${manifest.id} is not the one its manifest describes.`, {
            hint: "It was changed after it was published. Choose another snapshot.",
        });
    }
    if (config.check !== "none") {
        const { check: depth } = config;
        const dir = (0,node_path__WEBPACK_IMPORTED_MODULE_1__.join)(scratch, "databases");
        await report.phase("download", "Unpack the databases", async () => {
            await (0,_archive_reader_js__WEBPACK_IMPORTED_MODULE_2__/* .unpackArchive */ .b)({
                ...options,
                target: dir,
                owner: "mine",
                select: (path) => (0,_chainstate_layout_js__WEBPACK_IMPORTED_MODULE_4__/* .isNeededForChecks */ .Ik)(path, depth),
                durable: false,
            });
        });
        await verifyDirectory(dir, config, rooms);
    }
    report.headline(`Snapshot ${manifest.id} is whole${config.check === "none" ? "" : " and its chainstate consistent"}.`);
}


/***/ })

};
