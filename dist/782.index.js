export const id = 782;
export const ids = [782];
export const modules = {

/***/ 782:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __webpack_require__) => {

/* harmony export */ __webpack_require__.d(__webpack_exports__, {
/* harmony export */   runCommand: () => (/* binding */ runCommand)
/* harmony export */ });
/* harmony import */ var _errors_js__WEBPACK_IMPORTED_MODULE_0__ = __webpack_require__(9473);
/** Which command a configuration asks for. */

async function runCommand(config, rooms) {
    switch (config.command) {
        case "snapshot":
            return await (await Promise.all(/* import() */[__webpack_require__.e(600), __webpack_require__.e(56), __webpack_require__.e(263), __webpack_require__.e(231), __webpack_require__.e(889)]).then(__webpack_require__.bind(__webpack_require__, 4889))).snapshot(config, rooms);
        case "restore":
            return await (await Promise.all(/* import() */[__webpack_require__.e(600), __webpack_require__.e(56), __webpack_require__.e(231), __webpack_require__.e(195), __webpack_require__.e(239)]).then(__webpack_require__.bind(__webpack_require__, 8239))).restore(config, rooms);
        case "verify":
            return await (await Promise.all(/* import() */[__webpack_require__.e(600), __webpack_require__.e(195), __webpack_require__.e(274)]).then(__webpack_require__.bind(__webpack_require__, 2274))).verify(config, rooms);
        case "prune":
            return await (await Promise.all(/* import() */[__webpack_require__.e(263), __webpack_require__.e(990)]).then(__webpack_require__.bind(__webpack_require__, 7263))).prune(config, rooms);
        case "import":
            throw new _errors_js__WEBPACK_IMPORTED_MODULE_0__/* .InputError */ .dz("snapshot-from", "This version cannot import archives made elsewhere yet.");
        case "list":
            return await (await __webpack_require__.e(/* import() */ 635).then(__webpack_require__.bind(__webpack_require__, 4635))).list(config, rooms);
    }
}


/***/ })

};
