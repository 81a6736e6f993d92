/** The whole proof of a stop at once: a run makes its checks between the two looks at the files, and these tests none. */
import type { Evidence } from "../../src/node/port.ts";
import { proveStopped, type VerifyStoppedRequest } from "../../src/node/shutdown-proof.ts";

export async function verifyStopped(request: VerifyStoppedRequest): Promise<readonly Evidence[]> {
  const { evidence, lookAgain } = await proveStopped(request);
  return [...evidence, await lookAgain()];
}
