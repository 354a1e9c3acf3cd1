/**
 * Two that have the address at the same time: two VRRP masters, or two that announce by turns without VRRP. Told by what they do at the
 * same time without either of them stepping down, not by how often the HAVIP moves: our own rules keep it from moving. Main thread, pure.
 */
import { isLivingMaster, type Claimant } from './claimant.ts';
import { hasResigned, isMaster, type Speaker } from './evidence.ts';
import { NEVER, NS_PER_MS, type Limits } from './limits.ts';
import type { Links } from './links.ts';
import { contestOf, type Contest, type HavipRecord } from './record.ts';

const TURNS = 3;
/**
 * Two turns may be this many intervals apart: each advert that keepalived refuses restarts its own timer, so two masters with different
 * passwords advertise in blocks of 3 to 5 s by turns (docs/protocol-facts.md, 27). Three intervals missed all of that.
 */
const BLOCK_INTERVALS = 6;
/** An advert so shortly after a rival's was under way already. */
const CROSSING_NS = 50 * NS_PER_MS;
/** Announcers by turns: so many switches make two whole rounds of each. */
const SWITCHES = 4;
/** A burst of five, a second apart, that a take-over cut in two is over by then. */
const BURST_NS = 5000 * NS_PER_MS;
const LONGEST_SWITCH_NS = 30_000 * NS_PER_MS;

/** Notes whose advert came last; two living masters take turns, a fail-over changes the turn once. */
export function noteTurn(record: HavipRecord, claimant: Claimant, links: Links, limits: Limits, atNs: number): void {
  const before = record.advertiser;
  record.advertiser = claimant;
  if (before === null || before === claimant) return;
  if (!isLivingMaster(before, links, atNs)) {
    if (record.contest !== null) record.contest.turns.length = 0;
    return;
  }
  const { turns } = contestOf(record, limits);
  turns.push(atNs);
  if (turns.length > TURNS) turns.shift();
}

/** Do two masters advertise at once? Their masterships overlap, or they took turns three times without a resignation. */
export function hasTwoMasters(record: HavipRecord, atNs: number): boolean {
  return record.claimants.length > 1 && (takeTurns(record, atNs) || overlapping(record, atNs) !== null);
}

function takeTurns({ contest, claimants }: HavipRecord, atNs: number): boolean {
  const turns = contest?.turns;
  if (turns === undefined || turns.length < TURNS) return false;
  const longestMs = claimants.reduce((most, claimant) => Math.max(most, claimant.speaker?.facts.intervalMs ?? 0), 0);
  const windowNs = (BLOCK_INTERVALS * longestMs + 1000) * NS_PER_MS;
  const [first = NEVER, , last = NEVER] = turns;
  // Backups that became masters at once settle it within milliseconds; who does not hear the other speaks again an interval later.
  const shortestMs = claimants.reduce((least, { speaker }) => Math.min(least, speaker?.facts.intervalMs ?? least), longestMs);
  if (last - first < (shortestMs / 2) * NS_PER_MS) return false;
  return atNs - last <= windowNs && last - first <= 2 * windowNs;
}

/** Two masterships that go on side by side for longer than one that steps down needs to notice. */
function overlapping({ claimants }: HavipRecord, atNs: number): readonly [Speaker, Speaker] | null {
  for (const [i, { speaker: a }] of claimants.entries()) {
    if (a === null || !isMaster(a, atNs)) continue;
    for (let k = i + 1; k < claimants.length; k++) {
      const b = claimants[k]?.speaker ?? null;
      if (b === null || a === b || !isMaster(b, atNs)) continue;
      const intervalNs = Math.max(a.facts.intervalMs, b.facts.intervalMs) * NS_PER_MS;
      if (Math.min(a.lastNs, b.lastNs) - Math.max(a.startNs, b.startNs) > 1.5 * intervalNs + CROSSING_NS) return [a, b];
    }
  }
  return null;
}

/** What two masters say, and what differs of it, since that may be why they do not hear each other; a password is compared, never told. */
export function mastersText(record: HavipRecord, atNs: number): string | null {
  if (!hasTwoMasters(record, atNs)) return null;
  const speakers = record.claimants.flatMap(({ speaker }) => (speaker === null || hasResigned(speaker) ? [] : [speaker]));
  const [a, b] = speakers.toSorted((one, other) => other.lastNs - one.lastNs);
  if (a === undefined || b === undefined) return null;
  const differ = differences(a, b);
  const why =
    differ.length === 0
      ? 'all that their adverts say is alike: check unicast_peer and security groups'
      : `their adverts differ: ${differ.join('; ')}`;
  return `${a.instance} and ${b.instance} advertise as master at once; they do not hear each other; ${why}`;
}

function differences(a: Speaker, b: Speaker): string[] {
  const differ: string[] = [];
  const compare = (what: string, one: string | number, other: string | number): void => {
    if (one !== other) differ.push(`${what} (${a.instance}: ${one}, ${b.instance}: ${other})`);
  };
  compare('VRRP version', a.facts.version, b.facts.version);
  compare('virtual_router_id', a.facts.vrid, b.facts.vrid);
  compare('authentication', a.facts.auth, b.facts.auth);
  if (a.facts.auth === 'pass' && b.facts.auth === 'pass' && a.passwordMark !== b.passwordMark) differ.push('password');
  compare('advert_int', `${a.facts.intervalMs} ms`, `${b.facts.intervalMs} ms`);
  if (a.listMark !== b.listMark) differ.push('addresses that they list');
  compare('sent', a.facts.unicast ? 'unicast' : 'multicast', b.facts.unicast ? 'unicast' : 'multicast');
  return differ;
}

/**
 * Notes who announced last. `honest`: it takes over from a holder in trouble, so this is no turn.
 * Hot while somebody disputes a HAVIP: no allocation for the one that spoke last.
 */
export function noteAnnouncer(contest: Contest, claimant: Claimant, honest: boolean, atNs: number): void {
  const { switches, announcer } = contest;
  if (announcer === claimant) return;
  contest.announcer = claimant;
  const gapNs = atNs - (switches.at(-1) ?? NEVER);
  if (honest || announcer === null || gapNs > LONGEST_SWITCH_NS) {
    switches.length = 0;
    contest.switchingNs = atNs;
  }
  contest.announcerBefore = announcer;
  switches.push(atNs);
  if (switches.length > SWITCHES) switches.shift();
}

/** Do two announce by turns, for longer than a burst lasts, and neither has been silent for two of its rounds? */
export function hasTwoAnnouncers({ contest }: HavipRecord, atNs: number): boolean {
  if (contest === null || contest.switches.length < SWITCHES) return false;
  const last = contest.switches[SWITCHES - 1] ?? NEVER;
  return last - contest.switchingNs >= BURST_NS && atNs - last <= 2 * roundNs(contest);
}

/** Of the slower of the two. */
function roundNs({ switches }: Contest): number {
  const [first = 0, second = 0, third = 0, fourth = 0] = switches;
  return Math.max(third - first, fourth - second);
}

export function announcersText(record: HavipRecord, address: string, atNs: number): string | null {
  const { contest, holder } = record;
  if (contest === null || !hasTwoAnnouncers(record, atNs)) return null;
  const pair = [contest.announcer, contest.announcerBefore];
  const other = pair.find((one) => one !== null && one !== holder) ?? null;
  if (other === null || holder === null) return null;
  const seconds = Math.round(roundNs(contest) / 1e8) / 10;
  return `${other.instance} still announces ${address}, each ${seconds} s, though ${holder.instance} holds it: both have the address`;
}
