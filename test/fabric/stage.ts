/** What the parts of a simulated world know of each other. */
import type { Claimed } from '../../src/fabric/claimed.ts';
import type { Fabric, Proposal } from '../../src/fabric/fabric.ts';
import type { MemoryFabric } from '../../src/fabric/memory/memory.ts';
import type { MemoryStore } from '../../src/fabric/memory/store.ts';
import type { Peers } from '../../src/fabric/peers.ts';
import type { Binding } from '../../src/fabric/records.ts';
import type { Timeline } from './time.ts';

/** What the kernel's flow map says: to whom, and by which epoch. */
export interface Programmed {
  readonly instance: string;
  readonly host: string;
  readonly mac: string;
  readonly revision: number;
  readonly provisional: boolean;
  readonly sinceMs: number;
  readonly startMs: number;
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
  readonly mac: string;
  host: string;
}

export type Truth = Binding & { readonly revision: number };

export interface SimulatedHost {
  readonly id: string;
  readonly skewMs: number;
  readonly kernel: ReadonlyMap<string, Programmed>;
  readonly peers: Peers | null;
  readonly fabric: Fabric | null;
  readonly isFaulty: boolean;
  readonly disturbedNs: number;
  /** By HAVIP: since when it has something else than the store, while it is in touch. */
  readonly disagreesSinceNs: Map<string, number>;
}

/** Who looks on (check.ts). */
export interface Witness {
  fail(text: string): void;
  proposed(batch: readonly Proposal[]): void;
  confirmed(host: SimulatedHost, havip: string, revision: number): void;
  claimed(host: SimulatedHost, claim: Claimed): void;
  settled(host: SimulatedHost, havip: string): void;
  restarted(host: SimulatedHost, before: number): void;
}

export interface Stage {
  readonly time: Timeline;
  readonly random: () => number;
  readonly store: MemoryStore;
  readonly hosts: readonly SimulatedHost[];
  readonly guests: readonly Guest[];
  readonly havips: readonly string[];
  readonly variant: Variant;
  readonly check: Witness;
  /** Longest way to or from the store, one way, at any time so far. */
  readonly slowestMs: number;
  readonly disturbedNs: number;
  /** So shortly after a restore a host may still be told what it had forgotten. */
  readonly mayBeOld: boolean;
  host(id: string): SimulatedHost;
  guest(instance: string): Guest;
  rights(havip: string): { subnet: string; members: readonly string[] | null } | null;
  /** null: nobody holds it. */
  truth(havip: string): Truth | null;
}
