/** The bundle's entry: the runner starts the same file for `main` and for `post`; saved state tells which it is. */
import { runMain } from "./main.ts";
import { runPost } from "./post.ts";
import { isPost } from "./report/state.ts";

await (isPost(process.env) ? runPost() : runMain());
