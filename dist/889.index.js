export const id = 889;
export const ids = [889];
export const modules = {

/***/ 4889:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __webpack_require__) => {

// ESM COMPAT FLAG
__webpack_require__.r(__webpack_exports__);

// EXPORTS
__webpack_require__.d(__webpack_exports__, {
  snapshot: () => (/* binding */ snapshot)
});

// EXTERNAL MODULE: external "node:fs/promises"
var promises_ = __webpack_require__(1455);
// EXTERNAL MODULE: external "node:path"
var external_node_path_ = __webpack_require__(6760);
// EXTERNAL MODULE: ./build/catalog/by-hand.js
var by_hand = __webpack_require__(8301);
// EXTERNAL MODULE: ./build/catalog/publish.js + 1 modules
var publish = __webpack_require__(9688);
// EXTERNAL MODULE: ./build/chainstate/inspect.js + 5 modules
var inspect = __webpack_require__(2387);
// EXTERNAL MODULE: ./build/chainstate/layout.js + 1 modules
var layout = __webpack_require__(3250);
// EXTERNAL MODULE: ./build/system/space.js
var space = __webpack_require__(9834);
// EXTERNAL MODULE: external "node:crypto"
var external_node_crypto_ = __webpack_require__(7598);
// EXTERNAL MODULE: ./build/errors.js
var errors = __webpack_require__(9473);
// EXTERNAL MODULE: ./build/archive/entry-paths.js
var entry_paths = __webpack_require__(6856);
// EXTERNAL MODULE: ./build/archive/frame-table.js
var frame_table = __webpack_require__(1221);
// EXTERNAL MODULE: external "node:fs"
var external_node_fs_ = __webpack_require__(3024);
// EXTERNAL MODULE: external "node:stream"
var external_node_stream_ = __webpack_require__(7075);
// EXTERNAL MODULE: external "node:stream/promises"
var external_node_stream_promises_ = __webpack_require__(6466);
// EXTERNAL MODULE: external "node:zlib"
var external_node_zlib_ = __webpack_require__(8522);
// EXTERNAL MODULE: ./build/archive/index-format.js
var index_format = __webpack_require__(8274);
;// CONCATENATED MODULE: ./build/archive/index-writer.js
/**
 * Writes `index.json.zst` while the archive is written. Entries come long before the last frame has found its place, and
 * there may be millions, so they wait in a spool file beside the index.
 */







const spoolBufferChars = 256 * 1024;
async function createIndexWriter(file) {
    const spool = `${file}.entries`;
    const handle = await (0,promises_.open)(spool, "w", 0o600);
    let pending = "";
    let first = true;
    const drain = async () => {
        const text = pending;
        pending = "";
        await handle.write(text);
    };
    return {
        async add(entry) {
            pending += `${first ? "" : ",\n"}${entryLine(entry)}`;
            first = false;
            if (pending.length >= spoolBufferChars)
                await drain();
        },
        async finish(root, frames, segmentSize, signal) {
            if (!first)
                pending += "\n";
            await drain();
            const hash = (0,external_node_crypto_.createHash)("sha256");
            let size = 0;
            const measure = new external_node_stream_.Transform({
                transform(chunk, _encoding, done) {
                    hash.update(chunk);
                    size += chunk.length;
                    done(null, chunk);
                },
            });
            await (0,external_node_stream_promises_.pipeline)(indexText(root, frames, segmentSize, spool), (0,external_node_zlib_.createZstdCompress)({
                params: { [external_node_zlib_.constants.ZSTD_c_compressionLevel]: 3, [external_node_zlib_.constants.ZSTD_c_checksumFlag]: 1 },
            }), measure, (0,external_node_fs_.createWriteStream)(file, { mode: 0o600, flush: true }), { signal });
            return { size, sha256: hash.digest("hex") };
        },
        async close() {
            await handle.close();
            await (0,promises_.rm)(spool, { force: true });
        },
    };
}
async function* indexText(root, frames, segmentSize, spool) {
    yield `{"version":${index_format/* indexVersion */.T},"segmentSize":${segmentSize},\n`;
    yield `"root":${JSON.stringify({ ...root, mtimeNs: String(root.mtimeNs) })},\n"frames":[\n`;
    for (let frame = 0; frame < frames.count; frame += 1) {
        yield `${JSON.stringify(frames.at(frame))}${frame + 1 < frames.count ? "," : ""}\n`;
    }
    yield `],\n"files":[\n`;
    yield* (0,external_node_fs_.createReadStream)(spool, { highWaterMark: 256 * 1024 });
    yield `]}\n`;
}
/** mtimeNs is a string: it is beyond what a JSON number holds exactly. Lone surrogates of odd names come out as \udcxx. */
function entryLine(entry) {
    const { path, type, size, mode, uid, gid, mtimeNs, header, pieces, linkTarget } = entry;
    return JSON.stringify({
        path,
        type,
        size,
        mode,
        uid,
        gid,
        mtimeNs: String(mtimeNs),
        header,
        pieces,
        ...(linkTarget === undefined ? {} : { linkTarget }),
    });
}

// EXTERNAL MODULE: ./build/archive/seek-table.js
var seek_table = __webpack_require__(504);
// EXTERNAL MODULE: ./build/archive/segments.js
var segments = __webpack_require__(1643);
// EXTERNAL MODULE: ./build/archive/tar-header.js + 3 modules
var tar_header = __webpack_require__(5648);
// EXTERNAL MODULE: ./build/archive/tree-check.js + 1 modules
var tree_check = __webpack_require__(1497);
;// CONCATENATED MODULE: ./build/archive/frame-check.js
/**
 * Checks a decompressed frame against the index: its digest, and that the tar headers in it say the same of every entry
 * as the index does, so that plain `tar` and our reader can never make different trees of one archive.
 */




/** Throws FRAME_CORRUPT or ARCHIVE_INDEX_MISMATCH. */
function checkFrame(facts, bytes) {
    if (hash("sha256", bytes, "hex") !== facts.sha256) {
        throw new ActionError("FRAME_CORRUPT", `Frame ${facts.frame} of the archive has not the SHA-256 of the index.`, {
            hint: "The archive is damaged on its store. Use another snapshot.",
        });
    }
    let checkedTo = 0;
    for (const item of facts.items) {
        const start = item.header?.offset ?? item.piece?.offset ?? checkedTo;
        assertZero(facts.frame, bytes, checkedTo, start);
        checkedTo = start;
        if (item.header !== undefined) {
            checkedTo = start + item.header.size;
            checkHeader(facts.rootName, item.entry, bytes.subarray(start, checkedTo));
        }
        if (item.piece !== undefined)
            checkedTo = item.piece.offset + item.piece.size;
    }
    assertZero(facts.frame, bytes, checkedTo, bytes.length);
}
function checkHeader(rootName, entry, header) {
    let found;
    try {
        found = decodeTarHeader(header);
    }
    catch (cause) {
        throw mismatch(`the header of ${show(entry.path)} cannot be read`, cause);
    }
    const wanted = tarEntryOf(rootName, entry);
    const differs = ["path", "type", "size", "mode", "uid", "gid", "mtimeNs", "linkTarget"].find((key) => found[key] !== wanted[key]);
    if (differs !== undefined)
        throw mismatch(`its tar says another ${differs} of ${show(entry.path)}`);
}
/** The entry as its tar header names it: with the root directory in front. */
function tarEntryOf(rootName, entry) {
    const path = entry.path === "" ? rootName : `${rootName}/${entry.path}`;
    if (entry.type !== "hardlink")
        return { ...entry, path };
    return { ...entry, path, linkTarget: `${rootName}/${entry.linkTarget ?? ""}` };
}
const zeros = Buffer.alloc(512);
function assertZero(frame, bytes, from, to) {
    for (let at = from; at < to; at += zeros.length) {
        const length = Math.min(zeros.length, to - at);
        if (bytes.compare(zeros, 0, length, at, at + length) !== 0) {
            throw mismatch(`frame ${frame} has bytes that belong to no entry`);
        }
    }
}
function mismatch(why, cause) {
    return new ActionError("ARCHIVE_INDEX_MISMATCH", `Archive and index do not agree: ${why}.`, {
        hint: "They are not of one snapshot, or were tampered with. Use another snapshot.",
        cause,
    });
}

// EXTERNAL MODULE: ./build/archive/worker-pool.js
var worker_pool = __webpack_require__(2854);
;// CONCATENATED MODULE: ./build/archive/writer.js
/**
 * Writes an archive from a view: plans segments, has worker threads read, hash and compress them, and hands the frames to
 * the sink in order, while the index is written on the way. Work in flight is bounded, so memory depends on the number of
 * workers and not on the archive.
 */











/**
 * Throws FILE_VANISHED, FILE_CHANGED, FILE_UNREADABLE (a file of the view), ENTRY_UNSUPPORTED (a name or link that no
 * archive may hold), what the sink throws, or the signal's reason. No worker outlives the call.
 */
async function writeArchive(options) {
    if (!(0,entry_paths/* isPlainName */.sh)(options.rootName))
        throw new RangeError(`Not a directory name: ${(0,tree_check/* show */.W)(options.rootName)}`);
    (0,errors/* throwIfAborted */.Te)(options.signal);
    const index = await createIndexWriter(options.indexFile);
    const pool = new worker_pool/* WorkerPool */.T(options.concurrency);
    const abort = () => void pool.close(options.signal.reason);
    options.signal.addEventListener("abort", abort, { once: true });
    try {
        return await new ArchiveWriting(options, pool, index).run();
    }
    catch (error) {
        (0,errors/* throwIfAborted */.Te)(options.signal);
        throw error;
    }
    finally {
        options.signal.removeEventListener("abort", abort);
        await pool.close();
        await index.close();
    }
}
class ArchiveWriting {
    #options;
    #pool;
    #index;
    #frames = new frame_table/* FrameTable */.S();
    #archiveHash = (0,external_node_crypto_.createHash)("sha256");
    #hashing = true;
    #handedOver = 0;
    #tarSize = 0;
    #files = 0;
    #reused = { frames: 0, bytes: 0 };
    #rootHeader;
    /** The large file whose pieces are still being planned. */
    #growing;
    constructor(options, pool, index) {
        this.#options = options;
        this.#pool = pool;
        this.#index = index;
    }
    async run() {
        const { sink, signal, view, rootName } = this.#options;
        const inFlight = [];
        // Two beyond the workers: one being handed over and one that a free worker finds waiting.
        const limit = this.#options.concurrency + 2;
        try {
            for await (const segment of (0,segments/* planSegments */.eQ)(this.#plannable())) {
                (0,errors/* throwIfAborted */.Te)(signal);
                await this.#record(segment);
                const packed = this.#pack(segment);
                // Its failure is met when its turn comes; until then it must not count as unhandled.
                packed.catch(() => undefined);
                inFlight.push(packed);
                if (inFlight.length >= limit)
                    await this.#handOver(await inFlight.shift());
            }
            while (inFlight.length > 0)
                await this.#handOver(await inFlight.shift());
            await this.#handOver(await this.#pool.use(async (lease) => this.#packEnd(lease), signal));
            await sink.finish(() => this.#tail());
        }
        finally {
            await Promise.allSettled(inFlight);
        }
        if (this.#rootHeader === undefined)
            throw new RangeError("The archive has no root.");
        const { mode, uid, gid, mtimeNs } = view.rootEntry;
        const index = await this.#index.finish({ name: rootName, mode, uid, gid, mtimeNs, header: this.#rootHeader }, this.#frames, segments/* segmentSizeBytes */.Mq, signal);
        const size = this.#frames.compressedEnd + (0,seek_table/* seekTableSize */.U)(this.#frames.count);
        return {
            size,
            ...(this.#hashing ? { sha256: this.#archiveHash.digest("hex") } : {}),
            tarSize: this.#tarSize,
            frames: this.#frames.count,
            files: this.#files,
            treeSha256: (0,external_node_crypto_.createHash)("sha256").update(this.#frames.digests()).digest("hex"),
            index,
            reused: this.#reused,
            uploadedBytes: size - this.#reused.bytes,
            frameAt: (frame) => this.#frames.at(frame),
        };
    }
    /** The root and the view's entries, checked, with their headers. */
    async *#plannable() {
        const { view, rootName, signal, segmentSizeOf } = this.#options;
        const tree = new tree_check/* TreeCheck */.v();
        const root = { ...view.rootEntry, path: "", type: "directory", size: 0 };
        yield plannableOf(root, rootName, segments/* segmentSizeBytes */.Mq);
        for await (const entry of view.entries(signal)) {
            const problem = tree.problemOf(entry);
            if (problem !== undefined) {
                throw new errors/* ActionError */.lZ("ENTRY_UNSUPPORTED", `${(0,tree_check/* show */.W)(entry.path)} ${problem.text}; it could not be restored.`, {
                    hint: "Leave it out with the input `exclude`, or put what it points to in its place.",
                });
            }
            this.#files += 1;
            const segmentSize = segmentSizeOf?.(entry) ?? segments/* segmentSizeBytes */.Mq;
            if (segmentSize < 65_536 || segmentSize > segments/* segmentSizeBytes */.Mq || segmentSize % 65_536 !== 0) {
                throw new RangeError(`No segment size: ${segmentSize}`);
            }
            yield plannableOf(entry, rootName, segmentSize);
        }
    }
    /** Writes the index lines of the entries that are complete with this segment. */
    async #record(segment) {
        const frame = segment.number;
        for (const item of segment.items) {
            const { entry } = item.entry.payload;
            if (item.headerAt !== undefined) {
                const header = { frame, offset: item.headerAt, size: item.entry.headerSize };
                if (entry.path === "") {
                    this.#rootHeader = header;
                    continue;
                }
                this.#growing = { entry, header, pieces: [] };
            }
            const growing = this.#growing;
            if (growing === undefined)
                throw new RangeError("Content came before its header.");
            const { contentAt, fileOffset, size } = item;
            if (size > 0)
                growing.pieces.push({ frame, offset: contentAt, fileOffset, size });
            if (fileOffset + size === entry.size) {
                await this.#index.add(indexEntryOf(growing));
                this.#growing = undefined;
            }
        }
    }
    async #pack(segment) {
        const { known, digests, level, signal } = this.#options;
        const trusted = digests?.trusted(segment);
        const trustedFrame = trusted === undefined ? undefined : known?.(trusted);
        if (trusted !== undefined && trustedFrame !== undefined) {
            return { segment, sha256: trusted, bytes: undefined, known: trustedFrame };
        }
        return this.#pool.use(async (lease) => {
            // With a base archive the digest decides whether compressing is worth it; without one a question less is asked.
            const loaded = await lease.call(loadRequest(segment, known === undefined ? level : undefined));
            digests?.record(segment, loaded.sha256);
            if (loaded.bytes !== undefined)
                return { segment, ...loaded, known: undefined };
            const frame = known?.(loaded.sha256);
            if (frame !== undefined)
                return { segment, sha256: loaded.sha256, bytes: undefined, known: frame };
            const { bytes } = await lease.call({ kind: "compress", level });
            return { segment, sha256: loaded.sha256, bytes, known: undefined };
        }, signal);
    }
    /** The zero blocks that end the tar. */
    async #packEnd(lease) {
        const segment = { number: this.#handedOver, size: tar_header/* endOfArchiveSize */.qP, items: [] };
        const headers = new Uint8Array(0);
        const item = {
            headerSize: 0,
            source: "",
            fileOffset: 0,
            size: 0,
            padding: tar_header/* endOfArchiveSize */.qP,
            expect: undefined,
        };
        const { level } = this.#options;
        const loaded = await lease.call({ kind: "load", size: segment.size, headers, items: [item], level });
        return { segment, sha256: loaded.sha256, bytes: loaded.bytes, known: undefined };
    }
    /** Compresses a frame that was thought reusable, from its files, which must still give the same digest. */
    async #materialize(packed) {
        const { level, signal } = this.#options;
        return this.#pool.use(async (lease) => {
            const loaded = await lease.call(loadRequest(packed.segment, level));
            if (loaded.sha256 !== packed.sha256 || loaded.bytes === undefined) {
                const first = packed.segment.items.find((item) => item.size > 0)?.entry.path;
                throw new errors/* ActionError */.lZ("FILE_CHANGED", `${(0,tree_check/* show */.W)(first)} or a file next to it changed while it was archived.`, {
                    hint: "The directory must stand still. Find what writes there (`fuser -v`), stop it and run again.",
                });
            }
            return loaded.bytes;
        }, signal);
    }
    async #handOver(packed) {
        if (packed === undefined)
            return;
        const { sink, onProgress } = this.#options;
        const { segment, sha256, bytes, known } = packed;
        let frame;
        if (bytes !== undefined) {
            if (this.#hashing)
                this.#archiveHash.update(bytes);
            frame = { kind: "bytes", bytes };
        }
        else {
            this.#hashing = false;
            frame = {
                kind: "reusable",
                baseOffset: known?.offset ?? 0,
                compressedSize: known?.compressedSize ?? 0,
                materialize: async () => this.#materialize(packed),
            };
        }
        this.#handedOver += 1;
        await sink.append(frame, (at) => this.#place(segment, sha256, at));
        this.#tarSize += segment.size;
        onProgress?.({ doneBytes: this.#tarSize, frames: this.#handedOver });
    }
    #place(segment, sha256, at) {
        if (segment.number !== this.#frames.count || at.offset !== this.#frames.compressedEnd) {
            throw new RangeError("The sink placed a frame out of order.");
        }
        this.#frames.add({ offset: at.offset, compressedSize: at.compressedSize, size: segment.size, sha256 });
        if (!at.reused)
            return;
        this.#reused = { frames: this.#reused.frames + 1, bytes: this.#reused.bytes + at.compressedSize };
    }
    #tail() {
        if (this.#frames.count !== this.#handedOver)
            throw new RangeError("The sink has frames it did not place.");
        const table = (0,seek_table/* encodeSeekTable */.XD)(this.#frames);
        if (this.#hashing)
            this.#archiveHash.update(table);
        return table;
    }
}
function plannableOf(entry, rootName, segmentSize) {
    const header = (0,tar_header/* encodeTarHeader */.Nj)(tarEntryOf(rootName, entry));
    const { path, size } = entry;
    return { path, headerSize: header.length, size, segmentSize, payload: { entry, header } };
}
function indexEntryOf(planned) {
    const { path, type, size, mode, uid, gid, mtimeNs, linkTarget } = planned.entry;
    const link = linkTarget === undefined ? {} : { linkTarget };
    return {
        path,
        type,
        size,
        mode,
        uid,
        gid,
        mtimeNs,
        ...link,
        header: planned.header,
        pieces: planned.pieces,
    };
}
function loadRequest(segment, level) {
    const headers = [];
    const items = segment.items.map((item) => {
        const { entry, header } = item.entry.payload;
        const headerSize = item.headerAt === undefined ? 0 : header.length;
        if (headerSize > 0)
            headers.push(header);
        return {
            headerSize,
            source: entry.source ?? "",
            fileOffset: item.fileOffset,
            size: item.size,
            padding: item.padding,
            expect: entry.guard === "unchanged" ? entry.stat : undefined,
        };
    });
    return { kind: "load", size: segment.size, headers: Buffer.concat(headers), items, level };
}

;// CONCATENATED MODULE: ./build/archive/zstd-frame.js
/**
 * One segment ⇄ one zstd frame. Node's synchronous calls are used inside worker threads: no copy in between, and one
 * thread a frame. (`ZSTD_c_nbWorkers` stays unset: it gives wrong output in Node's asynchronous calls.)
 */


const frameMagic = 0xfd2fb528;
const checksumSize = 4;
/** A frame with content size and checksum, in an ArrayBuffer that nothing else is in. */
function compressFrame(bytes, level) {
    return zstdCompressSync(bytes, {
        // Room for the worst case, so that the output is one buffer and never concatenated; untouched pages cost nothing.
        // At least the pool's size, so that it is not in the pool.
        chunkSize: Math.max(Buffer.poolSize, bytes.length + (bytes.length >>> 7) + 512),
        pledgedSrcSize: bytes.length,
        params: {
            [constants.ZSTD_c_compressionLevel]: level,
            [constants.ZSTD_c_contentSizeFlag]: 1,
            [constants.ZSTD_c_checksumFlag]: 1,
        },
    });
}
/**
 * Exactly `size` bytes out of exactly one frame, in an ArrayBuffer of their own, or FRAME_CORRUPT. Header, block lengths
 * and end are checked here, because Node accepts truncated frames and ignores what follows the first.
 */
function decompressFrame(frame, size) {
    checkFrameShape(frame, size);
    let content;
    try {
        content = (0,external_node_zlib_.zstdDecompressSync)(frame, {
            chunkSize: Math.max(Buffer.poolSize, size + 64),
            maxOutputLength: size + 64,
        });
    }
    catch (cause) {
        throw corrupt("it cannot be decompressed", cause);
    }
    if (content.length !== size)
        throw corrupt(`it holds ${content.length} bytes instead of ${size}`);
    return content;
}
/** A header with checksum, content size `size`, no dictionary and no unknown bit; blocks; and the end, where it must be. */
function checkFrameShape(frame, size) {
    const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
    if (frame.length < 18 || view.getUint32(0, true) !== frameMagic)
        throw corrupt("it is no zstd frame");
    const descriptor = view.getUint8(4);
    const singleSegment = (descriptor & 0x20) !== 0;
    if ((descriptor & 0x1f) !== 0x04)
        throw corrupt("its header has no checksum flag or unknown bits");
    let at = singleSegment ? 5 : 6;
    const sizeFlag = descriptor >>> 6;
    const declared = declaredSize(view, at, sizeFlag, singleSegment);
    if (declared !== size)
        throw corrupt(`its header announces ${declared} bytes instead of ${size}`);
    at += sizeFlag === 0 ? Number(singleSegment) : 1 << sizeFlag;
    for (let last = false; !last;) {
        if (at + 3 > frame.length)
            throw corrupt("it is cut off");
        const block = view.getUint16(at, true) | (view.getUint8(at + 2) << 16);
        last = (block & 1) === 1;
        const type = (block >>> 1) & 3;
        // A block of type 1 is one byte repeated.
        at += 3 + (type === 1 ? 1 : block >>> 3);
        if (type === 3)
            throw corrupt("it has a block of an unknown type");
    }
    if (at + checksumSize !== frame.length)
        throw corrupt("it does not end where its last block does");
}
function declaredSize(view, at, sizeFlag, singleSegment) {
    if (sizeFlag === 3)
        return Number(view.getBigUint64(at, true));
    if (sizeFlag === 2)
        return view.getUint32(at, true);
    if (sizeFlag === 1)
        return view.getUint16(at, true) + 256;
    return singleSegment ? view.getUint8(at) : -1;
}
function corrupt(why, cause) {
    return new errors/* ActionError */.lZ("FRAME_CORRUPT", `A frame of the archive is damaged: ${why}.`, { cause });
}

;// CONCATENATED MODULE: ./build/catalog/checksum-file.js
/** The text of a `.sha256` file as `sha256sum -c` reads it, and back. Names here never hold a newline or backslash. */
function checksumFile(sha256, name) {
    return `${sha256}  ${name}\n`;
}
/** The digest that a `.sha256` file gives for `name`; a file with one line only may name it otherwise. */
function readChecksumFile(text, name) {
    const lines = text
        .split("\n")
        .map((line) => /^([0-9a-fA-F]{64})(?: [ *](.*))?$/.exec(line.trimEnd()))
        .filter((line) => line !== null);
    const named = lines.find((line) => line[2]?.split("/").at(-1) === name);
    const found = named ?? (lines.length === 1 ? lines[0] : undefined);
    return found?.[1]?.toLowerCase();
}

// EXTERNAL MODULE: ./build/catalog/ids.js
var ids = __webpack_require__(8970);
;// CONCATENATED MODULE: ./build/store/byte-queue.js
/** Bytes in order, taken out in other portions than they came in. */
function createByteQueue() {
    const chunks = [];
    return {
        add(bytes) {
            if (bytes.length > 0)
                chunks.push(bytes);
        },
        take(size) {
            const taken = [];
            let missing = size;
            while (missing > 0) {
                const chunk = chunks.shift();
                if (chunk === undefined)
                    throw new RangeError("fewer bytes were gathered than were planned");
                const used = chunk.subarray(0, missing);
                if (used.length < chunk.length)
                    chunks.unshift(chunk.subarray(used.length));
                taken.push(used);
                missing -= used.length;
            }
            const [only] = taken;
            return taken.length === 1 && only !== undefined ? viewOf(only) : Buffer.concat(taken, size);
        },
    };
}
function viewOf(bytes) {
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

;// CONCATENATED MODULE: ./build/store/lane.js
function createLane(maxCount, maxBytes) {
    const underWay = new Set();
    let bytes = 0;
    return {
        async room(sizeBytes) {
            const isFull = () => underWay.size >= maxCount || bytes + sizeBytes > maxBytes;
            while (underWay.size > 0 && isFull())
                await Promise.race(underWay);
        },
        add(sizeBytes, work) {
            bytes += sizeBytes;
            const entry = work.then(() => {
                bytes -= sizeBytes;
                underWay.delete(entry);
            });
            underWay.add(entry);
        },
        async drained() {
            await Promise.all(underWay);
        },
    };
}

// EXTERNAL MODULE: ./build/store/errors.js
var store_errors = __webpack_require__(9575);
;// CONCATENATED MODULE: ./build/store/part-sizes.js
/**
 * How large the parts of an upload have to be so that a store's number of parts suffices, when the object's size is only
 * an estimate at the start. Three quarters of the parts are meant for the estimate, at one size; should the object turn
 * out larger, the size doubles eight times over the last quarter. While more parts are left than the rest of the
 * estimate needs, a part may be as small as the store allows, which is what lets short reused runs be copied.
 */

const MiB = 1024 * 1024;
const usualPartBytes = 16 * MiB;
/** A written part is held in memory until the store has it. */
const largestWrittenPartBytes = 512 * MiB;
/** A copied part is held by nobody, but its request must be answered within the time limits. */
const usualCopiedPartBytes = 256 * MiB;
/** Parts of slack that a plan looks ahead at most; see `decide` in part-planner.ts. */
const reservedParts = 8;
function planPartSizes(limits, expectedSizeBytes) {
    const { minPartSizeBytes: min, maxPartSizeBytes: max, maxParts } = limits;
    const most = Math.min(Math.floor(max / 2), Math.max(largestWrittenPartBytes, min));
    const planned = Math.max(1, Math.floor(maxParts * 0.75));
    const wanted = Math.ceil((expectedSizeBytes * 1.25) / planned);
    const base = Math.min(most, Math.max(min, usualPartBytes, wanted));
    const doublingEvery = Math.max(1, (maxParts - planned) / 8);
    const atNumber = (number) => number <= planned
        ? base
        : Math.min(most, base * 2 ** Math.min(30, Math.ceil((number - planned) / doublingEvery)));
    return {
        floor(number, position) {
            const rest = Math.max(0, expectedSizeBytes - position);
            const hasSlack = (planned - number - reservedParts) * base >= rest;
            return hasSlack ? min : atNumber(number);
        },
        writeTarget: atNumber,
        copyTarget: (number) => Math.min(Math.floor(max / 2), Math.max(usualCopiedPartBytes, atNumber(number))),
    };
}
/** The largest object that `planPartSizes` promises to fit; for a look before anything is sent. */
function largestPlannedBytes(limits) {
    const { minPartSizeBytes: min, maxPartSizeBytes: max, maxParts } = limits;
    const most = Math.min(Math.floor(max / 2), Math.max(largestWrittenPartBytes, min));
    return Math.floor((Math.floor(maxParts * 0.75) * most) / 1.25);
}
function tooManyParts(maxParts, sizeBytes) {
    return new store_errors/* StoreError */.AD("STORE_FULL", `An object of ${Math.ceil(sizeBytes / (1024 * MiB))} GiB does not fit into the ${maxParts} parts this store takes.`, { hint: "Raise `s3-max-parts` if the store takes more, or leave more out of the snapshot (`exclude`)." });
}

;// CONCATENATED MODULE: ./build/store/part-planner.js
/**
 * Cuts an archive, whose frames arrive one by one, into the parts of an upload: frames the base archive has are copied by
 * the store, the others are sent. A store's least part size forces some reusable frames to be sent after all: a changed
 * island that is too small takes neighbours along, and a reusable run that is too short goes with its neighbours. Which
 * ones is found by dynamic programming over the frames still undecided, so that as few bytes as possible are sent; a
 * frame is decided as soon as every way on that may still turn out best agrees about it.
 *
 * No input and no output here: the sink asks what to do with a frame, does it, and says what came of it.
 */

/** What is certain about the first of the `pending` frames: a choice for each, or for fewer, or none. */
function decide(open, pending, options) {
    let ways = [
        {
            mode: open?.mode,
            missing: open === undefined ? 0 : Math.max(0, open.floor - open.length),
            baseEnd: open?.baseEnd,
            cost: 0,
            switches: 0,
            choices: "",
        },
    ];
    for (const frame of pending) {
        const next = ways.flatMap((way) => {
            const on = [step(way, frame, "write", options.floor)];
            if (frame.kind === "reusable")
                on.push(step(way, frame, "copy", options.floor));
            return on.filter((found) => found !== undefined);
        });
        ways = [...undominated(next, "write"), ...undominated(next, "copy")];
    }
    return Array.from(agreed(ways, options), (choice) => (choice === "w" ? "write" : "copy"));
}
/** Undefined where the part before would stay below its floor. */
function step(way, frame, mode, floor) {
    const baseOffset = mode === "copy" && frame.kind === "reusable" ? frame.baseOffset : undefined;
    const joins = way.mode === mode && way.baseEnd === baseOffset;
    if (!joins && way.missing > 0)
        return undefined;
    return {
        mode,
        missing: Math.max(0, (joins ? way.missing : floor) - frame.size),
        baseEnd: baseOffset === undefined ? undefined : baseOffset + frame.size,
        cost: way.cost + (mode === "write" && frame.kind === "reusable" ? frame.size : 0),
        switches: way.switches + (joins ? 0 : 1),
        choices: way.choices + (mode === "write" ? "w" : "c"),
    };
}
/** Of the ways that end in one mode, those that no other one beats in both the bytes sent and the bytes missing. */
function undominated(ways, mode) {
    const kept = [];
    const sorted = ways.filter((way) => way.mode === mode).toSorted(compareWays);
    for (const way of sorted) {
        if (way.missing < (kept.at(-1)?.missing ?? Infinity))
            kept.push(way);
    }
    return kept;
}
function compareWays(a, b) {
    return a.cost - b.cost || a.missing - b.missing || a.switches - b.switches;
}
function agreed(ways, options) {
    if (options.ended)
        return ways.toSorted(compareWays)[0]?.choices ?? "";
    const [first = "", ...others] = ways.map((way) => way.choices);
    let length = first.length;
    for (const other of others) {
        let same = 0;
        while (same < length && other[same] === first[same])
            same += 1;
        length = same;
    }
    if (length > 0 || !options.force)
        return first.slice(0, length);
    // Only a way that stays possible whatever follows may be forced.
    const safe = ways.filter((way) => way.mode === "write" || way.missing === 0);
    return safe.toSorted(compareWays)[0]?.choices.slice(0, 1) ?? "";
}
/** So many undecided frames, or bytes of them that have to be held, and a decision is forced. */
const heldFrames = 1_000;
const heldBytesBeyondFloors = 16 * 1024 * 1024;
function createPartPlanner(options) {
    const { limits, canCopy } = options;
    const sizes = planPartSizes(limits, options.expectedSizeBytes);
    const pending = [];
    let choices = [];
    let choicesFloor = 0;
    let stale = true;
    let pendingBytes = 0;
    let ended = false;
    let open;
    /** Where the open part begins, in the object and (copies) in the base. */
    let openOffset = 0;
    let openBase = 0;
    let position = 0;
    let number = 1;
    const emit = (mode, size) => {
        if (number > limits.maxParts)
            throw tooManyParts(limits.maxParts, position);
        const place = { number, offset: openOffset };
        const part = mode === "write" ? { kind: mode, place, size } : { kind: mode, place, size, baseOffset: openBase };
        number += 1;
        openOffset += size;
        openBase += size;
        return part;
    };
    const closeOpen = () => {
        // An empty object still needs one part.
        const parts = open !== undefined && (open.length > 0 || number === 1) ? [emit(open.mode, open.length)] : [];
        open = undefined;
        return parts;
    };
    return {
        get position() {
            return position;
        },
        offer(frame) {
            pending.push(frame.kind === "reusable" && !canCopy ? { kind: "bytes", size: frame.size } : frame);
            if (frame.kind === "bytes")
                pendingBytes += frame.size;
            stale = true;
        },
        end() {
            ended = true;
            stale = true;
        },
        next() {
            if (pending.length === 0)
                return undefined;
            if (choices.length === 0 && stale) {
                stale = false;
                choicesFloor = sizes.floor(number, position);
                const force = pending.length > heldFrames || pendingBytes > 2 * choicesFloor + heldBytesBeyondFloors;
                const window = ended ? [...pending, { kind: "bytes", size: 1 }] : pending;
                choices = decide(open, window, { floor: choicesFloor, ended, force }).slice(0, pending.length);
            }
            return choices[0];
        },
        settle(choice, size) {
            const frame = pending.shift();
            if (frame === undefined)
                throw new RangeError("no frame is left to settle");
            choices.shift();
            if (frame.kind === "bytes")
                pendingBytes -= frame.size;
            // What was planned for later counted on the size it had in the base.
            if (frame.size !== size)
                choices = [];
            stale = true;
            const baseOffset = choice === "copy" && frame.kind === "reusable" ? frame.baseOffset : undefined;
            const joins = open !== undefined && open.mode === choice && open.baseEnd === baseOffset;
            const parts = joins ? [] : closeOpen();
            if (!joins)
                openBase = baseOffset ?? 0;
            open = {
                mode: choice,
                length: (joins ? (open?.length ?? 0) : 0) + size,
                floor: joins ? (open?.floor ?? 0) : choicesFloor,
                ...(baseOffset === undefined ? {} : { baseEnd: baseOffset + size }),
            };
            position += size;
            const target = () => choice === "write" ? sizes.writeTarget(number) : sizes.copyTarget(number);
            // What remains must be a part of its own, should the segment end here.
            while (open.length >= target() + open.floor) {
                const size = target();
                parts.push(emit(choice, size));
                open = { ...open, length: open.length - size };
            }
            return parts;
        },
        close: () => closeOpen(),
    };
}

;// CONCATENATED MODULE: ./build/store/seams.js
/** Remembers the copied frames only until the parts they are in have been cut. */
function createSeamFinder() {
    const found = [];
    let recent = [];
    const note = (byte) => {
        const seam = recent.find((frame) => frame.offset <= byte && byte < frame.offset + frame.compressedSize);
        if (seam !== undefined && found.at(-1)?.frame !== seam.frame)
            found.push(seam);
    };
    return {
        found,
        frame: (seam) => void recent.push(seam),
        part(offset, size) {
            note(offset);
            note(offset + size - 1);
            recent = recent.filter((frame) => frame.offset + frame.compressedSize > offset + size);
        },
    };
}
/** Reads the frames at the seams back from the finished object and has each checked (against its digest). */
async function verifySeams(source, seams, check, options) {
    const queue = [...seams];
    const work = async () => {
        for (let seam = queue.shift(); seam !== undefined; seam = queue.shift()) {
            await check(seam.frame, await source.read(seam.offset, seam.compressedSize, options.signal));
        }
    };
    await Promise.all(Array.from({ length: Math.max(1, options.concurrency) }, work));
}

;// CONCATENATED MODULE: ./build/store/part-sink.js
/**
 * Takes an archive's frames and puts them into an upload, in parts the store accepts: several on their way at once,
 * memory bounded, reused frames copied by the store. Nothing is visible until the caller completes the upload.
 */






const writesAtOnce = 4;
const copiesAtOnce = 12;
/** Of parts on their way; a single larger part goes alone. */
const bytesOnTheWay = 96 * 1024 * 1024;
function openPartSink(options) {
    const { upload, signal } = options;
    const planner = createPartPlanner({
        limits: options.limits,
        expectedSizeBytes: options.expectedSizeBytes,
        canCopy: upload.copies !== "none",
    });
    const held = [];
    const gathered = createByteQueue();
    const writes = createLane(writesAtOnce, bytesOnTheWay);
    const copies = createLane(copiesAtOnce, Infinity);
    const seams = createSeamFinder();
    const hash = (0,external_node_crypto_.createHash)("sha256");
    let sentBytes = 0;
    let copiedBytes = 0;
    let parts = 0;
    let reusedFrames = 0;
    let settledFrames = 0;
    let failure;
    let finished = false;
    const start = async (part) => {
        parts += 1;
        const lane = part.kind === "write" ? writes : copies;
        await lane.room(part.size);
        throwIfFailed();
        const work = part.kind === "write"
            ? upload.writePart(part.place, gathered.take(part.size))
            : upload.copyPart(part.place, { offset: part.baseOffset, length: part.size });
        if (part.kind === "copy")
            seams.part(part.place.offset, part.size);
        lane.add(part.size, work.then(() => {
            if (part.kind === "write")
                sentBytes += part.size;
            else
                copiedBytes += part.size;
            options.onProgress?.({ sentBytes, copiedBytes });
        }, (error) => {
            failure ??= { error };
        }));
    };
    const throwIfFailed = () => {
        (0,errors/* throwIfAborted */.Te)(signal);
        if (failure !== undefined)
            throw failure.error;
    };
    const settle = async (choice, { frame, placed }) => {
        const offset = planner.position;
        let size;
        if (choice === "copy" && frame.kind === "reusable") {
            size = frame.compressedSize;
            reusedFrames += 1;
            seams.frame({ frame: settledFrames, offset, compressedSize: size });
        }
        else {
            const bytes = frame.kind === "bytes" ? frame.bytes : await frame.materialize();
            size = bytes.length;
            hash.update(bytes);
            gathered.add(bytes);
        }
        settledFrames += 1;
        const ready = planner.settle(choice, size);
        placed({ offset, compressedSize: size, reused: choice === "copy" });
        for (const part of ready)
            await start(part);
    };
    const settleAll = async () => {
        for (;;) {
            throwIfFailed();
            const choice = planner.next();
            const next = choice === undefined ? undefined : held.shift();
            if (choice === undefined || next === undefined)
                return;
            await settle(choice, next);
        }
    };
    const offer = (frame) => planner.offer(frame.kind === "bytes"
        ? { kind: "bytes", size: frame.bytes.length }
        : { kind: "reusable", size: frame.compressedSize, baseOffset: frame.baseOffset });
    return {
        async append(frame, placed) {
            throwIfFailed();
            held.push({ frame, placed });
            offer(frame);
            await settleAll();
        },
        async finish(tail) {
            planner.end();
            await settleAll();
            const bytes = tail();
            hash.update(bytes);
            gathered.add(bytes);
            planner.offer({ kind: "bytes", size: bytes.length });
            for (const part of planner.settle("write", bytes.length))
                await start(part);
            for (const part of planner.close())
                await start(part);
            await Promise.all([writes.drained(), copies.drained()]);
            throwIfFailed();
            finished = true;
        },
        result() {
            if (!finished)
                throw new Error("the sink has not been finished");
            return {
                sizeBytes: planner.position,
                parts,
                sentBytes,
                copiedBytes,
                reusedFrames,
                ...(reusedFrames === 0 ? { sha256: hash.copy().digest("hex") } : {}),
                seams: seams.found,
            };
        },
    };
}

// EXTERNAL MODULE: ./build/store/frame-source.js
var frame_source = __webpack_require__(1061);
;// CONCATENATED MODULE: ./build/store/upload-file.js
/** Whole files and streams as objects, whatever their size. */



/** Sends a stream as one object; it appears when all of it is there, and nothing stays behind when it fails. */
async function uploadStream(store, key, chunks, options) {
    const { signal, contentType } = options;
    const upload = await store.openUpload(key, {
        signal,
        ...(contentType === undefined ? {} : { contentType }),
    });
    try {
        const sink = openPartSink({
            upload,
            limits: store.partLimits,
            expectedSizeBytes: options.expectedSizeBytes,
            signal,
            onProgress: ({ sentBytes }) => options.onProgress?.(sentBytes),
        });
        for await (const bytes of chunks)
            await sink.append({ kind: "bytes", bytes }, () => undefined);
        await sink.finish(() => new Uint8Array());
        return { info: await upload.complete(), sent: sink.result() };
    }
    finally {
        await upload.abort();
    }
}
const chunkBytes = 4 * 1024 * 1024;
/** Sends a local file as one object. */
async function uploadFile(store, key, file, options) {
    const { size } = await (0,promises_.stat)(file);
    const chunks = (0,external_node_fs_.createReadStream)(file, { highWaterMark: chunkBytes, signal: options.signal });
    const { info } = await uploadStream(store, key, chunks, { ...options, expectedSizeBytes: size });
    return info;
}

;// CONCATENATED MODULE: ./build/commands/archive-view.js
/**
 * From a view to an archive that stands in the store: written in parallel, sent in parts without a copy on local disk,
 * looked at again when it is there. An upload that fails leaves nothing behind.
 */













/** Walks the directory as the archive will, reading nothing. */
async function measure(rooms, { chainstateDir, selection, signal }) {
    const view = await rooms.viewOf(chainstateDir, selection);
    let entries = 0;
    let contentBytes = 0;
    for await (const { size } of view.entries(signal)) {
        entries += 1;
        contentBytes += size;
    }
    return { entries, contentBytes };
}
/** What a node may add between the count and the cut, and what headers and incompressible frames may cost. */
function upperBound({ entries, contentBytes }) {
    return Math.ceil(contentBytes * 1.05) + entries * 1536 + 1024 ** 3;
}
/** Writes archive, index and checksum file; what makes them a snapshot, the manifest, comes later. */
async function archiveView(request, subject) {
    const { config, rooms, store } = request;
    const { facts, signal } = subject;
    const rootName = (0,external_node_path_.basename)(config.chainstateDir);
    const { id, at } = await (0,publish/* claimSnapshotId */.eN)(store, facts, subject.at, rooms.host.runId, signal);
    const version = subject.node.version?.fileNamePart ?? "unknown";
    const key = `${(0,ids/* snapshotFolder */.H1)(id)}/${(0,ids/* archiveName */.uv)(rootName, version, at)}`;
    const indexKey = `${(0,ids/* snapshotFolder */.H1)(id)}/index.json.zst`;
    const scratch = await (0,promises_.mkdtemp)((0,external_node_path_.join)(rooms.host.tempDir, "archive-"));
    try {
        const indexFile = (0,external_node_path_.join)(scratch, "index.json.zst");
        const written = await send(request, subject, { key, rootName, indexFile });
        await uploadFile(store, indexKey, indexFile, { signal, contentType: "application/zstd" });
        if (written.sha256 !== undefined) {
            const text = checksumFile(written.sha256, (0,external_node_path_.basename)(key));
            await store.put(`${key}.sha256`, Buffer.from(text), { signal, contentType: "text/plain" });
        }
        const { sha256 } = written;
        return {
            id,
            record: {
                key,
                size: written.size,
                ...(sha256 === undefined ? {} : { sha256 }),
                tarSize: written.tarSize,
                frames: written.frames,
                files: written.files,
                treeSha256: written.treeSha256,
                index: { key: indexKey, ...written.index },
                ...(subject.base === undefined || written.reused.frames === 0
                    ? {}
                    : { reused: { from: subject.base.id, ...written.reused } }),
                uploadedBytes: written.uploadedBytes,
            },
        };
    }
    finally {
        await (0,promises_.rm)(scratch, { recursive: true, force: true });
    }
}
async function send({ config, rooms, journal, store }, { frozen, expected, base, signal }, target) {
    return await rooms.report.phase("archive", `Archive to ${store.urlOf(target.key)}`, async (phase) => {
        const upload = await store.openUpload(target.key, {
            contentType: "application/zstd",
            ...(base === undefined ? {} : { copyFrom: { key: base.key, etag: base.etag } }),
            signal,
        });
        await noteUpload(journal, config, upload);
        const sink = openPartSink({
            upload,
            limits: store.partLimits,
            expectedSizeBytes: upperBound(expected),
            signal,
        });
        try {
            const skipped = new Map();
            frozen.view.onSkipped = ({ reason }) => void skipped.set(reason, (skipped.get(reason) ?? 0) + 1);
            const written = await writeArchive({
                view: frozen.view,
                rootName: target.rootName,
                sink,
                indexFile: target.indexFile,
                level: config.compressionLevel,
                concurrency: config.concurrency,
                ...(base === undefined ? {} : { known: base.known }),
                signal,
                onProgress: ({ doneBytes }) => phase.progress({ doneBytes, totalBytes: Math.max(doneBytes, expected.contentBytes) }),
            });
            const stored = await upload.complete();
            await forgetUpload(journal, upload);
            await requireStored(store, target.key, written.size, stored.etag, signal);
            if (upload.copies === "unbound")
                await checkSeams(store, target.key, sink.result().seams, written, signal);
            phase.bytes(written.tarSize);
            for (const [reason, count] of skipped)
                rooms.report.info(`Left out (${reason}): ${count}`);
            return written;
        }
        catch (error) {
            await upload.abort();
            await forgetUpload(journal, upload);
            throw error;
        }
    });
}
/** The store did not bind its copies to the version they were asked of: where parts meet, the frames are read back. */
async function checkSeams(store, key, seams, written, signal) {
    const source = await (0,frame_source/* openFrameSource */.j)(store, key, signal);
    const check = async (ordinal, bytes) => {
        const { size, sha256 } = written.frameAt(ordinal);
        if ((0,external_node_crypto_.createHash)("sha256").update(decompressFrame(bytes, size)).digest("hex") === sha256)
            return;
        throw new errors/* ActionError */.lZ("COPIED_WRONGLY", `${source.url}: the store copied frame ${ordinal} wrongly.`, {
            hint: "Nothing was published. The earlier snapshot may be damaged: verify it, and prune it if it is.",
        });
    };
    await verifySeams(source, seams, check, { concurrency: 4, signal });
}
/** What was sent is looked at as a stranger would find it. */
async function requireStored(store, key, size, etag, signal) {
    const found = await store.head(key, signal);
    if (found?.size === size && (etag === undefined || found.etag === undefined || etag === found.etag))
        return;
    throw new errors/* ActionError */.lZ("STORED_DIFFERS", `${store.urlOf(key)} was sent with ${size} bytes and is found with ${found?.size ?? "none"}.`, { hint: "Nothing was published. See whether something else writes to that prefix, and run this again." });
}
async function noteUpload(journal, config, { token }) {
    await journal.update((now) => ({
        ...now,
        uploads: [...now.uploads, { location: config.storage, ...token }],
    }));
}
async function forgetUpload(journal, { token }) {
    await journal.update((now) => ({ ...now, uploads: now.uploads.filter(({ id }) => id !== token.id) }));
}

// EXTERNAL MODULE: ./build/archive/index-reader.js + 3 modules
var index_reader = __webpack_require__(5454);
// EXTERNAL MODULE: ./build/catalog/read.js
var read = __webpack_require__(8990);
// EXTERNAL MODULE: ./build/catalog/readers.js
var readers = __webpack_require__(2388);
// EXTERNAL MODULE: ./build/commands/open-snapshot.js
var open_snapshot = __webpack_require__(8792);
;// CONCATENATED MODULE: ./build/commands/base-snapshot.js
/**
 * The earlier snapshot whose frames a new archive may take over: the newest one of the same network on the same store.
 * Equal digests are equal bytes, so any will do; this is only about how much is saved, and nothing here may fail a run.
 */







/** Undefined, with the reason in the log, where there is none that can be used: then everything is sent. */
async function tryFindBase(rooms, store, network) {
    const { report, host, signal } = rooms;
    if (!store.capabilities.copyRange) {
        report.info("This store cannot copy parts of an earlier archive: everything is sent.");
        return undefined;
    }
    const scratch = await (0,promises_.mkdtemp)((0,external_node_path_.join)(host.tempDir, "base-"));
    let announcement;
    try {
        const candidates = (await (0,read/* listSnapshots */.Cb)(store, signal)).filter((entry) => entry.network === network && entry.archive !== null);
        const chosen = candidates.find((entry) => entry.host === host.hostName) ?? candidates[0];
        if (chosen === undefined) {
            report.info("There is no earlier snapshot of this network to take frames from: everything is sent.");
            return undefined;
        }
        announcement = await (0,readers/* tryAnnounceRestore */.Vs)(store, chosen.id, host.runId, rooms.clock, signal);
        const manifest = await (0,read/* loadManifest */.eY)(store, chosen.id, signal);
        const { record, source, indexFile } = await (0,open_snapshot/* openArchive */.p)({ store, manifest }, scratch, signal);
        if (source.etag === undefined) {
            report.info("This store names no versions of its objects: everything is sent.");
            await announcement?.withdraw(signal);
            return undefined;
        }
        const { frames } = await (0,index_reader/* openIndex */.b)(indexFile, { signal, expect: record.index });
        const bySha256 = new Map();
        for (let frame = 0; frame < frames.count; frame += 1)
            bySha256.set(frames.sha256Of(frame), frame);
        report.info(`Frames that ${chosen.id} has already are copied by the store and not sent (${frames.count} known).`);
        const withdraw = async () => await announcement?.withdraw(AbortSignal.timeout(10_000));
        return {
            id: chosen.id,
            key: record.key,
            etag: source.etag,
            frames: frames.count,
            known(sha256) {
                const frame = bySha256.get(sha256);
                if (frame === undefined)
                    return undefined;
                return { offset: frames.offsetOf(frame), compressedSize: frames.compressedSizeOf(frame) };
            },
            withdraw,
        };
    }
    catch (error) {
        signal.throwIfAborted();
        report.notice(`No earlier snapshot can be used to save sending: ${(0,errors/* describeError */.Uc)(error)}`);
        await announcement?.withdraw(AbortSignal.timeout(10_000)).catch(() => undefined);
        return undefined;
    }
    finally {
        await (0,promises_.rm)(scratch, { recursive: true, force: true });
    }
}

// EXTERNAL MODULE: ./build/commands/journaled.js
var journaled = __webpack_require__(7333);
// EXTERNAL MODULE: ./build/commands/managed-node.js
var managed_node = __webpack_require__(3067);
// EXTERNAL MODULE: ./build/commands/outage.js + 2 modules
var commands_outage = __webpack_require__(7329);
// EXTERNAL MODULE: ./build/commands/inspection-report.js
var inspection_report = __webpack_require__(8636);
// EXTERNAL MODULE: ./build/commands/prune.js + 2 modules
var prune = __webpack_require__(7263);
// EXTERNAL MODULE: ./build/commands/write-page.js + 4 modules
var write_page = __webpack_require__(5628);
;// CONCATENATED MODULE: ./build/commands/snapshot.js
/**
 * `command: snapshot`. Everything that can be known before the node is touched is looked at first; the node is down only
 * from the stop until the moment is held still (or, `cold`, until the archive stands in the store); nothing is published
 * that was not checked, and `latest` moves last.
 */















async function snapshot(config, rooms) {
    const { chainstateDir, node } = config;
    await (0,journaled/* withJournal */.u)(rooms, { chainstateDir, command: "snapshot", sudo: node.sudo }, async (journal) => {
        const store = await rooms.openStore(config.storage);
        try {
            const run = { config, rooms, journal, store };
            const plan = await rooms.report.phase("preflight", "Look at everything before the node is touched", () => preflight(run));
            if (config.dryRun)
                return reportPlan(run, plan);
            const manifest = await take(run, plan).finally(() => plan.base?.withdraw());
            await reportResult(run, manifest);
        }
        finally {
            await store.close();
        }
    });
}
async function preflight({ config, rooms, store }) {
    const { report, signal, host } = rooms;
    await store.probeWritable(signal);
    report.info(`Storage: ${store.url} can be written.`);
    const node = await (0,managed_node/* meetNode */.y)(rooms, config.node, config.chainstateDir);
    const privilege = rooms.privilege(config.node.sudo);
    const request = {
        chainstateDir: config.chainstateDir,
        selection: (0,layout/* selectEntries */.XO)(config.profile, config.exclude),
        runId: host.runId,
        stateDir: host.stateDir,
        signal,
    };
    const chosen = await rooms.chooseFreezer(config, request, privilege);
    report.info(`Held still by ${chosen.freezer.name}: ${chosen.reason}.`);
    if (chosen.notice !== undefined)
        report.notice(chosen.notice);
    const expected = await measure(rooms, request);
    report.info(`To archive: ${expected.entries} entries, ${(0,space/* formatBytes */.z3)(expected.contentBytes)}.`);
    const base = config.dryRun ? undefined : await tryFindBase(rooms, store, (0,external_node_path_.basename)(config.chainstateDir));
    return { node, request, chosen, expected, base };
}
function reportPlan({ config, rooms, store }, { node, chosen }) {
    const { report } = rooms;
    const downtime = config.cut === "live"
        ? "it is not stopped"
        : chosen.freezer.name === "cold"
            ? "until the upload is done"
            : "until the moment is held";
    report.fact("Node", `${node.control.identity.manager} ${node.control.identity.name}, ${node.before.detail}`);
    report.fact("Held still by", `${chosen.freezer.name} (${chosen.reason})`);
    report.fact("Downtime", node.before.running ? downtime : "none: the node is not running");
    report.fact("Archive to", store.url);
    report.headline("Dry run: a snapshot can be taken; nothing was touched.");
}
async function take(run, plan) {
    const { config, rooms, journal } = run;
    const outage = new commands_outage/* Outage */.a(rooms, plan.node, config.node, journal, config.chainstateDir);
    const taken = await outage.guard(async () => {
        const result = config.cut === "live" ? await takeLive(run, plan) : await takeStopped(run, plan, outage);
        await outage.end({ minStacksHeight: result.facts.stacksHeight });
        return result;
    });
    const manifest = manifestOf(run, plan, taken, outage.downtimeSeconds);
    await rooms.report.phase("publish", "Publish", async () => {
        await (0,publish/* publish */.mk)(run.store, manifest, rooms.signal);
        await (0,write_page/* writePage */.x)(run.store, rooms.signal);
    });
    await outage.sync({ minStacksHeight: taken.facts.stacksHeight });
    if (Object.keys(config.retention).length > 0)
        await (0,prune.applyRetention)(rooms, run.store, config.retention, false);
    return manifest;
}
async function takeStopped(run, plan, outage) {
    const { config, rooms } = run;
    const { freezer } = plan.chosen;
    const isCold = freezer.name === "cold";
    const cleanStop = await outage.begin();
    const inspection = await check(run, plan, isCold && config.check !== "none" ? config.check : "tips");
    const at = new Date(rooms.clock.now());
    return await whileFrozen(run, plan, true, async (frozen, signal) => {
        if (!isCold)
            await outage.end({ minStacksHeight: inspection.facts.stacksHeight });
        const archive = await archiveView(run, {
            frozen,
            facts: inspection.facts,
            node: plan.node,
            expected: plan.expected,
            base: plan.base,
            at,
            signal,
        });
        if (isCold)
            await outage.proveStillDown();
        return { at, facts: inspection.facts, checks: inspection.checks, cleanStop, archive };
    });
}
/** The node runs on: the moment is one at which its databases agree, found and held by the freezer. */
async function takeLive(run, plan) {
    return await whileFrozen(run, plan, false, async (frozen, signal) => {
        const inspection = await run.rooms.report.phase("check", "Check the chainstate inside the frozen moment", async () => {
            if (frozen.ask === undefined)
                throw new RangeError(`${frozen.method} cannot be asked`);
            return judged(run, plan, await (0,inspect/* inspectFrozen */.Bi)(frozen.ask, run.config.chainstateDir));
        });
        const { facts, checks } = inspection;
        const archive = await archiveView(run, {
            frozen,
            facts,
            node: plan.node,
            expected: plan.expected,
            base: plan.base,
            at: frozen.at,
            signal,
        });
        return { at: frozen.at, facts, checks, cleanStop: undefined, archive };
    });
}
async function check(run, plan, depth) {
    const { config, rooms } = run;
    return await rooms.report.phase("check", "Check that the databases are one chainstate", async () => judged(run, plan, await (0,inspect/* inspectChainstate */.Tz)({ dir: config.chainstateDir, depth, signal: rooms.signal })));
}
/** Throws unless the chainstate is consistent and is the one the node told of. */
function judged({ config, rooms }, plan, inspection) {
    (0,inspection_report/* reportInspection */.B)(rooms.report, inspection);
    if (config.check !== "none")
        (0,inspect/* assertConsistent */.B$)(inspection);
    if (plan.node.info !== undefined) {
        const warning = (0,inspect/* compareWithRpc */.RF)(inspection.facts, plan.node.info, plan.node.tenure);
        if (warning !== undefined)
            rooms.report.warning(warning);
    }
    return inspection;
}
/** Freezes, works on the frozen view, and gives it back whatever happens. A view that breaks ends the work at once. */
async function whileFrozen(run, plan, nodeDown, work) {
    const { rooms, journal } = run;
    const { freezer } = plan.chosen;
    await journal.update((now) => ({
        ...now,
        frozen: [...now.frozen, { freezer: freezer.name, runId: rooms.host.runId }],
    }));
    const frozen = await rooms.report.phase("freeze", `Hold it still by ${freezer.name}`, () => freezer.freeze(plan.request, nodeDown));
    const broken = new AbortController();
    void frozen.broken.catch((error) => broken.abort(error));
    try {
        const result = await work(frozen, AbortSignal.any([rooms.signal, broken.signal]));
        await frozen.assertHeld();
        return result;
    }
    finally {
        await frozen.release();
        await journal.update((now) => ({ ...now, frozen: [] }));
    }
}
function manifestOf({ config, rooms }, { node, chosen }, taken, downtimeSeconds) {
    const { archive, cleanStop } = taken;
    const cut = config.cut === "live" ? "live" : chosen.freezer.name === "cold" ? "cold" : "frozen";
    return {
        version: 1,
        id: archive.id,
        createdAt: new Date(rooms.clock.now()).toISOString(),
        kind: "archive",
        tool: rooms.host.tool,
        host: rooms.host.hostName,
        node: {
            manager: node.control.identity.manager,
            name: node.control.identity.name,
            versionLine: node.version?.line ?? null,
            version: node.version?.version ?? null,
            commit: node.version?.commit ?? null,
        },
        chain: taken.facts,
        cleanStop: cleanStop === undefined ? null : { ...cleanStop, evidence: [...cleanStop.evidence] },
        checks: [...taken.checks],
        verified: config.check === "none" ? "checksum" : "database",
        cut: { method: cut, freezer: chosen.freezer.name, at: taken.at.toISOString(), downtimeSeconds },
        archive: archive.record,
        volumes: [],
        profile: config.profile,
        excluded: [...config.exclude],
        ...(config.pin ? { pinned: true } : {}),
    };
}
async function reportResult({ rooms, store }, manifest) {
    const { report, host } = rooms;
    const { archive, chain, id } = manifest;
    const local = (0,external_node_path_.join)(host.tempDir, `${id}.manifest.json`);
    await (0,promises_.writeFile)(local, `${JSON.stringify(manifest, undefined, 2)}\n`);
    report.output("snapshot-id", id);
    report.output("manifest-url", store.urlOf(`snapshots/${id}/manifest.json`));
    report.output("manifest-path", local);
    report.output("downtime-seconds", String(manifest.cut.downtimeSeconds));
    report.fact("Snapshot", id);
    report.fact("Cut", `${manifest.cut.method}, held by ${manifest.cut.freezer}, at ${manifest.cut.at}`);
    if (archive !== undefined) {
        const url = store.urlOf(archive.key);
        report.output("archive-url", url);
        report.output("size-bytes", String(archive.size));
        report.output("uploaded-bytes", String(archive.uploadedBytes));
        report.fact("Archive", `${archive.files} files, ${(0,space/* formatBytes */.z3)(archive.tarSize)} in ${(0,space/* formatBytes */.z3)(archive.size)}`);
        const { reused } = archive;
        if (reused !== undefined) {
            const share = Math.round((100 * reused.bytes) / archive.size);
            report.fact("Reused", `${reused.frames} of ${archive.frames} frames, ${share} % of the bytes, from ${reused.from}`);
        }
        report.fact("Sent", (0,space/* formatBytes */.z3)(archive.uploadedBytes));
        report.link("Archive", url);
        report.commands("Restore it by hand", Object.values((0,by_hand/* commandsByHand */.Xm)({
            storageUrl: store.url,
            key: archive.key,
            hasSha256: archive.sha256 !== undefined,
        })).flat());
    }
    report.headline(`Snapshot ${id} at Stacks height ${chain.stacksHeight} is published; downtime ${manifest.cut.downtimeSeconds} s.`);
}


/***/ })

};
