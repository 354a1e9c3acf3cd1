/**
 * Who gets a HAVIP that somebody holds. Main thread, pure.
 *
 * The rules, in order:
 *  1. A holder in trouble (resigned, link gone, silent) justifies the move at once; a mere resignation, while contested, after the
 *     wait: two that play resign to each other.
 *  2. Between two living VRRP masters the election decides (priority, then primary address), as between them; but the first START
 *     of the loser moves the HAVIP all the same, because we cannot know sooner than the winner's next advert that it lives. Unless
 *     both became masters at once, as backups do that nobody could tell apart.
 *  3. A VRRP instance that does not advertise, and a mere answer or use of the address, does not take it from a living VRRP
 *     master: that is what is left of a killed keepalived, whose kernel keeps the address and goes on answering.
 *  4. A START moves it; a repetition does not.
 *     It may be a take-over all the same, of one who announced a moment ago: when the holder gives no sign of life after it, it was.
 *     Nor does somebody elsewhere keep it whose adverts nobody hears while such a master advertises on.
 *  5. A START that would move it back to one who lost it waits until its time is over (a deferred claim is not lost).
 *
 * Tried and dropped: last claim wins (a split brain's refreshes move the HAVIP each 2.5 s, a flood wins it for good); a waiting
 * time for every move (delays honest fail-back, which the old holder's resignation already explains).
 */
import { UNKNOWN } from '../base/binding.ts';
import { isHung, isLivingMaster, isSustained, lastSignNs, resignedNs, silentFromNs, type Claimant } from './claimant.ts';
import { compareElected, hasResigned, isMaster } from './evidence.ts';
import { NEVER, NS_PER_MS, type Limits } from './limits.ts';
import type { Links } from './links.ts';
import { hasTwoAnnouncers, hasTwoMasters } from './overlap.ts';
import { contestOf, portOf, type Contest, type HavipRecord } from './record.ts';

/** `reseat`: the holder's own port or MAC changed. */
export type Ruling = 'move' | 'reseat' | 'defer' | 'keep';

/** An advert so shortly after a rival's claim was under way already, or is a master's last before it heard the better one. */
const CROSSING_NS = 50 * NS_PER_MS;
/** The second advert after a take-over is none that crossed with it. */
const UNOPPOSED_INTERVALS = 1.5;
/** Backups that wait as long as each other become masters within that. */
const TOGETHER_NS = 100 * NS_PER_MS;
/** More justified moves than contestedMoves in this time: someone plays; these wait as well. */
const PLAYING_NS = 2000 * NS_PER_MS;

/** Since when the holder is in trouble, or NEVER. */
export function troubleNs(record: HavipRecord, links: Links, atNs: number): number {
  return record.holder === null ? NEVER : holderTroubleNs(record.holder, portOf(record), links, atNs);
}

/** The same of one who holds, or held, at this port. */
export function holderTroubleNs(holder: Claimant, port: number, links: Links, atNs: number): number {
  const goneNs = links.goneNs(port, lastSignNs(holder));
  if (goneNs !== NEVER) return goneNs;
  const resignNs = resignedNs(holder);
  if (resignNs !== NEVER) return resignNs;
  if (isHung(holder)) return holder.hungNs;
  const silentNs = silentFromNs(holder);
  return silentNs <= atNs ? silentNs : NEVER;
}

/** It says that it gave the HAVIP up, and nothing else is wrong with it: two that play can say so a thousand times a second. */
function hasMerelyResigned(record: HavipRecord, holder: Claimant, links: Links, atNs: number): boolean {
  return (
    links.goneNs(portOf(record), lastSignNs(holder)) === NEVER && resignedNs(holder) !== NEVER && silentFromNs(holder) > atNs
  );
}

