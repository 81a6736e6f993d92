export const id = 929;
export const ids = [929];
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

/***/ 7929:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __webpack_require__) => {

// ESM COMPAT FLAG
__webpack_require__.r(__webpack_exports__);

// EXPORTS
__webpack_require__.d(__webpack_exports__, {
  openS3Store: () => (/* binding */ openS3Store)
});

// EXTERNAL MODULE: ./node_modules/@aws-sdk/client-s3/dist-cjs/index.js
var dist_cjs = __webpack_require__(3711);
// EXTERNAL MODULE: ./build/store/chunks.js
var store_chunks = __webpack_require__(1218);
// EXTERNAL MODULE: ./build/store/errors.js
var errors = __webpack_require__(9575);
// EXTERNAL MODULE: ./build/store/keys.js
var keys = __webpack_require__(1928);
// EXTERNAL MODULE: ./build/store/object-info.js
var object_info = __webpack_require__(4832);
// EXTERNAL MODULE: ./build/store/ranged-read.js
var ranged_read = __webpack_require__(5932);
// EXTERNAL MODULE: external "node:crypto"
var external_node_crypto_ = __webpack_require__(7598);
// EXTERNAL MODULE: ./build/errors.js
var build_errors = __webpack_require__(9473);
;// CONCATENATED MODULE: ./build/store/s3-errors.js
/**
 * What an S3 store or the way to it answers, as the store's own errors: by the code the store gives, the HTTP status and
 * the system's errno, never by text. Nothing of the request goes along, so no key or signature can reach a log.
 */


function readFailure(error) {
    const { name, $metadata, code, Code } = error;
    return {
        name: typeof Code === "string" ? Code : String(name),
        status: $metadata?.httpStatusCode,
        errno: typeof code === "string" ? code : undefined,
        attempts: $metadata?.attempts ?? 1,
    };
}
/** The store says that another version, or none, is there than the request was bound to. */
function isPreconditionFailure(failure) {
    return failure.status === 412 || failure.status === 409;
}
/** The bytes were damaged on the way to the store; sent again, they arrive. The SDK takes these for final. */
function wasDamagedOnTheWay(failure) {
    return failure.name === "XAmzContentSHA256Mismatch" || failure.name === "BadDigest";
}
const credentials = {
    code: "STORE_CREDENTIALS",
    sentence: "does not accept the credentials",
    hint: "Check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the role the job assumes; a session may have expired.",
};
const noCredentials = {
    code: "STORE_CREDENTIALS",
    sentence: "cannot be asked: no credentials were found",
    hint: "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or assume a role (aws-actions/configure-aws-credentials) before this step.",
};
const denied = {
    code: "STORE_DENIED",
    sentence: "does not allow this with these credentials",
    hint: "Give the identity the rights listed under “Permissions” in the README, for the bucket and for bucket/prefix/*.",
};
const noBucket = {
    code: "STORE_NOT_FOUND",
    sentence: "cannot be used: the bucket does not exist",
    hint: "Create the bucket, or correct its name in `storage` (and `s3-endpoint`).",
};
const region = {
    code: "STORE_REGION",
    sentence: "is in another region",
    hint: "Set `s3-region` to the bucket's region.",
};
const clock = {
    code: "STORE_CLOCK",
    sentence: "refuses the request because this host's clock is wrong",
    hint: "Set the clock (NTP); a difference of 15 minutes is the most a store allows.",
};
const full = {
    code: "STORE_FULL",
    sentence: "has no room left or has reached its quota",
    hint: "Raise the quota, or remove old snapshots (`command: prune`).",
};
const unreachable = {
    code: "STORE_UNREACHABLE",
    sentence: "cannot be reached",
    hint: "Check `s3-endpoint`, DNS, the proxy and the firewall between this host and the store.",
};
const stalled = {
    code: "STORE_STALLED",
    sentence: "stopped answering",
    hint: "Check the store's health and the network to it, then run again.",
};
const unsupported = {
    code: "STORE_UNSUPPORTED",
    sentence: "does not know this request",
    hint: "See docs/stores.md for what a store has to be able to do.",
};
const tooShort = {
    code: "STORE_MISMATCH",
    sentence: "ends before the range that was asked for",
    hint: "The object is damaged or is not what its index says; verify the snapshot.",
};
const byName = {
    InvalidAccessKeyId: credentials,
    SignatureDoesNotMatch: credentials,
    InvalidToken: credentials,
    ExpiredToken: credentials,
    ExpiredTokenException: credentials,
    InvalidSecurity: credentials,
    CredentialsProviderError: noCredentials,
    TokenProviderError: noCredentials,
    AccessDenied: denied,
    AllAccessDisabled: denied,
    AccountProblem: denied,
    NoSuchBucket: noBucket,
    InvalidBucketName: noBucket,
    PermanentRedirect: region,
    AuthorizationHeaderMalformed: region,
    IllegalLocationConstraintException: region,
    RequestTimeTooSkewed: clock,
    RequestExpired: clock,
    QuotaExceeded: full,
    EntityTooLarge: full,
    TooManyParts: full,
    NotImplemented: unsupported,
    TimeoutError: stalled,
};
const byErrno = {
    ENOTFOUND: unreachable,
    EAI_AGAIN: unreachable,
    ECONNREFUSED: unreachable,
    EHOSTUNREACH: unreachable,
    ENETUNREACH: unreachable,
    ECONNRESET: stalled,
    EPIPE: stalled,
    ETIMEDOUT: stalled,
    DEPTH_ZERO_SELF_SIGNED_CERT: unreachable,
    SELF_SIGNED_CERT_IN_CHAIN: unreachable,
    UNABLE_TO_VERIFY_LEAF_SIGNATURE: unreachable,
    ERR_TLS_CERT_ALTNAME_INVALID: unreachable,
    CERT_HAS_EXPIRED: unreachable,
    EPROTO: unreachable,
};
const byStatus = {
    301: region,
    401: credentials,
    403: denied,
    413: full,
    416: tooShort,
    501: unsupported,
    507: full,
};
/** The error to throw instead of `error`. `url` names what was asked for, `doing` the operation, for the message. */
function explainS3Error(error, url, doing, signal) {
    (0,build_errors/* throwIfAborted */.Te)(signal);
    if ((0,errors/* isPortError */.q)(error))
        return error;
    const failure = readFailure(error);
    const cause = causeOf(error, failure);
    if (failure.name === "NoSuchKey")
        return new errors/* ObjectNotFoundError */.d_(url, cause);
    const meaning = (failure.errno === undefined ? undefined : byErrno[failure.errno]) ??
        byName[failure.name] ??
        (failure.status === undefined ? undefined : byStatus[failure.status]);
    if (meaning === undefined) {
        const said = failure.status === undefined ? failure.name : `${failure.name}, HTTP ${failure.status}`;
        return new errors/* StoreError */.AD("STORE_FAILED", `${url}: the store failed to ${doing} (${said}).`, {
            hint: "Run again; if it stays, look for the code in the store's documentation.",
            cause,
        });
    }
    return new errors/* StoreError */.AD(meaning.code, `${url} ${meaning.sentence} (${doing}).`, {
        hint: meaning.hint,
        cause,
    });
}
/** A plain error with the store's words, but for anything in it that looks like an access key. */
function causeOf(error, failure) {
    const said = error instanceof Error ? error.message : String(error);
    const cause = new Error(said.replaceAll(/\b[A-Z0-9]{20}\b/gu, "***").slice(0, 500));
    cause.name = failure.errno ?? failure.name;
    return cause;
}

;// CONCATENATED MODULE: ./build/store/s3-bucket.js
/** One bucket and prefix behind one client: what every S3 request of this room has in common. */




const damagedAttempts = 3;
function createS3Bucket(client, location, options) {
    const prefix = (0,keys/* trimPrefix */.Jo)(location.prefix);
    const start = prefix === "" ? "" : `${prefix}/`;
    const url = `${location.scheme}://${location.bucket}${prefix === "" ? "" : `/${prefix}`}`;
    const urlOf = (key) => (key === "" ? url : `${url}/${key}`);
    return {
        client,
        name: location.bucket,
        url,
        start,
        scratch: () => `${start}.probe-${(0,external_node_crypto_.randomUUID)()}`,
        full(key) {
            (0,keys/* assertKey */.sM)(key);
            return start + key;
        },
        relative: (fullKey) => (fullKey.startsWith(start) ? fullKey.slice(start.length) : undefined),
        urlOf,
        creation: creationOf(options),
        async call(key, doing, signal, request) {
            for (let attempt = 1;; attempt += 1) {
                (0,build_errors/* throwIfAborted */.Te)(signal);
                try {
                    return await request();
                }
                catch (error) {
                    if (attempt < damagedAttempts && !signal.aborted && wasDamagedOnTheWay(readFailure(error)))
                        continue;
                    throw explainS3Error(error, urlOf(key), doing, signal);
                }
            }
        },
    };
}
function creationOf(options) {
    const [, algorithm, kmsKey] = /^(AES256|aws:kms)(?::(.+))?$/u.exec(options.sse ?? "") ?? [];
    return {
        // The SDK's type lists the classes it knows; compatible stores have their own.
        ...(options.storageClass === "STANDARD" ? {} : { StorageClass: options.storageClass }),
        ...(algorithm === undefined ? {} : { ServerSideEncryption: algorithm }),
        ...(kmsKey === undefined ? {} : { SSEKMSKeyId: kmsKey }),
    };
}

// EXTERNAL MODULE: ./build/store/limits.js
var store_limits = __webpack_require__(9644);
;// CONCATENATED MODULE: ./build/store/s3-conditions.js
/**
 * Conditional writes. AWS, R2, GCS, MinIO and Ceph 20 enforce them; Ceph 18 and 16 answer 412 even to the right etag, and
 * others ignore the header. What this store does is tried once on a scratch object; where it does not enforce a
 * condition, it is looked at before the write, which leaves a gap the caller can read in `capabilities`.
 */



async function probeConditions(bucket, signal) {
    const target = { Bucket: bucket.name, Key: bucket.scratch() };
    const write = async (condition) => {
        try {
            const answer = await bucket.client.send(new dist_cjs/* PutObjectCommand */.wKZ({ ...target, Body: Buffer.from("probe\n"), ...bucket.creation, ...condition }), { abortSignal: signal });
            return { done: true, etag: (0,object_info/* plainEtag */.Q8)(answer.ETag) };
        }
        catch (error) {
            const failure = readFailure(error);
            if (isPreconditionFailure(failure) || [400, 404, 405, 501].includes(failure.status ?? 0)) {
                if (failure.name !== "NoSuchBucket")
                    return { done: false, etag: undefined };
            }
            throw error;
        }
    };
    return bucket.call("", "write", signal, async () => {
        // Plain first: a missing bucket or right must show as such and not as a missing ability.
        const { etag } = await write({});
        try {
            const remade = await write({ IfNoneMatch: "*" });
            const right = etag === undefined ? undefined : await write({ IfMatch: (0,object_info/* quoted */.TL)(etag) });
            const wrong = await write({ IfMatch: (0,object_info/* quoted */.TL)("00000000000000000000000000000000") });
            await bucket.client.send(new dist_cjs/* DeleteObjectCommand */.k4j(target), { abortSignal: signal });
            const made = await write({ IfNoneMatch: "*" });
            return { ifAbsent: made.done && !remade.done, ifMatch: right?.done === true && !wrong.done };
        }
        finally {
            await bucket.client.send(new dist_cjs/* DeleteObjectCommand */.k4j(target), { abortSignal: AbortSignal.timeout(30_000) });
        }
    });
}

// EXTERNAL MODULE: ./build/store/upload-parts.js
var upload_parts = __webpack_require__(2314);
;// CONCATENATED MODULE: ./build/store/s3-upload.js
/**
 * A multipart upload. Stores differ in what a copied part checks (Ceph 20 ignores the source's etag, some stores cannot
 * copy ranges at all), so that is tried once per store, on a scratch upload, before anybody relies on it.
 */






/** Giving back what an upload holds is tried for this long, also when the run itself was cancelled. */
const abortWithinMs = 30_000;
/** `fullKey` is the key in the bucket: the scratch upload of `probeCopies` has one no caller may use. */
async function begin(bucket, key, fullKey, contentType, signal) {
    const answer = await bucket.call(key, "begin an upload", signal, () => bucket.client.send(new dist_cjs/* CreateMultipartUploadCommand */.nG4({
        Bucket: bucket.name,
        Key: fullKey,
        ...(contentType === undefined ? {} : { ContentType: contentType }),
        ...bucket.creation,
    }), { abortSignal: signal }));
    if (answer.UploadId !== undefined)
        return answer.UploadId;
    throw new errors/* StoreError */.AD("STORE_UNSUPPORTED", `${bucket.urlOf(key)}: the store began an upload without an id.`);
}
async function abortS3Upload(bucket, token, fullKey, signal) {
    await bucket.call(token.key, "abort an upload", signal, async () => {
        try {
            await bucket.client.send(new dist_cjs/* AbortMultipartUploadCommand */.tfP({ Bucket: bucket.name, Key: fullKey, UploadId: token.id }), { abortSignal: signal });
        }
        catch (error) {
            if (readFailure(error).name !== "NoSuchUpload")
                throw error;
        }
    });
}
function copyCommand(bucket, upload, source, range) {
    const path = [bucket.name, ...bucket.full(source.key).split("/")].map(encodeURIComponent).join("/");
    return new dist_cjs/* UploadPartCopyCommand */.Xp2({
        Bucket: bucket.name,
        Key: upload.fullKey,
        UploadId: upload.id,
        PartNumber: upload.number,
        CopySource: path,
        CopySourceIfMatch: (0,object_info/* quoted */.TL)(source.etag),
        CopySourceRange: `bytes=${range.offset}-${range.offset + range.length - 1}`,
    });
}
/** Tries one byte with the right etag and with a wrong one. */
async function probeCopies(bucket, source, signal) {
    const fullKey = bucket.scratch();
    const id = await begin(bucket, source.key, fullKey, undefined, signal);
    const tryCopy = async (number, etag) => {
        try {
            const command = copyCommand(bucket, { fullKey, id, number }, { ...source, etag }, { offset: 0, length: 1 });
            await bucket.client.send(command, { abortSignal: signal });
            return "done";
        }
        catch (error) {
            const failure = readFailure(error);
            if (isPreconditionFailure(failure))
                return "refused";
            // 400, 405 and 501 are what stores say to a request they do not have.
            if ([400, 405, 501].includes(failure.status ?? 0))
                return "unknown";
            throw error;
        }
    };
    try {
        return await bucket.call(source.key, "copy a range", signal, async () => {
            if ((await tryCopy(1, source.etag)) !== "done")
                return "none";
            return (await tryCopy(2, "00000000000000000000000000000000")) === "refused" ? "bound" : "unbound";
        });
    }
    finally {
        await abortS3Upload(bucket, { key: source.key, id }, fullKey, AbortSignal.timeout(abortWithinMs));
    }
}
async function openS3Upload(bucket, key, options, copies) {
    const { copyFrom, signal } = options;
    const fullKey = bucket.full(key);
    const id = await begin(bucket, key, fullKey, options.contentType, signal);
    const ending = new AbortController();
    const stop = AbortSignal.any([signal, ending.signal]);
    const parts = [];
    const underWay = new Set();
    let open = true;
    /** Parts still on their way when an upload is aborted would stay behind in the store: abort waits for them. */
    const tracked = async (work) => {
        underWay.add(work);
        try {
            return await work;
        }
        finally {
            underWay.delete(work);
        }
    };
    const headOf = async (what) => {
        const answer = await bucket.call(what, "look at", stop, () => bucket.client.send(new dist_cjs/* HeadObjectCommand */.l81({ Bucket: bucket.name, Key: bucket.full(what) }), {
            abortSignal: stop,
        }));
        return (0,object_info/* objectInfo */._d)(what, answer.ContentLength ?? 0, answer.ETag, answer.LastModified);
    };
    const finish = async () => {
        const list = parts.toSorted((a, b) => a.number - b.number);
        try {
            await bucket.client.send(new dist_cjs/* CompleteMultipartUploadCommand */.Gym({
                Bucket: bucket.name,
                Key: fullKey,
                UploadId: id,
                MultipartUpload: {
                    Parts: list.map((part) => ({ PartNumber: part.number, ETag: (0,object_info/* quoted */.TL)(part.etag ?? "") })),
                },
            }), { abortSignal: stop });
        }
        catch (error) {
            // The answer to an earlier attempt was lost and the upload is complete: the look at the object tells.
            const failure = readFailure(error);
            if (failure.name !== "NoSuchUpload" || failure.attempts < 2)
                throw error;
        }
    };
    return {
        token: { key, id },
        copies: copyFrom === undefined ? "none" : copies,
        writePart: (place, bytes) => tracked(bucket.call(key, `write part ${place.number}`, stop, async () => {
            const answer = await bucket.client.send(new dist_cjs/* UploadPartCommand */.iVK({
                Bucket: bucket.name,
                Key: fullKey,
                UploadId: id,
                PartNumber: place.number,
                Body: bytes,
                ContentLength: bytes.length,
            }), { abortSignal: stop });
            parts.push({ ...place, size: bytes.length, etag: (0,object_info/* plainEtag */.Q8)(answer.ETag) });
        })),
        copyPart: (place, range) => tracked(bucket.call(key, `copy part ${place.number}`, stop, async () => {
            if (copyFrom === undefined || copies === "none") {
                throw new errors/* StoreError */.AD("STORE_UNSUPPORTED", `${bucket.url} cannot copy ranges.`);
            }
            try {
                const command = copyCommand(bucket, { fullKey, id, number: place.number }, copyFrom, range);
                const answer = await bucket.client.send(command, { abortSignal: stop });
                parts.push({ ...place, size: range.length, etag: (0,object_info/* plainEtag */.Q8)(answer.CopyPartResult?.ETag) });
            }
            catch (error) {
                if (!isPreconditionFailure(readFailure(error)))
                    throw error;
                throw new errors/* ObjectChangedError */.__(bucket.urlOf(copyFrom.key));
            }
        })),
        async complete() {
            (0,build_errors/* throwIfAborted */.Te)(stop);
            const size = (0,upload_parts/* assertPartsJoin */.R)(parts, bucket.urlOf(key));
            if (copyFrom !== undefined && copies === "unbound") {
                const source = await headOf(copyFrom.key);
                if (source.etag !== copyFrom.etag)
                    throw new errors/* ObjectChangedError */.__(bucket.urlOf(copyFrom.key));
            }
            await bucket.call(key, "complete the upload", stop, finish);
            open = false;
            // Some stores complete with an empty etag or size: only the object itself says what it is.
            const info = await headOf(key);
            if (info.size === size)
                return info;
            throw new errors/* StoreError */.AD("STORE_MISMATCH", `${bucket.urlOf(key)} has ${info.size} bytes, ${size} were written.`, { hint: "Do not use this object; run again, and report it to whoever runs the store if it stays." });
        },
        async abort() {
            if (!open)
                return;
            open = false;
            ending.abort((0,errors/* uploadClosed */.SC)(bucket.urlOf(key)));
            await Promise.allSettled(underWay);
            await abortS3Upload(bucket, { key, id }, fullKey, AbortSignal.timeout(abortWithinMs));
        },
    };
}

;// CONCATENATED MODULE: ./build/store/s3-store.js
/** S3 and what speaks its protocol. Writes use conditions where the store proves that it keeps them. */











const MiB = 1024 * 1024;
/** Takes over the client: `close` destroys it. */
function openS3Store(client, options) {
    const limits = options.limits ?? store_limits/* defaultLimits */.M;
    const bucket = createS3Bucket(client, options, options.s3);
    // Asked of the store at most once at a time; a failure to find out is asked again.
    let conditions;
    let copies;
    const learnConditions = async (signal) => (conditions ??= await probeConditions(bucket, signal));
    const head = (key, signal) => bucket.call(key, "look at", signal, async () => {
        try {
            const answer = await client.send(new dist_cjs/* HeadObjectCommand */.l81({ Bucket: bucket.name, Key: bucket.full(key) }), { abortSignal: signal });
            return (0,object_info/* objectInfo */._d)(key, answer.ContentLength ?? 0, answer.ETag, answer.LastModified);
        }
        catch (error) {
            if (readFailure(error).status === 404)
                return undefined;
            throw error;
        }
    });
    const stream = (key, options) => (0,ranged_read/* streamObject */.w)({ url: bucket.urlOf(key), limits, request: (range, signal) => request(bucket, key, range, signal) }, options);
    const list = async function* (prefix, signal) {
        let token;
        do {
            const page = await bucket.call("", "list", signal, () => client.send(new dist_cjs/* ListObjectsV2Command */.u6x({
                Bucket: bucket.name,
                Prefix: bucket.start + prefix,
                ...(token === undefined ? {} : { ContinuationToken: token }),
            }), { abortSignal: signal }));
            for (const item of page.Contents ?? []) {
                const key = bucket.relative(item.Key ?? "");
                if (key !== undefined && (0,keys/* isOwnKey */.Op)(key))
                    yield (0,object_info/* objectInfo */._d)(key, item.Size ?? 0, item.ETag, item.LastModified);
            }
            token = page.IsTruncated === true ? page.NextContinuationToken : undefined;
        } while (token !== undefined);
    };
    return {
        url: bucket.url,
        get capabilities() {
            return {
                conditionalWrites: conditions?.ifAbsent === true && conditions.ifMatch,
                copyRange: copies !== "none",
                readOnly: false,
            };
        },
        partLimits: {
            minPartSizeBytes: 5 * MiB,
            maxPartSizeBytes: 5 * 1024 * MiB,
            maxParts: options.s3.maxParts,
        },
        head,
        stream,
        async get(key, options) {
            const { chunks, info } = await stream(key, options);
            return { bytes: await (0,store_chunks/* collect */.F)(chunks), info };
        },
        async put(key, bytes, options) {
            const enforced = isConditional(options) ? await learnConditions(options.signal) : undefined;
            return putObject(bucket, key, bytes, options, enforced, () => head(key, options.signal));
        },
        list,
        delete: (key, signal) => bucket.call(key, "delete", signal, async () => {
            await client.send(new dist_cjs/* DeleteObjectCommand */.k4j({ Bucket: bucket.name, Key: bucket.full(key) }), {
                abortSignal: signal,
            });
        }),
        async openUpload(key, options) {
            if (options.copyFrom !== undefined)
                copies ??= await probeCopies(bucket, options.copyFrom, options.signal);
            return openS3Upload(bucket, key, options, copies ?? "none");
        },
        abortUpload: (token, signal) => abortS3Upload(bucket, token, bucket.full(token.key), signal),
        async *listUploads(prefix, signal) {
            let from = {};
            while (from !== undefined) {
                const command = new dist_cjs/* ListMultipartUploadsCommand */.mo2({
                    Bucket: bucket.name,
                    Prefix: bucket.start + prefix,
                    ...from,
                });
                const page = await bucket.call("", "list uploads", signal, () => client.send(command, { abortSignal: signal }));
                for (const { Key, UploadId, Initiated } of page.Uploads ?? []) {
                    const key = bucket.relative(Key ?? "");
                    if (key === undefined || !(0,keys/* isOwnKey */.Op)(key) || UploadId === undefined)
                        continue;
                    yield { token: { key, id: UploadId }, startedAt: Initiated };
                }
                from =
                    page.IsTruncated === true
                        ? { KeyMarker: page.NextKeyMarker, UploadIdMarker: page.NextUploadIdMarker }
                        : undefined;
            }
        },
        async probeWritable(signal) {
            conditions = await probeConditions(bucket, signal);
            const upload = await openS3Upload(bucket, "probe", { signal }, "none");
            await upload.abort();
            for await (const _ of list("probe", signal))
                break;
        },
        urlOf: (key) => bucket.urlOf(key),
        async close() {
            client.destroy();
        },
    };
}
async function request(bucket, key, range, signal) {
    const answer = await bucket.call(key, "read", signal, () => bucket.client.send(new dist_cjs/* GetObjectCommand */.jLs({
        Bucket: bucket.name,
        Key: bucket.full(key),
        ...(range === undefined ? {} : { Range: `bytes=${range.offset}-${range.offset + range.length - 1}` }),
    }), { abortSignal: signal }));
    const size = (0,object_info/* wholeSize */.J2)(answer.ContentRange, answer.ContentLength);
    return { info: (0,object_info/* objectInfo */._d)(key, size, answer.ETag, answer.LastModified), body: answer.Body };
}
function isConditional(options) {
    return options.ifAbsent === true || options.ifMatch !== undefined;
}
async function putObject(bucket, key, bytes, options, enforced, head) {
    const { signal } = options;
    const condition = {};
    if (options.ifAbsent === true) {
        if (enforced?.ifAbsent === true)
            condition.IfNoneMatch = "*";
        else if ((await head()) !== undefined)
            throw new errors/* PreconditionFailedError */.k9(bucket.urlOf(key));
    }
    if (options.ifMatch !== undefined) {
        if (enforced?.ifMatch === true)
            condition.IfMatch = (0,object_info/* quoted */.TL)(options.ifMatch);
        else if ((await head())?.etag !== options.ifMatch)
            throw new errors/* PreconditionFailedError */.k9(bucket.urlOf(key));
    }
    return bucket.call(key, "write", signal, async () => {
        try {
            const answer = await bucket.client.send(new dist_cjs/* PutObjectCommand */.wKZ({
                Bucket: bucket.name,
                Key: bucket.full(key),
                Body: bytes,
                ContentLength: bytes.length,
                ...(options.contentType === undefined ? {} : { ContentType: options.contentType }),
                ...bucket.creation,
                ...condition,
            }), { abortSignal: signal });
            return (0,object_info/* objectInfo */._d)(key, bytes.length, answer.ETag, undefined);
        }
        catch (error) {
            const failure = readFailure(error);
            const lost = isPreconditionFailure(failure) || (options.ifMatch !== undefined && failure.name === "NoSuchKey");
            if (!lost)
                throw error;
            // An earlier attempt may have written it with its answer lost; then what stands there are our own bytes.
            const own = failure.attempts > 1 ? await readIfEqual(bucket, key, bytes, signal) : undefined;
            if (own !== undefined)
                return own;
            throw new errors/* PreconditionFailedError */.k9(bucket.urlOf(key));
        }
    });
}
async function readIfEqual(bucket, key, bytes, signal) {
    const { info, body } = await request(bucket, key, undefined, signal);
    const stands = await (0,store_chunks/* collect */.F)(body);
    return stands.equals(bytes) ? info : undefined;
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
