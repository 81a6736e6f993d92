export const id = 791;
export const ids = [791];
export const modules = {

/***/ 1218:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __webpack_require__) => {

/* harmony export */ __webpack_require__.d(__webpack_exports__, {
/* harmony export */   F: () => (/* binding */ collect),
/* harmony export */   J: () => (/* binding */ readResumably)
/* harmony export */ });
/* harmony import */ var _errors_js__WEBPACK_IMPORTED_MODULE_0__ = __webpack_require__(9473);
/* harmony import */ var _system_clock_js__WEBPACK_IMPORTED_MODULE_1__ = __webpack_require__(7218);
/* harmony import */ var _errors_js__WEBPACK_IMPORTED_MODULE_2__ = __webpack_require__(9575);
/** Byte streams of stores: gathered, and read on across broken connections. */



async function collect(chunks) {
    const gathered = [];
    for await (const chunk of chunks)
        gathered.push(chunk);
    return Buffer.concat(gathered);
}
/**
 * The bytes [0, length), opened anew where a body broke, ended early or stood still. Only failures without progress
 * count, so a long stream survives any number of short interruptions.
 */
async function* readResumably(options) {
    const { length, signal } = options;
    const clock = options.clock ?? _system_clock_js__WEBPACK_IMPORTED_MODULE_1__/* .systemClock */ .m;
    let offset = 0;
    let failures = 0;
    while (offset < length) {
        (0,_errors_js__WEBPACK_IMPORTED_MODULE_0__/* .throwIfAborted */ .Te)(signal);
        const attempt = new AbortController();
        const body = await options.open(offset, AbortSignal.any([signal, attempt.signal]));
        const iterator = body[Symbol.asyncIterator]();
        let cause;
        let ended = false;
        try {
            for (;;) {
                const next = await nextWithin(iterator, options.idleTimeoutMs, attempt);
                ended = next.done === true;
                // Read to the end even when all bytes are there, so that the connection can be used again.
                if (next.done === true || offset >= length)
                    break;
                const chunk = next.value.subarray(0, length - offset);
                offset += chunk.length;
                if (chunk.length > 0)
                    failures = 0;
                yield chunk;
            }
        }
        catch (error) {
            cause = error;
        }
        finally {
            if (!ended) {
                // It broke, stands still, or the reader left: the connection must not wait for a body nobody reads.
                attempt.abort();
                await endQuietly(iterator);
            }
        }
        if (offset >= length)
            return;
        (0,_errors_js__WEBPACK_IMPORTED_MODULE_0__/* .throwIfAborted */ .Te)(signal);
        failures += 1;
        if (failures > options.maxFailures)
            throw gaveUp(options, offset, cause);
        await clock.sleep(Math.min(250 * 2 ** (failures - 1), 5_000), signal);
    }
}
async function nextWithin(iterator, idleTimeoutMs, attempt) {
    let timer;
    const idle = new Promise((_, reject) => {
        timer = setTimeout(() => {
            reject(new Error(`no byte for ${idleTimeoutMs / 1000} s`));
            attempt.abort();
        }, idleTimeoutMs);
    });
    const next = iterator.next();
    // When the timer wins, this one ends with the abort; nobody else waits for it.
    next.catch(() => undefined);
    try {
        return await Promise.race([next, idle]);
    }
    finally {
        clearTimeout(timer);
    }
}
const endWithinMs = 5_000;
/** Best effort, and bounded: the body may have broken already, and that has been dealt with. */
async function endQuietly(iterator) {
    let timer;
    const late = new Promise((resolve) => (timer = setTimeout(resolve, endWithinMs)));
    try {
        await Promise.race([iterator.return?.(), late]);
    }
    catch {
        // It ended with the error that brought us here.
    }
    finally {
        clearTimeout(timer);
    }
}
function gaveUp(options, offset, cause) {
    return new _errors_js__WEBPACK_IMPORTED_MODULE_2__/* .StoreError */ .AD("STORE_STALLED", `${options.url} stopped coming after ${offset} of ${options.length} bytes, ${options.maxFailures + 1} times in a row.`, { hint: "Check the network between this host and the store, then run again.", cause });
}


/***/ }),

