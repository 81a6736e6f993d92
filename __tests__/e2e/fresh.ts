/** `setUp` for the tests of a file that imports this: what it makes is removed after each of them. */
import { afterEach } from "vitest";
import { setUp, type Setup, type SetupOptions } from "./support.ts";

const open: Setup[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map(async (setup) => await setup.remove()));
});

export async function fresh(options?: SetupOptions): Promise<Setup> {
  const setup = await setUp(options);
  open.push(setup);
  return setup;
}
