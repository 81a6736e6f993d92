/**
 * The recipes of docs/store-recipes.md, as they stand there: policies, rules and inputs are taken out of the page, and
 * only names, addresses and the node are changed. What this cannot show (the clouds themselves) the page says.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { randomUUID } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import {
  GetBucketLifecycleConfigurationCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutBucketLifecycleConfigurationCommand,
  PutBucketPolicyCommand,
} from "@aws-sdk/client-s3";
import {
  ContainerClient,
  ContainerSASPermissions,
  generateBlobSASQueryParameters,
  StorageSharedKeyCredential,
} from "@azure/storage-blob";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { freePort } from "../../simulator/launch.ts";
import type { StepResult } from "../../simulator/runner.ts";
import { azurite } from "../store/azurite.ts";
import {
  asOwner,
  cephCredentials,
  cephEndpoint,
  cephNames,
  cephSuites,
  emptyBucket,
  makeBucket,
} from "../store/ceph.ts";
import { serveObjects } from "../store/object-server.ts";
import { motoEndpoint } from "../volume/aws-world.ts";
import { recipe } from "./recipe.ts";
import { setUp, treeOf, until, visibleSnapshots, type Setup } from "./support.ts";

const open: Setup[] = [];
const ending: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map(async (setup) => await setup.remove()));
  await Promise.all(ending.splice(0).map(async (end) => await end()));
});

/** Incompressible enough that ranges of the first night are worth copying. */
async function fresh(env: Readonly<Record<string, string>> = {}): Promise<Setup> {
  const setup = await setUp({ running: false, height: 120, extraBytes: 100_000, env });
  open.push(setup);
  return setup;
}

const owner = {
  AWS_ACCESS_KEY_ID: cephCredentials.accessKeyId,
  AWS_SECRET_ACCESS_KEY: cephCredentials.secretAccessKey,
};
const other = { AWS_ACCESS_KEY_ID: "AKOTHER", AWS_SECRET_ACCESS_KEY: "SKOTHER" };

const isScratch = (path: string): boolean => /(?:-shm|\.reorg|\.tmp)$|(?:^|\/)\._/.test(path);

type Inputs = Readonly<Record<string, string>>;

/** A recipe's snapshot, of a directory that no node has. */
function ofNoNode(inputs: Inputs, setup: Setup): Inputs {
  return { ...inputs, "chainstate-dir": setup.chainstate, "node-manager": "none", downtime: "full" };
}

async function passes(setup: Setup, inputs: Inputs, env?: Inputs): Promise<StepResult> {
  const { main } = await setup.job(inputs, env).run();
  expect(main.exitCode, main.log).toBe(0);
  return main;
}

/** Two nights, the second of which is to keep one, and the reading commands. */
async function useStore(setup: Setup, recipeInputs: Inputs, reader: Inputs = {}): Promise<StepResult> {
  const inputs = { ...ofNoNode(recipeInputs, setup), "keep-daily": "", "keep-last": "1" };
  const first = await passes(setup, inputs);
  const second = await passes(setup, inputs);
  expect(JSON.parse(second.outputs["pruned"] ?? "[]")).toEqual([first.outputs["snapshot-id"]]);
  await readStore(setup, recipeInputs, reader);
  return second;
}

async function readStore(setup: Setup, recipeInputs: Inputs, env: Inputs): Promise<void> {
  const { command: _, "keep-daily": __, "chainstate-dir": ___, ...storage } = recipeInputs;
  const listed = await passes(setup, { ...storage, command: "list" }, env);
  expect(JSON.parse(listed.outputs["snapshots"] ?? "[]")).toHaveLength(1);
  await passes(setup, { ...storage, command: "verify" }, env);
  const target = join(setup.directory, "restored", "mainnet");
  await passes(
    setup,
    { ...storage, command: "restore", "chainstate-dir": target, "node-manager": "none" },
    env,
  );
  expect(treeOf(target, isScratch)).toEqual(treeOf(setup.chainstate, isScratch));
}

interface Policy {
  readonly Version: string;
  readonly Statement: readonly { readonly Action: string | readonly string[]; readonly Resource: string }[];
}

/** The identity's policy of the page as a policy of the bucket, for a user who owns nothing. */
async function grant(endpoint: string, bucket: string, policy: Policy): Promise<void> {
  const Statement = policy.Statement.map((statement) => ({
    ...statement,
    Principal: { AWS: ["arn:aws:iam:::user/other"] },
    Resource: statement.Resource.replace("my-snapshots", bucket),
  }));
  const Policy = JSON.stringify({ ...policy, Statement });
  await asOwner(endpoint, async (client) => {
    await client.send(new PutBucketPolicyCommand({ Bucket: bucket, Policy }));
  });
}

function actionsOf(policy: Policy): readonly string[] {
  return policy.Statement.flatMap(({ Action }) => Action);
}

