/** What the parts of a simulated world know of each other. */
import type { Mac } from '../../src/base/mac.ts';
import type { Fabric, Proposal } from '../../src/fabric/fabric.ts';
import type { MemoryFabric } from '../../src/fabric/memory/memory.ts';
import type { MemoryStore } from '../../src/fabric/memory/store.ts';
import type { Peers } from '../../src/fabric/peers.ts';
import type { BindingRecord } from '../../src/fabric/records.ts';
import type { Timeline } from './time.ts';

/** What the flow map does with packets to a HAVIP. */
export interface Programmed {
  readonly isHere: boolean;
  readonly mac: string;
}

/** How a world is wrong on purpose. */
export interface Variant {
  readonly newer?: ConstructorParameters<typeof Peers>[0]['isNewer'];
  readonly cursor?: ConstructorParameters<typeof MemoryFabric>[0]['cursor'];
  readonly wrap?: (fabric: Fabric, stage: Stage) => Fabric;
  readonly adoptsRemote?: boolean;
  readonly leaseWithdraws?: boolean;
}

export interface Guest {
  readonly instance: string;
  readonly mac: Mac;
  /** It speaks VRRP with this priority; null: it only announces. */
  readonly priority: number | null;
  /** Where it has a port; where it runs is the last. */
  hosts: readonly string[];
  /** HAVIPs of which it says that it is master. */
  masters: Set<number>;
  up: boolean;
}

export type Truth = BindingRecord & { readonly revision: number };

export interface SimulatedHost {
  readonly id: string;
  readonly skewMs: number;
  readonly fabric: Fabric | null;
  readonly isUp: boolean;
  readonly isFaulty: boolean;
  readonly disturbedNs: number;
  /** Proposals that are not settled. */
  readonly pending: number;
  /** By HAVIP: since when it has something else than the store, while it is in touch. */
  readonly disagreesSinceNs: Map<string, number>;
  /** null: nobody, as far as its switch knows. */
  programmed(havip: number): Programmed | null;
  /** Its holder is in trouble: the switch does not point at it for that. */
  letsGo(havip: number): boolean;
  /** The last that it has of the store. */
  revision(havip: number): number;
  epoch(havip: number): number;
}

/** Who looks on (check.ts). */
export interface Witness {
  fail(text: string): void;
  proposed(batch: readonly Proposal[]): void;
  restarted(host: SimulatedHost): void;
}

export interface Stage {
  readonly time: Timeline;
  readonly random: () => number;
  readonly store: MemoryStore;
  readonly hosts: readonly SimulatedHost[];
  readonly guests: readonly Guest[];
  readonly havips: readonly number[];
  readonly variant: Variant;
  readonly check: Witness;
  /** Longest way to or from the store, one way, at any time so far. */
  readonly slowestMs: number;
  readonly disturbedNs: number;
  /** So shortly after a restore a host may still be told what it had forgotten. */
  readonly mayBeOld: boolean;
  host(id: string): SimulatedHost;
  /** null: nobody holds it. */
  truth(havip: number): Truth | null;
}
