export const id = 16;
export const ids = [16];
export const modules = {

/***/ 2016:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __webpack_require__) => {

/* harmony export */ __webpack_require__.d(__webpack_exports__, {
/* harmony export */   finishRun: () => (/* binding */ finishRun)
/* harmony export */ });
/* harmony import */ var _errors_js__WEBPACK_IMPORTED_MODULE_0__ = __webpack_require__(9473);
/* harmony import */ var _recovery_journal_js__WEBPACK_IMPORTED_MODULE_1__ = __webpack_require__(6233);
/* harmony import */ var _settle_js__WEBPACK_IMPORTED_MODULE_2__ = __webpack_require__(9056);
/** What the post step does: whatever the journal of this job's run says is still open, the node first. */



async function finishRun(state, rooms) {
    const { journalPath, runId } = state;
    if (journalPath === undefined)
        return;
    const journal = await (0,_recovery_journal_js__WEBPACK_IMPORTED_MODULE_1__/* .takeJournal */ .rl)(journalPath, { role: "post", signal: rooms.signal, clock: rooms.clock });
    if (journal === undefined)
        return;
    try {
        // Another run has taken the directory over, and finished what this one left, in the meantime.
        if (journal.content.runId !== runId)
            return;
        rooms.report.info("The run ended before it was done; finishing what it left.");
        const left = await (0,_settle_js__WEBPACK_IMPORTED_MODULE_2__/* .settle */ .G)(rooms, journal);
        if (left.length === 0)
            return await journal.remove();
        throw new _errors_js__WEBPACK_IMPORTED_MODULE_0__/* .ActionError */ .lZ("LEFT_BEHIND", `Could not be cleaned up: ${left.join("; ")}`, {
            hint: "The next run on this host tries again.",
        });
    }
    finally {
        journal.release();
    }
}


/***/ })

};