/***/ 9575:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __webpack_require__) => {

/* harmony export */ __webpack_require__.d(__webpack_exports__, {
/* harmony export */   AD: () => (/* binding */ StoreError),
/* harmony export */   D6: () => (/* binding */ beyondEnd),
/* harmony export */   SC: () => (/* binding */ uploadClosed),
/* harmony export */   __: () => (/* binding */ ObjectChangedError),
/* harmony export */   d_: () => (/* binding */ ObjectNotFoundError),
/* harmony export */   k9: () => (/* binding */ PreconditionFailedError),
/* harmony export */   q: () => (/* binding */ isPortError)
/* harmony export */ });
/* harmony import */ var _errors_js__WEBPACK_IMPORTED_MODULE_0__ = __webpack_require__(9473);
/**
 * What can go wrong with a store, by code. The first three are part of the port's contract and callers branch on them;
 * the others are for people: what the store would not do, and what to change.
 */

class ObjectNotFoundError extends _errors_js__WEBPACK_IMPORTED_MODULE_0__/* .ActionError */ .lZ {
    name = "ObjectNotFoundError";
    constructor(url, cause) {
        super("OBJECT_NOT_FOUND", `${url} does not exist.`, cause === undefined ? {} : { cause });
    }
}
/** The object is no longer the version the caller is bound to. */
class ObjectChangedError extends _errors_js__WEBPACK_IMPORTED_MODULE_0__/* .ActionError */ .lZ {
    name = "ObjectChangedError";
    constructor(url, cause) {
        super("OBJECT_CHANGED", `${url} was replaced while it was being read.`, {
            hint: "Run again; the new version will be read from its start.",
            ...(cause === undefined ? {} : { cause }),
        });
    }
}
/** A conditional write lost: the key exists, or is another version than the caller saw. */
class PreconditionFailedError extends _errors_js__WEBPACK_IMPORTED_MODULE_0__/* .ActionError */ .lZ {
    name = "PreconditionFailedError";
    constructor(url, cause) {
        super("PRECONDITION_FAILED", `${url} was written by somebody else in the meantime.`, {
            hint: "Read it again and repeat the change.",
            ...(cause === undefined ? {} : { cause }),
        });
    }
}
class StoreError extends _errors_js__WEBPACK_IMPORTED_MODULE_0__/* .ActionError */ .lZ {
    name = "StoreError";
    code;
    constructor(code, message, details = {}) {
        super(code, message, details);
        this.code = code;
    }
}
/** An error that a caller of the port may see as it is. */
function isPortError(error) {
    return error instanceof _errors_js__WEBPACK_IMPORTED_MODULE_0__/* .ActionError */ .lZ;
}
/** A range that the object does not have. */
function beyondEnd(url, range, size) {
    return new StoreError("STORE_MISMATCH", `${url} has ${size} bytes; bytes ${range.offset} to ${range.offset + range.length - 1} were asked for.`, { hint: "The object is damaged or is not what its index says; verify the snapshot." });
}
function uploadClosed(url) {
    return new StoreError("STORE_FAILED", `The upload of ${url} has been completed or taken back.`);
}


/***/ }),

