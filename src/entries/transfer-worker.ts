/** Entry point of a thread that moves bytes to and from a store. It needs the stores' clients, which the action's own bundle has. */
import { runTransferThread } from "../app/steps.ts";

runTransferThread();
