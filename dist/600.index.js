export const id = 600;
export const ids = [600,990];
export const modules = {

/***/ 1221:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __webpack_require__) => {

/* harmony export */ __webpack_require__.d(__webpack_exports__, {
/* harmony export */   S: () => (/* binding */ FrameTable)
/* harmony export */ });
const digestSize = 32;
class FrameTable {
    #count = 0;
    #capacity = 256;
    #offsets = new Float64Array(this.#capacity);
    #compressedSizes = new Uint32Array(this.#capacity);
    #sizes = new Uint32Array(this.#capacity);
    #digests = Buffer.alloc(this.#capacity * digestSize);
    get count() {
        return this.#count;
    }
    add(frame) {
        if (this.#count === this.#capacity)
            this.#grow();
        this.#offsets[this.#count] = frame.offset;
        this.#compressedSizes[this.#count] = frame.compressedSize;
        this.#sizes[this.#count] = frame.size;
        this.#digests.write(frame.sha256, this.#count * digestSize, "hex");
        this.#count += 1;
    }
    offsetOf(frame) {
        return this.#offsets[frame] ?? 0;
    }
    compressedSizeOf(frame) {
        return this.#compressedSizes[frame] ?? 0;
    }
    sizeOf(frame) {
        return this.#sizes[frame] ?? 0;
    }
    sha256Of(frame) {
        return this.#digests.toString("hex", frame * digestSize, (frame + 1) * digestSize);
    }
    at(frame) {
        return {
            offset: this.offsetOf(frame),
            compressedSize: this.compressedSizeOf(frame),
            size: this.sizeOf(frame),
            sha256: this.sha256Of(frame),
        };
    }
    /** The digests of all frames in order, as bytes: what `treeSha256` is the SHA-256 of. */
    digests() {
        return this.#digests.subarray(0, this.#count * digestSize);
    }
    /** Where the last frame ends in the archive. */
    get compressedEnd() {
        return this.#count === 0 ? 0 : this.offsetOf(this.#count - 1) + this.compressedSizeOf(this.#count - 1);
    }
    #grow() {
        this.#capacity *= 2;
        const grown = (to, from) => {
            to.set(from);
            return to;
        };
        this.#offsets = grown(new Float64Array(this.#capacity), this.#offsets);
        this.#compressedSizes = grown(new Uint32Array(this.#capacity), this.#compressedSizes);
        this.#sizes = grown(new Uint32Array(this.#capacity), this.#sizes);
        this.#digests = grown(Buffer.alloc(this.#capacity * digestSize), this.#digests);
    }
}


/***/ }),

/***/ 8274:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __webpack_require__) => {

/* harmony export */ __webpack_require__.d(__webpack_exports__, {
/* harmony export */   T: () => (/* binding */ indexVersion)
/* harmony export */ });
const indexVersion = 1;


/***/ }),

/***/ 5454:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __webpack_require__) => {


// EXPORTS
__webpack_require__.d(__webpack_exports__, {
  b: () => (/* binding */ openIndex)
});

// EXTERNAL MODULE: external "node:crypto"
var external_node_crypto_ = __webpack_require__(7598);
// EXTERNAL MODULE: external "node:fs"
var external_node_fs_ = __webpack_require__(3024);
// EXTERNAL MODULE: ./build/archive/entry-paths.js
var entry_paths = __webpack_require__(6856);
// EXTERNAL MODULE: ./build/archive/frame-table.js
var frame_table = __webpack_require__(1221);
// EXTERNAL MODULE: ./build/errors.js
var errors = __webpack_require__(9473);
// EXTERNAL MODULE: ./build/archive/index-format.js
var index_format = __webpack_require__(8274);
;// CONCATENATED MODULE: ./build/archive/index-lines.js
/** Lines of `index.json.zst` → typed values. Each field is checked for type and range; unknown fields are refused. */


function refuse(why, cause) {
    return new errors/* ActionError */.lZ("INDEX_INVALID", `The snapshot's index cannot be used: ${why}.`, {
        hint: "The index is damaged or was not written by this program. Use another snapshot.",
        cause,
    });
}
/** The first line: `{"version":1,"segmentSize":…,` */
function parseHead(line) {
    const fields = parseObject(line.endsWith(",") ? `${line.slice(0, -1)}}` : line, headFields);
    if (fields["version"] !== index_format/* indexVersion */.T) {
        throw new errors/* ActionError */.lZ("INDEX_VERSION_UNKNOWN", `The snapshot's index has version ${String(fields["version"])}.`, { hint: `This release reads version ${index_format/* indexVersion */.T}. Use a newer release of the action.` });
    }
    return { segmentSize: integer(fields, "segmentSize", 2 ** 31) };
}
/** The second line: `"root":{…},` */
function parseRoot(line) {
    if (!line.startsWith(`"root":`) || !line.endsWith(","))
        throw refuse("its root is missing");
    const fields = parseObject(line.slice(7, -1), rootFields);
    return { name: index_lines_text(fields, "name"), ...owned(fields), header: range(fields["header"]) };
}
function parseFrame(line) {
    const fields = parseObject(line, frameFields);
    const sha256 = index_lines_text(fields, "sha256");
    if (!/^[0-9a-f]{64}$/.test(sha256))
        throw refuse("a frame has no digest");
    const frame = {
        offset: integer(fields, "offset"),
        compressedSize: integer(fields, "compressedSize", 2 ** 31),
        size: integer(fields, "size", 2 ** 31),
        sha256,
    };
    if (frame.compressedSize === 0)
        throw refuse("a frame is empty");
    return frame;
}
function parseEntry(line) {
    const fields = parseObject(line, entryFields);
    const type = index_lines_text(fields, "type");
    if (!isEntryType(type))
        throw refuse(`an entry has the type ${JSON.stringify(type)}`);
    const pieces = fields["pieces"];
    if (!Array.isArray(pieces))
        throw refuse("an entry has no pieces");
    return {
        path: index_lines_text(fields, "path"),
        type,
        size: integer(fields, "size"),
        ...owned(fields),
        header: range(fields["header"]),
        pieces: pieces.map(piece),
        ...(fields["linkTarget"] === undefined ? {} : { linkTarget: index_lines_text(fields, "linkTarget") }),
    };
}
const entryFields = new Set([
    "path",
    "type",
    "size",
    "mode",
    "uid",
    "gid",
    "mtimeNs",
    "header",
    "pieces",
    "linkTarget",
]);
const headFields = new Set(["version", "segmentSize"]);
const rootFields = new Set(["name", "mode", "uid", "gid", "mtimeNs", "header"]);
const frameFields = new Set(["offset", "compressedSize", "size", "sha256"]);
const rangeFields = new Set(["frame", "offset", "size"]);
const pieceFields = new Set(["frame", "offset", "fileOffset", "size"]);
function isEntryType(type) {
    return type === "file" || type === "directory" || type === "symlink" || type === "hardlink";
}
function owned(fields) {
    const mtimeNs = index_lines_text(fields, "mtimeNs");
    if (!/^-?\d{1,24}$/.test(mtimeNs))
        throw refuse("an entry has no time");
    return {
        mode: integer(fields, "mode", 0o7777),
        uid: integer(fields, "uid", 2 ** 32 - 2),
        gid: integer(fields, "gid", 2 ** 32 - 2),
        mtimeNs: BigInt(mtimeNs),
    };
}
function range(value) {
    const fields = checkFields(value, rangeFields);
    return {
        frame: integer(fields, "frame", 2 ** 31),
        offset: integer(fields, "offset", 2 ** 31),
        size: integer(fields, "size", 2 ** 31),
    };
}
function piece(value) {
    const fields = checkFields(value, pieceFields);
    return {
        frame: integer(fields, "frame", 2 ** 31),
        offset: integer(fields, "offset", 2 ** 31),
        fileOffset: integer(fields, "fileOffset"),
        size: integer(fields, "size", 2 ** 31),
    };
}
function parseObject(line, known) {
    let value;
    try {
        value = JSON.parse(line);
    }
    catch (cause) {
        throw refuse("one of its lines is no JSON", cause);
    }
    return checkFields(value, known);
}
function checkFields(value, known) {
    if (typeof value !== "object" || value === null)
        throw refuse("an element is no object");
    for (const key in value)
        if (!known.has(key))
            throw refuse(`the field ${JSON.stringify(key)} is unknown`);
    return value;
}
function integer(fields, key, max = Number.MAX_SAFE_INTEGER) {
    const value = fields[key];
    if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0 || value > max) {
        throw refuse(`${key} is not a number in its range`);
    }
    return value;
}
function index_lines_text(fields, key) {
    const value = fields[key];
    if (typeof value !== "string")
        throw refuse(`${key} is no text`);
    return value;
}

// EXTERNAL MODULE: external "node:zlib"
var external_node_zlib_ = __webpack_require__(8522);
;// CONCATENATED MODULE: ./build/archive/index-text.js
/**
 * The text of `index.json.zst`, decompressed and taken apart line by line, in batches: half a million lines one by one
 * through asynchronous iteration would cost more than what is in them.
 */




