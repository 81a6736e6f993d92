import { storeConformance } from "../conformance/store.ts";
import { memoryStore } from "./memory-store.ts";

const enforcing = memoryStore();
storeConformance("in memory", {
  open: async () => await Promise.resolve(enforcing.again()),
  copies: "none",
  conditionalWrites: true,
});

const looking = memoryStore({ conditionalWrites: false });
storeConformance("in memory, conditions only looked at", {
  open: async () => await Promise.resolve(looking.again()),
  copies: "none",
  conditionalWrites: false,
});
