/**
 * An EC2 instance that is not there: moto keeps its volumes and snapshots, a metadata service tells who it is, and loop
 * devices stand for its NVMe disks, so that freezing, mounting and swapping are real. A proxy before moto can say what moto never says.
 */
import { execFileSync } from "node:child_process";
import { randomInt } from "node:crypto";
import { mkdirSync } from "node:fs";
import { copyFile, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import {
  AttachVolumeCommand,
  CreateVolumeCommand,
  DescribeVolumesCommand,
  EC2Client,
  RunInstancesCommand,
} from "@aws-sdk/client-ec2";
import type { BlockDevices } from "../../src/volume/mounts/block-devices.ts";
import type { Host } from "../../src/volume/host.ts";

/** Where `testbed/moto.sh up` says moto is; undefined where it is not up. */
export async function motoEndpoint(): Promise<string | undefined> {
  const directory = process.env["TESTBED_DIR"] ?? "/var/tmp/testbed";
  const endpoint = await readFile(join(directory, "moto/endpoint"), "utf8").catch(() => undefined);
  return process.geteuid?.() === 0 ? endpoint?.trim() : undefined;
}

export type Answer = (body: string) => { readonly status: number; readonly body: string } | undefined;

export class AwsWorld {
  readonly root: string;
  /** What a process needs that is to take itself for this instance; `aws-entry.ts` finds the devices there, too. */
  readonly environment: Record<string, string>;
  readonly ec2: EC2Client;
  readonly devices: BlockDevices;
  /** Requests (form bodies) that reached the API. */
  readonly requests: string[] = [];
  /** Looked at before a request is passed on. */
  answer: Answer = () => undefined;
  /** Changes what moto answered. */
  rewrite: (action: string, answer: string) => string = (_, answer) => answer;
  instanceId = "";
  zone = "us-east-1a";
  /** Of this world alone: worlds side by side, and what earlier ones left, must not be found by their tags. */
  readonly #account = String(randomInt(1e11, 1e11 + 1e9));
  readonly #host: Host;
  readonly #servers: Server[] = [];
  /** Loop device → volume id. */
  readonly #loops = new Map<string, string>();
  readonly #images = new Map<string, string>();
  readonly #mountPoints: string[] = [];

  static async open(root: string, moto: string, host: Host): Promise<AwsWorld> {
    const servers: Server[] = [];
    const [proxy, metadata, devices] = [await listen(servers), await listen(servers), await listen(servers)];
    const world = new AwsWorld(root, host, servers, {
      AWS_ENDPOINT_URL_EC2: proxy.url,
      AWS_EC2_METADATA_SERVICE_ENDPOINT: metadata.url,
      AWS_ACCESS_KEY_ID: "a",
      AWS_SECRET_ACCESS_KEY: "b",
      AWS_REGION: "us-east-1",
      STAND_IN_DEVICES: devices.url,
    });
    proxy.server.on("request", (request, response) => {
      void (async () => {
        const chunks: Buffer[] = [];
        for await (const chunk of request) chunks.push(chunk as Buffer);
        const body = Buffer.concat(chunks).toString();
        world.requests.push(body);
        const own = world.answer(body);
        if (own !== undefined)
          return response.writeHead(own.status, { "content-type": "text/xml" }).end(own.body);
        const headers = Object.entries(request.headers).filter(
          ([name]) => !/^(host|connection|content-length|expect)$/.test(name),
        ) as [string, string][];
        headers.push(["x-moto-account-id", world.#account]);
        const passed = await fetch(moto, { method: "POST", headers: Object.fromEntries(headers), body });
        const action = new URLSearchParams(body).get("Action") ?? "";
        const said = await passed.text();
        if (passed.ok && action === "CreateSnapshots") await world.#keepImages(said);
        return response
          .writeHead(passed.status, { "content-type": "text/xml" })
          .end(world.rewrite(action, said));
      })().catch(() => response.writeHead(500).end());
    });
    metadata.server.on("request", (request, response) => {
      if (request.url === "/latest/api/token" && request.method === "PUT") return response.end("token");
      if (request.headers["x-aws-ec2-metadata-token"] !== "token") return response.writeHead(401).end();
      return response.end(
        JSON.stringify({ instanceId: world.instanceId, region: "us-east-1", availabilityZone: world.zone }),
      );
    });
    devices.server.on("request", (request, response) => {
      const { pathname, searchParams } = new URL(request.url ?? "/", devices.url);
      const name = searchParams.get("name") ?? "";
      const found =
        pathname === "/disks-below"
          ? world.devices.disksBelow(name)
          : world.devices.findBySerial(name, null).then((device) => device ?? null);
      found.then(
        (answer) => response.end(JSON.stringify(answer)),
        () => response.writeHead(500).end(),
      );
    });
    await world.#fill();
    return world;
  }

  private constructor(root: string, host: Host, servers: Server[], environment: Record<string, string>) {
    this.root = root;
    this.#host = host;
    this.#servers = servers;
    this.environment = environment;
    // The SDK reads its own variables from the process.
    Object.assign(process.env, environment);
    this.ec2 = new EC2Client({});
    this.devices = {
      disksBelow: async (path) => {
        const id = this.#loops.get(path);
        return await Promise.resolve(
          id === undefined
            ? []
            : [{ name: path.slice(5), path, serial: id.replace("-", ""), partition: null, direct: true }],
        );
      },
      findBySerial: async (serial) => await this.#deviceOf(`vol-${serial.slice(3)}`),
      findByLink: async () => await Promise.resolve(undefined),
      numberOf: host.devices.numberOf,
    };
  }

  /** Mounts the instance's first data volume. */
  mount(mountPoint: string): void {
    const [device = ""] = this.#loops.keys();
    mkdirSync(mountPoint, { recursive: true });
    execFileSync("mount", ["-t", "ext4", "-o", "noatime", device, mountPoint]);
    this.#mountPoints.push(mountPoint);
  }

  /** The volume that is mounted there, through whatever device. */
  async volumeAt(mountPoint: string): Promise<string | undefined> {
    const mounts = (await this.#host.readMounts()).filter((mount) => mount.mountPoint === mountPoint);
    return mounts.length === 1 ? this.#loops.get(mounts[0]?.source ?? "") : undefined;
  }

  /** The disks' bytes at the moment at which the API is asked for the snapshots, as EBS has them. */
  async #keepImages(answer: string): Promise<void> {
    for (const [, item = ""] of answer.matchAll(/<item>(.*?)<\/item>/gs)) {
      const [snapshot, volume] = ["snapshotId", "volumeId"].map(
        (name) => new RegExp(`<${name}>(.*?)</${name}>`).exec(item)?.[1],
      );
      const from = this.#images.get(volume ?? "");
      if (snapshot === undefined || from === undefined) continue;
      const image = join(this.root, `${snapshot}.img`);
      await copyFile(from, image);
      this.#images.set(snapshot, image);
    }
  }

  async close(): Promise<void> {
    for (const mountPoint of this.#mountPoints) await this.#host.ask(["umount", mountPoint]);
    for (const loop of this.#loops.keys()) await this.#host.ask(["losetup", "--detach", loop]);
    for (const server of this.#servers) {
      server.closeAllConnections();
      server.close();
    }
    this.ec2.destroy();
    await rm(this.root, { recursive: true, force: true });
  }

  async #fill(): Promise<void> {
    const { Instances } = await this.ec2.send(
      new RunInstancesCommand({
        ImageId: "ami-12345678",
        MinCount: 1,
        MaxCount: 1,
        Placement: { AvailabilityZone: this.zone },
      }),
    );
    this.instanceId = Instances?.[0]?.InstanceId ?? "";
    const { VolumeId = "" } = await this.ec2.send(
      new CreateVolumeCommand({
        AvailabilityZone: this.zone,
        Size: 1,
        VolumeType: "gp3",
        Iops: 4000,
        Throughput: 200,
      }),
    );
    await this.ec2.send(
      new AttachVolumeCommand({ VolumeId, InstanceId: this.instanceId, Device: "/dev/sdf" }),
    );
    const image = join(this.root, `${VolumeId}.img`);
    await writeFile(image, "");
    await truncate(image, 64 << 20);
    await this.#host.do(["mkfs.ext4", "-q", "-F", image]);
    this.#images.set(VolumeId, image);
    await this.#attachLoop(VolumeId, image);
  }

  async #attachLoop(volumeId: string, image: string): Promise<string> {
    const device = (await this.#host.do(["losetup", "--find", "--show", image])).trim();
    this.#loops.set(device, volumeId);
    return device;
  }

  /** A volume that the API says is attached here appears as a disk with the bytes of its snapshot. */
  async #deviceOf(volumeId: string): Promise<string | undefined> {
    const known = [...this.#loops].find(([, id]) => id === volumeId)?.[0];
    if (known !== undefined) return known;
    const { Volumes } = await this.ec2.send(new DescribeVolumesCommand({ VolumeIds: [volumeId] }));
    const [volume] = Volumes ?? [];
    if (volume?.Attachments?.[0]?.InstanceId !== this.instanceId) return undefined;
    const image = join(this.root, `${volumeId}.img`);
    await copyFile(this.#images.get(volume.SnapshotId ?? "") ?? "", image);
    this.#images.set(volumeId, image);
    return await this.#attachLoop(volumeId, image);
  }
}

async function listen(servers: Server[]): Promise<{ readonly server: Server; readonly url: string }> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  servers.push(server);
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

export function ec2Error(code: string): { readonly status: number; readonly body: string } {
  return {
    status: 400,
    body: `<?xml version="1.0"?><Response><Errors><Error><Code>${code}</Code><Message>so it is</Message></Error></Errors><RequestID>r</RequestID></Response>`,
  };
}