/** A line is one entry; the pieces of a file of 10 TB fit. Without a limit a hostile index could fill the memory. */
const maxLineBytes = 64 * 1024 * 1024;
const chunkBytes = 256 * 1024;
/** The lines' fixed order: head, root, frames, files, end. Each line goes to the receiver as what it is. */
class IndexScanner {
    #receiver;
    #expected = "head";
    /** The last element ended with a comma, or none has come yet. */
    #more = false;
    #any = false;
    constructor(receiver) {
        this.#receiver = receiver;
    }
    line(line) {
        switch (this.#expected) {
            case "entry":
            case "frame":
                this.#element(line, this.#expected);
                break;
            case "head":
                this.#receiver.head(parseHead(line));
                this.#expected = "root";
                break;
            case "root":
                this.#receiver.root(parseRoot(line));
                this.#expected = "frames";
                break;
            case "frames":
                this.#open(line, `"frames":[`, "frame");
                break;
            case "files":
                this.#open(line, `"files":[`, "entry");
                break;
            case "nothing":
                throw refuse("something follows its end");
        }
    }
    end() {
        if (this.#expected !== "nothing")
            throw refuse("it ends too early");
    }
    #open(line, wanted, next) {
        if (line !== wanted)
            throw refuse("its lines are not in the order of the format");
        this.#expected = next;
        this.#more = true;
        this.#any = false;
    }
    #element(line, kind) {
        if (line === (kind === "frame" ? "]," : "]}")) {
            if (this.#more && this.#any)
                throw refuse("a list ends with a comma");
            this.#expected = kind === "frame" ? "files" : "nothing";
            return;
        }
        if (!this.#more)
            throw refuse("a comma is missing between two of its lines");
        this.#any = true;
        this.#more = line.endsWith(",");
        const text = this.#more ? line.slice(0, -1) : line;
        if (kind === "frame")
            this.#receiver.frame(parseFrame(text));
        else
            this.#receiver.entry(parseEntry(text));
    }
}
/** Reads the whole file and yields after every batch of lines the receiver has been given. Throws INDEX_INVALID. */
async function* scanIndex(file, receiver, signal) {
    const scanner = new IndexScanner(receiver);
    const input = (0,external_node_fs_.createReadStream)(file, { highWaterMark: chunkBytes });
    const decoder = (0,external_node_zlib_.createZstdDecompress)({ chunkSize: chunkBytes });
    input.on("error", (error) => decoder.destroy(error));
    let rest = [];
    let restBytes = 0;
    try {
        for await (const chunk of input.pipe(decoder)) {
            (0,errors/* throwIfAborted */.Te)(signal);
            const end = chunk.lastIndexOf(10) + 1;
            if (end > 0) {
                const text = Buffer.concat([...rest, chunk.subarray(0, end - 1)]).toString("utf8");
                for (const line of text.split("\n"))
                    scanner.line(line);
                rest = [];
                restBytes = 0;
                yield;
            }
            rest.push(chunk.subarray(end));
            restBytes += chunk.length - end;
            if (restBytes > maxLineBytes)
                throw refuse("one of its lines is too long");
        }
    }
    catch (cause) {
        if (cause instanceof errors/* ActionError */.lZ)
            throw cause;
        throw refuse("it cannot be read", cause);
    }
    finally {
        input.destroy();
        decoder.destroy();
    }
    if (restBytes > 0)
        throw refuse("its last line is cut off");
    scanner.end();
}

// EXTERNAL MODULE: ./build/archive/tar-header.js + 3 modules
var tar_header = __webpack_require__(5648);
// EXTERNAL MODULE: ./build/archive/tree-check.js + 1 modules
var tree_check = __webpack_require__(1497);
;// CONCATENATED MODULE: ./build/archive/index-tiles.js



/** Takes the root's header, then every entry, then the end. Throws INDEX_INVALID where something does not fit. */
class TileCheck {
    #frames;
    #frame = 0;
    #at = 0;
    constructor(frames) {
        this.#frames = frames;
    }
    header(range, name) {
        if (range.size < tar_header/* tarBlockSize */.Sm || range.size % tar_header/* tarBlockSize */.Sm !== 0) {
            throw refuse(`the header of ${(0,tree_check/* show */.W)(name)} has an impossible size`);
        }
        this.#take(range, name);
    }
    entry(entry) {
        this.header(entry.header, entry.path);
        let fileOffset = 0;
        for (const piece of entry.pieces) {
            if (piece.size === 0 || piece.fileOffset !== fileOffset) {
                throw refuse(`the pieces of ${(0,tree_check/* show */.W)(entry.path)} leave a gap or overlap`);
            }
            this.#take(piece, entry.path);
            fileOffset += piece.size;
        }
        if (fileOffset !== entry.size)
            throw refuse(`the pieces of ${(0,tree_check/* show */.W)(entry.path)} are not its size`);
        if (entry.size === 0)
            return;
        this.#at += (0,tar_header/* paddingAfter */.OQ)(entry.size);
        if (this.#at > this.#frames.sizeOf(this.#frame)) {
            throw refuse(`the padding of ${(0,tree_check/* show */.W)(entry.path)} is cut`);
        }
    }
    /** All frames used up but the last, which is the end of the tar. */
    end() {
        this.#next();
        const last = this.#frames.count - 1;
        if (this.#frame !== last || this.#at !== 0 || this.#frames.sizeOf(last) !== tar_header/* endOfArchiveSize */.qP) {
            throw refuse("its last frame is not the end of the tar");
        }
    }
    #take(range, name) {
        this.#next();
        const isNext = range.frame === this.#frame && range.offset === this.#at;
        const end = range.offset + range.size;
        if (!isNext || this.#frame >= this.#frames.count - 1 || end > this.#frames.sizeOf(this.#frame)) {
            throw refuse(`the bytes of ${(0,tree_check/* show */.W)(name)} are not where they must be`);
        }
        this.#at = end;
    }
    #next() {
        if (this.#frame < this.#frames.count && this.#at === this.#frames.sizeOf(this.#frame)) {
            this.#frame += 1;
            this.#at = 0;
        }
    }
}

// EXTERNAL MODULE: ./build/archive/segments.js
var segments = __webpack_require__(1643);
;// CONCATENATED MODULE: ./build/archive/index-reader.js
/**
 * Reads `index.json.zst` and believes nothing: every number is bounded, every path plain and in order below directories
 * that exist, and the entries tile the frames. A file that passes here cannot make the reader write outside its target.
 */










/** Reads and checks the whole index once. Throws INDEX_INVALID or INDEX_VERSION_UNKNOWN. */
async function openIndex(file, options) {
    const { expect, signal } = options;
    if (expect !== undefined)
        await checkDigest(file, expect, signal);
    const checking = new IndexChecking();
    const scan = scanIndex(file, checking, signal);
    let scanned = false;
    while (!scanned)
        scanned = (await scan.next()).done === true;
    const index = { ...checking.end(), entries: (again) => readEntries(file, again) };
    if (index.linkTargets.size > 0)
        await checkHardLinks(index, signal);
    return index;
}
async function* readEntries(file, signal) {
    let batch = [];
    const ignore = () => undefined;
    const receiver = {
        head: ignore,
        root: ignore,
        frame: ignore,
        entry: (entry) => batch.push(entry),
    };
    const scan = scanIndex(file, receiver, signal);
    try {
        while ((await scan.next()).done !== true) {
            yield batch;
            batch = [];
        }
    }
    finally {
        await scan.return(undefined);
    }
}
/** A hard link must name a file that comes before it. */
async function checkHardLinks(index, signal) {
    const missing = new Set(index.linkTargets);
    for await (const batch of index.entries(signal)) {
        for (const entry of batch) {
            if (entry.type === "file")
                missing.delete(entry.path);
            else if (entry.type === "hardlink" && missing.has(entry.linkTarget ?? "")) {
                throw refuse(`${(0,tree_check/* show */.W)(entry.path)} is a hard link to what is no file before it`);
            }
        }
    }
}
/** Takes the index line by line and adds up what is true of the whole. */
class IndexChecking {
    #frames = new frame_table/* FrameTable */.S();
    #digest = (0,external_node_crypto_.createHash)("sha256");
    #linkTargets = new Set();
    #tree = new tree_check/* TreeCheck */.v();
    #tiles = new TileCheck(this.#frames);
    #root;
    #segmentSize = 0;
    #tarSize = 0;
    #files = 0;
    #contentSize = 0;
    head(head) {
        this.#segmentSize = head.segmentSize;
    }
    root(root) {
        if (!(0,entry_paths/* isPlainName */.sh)(root.name))
            throw refuse("its root has no plain name");
        this.#root = root;
    }
    frame(frame) {
        const name = `frame ${this.#frames.count}`;
        if (frame.offset !== this.#frames.compressedEnd)
            throw refuse(`${name} is not where the last one ends`);
        if (frame.size === 0 || frame.size > segments/* maxFrameSizeBytes */.Qu || frame.size % tar_header/* tarBlockSize */.Sm !== 0) {
            throw refuse(`${name} has an impossible size`);
        }
        if (frame.compressedSize > 2 * segments/* maxFrameSizeBytes */.Qu)
            throw refuse(`${name} is too large`);
        this.#frames.add(frame);
        this.#tarSize += frame.size;
        this.#digest.update(Buffer.from(frame.sha256, "hex"));
    }
    entry(entry) {
        if (this.#files === 0)
            this.#tileRoot();
        const problem = this.#tree.problemOf(entry);
        if (problem !== undefined)
            throw refuse(`${(0,tree_check/* show */.W)(entry.path)} ${problem.text}`);
        this.#tiles.entry(entry);
        if (entry.type === "hardlink")
            this.#linkTargets.add(entry.linkTarget ?? "");
        this.#files += 1;
        this.#contentSize += entry.size;
    }
    end() {
        if (this.#files === 0)
            this.#tileRoot();
        this.#tiles.end();
        return {
            root: this.#known(),
            segmentSize: this.#segmentSize,
            frames: this.#frames,
            files: this.#files,
            contentSize: this.#contentSize,
            tarSize: this.#tarSize,
            treeSha256: this.#digest.digest("hex"),
            linkTargets: this.#linkTargets,
        };
    }
    /** The root's header comes first in the tar, but its line comes before the frames are known. */
    #tileRoot() {
        const root = this.#known();
        this.#tiles.header(root.header, root.name);
    }
    #known() {
        if (this.#root === undefined)
            throw refuse("it has no root");
        return this.#root;
    }
}
async function checkDigest(file, expect, signal) {
    const hash = (0,external_node_crypto_.createHash)("sha256");
    let size = 0;
    for await (const chunk of (0,external_node_fs_.createReadStream)(file, { signal })) {
        hash.update(chunk);
        size += chunk.length;
    }
    if (size !== expect.size || hash.digest("hex") !== expect.sha256) {
        throw refuse("its size or SHA-256 is not the one in the manifest");
    }
}


/***/ }),

/***/ 504:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __webpack_require__) => {

/* harmony export */ __webpack_require__.d(__webpack_exports__, {
/* harmony export */   U: () => (/* binding */ seekTableSize),
/* harmony export */   XD: () => (/* binding */ encodeSeekTable),
/* harmony export */   p: () => (/* binding */ checkSeekTable)
/* harmony export */ });
/* harmony import */ var _errors_js__WEBPACK_IMPORTED_MODULE_0__ = __webpack_require__(9473);
/**
 * The seek table that closes an archive: zstd's seekable format (facebook/zstd, contrib/seekable_format), a skippable
 * frame that lists the compressed and the decompressed size of every frame before it. Without per-frame checksums: the
 * index has SHA-256.
 */

const skippableMagic = 0x184d2a5e;
const seekableMagic = 0x8f92eab1;
const headerSize = 8;
const footerSize = 9;
const recordSize = 8;
/** Bytes the table of so many frames takes. */
function seekTableSize(frames) {
    return headerSize + frames * recordSize + footerSize;
}
function encodeSeekTable(frames) {
    const total = seekTableSize(frames.count);
    const table = Buffer.alloc(total);
    table.writeUInt32LE(skippableMagic, 0);
    table.writeUInt32LE(total - headerSize, 4);
    for (let frame = 0; frame < frames.count; frame += 1) {
        table.writeUInt32LE(frames.compressedSizeOf(frame), headerSize + frame * recordSize);
        table.writeUInt32LE(frames.sizeOf(frame), headerSize + frame * recordSize + 4);
    }
    const footer = total - footerSize;
    table.writeUInt32LE(frames.count, footer);
    table.writeUInt8(0, footer + 4);
    table.writeUInt32LE(seekableMagic, footer + 5);
    return table;
}
/** Throws SEEK_TABLE_INVALID unless `bytes` is the very table of these frames. */
function checkSeekTable(bytes, frames) {
    if (encodeSeekTable(frames).equals(bytes))
        return;
    throw new _errors_js__WEBPACK_IMPORTED_MODULE_0__/* .ActionError */ .lZ("SEEK_TABLE_INVALID", "The seek table at the end of the archive does not list the frames that the index lists.", { hint: "Archive and index are not of one snapshot, or one is damaged. Use another snapshot." });
}


/***/ }),

