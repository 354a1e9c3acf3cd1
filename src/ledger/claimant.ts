/**
 * One instance that claims one HAVIP, and its streak: claims that belong together. Only the first claim of a streak, its START,
 * is an act; the rest is repetition, however loud. Without this a split brain (both refresh each 5 s) or a flood would win.
 *
 * A streak lasts as long as signs of life come at their learned pace:
 *  - VRRP master: as long as its adverts go on. keepalived announces 5 times at T0, 5 times at T0 + 1 s, then each
 *    `garp_master_refresh` seconds or never; only adverts tell that this is one mastership.
 *  - sustained announcer (8 claims or more, evenly, over 2 s): gaps up to 1.5 of its periods, at least 1 s.
 *  - anybody else: gaps up to 2 s, or 1.5 times the longest gap that came twice alike (at most 10 s is learned: a real claim a
 *    while after the last must never be taken for its repetition).
 * A lost link or a resignation ends it at once. A claim that moved the HAVIP forgets its sender's pace: gaps between take-overs are
 * no period (with 2.5 and 4 periods, and nothing forgotten, 249 of 2,400 random histories of take-overs ended with the wrong holder).
 */
import type { Claim } from '../lane/claim.ts';
import { vridOf, type Mac } from '../base/mac.ts';
import { MAX_PORTS } from '../base/network.ts';
import { hasResigned, isMaster, silenceMs, type Speaker } from './evidence.ts';
import { NEVER, NS_PER_MS } from './limits.ts';
import type { Links } from './links.ts';

/** A place beyond an uplink. */
export interface Elsewhere {
  /** UNKNOWN where nobody told. */
  readonly host: string;
  readonly uplink: string;
}

export interface Claimant {
  readonly instance: string;
  /** Where it claimed last; -1: not on this host. */
  port: number;
  mac: Mac;
  /** Where it is, if not on this host. */
  elsewhere: Elsewhere | null;
  /** START of its streak. */
  startNs: number;
  lastNs: number;
  /** Last announcement: no answer, no question. Its MAC is the one; an answer with the guest's other MAC changes nothing. */
  announcedNs: number;
  otherMac: Mac;
  otherMacNs: number;
  /** When it last lost the HAVIP to another instance. */
  lostNs: number;
  /** When its machine was found hung. */
  hungNs: number;
  /** When its link was lost on another host, as that one told. It explains a failover, and is no reason for one. */
  cutNs: number;
  speaker: Speaker | null;
  /** Last claim after it had resigned, while no advert took that back. */
  afterResignNs: number;
  /** When its last resignation was told. */
  resignToldNs: number;
  /** Long gaps: the last one seen, and the longest that came twice. */
  candidateMs: number;
  learnedMs: number;
  /** Even announcing: its period, claims so far and since when. */
  periodMs: number;
  evenClaims: number;
  evenSinceNs: number;
}

const LEAST_GAP_MS = 2000;
const GAP_FACTOR = 1.5;
const MOST_LEARNED_MS = 10_000;
const SUSTAINED_CLAIMS = 8;
const SUSTAINED_MS = 2000;
/**
 * Faster announcing than this is told from none, not by its pace: a flood's gaps are the machine's and the budget's, not the
 * sender's (50 ms was tried: on a busy machine they came out between 50 and 100 ms, and a flood had no pace).
 */
const LEAST_PERIOD_MS = 150;
const LEAST_SILENCE_MS = 400;
const RESTART_SILENCE_MS = 1000;
/** A gratuitous claim so long after a resignation is a new act; sooner it is the guest's kernel, which still has the address. */
const TAKEN_BACK_MS = 1000;

export function newClaimant(instance: string, port: number, mac: Mac): Claimant {
  return {
    instance,
    port,
    mac,
    elsewhere: null,
    startNs: NEVER,
    lastNs: NEVER,
    announcedNs: NEVER,
    otherMac: 0,
    otherMacNs: NEVER,
    lostNs: NEVER,
    hungNs: NEVER,
    cutNs: NEVER,
    speaker: null,
    afterResignNs: NEVER,
    resignToldNs: NEVER,
    candidateMs: 0,
    learnedMs: 0,
    periodMs: 0,
    evenClaims: 0,
    evenSinceNs: NEVER,
  };
}

/** Nothing was heard of it since its machine was found hung. */
export function isHung(claimant: Claimant): boolean {
  return claimant.hungNs > lastSignNs(claimant);
}

/** Last claim or advert. */
export function lastSignNs(claimant: Claimant): number {
  return Math.max(claimant.lastNs, claimant.speaker?.lastNs ?? NEVER);
}

export function isSustained(claimant: Claimant): boolean {
  return claimant.evenClaims >= SUSTAINED_CLAIMS && claimant.lastNs - claimant.evenSinceNs >= SUSTAINED_MS * NS_PER_MS;
}

/** A living VRRP master: its adverts go on and its link is up. */
export function isLivingMaster(claimant: Claimant, links: Links, atNs: number): boolean {
  const { speaker } = claimant;
  return speaker !== null && isMaster(speaker, atNs) && links.isUp(claimant.port) && links.lostNs(claimant.port) < speaker.lastNs;
}

