export const id = 411;
export const ids = [411];
export const modules = {

/***/ 5792:
/***/ ((__unused_webpack___webpack_module__, __webpack_exports__, __webpack_require__) => {

__webpack_require__.r(__webpack_exports__);
/* harmony export */ __webpack_require__.d(__webpack_exports__, {
/* harmony export */   createS3Client: () => (/* binding */ createS3Client)
/* harmony export */ });
/* harmony import */ var _aws_sdk_client_s3__WEBPACK_IMPORTED_MODULE_0__ = __webpack_require__(3711);
/**
 * Builds the S3 client: credentials, region and endpoint from the SDK's default chain (environment, web identity,
 * profiles, instance role), with what the action's inputs say on top. Limits are set here once, so that no request can
 * hang: the SDK has none by default.
 */

const maxConnections = 64;
const createS3Client = async (options, limits) => {
    const agent = { keepAlive: true, maxSockets: maxConnections };
    const config = {
        ...(options.endpoint === undefined ? {} : { endpoint: options.endpoint }),
        ...(options.region === undefined ? {} : { region: options.region }),
        forcePathStyle: options.forcePathStyle,
        // A bucket in another region is found by the answer to the first request.
        followRegionRedirects: true,
        maxAttempts: limits.attempts,
        // The SDK's own trailing checksums break stores that do not know them (Ceph 16 answers 411). Every body here is a
        // buffer, so its SHA-256 is part of the signature and the store refuses bytes that were changed on the way.
        requestChecksumCalculation: "WHEN_REQUIRED",
        responseChecksumValidation: "WHEN_REQUIRED",
        requestHandler: {
            connectionTimeout: limits.connectTimeoutMs,
            socketTimeout: limits.idleTimeoutMs,
            requestTimeout: limits.requestTimeoutMs,
            throwOnRequestTimeout: true,
            httpAgent: agent,
            httpsAgent: agent,
        },
    };
    const client = new _aws_sdk_client_s3__WEBPACK_IMPORTED_MODULE_0__/* .S3Client */ .YxF(config);
    if (await knowsRegion(client))
        return client;
    client.destroy();
    // Compatible stores ignore it, and AWS redirects from here to where the bucket is.
    return new _aws_sdk_client_s3__WEBPACK_IMPORTED_MODULE_0__/* .S3Client */ .YxF({ ...config, region: "us-east-1" });
};
async function knowsRegion(client) {
    try {
        await client.config.region();
        return true;
    }
    catch {
        // The provider has no other way of saying that nobody named a region.
        return false;
    }
}


/***/ })

};