/***/ 1643:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __webpack_require__) => {

/* harmony export */ __webpack_require__.d(__webpack_exports__, {
/* harmony export */   Mq: () => (/* binding */ segmentSizeBytes),
/* harmony export */   Qu: () => (/* binding */ maxFrameSizeBytes),
/* harmony export */   eQ: () => (/* binding */ planSegments)
/* harmony export */ });
/* unused harmony export beginsSegment */
/* harmony import */ var _system_path_bytes_js__WEBPACK_IMPORTED_MODULE_0__ = __webpack_require__(1435);
/* harmony import */ var _tar_header_js__WEBPACK_IMPORTED_MODULE_1__ = __webpack_require__(5648);
/**
 * Cuts a tar into segments, each of which becomes one zstd frame. Boundaries depend on what is being cut and not on what
 * came before, so that a change moves the boundaries of its own neighbourhood only: a large file is cut at multiples of
 * its segment size from its own start, and small entries are gathered up to an entry whose path's hash says "here".
 */


/** Source bytes of a segment, and the largest any file kind may ask for. A constant of the format. */
const segmentSizeBytes = 32 * 1024 * 1024;
/** No frame is larger once decompressed: a full segment, and room for the one header that may stand before its file. */
const maxFrameSizeBytes = segmentSizeBytes + 1024 * 1024;
/** One entry in so many begins a segment, whatever came before. */
const entriesPerBoundary = 512;
/** True when the entry at `path` begins a segment: FNV-1a over its bytes, mixed, so that similar names differ. */
function beginsSegment(path) {
    let hash = 0x811c9dc5;
    for (const byte of (0,_system_path_bytes_js__WEBPACK_IMPORTED_MODULE_0__/* .encodePath */ .O0)(path))
        hash = Math.imul(hash ^ byte, 0x01000193);
    hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
    hash ^= hash >>> 13;
    return (hash >>> 0) % entriesPerBoundary === 0;
}
/** Segments of the entries, which come in archive order. Pure: equal entries give equal segments. */
async function* planSegments(entries) {
    let number = 0;
    let items = [];
    let size = 0;
    const take = () => {
        const segment = { number, size, items };
        number += 1;
        items = [];
        size = 0;
        return segment;
    };
    for await (const entry of entries) {
        const alone = entry.size > entry.segmentSize;
        const padding = alone ? 0 : (0,_tar_header_js__WEBPACK_IMPORTED_MODULE_1__/* .paddingAfter */ .OQ)(entry.size);
        const wanted = entry.headerSize + (alone ? 0 : entry.size + padding);
        if (size > 0 && (size + wanted > segmentSizeBytes || beginsSegment(entry.path)))
            yield take();
        const headerAt = size;
        const contentAt = headerAt + entry.headerSize;
        items.push({ entry, headerAt, contentAt, fileOffset: 0, size: alone ? 0 : entry.size, padding });
        size += wanted;
        if (!alone)
            continue;
        yield take();
        for (let fileOffset = 0; fileOffset < entry.size; fileOffset += entry.segmentSize) {
            const length = Math.min(entry.segmentSize, entry.size - fileOffset);
            const tail = fileOffset + length === entry.size ? (0,_tar_header_js__WEBPACK_IMPORTED_MODULE_1__/* .paddingAfter */ .OQ)(entry.size) : 0;
            items.push({ entry, contentAt: 0, fileOffset, size: length, padding: tail });
            size += length + tail;
            yield take();
        }
    }
    if (size > 0)
        yield take();
}


/***/ }),

