/** Entry point of the archive's worker threads: takes one request at a time and answers it. */
import { serveArchiveWork } from "../archive/worker.ts";

serveArchiveWork();
