/**
 * The ways to keep a chainstate that are measured against each other: what each runs for a first night, a second night
 * and a restore, as shell lines with `$DATA` (the directory), `$STORE` (its own empty place), `$BACK` (an empty directory to restore
 * into). Everybody compresses with zstd at level 3 and uses all processors; what cannot be switched off is said.
 */
import { Job } from "../simulator/runner.ts";

export interface Contestant {
  readonly name: string;
  readonly place: "file" | "s3";
  /** As printed: what was set, and what it does more or less than others. */
  readonly settings: string;
  readonly first: Step;
  /** Only of those that keep nights together; the others make everything anew. */
  readonly second?: Step;
  readonly restore: Step;
  /** An hour later, of those that can while a node runs on. */
  readonly hourly?: Step;
  /** It leaves something beside the chainstate that others would remove, so it sees it at another path. */
  readonly ownPath?: true;
}

export interface Places {
  readonly data: string;
  readonly store: string;
  readonly back: string;
  readonly s3: S3Place | undefined;
}

export interface S3Place {
  readonly endpoint: string;
  readonly bucket: string;
  /** What that process computes is the store's time. */
  readonly pid?: number;
}

/** A function returns the bytes it sent, where it knows. */
export type Step = string | ((places: Places) => Promise<number | undefined>);

const tarOut = `tar -cf - -C "$(dirname "$DATA")" "$(basename "$DATA")"`;
const tarIn = `tar -xf - -C "$BACK"`;
const borg = "BORG_BASE_DIR=$STORE/base BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK=yes borg";
const restic = "RESTIC_PASSWORD=bench restic -q --cache-dir $STORE/cache -r $STORE/repository";
const resticBackup = `cd "$DATA" && ${restic} backup --compression auto .`;
const borgCreate = `cd "$DATA" && ${borg} create --compression zstd,3 $STORE/repository`;
const casyncMake = `casync make --compression=zstd --store=$STORE/chunks.castr`;
const aws = 'aws --endpoint-url "$AWS_ENDPOINT_URL_S3" s3';
const rclone =
  'rclone --s3-provider Ceph --s3-env-auth --s3-endpoint "$AWS_ENDPOINT_URL_S3" --s3-no-check-bucket --s3-upload-concurrency 4';

export const contestants: readonly Contestant[] = [
  ours("chainstate-snapshot", "every segment read and hashed", {}),
  ours("chainstate-snapshot, trust-timestamps", "files of the same times are not read again", {
    "trust-timestamps": "true",
  }),
  {
    name: "tar | pzstd",
    place: "file",
    settings: "pzstd -3, all processors; a whole archive each night",
    first: `${tarOut} | pzstd -q -f -3 -o $STORE/archive.tar.zst`,
    restore: `pzstd -q -dc $STORE/archive.tar.zst | ${tarIn}`,
  },
  {
    name: "tar | zstd -T0",
    place: "file",
    settings: "zstd -3 -T0; a whole archive each night",
    first: `${tarOut} | zstd -q -f -3 -T0 -o $STORE/archive.tar.zst`,
    restore: `zstd -q -dc $STORE/archive.tar.zst | ${tarIn}`,
  },
  {
    name: "restic",
    place: "file",
    settings:
      "--compression auto (zstd); encryption cannot be switched off; files of the same times are not read again",
    first: `${restic} init && ${resticBackup}`,
    second: resticBackup,
    restore: `${restic} restore latest --target "$BACK"`,
  },
  {
    name: "borg",
    place: "file",
    settings:
      "--encryption none --compression zstd,3; one thread; files of the same times are not read again",
    first: `${borg} init -e none $STORE/repository && ${borgCreate}::first .`,
    second: `${borgCreate}::second .`,
    restore: `cd "$BACK" && last=$(${borg} list --last 1 --short $STORE/repository) && ${borg} extract "$STORE/repository::$last"`,
  },
  {
    name: "casync",
    place: "file",
    settings: "--compression=zstd, its default chunks (64 KiB on average); one thread",
    first: `${casyncMake} $STORE/first.caidx "$DATA"`,
    second: `${casyncMake} $STORE/first.caidx "$DATA"`,
    restore: `casync extract --store=$STORE/chunks.castr $STORE/first.caidx "$BACK/data"`,
  },
  ours("chainstate-snapshot", "every segment read and hashed", {}, "s3"),
  {
    name: "tar | pzstd, then aws s3 cp",
    place: "s3",
    settings: "to a local file first, as the seed does; restored by aws s3 cp - | zstd -d | tar -x",
    first: `${tarOut} | pzstd -q -f -3 -o $STORE/archive.tar.zst && ${aws} cp --only-show-errors $STORE/archive.tar.zst s3://$BUCKET/seed.tar.zst && rm $STORE/archive.tar.zst`,
    restore: `${aws} cp --only-show-errors s3://$BUCKET/seed.tar.zst - | zstd -q -dc | ${tarIn}`,
  },
  {
    name: "tar | pzstd | rclone rcat",
    place: "s3",
    settings: "streamed, no local file, 4 parts at once; restored by rclone cat | zstd -d | tar -x",
    first: `${tarOut} | pzstd -q -3 -c | ${rclone} rcat :s3:$BUCKET/rclone.tar.zst`,
    restore: `${rclone} cat :s3:$BUCKET/rclone.tar.zst | zstd -q -dc | ${tarIn}`,
  },
  {
    name: "tar | pzstd, then rclone; aria2c",
    place: "s3",
    settings:
      "restored by aria2c -x16 -s16 -k4M from a presigned URL to a local file, then pzstd -dc | tar -x",
    first: `${tarOut} | pzstd -q -f -3 -o $STORE/archive.tar.zst && ${rclone} copyto $STORE/archive.tar.zst :s3:$BUCKET/aria.tar.zst && rm $STORE/archive.tar.zst`,
    restore: `aria2c -q --file-allocation=none -x16 -s16 -k4M -d $STORE -o archive.tar.zst "$(${aws} presign s3://$BUCKET/aria.tar.zst)" && pzstd -q -dc $STORE/archive.tar.zst | ${tarIn} && rm $STORE/archive.tar.zst`,
  },
];