/***/ 5648:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __webpack_require__) => {


// EXPORTS
__webpack_require__.d(__webpack_exports__, {
  Nj: () => (/* binding */ encodeTarHeader),
  qP: () => (/* binding */ endOfArchiveSize),
  OQ: () => (/* binding */ paddingAfter),
  Sm: () => (/* binding */ tarBlockSize)
});

// UNUSED EXPORTS: decodeTarHeader

// EXTERNAL MODULE: external "node:path"
var external_node_path_ = __webpack_require__(6760);
;// CONCATENATED MODULE: ./node_modules/tar/dist/esm/large-numbers.js
// Tar can encode large and negative numbers using a leading byte of
// 0xff for negative, and 0x80 for positive.
const encode = (num, buf) => {
    if (!Number.isSafeInteger(num)) {
        // The number is so large that javascript cannot represent it with integer
        // precision.
        throw Error('cannot encode number outside of javascript safe integer range');
    }
    else if (num < 0) {
        encodeNegative(num, buf);
    }
    else {
        encodePositive(num, buf);
    }
    return buf;
};
const encodePositive = (num, buf) => {
    buf[0] = 0x80;
    for (var i = buf.length; i > 1; i--) {
        buf[i - 1] = num & 0xff;
        num = Math.floor(num / 0x100);
    }
};
const encodeNegative = (num, buf) => {
    buf[0] = 0xff;
    var flipped = false;
    num = num * -1;
    for (var i = buf.length; i > 1; i--) {
        var byte = num & 0xff;
        num = Math.floor(num / 0x100);
        if (flipped) {
            buf[i - 1] = onesComp(byte);
        }
        else if (byte === 0) {
            buf[i - 1] = 0;
        }
        else {
            flipped = true;
            buf[i - 1] = twosComp(byte);
        }
    }
};
const parse = (buf) => {
    const pre = buf[0];
    const value = pre === 0x80 ? pos(buf.subarray(1, buf.length))
        : pre === 0xff ? twos(buf)
            : null;
    if (value === null) {
        throw Error('invalid base256 encoding');
    }
    if (!Number.isSafeInteger(value)) {
        // The number is so large that javascript cannot represent it with integer
        // precision.
        throw Error('parsed number outside of javascript safe integer range');
    }
    return value;
};
const twos = (buf) => {
    var len = buf.length;
    var sum = 0;
    var flipped = false;
    for (var i = len - 1; i > -1; i--) {
        var byte = Number(buf[i]);
        var f;
        if (flipped) {
            f = onesComp(byte);
        }
        else if (byte === 0) {
            f = byte;
        }
        else {
            flipped = true;
            f = twosComp(byte);
        }
        if (f !== 0) {
            sum -= f * Math.pow(256, len - i - 1);
        }
    }
    return sum;
};
const pos = (buf) => {
    var len = buf.length;
    var sum = 0;
    for (var i = len - 1; i > -1; i--) {
        var byte = Number(buf[i]);
        if (byte !== 0) {
            sum += byte * Math.pow(256, len - i - 1);
        }
    }
    return sum;
};
const onesComp = (byte) => (0xff ^ byte) & 0xff;
const twosComp = (byte) => ((0xff ^ byte) + 1) & 0xff;
//# sourceMappingURL=large-numbers.js.map
;// CONCATENATED MODULE: ./node_modules/tar/dist/esm/types.js
const isCode = (c) => types_name.has(c);
const isName = (c) => code.has(c);
/**
 * types that are a normal file system entry, not metadata.
 *
 * These can be the subject of extended/globalExtended headers, long path
 * names, long linkpath names, etc.
 *
 * Any other types are meta, and cannot be targetted by extended PAX headers.
 */
const normalFsTypes = new Set([
    '0',
    '',
    '1',
    '2',
    '3',
    '4',
    '5',
    '6',
    '7',
    'D',
]);
// map types from key to human-friendly name
const types_name = new Map([
    ['0', 'File'],
    // same as File
    ['', 'OldFile'],
    ['1', 'Link'],
    ['2', 'SymbolicLink'],
    // Devices and FIFOs aren't fully supported
    // they are parsed, but skipped when unpacking
    ['3', 'CharacterDevice'],
    ['4', 'BlockDevice'],
    ['5', 'Directory'],
    ['6', 'FIFO'],
    // same as File
    ['7', 'ContiguousFile'],
    // pax headers
    ['g', 'GlobalExtendedHeader'],
    ['x', 'ExtendedHeader'],
    // vendor-specific stuff
    // skip
    ['A', 'SolarisACL'],
    // like 5, but with data, which should be skipped
    ['D', 'GNUDumpDir'],
    // metadata only, skip
    ['I', 'Inode'],
    // data = link path of next file
    ['K', 'NextFileHasLongLinkpath'],
    // data = path of next file
    ['L', 'NextFileHasLongPath'],
    // skip
    ['M', 'ContinuationFile'],
    // like L
    ['N', 'OldGnuLongPath'],
    // skip
    ['S', 'SparseFile'],
    // skip
    ['V', 'TapeVolumeHeader'],
    // like x
    ['X', 'OldExtendedHeader'],
]);
// map the other direction
const code = new Map(Array.from(types_name).map(kv => [kv[1], kv[0]]));
//# sourceMappingURL=types.js.map
;// CONCATENATED MODULE: ./node_modules/tar/dist/esm/header.js
// parse a 512-byte header block to a data object, or vice-versa
// encode returns `true` if a pax extended header is needed, because
// the data could not be faithfully encoded in a simple header.
// (Also, check header.needPax to see if it needs a pax header.)



const notNegative = (n) => n === undefined || n < 0 ? undefined : n;
class header_Header {
    cksumValid = false;
    needPax = false;
    nullBlock = false;
    block;
    path;
    mode;
    uid;
    gid;
    size;
    cksum;
    #type = 'Unsupported';
    linkpath;
    uname;
    gname;
    devmaj = 0;
    devmin = 0;
    atime;
    ctime;
    mtime;
    charset;
    comment;
    constructor(data, off = 0, ex, gex) {
        if (Buffer.isBuffer(data)) {
            this.decode(data, off || 0, ex, gex);
        }
        else if (data) {
            this.#slurp(data);
        }
    }
    decode(buf, off, ex, gex) {
        if (!off) {
            off = 0;
        }
        if (!buf || !(buf.length >= off + 512)) {
            throw new Error('need 512 bytes for header');
        }
        // Decode the typeflag (independent of any pending PAX/GNU extended header)
        // up front so we can tell whether THIS block is itself an intermediary
        // extension header (PAX `x`/`g`, GNU long-name `L`, GNU long-link `K`).
        // Per POSIX pax, a PAX extended header describes the *next file entry*, not
        // the extension headers that may sit between it and that file. Applying the
        // pending PAX overrides (notably `size`) to an intervening `L`/`K`/`x`/`g`
        // header desynchronizes the stream relative to other tar implementations
        // and enables tar interpretation-conflict / file-smuggling attacks.
        const t = decString(buf, off + 156, 1);
        const isNormalFS = normalFsTypes.has(t);
        const exForFields = isNormalFS ? ex : undefined;
        const gexForFields = isNormalFS ? gex : undefined;
        this.path = exForFields?.path ?? decString(buf, off, 100);
        this.mode =
            exForFields?.mode ??
                gexForFields?.mode ??
                decNumber(buf, off + 100, 8);
        this.uid =
            exForFields?.uid ?? gexForFields?.uid ?? decNumber(buf, off + 108, 8);
        this.gid =
            exForFields?.gid ?? gexForFields?.gid ?? decNumber(buf, off + 116, 8);
        this.size = notNegative(exForFields?.size ??
            gexForFields?.size ??
            decNumber(buf, off + 124, 12));
        this.mtime =
            exForFields?.mtime ??
                gexForFields?.mtime ??
                decDate(buf, off + 136, 12);
        this.cksum = decNumber(buf, off + 148, 12);
        // if we have extended or global extended headers, apply them now
        // See https://github.com/npm/node-tar/pull/187
        // Apply global before local, so it overrides. Never slurp the pending
        // extended-header fields onto an intermediary extension header.
        if (gexForFields)
            this.#slurp(gexForFields, true);
        if (exForFields)
            this.#slurp(exForFields);
        // old tar versions marked dirs as a file with a trailing /
        if (isCode(t)) {
            this.#type = t || '0';
        }
        if (this.#type === '0' && this.path.slice(-1) === '/') {
            this.#type = '5';
        }
        // tar implementations sometimes incorrectly put the stat(dir).size
        // as the size in the tarball, even though Directory entries are
        // not able to have any body at all.  In the very rare chance that
        // it actually DOES have a body, we weren't going to do anything with
        // it anyway, and it'll just be a warning about an invalid header.
        if (this.#type === '5') {
            this.size = 0;
        }
        this.linkpath = decString(buf, off + 157, 100);
        if (buf.subarray(off + 257, off + 265).toString() === 'ustar\u000000') {
            /* c8 ignore start */
            this.uname =
                exForFields?.uname ??
                    gexForFields?.uname ??
                    decString(buf, off + 265, 32);
            this.gname =
                exForFields?.gname ??
                    gexForFields?.gname ??
                    decString(buf, off + 297, 32);
            this.devmaj =
                exForFields?.devmaj ??
                    gexForFields?.devmaj ??
                    decNumber(buf, off + 329, 8) ??
                    0;
            this.devmin =
                exForFields?.devmin ??
                    gexForFields?.devmin ??
                    decNumber(buf, off + 337, 8) ??
                    0;
            /* c8 ignore stop */
            if (buf[off + 475] !== 0) {
                // definitely a prefix, definitely >130 chars.
                const prefix = decString(buf, off + 345, 155);
                this.path = prefix + '/' + this.path;
            }
            else {
                const prefix = decString(buf, off + 345, 130);
                if (prefix) {
                    this.path = prefix + '/' + this.path;
                }
                /* c8 ignore start */
                this.atime = ex?.atime ?? gex?.atime ?? decDate(buf, off + 476, 12);
                this.ctime = ex?.ctime ?? gex?.ctime ?? decDate(buf, off + 488, 12);
                /* c8 ignore stop */
            }
        }
        let sum = 8 * 0x20;
        for (let i = off; i < off + 148; i++) {
            sum += buf[i];
        }
        for (let i = off + 156; i < off + 512; i++) {
            sum += buf[i];
        }
        this.cksumValid = sum === this.cksum;
        if (this.cksum === undefined && sum === 8 * 0x20) {
            this.nullBlock = true;
        }
    }
    #slurp(ex, gex = false) {
        Object.assign(this, Object.fromEntries(Object.entries(ex).filter(([k, v]) => {
            // we slurp in everything except for the path attribute in
            // a global extended header, because that's weird. Also, any
            // null/undefined values are ignored.
            return !(v === null ||
                v === undefined ||
                (k === 'size' && Number(v) < 0) ||
                (k === 'path' && gex) ||
                (k === 'linkpath' && gex) ||
                k === 'global');
        })));
    }
    encode(buf, off = 0) {
        if (!buf) {
            buf = this.block = Buffer.alloc(512);
        }
        if (this.#type === 'Unsupported') {
            this.#type = '0';
        }
        if (!(buf.length >= off + 512)) {
            throw new Error('need 512 bytes for header');
        }
        const prefixSize = this.ctime || this.atime ? 130 : 155;
        const split = splitPrefix(this.path || '', prefixSize);
        const path = split[0];
        const prefix = split[1];
        this.needPax = !!split[2];
        this.needPax = encString(buf, off, 100, path) || this.needPax;
        this.needPax = encNumber(buf, off + 100, 8, this.mode) || this.needPax;
        this.needPax = encNumber(buf, off + 108, 8, this.uid) || this.needPax;
        this.needPax = encNumber(buf, off + 116, 8, this.gid) || this.needPax;
        this.needPax = encNumber(buf, off + 124, 12, this.size) || this.needPax;
        this.needPax = encDate(buf, off + 136, 12, this.mtime) || this.needPax;
        buf[off + 156] = Number(this.#type.codePointAt(0));
        this.needPax =
            encString(buf, off + 157, 100, this.linkpath) || this.needPax;
        buf.write('ustar\u000000', off + 257, 8);
        this.needPax =
            encString(buf, off + 265, 32, this.uname) || this.needPax;
        this.needPax =
            encString(buf, off + 297, 32, this.gname) || this.needPax;
        this.needPax =
            encNumber(buf, off + 329, 8, this.devmaj) || this.needPax;
        this.needPax =
            encNumber(buf, off + 337, 8, this.devmin) || this.needPax;
        this.needPax =
            encString(buf, off + 345, prefixSize, prefix) || this.needPax;
        if (buf[off + 475] !== 0) {
            this.needPax = encString(buf, off + 345, 155, prefix) || this.needPax;
        }
        else {
            this.needPax = encString(buf, off + 345, 130, prefix) || this.needPax;
            this.needPax =
                encDate(buf, off + 476, 12, this.atime) || this.needPax;
            this.needPax =
                encDate(buf, off + 488, 12, this.ctime) || this.needPax;
        }
        let sum = 8 * 0x20;
        for (let i = off; i < off + 148; i++) {
            sum += buf[i];
        }
        for (let i = off + 156; i < off + 512; i++) {
            sum += buf[i];
        }
        this.cksum = sum;
        encNumber(buf, off + 148, 8, this.cksum);
        this.cksumValid = true;
        return this.needPax;
    }
    get type() {
        return (this.#type === 'Unsupported' ?
            this.#type
            : types_name.get(this.#type));
    }
    get typeKey() {
        return this.#type;
    }
    set type(type) {
        const c = String(code.get(type));
        if (isCode(c) || c === 'Unsupported') {
            this.#type = c;
        }
        else if (isCode(type)) {
            this.#type = type;
        }
        else {
            throw new TypeError('invalid entry type: ' + type);
        }
    }
}
const splitPrefix = (p, prefixSize) => {
    const pathSize = 100;
    let pp = p;
    let prefix = '';
    let ret = undefined;
    const root = external_node_path_.posix.parse(p).root || '.';
    if (Buffer.byteLength(pp) < pathSize) {
        ret = [pp, prefix, false];
    }
    else {
        // first set prefix to the dir, and path to the base
        prefix = external_node_path_.posix.dirname(pp);
        pp = external_node_path_.posix.basename(pp);
        do {
            if (Buffer.byteLength(pp) <= pathSize &&
                Buffer.byteLength(prefix) <= prefixSize) {
                // both fit!
                ret = [pp, prefix, false];
            }
            else if (Buffer.byteLength(pp) > pathSize &&
                Buffer.byteLength(prefix) <= prefixSize) {
                // prefix fits in prefix, but path doesn't fit in path
                ret = [pp.slice(0, pathSize - 1), prefix, true];
            }
            else {
                // make path take a bit from prefix
                pp = external_node_path_.posix.join(external_node_path_.posix.basename(prefix), pp);
                prefix = external_node_path_.posix.dirname(prefix);
            }
        } while (prefix !== root && ret === undefined);
        // at this point, found no resolution, just truncate
        if (!ret) {
            ret = [p.slice(0, pathSize - 1), '', true];
        }
    }
    return ret;
};
const decString = (buf, off, size) => buf
    .subarray(off, off + size)
    .toString('utf8')
    .replace(/\0.*/, '');
const decDate = (buf, off, size) => numToDate(decNumber(buf, off, size));
const numToDate = (num) => num === undefined ? undefined : new Date(num * 1000);
const decNumber = (buf, off, size) => Number(buf[off]) & 0x80 ?
    parse(buf.subarray(off, off + size))
    : decSmallNumber(buf, off, size);
const nanUndef = (value) => (isNaN(value) ? undefined : value);
const decSmallNumber = (buf, off, size) => nanUndef(parseInt(buf
    .subarray(off, off + size)
    .toString('utf8')
    .replace(/\0.*$/, '')
    .trim(), 8));
// the maximum encodable as a null-terminated octal, by field size
const MAXNUM = {
    12: 0o77777777777,
    8: 0o7777777,
};
const encNumber = (buf, off, size, num) => num === undefined ? false
    : num > MAXNUM[size] || num < 0 ?
        (encode(num, buf.subarray(off, off + size)), true)
        : (encSmallNumber(buf, off, size, num), false);
const encSmallNumber = (buf, off, size, num) => buf.write(octalString(num, size), off, size, 'ascii');
const octalString = (num, size) => padOctal(Math.floor(num).toString(8), size);
const padOctal = (str, size) => (str.length === size - 1 ?
    str
    : new Array(size - str.length - 1).join('0') + str + ' ') + '\0';
const encDate = (buf, off, size, date) => date === undefined ? false : (encNumber(buf, off, size, date.getTime() / 1000));
// enough to fill the longest string we've got
const NULLS = new Array(156).join('\0');
// pad with nulls, return true if it's longer or non-ascii
const encString = (buf, off, size, str) => str === undefined ? false : ((buf.write(str + NULLS, off, size, 'utf8'),
    str.length !== Buffer.byteLength(str) || str.length > size));
//# sourceMappingURL=header.js.map
// EXTERNAL MODULE: ./build/errors.js
var errors = __webpack_require__(9473);
// EXTERNAL MODULE: ./build/system/path-bytes.js
var path_bytes = __webpack_require__(1435);
;// CONCATENATED MODULE: ./build/archive/tar-header.js
/**
 * Tar headers of the archive: one entry becomes a ustar block (made by node-tar) and, where that cannot say everything
 * exactly, a pax extended header before it. The pax records are written and read here as bytes, because node-tar's
 * are strings: they lose names that are not UTF-8, values with a newline, and nanoseconds.
 */



const tarBlockSize = 512;
/** Two zero blocks end a tar. */
const endOfArchiveSize = 2 * tarBlockSize;
const typeNames = {
    file: "File",
    directory: "Directory",
    symlink: "SymbolicLink",
    hardlink: "Link",
};
const typesByFlag = {
    "0": "file",
    "5": "directory",
    "2": "symlink",
    "1": "hardlink",
};
const maxOctal11 = 0o77777777777;
const maxOctal7 = 0o7777777;
const nsPerSecond = 1000000000n;
/** Zero bytes that follow `size` bytes of content up to the next block. */
function paddingAfter(size) {
    return (tarBlockSize - (size % tarBlockSize)) % tarBlockSize;
}
/** The header of an entry: a whole number of blocks, the same bytes for the same entry always. */
function encodeTarHeader(entry) {
    const tarPath = entry.type === "directory" ? `${entry.path}/` : entry.path;
    const seconds = entry.mtimeNs / nsPerSecond;
    const inOctal = entry.mtimeNs >= 0n && seconds <= BigInt(maxOctal11);
    const header = new header_Header({
        path: printable(tarPath),
        mode: entry.mode,
        // What octal cannot hold stands in the pax record; the field itself stays harmless for old readers.
        uid: entry.uid > maxOctal7 ? 0 : entry.uid,
        gid: entry.gid > maxOctal7 ? 0 : entry.gid,
        size: entry.size > maxOctal11 ? 0 : entry.size,
        mtime: new Date(inOctal ? Number(seconds) * 1000 : 0),
        type: typeNames[entry.type],
        uname: "",
        gname: "",
        ...(entry.linkTarget === undefined ? {} : { linkpath: printable(entry.linkTarget) }),
    });
    const block = Buffer.alloc(tarBlockSize);
    header.encode(block);
    const records = [];
    const nameIsLong = !fitsHeader(block, tarPath);
    const linkIsLong = entry.linkTarget !== undefined && !isShortAscii(entry.linkTarget);
    if (!tarPath.isWellFormed() || entry.linkTarget?.isWellFormed() === false) {
        records.push(paxRecord("hdrcharset", Buffer.from("BINARY")));
    }
    if (nameIsLong)
        records.push(paxRecord("path", (0,path_bytes/* encodePath */.O0)(tarPath)));
    if (linkIsLong)
        records.push(paxRecord("linkpath", (0,path_bytes/* encodePath */.O0)(entry.linkTarget ?? "")));
    if (entry.size > maxOctal11)
        records.push(paxRecord("size", Buffer.from(String(entry.size))));
    if (entry.uid > maxOctal7)
        records.push(paxRecord("uid", Buffer.from(String(entry.uid))));
    if (entry.gid > maxOctal7)
        records.push(paxRecord("gid", Buffer.from(String(entry.gid))));
    if (!inOctal || entry.mtimeNs % nsPerSecond !== 0n) {
        records.push(paxRecord("mtime", Buffer.from(formatTime(entry.mtimeNs))));
    }
    if (records.length === 0)
        return block;
    return Buffer.concat([...paxBlocks(records), block]);
}
/**
 * Reads the header at the start of `bytes`, which must be exactly that header and nothing more.
 * Throws TAR_HEADER_INVALID for anything `encodeTarHeader` has no reason to write: other types, bad checksums.
 */
function decodeTarHeader(bytes) {
    let at = 0;
    let pax;
    if (flagOf(bytes, 0) === "x") {
        const size = readHeader(bytes, 0).size ?? 0;
        at = tarBlockSize + size + paddingAfter(size);
        if (size > bytes.length || at > bytes.length)
            throw invalid("its extended header is cut off");
        pax = parsePaxRecords(bytes.subarray(tarBlockSize, tarBlockSize + size));
    }
    if (at + tarBlockSize !== bytes.length)
        throw invalid("it is not as long as the index says");
    const flag = flagOf(bytes, at);
    const type = typesByFlag[flag];
    if (type === undefined)
        throw invalid(`entries of type "${flag}" are not part of a snapshot`);
    const header = readHeader(bytes, at);
    const size = paxNumber(pax, "size") ?? header.size ?? 0;
    const path = pax?.get("path");
    const fullPath = path === undefined ? plainName(bytes, at) : decodePath(path);
    const link = pax?.get("linkpath") ?? cString(bytes.subarray(at + 157, at + 257));
    const mtime = pax?.get("mtime");
    return {
        path: type === "directory" ? fullPath.replace(/\/$/, "") : fullPath,
        type,
        size,
        mode: (header.mode ?? 0) & 0o7777,
        uid: paxNumber(pax, "uid") ?? header.uid ?? 0,
        gid: paxNumber(pax, "gid") ?? header.gid ?? 0,
        mtimeNs: mtime === undefined
            ? BigInt(Math.trunc((header.mtime?.getTime() ?? 0) / 1000)) * nsPerSecond
            : parseTime(mtime.toString("latin1")),
        ...(type === "symlink" || type === "hardlink" ? { linkTarget: decodePath(link) } : {}),
    };
}
function readHeader(bytes, at) {
    if (at + tarBlockSize > bytes.length)
        throw invalid("it is cut off");
    const header = new Header(bytes, at);
    if (!header.cksumValid)
        throw invalid("its checksum is wrong");
    return header;
}
function flagOf(bytes, at) {
    return String.fromCharCode(bytes[at + 156] ?? 0);
}
/** Name and prefix fields of a ustar block. */
function plainName(bytes, at) {
    const name = cString(bytes.subarray(at, at + 100));
    const prefix = cString(bytes.subarray(at + 345, at + 500));
    return (0,path_bytes/* decodePath */.q0)(prefix.length === 0 ? name : Buffer.concat([prefix, Buffer.from("/"), name]));
}
function cString(field) {
    const end = field.indexOf(0);
    return end === -1 ? field : field.subarray(0, end);
}
/** What a ustar field can show of a name that is not UTF-8; the pax record has the bytes. */
function printable(path) {
    return path.isWellFormed() ? path : path.replace(/[\ud800-\udfff]/g, "_");
}
/** True when the ustar fields alone give `path` back. */
function fitsHeader(block, path) {
    // eslint-disable-next-line no-control-regex
    return /^[\x01-\x7f]*$/.test(path) && plainName(block, 0) === path;
}
function isShortAscii(text) {
    return text.length <= 100 && /^[\x20-\x7e]*$/.test(text);
}
/** "<length> <key>=<value>\n", the length counting its own digits. */
function paxRecord(key, value) {
    const rest = key.length + value.length + 3;
    let length = rest + String(rest).length;
    if (rest + String(length).length !== length)
        length = rest + String(length).length;
    return Buffer.concat([Buffer.from(`${length} ${key}=`), value, Buffer.from("\n")]);
}
function paxBlocks(records) {
    const body = Buffer.concat(records);
    const header = new header_Header({
        path: "PaxHeader",
        mode: 0o644,
        uid: 0,
        gid: 0,
        size: body.length,
        mtime: new Date(0),
        type: "ExtendedHeader",
    });
    const block = Buffer.alloc(tarBlockSize);
    header.encode(block);
    return [block, body, Buffer.alloc(paddingAfter(body.length))];
}
function parsePaxRecords(body) {
    const records = new Map();
    for (let at = 0; at < body.length;) {
        const space = body.indexOf(0x20, at);
        const digits = space === -1 ? "" : body.toString("latin1", at, space);
        const length = Number(digits);
        const end = at + length;
        const equals = body.indexOf(0x3d, space);
        if (!/^[1-9]\d{0,9}$/.test(digits) || end > body.length || body[end - 1] !== 0x0a || equals >= end) {
            throw invalid("its extended header is malformed");
        }
        const key = body.toString("latin1", space + 1, equals);
        if (equals === -1 || records.has(key))
            throw invalid("its extended header is malformed");
        records.set(key, body.subarray(equals + 1, end - 1));
        at = end;
    }
    return records;
}
function paxNumber(pax, key) {
    const text = pax?.get(key)?.toString("latin1");
    if (text === undefined)
        return undefined;
    const value = Number(text);
    if (!/^\d+$/.test(text) || !Number.isSafeInteger(value))
        throw invalid(`its ${key} is not a number`);
    return value;
}
/** Nanoseconds → decimal seconds, exactly: -1 ns is "-0.000000001". */
function formatTime(ns) {
    const size = ns < 0n ? -ns : ns;
    const fraction = String(size % nsPerSecond)
        .padStart(9, "0")
        .replace(/0+$/, "");
    return `${ns < 0n ? "-" : ""}${size / nsPerSecond}${fraction === "" ? "" : `.${fraction}`}`;
}
function parseTime(text) {
    const match = /^(-?)(\d{1,15})(?:\.(\d{1,9})\d*)?$/.exec(text);
    if (match === null)
        throw invalid("its mtime is not a number");
    const size = BigInt(match[2] ?? "0") * nsPerSecond + BigInt((match[3] ?? "").padEnd(9, "0"));
    return match[1] === "-" ? -size : size;
}
function invalid(why) {
    return new ActionError("TAR_HEADER_INVALID", `A tar header cannot be used: ${why}.`);
}


/***/ }),

/***/ 2854:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __webpack_require__) => {

/* harmony export */ __webpack_require__.d(__webpack_exports__, {
/* harmony export */   T: () => (/* binding */ WorkerPool)
/* harmony export */ });
/* harmony import */ var node_timers_promises__WEBPACK_IMPORTED_MODULE_0__ = __webpack_require__(8500);
/* harmony import */ var node_worker_threads__WEBPACK_IMPORTED_MODULE_1__ = __webpack_require__(5919);
/* harmony import */ var _errors_js__WEBPACK_IMPORTED_MODULE_2__ = __webpack_require__(9473);
/* harmony import */ var _system_entry_js__WEBPACK_IMPORTED_MODULE_3__ = __webpack_require__(8188);
/**
 * Worker threads for what costs CPU: reading, hashing, (de)compressing, writing. A worker is leased to one piece of work
 * at a time, which may call it several times and find what it left there (a loaded segment). `close` ends every thread;
 * none outlives the archive it worked for.
 */




/** A thread in the middle of a native call ends when the call does; nobody waits longer than this for it. */
const closeTimeoutMs = 5_000;
class WorkerPool {
    #threads;
    #free;
    #waiting = [];
    #failure;
    constructor(size) {
        this.#threads = Array.from({ length: size }, () => new Thread());
        this.#free = [...this.#threads];
    }
    get size() {
        return this.#threads.length;
    }
    /** Waits for a free worker, lends it to `work`, and takes it back whatever happens. */
    async use(work, signal) {
        (0,_errors_js__WEBPACK_IMPORTED_MODULE_2__/* .throwIfAborted */ .Te)(signal);
        if (this.#failure !== undefined)
            throw this.#failure;
        const thread = this.#free.pop() ??
            (await new Promise((resolve, reject) => this.#waiting.push({ resolve, reject })));
        try {
            (0,_errors_js__WEBPACK_IMPORTED_MODULE_2__/* .throwIfAborted */ .Te)(signal);
            return await work(thread);
        }
        finally {
            const next = this.#waiting.shift();
            if (next === undefined)
                this.#free.push(thread);
            else
                next.resolve(thread);
        }
    }
    /** Ends all threads; calls still under way fail with `reason`. */
    async close(reason = new _errors_js__WEBPACK_IMPORTED_MODULE_2__/* .ActionError */ .lZ("WORKER_CLOSED", "The work was given up.")) {
        this.#failure = reason;
        for (const waiting of this.#waiting.splice(0))
            waiting.reject(reason);
        const bound = new AbortController();
        const ended = Promise.all(this.#threads.map(async (thread) => thread.end(reason)));
        try {
            await Promise.race([ended, (0,node_timers_promises__WEBPACK_IMPORTED_MODULE_0__.setTimeout)(closeTimeoutMs, undefined, { signal: bound.signal, ref: false })]);
        }
        finally {
            bound.abort();
        }
    }
}
class Thread {
    #worker = new node_worker_threads__WEBPACK_IMPORTED_MODULE_1__.Worker((0,_system_entry_js__WEBPACK_IMPORTED_MODULE_3__/* .entryPath */ .s)("archive-worker"));
    #call;
    #failure;
    constructor() {
        this.#worker.unref();
        this.#worker.on("message", (message) => {
            const call = this.#call;
            this.#call = undefined;
            if (message.ok)
                call?.resolve(message.reply);
            else
                call?.reject(errorOf(message));
        });
        const fail = (cause) => {
            this.#fail(new _errors_js__WEBPACK_IMPORTED_MODULE_2__/* .ActionError */ .lZ("WORKER_FAILED", "A worker thread of the archive broke.", { cause }));
        };
        this.#worker.on("error", fail);
        this.#worker.on("messageerror", fail);
        this.#worker.on("exit", (code) => fail(new Error(`The thread ended with code ${code}.`)));
    }
    async call(request, transfer = []) {
        if (this.#failure !== undefined)
            throw this.#failure;
        // A thread at work keeps the process alive, an idle one does not.
        this.#worker.ref();
        try {
            return await new Promise((resolve, reject) => {
                this.#call = { resolve, reject };
                this.#worker.postMessage(request, transfer);
            });
        }
        finally {
            this.#worker.unref();
        }
    }
    async end(reason) {
        this.#fail(reason);
        await this.#worker.terminate();
    }
    #fail(reason) {
        this.#failure ??= reason;
        this.#call?.reject(this.#failure);
        this.#call = undefined;
    }
}
function errorOf(failure) {
    return new _errors_js__WEBPACK_IMPORTED_MODULE_2__/* .ActionError */ .lZ(failure.code, failure.text, {
        ...(failure.hint === undefined ? {} : { hint: failure.hint }),
        ...(failure.cause === undefined ? {} : { cause: failure.cause }),
    });
}


/***/ }),

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


/***/ }),

