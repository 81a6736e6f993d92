/** This instance, as Amazon's metadata service tells. */
import { askMetadata, askMetadataJson, notInCloud } from "../metadata-service.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

export interface Instance {
  readonly id: string;
  readonly region: string;
  readonly zone: string;
}

export async function findInstance(environment: Environment, signal: AbortSignal): Promise<Instance> {
  const base = (environment["AWS_EC2_METADATA_SERVICE_ENDPOINT"] ?? "http://169.254.169.254").replace(
    /\/$/,
    "",
  );
  const token = await askMetadata(
    {
      url: `${base}/latest/api/token`,
      method: "PUT",
      headers: { "X-aws-ec2-metadata-token-ttl-seconds": "300" },
    },
    signal,
  );
  if (token === undefined) throw notInCloud("aws-ebs", "Amazon EC2");
  const document = await askMetadataJson(
    {
      url: `${base}/latest/dynamic/instance-identity/document`,
      headers: { "X-aws-ec2-metadata-token": token },
    },
    signal,
  );
  const { instanceId, region, availabilityZone } = (document ?? {}) as Record<string, unknown>;
  if (typeof instanceId !== "string" || typeof region !== "string" || typeof availabilityZone !== "string")
    throw notInCloud("aws-ebs", "Amazon EC2");
  return { id: instanceId, region, zone: availabilityZone };
}
