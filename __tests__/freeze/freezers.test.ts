import { coldFreezer } from "../../src/freeze/cold.ts";
import { sqliteFreezer } from "../../src/freeze/sqlite/sqlite.ts";
import { describeFreezer } from "../conformance/freezer.ts";
import { rules, scratch, viewOf } from "./support.ts";

describeFreezer({
  name: "cold",
  freezer: () => coldFreezer({ viewOf }),
  place: () => scratch(),
  nodeRunsOn: false,
});

describeFreezer({
  name: "sqlite",
  freezer: () => sqliteFreezer({ viewOf, rules }),
  place: () => scratch(),
  nodeRunsOn: true,
});