/***/ 2387:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __webpack_require__) => {


// EXPORTS
__webpack_require__.d(__webpack_exports__, {
  B$: () => (/* binding */ assertConsistent),
  RF: () => (/* reexport */ compareWithRpc),
  Tz: () => (/* binding */ inspectChainstate),
  Bi: () => (/* binding */ inspectFrozen),
  MH: () => (/* binding */ readFacts)
});

// UNUSED EXPORTS: ChainstateInconsistentError

// EXTERNAL MODULE: ./build/errors.js
var errors = __webpack_require__(9473);
// EXTERNAL MODULE: ./build/chainstate/checks.js
var checks = __webpack_require__(6622);
// EXTERNAL MODULE: external "node:fs/promises"
var promises_ = __webpack_require__(1455);
// EXTERNAL MODULE: external "node:os"
var external_node_os_ = __webpack_require__(8161);
// EXTERNAL MODULE: ./build/chainstate/check-blobs.js
var check_blobs = __webpack_require__(5118);
// EXTERNAL MODULE: ./build/chainstate/layout.js + 1 modules
var layout = __webpack_require__(3250);
// EXTERNAL MODULE: ./build/chainstate/read-only-database.js
var read_only_database = __webpack_require__(9370);
// EXTERNAL MODULE: ./build/chainstate/source.js
var chainstate_source = __webpack_require__(1578);
// EXTERNAL MODULE: ./build/chainstate/tries.js
var tries = __webpack_require__(458);
;// CONCATENATED MODULE: ./build/chainstate/depth.js
/**
 * What the depths `quick` and `full` add to the tips: SQLite's own look at every page of every database, several at a
 * time, and for `full` every record of `.blobs`, read to its end and compared with what headers and tables say of it.
 */









/** Messages of SQLite that are kept of one database. */
const keptMessages = 3;
const progressEveryMs = 1000;
/** Of one database: a terabyte at 20 MB/s takes fourteen hours. */
const pagesTimeoutMs = 24 * 3_600_000;
/** `quick_check` or `integrity_check` of every database, the largest first. */
async function checkPages(options) {
    const { depth, signal, onProgress } = options;
    const pragma = depth === "quick" ? "quick_check" : "integrity_check";
    const queue = options.databases
        .filter((each) => each.damage === undefined)
        .toSorted((a, b) => sizeOf(a) - sizeOf(b));
    const totalBytes = queue.reduce((sum, database) => sum + sizeOf(database), 0);
    const count = queue.length;
    const problems = [];
    const readers = [];
    const work = async () => {
        const reader = await options.openReader();
        readers.push(reader);
        for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
            (0,errors/* throwIfAborted */.Te)(signal);
            const problem = await problemOfPages(reader, next.path, pragma);
            if (problem !== undefined)
                problems.push({ database: next.path, detail: problem });
        }
    };
    const timer = setInterval(() => {
        void readSoFar(readers).then((bytes) => onProgress?.({ doneBytes: Math.min(bytes, totalBytes), totalBytes }));
    }, progressEveryMs);
    try {
        await allSettled(Array.from({ length: Math.min(count, (0,external_node_os_.availableParallelism)()) }, work));
    }
    finally {
        clearInterval(timer);
        for (const reader of readers)
            await reader.end();
    }
    onProgress?.({ doneBytes: totalBytes, totalBytes });
    if (problems.length === 0)
        return (0,checks/* passed */.bF)(`${pragma} found nothing in ${count} databases`);
    return (0,checks/* failed */.gz)(problems.map((each) => each.detail).join("; "), ...problems.map((each) => each.database));
}
const sizeOf = (database) => database.sizeBytes + database.walBytes;
/** Waits for every worker before it throws the first one's error, so that none is left behind. */
async function allSettled(workers) {
    for (const outcome of await Promise.allSettled(workers))
        if (outcome.status === "rejected")
            throw outcome.reason;
}
async function problemOfPages(reader, database, pragma) {
    try {
        const rows = await reader.ask(database, `PRAGMA ${pragma}(${keptMessages})`, pagesTimeoutMs);
        const messages = rows.map((row) => String(Object.values(row)[0]).replaceAll("\n", " "));
        return messages.length === 1 && messages[0] === "ok" ? undefined : `${database}: ${messages.join("; ")}`;
    }
    catch (error) {
        if (error instanceof read_only_database/* DatabaseUnreadableError */.P)
            return error.message;
        throw error;
    }
}
/** Bytes that the readers have read, from the kernel's counters: SQLite tells nothing before it is done. */
async function readSoFar(readers) {
    let sum = 0;
    for (const { pid } of readers) {
        const io = await (0,promises_.readFile)(`/proc/${pid}/io`, "utf8").catch(() => "");
        sum += Number(/^rchar: (\d+)$/m.exec(io)?.[1] ?? 0);
    }
    return sum;
}
const rowsAtOnce = 400;
const bytesAtOnce = 4 * 1024 ** 2;
/** Every record of every `.blobs`, in the order of the table. */
async function checkBlobRecords(tips, signal, onProgress) {
    const { blobs } = tips.source;
    const read = blobs?.read?.bind(blobs);
    if (read === undefined)
        return (0,checks/* notMade */.TC)("`.blobs` cannot be read from here");
    const marfs = [];
    for (const database of [layout/* databases */.LL.clarity, layout/* databases */.LL.index, layout/* databases */.LL.sortition]) {
        const schema = await tips.schema(database);
        if (!(0,tries/* hasExternalTries */.zr)(schema))
            continue;
        const end = await (0,tries/* recordedEnd */.WP)(tips.source.ask, database, schema);
        if (end > 0)
            marfs.push({ database, end });
    }
    const totalBytes = marfs.reduce((sum, { end }) => sum + end, 0);
    let doneBytes = 0;
    let count = 0;
    for (const { database } of marfs) {
        for await (const batch of trieRecords(tips, database, signal)) {
            const heads = new Map();
            for (const entry of batch) {
                (0,errors/* throwIfAborted */.Te)(signal);
                const head = await readTrie(entry, `${database}.blobs`, read);
                if (typeof head === "string")
                    return (0,checks/* failed */.gz)(`${database}.blobs: ${head}`, database);
                heads.set(entry, head);
                doneBytes += entry.length;
                onProgress?.({ doneBytes: Math.min(doneBytes, totalBytes), totalBytes });
            }
            const problem = await problemOfHeads(tips, database, heads);
            if (problem !== undefined)
                return (0,checks/* failed */.gz)(`${database}.blobs: ${problem}`, database);
            count += batch.length;
        }
    }
    if (count === 0)
        return (0,checks/* notMade */.TC)("this schema keeps its tries inside the databases");
    return (0,checks/* passed */.bF)(`${count} tries in ${marfs.length} files of blobs read`);
}
async function* trieRecords(tips, database, signal) {
    for (let after = -1;;) {
        (0,errors/* throwIfAborted */.Te)(signal);
        const rows = await tips.source.ask(database, `SELECT block_id AS id, block_hash AS hash, external_offset AS o, external_length AS l FROM marf_data
       WHERE block_id > ${after} ORDER BY block_id LIMIT ${rowsAtOnce}`);
        if (rows.length === 0)
            return;
        after = Number(rows.at(-1)?.["id"]);
        yield rows
            .map((row) => ({
            hash: String(row["hash"]),
            offset: (0,chainstate_source/* numberOf */.rl)(row, "o") ?? 0,
            length: (0,chainstate_source/* numberOf */.rl)(row, "l") ?? 0,
        }))
            .filter((entry) => entry.length > 0);
    }
}
/** Reads a trie to its end and returns its head, or in words why it cannot. */
async function readTrie({ hash, offset, length }, file, read) {
    const where = `the trie of block ${hash} at byte ${offset}`;
    let head;
    for (let at = 0; at < length; at += bytesAtOnce) {
        const wanted = Math.min(bytesAtOnce, length - at);
        const bytes = await read(file, offset + at, wanted);
        if (bytes.length !== wanted)
            return `${where} ends after ${at + bytes.length} of ${length} bytes`;
        if (at === 0)
            head = (0,tries/* parseTrieHead */["if"])(bytes);
    }
    return head ?? `${where} is only ${length} bytes long`;
}
/** Every trie but the first hangs on one of the same table; and where its block has a header, that says its root. */
async function problemOfHeads(tips, database, heads) {
    const parents = [...new Set([...heads.values()].map((head) => head.parent))];
    const sql = `SELECT block_hash AS hash FROM marf_data WHERE block_hash IN (${parents.map(chainstate_source/* hexLiteral */.lO).join(", ")})`;
    const known = new Set((await tips.source.ask(database, sql)).map((row) => String(row["hash"])));
    const roots = await rootsOf(tips, database, [...heads.keys()].map((entry) => entry.hash));
    for (const [{ hash, offset }, { parent, root }] of heads) {
        const where = `the trie of block ${hash} at byte ${offset}`;
        // The header of the first block is made up (its root is not its trie's), and in a pruned MARF this one trie stands
        // for many blocks.
        if (parent === tries/* noParent */.K7)
            continue;
        if (!known.has(parent))
            return `${where} hangs on a block that its table does not know`;
        if ((roots.get(hash) ?? root) !== root)
            return `${where} has another root than the block's header says`;
    }
    return undefined;
}
async function rootsOf(tips, database, hashes) {
    const roots = new Map();
    if (database === layout/* databases */.LL.sortition)
        return roots;
    const schema = await tips.schema(layout/* databases */.LL.index);
    const list = hashes.map(chainstate_source/* hexLiteral */.lO).join(", ");
    for (const table of ["nakamoto_block_headers", "block_headers"]) {
        if (!schema.has(table))
            continue;
        const sql = `SELECT index_block_hash AS hash, index_root, state_index_root FROM ${table} WHERE index_block_hash IN (${list})`;
        for (const row of await tips.source.ask(layout/* databases */.LL.index, sql)) {
            const header = { indexRoot: String(row["index_root"]), stateRoot: String(row["state_index_root"]) };
            roots.set(String(row["hash"]), (0,check_blobs/* rootOf */.I)(header, database));
        }
    }
    return roots;
}

