/**
 * What the ledger does by itself when time passes or a link goes: ends holds, hands a dead holder's HAVIP to a living rival,
 * resigns in its name, asks, withdraws. Main thread.
 */
import type { Book } from './book.ts';
import { silentFromNs, lastSignNs } from './claimant.ts';
import { defer, finishFailover, isSeatedElsewhere, moveTo, reseat, settle, unbind, type Sign } from './changes.ts';
import { bestRival, rule, stillEntitled, troubleNs } from './contest.ts';
import { NEVER, NS_PER_MS } from './limits.ts';
import type { HavipRecord } from './record.ts';
import { planResign, whyNoAssist } from './resign.ts';
import { withdrawalDue, withdrawalNextNs } from './withdrawal.ts';

const CONTEST_CHECK_NS = 1000 * NS_PER_MS;
const LEAST_WAIT_NS = NS_PER_MS;

/** Does what is due for this record. */
export function check(book: Book, record: HavipRecord, atNs: number, wallMs: number): void {
  const sign: Sign = { atNs, takenNs: atNs, wallMs, claim: null };
  if (record.open !== null && atNs >= record.open.untilNs) finishFailover(book, record);
  endHold(book, record, sign);
  replaceTroubled(book, record, sign);
  assist(book, record, sign);
  withdraw(book, record, sign);
  settle(book, record, atNs, wallMs);
  schedule(book, record, atNs);
}

/** Sets the time of the next look. */
export function schedule(book: Book, record: HavipRecord, atNs: number): void {
  const { contest, holder, open } = record;
  let nextNs = Math.min(open?.untilNs ?? Number.POSITIVE_INFINITY, withdrawalNextNs(record, book.links, book.limits));
  if (contest !== null && contest.pending !== null) nextNs = Math.min(nextNs, contest.holdUntilNs);
  if (contest !== null && contest.contestedNs !== NEVER) nextNs = Math.min(nextNs, atNs + CONTEST_CHECK_NS);
  nextNs = Math.min(nextNs, assistAtNs(book, record));
  if (holder !== null && record.claimants.length > 1 && bestRival(record, book.links, atNs) !== null) {
    nextNs = Math.min(nextNs, silentFromNs(holder));
  }
  if (nextNs !== Number.POSITIVE_INFINITY) book.deadlines.set(record, Math.max(nextNs, atNs + LEAST_WAIT_NS));
}

function endHold(book: Book, record: HavipRecord, sign: Sign): void {
  const { contest } = record;
  if (contest === null || contest.pending === null || sign.atNs < contest.holdUntilNs) return;
  const claimant = contest.pending;
  contest.pending = null;
  if (claimant === record.holder) {
    if (isSeatedElsewhere(record, claimant)) reseat(book, record, claimant, sign);
  } else if (stillEntitled(record, claimant, book.links, sign.atNs)) moveTo(book, record, claimant, sign);
}

/** A holder in trouble loses the HAVIP to one that went on claiming it all along. */
export function replaceTroubled(book: Book, record: HavipRecord, sign: Sign): void {
  if (record.holder === null || troubleNs(record, book.links, sign.atNs) === NEVER) return;
  const { pending } = record.contest ?? { pending: null };
  const waits = pending !== null && pending !== record.holder && stillEntitled(record, pending, book.links, sign.atNs);
  const rival = waits ? pending : bestRival(record, book.links, sign.atNs);
  if (rival === null) return;
  const ruling = rule(record, rival, false, false, book.links, sign.atNs);
  if (ruling === 'move') moveTo(book, record, rival, sign);
  else if (ruling === 'defer') defer(book, record, rival, sign);
}

/** When the guard time after the holder's loss is over, or Infinity. */
function assistAtNs(book: Book, record: HavipRecord): number {
  const { holder, havip } = record;
  const speaker = holder?.speaker ?? null;
  if (havip.assist === null || holder === null || speaker === null || speaker.assistedNs > speaker.lastNs)
    return Number.POSITIVE_INFINITY;
  const goneNs = book.links.goneNs(record.port, lastSignNs(holder));
  return goneNs === NEVER || speaker.port !== record.port
    ? Number.POSITIVE_INFINITY
    : goneNs + book.limits.assistGuardMs * NS_PER_MS;
}

function assist(book: Book, record: HavipRecord, { atNs, wallMs }: Sign): void {
  if (atNs < assistAtNs(book, record)) return;
  const speaker = record.holder?.speaker ?? null;
  if (speaker === null) return;
  const why = whyNoAssist(speaker);
  const plan = why === null ? planResign(book.network, record.havip, speaker, book.links, book.links.lostNs(record.port)) : [];
  speaker.assistedNs = atNs;
  const { index } = record.havip;
  for (const { frame, ports } of plan) book.effects.push({ kind: 'resign', havip: index, frame, ports });
  if (plan.length > 0) book.assists++;
  const ports = plan.flatMap((one) => one.ports).map((port) => book.port(port)?.interface ?? '?');
  const text =
    plan.length > 0
      ? `resigned in the name of ${speaker.instance}, into ${[...new Set(ports)].join(', ')}`
      : `did not resign for ${speaker.instance}: ${why ?? 'its last advert was not fresh, or no other member would hear it'}`;
  book.recorder.notable(index, null, atNs, record.port, wallMs, text, false);
  book.event(record, 'assist', wallMs, text, { from: speaker.instance });
}

function withdraw(book: Book, record: HavipRecord, sign: Sign): void {
  const due = withdrawalDue(record, book.links, book.limits, sign.atNs);
  const { havip, port, mac, holder } = record;
  switch (due) {
    case 'ask':
      book.effects.push({ kind: 'verify', havip: havip.index, port, mac, address: havip.address });
      if (record.watch?.asks === 1)
        book.event(record, 'verify', sign.wallMs, `asks ${holder?.instance ?? ''} whether it still has it`);
      return;
    case 'answered':
      book.event(record, 'verify', sign.wallMs, `${holder?.instance ?? ''} answered: it still has the address`);
      return;
    case 'unanswered':
      unbind(book, record, sign, `it did not answer ${book.limits.verifyAsks} questions`);
      return;
    case 'link-lost':
      unbind(book, record, sign, 'its port is gone and nobody claimed it within the grace time');
      return;
    case 'resigned':
      unbind(book, record, sign, 'it resigned and nobody claimed it within the grace time');
      return;
    case null:
  }
}
