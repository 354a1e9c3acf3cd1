/**
 * What was heard, noted: a claim, an advert, a resignation, a migrated guest's RARP, a link. Answers what it calls for; consider.ts
 * acts. Main thread, the ledger's hot path: a refresh costs 0.2 us and allocates next to nothing.
 */
import { UNKNOWN } from '../base/binding.ts';
import { formatMac } from '../base/mac.ts';
import { MAX_PORTS, type Port } from '../base/network.ts';
import { bondedWith, mayClaim } from '../base/rights.ts';
import type { Claim, LinkChange, VrrpFacts } from '../lane/claim.ts';
import type { Book, Sign } from './book.ts';
import { isStart, noteAdvert, noteClaim, silentFromNs, type Claimant } from './claimant.ts';
import { noteRepeated, rule, troubleNs, ruleSeat, type Ruling } from './contest.ts';
import { NEVER, NS_PER_MS } from './limits.ts';
import { noteAnnouncer, noteTurn } from './overlap.ts';
import { overdueNs } from './pulse.ts';
import { contestOf, isSeatedElsewhere, isUnheard, portOf, type HavipRecord } from './record.ts';
import { rename } from './uplink.ts';

/** `resigned`: the holder did. `goes-on`: nothing but one more sign of life; the next look comes soon enough for its silence. */
export type Heard = Ruling | 'resigned' | 'goes-on';

/** By priority. */
const ADVERT_NOTES = Array.from({ length: 256 }, (_, priority) => `advert, priority ${priority}`);

/** keepalived before 2.0 announced first and advertised some ms later: such a claim still begins with that advert. */
const ANNOUNCED_FIRST_NS = 1000 * NS_PER_MS;
/** A resignation is told once in this time: a guest that plays with priority 0 does not fill the log. */
const TOLD_NS = 1000 * NS_PER_MS;

export function note(book: Book, record: HavipRecord, claimant: Claimant, claim: Claim, sign: Sign): Heard {
  if (claim.kind === 'announce') return noteAnnouncement(book, record, claimant, claim, sign);
  return claim.vrrp === null ? 'goes-on' : noteVrrp(book, record, claimant, claim, claim.vrrp, sign);
}

function noteAnnouncement(book: Book, record: HavipRecord, claimant: Claimant, claim: Claim, sign: Sign): Heard {
  const { links, claims, recorder } = book;
  claimant.speaker ??= book.evidence.soleSpeaker(record.havip.vpc, claimant.instance);
  const start = isStart(claimant, links, claim.capturedNs);
  const gratuitous = isGratuitous(claim.frame);
  noteClaim(claimant, claim, start, gratuitous);
  if (claimant === record.holder) return noteRefresh(book, record, claimant, claim, sign, start, gratuitous);
  // That the address is still answered for is no announcement.
  const isSaid = gratuitous || !record.takenOut;
  const ruling = isSaid ? rule(record, claimant, start, !gratuitous, links, claim.capturedNs) : 'keep';
  if (gratuitous && record.holder !== null) {
    const honest = troubleNs(record, links, claim.capturedNs) !== NEVER;
    noteAnnouncer(contestOf(record, book.limits), claimant, honest, claim.capturedNs);
  }
  if (ruling === 'move') {
    claims.takeover++;
    return ruling;
  }
  claims.deferred++;
  if (!start && gratuitous) noteRepeated(record, claimant, book.limits, claim.capturedNs);
  recorder.routine(
    record.havip.index,
    claim,
    sign.wallMs,
    `not moved: ${record.holder?.instance ?? 'nobody, until it is announced,'} holds it`,
  );
  return ruling;
}