/** Denied, too: at AWS the bucket's owner owns what is in it, on Ceph whoever wrote an object may read it. */
function without(policy: Policy, action: string): Policy {
  const denied = ["", "/*"].map((below) => ({
    Effect: "Deny",
    Action: action,
    Resource: `arn:aws:s3:::my-snapshots${below}`,
  }));
  const allowed = policy.Statement.map((statement) => ({
    ...statement,
    Action: [statement.Action].flat().filter((each) => each !== action),
  }));
  return { ...policy, Statement: [...allowed.filter(({ Action }) => Action.length > 0), ...denied] };
}

for (const suite of cephSuites) {
  const endpoint = cephEndpoint(suite) ?? "";
  const how = endpoint === "" ? ` (not up: testbed/ceph.sh up ${suite})` : "";
  describe.skipIf(endpoint === "")(`on ${cephNames[suite]}${how}`, () => {
    const bucket = `recipe-${randomUUID()}`;
    const aws = recipe("AWS");
    const inputs = {
      ...aws.inputs,
      storage: aws.storage.replace("my-snapshots", bucket),
      "s3-endpoint": endpoint,
    };
    const writer = aws.json("policy: writer") as Policy;
    beforeAll(async () => await makeBucket(endpoint, bucket));
    afterAll(async () => await emptyBucket(endpoint, bucket));

    it("AWS: the policy suffices for nights, reuse, retention; the reader's for reading", async () => {
      const setup = await fresh(other);
      await grant(endpoint, bucket, writer);
      const second = await useStore(setup, inputs);
      expect(Number(second.outputs["uploaded-bytes"])).toBeLessThan(Number(second.outputs["size-bytes"]) / 2);
      await grant(endpoint, bucket, aws.json("policy: reader") as Policy);
      await readStore(await fresh(other).then(async (reader) => asReader(reader, setup)), inputs, {});
      const { main } = await setup.job(ofNoNode(inputs, setup)).run();
      expect(main.log).toContain("STORE_DENIED");
    });

    // What one Ceph says of rights the others say too.
    describe.runIf(suite === "sid")("AWS: the writer's policy has nothing to spare", () => {
      const courtesies = ["s3:AbortMultipartUpload", "s3:ListBucketMultipartUploads"];
      const conditions = actionsOf(writer).filter((action) => !courtesies.includes(action));
      it.each(conditions)("not even %s", async (action) => {
        const setup = await fresh(other);
        await grant(endpoint, bucket, without(writer, action));
        const { main } = await setup.job({ ...ofNoNode(inputs, setup), "keep-last": "1" }).run();
        expect(main.exitCode, main.log).toBe(1);
        expect(main.log).toContain("STORE_DENIED");
      });

      it("but without the right to find dead uploads a night is published, and says so", async () => {
        const setup = await fresh(other);
        await grant(endpoint, bucket, without(writer, "s3:ListBucketMultipartUploads"));
        const { main } = await setup.job({ ...ofNoNode(inputs, setup), "keep-last": "1" }).run();
        expect(main.exitCode, main.log).toBe(0);
        expect(main.log).toMatch(/::warning::The snapshot is published, but .*\(list uploads\)/);
      });
    });

    it("AWS: the rule for dead uploads is one", async () => {
      const LifecycleConfiguration = aws.json("lifecycle") as { Rules: [] };
      await asOwner(endpoint, async (client) => {
        await client.send(
          new PutBucketLifecycleConfigurationCommand({ Bucket: bucket, LifecycleConfiguration }),
        );
        const { Rules } = await client.send(new GetBucketLifecycleConfigurationCommand({ Bucket: bucket }));
        expect(Rules).toMatchObject([
          { Status: "Enabled", AbortIncompleteMultipartUpload: { DaysAfterInitiation: 3 } },
        ]);
      });
    });

    it("MinIO and Ceph", async () => {
      const { inputs, storage } = recipe("MinIO and Ceph");
      const second = await useStore(await fresh(owner), {
        ...inputs,
        storage: `${storage.replace("my-snapshots", bucket)}-owned`,
        "s3-endpoint": endpoint,
      });
      expect(Number(second.outputs["uploaded-bytes"])).toBeLessThan(Number(second.outputs["size-bytes"]) / 2);
    });
  });
}

/** Compares what `reader` restores with what `writer` took. */
function asReader(reader: Setup, writer: Setup): Setup {
  return { ...reader, chainstate: writer.chainstate };
}

