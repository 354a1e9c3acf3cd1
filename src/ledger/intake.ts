/**
 * A claim or an advert, once its HAVIP and its claimant are known: noted, ruled upon, acted upon. Main thread, the ledger's hot path:
 * a refresh costs 0.2 us and allocates next to nothing.
 */
import type { Claim, VrrpFacts } from '../lane/claim.ts';
import type { Book } from './book.ts';
import { decideMove, defer, isSeatedElsewhere, mayReseat, moveTo, reseat, settle, type Sign } from './changes.ts';
import { isStart, noteAdvert, noteClaim, type Claimant } from './claimant.ts';
import { noteTurn, rule } from './contest.ts';
import { isGratuitous } from './frame.ts';
import { NS_PER_MS } from './limits.ts';
import type { HavipRecord } from './record.ts';
import { takeRelease } from './signals.ts';
import { schedule } from './due.ts';

/** By priority. */
const ADVERT_NOTES = Array.from({ length: 256 }, (_, priority) => `advert, priority ${priority}`);

/** keepalived before 2.0 announced first and advertised some ms later: such a claim still begins with that advert. */
const ANNOUNCED_FIRST_NS = 1000 * NS_PER_MS;

export function announce(book: Book, record: HavipRecord, claimant: Claimant, claim: Claim, sign: Sign): void {
  const { links, claims, recorder } = book;
  claimant.speaker ??= book.evidence.soleSpeaker(record.havip.vpc, claimant.instance);
  const start = isStart(claimant, links, claim.capturedNs);
  const gratuitous = isGratuitous(claim.frame);
  noteClaim(claimant, claim, start, gratuitous);
  if (claimant === record.holder) {
    refresh(book, record, claimant, claim, sign, start);
    return;
  }
  const ruling = rule(record, claimant, start, !gratuitous, links, claim.capturedNs);
  if (ruling === 'move') {
    claims.takeover++;
    decideMove(book, record, claimant, sign);
    book.afterwards(() => schedule(book, record, claim.capturedNs));
    return;
  }
  claims.deferred++;
  if (ruling === 'defer') defer(book, record, claimant, sign);
  recorder.routine(record.havip.index, claim, sign.wallMs, `not moved: ${record.holder?.instance ?? ''} holds it`);
  schedule(book, record, claim.capturedNs);
}

/** The hot path: a holder that goes on holding. */
function refresh(book: Book, record: HavipRecord, claimant: Claimant, claim: Claim, sign: Sign, start: boolean): void {
  const { contest } = record;
  book.claims.refresh++;
  if (start && contest !== null && contest.pending !== claimant) contest.pending = null;
  if (!isSeatedElsewhere(record, claimant)) {
    book.recorder.routine(record.havip.index, claim, sign.wallMs, 'refresh');
    if (record.havip.verify && record.place < 0) schedule(book, record, claim.capturedNs);
    return;
  }
  if (mayReseat(book, record, claimant, claim.capturedNs)) reseat(book, record, claimant, sign);
  else defer(book, record, claimant, sign);
  schedule(book, record, claim.capturedNs);
}

/** An advert or a resignation. */
export function hearVrrp(book: Book, record: HavipRecord, claimant: Claimant, claim: Claim, facts: VrrpFacts, sign: Sign): void {
  const { links, evidence, limits, recorder } = book;
  const { havip } = record;
  const keepRaw = havip.assist === 'resign';
  const speaker = evidence.note(claim, facts, havip.vpc, claimant.instance, links.lostNs(claim.port), keepRaw);
  noteAdvert(claimant, speaker, claim.capturedNs);
  if (claim.kind === 'release') return takeRelease(book, record, claimant, sign);
  noteTurn(record, claimant, links, limits, claim.capturedNs);
  recorder.routine(havip.index, claim, sign.wallMs, ADVERT_NOTES[facts.priority] ?? '');
  if (claimant !== record.holder && claimant.lastNs > speaker.startNs - ANNOUNCED_FIRST_NS) {
    const start = speaker.startNs === claim.capturedNs;
    const ruling = rule(record, claimant, start, false, links, claim.capturedNs);
    if (ruling === 'move') moveTo(book, record, claimant, sign);
    else if (ruling === 'defer') defer(book, record, claimant, sign);
  }
  if (record.contest !== null) settle(book, record, claim.capturedNs, sign.wallMs);
  if (claimant !== record.holder || record.place < 0) schedule(book, record, claim.capturedNs);
}
