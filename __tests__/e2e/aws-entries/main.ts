/** `src/main.ts` on a machine with stand-in disks. */
import "./stand-in.ts";

await import("../../../src/main.ts");