// EXTERNAL MODULE: external "node:path"
var external_node_path_ = __webpack_require__(6760);
;// CONCATENATED MODULE: ./build/chainstate/facts.js
/** What the databases say of the chain, for manifest and summary: the tip that a snapshot is of, not the RPC's. */




const unknownSchemas = {
    index: null,
    sortition: null,
    burnchain: null,
    nakamoto: null,
    marf: null,
    headers: null,
};
/** SQL for the schema version, by database; `db_config` keeps texts, of which "9" is greater than "11". */
const versionQueries = {
    index: [layout/* databases */.LL.index, "SELECT version AS v FROM db_config LIMIT 1"],
    sortition: [layout/* databases */.LL.sortition, "SELECT MAX(CAST(version AS INTEGER)) AS v FROM db_config"],
    burnchain: [layout/* databases */.LL.burnchain, "SELECT MAX(CAST(version AS INTEGER)) AS v FROM db_config"],
    nakamoto: [layout/* databases */.LL.nakamoto, "SELECT MAX(version) AS v FROM db_version"],
    marf: [layout/* databases */.LL.clarity, "SELECT MAX(version) AS v FROM schema_version"],
    headers: [layout/* databases */.LL.headers, "SELECT MAX(CAST(version AS INTEGER)) AS v FROM db_config"],
};
/**
 * Never throws for a damaged chainstate: what cannot be read is null (height 0), and the checks say why.
 * `dir` gives the network its name; `hasPruningManifest`: a `PCS_manifest.toml` stands in it.
 */
