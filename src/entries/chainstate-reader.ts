/** Entry point of the process that reads databases without changing them, see `chainstate/reader-process.ts`. */
import { runReader } from "../chainstate/reader-process.ts";

runReader();
