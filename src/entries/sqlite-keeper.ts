/** Entry point of the keeper process, see `freeze/keeper-process.ts`. */
import { runKeeper } from "../freeze/keeper-process.ts";

runKeeper();
