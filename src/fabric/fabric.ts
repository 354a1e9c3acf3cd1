/**
 * Fabric, the seam to other hosts: who holds each HAVIP is agreed on through a store that orders all writes. What crosses it are bindings,
 * never claims or frames: a host rules by its own ledger, programs at once, and tells the store; the store's order is the truth.
 *
 *     ledger ── claimed ──> peers ── propose ──> fabric ══ store ══> fabric ── changes, snapshot ─> peers ── stored ──> ledger
 *                             ^                    │
 *                             └───── outcome ──────┘
 *
 * A driver (etcd/, memory/) moves values and says in which order they were written; it knows nothing of claims, holds or retries of a
 * proposal. Those are the protocol's, peers.ts. Main thread. Without a store in the configuration nothing of this folder is loaded.
 */
import type { Item, BindingRecord, HostRecord, PortRecord, Sign } from './records.ts';

/** One HAVIP's part of a transaction. */
export interface Proposal {
  /** Of this attempt to write this START; the watch brings it back. */
  readonly id: string;
  readonly vpc: string;
  readonly havip: string;
  readonly binding: BindingRecord;
  /** Revision of the binding it was ruled by, which must still be the store's; 0: there was none. */
  readonly based: number;
  /** The same of the HAVIP's configuration; 0: it does not stand in the store, and is not compared. */
  readonly ruledBy: number;
}

/**
 * `committed`: all of it, at `revision`. `beaten`: nothing of it, somebody was first. `unknown`: no answer, it may have been written or
 * may still be.
 */
export type Outcome =
  | { readonly result: 'committed'; readonly revision: number }
  | { readonly result: 'beaten' }
  | { readonly result: 'unknown'; readonly why: string };

export type ListReason = 'start' | 'compacted' | 'gap' | 'restored' | 'asked';

/** `synced`: the watches stand and the store answers. `away`: no connection, no leader, or no answer to heartbeats. */
export type FabricState = 'synced' | 'away';

/** What a driver tells, from its own turns of the event loop. */
export interface FabricEvents {
  /** All there is of a VPC at one revision; what is not in it does not exist. `restored`: the store went back in time. */
  snapshot(vpc: string, items: readonly Item[], revision: number, reason: ListReason): void;
  /**
   * In the order of revisions for each key; a value of null: the key was deleted. What was written together mostly comes together, so that
   * it can be programmed so.
   */
  changes(items: readonly Item[]): void;
  outcome(ids: readonly string[], outcome: Outcome): void;
  state(state: FabricState, why: string): void;
}

/** Plain numbers for metrics; they only grow, but for `dbBytes` and `hosts`. */
export interface FabricCounters {
  readonly transactions: { committed: number; beaten: number; unknown: number };
  readonly relists: Record<ListReason, number>;
  gaps: number;
  badValues: number;
  /** Size of the store's data; null: not known. */
  dbBytes: number | null;
}

export interface Fabric {
  readonly name: string;
  readonly counters: FabricCounters;
  /** Called once, before anything else. */
  start(events: FabricEvents): void;
  /** Follows these VPCs and no others from now on; each new one is told as a snapshot first. */
  follow(vpcs: readonly string[]): void;
  /** Lists a VPC again, because what came does not fit what is known. */
  relist(vpc: string): void;
  /** One transaction, tried once; the outcome is told for all of it. */
  propose(batch: readonly Proposal[]): void;
  /** This host's port at an interface; null: it is no more. Kept until written, the last one wins. Not bound to the host's life. */
  publishPort(vpc: string, name: string, record: PortRecord | null): void;
  /** Explains a loss to other hosts; null: it is over. It vanishes with this host's lease and decides nothing. */
  publishSign(vpc: string, instance: string, sign: Sign | null): void;
  publishHost(record: HostRecord): void;
  close(): Promise<void>;
}

export function newCounters(): FabricCounters {
  return {
    transactions: { committed: 0, beaten: 0, unknown: 0 },
    relists: { start: 0, compacted: 0, gap: 0, restored: 0, asked: 0 },
    gaps: 0,
    badValues: 0,
    dbBytes: null,
  };
}