async function factsOf(tips, dir, hasPruningManifest) {
    const { source } = tips;
    const first = async (database, sql) => source.has(database) ? (await readable(source.ask(database, sql)))?.[0] : undefined;
    const config = await first(layout/* databases */.LL.index, "SELECT mainnet, chain_id FROM db_config LIMIT 1");
    const tip = source.has(layout/* databases */.LL.index) ? await readable(tips.tip()) : undefined;
    const schemas = { ...unknownSchemas };
    for (const [name, [database, sql]] of Object.entries(versionQueries)) {
        schemas[name] = (0,chainstate_source/* numberOf */.rl)(await first(database, sql), "v") ?? null;
    }
    const mainnet = (0,chainstate_source/* numberOf */.rl)(config, "mainnet");
    return {
        network: (0,external_node_path_.basename)(dir),
        mainnet: mainnet === undefined ? null : mainnet !== 0,
        chainId: (0,chainstate_source/* numberOf */.rl)(config, "chain_id") ?? null,
        stacksHeight: tip?.height ?? 0,
        stacksTip: tip?.id ?? null,
        consensusHash: tip?.consensusHash ?? null,
        burnHeight: source.has(layout/* databases */.LL.sortition) ? ((await readable(tips.burnHeight())) ?? null) : null,
        epochEra: tip === undefined ? "unknown" : tip.table === "block_headers" ? "epoch2" : "nakamoto",
        schemas,
        pruned: hasPruningManifest || (await isSquashed(tips)),
    };
}
async function isSquashed(tips) {
    for (const database of [layout/* databases */.LL.clarity, layout/* databases */.LL.index, layout/* databases */.LL.sortition]) {
        if (!tips.source.has(database))
            continue;
        const schema = await readable(tips.schema(database));
        if (schema?.has("marf_squash_info") !== true)
            continue;
        const rows = await readable(tips.source.ask(database, "SELECT 1 AS found FROM marf_squash_info LIMIT 1"));
        if ((0,chainstate_source/* textOf */.b6)(rows?.[0], "found") !== undefined)
            return true;
    }
    return false;
}
async function readable(reading) {
    try {
        return await reading;
    }
    catch (error) {
        if (error instanceof read_only_database/* DatabaseUnreadableError */.P)
            return undefined;
        throw error;
    }
}

// EXTERNAL MODULE: ./build/system/path-bytes.js
var path_bytes = __webpack_require__(1435);
// EXTERNAL MODULE: external "node:fs"
var external_node_fs_ = __webpack_require__(3024);
;// CONCATENATED MODULE: ./build/chainstate/sqlite-file.js
/**
 * What the bytes of a database's files say before anybody opens them: is it a database, does a WAL hold more of it, is
 * there a transaction to be rolled back. Opening can answer the last two only by changing files.
 * (https://sqlite.org/fileformat2.html, sections 1.3 and 3)
 */



const headerBytes = 100;
const magic = Buffer.from("SQLite format 3\0", "latin1");
const journalMagic = Buffer.from("d9d505f920a163d7", "hex");
/** Undefined where there is no such file. */
function lookAtDatabase(path) {
    const file = readHead(path, headerBytes);
    if (file === undefined)
        return undefined;
    const walBytes = readHead(`${path}-wal`, 0)?.size ?? 0;
    const damage = damageOf(file, walBytes) ?? hotJournalOf(path);
    return { sizeBytes: file.size, walBytes, ...(damage === undefined ? {} : { damage }) };
}
function damageOf({ bytes, size }, walBytes) {
    // A database that was never checkpointed is an empty file, all of it still in the WAL.
    if (size === 0)
        return undefined;
    if (bytes.length < headerBytes || bytes.every((byte) => byte === 0)) {
        return size < headerBytes
            ? `is only ${size} bytes long: no database`
            : "begins with zeros: its first page is lost";
    }
    if (!bytes.subarray(0, magic.length).equals(magic))
        return "is no SQLite database";
    const pageSize = bytes.readUInt16BE(16) === 1 ? 65_536 : bytes.readUInt16BE(16);
    const versions = [bytes[18], bytes[19]];
    if (pageSize < 512 ||
        (pageSize & (pageSize - 1)) !== 0 ||
        versions.some((version) => version !== 1 && version !== 2)) {
        return "has a damaged header";
    }
    // The count is valid where the change counter says so; while a WAL is there the file may still be behind it.
    const pages = bytes.readUInt32BE(28);
    const countIsValid = bytes.readUInt32BE(24) === bytes.readUInt32BE(92);
    if (countIsValid && walBytes === 0 && size < pages * pageSize) {
        return `is cut short: ${size} of ${pages * pageSize} bytes`;
    }
    return undefined;
}
function hotJournalOf(path) {
    const journal = readHead(`${path}-journal`, journalMagic.length);
    // A journal that is kept (PERSIST) or truncated after its commit has no magic number any more.
    if (journal === undefined || !journal.bytes.equals(journalMagic))
        return undefined;
    return "has a hot rollback journal: a transaction was cut off in the middle and has to be rolled back by the node";
}
function readHead(path, length) {
    let file;
    try {
        file = (0,external_node_fs_.openSync)((0,path_bytes/* fsPath */.Jk)(path), "r");
    }
    catch (error) {
        if ((0,errors/* hasCode */.up)(error, "ENOENT") || (0,errors/* hasCode */.up)(error, "ENOTDIR"))
            return undefined;
        throw error;
    }
    try {
        const bytes = Buffer.alloc(length);
        const read = (0,external_node_fs_.readSync)(file, bytes, 0, length, 0);
        return { bytes: bytes.subarray(0, read), size: (0,external_node_fs_.fstatSync)(file).size };
    }
    finally {
        (0,external_node_fs_.closeSync)(file);
    }
}

;// CONCATENATED MODULE: ./build/chainstate/find-databases.js
/** Finds the databases of a directory, and what of a chainstate is not where it should be, before anything is opened. */





/** Directories of epoch-2 blocks, of which there are tens of thousands and no database in any. */
const blockDirectory = /^chainstate\/blocks\/[0-9a-f]{4}$/;
/** Throws CHAINSTATE_NOT_FOUND where `dir` is no readable directory. */
async function findDatabases(dir, signal) {
    const found = [];
    const problems = [];
    const pending = [""];
    for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
        (0,errors/* throwIfAborted */.Te)(signal);
        for (const entry of await list(dir, at)) {
            const path = at === "" ? entry.name : `${at}/${entry.name}`;
            if (entry.isDirectory()) {
                if (!blockDirectory.test(path))
                    pending.push(path);
            }
            else if (entry.isSymbolicLink() && leadsToChainstate(path)) {
                // Blobs alone are followed when the archive is written.
                problems.push({
                    database: path,
                    detail: `${path} is a symbolic link: a snapshot would hold the link alone`,
                });
            }
            else if ((0,layout/* isDatabase */.uU)(path)) {
                const file = look(dir, path);
                if (file !== undefined)
                    found.push({ path, ...file });
            }
        }
    }
    found.sort((a, b) => (a.path < b.path ? -1 : 1));
    for (const { path, damage } of found)
        if (damage !== undefined)
            problems.push({ database: path, detail: `${path} ${damage}` });
    for (const path of layout/* essentialDatabases */.dl) {
        if (problems.some((problem) => path === problem.database || path.startsWith(`${problem.database}/`)))
            continue;
        if (!found.some((each) => each.path === path))
            problems.push({ database: path, detail: `${path} is missing` });
    }
    return { databases: found, problems, hasPruningManifest: await exists(`${dir}/PCS_manifest.toml`) };
}
function leadsToChainstate(path) {
    return Object.values(layout/* databases */.LL).some((each) => each === path || each.startsWith(`${path}/`));
}
function look(dir, path) {
    try {
        return lookAtDatabase(`${dir}/${path}`);
    }
    catch (error) {
        const why = (0,errors/* hasCode */.up)(error, "EACCES") ? "may not be read by this user" : "cannot be read";
        return {
            sizeBytes: 0,
            walBytes: 0,
            damage: `${why} (${error instanceof Error ? error.message : String(error)})`,
        };
    }
}
async function list(dir, at) {
    const path = at === "" ? dir : `${dir}/${at}`;
    try {
        const entries = await (0,promises_.readdir)((0,path_bytes/* fsPath */.Jk)(path), { withFileTypes: true, encoding: "buffer" });
        return entries.map((entry) => ({
            name: (0,path_bytes/* decodePath */.q0)(entry.name),
            isDirectory: () => entry.isDirectory(),
            isSymbolicLink: () => entry.isSymbolicLink(),
        }));
    }
    catch (cause) {
        throw new errors/* ActionError */.lZ("CHAINSTATE_NOT_FOUND", `${path} cannot be read as a directory.`, {
            cause,
            hint: "chainstate-dir is the mode directory, such as /var/stacks/mainnet; this user needs to read all of it.",
        });
    }
}
async function exists(path) {
    try {
        await (0,promises_.lstat)((0,path_bytes/* fsPath */.Jk)(path));
        return true;
    }
    catch {
        return false;
    }
}

// EXTERNAL MODULE: ./build/chainstate/tips.js
var chainstate_tips = __webpack_require__(6033);
;// CONCATENATED MODULE: ./build/chainstate/compare-rpc.js

/** Blocks that a node may well process between the question and its exit; it is asked moments before. */
const farBlocks = 200;
/**
 * The databases may be ahead: the node ran on for a moment. Throws TIP_BEHIND_RPC when they are behind what was said, and
 * RPC_OF_ANOTHER_CHAIN; returns a warning for what is odd but proves nothing.
 */
function compareWithRpc(facts, info, tenure) {
    if (facts.chainId !== null && facts.chainId !== info.network_id) {
        throw new errors/* ActionError */.lZ("RPC_OF_ANOTHER_CHAIN", `The RPC is of network ${info.network_id}, the chainstate of chain id ${facts.chainId}.`, { hint: "`rpc-url` and `chainstate-dir` have to be of one node." });
    }
    if (facts.stacksTip === null)
        return undefined;
    const said = Math.max(info.stacks_tip_height, tenure?.tip_height ?? 0);
    if (facts.stacksHeight < said) {
        throw new errors/* ActionError */.lZ("TIP_BEHIND_RPC", `The databases end at Stacks height ${facts.stacksHeight}, but the node said ${said} before it was stopped.`, {
            hint: "Blocks are missing: a `-wal` was lost, or `rpc-url` and `chainstate-dir` are of two nodes. Nothing is " +
                "published from this chainstate.",
        });
    }
    if (facts.stacksHeight > said + farBlocks) {
        return `The databases end at Stacks height ${facts.stacksHeight}, ${facts.stacksHeight - said} above what the node said before it was stopped: are \`rpc-url\` and \`chainstate-dir\` of one node?`;
    }
    if (tenure?.tip_height === facts.stacksHeight && tenure.tip_block_id !== facts.stacksTip) {
        return `The node said its tip at height ${facts.stacksHeight} was ${tenure.tip_block_id}, the databases say ${facts.stacksTip}: the chain forked there.`;
    }
    return undefined;
}

