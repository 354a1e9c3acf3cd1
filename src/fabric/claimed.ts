/** What the ledger of a host and the protocol between hosts say to each other. Pure types. */
import type { BindingRecord } from './records.ts';

/** The ledger gave a HAVIP to a claimant of this host, or took it from one (`instance` null): the store has to learn it. */
export interface Claimed {
  readonly vpc: string;
  readonly havip: string;
  readonly instance: string | null;
  readonly mac: string | null;
  readonly sinceMs: number;
  /** When it was decided: on this host's monotonic clock, and for people. */
  readonly startNs: number;
  readonly startMs: number;
  /** Which claim it is: START of the claimant's streak. A second chance is of the same. */
  readonly streakNs: number;
  readonly cause: string | null;
  readonly from: string | null;
  readonly holdMs: number;
  /** Of a VRRP master: how long after the last advert a backup takes over; null: it does not advertise. */
  readonly masterDownMs: number | null;
}

/** What the protocol asks of, and tells, the ledger of this host. `at` is the monotonic clock. */
export interface Ruler {
  /** With this binding in place, would the claim still move the HAVIP here? Election, hold and contest as for any claim. */
  stillMoves(claim: Claimed, held: BindingRecord, atNs: number): boolean;
  /** So it stands in the store: programmed, unless it is what this host has anyway. null: nobody, and nobody ever did. */
  stored(vpc: string, havip: string, binding: BindingRecord | null, revision: number, atNs: number): void;
  /** The store has what this host programmed, at this revision. */
  acknowledged(vpc: string, havip: string, revision: number, atNs: number): void;
  /** The claim lost to this binding, for good. */
  superseded(claim: Claimed, by: BindingRecord | null, atNs: number): void;
  /** A VRRP master's claim that lost: if it is still a living one and heard no advert of who won since then, it is ruled again. */
  again(claim: Claimed, sinceNs: number, atNs: number): void;
  /** What this host's ledger holds for a claimant of its own; null: nothing. */
  heldHere(vpc: string, havip: string): Claimed | null;
  /** A binding that is not believed; told once for each. */
  refused(vpc: string, havip: string, binding: BindingRecord, why: string): void;
}

/** What is known of a HAVIP's rights, whoever configured it. */
export interface Directory {
  /** null: not known here (yet). */
  havip(vpc: string, havip: string): { readonly subnet: string; readonly members: readonly string[] | null } | null;
}
