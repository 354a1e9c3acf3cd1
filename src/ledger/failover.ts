/**
 * Why a HAVIP moved and how long each part took. Main thread, pure. All instants are kernel timestamps on the monotonic clock.
 *
 *   last sign ──detection──▶ new holder's ──announce──▶ its first ──verdict──▶ decided ──programming──▶ switch has ──reachable──▶ first
 *   of life                  first sign                 claim                                          acknowledged              echo
 *
 *  - before it, where the service is probed: `application`, from the service's last answer to the last sign of life.
 *  - last sign of life: `resign`: the priority-0 advert. `link-down`: the carrier loss (adverts before it say nothing of the
 *    time after). `silence`: the last advert or claim. `preempt`: the new holder's first sign, because the old one lived until
 *    that advert made it step down: detection is 0. `takeover`: without VRRP nobody knows how long the old holder was gone; its
 *    last claim when it had announced evenly and stopped, else unknown: there is no detection then, not one of 0.
 *  - first sign: the first advert or claim of the new holder's present mastership.
 *  - verdict: from the claim's capture to the decision; a deferred claim's wait is in here.
 *
 * `total` is their sum: how long nobody who was known to be alive held the address. For `resign`, `link-down` and `preempt` that
 * is the outage a client sees. For `silence` it is the upper bound: a killed keepalived leaves the address on the interface, the
 * machine goes on answering, and a client may see no outage at all; no frame tells the two apart.
 */
import type { Assist } from '../base/network.ts';
import { timersOf, type Timers } from './advice.ts';
import { isHung, isSustained, lastSignNs, resignedNs, type Claimant } from './claimant.ts';
import { compareElected } from './evidence.ts';
import { NEVER, NS_PER_MS, type Limits } from './limits.ts';
import type { Links } from './links.ts';
import type { FailoverCause, Failover, PhasesMs, Silence } from './effects.ts';

/** A failover of which not all phases are known. */
export interface OpenFailover {
  readonly failover: Failover;
  readonly marks: Marks;
  /** null: none of VRRP's was waited for. */
  readonly timers: Timers | null;
  /** Give up waiting for the first echo reply; Infinity before the switch has acknowledged. */
  untilNs: number;
}

interface Marks {
  readonly lostNs: number;
  /** Somebody can know when the old holder stopped. */
  readonly lostKnown: boolean;
  readonly signNs: number;
  readonly claimNs: number;
  readonly takenNs: number;
  programmedNs: number;
  reachableNs: number;
}

/** An old master heard within two of its intervals was alive: silence takes three, unless down_timer_adverts is set to 1. */
const ALIVE_INTERVALS = 2;

export function causeOf(holder: Claimant, holderPort: number, claimant: Claimant, links: Links, atNs: number): FailoverCause {
  const resignNs = resignedNs(holder);
  const linkLostNs = Math.max(links.lostNs(holderPort), holder.cutNs);
  const cut = !links.isUp(holderPort) || linkLostNs > lastSignNs(holder);
  if (resignNs !== NEVER && !(cut && linkLostNs < resignNs)) return 'resign';
  if (cut) return 'link-down';
  if (isHung(holder)) return 'hung';
  if (holder.speaker === null) return 'takeover';
  const { intervalMs } = holder.speaker.facts;
  const gapMs = (firstSignNs(claimant, holder.speaker.lastNs, atNs) - holder.speaker.lastNs) / NS_PER_MS;
  if (gapMs > ALIVE_INTERVALS * intervalMs) return 'silence';
  if (claimant.speaker !== null && compareElected(claimant.speaker, holder.speaker) > 0) return 'preempt';
  return gapMs > 1.1 * intervalMs ? 'silence' : 'takeover';
}

/** First advert or claim of the claimant's present mastership after this time; else the sign that decided. */
function firstSignNs(claimant: Claimant, afterNs: number, atNs: number): number {
  const advertNs = claimant.speaker?.startNs ?? NEVER;
  const claimNs = claimant.startNs > afterNs ? Math.min(claimant.startNs, atNs) : atNs;
  return advertNs > afterNs && advertNs < claimNs ? advertNs : claimNs;
}

