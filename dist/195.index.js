export const id = 195;
export const ids = [195];
export const modules = {

/***/ 2195:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __webpack_require__) => {


// EXPORTS
__webpack_require__.d(__webpack_exports__, {
  b: () => (/* binding */ unpackArchive),
  w: () => (/* binding */ verifyArchive)
});

// EXTERNAL MODULE: external "node:fs"
var external_node_fs_ = __webpack_require__(3024);
// EXTERNAL MODULE: external "node:fs/promises"
var promises_ = __webpack_require__(1455);
// EXTERNAL MODULE: ./build/errors.js
var errors = __webpack_require__(9473);
// EXTERNAL MODULE: ./build/system/exec.js
var exec = __webpack_require__(3991);
// EXTERNAL MODULE: ./build/system/path-bytes.js
var path_bytes = __webpack_require__(1435);
// EXTERNAL MODULE: ./build/archive/entry-paths.js
var entry_paths = __webpack_require__(6856);
// EXTERNAL MODULE: external "node:crypto"
var external_node_crypto_ = __webpack_require__(7598);
// EXTERNAL MODULE: ./build/archive/seek-table.js
var seek_table = __webpack_require__(504);
;// CONCATENATED MODULE: ./build/archive/frame-fetch.js
/**
 * Reads many frames of an archive at once and has worker threads take them apart, with a bound on the compressed bytes
 * that are on their way. Used by unpacking and by verifying.
 */



const maxBytesInFlight = 128 * 1024 * 1024;
/** Requests at once, at least: a store with latency is read fast only by many. */
const minRequests = 8;
/** Size and seek table of the archive against the index; throws ARCHIVE_TRUNCATED or SEEK_TABLE_INVALID. */
async function checkArchiveEnd(source, index, signal) {
    const end = index.frames.compressedEnd;
    const tableSize = (0,seek_table/* seekTableSize */.U)(index.frames.count);
    if (source.size !== end + tableSize) {
        throw new errors/* ActionError */.lZ("ARCHIVE_SIZE_WRONG", `The archive ${source.url} has ${source.size} bytes instead of ${end + tableSize}.`, { hint: "It is truncated or not the one the index belongs to. Use another snapshot." });
    }
    const table = await source.read(end, tableSize, signal);
    (0,seek_table/* checkSeekTable */.p)(table, index.frames);
    return table;
}
/** Works through `frames`. The first failure stops the others; when this returns or throws nothing is under way. */
async function fetchFrames(frames, options) {
    const stop = new AbortController();
    const signal = AbortSignal.any([options.signal, stop.signal]);
    const { pool } = options;
    const abort = () => void pool.close(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    const work = new FrameWork(options, signal);
    try {
        const seekTable = await checkArchiveEnd(options.source, options.index, signal);
        for await (const frame of frames)
            await work.start(frame);
        await work.settle();
        work.checkArchiveDigest(seekTable);
        return work.result;
    }
    catch (error) {
        (0,errors/* throwIfAborted */.Te)(options.signal);
        throw error;
    }
    finally {
        stop.abort(new errors/* ActionError */.lZ("WORKER_CLOSED", "Another part of the work failed."));
        signal.removeEventListener("abort", abort);
        await work.abandon();
        await pool.close();
    }
}
class FrameWork {
    #options;
    #signal;
    #inFlight = new Set();
    #maxInFlight;
    #archiveHash;
    /** Resolves when the frame before has been hashed. */
    #hashTurn = Promise.resolve();
    #bytesInFlight = 0;
    #doneBytes = 0;
    #frames = 0;
    #fetchedBytes = 0;
    #fetchedFrames = 0;
    constructor(options, signal) {
        this.#options = options;
        this.#signal = signal;
        this.#maxInFlight = Math.max(minRequests, options.pool.size * 2);
        if (options.archiveSha256 !== undefined)
            this.#archiveHash = (0,external_node_crypto_.createHash)("sha256");
    }
    get result() {
        return { frames: this.#frames, fetchedBytes: this.#fetchedBytes, fetchedFrames: this.#fetchedFrames };
    }
    /** Begins a frame as soon as there is room for it. */
    async start(frame) {
        const size = this.#options.index.frames.compressedSizeOf(frame.frame);
        while (this.#inFlight.size >= this.#maxInFlight ||
            (this.#inFlight.size > 0 && this.#bytesInFlight + size > maxBytesInFlight)) {
            await Promise.race(this.#inFlight);
        }
        (0,errors/* throwIfAborted */.Te)(this.#signal);
        this.#bytesInFlight += size;
        const work = this.#do(frame, size).finally(() => {
            this.#inFlight.delete(work);
            this.#bytesInFlight -= size;
        });
        // Met by the race above or by `settle`; until then it must not count as unhandled.
        work.catch(() => undefined);
        this.#inFlight.add(work);
    }
    async settle() {
        while (this.#inFlight.size > 0)
            await Promise.race(this.#inFlight);
    }
    async abandon() {
        await Promise.allSettled(this.#inFlight);
    }
    checkArchiveDigest(seekTable) {
        const found = this.#archiveHash?.update(seekTable).digest("hex");
        if (found === this.#options.archiveSha256)
            return;
        throw new errors/* ActionError */.lZ("ARCHIVE_DIGEST_WRONG", "The archive has not the SHA-256 of the manifest.", {
            hint: "The archive is damaged on its store. Use another snapshot.",
        });
    }
    async #do(planned, compressedSize) {
        const { index, target, pool, onFrame, onProgress } = this.#options;
        const { frame } = planned;
        const facts = {
            rootName: index.root.name,
            frame,
            size: index.frames.sizeOf(frame),
            sha256: index.frames.sha256Of(frame),
            items: planned.items,
            target,
        };
        const directories = this.#options.seedsOf(planned);
        const seeded = directories.length > 0 &&
            (await pool.use(async (lease) => lease.call({ kind: "seed", directories, ...facts }), this.#signal));
        if (!seeded) {
            const read = await this.#readInTurn(index.frames.offsetOf(frame), compressedSize);
            const bytes = ownBuffer(read);
            await pool.use(async (lease) => lease.call({ kind: "unpack", bytes, ...facts }, [bytes.buffer]), this.#signal);
            this.#fetchedBytes += compressedSize;
            this.#fetchedFrames += 1;
        }
        onFrame(planned);
        this.#frames += 1;
        this.#doneBytes += compressedSize;
        onProgress?.({
            doneBytes: this.#doneBytes,
            totalBytes: index.frames.compressedEnd,
            frames: this.#frames,
            fetchedBytes: this.#fetchedBytes,
        });
    }
    /** Reads at once; where the archive is hashed, returns when all frames before this one have been. */
    async #readInTurn(offset, length) {
        const before = this.#hashTurn;
        const turn = Promise.withResolvers();
        this.#hashTurn = turn.promise;
        try {
            const read = await this.#options.source.read(offset, length, this.#signal);
            if (read.length !== length)
                throw new RangeError("The source returned another length than asked for.");
            if (this.#archiveHash !== undefined) {
                await before;
                this.#archiveHash.update(read);
            }
            return read;
        }
        finally {
            turn.resolve();
        }
    }
}
/** Bytes that fill an ArrayBuffer of their own, so that it can be handed to a worker without taking others along. */
function ownBuffer(bytes) {
    return bytes.byteLength === bytes.buffer.byteLength && bytes.buffer instanceof ArrayBuffer
        ? bytes
        : new Uint8Array(bytes);
}

;// CONCATENATED MODULE: ./build/archive/frame-plan.js
/** Every frame of the archive in order, the last (the end of the tar) with no items. */
async function* planFrames(index, options) {
    let frame = 0;
    let wantedHere = false;
    const { name, header, ...rootFacts } = index.root;
    void name;
    let items = [
        { entry: { ...rootFacts, path: "", type: "directory", size: 0 }, header, wanted: false },
    ];
    const take = () => {
        const planned = { frame, items, wanted: wantedHere };
        frame += 1;
        items = [];
        wantedHere = false;
        return planned;
    };
    for await (const batch of index.entries(options.signal))
        for (const entry of batch) {
            const wanted = options.wanted(entry);
            if (wanted && entry.pieces.length > 1)
                options.onLargeFile(entry);
            const facts = factsOf(entry);
            if (entry.header.frame > frame)
                yield take();
            let header = entry.header;
            for (const piece of entry.pieces) {
                if (piece.frame > frame) {
                    if (header !== undefined)
                        items.push({ entry: facts, header, wanted });
                    header = undefined;
                    yield take();
                }
                wantedHere ||= wanted;
                items.push({ entry: facts, ...(header === undefined ? {} : { header }), piece, wanted });
                header = undefined;
            }
            if (header !== undefined) {
                items.push({ entry: facts, header, wanted });
                // An empty file is made by the frame that holds its header.
                wantedHere ||= wanted && entry.type === "file";
            }
        }
    yield take();
    yield take();
}
function factsOf(entry) {
    const { path, type, size, mode, uid, gid, mtimeNs, linkTarget } = entry;
    return { path, type, size, mode, uid, gid, mtimeNs, ...(linkTarget === undefined ? {} : { linkTarget }) };
}

// EXTERNAL MODULE: ./build/archive/tree-check.js + 1 modules
var tree_check = __webpack_require__(1497);
;// CONCATENATED MODULE: ./build/archive/frame-placer.js
/**
 * Writes what a checked frame holds: directories, symlinks, files. A file that is whole in one frame is created, written and given its
 * owner, mode and time at once; of a larger one only the piece is written, its file was made before and is finished after
 * all frames. Blocks of zeros stay holes. No symlink is ever followed: the index reader has made sure that every parent
 * is a directory of the archive, and O_NOFOLLOW keeps the last component.
 */





const holeBlockBytes = 64 * 1024;
const zeros = Buffer.alloc(holeBlockBytes);
/** `from` is the directory the bytes were read from, where they came from one. */
function placeFrame(items, target, bytes, from) {
    for (const item of items) {
        if (!item.wanted)
            continue;
        const path = `${target.directory}/${item.entry.path}`;
        try {
            withParents(path, () => placeItem(path, item, target, bytes, from));
        }
        catch (cause) {
            throw writeFailed(path, cause);
        }
    }
}
function placeItem(path, { entry, header, piece }, target, bytes, from) {
    if (piece !== undefined) {
        const content = bytes.subarray(piece.offset, piece.offset + piece.size);
        if (piece.size === entry.size)
            writeWhole(path, entry, target, content);
        // Read from this very place and found right: it stands already.
        else if (from !== target.directory)
            writePiece(path, piece.fileOffset, target, content);
    }
    else if (header !== undefined) {
        if (entry.type === "directory")
            makeDirectory(path);
        else if (entry.type === "symlink")
            makeSymlink(path, entry, target);
        else if (entry.type === "file" && entry.size === 0)
            writeWhole(path, entry, target, Buffer.alloc(0));
    }
}
/**
 * Frames are placed in any order, so a file may come before its directory. Directories made here are dressed like all
 * others in the end.
 */
function withParents(path, make) {
    try {
        make();
    }
    catch (error) {
        if (!(0,errors/* hasCode */.up)(error, "ENOENT"))
            throw error;
        (0,external_node_fs_.mkdirSync)((0,path_bytes/* fsPath */.Jk)((0,entry_paths/* parentOf */.gN)(path)), { recursive: true, mode: 0o700 });
        make();
    }
}
function makeDirectory(path) {
    try {
        mkdirSync(fsPath(path), { mode: 0o700 });
    }
    catch (error) {
        // Made for a file that came first, or by the run before. Should it be no directory, what goes into it fails.
        if (!hasCode(error, "EEXIST"))
            throw error;
    }
}
function makeSymlink(path, entry, target) {
    if (target.used)
        rmSync(fsPath(path), { force: true });
    symlinkSync(encodePath(entry.linkTarget ?? ""), fsPath(path));
    const owner = ownerFor(entry, target.owner);
    if (owner !== undefined)
        lchownSync(fsPath(path), owner.uid, owner.gid);
    lutimesSync(fsPath(path), secondsOf(entry.mtimeNs), secondsOf(entry.mtimeNs));
}
/** Creates the file of an entry that comes in several pieces, at its full size. */
function createLargeFile(path, size, used) {
    try {
        withParents(path, () => {
            const descriptor = (0,external_node_fs_.openSync)((0,path_bytes/* fsPath */.Jk)(path), creating(used) & ~external_node_fs_.constants.O_TRUNC, 0o600);
            try {
                (0,external_node_fs_.ftruncateSync)(descriptor, size);
            }
            finally {
                (0,external_node_fs_.closeSync)(descriptor);
            }
        });
    }
    catch (cause) {
        throw writeFailed(path, cause);
    }
}
/** Owner, mode and time of a file that was written in pieces. */
function finishLargeFile(path, entry, owner) {
    try {
        const descriptor = (0,external_node_fs_.openSync)((0,path_bytes/* fsPath */.Jk)(path), external_node_fs_.constants.O_WRONLY | external_node_fs_.constants.O_NOFOLLOW);
        try {
            dress(descriptor, entry, owner);
        }
        finally {
            (0,external_node_fs_.closeSync)(descriptor);
        }
    }
    catch (cause) {
        throw writeFailed(path, cause);
    }
}
function ownerFor(entry, policy) {
    return policy === "archived" ? { uid: entry.uid, gid: entry.gid } : policy === "mine" ? undefined : policy;
}
/** Seconds for Node's utimes; a double holds today's times to a quarter of a microsecond. */
function secondsOf(ns) {
    return Number(ns) / 1e9;
}
function writeFailed(path, cause) {
    if (cause instanceof errors/* ActionError */.lZ)
        return cause;
    if ((0,errors/* hasCode */.up)(cause, "ENOSPC") || (0,errors/* hasCode */.up)(cause, "EDQUOT")) {
        return new errors/* ActionError */.lZ("DISK_FULL", `The disk is full: ${(0,tree_check/* show */.W)(path)} cannot be written.`, {
            hint: "Make room or restore to a larger file system.",
            cause,
        });
    }
    if ((0,errors/* hasCode */.up)(cause, "EPERM")) {
        return new errors/* ActionError */.lZ("OWNER_DENIED", `The owner of ${(0,tree_check/* show */.W)(path)} cannot be set.`, {
            hint: "Run the action as root (or as the owner of the chainstate), or set the input `sudo`.",
            cause,
        });
    }
    return new errors/* ActionError */.lZ("TARGET_UNWRITABLE", `${(0,tree_check/* show */.W)(path)} cannot be written.`, { cause });
}
function creating(used) {
    const fresh = used ? external_node_fs_.constants.O_TRUNC : external_node_fs_.constants.O_EXCL;
    return external_node_fs_.constants.O_WRONLY | external_node_fs_.constants.O_CREAT | external_node_fs_.constants.O_NOFOLLOW | fresh;
}
function writeWhole(path, entry, target, content) {
    const descriptor = openSync(fsPath(path), creating(target.used), 0o600);
    try {
        // The file is new and empty, so what is left out is a hole that reads as zeros.
        writeContent(descriptor, 0, content, true);
        if (endsInHole(content))
            ftruncateSync(descriptor, content.length);
        dress(descriptor, entry, target.owner);
    }
    finally {
        closeSync(descriptor);
    }
}
function writePiece(path, fileOffset, target, content) {
    const descriptor = openSync(fsPath(path), constants.O_WRONLY | constants.O_NOFOLLOW);
    try {
        writeContent(descriptor, fileOffset, content, !target.used);
    }
    finally {
        closeSync(descriptor);
    }
}
function dress(descriptor, entry, policy) {
    const owner = ownerFor(entry, policy);
    if (owner !== undefined)
        (0,external_node_fs_.fchownSync)(descriptor, owner.uid, owner.gid);
    // After chown, which clears setuid and setgid.
    (0,external_node_fs_.fchmodSync)(descriptor, entry.mode);
    (0,external_node_fs_.futimesSync)(descriptor, secondsOf(entry.mtimeNs), secondsOf(entry.mtimeNs));
}
/** Writes runs of blocks that are not all zero. */
function writeContent(descriptor, fileOffset, content, holes) {
    let from = 0;
    let at = 0;
    while (at < content.length) {
        const end = Math.min(at + holeBlockBytes, content.length);
        if (holes && isZero(content, at, end)) {
            writeFully(descriptor, fileOffset, content, from, at);
            from = end;
        }
        at = end;
    }
    writeFully(descriptor, fileOffset, content, from, content.length);
}
function endsInHole(content) {
    const start = Math.max(0, Math.floor((content.length - 1) / holeBlockBytes) * holeBlockBytes);
    return content.length > 0 && isZero(content, start, content.length);
}
function isZero(content, from, to) {
    return content.compare(zeros, 0, to - from, from, to) === 0;
}
function writeFully(descriptor, fileOffset, content, from, to) {
    for (let at = from; at < to;) {
        at += writeSync(descriptor, content, at, to - at, fileOffset + at);
    }
}

// EXTERNAL MODULE: ./build/archive/index-reader.js + 3 modules
var index_reader = __webpack_require__(5454);
;// CONCATENATED MODULE: ./build/archive/unpack-journal.js
/**
 * Which frames an unpacking has finished, kept in a small file so that the next process can go on. What it says is a hint,
 * not a proof: a frame it lists is read back and hashed before it counts, because after a crash of the machine a journal
 * may know more than the disk.
 */



/** Throws JOURNAL_FOREIGN when the file belongs to another archive. */
function openUnpackJournal(file, index) {
    const done = new Set();
    if (file === undefined) {
        return {
            resumed: false,
            has: () => false,
            begin: () => undefined,
            add: () => undefined,
            close: () => undefined,
        };
    }
    const head = `unpacking ${index.treeSha256} ${index.frames.count}\n`;
    const resumed = (0,external_node_fs_.existsSync)(file);
    if (resumed) {
        const text = (0,external_node_fs_.readFileSync)(file, "latin1");
        if (!text.startsWith(head)) {
            throw new errors/* ActionError */.lZ("JOURNAL_FOREIGN", `${(0,tree_check/* show */.W)(file)} belongs to the unpacking of another archive.`, {
                hint: "Remove it together with the directory that was being filled.",
            });
        }
        // A torn line names a wrong frame at worst, and every frame named is hashed before it counts.
        for (const line of text.slice(head.length).split("\n"))
            if (line !== "")
                done.add(Number(line));
    }
    let descriptor;
    return {
        resumed,
        has: (frame) => done.has(frame),
        begin() {
            descriptor = (0,external_node_fs_.openSync)(file, "a", 0o600);
            // The newline ends a line that may be torn.
            (0,external_node_fs_.appendFileSync)(descriptor, resumed ? "\n" : head);
        },
        add(frame) {
            if (descriptor !== undefined && !done.has(frame))
                (0,external_node_fs_.appendFileSync)(descriptor, `${frame}\n`);
        },
        close() {
            if (descriptor !== undefined)
                (0,external_node_fs_.closeSync)(descriptor);
        },
    };
}

// EXTERNAL MODULE: ./build/archive/worker-pool.js
var worker_pool = __webpack_require__(2854);
;// CONCATENATED MODULE: ./build/archive/reader.js
/**
 * Unpacks an archive into a directory of its own, or verifies it without writing. Frames are independent, so they are
 * fetched, checked and written many at a time, in any order; what an interrupted run or another local directory has
 * already is taken from there when its digest fits.
 */













const syncTimeoutMs = 60 * 60 * 1000;
/**
 * Throws INDEX_INVALID, ARCHIVE_SIZE_WRONG, SEEK_TABLE_INVALID, FRAME_CORRUPT, ARCHIVE_INDEX_MISMATCH (the snapshot),
 * TARGET_NOT_EMPTY, TARGET_UNWRITABLE, DISK_FULL, OWNER_DENIED (the target), what the source throws, or the signal's
 * reason. After a failure the target is incomplete, for the caller to remove or to resume.
 */
async function unpackArchive(options) {
    const { indexFile, signal, target, owner } = options;
    // Threads take a while to start; meanwhile the index is read.
    const pool = new worker_pool/* WorkerPool */.T(options.concurrency);
    let journal;
    try {
        const index = await (0,index_reader/* openIndex */.b)(indexFile, { signal, ...expected(options) });
        const resumable = openUnpackJournal(options.journalFile, index);
        journal = resumable;
        const used = await prepareTarget(target, resumable.resumed);
        resumable.begin();
        const seeds = options.seeds ?? [];
        const wanted = wantedBy(options.select, index);
        const frames = planFrames(index, {
            signal,
            wanted,
            onLargeFile: (entry) => createLargeFile(`${target}/${entry.path}`, entry.size, used),
        });
        const fetched = await fetchFrames(onlyWanted(frames, options.select === undefined), {
            ...options,
            index,
            pool,
            target: { directory: target, owner, used },
            seedsOf: (frame) => (resumable.has(frame.frame) ? [target, ...seeds] : seeds),
            onFrame: (frame) => resumable.add(frame.frame),
            onProgress: options.onProgress,
        });
        await finishTree(index, options, wanted);
        if (options.durable)
            await (0,exec/* runOk */.uO)(["sync", "-f", target], { signal, timeoutMs: syncTimeoutMs });
        const { files, contentSize, treeSha256 } = index;
        return { ...fetched, files, contentSize, treeSha256 };
    }
    finally {
        journal?.close();
        await pool.close();
    }
}
/** Reads every frame and checks all that `unpackArchive` checks, and `archiveSha256` where the manifest has one. */
async function verifyArchive(options) {
    const { indexFile, signal } = options;
    const pool = new worker_pool/* WorkerPool */.T(options.concurrency);
    try {
        const index = await (0,index_reader/* openIndex */.b)(indexFile, { signal, ...expected(options) });
        const frames = planFrames(index, { signal, wanted: () => false, onLargeFile: () => undefined });
        await fetchFrames(frames, {
            ...options,
            index,
            pool,
            target: undefined,
            seedsOf: () => [],
            onFrame: () => undefined,
            onProgress: options.onProgress,
        });
        return {
            frames: index.frames.count,
            files: index.files,
            tarSize: index.tarSize,
            treeSha256: index.treeSha256,
        };
    }
    finally {
        await pool.close();
    }
}
function expected(options) {
    return options.indexDigest === undefined ? {} : { expect: options.indexDigest };
}
/** A hard link is nothing without the file it names, so that one is taken along. */
function wantedBy(select, index) {
    if (select === undefined)
        return () => true;
    return (entry) => select(entry.path) || (entry.type === "file" && index.linkTargets.has(entry.path));
}
async function* onlyWanted(frames, all) {
    for await (const frame of frames)
        if (all || frame.wanted)
            yield frame;
}
/** Returns whether something of an earlier run is in it. */
async function prepareTarget(target, resumed) {
    try {
        await (0,promises_.mkdir)((0,path_bytes/* fsPath */.Jk)(target), { mode: 0o700, recursive: true });
        const stats = await (0,promises_.lstat)((0,path_bytes/* fsPath */.Jk)(target));
        const used = (await (0,promises_.readdir)((0,path_bytes/* fsPath */.Jk)(target))).length > 0;
        if (!stats.isDirectory() || (used && !resumed)) {
            throw new errors/* ActionError */.lZ("TARGET_NOT_EMPTY", `${(0,tree_check/* show */.W)(target)} is not an empty directory.`, {
                hint: "Restore into a directory that is absent or empty.",
            });
        }
        return used;
    }
    catch (cause) {
        throw writeFailed(target, cause);
    }
}
/** Hard links first, for they change directories; then each directory when nothing below it is left to do. */
async function finishTree(index, options, wanted) {
    const { target, owner, signal } = options;
    if (index.linkTargets.size > 0) {
        for await (const batch of index.entries(signal)) {
            for (const entry of batch)
                if (entry.type === "hardlink" && wanted(entry))
                    makeHardLink(target, entry);
        }
    }
    const open = new entry_paths/* OpenDirectories */.Yv();
    const waiting = new Map();
    const close = (path) => {
        const entry = waiting.get(path);
        waiting.delete(path);
        if (entry !== undefined)
            dressDirectory(`${target}/${path}`, entry, owner);
    };
    for await (const batch of index.entries(signal)) {
        for (const entry of batch) {
            for (const path of open.advance(entry.path))
                close(path);
            if (!wanted(entry))
                continue;
            if (entry.type === "directory") {
                open.add(entry.path);
                waiting.set(entry.path, entry);
            }
            else if (entry.pieces.length > 1) {
                finishLargeFile(`${target}/${entry.path}`, entry, owner);
            }
        }
    }
    for (const path of [...waiting.keys()].toReversed())
        close(path);
    dressDirectory(target, index.root, owner);
}
function makeHardLink(target, entry) {
    const path = `${target}/${entry.path}`;
    try {
        (0,external_node_fs_.rmSync)((0,path_bytes/* fsPath */.Jk)(path), { force: true });
        withParents(path, () => (0,external_node_fs_.linkSync)((0,path_bytes/* fsPath */.Jk)(`${target}/${entry.linkTarget ?? ""}`), (0,path_bytes/* fsPath */.Jk)(path)));
    }
    catch (cause) {
        throw writeFailed(path, cause);
    }
}
function dressDirectory(path, entry, policy) {
    try {
        const owner = ownerFor(entry, policy);
        if (owner !== undefined)
            (0,external_node_fs_.chownSync)((0,path_bytes/* fsPath */.Jk)(path), owner.uid, owner.gid);
        (0,external_node_fs_.chmodSync)((0,path_bytes/* fsPath */.Jk)(path), entry.mode);
        (0,external_node_fs_.utimesSync)((0,path_bytes/* fsPath */.Jk)(path), secondsOf(entry.mtimeNs), secondsOf(entry.mtimeNs));
    }
    catch (cause) {
        throw writeFailed(path, cause);
    }
}


/***/ })

};