/** Above 0: the claimant is elected over the holder; below: the holder is; 0: no evidence, one of them does not advertise. */
function election(claimant: Claimant, holder: Claimant, links: Links, atNs: number): number {
  const [a, b] = [claimant.speaker, holder.speaker];
  if (a === null || b === null || !isLivingMaster(claimant, links, atNs) || !isLivingMaster(holder, links, atNs)) return 0;
  return compareElected(a, b);
}

/**
 * @param start the sign is the START of a claim
 * @param weak it is a mere answer or use of the address, not an announcement
 */
export function rule(record: HavipRecord, claimant: Claimant, start: boolean, weak: boolean, links: Links, atNs: number): Ruling {
  const { holder, contest } = record;
  if (holder === null) return 'move';
  const tooSoon = contest !== null && atNs < contest.waitUntilNs;
  const playing = tooSoon && contest.moves.length >= 5 && atNs - (contest.moves[0] ?? 0) < PLAYING_NS;
  if (troubleNs(record, links, atNs) !== NEVER) {
    const damped = tooSoon && contest.contestedNs !== NEVER && hasMerelyResigned(record, holder, links, atNs);
    return playing || damped ? 'defer' : 'move';
  }
  if (isUnopposed(record, holder, claimant, links, atNs)) return tooSoon ? 'defer' : 'move';
  const elected = election(claimant, holder, links, atNs);
  if (elected > 0) {
    if (start) return playing ? 'defer' : 'move';
    if (!persists(record, claimant)) return 'keep';
    return tooSoon ? 'defer' : 'move';
  }
  if (!start) return 'keep';
  // Both became masters at once, and the holder, which is the better one, has said so a moment ago: it lives, and the other one hears it.
  if (elected < 0 && atNs - (holder.speaker?.startNs ?? NEVER) < TOGETHER_NS) return 'keep';
  if (elected < 0 && hasTwoMasters(record, atNs)) return 'keep';
  if (elected === 0 && isLivingMaster(holder, links, atNs) && (weak || claimant.speaker !== null)) return 'keep';
  return tooSoon && claimant.lostNs !== NEVER ? 'defer' : 'move';
}

/** Of a holder whose own place changed: at once when its old place is gone or there is nothing to wait for. */
export function ruleSeat(record: HavipRecord, holder: Claimant, links: Links, atNs: number): Ruling {
  if (record.contest === null || atNs >= record.contest.waitUntilNs) return 'reseat';
  const port = portOf(record);
  return holder.port !== port && !links.isUp(port) && lastSignNs(holder) <= atNs ? 'reseat' : 'defer';
}

/**
 * A master that advertises on and on although somebody elsewhere, whose adverts nobody hears, took the HAVIP from it: that one has stepped
 * down, unheard, or it would have. (A cable that was mended let one announcement of a second master through, and not its last advert.)
 */
function isUnopposed(record: HavipRecord, holder: Claimant, claimant: Claimant, links: Links, atNs: number): boolean {
  const { speaker } = claimant;
  // Of what a store says the protocol between hosts judges.
  if (holder.elsewhere?.host !== UNKNOWN || speaker === null || claimant.lastNs === NEVER) return false;
  if (!isLivingMaster(claimant, links, atNs) || isLivingMaster(holder, links, atNs)) return false;
  return speaker.lastNs - record.sinceNs > UNOPPOSED_INTERVALS * speaker.facts.intervalMs * NS_PER_MS;
}

/** A master that claimed in this mastership and still advertises well after the holder took over: it never stepped down. */
function persists(record: HavipRecord, claimant: Claimant): boolean {
  const { speaker } = claimant;
  if (speaker === null) return false;
  return speaker.lastNs > record.sinceNs + CROSSING_NS && claimant.lastNs >= speaker.startNs - 1000 * NS_PER_MS;
}

