/** Entry point of the archive's worker threads: takes one request at a time and answers it. */
import { workerData } from "node:worker_threads";
import type { WorkerOptions } from "../archive/workers/worker-pool.ts";
import { serveArchiveWork } from "../archive/workers/worker.ts";
import { stepBackBestEffort } from "../system/gentle.ts";

if ((workerData as WorkerOptions).gentle) stepBackBestEffort();
serveArchiveWork();
