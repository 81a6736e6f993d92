/** The bundled action against three generations of Ceph's S3 gateway: what goes up comes back, and what fails is said. */
import { randomUUID } from "node:crypto";
import { connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { freePort } from "../../simulator/launch.ts";
import {
  cephCredentials,
  cephEndpoint,
  cephNames,
  cephSuites,
  emptyBucket,
  fetchObject,
  makeBucket,
} from "../store/ceph.ts";
import { expectOthersToTakeIt } from "./other-tools.ts";
import { hasFixture, isScratch, setUp, treeOf, type Setup, type SetupOptions } from "./support.ts";
import { publishAtOnce } from "./two-at-once.ts";

const open: Setup[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map(async (setup) => await setup.remove()));
});

async function fresh(options?: SetupOptions): Promise<Setup> {
  const setup = await setUp({
    ...options,
    env: {
      AWS_ACCESS_KEY_ID: cephCredentials.accessKeyId,
      AWS_SECRET_ACCESS_KEY: cephCredentials.secretAccessKey,
    },
  });
  open.push(setup);
  return setup;
}

for (const suite of cephSuites) {
  const endpoint = cephEndpoint(suite);
  const how = endpoint === undefined ? ` (not up: testbed/ceph.sh up ${suite})` : "";
  describe.skipIf(endpoint === undefined)(`${cephNames[suite]}${how}`, () => {
    const bucket = `e2e-${randomUUID()}`;
    const s3 = {
      storage: `s3://${bucket}/nightly`,
      "s3-endpoint": endpoint ?? "",
      "s3-region": "us-east-1",
    };
    beforeAll(async () => await makeBucket(endpoint ?? "", bucket));
    afterAll(async () => await emptyBucket(endpoint ?? "", bucket));

    it.skipIf(!hasFixture)("keeps a real chainstate that a node holds open, and gives it back", async () => {
      const setup = await fresh({ real: true });
      const { main } = await setup.job({ ...setup.snapshotInputs, ...s3, downtime: "full" }).run();
      expect(main.exitCode, main.log).toBe(0);
      const expected = treeOf(setup.chainstate, isScratch);
      const file = join(setup.directory, "fetched.tar.zst");
      await fetchObject(endpoint ?? "", main.outputs["archive-url"] ?? "", file);
      expectOthersToTakeIt(file, setup.directory, expected);
      const target = join(setup.directory, "restored", "stacks-node");
      const restore = await setup
        .job({ ...s3, command: "restore", "chainstate-dir": target, "node-manager": "none" })
        .run();
      expect(restore.main.exitCode, restore.main.log).toBe(0);
      expect(treeOf(target, isScratch)).toEqual(expected);
      const verify = await setup.job({ ...s3, command: "verify", check: "full" }).run();
      expect(verify.main.exitCode, verify.main.log).toBe(0);
    });

    it("lists what two runs publish at once, and latest is the newer", async () => {
      const hosts = await Promise.all([fresh(), fresh({ height: 90 })]);
      const { made, listed, newest, latest, verified } = await publishAtOnce(hosts, {
        ...s3,
        storage: `s3://${bucket}/two-hosts`,
      });
      expect(listed).toEqual(made);
      expect(newest).toContain(latest);
      expect(verified.exitCode, verified.log).toBe(0);
    });

    it("sends the second night only what changed, and the first can go", async () => {
      // Blobs of more than two segments: what is appended changes the last one.
      const setup = await fresh({ height: 300, extraBytes: 250_000 });
      const inputs = { ...setup.snapshotInputs, ...s3, storage: `s3://${bucket}/two-nights` };
      const first = await setup.job(inputs).run();
      expect(first.main.exitCode, first.main.log).toBe(0);
      const second = await setup.job({ ...inputs, "keep-last": "1" }).run();
      expect(second.main.exitCode, second.main.log).toBe(0);
      expect(Number(second.main.outputs["uploaded-bytes"])).toBeLessThan(
        Number(second.main.outputs["size-bytes"]),
      );
      expect(JSON.parse(second.main.outputs["pruned"] ?? "[]")).toEqual([first.main.outputs["snapshot-id"]]);
      const verify = await setup.job({ ...s3, storage: inputs.storage, command: "verify" }).run();
      expect(verify.main.exitCode, verify.main.log).toBe(0);
    });

    it.each([
      ["a wrong secret", { env: { AWS_SECRET_ACCESS_KEY: "wrong" } }, {}],
      ["a bucket that is not there", {}, { storage: "s3://no-such-bucket-here/x" }],
    ] as const)(
      "refuses %s before the node is touched",
      async (_, { env }: { env?: Record<string, string> }, inputs) => {
        const setup = await fresh();
        const before = setup.pids();
        const { main } = await setup.job({ ...setup.snapshotInputs, ...s3, ...inputs }, env).run();
        expect(main.exitCode, main.log).toBe(1);
        expect(setup.pids()).toEqual(before);
        expect(main.log).toMatch(/What to do/);
        // The runner is told what to mask; nothing else may say it.
        expect(main.log.replaceAll(/^::add-mask::.*$/gm, "")).not.toContain(cephCredentials.secretAccessKey);
      },
    );

    // It is the gate that stalls, whatever stands behind it: once is enough for the minutes it takes.
    it.skipIf(suite !== cephSuites.find((each) => cephEndpoint(each) !== undefined))(
      "gives up on a store that stops answering in the middle, with the node running",
      { timeout: 300_000 },
      async () => {
        const setup = await fresh({ height: 300, extraBytes: 60_000 });
        const gate = await startGate(Number(new URL(endpoint ?? "").port));
        const job = setup.job({
          ...setup.snapshotInputs,
          ...s3,
          "s3-endpoint": `http://127.0.0.1:${gate.port}`,
          storage: `s3://${bucket}/stalled`,
        });
        const main = job.startMain();
        await main.waitForLog(/Archive to/);
        gate.stall();
        const result = await main.ended;
        gate.close();
        await job.post();
        expect(result.exitCode).toBe(1);
        expect(result.log).toMatch(/stopped answering|cannot be reached/);
        expect(result.log).toMatch(/The node is running/);
        expect(result.log).toMatch(/What to do/);
        expect(setup.pids()).toHaveLength(1);
        const list = await setup.job({ ...s3, storage: `s3://${bucket}/stalled`, command: "list" }).run();
        expect(JSON.parse(list.main.outputs["snapshots"] ?? "[]")).toEqual([]);
      },
    );
  });
}

/** Passes connections through until it is told to stall: then bytes go nowhere, and nobody is told. */
async function startGate(to: number): Promise<{ readonly port: number; stall(): void; close(): void }> {
  const port = await freePort();
  let stalled = false;
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(to, "127.0.0.1");
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on("error", () => undefined);
    }
    client.on("data", (bytes) => void (stalled || upstream.write(bytes)));
    upstream.on("data", (bytes) => void (stalled || client.write(bytes)));
    client.on("close", () => void (stalled || upstream.destroy()));
    upstream.on("close", () => void (stalled || client.destroy()));
  });
  await new Promise<void>((done) => server.listen(port, "127.0.0.1", done));
  return {
    port,
    stall: () => {
      stalled = true;
    },
    close: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}
