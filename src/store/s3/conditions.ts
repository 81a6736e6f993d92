/**
 * Conditional writes. AWS, R2, GCS, MinIO and Ceph 20 enforce them; Ceph 18 and 16 answer 412 even to the right etag, and
 * others ignore the header. What this store does is tried once on a scratch object; where it does not enforce a
 * condition, it is looked at before the write, which leaves a gap the caller can read in `capabilities`.
 */
import { DeleteObjectCommand, PutObjectCommand } from "@aws-sdk/client-s3";
import { plainEtag, quoted } from "../object-info.ts";
import type { S3Bucket } from "./bucket.ts";
import { isPreconditionFailure, readFailure } from "./errors.ts";
import { timeLimit } from "../../system/deadline.ts";

export interface EnforcedConditions {
  readonly ifAbsent: boolean;
  readonly ifMatch: boolean;
}

export async function probeConditions(bucket: S3Bucket, signal: AbortSignal): Promise<EnforcedConditions> {
  const target = { Bucket: bucket.name, Key: bucket.scratch() };
  const write = async (condition: {
    IfMatch?: string;
    IfNoneMatch?: string;
  }): Promise<{ readonly done: boolean; readonly etag: string | undefined }> => {
    try {
      const Body = Buffer.from("probe\n");
      const answer = await bucket.sendBody(Body, async (checksum) => {
        const command = new PutObjectCommand({
          ...target,
          Body,
          ...bucket.creation,
          ...checksum,
          ...condition,
        });
        return await bucket.client.send(command, { abortSignal: signal });
      });
      return { done: true, etag: plainEtag(answer.ETag) };
    } catch (error) {
      const failure = readFailure(error);
      if (Object.keys(condition).length === 0) throw error;
      if (isPreconditionFailure(failure) || [400, 404, 405, 501].includes(failure.status ?? 0)) {
        if (failure.name !== "NoSuchBucket") return { done: false, etag: undefined };
      }
      throw error;
    }
  };
  const remove = async (): Promise<unknown> =>
    await bucket.client.send(new DeleteObjectCommand(target), {
      abortSignal: timeLimit(30_000, "CLEAN_UP_TIMEOUT", "The probe's removal"),
    });
  return bucket.call("", "write", signal, async () => {
    // Plain first: a missing bucket or right must show as such and not as a missing ability.
    const { etag } = await write({});
    try {
      const remade = await write({ IfNoneMatch: "*" });
      const right = etag === undefined ? undefined : await write({ IfMatch: quoted(etag) });
      const wrong = await write({ IfMatch: quoted("00000000000000000000000000000000") });
      await bucket.client.send(new DeleteObjectCommand(target), { abortSignal: signal });
      const made = await write({ IfNoneMatch: "*" });
      // Whoever may not delete here hears it now.
      await remove();
      return { ifAbsent: made.done && !remade.done, ifMatch: right?.done === true && !wrong.done };
    } catch (error) {
      // The first error counts; what stays is hidden.
      await remove().catch(() => undefined);
      throw error;
    }
  });
}