/***/ 6791:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __webpack_require__) => {

/* harmony export */ __webpack_require__.d(__webpack_exports__, {
/* harmony export */   openHttpsStore: () => (/* binding */ openHttpsStore)
/* harmony export */ });
/* harmony import */ var node_stream__WEBPACK_IMPORTED_MODULE_0__ = __webpack_require__(7075);
/* harmony import */ var _errors_js__WEBPACK_IMPORTED_MODULE_1__ = __webpack_require__(9473);
/* harmony import */ var _chunks_js__WEBPACK_IMPORTED_MODULE_2__ = __webpack_require__(1218);
/* harmony import */ var _errors_js__WEBPACK_IMPORTED_MODULE_3__ = __webpack_require__(9575);
/* harmony import */ var _keys_js__WEBPACK_IMPORTED_MODULE_4__ = __webpack_require__(1928);
/* harmony import */ var _limits_js__WEBPACK_IMPORTED_MODULE_5__ = __webpack_require__(9644);
/* harmony import */ var _object_info_js__WEBPACK_IMPORTED_MODULE_9__ = __webpack_require__(4832);
/* harmony import */ var _progress_limit_js__WEBPACK_IMPORTED_MODULE_6__ = __webpack_require__(1521);
/* harmony import */ var _ranged_read_js__WEBPACK_IMPORTED_MODULE_7__ = __webpack_require__(5932);
/* harmony import */ var _system_clock_js__WEBPACK_IMPORTED_MODULE_8__ = __webpack_require__(7218);
/**
 * A published prefix on a web server, for reading. Any static host will do: one that ignores ranges costs the bytes before
 * the range that was asked for, and one without etags is bound by size and date. Redirects (to short-lived signed
 * addresses, say) are followed anew with every request.
 */










/** A server that ignores ranges may be made to send so much for nothing, and no more. */
const skippedAtMostBytes = 64 * 1024 * 1024;
function openHttpsStore(baseUrl, limits = _limits_js__WEBPACK_IMPORTED_MODULE_5__/* .defaultLimits */ .M) {
    const base = baseUrl.replace(/\/+$/u, "");
    const urlOf = (key) => {
        (0,_keys_js__WEBPACK_IMPORTED_MODULE_4__/* .assertKey */ .sM)(key);
        return `${base}/${key.split("/").map(encodeURIComponent).join("/")}`;
    };
    const request = async (key, range, signal) => {
        const url = urlOf(key);
        const answer = await send(url, range, limits, signal);
        const body = answer.body === null ? node_stream__WEBPACK_IMPORTED_MODULE_0__.Readable.from([]) : node_stream__WEBPACK_IMPORTED_MODULE_0__.Readable.fromWeb(answer.body);
        // Its end, good or bad, is the reader's to see; before there is a reader it must not end the process.
        body.on("error", () => undefined);
        const size = (0,_object_info_js__WEBPACK_IMPORTED_MODULE_9__/* .wholeSize */ .J2)(header(answer, "content-range"), lengthOf(answer));
        const info = infoOf(key, size, answer);
        if (range === undefined || answer.status === 206)
            return { info, body };
        if (range.offset + range.length > size)
            return { info, body };
        if (range.offset <= skippedAtMostBytes)
            return { info, body: node_stream__WEBPACK_IMPORTED_MODULE_0__.Readable.from(skip(body, range)) };
        body.destroy();
        throw new _errors_js__WEBPACK_IMPORTED_MODULE_3__/* .StoreError */ .AD("STORE_UNSUPPORTED", `${url}: the server cannot give a part of a file.`, {
            hint: "Use a host that supports range requests, or download the archive and restore it from file://.",
        });
    };
    const stream = (key, options) => (0,_ranged_read_js__WEBPACK_IMPORTED_MODULE_7__/* .streamObject */ .w)({ url: urlOf(key), limits, request: (range, signal) => request(key, range, signal) }, options);
    return {
        url: base,
        capabilities: { conditionalWrites: false, copyRange: false, readOnly: true },
        partLimits: { minPartSizeBytes: 1, maxPartSizeBytes: 1, maxParts: 1 },
        async head(key, signal) {
            try {
                // Not HEAD: some hosts and most signed addresses allow nothing but GET.
                const { info, body } = await request(key, { offset: 0, length: 1 }, signal);
                body.destroy();
                return info;
            }
            catch (error) {
                if ((0,_errors_js__WEBPACK_IMPORTED_MODULE_1__/* .hasCode */ .up)(error, "OBJECT_NOT_FOUND"))
                    return undefined;
                // An empty file has no first byte.
                if (!(0,_errors_js__WEBPACK_IMPORTED_MODULE_1__/* .hasCode */ .up)(error, "STORE_MISMATCH"))
                    throw error;
                const { info, body } = await request(key, undefined, signal);
                body.destroy();
                return info;
            }
        },
        stream,
        async get(key, options) {
            const { chunks, info } = await stream(key, options);
            return { bytes: await (0,_chunks_js__WEBPACK_IMPORTED_MODULE_2__/* .collect */ .F)(chunks), info };
        },
        put: (key) => refuseWrite(urlOf(key)),
        delete: (key) => refuseWrite(urlOf(key)),
        openUpload: (key) => refuseWrite(urlOf(key)),
        abortUpload: (token) => refuseWrite(urlOf(token.key)),
        probeWritable: () => refuseWrite(base),
        list: () => refuseList(base),
        listUploads: () => refuseList(base),
        urlOf,
        close: async () => undefined,
    };
}
async function send(url, range, limits, signal) {
    const headers = {
        // A compressed answer would have other bytes, and no range would fit.
        "accept-encoding": "identity",
        ...(range === undefined ? {} : { range: `bytes=${range.offset}-${range.offset + range.length - 1}` }),
    };
    for (let attempt = 1;; attempt += 1) {
        let failure;
        try {
            const limit = { idleTimeoutMs: limits.idleTimeoutMs, signal, url };
            const answer = await (0,_progress_limit_js__WEBPACK_IMPORTED_MODULE_6__/* .withProgressLimit */ .H)(limit, (stop) => fetch(url, { headers, signal: stop }));
            if (answer.ok)
                return answer;
            await answer.body?.cancel();
            failure = refusalOf(url, answer.status);
            // 408, 429 and 5xx pass; the rest is what the server means.
            if (answer.status !== 408 && answer.status !== 429 && answer.status < 500)
                throw failure;
        }
        catch (error) {
            (0,_errors_js__WEBPACK_IMPORTED_MODULE_1__/* .throwIfAborted */ .Te)(signal);
            if ((0,_errors_js__WEBPACK_IMPORTED_MODULE_3__/* .isPortError */ .q)(error) && !(0,_errors_js__WEBPACK_IMPORTED_MODULE_1__/* .hasCode */ .up)(error, "STORE_STALLED"))
                throw error;
            failure = (0,_errors_js__WEBPACK_IMPORTED_MODULE_3__/* .isPortError */ .q)(error) ? error : unreachable(url, error);
        }
        if (attempt >= limits.attempts)
            throw failure;
        await _system_clock_js__WEBPACK_IMPORTED_MODULE_8__/* .systemClock */ .m.sleep(Math.min(250 * 2 ** (attempt - 1), 5_000), signal);
    }
}
function refusalOf(url, status) {
    if (status === 404 || status === 410)
        return new _errors_js__WEBPACK_IMPORTED_MODULE_3__/* .ObjectNotFoundError */ .d_(url);
    if (status === 401 || status === 403) {
        return new _errors_js__WEBPACK_IMPORTED_MODULE_3__/* .StoreError */ .AD("STORE_DENIED", `${url} may not be read (HTTP ${status}).`, {
            hint: "Publish the prefix for reading, or use the store's own address (s3://, az://, gs://) with credentials.",
        });
    }
    if (status === 416) {
        return new _errors_js__WEBPACK_IMPORTED_MODULE_3__/* .StoreError */ .AD("STORE_MISMATCH", `${url} ends before the range that was asked for.`, {
            hint: "The object is damaged or is not what its index says; verify the snapshot.",
        });
    }
    return new _errors_js__WEBPACK_IMPORTED_MODULE_3__/* .StoreError */ .AD("STORE_FAILED", `${url}: the server answers ${status}.`, {
        hint: "Try again later, or ask whoever runs the server.",
    });
}
function unreachable(url, cause) {
    return new _errors_js__WEBPACK_IMPORTED_MODULE_3__/* .StoreError */ .AD("STORE_UNREACHABLE", `${url} cannot be reached.`, {
        hint: "Check the address, DNS, the proxy and the firewall between this host and the server.",
        cause,
    });
}
function infoOf(key, size, answer) {
    const etag = header(answer, "etag");
    const modified = Date.parse(header(answer, "last-modified") ?? "");
    // A weak etag promises no equal bytes.
    const strong = etag?.startsWith("W/") === true ? undefined : etag;
    return (0,_object_info_js__WEBPACK_IMPORTED_MODULE_9__/* .objectInfo */ ._d)(key, size, strong, Number.isNaN(modified) ? undefined : new Date(modified));
}
function header(answer, name) {
    return answer.headers.get(name) ?? undefined;
}
function lengthOf(answer) {
    const length = header(answer, "content-length");
    return length === undefined ? undefined : Number(length);
}
/** The bytes of a range out of a body that has everything. */
async function* skip(body, range) {
    let at = 0;
    const end = range.offset + range.length;
    for await (const chunk of body) {
        const wanted = chunk.subarray(Math.max(0, range.offset - at), Math.max(0, end - at));
        at += chunk.length;
        if (wanted.length > 0)
            yield wanted;
        if (at >= end)
            return;
    }
}
async function refuseWrite(url) {
    throw new _errors_js__WEBPACK_IMPORTED_MODULE_3__/* .StoreError */ .AD("STORE_READ_ONLY", `${url} can only be read.`, {
        hint: "Publish through the store's own address (s3://, az://, gs://, file://).",
    });
}
// eslint-disable-next-line require-yield
async function* refuseList(url) {
    throw new _errors_js__WEBPACK_IMPORTED_MODULE_3__/* .StoreError */ .AD("STORE_UNSUPPORTED", `${url}: a web server cannot be asked what it has.`, {
        hint: "The catalogue lists the snapshots; clean up through the store's own address.",
    });
}


/***/ }),

