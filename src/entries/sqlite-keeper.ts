/** Entry point of the keeper process, see `freeze/sqlite/keeper-process.ts`. */
import { runKeeper } from "../freeze/sqlite/keeper-process.ts";

runKeeper();
