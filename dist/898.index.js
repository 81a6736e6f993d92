export const id = 898;
export const ids = [898];
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

/***/ 898:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __webpack_require__) => {


// EXPORTS
__webpack_require__.d(__webpack_exports__, {
  openFileStore: () => (/* binding */ openFileStore)
});

// EXTERNAL MODULE: external "node:crypto"
var external_node_crypto_ = __webpack_require__(7598);
// EXTERNAL MODULE: external "node:fs/promises"
var promises_ = __webpack_require__(1455);
// EXTERNAL MODULE: external "node:path"
var external_node_path_ = __webpack_require__(6760);
// EXTERNAL MODULE: external "node:url"
var external_node_url_ = __webpack_require__(3136);
// EXTERNAL MODULE: ./build/errors.js
var errors = __webpack_require__(9473);
// EXTERNAL MODULE: external "node:child_process"
var external_node_child_process_ = __webpack_require__(1421);
;// CONCATENATED MODULE: ./build/system/file-lock.js
/**
 * A lock between processes (and, on network file systems that pass locks on, between hosts) that needs no judgement of
 * who is still alive: the kernel's own `flock`, held by a child that ends when its input closes. However this process
 * dies, the pipe closes and the lock is free; the lock file itself means nothing and stays where it is.
 */


/** Runs `work` while `file` (made if missing) is locked. LOCK_TIMEOUT, LOCK_UNAVAILABLE. */
async function withFileLock(file, options, work) {
    (0,errors/* throwIfAborted */.Te)(options.signal);
    // Only -x, which busybox has too; the child says it holds the lock by one empty line.
    const child = (0,external_node_child_process_.spawn)("flock", ["-x", file, "sh", "-c", "echo; exec cat >/dev/null"], {
        stdio: ["pipe", "pipe", "pipe"],
    });
    // The child may be gone before its input is closed; there is nothing to say then.
    child.stdin.on("error", () => undefined);
    const ended = new Promise((resolve) => child.once("close", () => resolve()));
    try {
        await acquired(child, file, options);
        return await work();
    }
    finally {
        child.stdin.end();
        if (child.exitCode === null && child.pid !== undefined)
            await ended;
    }
}
async function acquired(child, file, options) {
    let said = "";
    child.stderr?.setEncoding("utf8").on("data", (text) => (said = (said + text).slice(-500)));
    let giveUp = () => undefined;
    const onAbort = () => giveUp(options.signal.reason);
    const timer = setTimeout(() => giveUp(new errors/* ActionError */.lZ("LOCK_TIMEOUT", `${file} was locked for ${options.timeoutMs / 1000} s.`, {
        hint: "Another run seems to be stuck on this host or another one that shares the directory; see what holds the file (fuser, lslocks).",
    })), options.timeoutMs);
    options.signal.addEventListener("abort", onAbort, { once: true });
    try {
        await new Promise((resolve, reject) => {
            giveUp = reject;
            child.stdout?.once("data", () => resolve());
            child.once("error", (cause) => reject(unavailable(file, "flock cannot be run", cause)));
            child.once("close", () => reject(unavailable(file, said.trim() || "flock ended at once")));
        });
    }
    catch (error) {
        child.kill("SIGTERM");
        (0,errors/* throwIfAborted */.Te)(options.signal);
        throw error;
    }
    finally {
        clearTimeout(timer);
        options.signal.removeEventListener("abort", onAbort);
    }
}
function unavailable(file, why, cause) {
    return new errors/* ActionError */.lZ("LOCK_UNAVAILABLE", `${file} cannot be locked: ${why}.`, {
        hint: "The directory must be writable, its file system must know flock (NFS: with its lock service), and the command flock (util-linux) must be installed.",
        ...(cause === undefined ? {} : { cause }),
    });
}

// EXTERNAL MODULE: ./build/store/chunks.js
var store_chunks = __webpack_require__(1218);
// EXTERNAL MODULE: ./build/store/errors.js
var store_errors = __webpack_require__(9575);
;// CONCATENATED MODULE: ./build/store/file-errors.js
/** What the operating system says about a directory, as the store's own errors. By errno alone. */

const readOnly = {
    code: "STORE_READ_ONLY",
    sentence: "is on a file system that is mounted read-only",
    hint: "Remount it writable or choose another directory.",
};
const full = {
    code: "STORE_FULL",
    sentence: "has no room left",
    hint: "Free some space, or remove old snapshots (`command: prune`).",
};
const denied = {
    code: "STORE_DENIED",
    sentence: "may not be used by this user",
    hint: "Give the runner's user read and write access to the directory and everything below it.",
};
const missing = {
    code: "STORE_NOT_FOUND",
    sentence: "does not exist or is no directory",
    hint: "Create it, or mount what should be there; only the last component is made by itself.",
};
const meanings = {
    ENOSPC: full,
    EDQUOT: { ...full, sentence: "has reached its quota" },
    EFBIG: {
        code: "STORE_FULL",
        sentence: "does not take files this large",
        hint: "Use a file system (and a limit, `ulimit -f`) without that bound.",
    },
    EROFS: readOnly,
    EACCES: denied,
    EPERM: denied,
    ENOENT: missing,
    ENOTDIR: missing,
};
/** `place` is the path a person knows. What is already an error of the program passes through. */
function explainFileError(error, place) {
    if ((0,store_errors/* isPortError */.q)(error) || !(error instanceof Error) || !("code" in error))
        return error;
    const meaning = meanings[String(error.code)];
    if (meaning === undefined) {
        return new store_errors/* StoreError */.AD("STORE_FAILED", `${place} cannot be used: ${error.message}.`, { cause: error });
    }
    return new store_errors/* StoreError */.AD(meaning.code, `${place} ${meaning.sentence}.`, { hint: meaning.hint, cause: error });
}
async function explained(place, work) {
    try {
        return await work();
    }
    catch (error) {
        throw explainFileError(error, place);
    }
}

;// CONCATENATED MODULE: ./build/store/file-version.js
/**
 * Which version of a file one is looking at. Small files (what is ever replaced by compare-and-swap) are known by their
 * bytes; large ones, which are written once and renamed into place, by inode, size and modification time.
 */

const hashedUpToBytes = 16 * 1024 * 1024;
async function etagOf(file, stat) {
    if (stat.size > BigInt(hashedUpToBytes))
        return `${stat.ino}-${stat.size}-${stat.mtimeNs}`;
    const hash = (0,external_node_crypto_.createHash)("sha256");
    for await (const chunk of readRange(file, 0, Number(stat.size)))
        hash.update(chunk);
    return hash.digest("hex");
}
/** Whether a file was written to between two looks at its handle. */
function sameContents(a, b) {
    return a.ino === b.ino && a.size === b.size && a.mtimeNs === b.mtimeNs;
}
const chunkBytes = 1024 * 1024;
/** The bytes [offset, offset + length), fewer where the file ends before; each chunk is the caller's own. */
async function* readRange(file, offset, length) {
    let at = offset;
    const end = offset + length;
    while (at < end) {
        const buffer = Buffer.allocUnsafe(Math.min(chunkBytes, end - at));
        const { bytesRead } = await file.read(buffer, 0, buffer.length, at);
        if (bytesRead === 0)
            return;
        at += bytesRead;
        yield buffer.subarray(0, bytesRead);
    }
}

// EXTERNAL MODULE: ./build/store/upload-parts.js
var upload_parts = __webpack_require__(2314);
;// CONCATENATED MODULE: ./build/store/file-upload.js







/** Dirty pages are pushed to the disk in the background whenever so much has gathered, so the end does not stall. */
const syncEveryBytes = 128 * 1024 * 1024;
/** Takes over both file handles. */
async function beginFileUpload(file, options) {
    const { signal, copySource } = options;
    const sourceStat = await copySource?.file.stat({ bigint: true });
    const parts = [];
    let unsyncedBytes = 0;
    let syncing;
    let syncError;
    let isOpen = true;
    const release = async () => {
        isOpen = false;
        await syncing;
        await copySource?.file.close();
        await file.close();
    };
    const assertOpen = () => {
        (0,errors/* throwIfAborted */.Te)(signal);
        if (!isOpen)
            throw (0,store_errors/* uploadClosed */.SC)(options.finalPath);
    };
    const written = (place, size) => {
        parts.push({ ...place, size });
        unsyncedBytes += size;
        if (unsyncedBytes < syncEveryBytes || syncing !== undefined)
            return;
        unsyncedBytes = 0;
        syncing = file.datasync().then(() => (syncing = undefined), (error) => (syncError = error));
    };
    return {
        token: options.token,
        copies: copySource === undefined ? "none" : "bound",
        async writePart(place, bytes) {
            assertOpen();
            await explained(options.finalPath, () => writeFully(file, bytes, place.offset));
            written(place, bytes.length);
        },
        async copyPart(place, range) {
            assertOpen();
            if (copySource === undefined)
                throw noSource(options.finalPath);
            let at = place.offset;
            await explained(options.finalPath, async () => {
                for await (const chunk of readRange(copySource.file, range.offset, range.length)) {
                    (0,errors/* throwIfAborted */.Te)(signal);
                    await writeFully(file, chunk, at);
                    at += chunk.length;
                }
            });
            if (at - place.offset !== range.length)
                throw tooShort(copySource.path, range);
            written(place, range.length);
        },
        async complete() {
            assertOpen();
            const size = (0,upload_parts/* assertPartsJoin */.R)(parts, options.finalPath);
            return explained(options.finalPath, async () => {
                if (copySource !== undefined && sourceStat !== undefined) {
                    const now = await copySource.file.stat({ bigint: true });
                    if (!sameContents(sourceStat, now))
                        throw new store_errors/* ObjectChangedError */.__(copySource.path);
                }
                await syncing;
                if (syncError !== undefined)
                    throw syncError;
                await file.sync();
                const stat = await file.stat({ bigint: true });
                if (stat.size !== BigInt(size)) {
                    throw new store_errors/* StoreError */.AD("STORE_MISMATCH", `${options.finalPath} has ${stat.size} bytes, ${size} were written.`);
                }
                const etag = await etagOf(file, stat);
                await (0,promises_.rename)(options.temporaryPath, options.finalPath);
                await release();
                await syncDirectory(external_node_path_.dirname(options.finalPath));
                return { key: options.token.key, size, etag, modifiedAt: stat.mtime };
            });
        },
        async abort() {
            if (!isOpen)
                return;
            await release();
            await explained(options.temporaryPath, () => (0,promises_.rm)(options.temporaryPath, { force: true }));
        },
    };
}
/** `FileHandle.write` may write less than it was given. */
async function writeFully(file, bytes, offset) {
    let done = 0;
    while (done < bytes.length) {
        const { bytesWritten } = await file.write(bytes, done, bytes.length - done, offset + done);
        done += bytesWritten;
    }
}
/** Makes a rename in this directory last through a power cut. */
async function syncDirectory(directory) {
    const handle = await (0,promises_.open)(directory, "r");
    try {
        await handle.sync();
    }
    finally {
        await handle.close();
    }
}
function noSource(place) {
    return new store_errors/* StoreError */.AD("STORE_UNSUPPORTED", `${place}: no object to copy from was named.`);
}
function tooShort(place, range) {
    return new store_errors/* StoreError */.AD("STORE_MISMATCH", `${place} ends before byte ${range.offset + range.length}, which was to be copied.`);
}

;// CONCATENATED MODULE: ./build/store/file-walk.js




/** A symlink that leads back up would make keys without end; none of ours is nearly this deep. */
const deepest = 16;
/** Keys that start with `prefix` whose every name is `wanted`. What vanishes meanwhile is left out. */
async function* walkFiles(root, prefix, wanted, signal) {
    yield* walk("", 0);
    async function* walk(directory, depth) {
        (0,errors/* throwIfAborted */.Te)(signal);
        const place = external_node_path_.join(root, directory);
        const found = [];
        for (const entry of await explained(place, () => entriesOf(place))) {
            const key = directory + entry.name;
            if (!wanted(entry.name) || !mayMatch(key, prefix))
                continue;
            // stat, not lstat: a directory may be a symlink to another disk, and reads follow it too.
            const seen = await explained(place, () => statIfThere(external_node_path_.join(root, key)));
            if (seen !== undefined)
                found.push({ key, stat: seen });
        }
        const sortKey = (item) => Buffer.from(item.stat.isDirectory() ? `${item.key}/` : item.key);
        found.sort((a, b) => Buffer.compare(sortKey(a), sortKey(b)));
        for (const item of found) {
            if (item.stat.isDirectory()) {
                if (depth < deepest)
                    yield* walk(`${item.key}/`, depth + 1);
            }
            else if (item.stat.isFile() && item.key.startsWith(prefix)) {
                yield item;
            }
        }
    }
}
/** Either the key lies below the prefix, or it is a directory on the way to it. */
function mayMatch(key, prefix) {
    return key.startsWith(prefix) || prefix.startsWith(`${key}/`);
}
async function entriesOf(directory) {
    try {
        return await (0,promises_.readdir)(directory, { withFileTypes: true });
    }
    catch (error) {
        if ((0,errors/* hasCode */.up)(error, "ENOENT") || (0,errors/* hasCode */.up)(error, "ENOTDIR"))
            return [];
        throw error;
    }
}
async function statIfThere(file) {
    try {
        return await (0,promises_.stat)(file);
    }
    catch (error) {
        if ((0,errors/* hasCode */.up)(error, "ENOENT") || (0,errors/* hasCode */.up)(error, "ENOTDIR"))
            return undefined;
        throw error;
    }
}

// EXTERNAL MODULE: ./build/store/keys.js
var keys = __webpack_require__(1928);
;// CONCATENATED MODULE: ./build/store/file-store.js
/**
 * A directory as a store: a local disk, or a NAS. Objects are plain files under their keys. A file appears under its name
 * only when all of it is on the disk; until then it is a hidden file beside it. Compare-and-swap holds one lock for the
 * whole store, and the kernel frees it whatever becomes of the process.
 */













const lockTimeoutMs = 60_000;
const partial = /^\.partial-([0-9a-f-]{36})-(.+)$/u;
function openFileStore(directory) {
    const root = external_node_path_.resolve(directory);
    const pathOf = (key) => {
        (0,keys/* assertKey */.sM)(key);
        return external_node_path_.join(root, key);
    };
    const partialPathOf = (token) => {
        const target = pathOf(token.key);
        return external_node_path_.join(external_node_path_.dirname(target), `.partial-${token.id}-${external_node_path_.basename(target)}`);
    };
    /** The root is made if its parent is there: a NAS that is not mounted must not fill the disk below it. */
    const makeRoot = async () => {
        try {
            await (0,promises_.mkdir)(root);
        }
        catch (error) {
            if (!(0,errors/* hasCode */.up)(error, "EEXIST"))
                throw error;
        }
    };
    /** A new hidden file for `key`. Its directory may be removed by a `delete` between making and using it. */
    const createPartial = async (key) => {
        const token = { key, id: (0,external_node_crypto_.randomUUID)() };
        await makeRoot();
        for (let attempt = 1;; attempt += 1) {
            await (0,promises_.mkdir)(external_node_path_.dirname(partialPathOf(token)), { recursive: true });
            try {
                return { token, file: await (0,promises_.open)(partialPathOf(token), "wx+") };
            }
            catch (error) {
                if (!(0,errors/* hasCode */.up)(error, "ENOENT") || attempt === 5)
                    throw error;
            }
        }
    };
    const openObject = async (key) => {
        try {
            const file = await (0,promises_.open)(pathOf(key), "r");
            if ((await file.stat()).isFile())
                return file;
            await file.close();
            return undefined;
        }
        catch (error) {
            if ((0,errors/* hasCode */.up)(error, "ENOENT") || (0,errors/* hasCode */.up)(error, "ENOTDIR"))
                return undefined;
            throw error;
        }
    };
    const head = async (key) => {
        const file = await openObject(key);
        if (file === undefined)
            return undefined;
        try {
            return (await describe(key, file)).info;
        }
        finally {
            await file.close();
        }
    };
    /** The object open for reading, if it is (still) the version that was asked for. */
    const openVersion = async (key, etag) => {
        const file = await openObject(key);
        if (file === undefined)
            throw new store_errors/* ObjectNotFoundError */.d_(pathOf(key));
        try {
            const version = await describe(key, file);
            if (etag !== undefined && etag !== version.info.etag)
                throw new store_errors/* ObjectChangedError */.__(pathOf(key));
            return { file, ...version };
        }
        catch (error) {
            await file.close();
            throw error;
        }
    };
    const stream = (key, options) => explained(pathOf(key), async () => {
        (0,errors/* throwIfAborted */.Te)(options.signal);
        const { file, info, stat } = await openVersion(key, options.ifMatch);
        return { info, chunks: chunksOf(pathOf(key), file, stat, options) };
    });
    const assertCondition = async (key, options) => {
        if (options.ifAbsent !== true && options.ifMatch === undefined)
            return;
        const now = await head(key);
        if (options.ifAbsent === true ? now !== undefined : now?.etag !== options.ifMatch) {
            throw new store_errors/* PreconditionFailedError */.k9(pathOf(key));
        }
    };
    const replace = async (key, bytes, options) => {
        const target = pathOf(key);
        // Who has lost already need not write anything; who has not is asked again under the lock.
        await assertCondition(key, options);
        const { file, token } = await createPartial(key);
        const temporary = partialPathOf(token);
        try {
            let info;
            try {
                await writeFully(file, bytes, 0);
                await file.sync();
                info = (await describe(key, file)).info;
            }
            finally {
                await file.close();
            }
            (0,errors/* throwIfAborted */.Te)(options.signal);
            if (options.ifAbsent === true || options.ifMatch !== undefined) {
                const lock = external_node_path_.join(root, ".lock");
                await withFileLock(lock, { timeoutMs: lockTimeoutMs, signal: options.signal }, async () => {
                    await assertCondition(key, options);
                    await (0,promises_.rename)(temporary, target);
                });
            }
            else {
                await (0,promises_.rename)(temporary, target);
            }
            await syncDirectory(external_node_path_.dirname(target));
            return info;
        }
        catch (error) {
            await (0,promises_.rm)(temporary, { force: true });
            throw error;
        }
    };
    return {
        url: (0,external_node_url_.pathToFileURL)(root).href,
        capabilities: { conditionalWrites: true, copyRange: true, readOnly: false },
        partLimits: {
            minPartSizeBytes: 1,
            maxPartSizeBytes: 2 ** 40,
            maxParts: 2 ** 31,
        },
        head: (key, signal) => explained(pathOf(key), () => {
            (0,errors/* throwIfAborted */.Te)(signal);
            return head(key);
        }),
        stream,
        async get(key, options) {
            const { chunks, info } = await stream(key, options);
            return { bytes: await (0,store_chunks/* collect */.F)(chunks), info };
        },
        put: (key, bytes, options) => explained(pathOf(key), () => replace(key, bytes, options)),
        async *list(prefix, signal) {
            for await (const found of walkFiles(root, prefix, (name) => !name.startsWith("."), signal)) {
                if (!(0,keys/* isOwnKey */.Op)(found.key))
                    continue;
                yield { key: found.key, size: found.stat.size, modifiedAt: found.stat.mtime };
            }
        },
        delete: (key, signal) => explained(pathOf(key), async () => {
            (0,errors/* throwIfAborted */.Te)(signal);
            await removeFile(pathOf(key));
            await pruneEmptyDirectories(external_node_path_.dirname(pathOf(key)), root);
        }),
        openUpload: (key, options) => explained(pathOf(key), async () => {
            (0,errors/* throwIfAborted */.Te)(options.signal);
            const source = options.copyFrom === undefined
                ? undefined
                : await openVersion(options.copyFrom.key, options.copyFrom.etag);
            try {
                const { file, token } = await createPartial(key);
                return await beginFileUpload(file, {
                    token,
                    temporaryPath: partialPathOf(token),
                    finalPath: pathOf(key),
                    copySource: source === undefined ? undefined : { file: source.file, path: pathOf(source.info.key) },
                    signal: options.signal,
                });
            }
            catch (error) {
                await source?.file.close();
                throw error;
            }
        }),
        abortUpload: (token, signal) => explained(pathOf(token.key), async () => {
            (0,errors/* throwIfAborted */.Te)(signal);
            await removeFile(partialPathOf(token));
            await pruneEmptyDirectories(external_node_path_.dirname(pathOf(token.key)), root);
        }),
        async *listUploads(prefix, signal) {
            const wanted = (name) => !name.startsWith(".") || partial.test(name);
            for await (const found of walkFiles(root, "", wanted, signal)) {
                const directory = external_node_path_.posix.dirname(found.key);
                const [, id, name] = partial.exec(external_node_path_.posix.basename(found.key)) ?? [];
                if (id === undefined || name === undefined)
                    continue;
                const key = directory === "." ? name : `${directory}/${name}`;
                if (key.startsWith(prefix))
                    yield { token: { key, id }, startedAt: found.stat.birthtime };
            }
        },
        probeWritable: (signal) => explained(root, async () => {
            (0,errors/* throwIfAborted */.Te)(signal);
            const { file, token } = await createPartial("probe");
            try {
                await writeFully(file, Buffer.from("probe\n"), 0);
                await file.sync();
            }
            finally {
                await file.close();
                await (0,promises_.rm)(partialPathOf(token), { force: true });
            }
            await withFileLock(external_node_path_.join(root, ".lock"), { timeoutMs: lockTimeoutMs, signal }, async () => undefined);
        }),
        urlOf: (key) => (0,external_node_url_.pathToFileURL)(pathOf(key)).href,
        close: async () => undefined,
    };
}
async function describe(key, file) {
    const stat = await file.stat({ bigint: true });
    const etag = await etagOf(file, stat);
    return { stat, info: { key, size: Number(stat.size), etag, modifiedAt: stat.mtime } };
}
/** Closes the file when it was read to its end, left early, or failed. */
async function* chunksOf(place, file, before, { range, signal }) {
    const wanted = range ?? { offset: 0, length: Number(before.size) };
    let rest = wanted.length;
    try {
        for await (const chunk of readRange(file, wanted.offset, wanted.length)) {
            (0,errors/* throwIfAborted */.Te)(signal);
            rest -= chunk.length;
            yield chunk;
        }
        if (!sameContents(before, await file.stat({ bigint: true })))
            throw new store_errors/* ObjectChangedError */.__(place);
        if (rest > 0)
            throw (0,store_errors/* beyondEnd */.D6)(place, wanted, Number(before.size));
    }
    catch (error) {
        throw explainFileError(error, place);
    }
    finally {
        await file.close();
    }
}
async function removeFile(file) {
    try {
        await (0,promises_.rm)(file);
    }
    catch (error) {
        if (!(0,errors/* hasCode */.up)(error, "ENOENT") && !(0,errors/* hasCode */.up)(error, "ENOTDIR"))
            throw error;
    }
}
/** Keys have no directories; one that holds nothing any more is not left for people to wonder about. */
async function pruneEmptyDirectories(directory, root) {
    for (let at = directory; at !== root && at.startsWith(root); at = external_node_path_.dirname(at)) {
        try {
            await (0,promises_.rmdir)(at);
        }
        catch (error) {
            if (["ENOTEMPTY", "EEXIST", "ENOENT", "ENOTDIR", "EBUSY"].some((code) => (0,errors/* hasCode */.up)(error, code)))
                return;
            throw error;
        }
    }
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