const pages = {
  downtime: "short",
  "rebase-above": "20%",
  "reread-blobs": "3%",
  "trust-timestamps": "true",
};

/** With `--data hash-keyed`; to a store in memory that copies by itself, as S3 does. */
export const hashKeyedContestants: readonly Contestant[] = [
  ours("chainstate-snapshot, segments", "`downtime: short`", { downtime: "short" }, "s3"),
  ours(
    "chainstate-snapshot, pages",
    "`rebase-above: 20%`, `reread-blobs: 3%`, `trust-timestamps`; the hourly one `downtime: none`",
    pages,
    "s3",
    { downtime: "none" },
  ),
  {
    ...ours(
      "chainstate-snapshot, pages and clone",
      "as before with `keep-clone`; the hourly one `downtime: short`",
      { ...pages, "keep-clone": "true" },
      "s3",
      {},
    ),
    ownPath: true,
  },
  ...contestants.filter(
    ({ name, place }) => place === "file" && /^(?:tar \| pzstd|restic|borg)$/u.test(name),
  ),
];

/** The committed bundle, as a job runs it: main and post, manifest, catalogue and page included. */
function ours(
  name: string,
  settings: string,
  extra: Readonly<Record<string, string>>,
  place: Contestant["place"] = "file",
  hourly?: Readonly<Record<string, string>>,
): Contestant {
  const run = async (
    places: Places,
    inputs: Readonly<Record<string, string>>,
  ): Promise<number | undefined> => {
    const job = new Job(
      { ...storageOf(places), "node-manager": "none", ...inputs },
      {
        env: {
          CHAINSTATE_SNAPSHOT_STATE_DIR: `${places.store}/state`,
          AWS_ACCESS_KEY_ID: process.env["AWS_ACCESS_KEY_ID"] ?? "",
          AWS_SECRET_ACCESS_KEY: process.env["AWS_SECRET_ACCESS_KEY"] ?? "",
        },
      },
    );
    try {
      const { main, post } = await job.run();
      if (main.exitCode !== 0 || post.exitCode !== 0) throw new Error(main.log + post.log);
      const sent = main.outputs["uploaded-bytes"];
      return sent === undefined ? undefined : Number(sent);
    } finally {
      job.remove();
    }
  };
  const snapshot = async (
    places: Places,
    more: Readonly<Record<string, string>> = {},
  ): Promise<number | undefined> =>
    await run(places, { "chainstate-dir": places.data, downtime: "full", check: "none", ...extra, ...more });
  return {
    name,
    place,
    settings: `through dist, check: none, ${settings}; every digest checked when restored`,
    first: async (places) => await snapshot(places),
    second: async (places) => await snapshot(places),
    ...(hourly === undefined ? {} : { hourly: async (places: Places) => await snapshot(places, hourly) }),
    restore: async (places) =>
      await run(places, { command: "restore", check: "none", "chainstate-dir": `${places.back}/mainnet` }),
  };
}

function storageOf({ store, s3 }: Places): Record<string, string> {
  if (s3 === undefined) return { storage: `file://${store}/snapshots` };
  return {
    storage: `s3://${s3.bucket}/bench`,
    "s3-endpoint": s3.endpoint,
    "s3-region": "us-east-1",
  };
}
