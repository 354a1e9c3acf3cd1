/**
 * The record of one HAVIP: what the agent believes, and as little else as possible, since there may be 100,000 of them. Everything
 * that only a disputed or moving HAVIP needs is made on first use. Main thread.
 */
import type { Binding } from '../base/binding.ts';
import type { Mac } from '../base/mac.ts';
import type { Havip } from '../base/network.ts';
import { lastSignNs, newClaimant, type Claimant } from './claimant.ts';
import type { Timed } from './deadlines.ts';
import type { Failover } from './effects.ts';
import type { Speaker } from './evidence.ts';
import type { OpenFailover } from './failover.ts';
import { NEVER, type Limits } from './limits.ts';
import type { Saying } from './resign.ts';

export interface HavipRecord extends Timed {
  havip: Havip;
  /** Grows with every change of the binding. */
  epoch: number;
  holder: Claimant | null;
  /**
   * The last one that the switch was told: over when there is no holder. The holder's own port and MAC may have moved on while a change
   * of them waits.
   */
  binding: Binding | null;
  /** The switch was told to forget it all the same: something is wrong with the holder, and others may be beyond an uplink. */
  letGo: boolean;
  /** An operator took it from its holder, and nobody has announced it since. */
  takenOut: boolean;
  /** Whether the holder was found in the switch at a start; `doubted`: so late that the binding may be over. */
  found: 'no' | 'trusted' | 'doubted';
  /** Of the last change, to a holder or to none. */
  sinceMs: number;
  sinceNs: number;
  /** Who held it last, if nobody does now. */
  former: Claimant | null;
  /** Every instance that claimed or advertised it. */
  readonly claimants: Claimant[];
  /** Who advertised it last. */
  advertiser: Claimant | null;
  failovers: number;
  lastFailover: Failover | null;
  open: OpenFailover | null;
  contest: Contest | null;
  round: Round | null;
  resigning: Resigning | null;
  refusals: RefusedClaim[] | null;
}

/** A dispute about a HAVIP (contest.ts). */
export interface Contest {
  /** Times of the last moves, oldest first; at most Limits.contestedMoves. */
  readonly moves: number[];
  waitMs: number;
  waitUntilNs: number;
  /** The latest entitled claimant that waits. The holder itself: its own change of port or MAC. */
  pending: Claimant | null;
  /** Who repeated its claim since the holder last gave a sign of life, and since when: it was a START if none comes. */
  repeated: Claimant | null;
  repeatedNs: number;
  /** The first deferral since the last move was told. */
  told: boolean;
  /** Who announced last, who before, and when that last changed (overlap.ts), oldest first; since when that goes on. */
  announcer: Claimant | null;
  announcerBefore: Claimant | null;
  readonly switches: number[];
  switchingNs: number;
  /** When two masters last took turns, oldest first; at most three. */
  readonly turns: number[];
  /** NEVER while not contested. */
  contestedNs: number;
}

/** A round of questions to the holder (withdrawal.ts). */
export interface Round {
  /** Questions of this round so far. */
  asks: number;
  firstAskNs: number;
  /** When a holder that talks left the last question of a round unanswered; NEVER: it did not. */
  muteNs: number;
  /** Next question, verdict or round. */
  nextNs: number;
  /** What people were told of this silence: a holder that is silent and answers is asked for ever. */
  told: 'nothing' | 'asked' | 'answered';
}

/** What is left of an assisted resign (assist.ts): the others are told too at this time, unless somebody has advertised since. */
export interface Resigning {
  readonly speaker: Speaker;
  readonly rest: readonly Saying[];
  readonly sinceNs: number;
  readonly untilNs: number;
}

/** What is known of the life behind one port (pulse.ts), whatever HAVIPs are held there. */
export interface Pulse {
  /** It has answered a question. */
  answers: boolean;
  /** Questions of this round so far, when the first one was asked, and what the port had received by then. */
  asks: number;
  firstNs: number;
  received: number;
  /** Next question or verdict. */
  nextNs: number;
  /** When it was found hung. */
  hungNs: number;
}

/** A refused frame about this HAVIP; one per instance and reason. */
export interface RefusedClaim {
  readonly instance: string;
  readonly interface: string;
  readonly verdict: number;
  readonly fromHavip: boolean;
  atNs: number;
}

export function newRecord(havip: Havip): HavipRecord {
  return {
    deadlineNs: Number.POSITIVE_INFINITY,
    place: -1,
    havip,
    epoch: 0,
    holder: null,
    binding: null,
    letGo: false,
    takenOut: false,
    found: 'no',
    sinceMs: 0,
    sinceNs: NEVER,
    former: null,
    claimants: [],
    advertiser: null,
    failovers: 0,
    lastFailover: null,
    open: null,
    contest: null,
    round: null,
    resigning: null,
    refusals: null,
  };
}

export function contestOf(record: HavipRecord, limits: Limits): Contest {
  return (record.contest ??= {
    moves: [],
    waitMs: limits.waitMs,
    waitUntilNs: NEVER,
    pending: null,
    announcer: null,
    announcerBefore: null,
    switches: [],
    switchingNs: NEVER,
    repeated: null,
    repeatedNs: NEVER,
    told: false,
    turns: [],
    contestedNs: NEVER,
  });
}

/** The holder was found in the switch at a start, and gave no sign since. */
export function isUnheard(record: HavipRecord): boolean {
  const { found, holder } = record;
  return found !== 'no' && holder !== null && holder.elsewhere === null && lastSignNs(holder) === NEVER;
}

/** The port to which it is bound, or was last; -1 for none of this host, of which nothing is known and nothing bad assumed. */
export function portOf({ binding }: HavipRecord): number {
  return binding?.port ?? -1;
}

/** It waits for nothing here any more: its port is gone, or it is elsewhere. */
export function forgetWait({ contest }: HavipRecord, claimant: Claimant): void {
  if (contest === null) return;
  if (contest.pending === claimant) contest.pending = null;
  if (contest.repeated === claimant) contest.repeated = null;
}

/** It is bound to a place that is not on this host. */
export function isHeldElsewhere({ holder, binding }: HavipRecord): boolean {
  return holder !== null && binding !== null && binding.port === null;
}

/** Does the claimant, who holds it, sit elsewhere than the switch was told? */
export function isSeatedElsewhere(record: HavipRecord, claimant: Claimant): boolean {
  const { binding } = record;
  if (portOf(record) !== claimant.port || binding?.mac !== claimant.mac) return true;
  return (
    claimant.elsewhere !== null && (binding.host !== claimant.elsewhere.host || binding.interface !== claimant.elsewhere.uplink)
  );
}

/** The claimant of this instance; a new one takes the place of the one that was quiet longest when there are too many. */
export function claimantOf(record: HavipRecord, instance: string, port: number, mac: Mac, most: number): Claimant {
  if (record.holder?.instance === instance) return record.holder;
  for (const claimant of record.claimants) if (claimant.instance === instance) return claimant;
  const claimant = newClaimant(instance, port, mac);
  if (record.claimants.length < most) record.claimants.push(claimant);
  else record.claimants[quietestPlace(record)] = claimant;
  return claimant;
}

function quietestPlace(record: HavipRecord): number {
  let place = 0;
  let quietNs = Number.POSITIVE_INFINITY;
  for (const [i, claimant] of record.claimants.entries()) {
    const busy = claimant === record.holder || claimant === record.former || claimant === record.contest?.pending;
    if (!busy && claimant.lastNs < quietNs) [place, quietNs] = [i, claimant.lastNs];
  }
  return place;
}