/** A holder that goes on holding, or whose own place has changed. */
function noteRefresh(
  book: Book,
  record: HavipRecord,
  claimant: Claimant,
  claim: Claim,
  sign: Sign,
  start: boolean,
  gratuitous: boolean,
): Heard {
  const { contest } = record;
  book.claims.refresh++;
  if (contest !== null) {
    contest.repeated = null;
    if (gratuitous) noteAnnouncer(contest, claimant, false, claim.capturedNs);
    if (start && contest.pending !== claimant) contest.pending = null;
  }
  if (isSeatedElsewhere(record, claimant)) return ruleSeat(record, claimant, book.links, claim.capturedNs);
  book.recorder.routine(record.havip.index, claim, sign.wallMs, 'refresh');
  const isWatched = record.havip.verify || book.isUplinked(record.havip.vpc);
  return isWatched && silentFromNs(claimant) < record.deadlineNs ? 'keep' : 'goes-on';
}

function noteVrrp(book: Book, record: HavipRecord, claimant: Claimant, claim: Claim, facts: VrrpFacts, sign: Sign): Heard {
  const { links, evidence, limits, recorder, claims } = book;
  const { havip, holder } = record;
  const keepRaw = havip.assist !== null && claim.port < MAX_PORTS;
  const speaker = evidence.note(claim, facts, havip.vpc, claimant.instance, links.lostNs(claim.port), keepRaw);
  noteAdvert(claimant, speaker, claim.capturedNs);
  if (claim.kind === 'resign') return noteResignation(book, record, claimant, claim, sign);
  noteTurn(record, claimant, links, limits, claim.capturedNs);
  recorder.routine(havip.index, claim, sign.wallMs, ADVERT_NOTES[facts.priority] ?? '');
  if (claimant === holder && record.contest !== null) record.contest.repeated = null;
  if (claimant === holder) return noteHolderAdvert(book, record, claimant, claim);
  // The holder is from before a start and gave no sign since; who advertises is master.
  if (isUnheard(record)) {
    claims.takeover++;
    return 'move';
  }
  if (record.takenOut || claimant.lastNs <= speaker.startNs - ANNOUNCED_FIRST_NS) return 'keep';
  return rule(record, claimant, speaker.startNs === claim.capturedNs, false, links, claim.capturedNs);
}

function noteHolderAdvert(book: Book, record: HavipRecord, holder: Claimant, claim: Claim): Heard {
  const isHere = claim.port < MAX_PORTS;
  // A bond speaks from another of its ports now.
  if (isHere && book.isBond(portOf(record), claim.port)) {
    holder.port = claim.port;
    return ruleSeat(record, holder, book.links, claim.capturedNs);
  }
  if (isHere === portOf(record) >= 0) {
    const lookNs = Math.min(silentFromNs(holder), overdueNs(record, holder));
    return lookNs < record.deadlineNs ? 'keep' : 'goes-on';
  }
  // It came from another host, or went there, and may not announce anything for a while.
  if (isHere) [holder.port, holder.elsewhere] = [claim.port, null];
  return ruleSeat(record, holder, book.links, claim.capturedNs);
}

/**
 * An advert or a resignation that lists no HAVIP (`virtual_ipaddress_excluded`): evidence of its instance, and so of what it holds.
 * Answers the HAVIPs for which it changes something, and their holders.
 */
export function noteUnlisted(book: Book, port: Port, claim: Claim): (readonly [HavipRecord, Claimant])[] {
  const { links, evidence } = book;
  if (claim.vrrp === null) return [];
  const speaker = evidence.note(claim, claim.vrrp, port.vpc, port.instance, links.lostNs(claim.port), false);
  if (claim.kind === 'advert' && speaker.startNs !== claim.capturedNs) return [];
  const isSole = evidence.soleSpeaker(port.vpc, port.instance) === speaker;
  const ports = [port, ...bondedWith(book.network, port)];
  return ports
    .flatMap(({ index }) => book.heldBy(index))
    .flatMap((record) => {
      const { holder } = record;
      if (holder === null || (holder.speaker !== speaker && !(isSole && holder.speaker === null))) return [];
      noteAdvert(holder, speaker, claim.capturedNs);
      return [[record, holder] as const];
    });
}