const moto = await motoEndpoint();
describe.skipIf(moto === undefined)(
  `on moto${moto === undefined ? " (not up: testbed/moto.sh up)" : ""}`,
  () => {
    it("AWS: class and key go with every object", async () => {
      const env = { AWS_ACCESS_KEY_ID: "test", AWS_SECRET_ACCESS_KEY: "test" };
      const setup = await fresh(env);
      const endpoint = moto ?? "";
      const bucket = `recipe-${randomUUID()}`;
      await makeBucket(endpoint, bucket);
      const inputs = {
        ...recipe("AWS").inputs,
        storage: `s3://${bucket}/mainnet`,
        "s3-endpoint": endpoint,
        "s3-storage-class": "STANDARD_IA",
        "s3-sse": "aws:kms:11111111-2222-3333-4444-555555555555",
      };
      await passes(setup, ofNoNode(inputs, setup));
      await asOwner(endpoint, async (client) => {
        const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket: bucket }));
        expect(Contents.length).toBeGreaterThan(5);
        for (const { Key = "" } of Contents) {
          const head = await client.send(new HeadObjectCommand({ Bucket: bucket, Key }));
          expect([Key, head.StorageClass, head.ServerSideEncryption, head.SSEKMSKeyId]).toEqual([
            Key,
            "STANDARD_IA",
            "aws:kms",
            expect.stringContaining("11111111-2222-3333-4444-555555555555"),
          ]);
        }
      });
      await emptyBucket(endpoint, bucket);
    });
  },
);

describe.skipIf(azurite === undefined)(`on Azurite${azurite === undefined ? " (not up)" : ""}`, () => {
  const container = `recipe-${randomUUID()}`;
  const { endpoint, key, connection } = azurite ?? { endpoint: "", key: "", connection: "" };
  const { inputs, storage } = recipe("Azure");
  const own = {
    ...inputs,
    storage: storage.replace("myaccount/my-snapshots", `devstoreaccount1/${container}`),
  };
  const signed = (rights: string): Inputs => {
    const signature = generateBlobSASQueryParameters(
      {
        containerName: container,
        permissions: ContainerSASPermissions.parse(rights),
        expiresOn: new Date(Date.now() + 3_600_000),
      },
      new StorageSharedKeyCredential("devstoreaccount1", key),
    ).toString();
    // Azurite answers at another address than an account of that name.
    return { AZURE_STORAGE_CONNECTION_STRING: `BlobEndpoint=${endpoint};SharedAccessSignature=${signature}` };
  };
  beforeAll(async () => void (await new ContainerClient(connection, container).create()));
  afterAll(async () => void (await new ContainerClient(connection, container).delete()));

  it("Azure: a signature with rwdl suffices, and one with rl for reading", async () => {
    const setup = await fresh(signed("rwdl"));
    const second = await useStore(setup, own, signed("rl"));
    expect(Number(second.outputs["uploaded-bytes"])).toBeLessThan(Number(second.outputs["size-bytes"]) / 10);
  });

  it.each(["wdl", "rdl", "rwl", "rwd"])("Azure: %s does not", async (rights) => {
    const setup = await fresh(signed(rights));
    const { main } = await setup.job({ ...ofNoNode(own, setup), "keep-last": "1" }).run();
    expect(main.exitCode, main.log).toBe(1);
    expect(main.log).toContain("STORE_DENIED");
  });
});

describe("on this machine", () => {
  it("a directory, and web servers over it, with ranges and without", async () => {
    const setup = await fresh();
    const directory = recipe("A directory, also on NFS");
    const storage = directory.storage.replace("/srv/snapshots", setup.store);
    await useStore(setup, { ...directory.inputs, storage });
    const root = join(setup.store, "mainnet");
    expect(visibleSnapshots(root)).toHaveLength(1);

    const { inputs } = recipe("A web server");
    const [withoutRanges, ranged] = [await startPython(root), await serveObjects()];
    ending.push(async () => await ranged.close());
    for (const name of readdirSync(root, { recursive: true, encoding: "utf8", withFileTypes: true })) {
      if (!name.isFile()) continue;
      const path = join(name.parentPath, name.name);
      ranged.objects.set(path.slice(root.length), { bytes: readFileSync(path) });
    }
    for (const address of [ranged.url, withoutRanges]) {
      const target = join(setup.directory, "web", String(address === ranged.url), "mainnet");
      await passes(setup, { command: "list", storage: address });
      await passes(setup, { ...inputs, storage: address, "chainstate-dir": target });
      expect(treeOf(target, isScratch)).toEqual(treeOf(setup.chainstate, isScratch));
    }
  });
});

async function startPython(root: string): Promise<string> {
  const port = await freePort();
  const child: ChildProcess = spawn(
    "python3",
    ["-m", "http.server", "--bind", "127.0.0.1", "--directory", root, String(port)],
    { stdio: "ignore" },
  );
  ending.push(async () => child.kill("SIGTERM"));
  const url = `http://127.0.0.1:${port}`;
  await until("the web server answers", async () => {
    try {
      return (await fetch(`${url}/catalog.json`)).ok;
    } catch {
      return false;
    }
  });
  return url;
}