/***/ 1928:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __webpack_require__) => {

/* harmony export */ __webpack_require__.d(__webpack_exports__, {
/* harmony export */   Jo: () => (/* binding */ trimPrefix),
/* harmony export */   Op: () => (/* binding */ isOwnKey),
/* harmony export */   sM: () => (/* binding */ assertKey)
/* harmony export */ });
/* harmony import */ var _errors_js__WEBPACK_IMPORTED_MODULE_0__ = __webpack_require__(9575);
/**
 * Keys as every provider takes them: relative, "/"-separated, no empty component, none that starts with a dot (those
 * are the providers' own: probes, parts of files). Checked in one place, so no key can leave the prefix anywhere.
 */

function assertKey(key) {
    if (key !== "" && key.isWellFormed() && key.split("/").every(isComponent))
        return;
    throw new _errors_js__WEBPACK_IMPORTED_MODULE_0__/* .StoreError */ .AD("STORE_UNSUPPORTED", `${JSON.stringify(key)} is no key a store can keep.`, {
        hint: "Keys are relative paths without empty parts, control characters or names that start with a dot.",
    });
}
/** Whether a listed key is one of ours and not a provider's scratch. */
function isOwnKey(key) {
    return key !== "" && key.split("/").every(isComponent);
}
/** A prefix without slashes at its ends; "" for the root. */
function trimPrefix(prefix) {
    return prefix.replace(/^\/+|\/+$/gu, "");
}
function isComponent(name) {
    if (name === "" || name.startsWith("."))
        return false;
    return !/\p{Cc}/u.test(name);
}


/***/ }),

