/** Who and where this run is: names for ids and manifests, and the directories it may keep things in. */

export interface Host {
  /** Names everything this run makes on the host or in a cloud, so that nothing of anybody else is ever removed. */
  readonly runId: string;
  readonly hostName: string;
  /** Scratch of this job; gone with it. */
  readonly tempDir: string;
  /** Outlives jobs and reboots: journals, the watchdog, spools of frozen views. */
  readonly stateDir: string;
  readonly tool: { readonly name: string; readonly version: string };
}