export interface Move {
  readonly cause: FailoverCause;
  readonly holder: Claimant;
  readonly holderPort: number;
  /** When the old holder got it: no sign of the new one that is older belongs to this failover. */
  readonly sinceNs: number;
  readonly claimant: Claimant;
  /** The sign that decided: a claim's capture, a link's loss, the end of a wait. */
  readonly atNs: number;
  readonly takenNs: number;
  readonly wallMs: number;
  readonly epoch: number;
  readonly assist: Assist | null;
  /** null: it answers, or nobody asks it. */
  readonly service: Silence | null;
  readonly limits: Limits;
}

export function openFailover(move: Move, links: Links): OpenFailover {
  const { cause, holder, claimant, atNs, epoch } = move;
  const lostNs = lastLifeNs(move, links);
  const floorNs = Math.max(lostNs, move.sinceNs);
  const signNs = Math.max(firstSignNs(claimant, floorNs, atNs), lostNs);
  const claimNs = Math.max(claimant.startNs > floorNs ? Math.min(claimant.startNs, atNs) : atNs, signNs);
  const marks: Marks = {
    lostNs: lostNs === NEVER ? signNs : lostNs,
    lostKnown: lostNs !== NEVER || cause === 'preempt',
    signNs,
    claimNs,
    takenNs: Math.max(move.takenNs, claimNs),
    programmedNs: NEVER,
    reachableNs: NEVER,
  };
  const at = new Date(move.wallMs).toISOString();
  const phasesMs: PhasesMs = { announce: 0, verdict: 0, total: 0 };
  const failover = { at, from: holder.instance, to: claimant.instance, cause, epoch, phasesMs, advice: null };
  const timers = timersOf({ cause, lostNs, from: holder.speaker, to: claimant.speaker, assist: move.assist }, move.limits);
  const open: OpenFailover = { failover, marks, timers, untilNs: Number.POSITIVE_INFINITY };
  fillPhases(open);
  // What was found silent later had the fault that the cause names, and no check of its own came first.
  const { service } = move;
  if (service !== null && marks.lostKnown && service.foundNs <= marks.lostNs)
    phasesMs.application = us(marks.lostNs - service.lastNs) / 1000;
  return open;
}

/** NEVER where it is not known, or where the old holder lived until the new one came. */
function lastLifeNs({ cause, holder, holderPort, atNs }: Move, links: Links): number {
  switch (cause) {
    case 'resign':
      return resignedNs(holder);
    case 'link-down':
      return Math.max(links.lostNs(holderPort), holder.cutNs, lastSignNs(holder));
    case 'silence':
    case 'hung':
      return lastSignNs(holder);
    case 'takeover': {
      const missed = isSustained(holder) && atNs - lastSignNs(holder) > 1.5 * holder.periodMs * NS_PER_MS;
      return missed ? lastSignNs(holder) : NEVER;
    }
    default:
      return NEVER;
  }
}

export function noteProgrammed(open: OpenFailover, atNs: number, untilNs: number): void {
  open.marks.programmedNs = Math.max(atNs, open.marks.takenNs);
  open.untilNs = untilNs;
  fillPhases(open);
}

export function noteReachable(open: OpenFailover, atNs: number): void {
  open.marks.reachableNs = Math.max(atNs, open.marks.programmedNs);
  fillPhases(open);
}

/** In whole microseconds, so that what people add up by hand comes out too. */
function fillPhases({ marks, failover: { phasesMs } }: OpenFailover): void {
  const toMs = (fromNs: number, toNs: number): number => (us(toNs - marks.lostNs) - us(fromNs - marks.lostNs)) / 1000;
  if (marks.lostKnown) phasesMs.detection = toMs(marks.lostNs, marks.signNs);
  phasesMs.announce = toMs(marks.signNs, marks.claimNs);
  phasesMs.verdict = toMs(marks.claimNs, marks.takenNs);
  if (marks.programmedNs !== NEVER) phasesMs.programming = toMs(marks.takenNs, marks.programmedNs);
  if (marks.reachableNs !== NEVER) phasesMs.reachable = toMs(marks.programmedNs, marks.reachableNs);
  const sum =
    (phasesMs.detection ?? 0) + phasesMs.announce + phasesMs.verdict + (phasesMs.programming ?? 0) + (phasesMs.reachable ?? 0);
  phasesMs.total = Math.round(sum * 1000) / 1000;
}

function us(ns: number): number {
  return Math.round(ns / 1000);
}