/***/ 4832:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __webpack_require__) => {

/* harmony export */ __webpack_require__.d(__webpack_exports__, {
/* harmony export */   J2: () => (/* binding */ wholeSize),
/* harmony export */   Q8: () => (/* binding */ plainEtag),
/* harmony export */   TL: () => (/* binding */ quoted),
/* harmony export */   _d: () => (/* binding */ objectInfo)
/* harmony export */ });
/** Stores give etags with quotes and without; here they have none. */
function plainEtag(etag) {
    const plain = etag?.replace(/^W\//u, "").replaceAll('"', "");
    return plain === "" ? undefined : plain;
}
function quoted(etag) {
    return `"${etag}"`;
}
function objectInfo(key, size, etag, modifiedAt) {
    const plain = plainEtag(etag);
    return {
        key,
        size,
        ...(plain === undefined ? {} : { etag: plain }),
        ...(modifiedAt === undefined ? {} : { modifiedAt }),
    };
}
/** The size of the whole object, from the headers of an answer that may hold a range of it. */
function wholeSize(contentRange, contentLength) {
    const total = /\/(\d+)$/u.exec(contentRange ?? "")?.[1];
    return total === undefined ? (contentLength ?? 0) : Number(total);
}


/***/ }),

/***/ 1521:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __webpack_require__) => {

/* harmony export */ __webpack_require__.d(__webpack_exports__, {
/* harmony export */   H: () => (/* binding */ withProgressLimit)
/* harmony export */ });
/* harmony import */ var _errors_js__WEBPACK_IMPORTED_MODULE_0__ = __webpack_require__(9473);
/* harmony import */ var _errors_js__WEBPACK_IMPORTED_MODULE_1__ = __webpack_require__(9575);
/** Ends a request on which nothing moves, for clients that have no such limit of their own. */


/** `work` gets a signal that is aborted after `idleTimeoutMs` without a call of `progressed`. STORE_STALLED. */
async function withProgressLimit(limit, work) {
    (0,_errors_js__WEBPACK_IMPORTED_MODULE_0__/* .throwIfAborted */ .Te)(limit.signal);
    const stalled = new AbortController();
    const timer = setTimeout(() => stalled.abort(), limit.idleTimeoutMs);
    try {
        return await work(AbortSignal.any([limit.signal, stalled.signal]), () => timer.refresh());
    }
    catch (error) {
        (0,_errors_js__WEBPACK_IMPORTED_MODULE_0__/* .throwIfAborted */ .Te)(limit.signal);
        if (!stalled.signal.aborted)
            throw error;
        throw new _errors_js__WEBPACK_IMPORTED_MODULE_1__/* .StoreError */ .AD("STORE_STALLED", `${limit.url} stopped answering.`, {
            hint: "Check the store's health and the network to it, then run again.",
            cause: error,
        });
    }
    finally {
        clearTimeout(timer);
    }
}


/***/ }),

