export const id = 261;
export const ids = [261];
export const modules = {

/***/ 9261:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __webpack_require__) => {

// ESM COMPAT FLAG
__webpack_require__.r(__webpack_exports__);

// EXPORTS
__webpack_require__.d(__webpack_exports__, {
  openAzureStore: () => (/* binding */ openAzureStore)
});

// EXTERNAL MODULE: external "node:crypto"
var external_node_crypto_ = __webpack_require__(7598);
// EXTERNAL MODULE: ./build/errors.js
var errors = __webpack_require__(9473);
// EXTERNAL MODULE: ./node_modules/@azure/storage-blob/dist/esm/index.js + 304 modules
var esm = __webpack_require__(9790);
// EXTERNAL MODULE: ./build/store/errors.js
var store_errors = __webpack_require__(9575);
// EXTERNAL MODULE: ./build/store/keys.js
var keys = __webpack_require__(1928);
// EXTERNAL MODULE: ./build/store/progress-limit.js
var progress_limit = __webpack_require__(1521);
;// CONCATENATED MODULE: ./build/store/azure-container.js
/** One container and prefix behind one client: limits, retries and errors that every Azure request of this room shares. */





const sourceReadableForMs = 24 * 60 * 60_000;
function openAzureContainer(location, access, limits) {
    const prefix = (0,keys/* trimPrefix */.Jo)(location.prefix);
    const start = prefix === "" ? "" : `${prefix}/`;
    const url = `az://${location.account}/${location.container}${prefix === "" ? "" : `/${prefix}`}`;
    const urlOf = (key) => (key === "" ? url : `${url}/${key}`);
    const sharedKey = access.kind === "key" ? new esm/* StorageSharedKeyCredential */.Z3(access.account, access.key) : undefined;
    const credential = sharedKey ?? (access.kind === "token" ? { getToken: access.getToken } : new esm/* AnonymousCredential */.tv());
    const signature = access.kind === "sas" ? `?${access.signature}` : "";
    const client = new esm/* ContainerClient */.bM(`${access.endpoint}/${location.container}${signature}`, credential, {
        retryOptions: {
            maxTries: limits.attempts,
            retryDelayInMs: 250,
            maxRetryDelayInMs: 5_000,
            tryTimeoutInMs: limits.requestTimeoutMs,
        },
    });
    const blob = (key) => {
        (0,keys/* assertKey */.sM)(key);
        return client.getBlockBlobClient(start + key);
    };
    return {
        client,
        url,
        start,
        limits,
        blob,
        scratch: () => client.getBlockBlobClient(`${start}.probe-${crypto.randomUUID()}`),
        relative: (name) => (name.startsWith(start) ? name.slice(start.length) : undefined),
        urlOf,
        async sourceOf(key) {
            const source = blob(key).url;
            if (access.kind === "token") {
                const { token } = await access.getToken();
                return { url: source, authorization: { scheme: "Bearer", value: token } };
            }
            if (sharedKey === undefined)
                return { url: source };
            const query = (0,esm/* generateBlobSASQueryParameters */.WJ)({
                containerName: location.container,
                blobName: start + key,
                permissions: esm/* BlobSASPermissions */.vD.parse("r"),
                expiresOn: new Date(Date.now() + sourceReadableForMs),
            }, sharedKey);
            return { url: `${source}?${query.toString()}` };
        },
        async call(key, doing, signal, request, patience = 1) {
            for (let attempt = 1;; attempt += 1) {
                try {
                    const limit = { idleTimeoutMs: limits.idleTimeoutMs * patience, signal, url: urlOf(key) };
                    return await (0,progress_limit/* withProgressLimit */.H)(limit, request);
                }
                catch (error) {
                    (0,errors/* throwIfAborted */.Te)(signal);
                    if ((0,errors/* hasCode */.up)(error, "STORE_STALLED") && attempt < limits.attempts)
                        continue;
                    throw explainAzureError(error, urlOf(key), doing);
                }
            }
        },
    };
}
/** The service's code (`BlobNotFound`), else the client's (`ENOTFOUND`), and the HTTP status. */
function readAzureFailure(error) {
    if (!(error instanceof esm/* RestError */.pj))
        return { code: "", status: 0 };
    return { code: error.code ?? "", status: error.statusCode ?? 0 };
}
const credentials = {
    code: "STORE_CREDENTIALS",
    sentence: "does not accept the credentials",
    hint: "Check the AZURE_STORAGE_* variables or the identity the job signs in with; a signature may have expired.",
};
const denied = {
    code: "STORE_DENIED",
    sentence: "does not allow this with these credentials",
    hint: "Give the identity the role “Storage Blob Data Contributor” on the container.",
};
const noContainer = {
    code: "STORE_NOT_FOUND",
    sentence: "cannot be used: the container does not exist",
    hint: "Create the container, or correct the account and container in `storage`.",
};
const unreachable = {
    code: "STORE_UNREACHABLE",
    sentence: "cannot be reached",
    hint: "Check the account's name, DNS, the proxy and the firewall between this host and the store.",
};
const tooShort = {
    code: "STORE_MISMATCH",
    sentence: "ends before the range that was asked for",
    hint: "The object is damaged or is not what its index says; verify the snapshot.",
};
const byCode = {
    AuthenticationFailed: credentials,
    InvalidAuthenticationInfo: credentials,
    NoAuthenticationInformation: credentials,
    AuthorizationFailure: denied,
    AuthorizationPermissionMismatch: denied,
    InsufficientAccountPermissions: denied,
    ContainerNotFound: noContainer,
    InvalidResourceName: noContainer,
    ENOTFOUND: unreachable,
    EAI_AGAIN: unreachable,
    ECONNREFUSED: unreachable,
    EHOSTUNREACH: unreachable,
    ENETUNREACH: unreachable,
    REQUEST_SEND_ERROR: unreachable,
    InvalidRange: tooShort,
};
function explainAzureError(error, url, doing) {
    if ((0,store_errors/* isPortError */.q)(error))
        return error;
    const { code, status } = readAzureFailure(error);
    // The original carries the request with its signature; only its words go along.
    const cause = new Error(String(error instanceof Error ? error.message : error).slice(0, 500));
    cause.name = code || "Error";
    if (code === "BlobNotFound")
        return new store_errors/* ObjectNotFoundError */.d_(url, cause);
    const meaning = byCode[code] ?? (status === 401 ? credentials : status === 403 ? denied : undefined);
    if (meaning === undefined) {
        return new store_errors/* StoreError */.AD("STORE_FAILED", `${url}: the store failed to ${doing} (${code || "no code"}, HTTP ${status}).`, {
            hint: "Run again; if it stays, look for the code in the store's documentation.",
            cause,
        });
    }
    return new store_errors/* StoreError */.AD(meaning.code, `${url} ${meaning.sentence} (${doing}).`, {
        hint: meaning.hint,
        cause,
    });
}

// EXTERNAL MODULE: ./build/store/upload-parts.js
var upload_parts = __webpack_require__(2314);
;// CONCATENATED MODULE: ./build/store/azure-upload.js
/**
 * A block blob being built. Blocks are named after the upload and their number, so a second upload of the same key cannot
 * mix with it; they are invisible until the list of them is committed. Blocks that are never committed go away by
 * themselves after a week, and at once when the blob is written otherwise.
 */





const abortWithinMs = 30_000;
/** While it copies or joins, the service is silent for longer than an idle connection may be. */
const serviceAtWork = 4;
/** The service knows no uploads, only blocks of a blob that are not committed: the key says all. */
const uncommitted = "uncommitted";
function openAzureUpload(container, key, options, head) {
    const { copyFrom, signal } = options;
    const blob = container.blob(key);
    const id = (0,external_node_crypto_.randomUUID)();
    const ending = new AbortController();
    const stop = AbortSignal.any([signal, ending.signal]);
    const parts = [];
    const underWay = new Set();
    let open = true;
    const blockId = (number) => Buffer.from(`${id}-${String(number).padStart(6, "0")}`).toString("base64");
    const tracked = async (work) => {
        underWay.add(work);
        try {
            await work;
        }
        finally {
            underWay.delete(work);
        }
    };
    return {
        token: { key, id: uncommitted },
        // The service could check the source's etag; its client has no way to ask for it.
        copies: copyFrom === undefined ? "none" : "unbound",
        writePart: (place, bytes) => tracked(container.call(key, `write part ${place.number}`, stop, async (stop, progressed) => {
            await blob.stageBlock(blockId(place.number), bytes, bytes.length, {
                abortSignal: stop,
                onProgress: progressed,
                // The service compares it with what arrives.
                transactionalContentMD5: (0,external_node_crypto_.createHash)("md5").update(bytes).digest(),
            });
            parts.push({ ...place, size: bytes.length });
        })),
        copyPart: (place, range) => tracked(container.call(key, `copy part ${place.number}`, stop, async (stop) => {
            if (copyFrom === undefined)
                throw new store_errors/* StoreError */.AD("STORE_UNSUPPORTED", `${key}: nothing to copy from.`);
            const source = await container.sourceOf(copyFrom.key);
            await blob.stageBlockFromURL(blockId(place.number), source.url, range.offset, range.length, {
                abortSignal: stop,
                ...(source.authorization === undefined ? {} : { sourceAuthorization: source.authorization }),
            });
            parts.push({ ...place, size: range.length });
        }, serviceAtWork)),
        async complete() {
            (0,errors/* throwIfAborted */.Te)(stop);
            const size = (0,upload_parts/* assertPartsJoin */.R)(parts, container.urlOf(key));
            // Every write gives a blob a new etag, so the same one after the copies means that all came from that version.
            if (copyFrom !== undefined && (await head(copyFrom.key, stop))?.etag !== copyFrom.etag) {
                throw new store_errors/* ObjectChangedError */.__(container.urlOf(copyFrom.key));
            }
            const blocks = parts.toSorted((a, b) => a.number - b.number).map((part) => blockId(part.number));
            await container.call(key, "complete the upload", stop, async (stop) => {
                await blob.commitBlockList(blocks, {
                    abortSignal: stop,
                    ...(options.contentType === undefined
                        ? {}
                        : { blobHTTPHeaders: { blobContentType: options.contentType } }),
                });
            }, serviceAtWork);
            open = false;
            const info = await head(key, signal);
            if (info?.size === size)
                return info;
            throw new store_errors/* StoreError */.AD("STORE_MISMATCH", `${container.urlOf(key)} has ${info?.size ?? 0} bytes, ${size} were written.`, { hint: "Do not use this object; run again, and report it to whoever runs the store if it stays." });
        },
        async abort() {
            if (!open)
                return;
            open = false;
            ending.abort((0,store_errors/* uploadClosed */.SC)(container.urlOf(key)));
            await Promise.allSettled(underWay);
            await discardBlocks(container, key, AbortSignal.timeout(abortWithinMs));
        },
    };
}
/**
 * Blocks cannot be deleted, but committing a list without them drops them: an empty blob is made, if there is none, and
 * removed. Where there is one meanwhile, it is not ours to touch.
 */
async function discardBlocks(container, key, signal) {
    const blob = container.blob(key);
    await container.call(key, "take back an upload", signal, async (stop) => {
        try {
            const { etag } = await blob.commitBlockList([], {
                abortSignal: stop,
                conditions: { ifNoneMatch: "*" },
            });
            await blob.delete({
                abortSignal: stop,
                ...(etag === undefined ? {} : { conditions: { ifMatch: etag } }),
            });
        }
        catch (error) {
            if (![404, 409, 412].includes(readAzureFailure(error).status))
                throw error;
            if (readAzureFailure(error).code === "ContainerNotFound")
                throw error;
        }
    });
}

// EXTERNAL MODULE: ./build/store/chunks.js
var store_chunks = __webpack_require__(1218);
// EXTERNAL MODULE: ./build/store/limits.js
var store_limits = __webpack_require__(9644);
// EXTERNAL MODULE: ./build/store/object-info.js
var object_info = __webpack_require__(4832);
// EXTERNAL MODULE: ./build/store/ranged-read.js
var ranged_read = __webpack_require__(5932);
;// CONCATENATED MODULE: ./build/store/azure-store.js
/**
 * Azure Blob Storage. Parts are blocks, which may be of any size, so exactly what changed is sent; reused ranges are
 * copied by *Put Block From URL*. Conditions are part of the service and always enforced.
 */










const MiB = 1024 * 1024;
function openAzureStore(options) {
    const limits = options.limits ?? store_limits/* defaultLimits */.M;
    const container = openAzureContainer(options, options.access, limits);
    const head = (key, signal) => container.call(key, "look at", signal, async (stop) => {
        try {
            const found = await container.blob(key).getProperties({ abortSignal: stop });
            return (0,object_info/* objectInfo */._d)(key, found.contentLength ?? 0, found.etag, found.lastModified);
        }
        catch (error) {
            const { code, status } = readAzureFailure(error);
            if (status === 404 && code !== "ContainerNotFound")
                return undefined;
            throw error;
        }
    });
    const request = async (key, range, signal) => {
        const answer = await container.call(key, "read", signal, (stop) => container
            .blob(key)
            .download(range?.offset ?? 0, range?.length, { abortSignal: stop, maxRetryRequests: 0 }));
        const size = (0,object_info/* wholeSize */.J2)(answer.contentRange, answer.contentLength);
        return {
            info: (0,object_info/* objectInfo */._d)(key, size, answer.etag, answer.lastModified),
            body: answer.readableStreamBody,
        };
    };
    const stream = (key, options) => (0,ranged_read/* streamObject */.w)({ url: container.urlOf(key), limits, request: (range, signal) => request(key, range, signal) }, options);
    const put = async (key, bytes, { ifAbsent, ifMatch, contentType, signal }) => container.call(key, "write", signal, async (stop, progressed) => {
        try {
            const { etag } = await container.blob(key).upload(bytes, bytes.length, {
                abortSignal: stop,
                onProgress: progressed,
                blobHTTPHeaders: {
                    blobContentMD5: (0,external_node_crypto_.createHash)("md5").update(bytes).digest(),
                    ...(contentType === undefined ? {} : { blobContentType: contentType }),
                },
                conditions: {
                    ...(ifAbsent === true ? { ifNoneMatch: "*" } : {}),
                    ...(ifMatch === undefined ? {} : { ifMatch: (0,object_info/* quoted */.TL)(ifMatch) }),
                },
            });
            return (0,object_info/* objectInfo */._d)(key, bytes.length, etag, undefined);
        }
        catch (error) {
            const { code, status } = readAzureFailure(error);
            const lost = status === 412 ||
                code === "BlobAlreadyExists" ||
                (ifMatch !== undefined && code === "BlobNotFound");
            if (lost)
                throw new store_errors/* PreconditionFailedError */.k9(container.urlOf(key));
            throw error;
        }
    });
    async function* names(prefix, includeUncommitedBlobs, signal) {
        let token;
        do {
            const at = token;
            const page = await container.call("", "list", signal, async (stop) => {
                const pages = container.client
                    .listBlobsFlat({ prefix: container.start + prefix, includeUncommitedBlobs, abortSignal: stop })
                    .byPage({ maxPageSize: 1_000, ...(at === undefined ? {} : { continuationToken: at }) });
                return (await pages.next()).value;
            });
            for (const { name, properties } of page?.segment.blobItems ?? []) {
                const key = container.relative(name);
                if (key === undefined || !(0,keys/* isOwnKey */.Op)(key))
                    continue;
                yield (0,object_info/* objectInfo */._d)(key, properties.contentLength ?? 0, properties.etag, properties.lastModified);
            }
            token = page?.continuationToken === "" ? undefined : page?.continuationToken;
        } while (token !== undefined);
    }
    return {
        url: container.url,
        capabilities: { conditionalWrites: true, copyRange: true, readOnly: false },
        partLimits: { minPartSizeBytes: 1, maxPartSizeBytes: 4_000 * MiB, maxParts: 50_000 },
        head,
        stream,
        async get(key, options) {
            const { chunks, info } = await stream(key, options);
            return { bytes: await (0,store_chunks/* collect */.F)(chunks), info };
        },
        put,
        list: (prefix, signal) => names(prefix, false, signal),
        delete: (key, signal) => container.call(key, "delete", signal, async (stop) => {
            try {
                await container.blob(key).delete({ abortSignal: stop });
            }
            catch (error) {
                if (readAzureFailure(error).code !== "BlobNotFound")
                    throw error;
            }
        }),
        async openUpload(key, options) {
            // Asks nothing of the service, and has to fail like the other stores when the run is over.
            (0,errors/* throwIfAborted */.Te)(options.signal);
            return openAzureUpload(container, key, options, head);
        },
        abortUpload: (token, signal) => discardBlocks(container, token.key, signal),
        async *listUploads(prefix, signal) {
            const committed = new Set();
            for await (const { key } of names(prefix, false, signal))
                committed.add(key);
            for await (const { key, modifiedAt } of names(prefix, true, signal)) {
                if (!committed.has(key))
                    yield { token: { key, id: uncommitted }, startedAt: modifiedAt };
            }
        },
        async probeWritable(signal) {
            const probe = container.scratch();
            await container.call("", "write", signal, async (stop) => {
                await probe.upload("probe\n", 6, { abortSignal: stop });
                await probe.delete({ abortSignal: stop });
            });
            for await (const _ of names("probe", false, signal))
                break;
        },
        urlOf: (key) => container.urlOf(key),
        async close() {
            // The client keeps nothing but pooled sockets, which end by themselves.
        },
    };
}


/***/ }),

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


/***/ }),

/***/ 2314:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __webpack_require__) => {

/* harmony export */ __webpack_require__.d(__webpack_exports__, {
/* harmony export */   R: () => (/* binding */ assertPartsJoin)
/* harmony export */ });
/* harmony import */ var _errors_js__WEBPACK_IMPORTED_MODULE_0__ = __webpack_require__(9575);
/** The parts of one upload, looked at as a whole before it is completed. */

/**
 * The parts in order of their numbers must tile the object from its first byte, whatever order they came in. Returns the
 * object's size; STORE_MISMATCH names the first place that does not fit.
 */
function assertPartsJoin(parts, place) {
    let end = 0;
    let previous = 0;
    for (const part of parts.toSorted((a, b) => a.number - b.number)) {
        if (part.number === previous || part.offset !== end) {
            throw new _errors_js__WEBPACK_IMPORTED_MODULE_0__/* .StoreError */ .AD("STORE_MISMATCH", `${place}: part ${part.number} begins at byte ${part.offset}, but byte ${end} comes next.`);
        }
        previous = part.number;
        end += part.size;
    }
    return end;
}


/***/ })

};
