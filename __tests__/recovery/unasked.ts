/** For nodes that no restore has started: whoever asks for a judgement, or a stop, of one has lost the way. */
import type { NodeJudge } from "../../src/recovery/settle.ts";

export const unasked: NodeJudge = {
  judge: () => Promise.reject(new Error("nothing was restored here")),
  stop: () => Promise.reject(new Error("nothing was restored here")),
};
