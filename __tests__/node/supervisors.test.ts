/** What is read of systemd's and Docker's own words, without either. */
import { describe, expect, it } from "vitest";
import { publishedAt } from "../../src/node/docker/container-facts.ts";
import { parseContainer } from "../../src/node/docker/engine.ts";
import { launchScript, shellAsUser } from "../../src/node/process/launch.ts";
import { ServiceManager } from "../../src/node/systemd/service-manager.ts";
import { dropInPath, parseTimeSpan, parseUnit, removeDropIn, unitName } from "../../src/node/systemd/unit.ts";
import { privilegeFor } from "../../src/system/privilege.ts";

describe("systemd's words", () => {
  it.each([
    ["1min 30s", 90_000],
    ["20min", 1_200_000],
    ["10min 500ms", 600_500],
    ["2h 5s", 7_205_000],
    ["1w 2d", 777_600_000],
    ["infinity", Infinity],
    ["0", 0],
  ])("%s is %d ms", (text, ms) => expect(parseTimeSpan(text)).toBe(ms));

  it("names a unit as systemctl does", () => {
    expect(["stacks", "stacks.service", "stacks@mainnet", "a.scope", "stacks.mainnet"].map(unitName)).toEqual(
      ["stacks.service", "stacks.service", "stacks@mainnet.service", "a.scope", "stacks.mainnet.service"],
    );
  });

  it("reads a unit", () => {
    const unit = parseUnit(
      "x.service",
      [
        "Restart=on-failure",
        "TimeoutStopUSec=10min",
        "MainPID=42",
        "ExecMainPID=42",
        "ExecMainStartTimestampMonotonic=123456",
        "ExecMainCode=0",
        "ExecMainStatus=0",
        "Result=success",
        "ExecStart={ path=/usr/bin/stacks-node ; argv[]=/usr/bin/stacks-node start ; ignore_errors=no }",
        "KillSignal=2",
        "SendSIGKILL=no",
        "LoadState=loaded",
        "ActiveState=active",
        "SubState=running",
        "Job=",
      ].join("\n"),
    );
    expect(unit).toMatchObject({
      mainPid: 42,
      stopLimitMs: 600_000,
      sendsSigkill: false,
      killSignal: 2,
      startPath: "/usr/bin/stacks-node",
      stopCommands: [],
      hasJob: false,
    });
  });

  it("removes nothing but its own drop-ins", async () => {
    const system = new ServiceManager(undefined, privilegeFor("never"));
    const files = [
      "/etc/passwd",
      "/run/systemd/system/x.service.d/mine.conf",
      "/run/systemd/system/../../etc/x.service.d/90-chainstate-snapshot.conf",
    ];
    for (const file of files)
      await expect(removeDropIn(system, file)).rejects.toMatchObject({
        code: "DROP_IN_UNKNOWN",
      });
    await removeDropIn(system, dropInPath("not-there.service"));
  });
});

describe("an engine's words", () => {
  const inspected = (state: object, config: object = {}) =>
    JSON.stringify([
      {
        Id: "abc",
        State: {
          Status: "exited",
          Running: false,
          Pid: 0,
          ExitCode: 0,
          StartedAt: "2026-11-22T02:00:00Z",
          ...state,
        },
        Config: config,
        HostConfig: {},
      },
    ]);

  it("are read from Docker and from Podman", () => {
    expect(parseContainer(inspected({ OOMKilled: true }, { StopSignal: "SIGINT" }))).toMatchObject({
      State: { OOMKilled: true, Paused: false },
      Config: { StopSignal: "SIGINT" },
    });
    expect(parseContainer(inspected({}, { StopSignal: 15 })).Config.StopSignal).toBe(15);
    expect(() => parseContainer("[]")).toThrow("not understood");
  });

  const published = (settings: unknown, port = 20443) => {
    const [container] = JSON.parse(inspected({})) as [object];
    return publishedAt(parseContainer(JSON.stringify([{ ...container, NetworkSettings: settings }])), port);
  };

  it("say where a port of a container's own network can be reached", () => {
    const at = (HostIp: string, HostPort: string) => ({ HostIp, HostPort });
    const docker = {
      Ports: {
        "20443/tcp": [at("0.0.0.0", "30443"), at("::", "30443")],
        "20443/udp": [at("0.0.0.0", "1")],
        "20444/tcp": null,
      },
    };
    expect(published(docker)).toEqual([
      { host: "0.0.0.0", port: 30443 },
      { host: "::", port: 30443 },
    ]);
    expect(published(docker, 20444)).toEqual([]);
    expect(published(docker, 9153)).toEqual([]);
    const podman = { Ports: { "20443/tcp": [at("", "30443")] } };
    expect(published(podman)).toEqual([{ host: "0.0.0.0", port: 30443 }]);
  });

  it.each([[undefined], [{}], [{ Ports: null }], [{ Ports: [] }], [{ Ports: { "20443/tcp": ["?"] } }]])(
    "that say nothing of ports, or nothing that is understood (%j), publish none and fail nothing",
    (settings) => expect(published(settings)).toEqual([]),
  );
});

describe("launch script", () => {
  const recipe = {
    manager: "process",
    name: "stacks-node",
    executable: "/usr/bin/stacks-node",
    argv: ["stacks-node", "start", "--config", "it's.toml"],
    environment: { PATH: "/bin", TOKEN: "se'cret" },
    directory: "/var/stacks",
    uid: 1000,
    gid: 1001,
    groups: [1001, 27],
    stdout: "/var/log/out",
    stderr: "/dev/null",
    sudo: true,
  } as const;

  it("keeps the environment out of every argv, and quotes what it is given", () => {
    const script = launchScript(recipe, [recipe.executable, ...recipe.argv.slice(1)]);
    const lines = script.split("\n");
    expect(lines).toContain(`export TOKEN='se'\\''cret'`);
    const start = lines.find((line) => line.includes("setsid"));
    expect(start).not.toContain("cret");
    expect(start).toContain("'PATH=/bin' '/usr/bin/stacks-node' 'start' '--config' 'it'\\''s.toml'");
    expect(script).not.toContain("setpriv");
  });

  it("is not run by root: root's part has numbers in it, and nothing that the process's user chose", () => {
    const limits = { openFiles: { hard: "4096", soft: "1024" }, oomScoreAdjust: -500 } as const;
    const line = shellAsUser({ ...recipe, ...limits }).join(" ");
    expect(line).toContain("exec setpriv --reuid=1000 --regid=1001 --groups=1001,27 env -i /bin/sh -s");
    expect(line).toMatch(/ulimit -Hn 4096.*-500 >\/proc\/self\/oom_score_adj/);
    expect(line).not.toMatch(/stacks|\/var|TOKEN|cret|toml/);
  });
});