/***/ 5932:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __webpack_require__) => {

/* harmony export */ __webpack_require__.d(__webpack_exports__, {
/* harmony export */   w: () => (/* binding */ streamObject)
/* harmony export */ });
/* harmony import */ var _chunks_js__WEBPACK_IMPORTED_MODULE_0__ = __webpack_require__(1218);
/* harmony import */ var _errors_js__WEBPACK_IMPORTED_MODULE_1__ = __webpack_require__(9575);


/** Versions are told apart by etag, size and (where there is no etag) date: stores disagree about `If-Match` on reads. */
async function streamObject(object, options) {
    const { range, ifMatch, signal } = options;
    // HTTP has no empty range: the first byte tells that the object is there.
    const asked = range?.length === 0 ? { offset: 0, length: 1 } : range;
    let first = await object.request(asked, signal);
    const { info, body } = first;
    const from = range?.offset ?? 0;
    const length = range?.length ?? info.size;
    const refusal = ifMatch !== undefined && info.etag !== ifMatch
        ? new _errors_js__WEBPACK_IMPORTED_MODULE_1__/* .ObjectChangedError */ .__(object.url)
        : from + length > info.size
            ? (0,_errors_js__WEBPACK_IMPORTED_MODULE_1__/* .beyondEnd */ .D6)(object.url, { offset: from, length }, info.size)
            : undefined;
    if (refusal !== undefined || length === 0)
        body.destroy();
    if (refusal !== undefined)
        throw refusal;
    const open = async (offset, stop) => {
        const answer = first ?? (await object.request({ offset: from + offset, length: length - offset }, stop));
        first = undefined;
        stop.addEventListener("abort", () => answer.body.destroy(), { once: true });
        if (isSameVersion(answer.info, info))
            return answer.body;
        answer.body.destroy();
        throw new _errors_js__WEBPACK_IMPORTED_MODULE_1__/* .ObjectChangedError */ .__(object.url);
    };
    const chunks = (0,_chunks_js__WEBPACK_IMPORTED_MODULE_0__/* .readResumably */ .J)({
        url: object.url,
        length,
        open,
        idleTimeoutMs: object.limits.idleTimeoutMs,
        maxFailures: object.limits.attempts,
        signal,
    });
    return { info, chunks };
}
function isSameVersion(a, b) {
    if (a.size !== b.size || a.etag !== b.etag)
        return false;
    return a.etag !== undefined || a.modifiedAt?.getTime() === b.modifiedAt?.getTime();
}


/***/ })

};
