/**
 * The one way through the ledger, whatever happened:
 *
 *     note ─────────▶ rule ────────▶ act ────────▶ schedule, once
 *     facts, intake   contest, due   changes,      when to look at this record again
 *     adoption                       measures
 *
 * Each entry point (facts.ts) notes its fact and says what it calls for; consider() is the loop: it rules, acts and schedules, and nothing
 * else does. What notes and what rules answers, and calls nothing of this file; what acts only acts. (It was a circle before: each act
 * called the next one and scheduled by itself, and a claim came back to a file that it had left 36 times.) Main thread.
 */
import { assist, assistRest, restAtNs } from './assist.ts';
import type { Book, Sign } from './book.ts';
import { finishFailover, heed, inherit, letGo, moveTo, reseat, takeBack, unbind, withdraw as withdrawShared } from './changes.ts';
import { silentFromNs, type Claimant } from './claimant.ts';
import { rule, troubleNs, type Ruling } from './contest.ts';
import { assistAtNs, heirOf, lookAgainNs, ruleWaited, waitedOut } from './due.ts';
import { NEVER, NS_PER_MS } from './limits.ts';
import { ask, askMachine, defer, settle, tellAnswered, tellMute } from './measures.ts';
import { pulseDue } from './pulse.ts';
import type { HavipRecord } from './record.ts';
import type { Succession } from './reload.ts';
import type { StoredBinding } from './stored.ts';
import { withdrawalDue } from './withdrawal.ts';

const LEAST_WAIT_NS = NS_PER_MS;

/** A decision that is taken elsewhere: by the store, an operator, a reload, or once more. */
type Decision =
  | { readonly to: 'move'; readonly claimant: Claimant }
  | { readonly to: 'heed'; readonly claimant: Claimant; readonly stored: StoredBinding }
  | { readonly to: 'inherit'; readonly succession: Succession }
  /** Nobody is to hold it; `withdraw`: and other hosts are told. */
  | { readonly to: 'unbind' | 'withdraw'; readonly why: string };

/**
 * What a fact calls for once it is noted: a ruling on its claimant, a decision of somebody else, that a holder in trouble loses the HAVIP to
 * its `heir`, that what is `due` is done; `look`: nothing but another look at the time that is right now.
 */
export type Call = Ruling | Decision | 'heir' | 'due' | 'look';

/** The one loop: every fact ends here. */
export function consider(book: Book, record: HavipRecord, claimant: Claimant | null, call: Call, sign: Sign): void {
  if (typeof call === 'object') obey(book, record, call, sign);
  else if (call === 'due') doDue(book, record, sign);
  else if (call === 'heir') succeed(book, record, sign);
  else if (call !== 'look' && claimant !== null) act(book, record, claimant, call, sign);
  if (typeof call !== 'object' && call !== 'look') point(book, record, sign);
  if (book.isBehind) book.afterwards(() => schedule(book, record, sign));
  else schedule(book, record, sign);
}

function act(book: Book, record: HavipRecord, claimant: Claimant, ruling: Ruling, sign: Sign): void {
  // What was heard of others while the store was away may have waited until now: it is the store's to say again.
  if (book.store === 'synced' && claimant.elsewhere !== null) return;
  switch (ruling) {
    case 'move':
      return moveTo(book, record, claimant, sign);
    case 'reseat':
      return reseat(book, record, claimant, sign);
    case 'defer':
      return defer(book, record, claimant, sign);
    case 'keep':
  }
}

function obey(book: Book, record: HavipRecord, order: Decision, sign: Sign): void {
  switch (order.to) {
    case 'move':
      return moveTo(book, record, order.claimant, sign);
    case 'heed':
      return heed(book, record, order.claimant, order.stored, sign);
    case 'inherit':
      return inherit(book, record, order.succession, sign);
    case 'unbind':
      return unbind(book, record, sign, order.why);
    case 'withdraw':
      return withdrawShared(book, record, sign, order.why);
  }
}

/** All that time can have brought, in this order. */
function doDue(book: Book, record: HavipRecord, sign: Sign): void {
  const { atNs } = sign;
  if (record.open !== null && atNs >= record.open.untilNs) finishFailover(book, record);
  const waited = waitedOut(record, book.limits, atNs);
  if (waited !== null) act(book, record, waited, ruleWaited(record, waited, book.links, atNs), sign);
  book.catchUp();
  succeed(book, record, sign);
  book.catchUp();
  if (atNs >= assistAtNs(record, book.links, book.limits)) assist(book, record, 'link-down', sign);
  if (atNs >= restAtNs(record)) assistRest(book, record, sign);
  feelPulse(book, record, sign);
  withdraw(book, record, sign);
  settle(book, record, sign);
}

/** Where others may be beyond an uplink, the switch points at a holder only while nothing is wrong with it. */
function point(book: Book, record: HavipRecord, sign: Sign): void {
  if (record.holder === null || !(record.letGo || book.isUplinked(record.havip.vpc))) return;
  const isWrong = troubleNs(record, book.links, sign.atNs) !== NEVER && book.goesBeyond(record.havip);
  if (isWrong && !record.letGo) letGo(book, record, sign);
  else if (!isWrong && record.letGo) takeBack(book, record, sign);
}

/** A holder in trouble loses the HAVIP to its heir. */
function succeed(book: Book, record: HavipRecord, sign: Sign): void {
  const heir = heirOf(record, book.links, sign.atNs);
  if (heir !== null) act(book, record, heir, rule(record, heir, false, false, book.links, sign.atNs), sign);
}

/** Asks a machine whose adverts are overdue whether it lives, or resigns for one that does not. */
function feelPulse(book: Book, record: HavipRecord, sign: Sign): void {
  switch (pulseDue(book, record, sign.atNs)) {
    case 'ask':
      return askMachine(book, record);
    case 'hung':
      return assist(book, record, 'hung', sign);
    case null:
  }
}

function withdraw(book: Book, record: HavipRecord, sign: Sign): void {
  switch (withdrawalDue(record, book.links, book.limits, sign.atNs, book.store === 'none')) {
    case 'ask':
      return ask(book, record, sign);
    case 'answered':
      return tellAnswered(book, record, sign);
    case 'mute':
      return tellMute(book, record, sign);
    case 'answered-talking':
      return;
    case 'unanswered':
      return withdrawShared(book, record, sign, `it did not answer ${book.limits.verifyAsks} questions`);
    case 'link-lost':
      return withdrawShared(book, record, sign, 'its port is gone and nobody claimed it within the grace time');
    case 'resigned':
      return withdrawShared(book, record, sign, 'it resigned and nobody claimed it within the grace time');
    case null:
  }
}

/** The last step: is it contested, and when to look at this record again. After a move it waits for what the move entails. */
function schedule(book: Book, record: HavipRecord, sign: Sign): void {
  dispute(book, record, sign);
  const { atNs } = sign;
  const isWatched = !record.letGo && book.isUplinked(record.havip.vpc) && book.goesBeyond(record.havip);
  const nextNs = Math.min(
    lookAgainNs(book, record, atNs),
    isWatched && record.holder !== null ? silentFromNs(record.holder) : Infinity,
  );
  if (nextNs !== Infinity) book.deadlines.set(record, Math.max(nextNs, atNs + LEAST_WAIT_NS));
}

/** Raises or clears `contested`: beside time only who speaks begins a dispute or ends one. */
export function dispute(book: Book, record: HavipRecord, sign: Sign): void {
  const { claim } = sign;
  if (claim === null || (claim.kind !== 'advert' && (claim.kind !== 'announce' || record.contest === null))) return;
  settle(book, record, sign);
}