/** VRRP priority 0. The binding stays until somebody claims or the grace time ends. */
export function noteResignation(book: Book, record: HavipRecord, claimant: Claimant, claim: Claim, sign: Sign): Heard {
  book.claims.resign++;
  const { contest, havip } = record;
  if (contest !== null && contest.pending === claimant) contest.pending = null;
  const text = `${claimant.instance} resigned`;
  if (claimant !== record.holder) {
    book.recorder.routine(havip.index, claim, sign.wallMs, text);
    return 'goes-on';
  }
  if (sign.atNs - claimant.resignToldNs >= TOLD_NS) {
    claimant.resignToldNs = sign.atNs;
    book.recorder.notable(havip.index, claim, sign.atNs, portOf(record), sign.wallMs, text, false);
    book.event(record, 'release', sign.wallMs, `${text} and holds it until somebody claims it`, { from: claimant.instance });
  }
  return 'resigned';
}

/**
 * RARP: the HAVIPs that moved to this port with the instance's NIC, and their holders. Never those of another instance: a clone's
 * RARP moves nothing. With both ports alive and different NICs it says nothing of the other NIC's addresses.
 */
export function movedAlong(book: Book, port: Port, claim: Claim): (readonly [HavipRecord, Claimant])[] {
  const moved: (readonly [HavipRecord, Claimant])[] = [];
  for (const old of book.network.ports) {
    if (old === null || old.index === port.index || old.instance !== port.instance) continue;
    for (const record of book.heldBy(old.index)) {
      const { holder, binding } = record;
      const sameNic = old.mac === claim.mac || binding?.mac === claim.mac;
      if (holder === null || !mayClaim(port, record.havip) || !(sameNic || !book.links.isUp(old.index))) continue;
      if (binding?.mac === old.mac) holder.mac = claim.mac;
      holder.port = port.index;
      moved.push([record, holder]);
    }
  }
  // From another host, whose port may still stand: the NIC that speaks here is the one, by whatever name it was known there.
  if (claim.mac !== port.mac) return moved;
  const unnamed = [formatMac(claim.mac), UNKNOWN].flatMap((name) => book.heldElsewhere(name));
  for (const record of unnamed) if (mayClaim(port, record.havip)) rename(book, record, port.instance, claim.mac);
  for (const record of book.heldElsewhere(port.instance)) {
    const { holder } = record;
    if (holder === null || !mayClaim(port, record.havip)) continue;
    holder.port = port.index;
    holder.elsewhere = null;
    moved.push([record, holder]);
  }
  return moved;
}

/** The holder's bond goes over to another of its ports: with its MAC, where each port of the bond has one of its own. */
export function seatOn(book: Book, { binding }: HavipRecord, holder: Claimant, port: Port): void {
  if (binding !== null && binding.mac === book.port(binding.port ?? -1)?.mac) holder.mac = port.mac;
  holder.port = port.index;
}

/** A port's link changed: the HAVIPs that are held there. */
export function noteLink(book: Book, change: LinkChange, wallMs: number): HavipRecord[] {
  book.links.note(change);
  if (change.port >= MAX_PORTS) return [];
  book.recorder.link(change, wallMs);
  const held = book.heldBy(change.port);
  const text = `link of ${book.port(change.port)?.interface ?? '?'}: ${change.state}`;
  for (const { havip } of held) book.recorder.notable(havip.index, null, change.atNs, change.port, wallMs, text, false);
  return held;
}

/** IPv4 source of a refused advert: what could be read of it, else where the verdict says that it stands. */
export function advertSource({ vrrp, frame }: Claim): number | null {
  if (vrrp !== null) return vrrp.source;
  return frame.length < 34 ? null : new DataView(frame.buffer, frame.byteOffset).getUint32(26);
}

/** Sender and target address of an ARP are the same: an announcement, not an answer or a question. No frame to look at: the same. */
function isGratuitous(frame: Uint8Array): boolean {
  return frame[28] === frame[38] && frame[29] === frame[39] && frame[30] === frame[40] && frame[31] === frame[41];
}