/** Does a claim at this time begin a new streak? */
export function isStart(claimant: Claimant, links: Links, atNs: number): boolean {
  const { speaker, lastNs } = claimant;
  if (links.lostNs(claimant.port) > lastNs) return true;
  if (speaker !== null && isMaster(speaker, atNs)) return lastNs < speaker.startNs;
  if (speaker !== null && speaker.resignedNs > lastNs) return true;
  const limitMs = isSustained(claimant)
    ? Math.max(GAP_FACTOR * claimant.periodMs, RESTART_SILENCE_MS)
    : Math.max(LEAST_GAP_MS, GAP_FACTOR * claimant.learnedMs);
  return atNs - lastNs > limitMs * NS_PER_MS;
}

/** Takes a claim down. Hot under a flood: no allocation. */
export function noteClaim(claimant: Claimant, claim: Claim, start: boolean, gratuitous: boolean): void {
  const atNs = Math.max(claim.capturedNs, claimant.lastNs);
  learnPace(claimant, (atNs - claimant.lastNs) / NS_PER_MS, atNs);
  const { speaker } = claimant;
  let begins = start;
  if (speaker !== null && hasResigned(speaker)) {
    claimant.afterResignNs = atNs;
    begins &&= gratuitous && atNs - speaker.resignedNs >= TAKEN_BACK_MS * NS_PER_MS;
  }
  if (begins) claimant.startNs = atNs;
  claimant.lastNs = atNs;
  if (
    !gratuitous &&
    claimant.announcedNs !== NEVER &&
    claimant.port === claim.port &&
    isVirtualMac(claimant.mac) !== isVirtualMac(claim.mac)
  ) {
    claimant.otherMac = claim.mac;
    claimant.otherMacNs = atNs;
  } else claimant.mac = claim.mac;
  if (gratuitous) claimant.announcedNs = atNs;
  if (claim.port >= MAX_PORTS) return; // seated by uplink.ts
  claimant.port = claim.port;
  claimant.elsewhere = null;
}

/** The HAVIP moved to it: what it announces from now on has its own pace. */
export function forgetPace(claimant: Claimant): void {
  claimant.candidateMs = claimant.learnedMs = claimant.evenClaims = 0;
}

function isVirtualMac(mac: Mac): boolean {
  return vridOf(mac) > 0;
}

function learnPace(claimant: Claimant, gapMs: number, atNs: number): void {
  const periodMs = Math.max(gapMs, LEAST_PERIOD_MS);
  if (claimant.evenClaims > 0 && periodMs < 1.4 * claimant.periodMs && periodMs > claimant.periodMs / 1.4) {
    claimant.evenClaims++;
    claimant.periodMs += (periodMs - claimant.periodMs) / 8;
  } else {
    claimant.evenClaims = 1;
    claimant.periodMs = periodMs;
    claimant.evenSinceNs = atNs;
  }
  if (gapMs < LEAST_GAP_MS / GAP_FACTOR || gapMs > MOST_LEARNED_MS) return;
  if (gapMs < 1.25 * claimant.candidateMs && gapMs > claimant.candidateMs / 1.25) {
    claimant.learnedMs = Math.max(claimant.learnedMs, gapMs);
  }
  claimant.candidateMs = gapMs;
}

/** When it gave the HAVIP up by VRRP and did not take that back, by an advert or by claiming anew; else NEVER. */
export function resignedNs(claimant: Claimant): number {
  const { speaker } = claimant;
  if (speaker === null || !hasResigned(speaker)) return NEVER;
  return claimant.startNs > speaker.resignedNs ? NEVER : speaker.resignedNs;
}

/**
 * When it counts as silent if nothing more is heard, or Infinity: absence says something only of a sender that kept a pace.
 * Adverts that ended long ago say nothing of one who went on claiming after that.
 */
export function silentFromNs(claimant: Claimant): number {
  return Math.min(mutedFromNs(claimant), quietFromNs(claimant));
}

/** When its adverts are missed. */
function mutedFromNs({ speaker, lastNs }: Claimant): number {
  if (speaker === null || hasResigned(speaker)) return Number.POSITIVE_INFINITY;
  const atNs = speaker.lastNs + silenceMs(speaker) * NS_PER_MS;
  return lastNs > atNs ? Number.POSITIVE_INFINITY : atNs;
}

/** When its even announcing is missed and no advert stood in for it. */
function quietFromNs(claimant: Claimant): number {
  const { speaker, periodMs } = claimant;
  if (!isSustained(claimant)) return Number.POSITIVE_INFINITY;
  const quietNs = lastSignNs(claimant) + Math.max(3.5 * periodMs, LEAST_SILENCE_MS) * NS_PER_MS;
  // keepalived announces with each advert of a lesser master that it hears; when that one stops, its own adverts are what is left.
  if (speaker === null || hasResigned(speaker)) return quietNs;
  return Math.max(quietNs, speaker.lastNs + GAP_FACTOR * speaker.facts.intervalMs * NS_PER_MS);
}

/** An advert came: one who still advertises but no longer announces evenly is measured by its adverts from now on. */
export function noteAdvert(claimant: Claimant, speaker: Speaker, atNs: number): void {
  if (isSustained(claimant) && atNs - claimant.lastNs > Math.max(3.5 * claimant.periodMs, LEAST_SILENCE_MS) * NS_PER_MS) {
    claimant.evenClaims = 0;
  }
  claimant.speaker = speaker;
}
