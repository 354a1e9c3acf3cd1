/** How long it takes until others have what this host decided, and this host what others did. Main thread. */
/** What histograms are made of. */
export interface Observations {
  failover(phasesMs: Readonly<Record<string, number>>): void;
  claimToProgrammed(seconds: number): void;
  programming(seconds: number): void;
}

export interface SharingObservations {
  /** From the decision to the store's answer that it has it. */
  spread(seconds: number): void;
  /** From another host's binding to the switch's acknowledgement. */
  remoteProgramming(seconds: number): void;
  /** One transaction, answered or given up. */
  transaction(seconds: number): void;
}

export class Timings {
  readonly #observe: Partial<SharingObservations>;
  /** By `VPC HAVIP`. */
  readonly #proposedNs = new Map<string, number>();
  /** By the first id of a transaction that is under way. */
  readonly #sentNs = new Map<string, number>();
  /** By HAVIP. */
  readonly #heardNs = new Map<number, number>();

  constructor(observe: Partial<SharingObservations>) {
    this.#observe = observe;
  }

  proposed(havip: string, atNs: number): void {
    this.#proposedNs.set(havip, atNs);
  }

  superseded(havip: string): void {
    this.#proposedNs.delete(havip);
  }

  /** Returns how many milliseconds it took; null: nobody waited for that. */
  acknowledged(havip: string, atNs: number): number | null {
    const sinceNs = this.#proposedNs.get(havip);
    if (sinceNs === undefined) return null;
    this.#proposedNs.delete(havip);
    this.#observe.spread?.((atNs - sinceNs) / 1e9);
    return (atNs - sinceNs) / 1e6;
  }

  sent(id: string, atNs: number): void {
    this.#sentNs.set(id, atNs);
  }

  answered(id: string, atNs: number): void {
    const sinceNs = this.#sentNs.get(id);
    if (sinceNs === undefined) return;
    this.#sentNs.delete(id);
    this.#observe.transaction?.((atNs - sinceNs) / 1e9);
  }

  /** Of another host, through the store. */
  heard(havip: number, atNs: number): void {
    this.#heardNs.set(havip, atNs);
  }

  programmed(havip: number, ackedNs: number): void {
    const sinceNs = this.#heardNs.get(havip);
    if (sinceNs === undefined) return;
    this.#heardNs.delete(havip);
    this.#observe.remoteProgramming?.((ackedNs - sinceNs) / 1e9);
  }
}
