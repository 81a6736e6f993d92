/**
 * A node as the official docker compose file runs it: a container named `stacks-blockchain`, its data in a bind mount. The action gets
 * the directory and the storage and nothing else; the container and the address of the RPC are found from the process
 * that has the databases open. Compose itself is not in the testbed: the container has the labels that it gives.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { engines } from "../node/engines.ts";
import { byContainer } from "./supervisors.ts";
import { setUp, until, visibleSnapshots, type Setup } from "./support.ts";

const name = "stacks-blockchain";
const labels = [
  ["com.docker.compose.project", "stacks-blockchain-docker"],
  ["com.docker.compose.service", name],
  ["com.docker.compose.container-number", "1"],
  ["com.docker.compose.oneoff", "False"],
].flatMap(([label, value]) => ["--label", `${label}=${value}`]);
/** Of the compose file: `restart: on-failure` and `stop_grace_period: 20m`. */
const flags = [...labels, "--restart", "on-failure", "--stop-timeout", "1200"];
/** Compose makes a network for it, which publishes the RPC; some have changed the file to the host's network. */
const networks = [
  { where: "in a network of its own", published: true, by: "published by the node's container" },
  { where: "in the host's network", published: false, by: "by the node's configuration" },
];

describe.each(networks)("docker compose, $where", ({ published, by }) => {
  const kind = byContainer("docker", flags, undefined, { named: name, configured: true, published });
  describe.skipIf(kind === undefined)(
    `in Docker${kind === undefined ? " (not up: testbed/up docker)" : ""}`,
    () => {
      let setup: Setup;
      beforeAll(async () => {
        if (kind !== undefined) setup = await setUp({ kind, nodeArguments: ["--stop-delay-ms", "1500"] });
      });
      afterAll(async () => await setup.remove());

      const given = (): Readonly<Record<string, string>> => ({
        "chainstate-dir": setup.chainstate,
        storage: `file://${setup.store}`,
      });
      const started = (): string =>
        engines.docker?.run("inspect", "--format", "{{.State.StartedAt}}", name) ?? "";

      it("is stopped, snapshotted and started with nothing but the directory and the storage", async () => {
        const [before, pids] = [started(), setup.pids()];
        const { main, post } = await setup.job(given()).run();
        expect(main.exitCode, main.log).toBe(0);
        expect(post.exitCode, post.log).toBe(0);
        expect(main.log).toContain(`Node: docker ${name} (`);
        expect(main.log).toContain(`RPC: http://127.0.0.1:${setup.port}, ${by}.`);
        const manifest = JSON.parse(readFileSync(main.outputs["manifest-path"] ?? "", "utf8"));
        expect(manifest.node).toMatchObject({ manager: "docker", name });
        expect(manifest.cleanStop).toMatchObject({ exitCode: 0 });
        expect(manifest.cleanStop.evidence.map(({ id }: { id: string }) => id)).toContain("rpc-closed");
        expect(setup.nodeLog()).toMatch(/Graceful termination request received[^]*Exiting stacks-node/);
        expect(main.outputs["node-running"]).toBe("true");
        expect(started()).not.toBe(before);
        expect(setup.pids()).toHaveLength(1);
        expect(setup.pids()).not.toEqual(pids);
        expect(visibleSnapshots(setup.store)).toEqual([main.outputs["snapshot-id"]]);
      });

      it("is brought back by the run after one that was killed, which waits for it where it answers", async () => {
        const killed = setup.job(given()).startMain();
        await killed.waitForLog(/Freeze by/);
        killed.child.kill("SIGKILL");
        await killed.ended;
        const { main, post } = await setup.job(given()).run();
        expect(main.exitCode, main.log).toBe(0);
        expect(post.exitCode, post.log).toBe(0);
        expect(main.log).toContain("Finishing what it left");
        expect(main.outputs["node-running"]).toBe("true");
        expect(visibleSnapshots(setup.store)).toContain(main.outputs["snapshot-id"]);
      });

      it("has the snapshot restored over it, and runs on that", async () => {
        const [id = ""] = visibleSnapshots(setup.store);
        const mark = join(setup.chainstate, "written-after");
        writeFileSync(mark, "");
        const before = started();
        // It has made blocks since, so a restore of `latest` would be refused: the one that is meant is named.
        const { main, post } = await setup.job({ ...given(), command: "restore", snapshot: id }).run();
        expect(main.exitCode, main.log).toBe(0);
        expect(post.exitCode, post.log).toBe(0);
        expect(existsSync(mark)).toBe(false);
        expect(main.outputs["node-running"]).toBe("true");
        expect(started()).not.toBe(before);
        expect(main.log).toContain(`RPC: http://127.0.0.1:${setup.port}, ${by}.`);
        await until("the container runs", () => setup.pids().length === 1);
        expect(await setup.height()).toBeGreaterThanOrEqual(Number(main.outputs["stacks-height"]));
      });

      it("is found by its name where it is down, and asked where its configuration says once it runs", async () => {
        engines.docker?.run("stop", name);
        await until("the container is down", () => setup.pids().length === 0);
        const [id = ""] = visibleSnapshots(setup.store);
        const restore = { ...given(), command: "restore", snapshot: id, "node-name": name };
        const { main, post } = await setup.job({ ...restore, "start-timeout": "30s" }).run();
        expect(main.exitCode, main.log).toBe(0);
        expect(post.exitCode, post.log).toBe(0);
        expect(main.outputs["node-running"]).toBe("true");
        expect(setup.pids()).toHaveLength(1);
      });
    },
  );
});
