export const id = 240;
export const ids = [240];
export const modules = {

/***/ 3240:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __webpack_require__) => {

__webpack_require__.r(__webpack_exports__);
/* harmony export */ __webpack_require__.d(__webpack_exports__, {
/* harmony export */   findAzureAccess: () => (/* binding */ findAzureAccess)
/* harmony export */ });
/* harmony import */ var node_fs_promises__WEBPACK_IMPORTED_MODULE_0__ = __webpack_require__(1455);
/* harmony import */ var _errors_js__WEBPACK_IMPORTED_MODULE_1__ = __webpack_require__(9575);
/* harmony import */ var _system_exec_js__WEBPACK_IMPORTED_MODULE_2__ = __webpack_require__(3991);
/**
 * How this run may use an Azure storage account, from what the environment has, most specific first: a connection string,
 * an account key, a shared access signature (the names the `az` command uses), then an identity: a federated token or
 * client secret, the signed-in `az` (as `azure/login` leaves it), the machine's managed identity. The identities are plain
 * requests here, since Microsoft's own package for them would double what this action weighs.
 */



const storageScope = "https://storage.azure.com/";
async function findAzureAccess(account, environment) {
    const read = (name) => environment[name] || undefined;
    const settings = parseConnectionString(read("AZURE_STORAGE_CONNECTION_STRING") ?? "");
    const suffix = settings["EndpointSuffix"] ?? "core.windows.net";
    const endpoint = (settings["BlobEndpoint"] ?? `https://${account}.blob.${suffix}`).replace(/\/$/u, "");
    const key = settings["AccountKey"] ?? read("AZURE_STORAGE_KEY");
    if (key !== undefined)
        return { kind: "key", endpoint, account: settings["AccountName"] ?? account, key };
    const signature = settings["SharedAccessSignature"] ?? read("AZURE_STORAGE_SAS_TOKEN");
    if (signature !== undefined)
        return { kind: "sas", endpoint, signature: signature.replace(/^\?/u, "") };
    return { kind: "token", endpoint, getToken: keepToken(await findTokenSource(read)) };
}
function parseConnectionString(text) {
    const pairs = text.split(";").map((pair) => /^\s*([^=]+)=(.*)$/u.exec(pair)?.slice(1) ?? []);
    return Object.fromEntries(pairs.filter((pair) => pair.length === 2));
}
async function findTokenSource(read) {
    const [client, tenant] = [read("AZURE_CLIENT_ID"), read("AZURE_TENANT_ID")];
    const tokenFile = read("AZURE_FEDERATED_TOKEN_FILE");
    const secret = read("AZURE_CLIENT_SECRET");
    if (client !== undefined && tenant !== undefined && (tokenFile ?? secret) !== undefined) {
        const authority = (read("AZURE_AUTHORITY_HOST") ?? "https://login.microsoftonline.com").replace(/\/$/u, "");
        return async () => requestToken(`${authority}/${tenant}/oauth2/v2.0/token`, {
            method: "POST",
            body: new URLSearchParams({
                grant_type: "client_credentials",
                client_id: client,
                scope: `${storageScope}.default`,
                ...(tokenFile === undefined
                    ? { client_secret: secret ?? "" }
                    : {
                        client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
                        // Read anew each time: whoever writes it replaces it before it expires.
                        client_assertion: (await (0,node_fs_promises__WEBPACK_IMPORTED_MODULE_0__.readFile)(tokenFile, "utf8")).trim(),
                    }),
            }),
        });
    }
    const fromCommand = await tokenOfCommand();
    if (fromCommand !== undefined) {
        return async () => (await tokenOfCommand()) ?? missing("`az` has no valid session any more");
    }
    const metadata = read("AZURE_POD_IDENTITY_AUTHORITY_HOST") ?? "http://169.254.169.254";
    const identity = client === undefined ? "" : `&client_id=${client}`;
    const url = `${metadata}/metadata/identity/oauth2/token?api-version=2018-02-01&resource=${encodeURIComponent(storageScope)}${identity}`;
    return () => requestToken(url, { headers: { Metadata: "true" } });
}
/** Undefined where `az` is not installed or nobody is signed in. */
async function tokenOfCommand() {
    const argv = ["az", "account", "get-access-token", "--resource", storageScope, "--output", "json"];
    const { exitCode, stdout } = await (0,_system_exec_js__WEBPACK_IMPORTED_MODULE_2__/* .query */ .P)(argv, { timeoutMs: 30_000 });
    if (exitCode !== 0)
        return undefined;
    const { accessToken, expires_on: seconds } = JSON.parse(stdout);
    const assumedMs = 5 * 60_000;
    return {
        token: accessToken,
        expiresOnTimestamp: seconds === undefined ? Date.now() + assumedMs : seconds * 1000,
    };
}
const tokenTimeoutMs = 10_000;
async function requestToken(url, init) {
    let answer;
    try {
        answer = await fetch(url, { ...init, signal: AbortSignal.timeout(tokenTimeoutMs) });
    }
    catch (cause) {
        return missing("no identity service answers", cause);
    }
    if (!answer.ok) {
        await answer.body?.cancel();
        return missing(`the identity service answers ${answer.status}`);
    }
    const { access_token: token, expires_in: seconds } = (await answer.json());
    return { token, expiresOnTimestamp: Date.now() + Number(seconds) * 1000 };
}
function missing(why, cause) {
    throw new _errors_js__WEBPACK_IMPORTED_MODULE_1__/* .StoreError */ .AD("STORE_CREDENTIALS", `No credentials for Azure storage: ${why}.`, {
        hint: "Sign in with azure/login before this step, or set AZURE_STORAGE_CONNECTION_STRING, AZURE_STORAGE_KEY or AZURE_STORAGE_SAS_TOKEN.",
        ...(cause === undefined ? {} : { cause }),
    });
}
/** One token for all requests until shortly before it expires. */
function keepToken(source) {
    const renewBeforeMs = 2 * 60_000;
    let kept;
    let validUntil = 0;
    return async () => {
        if (kept === undefined || Date.now() > validUntil - renewBeforeMs) {
            validUntil = Infinity;
            kept = source();
            try {
                validUntil = (await kept).expiresOnTimestamp;
            }
            catch (error) {
                kept = undefined;
                throw error;
            }
        }
        return kept;
    };
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


/***/ })

};
