/**
 * What the ledger says back: values, in order, for the owner to act on. Main thread. The ledger itself does no I/O.
 */
import type { Ipv4 } from '../base/address.ts';
import type { Rebinding } from '../base/binding.ts';
import type { Mac } from '../base/mac.ts';

/** Why a HAVIP went to another instance; see causeOf in failover.ts for how each is told from the others. */
export const FAILOVER_CAUSES = ['resign', 'silence', 'preempt', 'link-down', 'hung', 'takeover'] as const;
export type FailoverCause = (typeof FAILOVER_CAUSES)[number];

/** Why a HAVIP moved: with its instance, by `migration`, is no failover. */
export type Cause = FailoverCause | 'migration';

/** A service that answered last at one time, and was found silent at another. */
export interface Silence {
  readonly lastNs: number;
  readonly foundNs: number;
}

/**
 * Parts of a failover in milliseconds; those that are known add up to `total` exactly (failover.ts says what each one spans).
 * `detection` is missing where nobody knows how long the old holder was gone; `programming` is missing until the switch has acknowledged, `reachable` where nothing probes.
 */
export interface PhasesMs {
  /**
   * How long the service had been silent when the old holder gave its last sign, where it is probed: the health check inside the guest.
   * Before the others, and no part of `total`. Missing where the service was not found silent by then.
   */
  application?: number;
  detection?: number;
  announce: number;
  verdict: number;
  programming?: number;
  reachable?: number;
  /** Through a store: from the decision until others can have it. Beside the others, and no part of `total`. */
  spread?: number;
  total: number;
}

export interface Failover {
  /** Wall-clock time of the decision, ISO 8601. */
  readonly at: string;
  readonly from: string;
  readonly to: string;
  cause: FailoverCause;
  readonly epoch: number;
  readonly phasesMs: PhasesMs;
  /** How much of it was the guests' own timers, and what would shorten it, in one line (advice.ts); null: not known, or not yet. */
  advice: string | null;
}

export type EventKind =
  | 'bound'
  | 'unbound'
  | 'adopted'
  | 'failover'
  | 'migration'
  | 'release'
  | 'let-go'
  | 'taken-back'
  | 'deferred'
  | 'contested'
  | 'settled'
  | 'assist'
  | 'verify';

export interface LedgerEvent {
  readonly kind: EventKind;
  readonly at: string;
  readonly havip: string;
  readonly vpc: string;
  readonly epoch: number;
  readonly from: string | null;
  readonly to: string | null;
  readonly cause: Cause | null;
  readonly phasesMs: PhasesMs | null;
  /** One line for a person. */
  readonly text: string;
}

/** Program the switch: this HAVIP is bound to this holder, or to nobody. Answer with Ledger.programmed(). */
export interface BindEffect extends Rebinding {
  readonly kind: 'bind';
}

/** Tell other hosts what was decided here, after the switch was: this HAVIP has this holder on this host, or none any more. */
export interface ProposeEffect {
  readonly kind: 'propose';
  readonly havip: number;
  /** null: nobody. */
  readonly instance: string | null;
  readonly mac: Mac | null;
  readonly sinceMs: number;
  /** When it was decided: a START, the end of a wait, a holder's loss; by the monotonic clock and for people. */
  readonly startNs: number;
  readonly startMs: number;
  /** START of the claimant's streak: who claims it again without a new one has made no other claim. */
  readonly streakNs: number;
  readonly cause: Cause | null;
  readonly from: string | null;
  /** How long a claim that would move it back waits, on any host. */
  readonly holdMs: number;
  /** After so long without an advert a backup takes over; null: the holder does not advertise. */
  readonly masterDownMs: number | null;
}

export type Effect =
  | BindEffect
  | ProposeEffect
  | { readonly kind: 'event'; readonly event: LedgerEvent }
  /** All phases that will be known are known. */
  | { readonly kind: 'failover'; readonly havip: number; readonly failover: Failover }
  /**
   * Send these frames, which may hold a VRRP password, into this port or out of this uplink, a millisecond apart, and at once: before the switch is programmed and
   * before anything is told. Keep, log and record nothing of them.
   */
  | { readonly kind: 'resign'; readonly havip: number; readonly port: number; readonly frames: readonly Uint8Array[] }
  /** Ask by unicast ARP into this port whether `mac` still has `address`. */
  | { readonly kind: 'verify'; readonly havip: number; readonly port: number; readonly mac: Mac; readonly address: Ipv4 }
  /** The holder changed: probe now, in a burst. Answer with Ledger.reachable(). */
  | { readonly kind: 'probe'; readonly havip: number };