/** Does the deferred claimant still deserve it when its wait is over? */
export function stillEntitled(record: HavipRecord, claimant: Claimant, links: Links, atNs: number): boolean {
  const { holder } = record;
  if (!links.isUp(claimant.port) || links.lostNs(claimant.port) > lastSignNs(claimant) || resignedNs(claimant) !== NEVER)
    return false;
  if (holder === null || holder === claimant || troubleNs(record, links, atNs) !== NEVER) return true;
  const elected = election(claimant, holder, links, atNs);
  if (elected < 0 && (holder.speaker?.lastNs ?? NEVER) > claimant.startNs + CROSSING_NS) return false;
  return elected > 0 || claimant.startNs >= holder.startNs;
}

/** Who takes over from a holder in trouble without claiming anew: the best of those that went on claiming or advertising. */
export function bestRival(record: HavipRecord, links: Links, atNs: number): Claimant | null {
  let best: Claimant | null = null;
  for (const claimant of record.claimants) {
    if (claimant === record.holder || !goesOn(record, claimant, links, atNs)) continue;
    if (best === null || better(claimant, best)) best = claimant;
  }
  return best;
}

function goesOn(record: HavipRecord, claimant: Claimant, links: Links, atNs: number): boolean {
  if (claimant.lastNs === NEVER || claimant.port < 0) return false;
  if (!links.isUp(claimant.port) || links.lostNs(claimant.port) > lastSignNs(claimant)) return false;
  const { speaker } = claimant;
  if (speaker !== null && isMaster(speaker, atNs)) return persists(record, claimant);
  if (speaker !== null && hasResigned(speaker) && resignedNs(claimant) !== NEVER) return false;
  const recent = isSustained(claimant) ? silentFromNs(claimant) > atNs : atNs - claimant.lastNs < 2000 * NS_PER_MS;
  return claimant.lastNs > record.sinceNs && recent;
}

function better(a: Claimant, b: Claimant): boolean {
  if (a.speaker !== null && b.speaker !== null) return compareElected(a.speaker, b.speaker) > 0;
  return a.startNs > b.startNs;
}

/** A repetition that was kept; an advertising claimant's adverts tell what it is. */
export function noteRepeated(record: HavipRecord, claimant: Claimant, limits: Limits, atNs: number): void {
  if (claimant.speaker !== null) return;
  const contest = contestOf(record, limits);
  if (contest.repeated === null) contest.repeatedNs = atNs;
  contest.repeated = claimant;
}

/** The HAVIP moved on behalf of a claim that is older than another's last one: that one is the repetition to look at now. */
export function noteOvertaken(record: HavipRecord, links: Links, limits: Limits, atNs: number): void {
  const { holder } = record;
  if (holder === null) return;
  let last = holder;
  for (const one of record.claimants) if (one.speaker === null && links.isUp(one.port) && one.lastNs > last.lastNs) last = one;
  if (last !== holder && last.elsewhere === null) noteRepeated(record, last, limits, atNs);
}

/** Notes a move and sets how long who would move it back has to wait. */
export function noteMove(contest: Contest, back: boolean, justified: boolean, limits: Limits, atNs: number): void {
  const lastNs = contest.moves.at(-1) ?? NEVER;
  if (atNs - lastNs > limits.calmMs * NS_PER_MS) contest.waitMs = limits.waitMs;
  else if (back && !justified) contest.waitMs = Math.min(2 * contest.waitMs, limits.waitMaxMs);
  contest.waitUntilNs = atNs + contest.waitMs * NS_PER_MS;
  contest.pending = null;
  contest.repeated = null;
  contest.told = false;
  contest.moves.push(atNs);
  if (contest.moves.length > limits.contestedMoves) contest.moves.shift();
}

export function isContestedNow(record: HavipRecord, limits: Limits, atNs: number): boolean {
  const moves = record.contest?.moves ?? [];
  const often = moves.length >= limits.contestedMoves && atNs - (moves[0] ?? NEVER) <= limits.contestedMs * NS_PER_MS;
  return often || hasTwoMasters(record, atNs) || hasTwoAnnouncers(record, atNs);
}
