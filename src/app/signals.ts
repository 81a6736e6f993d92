/**
 * What could end a step before its time, listened for before anything else is loaded: signals, and a log that nobody reads
 * any more (the runner's worker was killed). Imports nothing: each entry point carries its own copy.
 */

export interface Signals {
  /** Calls back for each signal, those that came before included. */
  subscribe(listener: (name: NodeJS.Signals) => void): void;
  close(): void;
}

const names = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

export function listenForSignals(): Signals {
  const early: NodeJS.Signals[] = [];
  let listener: ((name: NodeJS.Signals) => void) | undefined;
  const onSignal = (name: NodeJS.Signals): void => {
    if (listener === undefined) early.push(name);
    else listener(name);
  };
  for (const name of names) process.on(name, onSignal);
  // A log that cannot be written is not the end: the node has to be started again.
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => undefined);
  return {
    subscribe(next) {
      listener = next;
      for (const name of early.splice(0)) next(name);
    },
    close() {
      for (const name of names) process.off(name, onSignal);
    },
  };
}
