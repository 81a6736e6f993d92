/**
 * A restore that exchanges volumes, the same for every driver: a new volume of each snapshot is made and mounted where it can be looked
 * at beside the running node; then it takes the place of the old one. What takes that back is known before it begins.
 */
import type { Host } from "./host.ts";
import type { MountPlan } from "./mounts/mounting.ts";
import { mountScratch, unmountScratch } from "./mounts/scratch-mounts.ts";
import { orTakeBack } from "./outcome.ts";
import { blobsElsewhere, mainOf, partsAt } from "./parts.ts";
import type { OpenPart, PreparedRestore, RestoreRequest } from "./port.ts";
import type { UndoStep } from "./undo.ts";

/** One volume, as its driver exchanges it. */
export interface Exchange {
  readonly parts: readonly { readonly at: string; readonly within: string }[];
  /** Makes the new volume. Returns how it is mounted to look at it. */
  make(signal: AbortSignal): Promise<Omit<MountPlan, "mountPoint">>;
  /** After `make`: what takes `swap` back from any point of it. */
  undo(): UndoStep;
  /** The node is down and the new volume is not mounted. Puts it where the old one is. */
  swap(): Promise<void>;
  /** Removes the new volume, as far as there is one. */
  discard(): Promise<void>;
}

export class VolumeExchange implements Extract<PreparedRestore, { readonly kind: "volume" }> {
  readonly kind = "volume";
  readonly #exchanges: readonly Exchange[];
  readonly #host: Host;
  #mounted: string[] = [];
  #parts: readonly OpenPart[] = [];

  private constructor(exchanges: readonly Exchange[], host: Host) {
    this.#exchanges = exchanges;
    this.#host = host;
  }

  /** All of them, or nothing is left. */
  static async prepare(
    exchanges: readonly Exchange[],
    request: RestoreRequest,
    host: Host,
  ): Promise<VolumeExchange> {
    const prepared = new VolumeExchange(exchanges, host);
    await orTakeBack(
      async () => await prepared.#make(request),
      async () => await prepared.discard(),
    );
    return prepared;
  }

  get directory(): string {
    return mainOf(this.#parts);
  }

  get elsewhere(): ReadonlyMap<string, string> | undefined {
    return blobsElsewhere(this.#parts);
  }

  get undo(): readonly UndoStep[] {
    return this.#exchanges.map((exchange) => exchange.undo());
  }

  async swap(): Promise<void> {
    await this.#unmount();
    for (const exchange of this.#exchanges) await exchange.swap();
  }

  async discard(): Promise<void> {
    await this.#unmount();
    for (const exchange of this.#exchanges) await exchange.discard();
  }

  async #make(request: RestoreRequest): Promise<void> {
    for (const [index, exchange] of this.#exchanges.entries()) {
      const plan = await exchange.make(request.signal);
      const mountPoint = await mountScratch(request, `new${index}`, plan, this.#host);
      this.#mounted.push(mountPoint);
      this.#parts = [...this.#parts, ...(await partsAt(mountPoint, exchange.parts))];
    }
    mainOf(this.#parts);
  }

  async #unmount(): Promise<void> {
    for (const mountPoint of this.#mounted.toReversed()) await unmountScratch(mountPoint, this.#host);
    this.#mounted = [];
  }
}
