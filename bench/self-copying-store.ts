/**
 * A directory as a store that copies parts of an earlier archive by itself, as S3 does: whoever archives neither reads nor writes
 * for it. What was copied is a reference to where it was written first.
 */
import { open, type FileHandle } from "node:fs/promises";
import type { ObjectInfo, ObjectStore, Upload } from "../src/store/port.ts";
import { withMembers } from "../src/system/with-members.ts";
import { writeFully } from "../src/system/write-fully.ts";

interface Stretch {
  readonly offset: number;
  readonly length: number;
  readonly file: FileHandle;
  readonly at: number;
}

interface Archive {
  readonly info: ObjectInfo;
  readonly stretches: readonly Stretch[];
}

export function selfCopying(
  store: ObjectStore,
  directory: string,
  archives: Map<string, Archive>,
): ObjectStore {
  const read = async ({ stretches }: Archive, range: { offset: number; length: number }): Promise<Buffer> => {
    const bytes = Buffer.alloc(range.length);
    for (const { offset, length, file, at } of stretches) {
      const [from, to] = [
        Math.max(range.offset, offset),
        Math.min(range.offset + range.length, offset + length),
      ];
      if (from < to) await file.read(bytes, from - range.offset, to - from, at + from - offset);
    }
    return bytes;
  };
  return withMembers(store, {
    head: async (key, signal) => archives.get(key)?.info ?? (await store.head(key, signal)),
    async get(key, options) {
      const archive = archives.get(key);
      if (archive === undefined) return await store.get(key, options);
      const bytes = await read(archive, options.range ?? { offset: 0, length: archive.info.size });
      if (options.into === undefined) return { info: archive.info, bytes };
      options.into.set(bytes);
      return { info: archive.info, bytes: options.into.subarray(0, bytes.length) };
    },
    async openUpload(key, options) {
      if (!key.endsWith(".tar.zst")) return await store.openUpload(key, options);
      const { copyFrom } = options;
      const file = await open(`${directory}/${archives.size}`, "w+");
      const stretches: Stretch[] = [];
      const upload: Upload = {
        token: { key, id: key },
        copies: copyFrom === undefined ? "none" : "bound",
        async writePart({ offset }, pieces, release) {
          let at = offset;
          for (const piece of pieces) {
            await writeFully(file, piece, at);
            at += piece.length;
          }
          stretches.push({ offset, length: at - offset, file, at: offset });
          release?.();
        },
        async copyPart({ offset }, range) {
          await Promise.resolve();
          const source = archives.get(copyFrom?.key ?? "");
          for (const each of source?.stretches ?? []) {
            const from = Math.max(range.offset, each.offset);
            const to = Math.min(range.offset + range.length, each.offset + each.length);
            if (from >= to) continue;
            const place = { file: each.file, at: each.at + from - each.offset };
            stretches.push({ offset: offset + from - range.offset, length: to - from, ...place });
          }
        },
        async complete() {
          await file.sync();
          const size = Math.max(...stretches.map((each) => each.offset + each.length));
          const info = { key, size, etag: `"${archives.size}"`, modifiedAt: new Date() };
          archives.set(key, { info, stretches });
          return info;
        },
        abort: async () => await file.close(),
      };
      return upload;
    },
  } satisfies Partial<ObjectStore>);
}

export type Archives = Map<string, Archive>;