;// CONCATENATED MODULE: ./build/chainstate/inspect.js










/** CHAINSTATE_NOT_FOUND where there is no directory; everything that is wrong inside it is in the result. */
async function inspectChainstate(options) {
    const { dir, depth, signal } = options;
    const found = await findDatabases(dir, signal);
    const usable = new Set(found.databases.filter((each) => each.damage === undefined).map((each) => each.path));
    const open = { dir, signal, ...(options.elevate === undefined ? {} : { elevate: options.elevate }) };
    const ownBlobs = (0,chainstate_source/* blobsOf */.OR)(dir);
    const reader = await (0,read_only_database/* openReader */.c)(open);
    try {
        const tips = new chainstate_tips/* Tips */.V({
            ask: reader.ask,
            has: (path) => usable.has(path),
            blobs: options.blobs ?? ownBlobs,
        });
        const findings = [];
        if (depth !== "none") {
            findings.push(filesFinding(found.problems, found.databases.length), ...(await (0,checks/* runChecks */.JT)(tips)));
        }
        if (depth === "quick" || depth === "full") {
            const progress = options.onProgress === undefined ? {} : { onProgress: options.onProgress };
            const pages = {
                depth,
                databases: found.databases,
                openReader: () => (0,read_only_database/* openReader */.c)(open),
                signal,
                ...progress,
            };
            findings.push({ id: "integrity", ...(await checkPages(pages)) });
        }
        // Records are told apart by tables that the checks before have found in order.
        if (depth === "full" && findings.every((finding) => finding.result !== "failed")) {
            findings.push({ id: "blobs", ...(await checkBlobRecords(tips, signal, options.onProgress)) });
        }
        const facts = await factsOf(tips, dir, found.hasPruningManifest);
        return {
            dir,
            facts: options.network === undefined ? facts : { ...facts, network: options.network },
            checks: findings.map(({ id, result, detail }) => ({ id, result, detail })),
            databases: found.databases,
            blamed: [...new Set(findings.flatMap((finding) => finding.databases))],
        };
    }
    catch (error) {
        (0,errors/* throwIfAborted */.Te)(signal);
        throw error;
    }
    finally {
        await reader.end();
        await ownBlobs.close();
    }
}
/**
 * The same for a moment that is held still and can be asked, depth `tips`: what a `live` cut has instead of files that
 * could be opened. `.blobs` are append-only, so those of the running node in `dir` hold the moment's tries too.
 */
async function inspectFrozen(ask, dir) {
    const present = new Set();
    for (const path of Object.values(layout/* databases */.LL)) {
        const answers = await ask(path, "SELECT 1 AS found").then(() => true, () => false);
        if (answers)
            present.add(path);
    }
    const blobs = (0,chainstate_source/* blobsOf */.OR)(dir);
    try {
        const tips = new chainstate_tips/* Tips */.V({ ask, has: (path) => present.has(path), blobs });
        const missing = layout/* essentialDatabases */.dl.filter((path) => !present.has(path));
        const problems = missing.map((database) => ({ database, detail: `${database} cannot be asked` }));
        const findings = [filesFinding(problems, present.size), ...(await (0,checks/* runChecks */.JT)(tips))];
        return {
            dir,
            facts: await factsOf(tips, dir, false),
            checks: findings.map(({ id, result, detail }) => ({ id, result, detail })),
            databases: [],
            blamed: [...new Set(findings.flatMap((finding) => finding.databases))],
        };
    }
    finally {
        await blobs.close();
    }
}
/**
 * Facts of a chainstate that a node may be running on, for guards: network, schemas, pruned or not. They are read
 * without locks, so they count when two looks agree; height and tip are those of some recent moment.
 */
async function readFacts(dir, signal) {
    const still = ({ network, mainnet, chainId, schemas, pruned }) => JSON.stringify({ network, mainnet, chainId, schemas, pruned });
    let last = (await inspectChainstate({ dir, depth: "none", signal })).facts;
    for (let look = 1; look < factsLooks; look += 1) {
        const next = (await inspectChainstate({ dir, depth: "none", signal })).facts;
        if (still(next) === still(last))
            return next;
        last = next;
    }
    return last;
}
const factsLooks = 5;
function filesFinding(problems, count) {
    if (problems.length === 0)
        return { id: "files", result: "passed", detail: `${count} databases are there`, databases: [] };
    return {
        id: "files",
        result: "failed",
        detail: problems.map((problem) => problem.detail).join("; "),
        databases: problems.map((problem) => problem.database),
    };
}
/** The databases of a chainstate do not tell of one moment, or one of them is damaged. */
class ChainstateInconsistentError extends errors/* ActionError */.lZ {
    name = "ChainstateInconsistentError";
    checks;
    databases;
    constructor(inspection) {
        const failures = inspection.checks.filter((check) => check.result === "failed");
        const said = failures.map((check) => `${check.id}: ${check.detail}`).join("; ");
        super("CHAINSTATE_INCONSISTENT", `The chainstate in ${inspection.dir} is not one consistent state. ${said}.`, {
            hint: `A node will panic on it or stall later, so nothing is published from it and it is not put in place. If the node still runs on it, ` +
                `start and stop it gracefully once and try again; else restore ${inspection.blamed.join(", ")} together with all the others ` +
                `from a snapshot. docs/checks.md says what each check means.`,
        });
        this.checks = inspection.checks;
        this.databases = inspection.blamed;
    }
}
/** Throws ChainstateInconsistentError when a check failed. Checks that could not be made do not fail. */
function assertConsistent(inspection) {
    if (inspection.checks.some((check) => check.result === "failed"))
        throw new ChainstateInconsistentError(inspection);
}


/***/ }),

/***/ 8636:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __webpack_require__) => {

/* harmony export */ __webpack_require__.d(__webpack_exports__, {
/* harmony export */   B: () => (/* binding */ reportInspection)
/* harmony export */ });
function reportInspection(report, { facts, checks }) {
    for (const { id, result, detail } of checks)
        report.info(`${id} ${result}: ${detail}`);
    const { schemas } = facts;
    report.output("stacks-height", String(facts.stacksHeight));
    if (facts.burnHeight !== null)
        report.output("burn-height", String(facts.burnHeight));
    report.fact("Stacks height", `${facts.stacksHeight}${facts.stacksTip === null ? "" : ` (${facts.stacksTip.slice(0, 16)}…)`}`);
    if (facts.burnHeight !== null)
        report.fact("Burn height", String(facts.burnHeight));
    report.fact("Chain", `${facts.network}, ${facts.epochEra}${facts.pruned ? ", pruned" : ""}`);
    const versions = Object.entries(schemas).flatMap(([name, version]) => version === null ? [] : [`${name} ${version}`]);
    if (versions.length > 0)
        report.fact("Schemas", versions.join(", "));
    const made = checks.filter(({ result }) => result !== "not-made");
    if (made.length > 0)
        report.fact("Checks passed", made
            .filter(({ result }) => result === "passed")
            .map(({ id }) => id)
            .join(", "));
}


/***/ }),

/***/ 8792:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __webpack_require__) => {

/* harmony export */ __webpack_require__.d(__webpack_exports__, {
/* harmony export */   p: () => (/* binding */ openArchive),
/* harmony export */   r: () => (/* binding */ openSnapshot)
/* harmony export */ });
/* harmony import */ var node_fs__WEBPACK_IMPORTED_MODULE_0__ = __webpack_require__(3024);
/* harmony import */ var node_path__WEBPACK_IMPORTED_MODULE_1__ = __webpack_require__(6760);
/* harmony import */ var node_stream_promises__WEBPACK_IMPORTED_MODULE_2__ = __webpack_require__(6466);
/* harmony import */ var _catalog_read_js__WEBPACK_IMPORTED_MODULE_3__ = __webpack_require__(8990);
/* harmony import */ var _errors_js__WEBPACK_IMPORTED_MODULE_4__ = __webpack_require__(9473);
/* harmony import */ var _store_frame_source_js__WEBPACK_IMPORTED_MODULE_5__ = __webpack_require__(1061);
/** A published snapshot, opened for reading: its manifest, its index on local disk, its archive at random access. */






async function openSnapshot(rooms, storage, selector) {
    const store = await rooms.openStore(storage);
    try {
        const manifest = await (0,_catalog_read_js__WEBPACK_IMPORTED_MODULE_3__/* .resolveSnapshot */ .Vh)(store, selector, rooms.signal);
        return { store, manifest };
    }
    catch (error) {
        await store.close();
        throw error;
    }
}
/** Fetches the index into `directory` and opens the archive, which must have the size the manifest gives. */
async function openArchive({ store, manifest }, directory, signal) {
    const record = manifest.archive;
    if (record === undefined) {
        throw new _errors_js__WEBPACK_IMPORTED_MODULE_4__/* .ActionError */ .lZ("NO_ARCHIVE", `Snapshot ${manifest.id} is a volume snapshot and has no archive.`, {
            hint: "Set `method: volume`, or choose another snapshot.",
        });
    }
    const indexFile = (0,node_path__WEBPACK_IMPORTED_MODULE_1__.join)(directory, "index.json.zst");
    const { chunks, info } = await store.stream(record.index.key, { signal });
    if (info.size !== record.index.size)
        throw differs(store.urlOf(record.index.key), record.index.size, info.size);
    await (0,node_stream_promises__WEBPACK_IMPORTED_MODULE_2__.pipeline)(chunks, (0,node_fs__WEBPACK_IMPORTED_MODULE_0__.createWriteStream)(indexFile), { signal });
    const source = await (0,_store_frame_source_js__WEBPACK_IMPORTED_MODULE_5__/* .openFrameSource */ .j)(store, record.key, signal);
    if (source.size !== record.size)
        throw differs(source.url, record.size, source.size);
    return { record, source, indexFile };
}
function differs(url, expected, found) {
    return new _errors_js__WEBPACK_IMPORTED_MODULE_4__/* .ActionError */ .lZ("SNAPSHOT_DAMAGED", `${url} has ${found} bytes where the manifest says ${expected}.`, {
        hint: "The snapshot is damaged or was changed after it was published. Choose another one.",
    });
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

/***/ 1061:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __webpack_require__) => {

/* harmony export */ __webpack_require__.d(__webpack_exports__, {
/* harmony export */   j: () => (/* binding */ openFrameSource)
/* harmony export */ });
/* harmony import */ var _errors_js__WEBPACK_IMPORTED_MODULE_0__ = __webpack_require__(9575);

/**
 * `etag`: the version it must be, where the caller knows. ObjectNotFoundError; reads fail with ObjectChangedError once the
 * object is another one.
 */
async function openFrameSource(store, key, signal, etag) {
    const info = await store.head(key, signal);
    if (info === undefined)
        throw new _errors_js__WEBPACK_IMPORTED_MODULE_0__/* .ObjectNotFoundError */ .d_(store.urlOf(key));
    const bound = etag ?? info.etag;
    return {
        size: info.size,
        url: store.urlOf(key),
        etag: bound,
        async read(offset, length, signal) {
            const { bytes } = await store.get(key, {
                range: { offset, length },
                signal,
                ...(bound === undefined ? {} : { ifMatch: bound }),
            });
            return bytes;
        },
    };
}


/***/ })

};
