/** Entry point of a process that proves a part of a chainstate, see `chainstate/proof/prover-process.ts`. */
import { runProver } from "../chainstate/proof/prover-process.ts";

runProver();
