/**
 * The one way through the ledger, whatever happened:
 *
 *     note ─────────▶ rule ────────▶ act ────────▶ schedule, once
 *     intake, links   contest, due   changes,      when to look at this record again
 *     adoption                       measures
 *
 * What notes and what rules answers, and calls nothing of this file; what acts only acts. (It was a circle before: each act called the
 * next one and scheduled by itself, and a claim came back to a file that it had left 36 times.) Main thread.
 */
import type { Binding } from '../base/binding.ts';
import type { Network, Port, Uplink } from '../base/network.ts';
import type { Claim, LinkChange } from '../lane/claim.ts';
import { noteAdoption, Reload, type Succession } from './adoption.ts';
import { assist, assistRest, restAtNs } from './assist.ts';
import type { Book, Sign } from './book.ts';
import { finishFailover, heed, inherit, letGo, moveTo, reseat, takeBack, unbind, withdraw as withdrawShared } from './changes.ts';
import { silentFromNs, type Claimant } from './claimant.ts';
import { rule, ruleSeat, troubleNs, type Ruling } from './contest.ts';
import { assistAtNs, heirOf, lookAgainNs, ruleWaited, waitedOut } from './due.ts';
import { noteProgrammed, noteReachable } from './failover.ts';
import { movedAlong, note, noteLink, noteResignation, noteUnlisted, seatOn } from './intake.ts';
import { NEVER, NS_PER_MS } from './limits.ts';
import { ask, askMachine, defer, settle, tellAnswered, tellMute } from './measures.ts';
import { pulseDue } from './pulse.ts';
import { isSeatedElsewhere, type HavipRecord } from './record.ts';
import { noteStored, unopposed, type Stored } from './stored.ts';
import { claimantBeyond, goneAlong } from './uplink.ts';
import { withdrawalDue } from './withdrawal.ts';

const LEAST_WAIT_NS = NS_PER_MS;

/** An announcement, an advert or a resignation. Hot: a holder's refresh is noted, and that is all. */
export function hear(book: Book, record: HavipRecord, claimant: Claimant, claim: Claim, sign: Sign): void {
  const heard = note(book, record, claimant, claim, sign);
  if (heard === 'resigned') succeed(book, record, sign);
  else if (heard !== 'goes-on') act(book, record, claimant, heard, sign);
  if (claim.kind === 'advert' || (claim.kind === 'announce' && record.contest !== null)) {
    book.catchUp();
    settle(book, record, sign);
  }
  if (heard === 'goes-on' && !record.letGo) return;
  point(book, record, sign);
  schedule(book, record, sign.atNs);
}

/** The same from beyond an uplink; false: it is not believed. While a store answers it is evidence alone: who holds it, the store says. */
export function hearBeyond(book: Book, record: HavipRecord, uplink: Uplink, claim: Claim, sign: Sign): boolean {
  const claimant = claimantBeyond(book, record, uplink, claim);
  if (claimant === null) return false;
  if (isClaim(book, uplink)) hear(book, record, claimant, claim, sign);
  else if (claim.kind !== 'announce') {
    note(book, record, claimant, claim, sign);
    point(book, record, sign);
    schedule(book, record, sign.atNs);
  }
  return true;
}

/** Is what is announced there a claim? While a store answers it has the say, and where hosts without a guard share the network, always. */
function isClaim({ store }: Book, { awayClaims }: Uplink): boolean {
  return store === 'none' || (store === 'away' && awayClaims);
}

/** RARP by an uplink: a guest of this host runs on another one now. While a store answers, that is the other host's to say. */
export function relocateBeyond(book: Book, uplink: Uplink, claim: Claim, sign: Sign): void {
  if (!isClaim(book, uplink)) return;
  for (const [record, holder] of goneAlong(book, uplink, claim)) {
    act(book, record, holder, ruleSeat(record, holder, book.links, sign.atNs), sign);
    schedule(book, record, sign.atNs);
  }
}

/** An advert that lists no HAVIP: what its sender holds begins to be timed by it, or is given up with it. */
export function hearUnlisted(book: Book, port: Port, claim: Claim, sign: Sign): void {
  for (const [record, holder] of noteUnlisted(book, port, claim)) {
    if (claim.kind === 'resign' && noteResignation(book, record, holder, claim, sign) === 'resigned') succeed(book, record, sign);
    book.catchUp();
    point(book, record, sign);
    schedule(book, record, sign.atNs);
  }
}

/** RARP: an instance's NIC is behind this port now, and so are the HAVIPs that it holds. */
export function relocate(book: Book, port: Port, claim: Claim, sign: Sign): void {
  book.noteAnnounced(port.index, sign.atNs);
  for (const [record, holder] of movedAlong(book, port, claim)) {
    act(book, record, holder, ruleSeat(record, holder, book.links, sign.atNs), sign);
    schedule(book, record, sign.atNs);
  }
}

export function followLink(book: Book, change: LinkChange, sign: Sign): void {
  const held = noteLink(book, change, sign.wallMs);
  const fellow = book.fellowUp(change.port);
  for (const record of held) {
    const { holder } = record;
    if (fellow !== null && holder !== null) {
      seatOn(book, record, holder, fellow);
      act(book, record, holder, ruleSeat(record, holder, book.links, sign.atNs), sign);
      schedule(book, record, sign.atNs);
      continue;
    }
    succeed(book, record, sign);
    point(book, record, sign);
    const assistNs = assistAtNs(record, book.links, book.limits);
    if (assistNs !== Infinity) book.guardedUntilNs = Math.max(book.guardedUntilNs, assistNs);
    book.catchUp(); // what is told of one HAVIP comes before what is told of the next
    schedule(book, record, sign.atNs);
  }
}

/** Time passed. */
export function check(book: Book, record: HavipRecord, atNs: number, wallMs: number): void {
  const sign: Sign = { atNs, takenNs: atNs, wallMs, claim: null };
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
  point(book, record, sign);
  settle(book, record, sign);
  schedule(book, record, atNs);
}

/** The switch has the binding that this failover led to. */
export function acknowledge(book: Book, record: HavipRecord, epoch: number, atNs: number): void {
  const { open } = record;
  if (open === null || epoch < open.failover.epoch || open.untilNs < Infinity) return;
  noteProgrammed(open, atNs, atNs + book.limits.reachableMs * NS_PER_MS);
  if (record.havip.probe) schedule(book, record, atNs);
  else finishFailover(book, record);
}

/** The HAVIP answered a probe; the last thing that a failover waits for. */
export function reach(book: Book, record: HavipRecord, atNs: number): void {
  if (record.open === null || record.open.untilNs === Infinity) return;
  noteReachable(record.open, atNs);
  finishFailover(book, record);
}

/** A binding that was found in the switch: no effect, it has this already. */
export function adopt(book: Book, record: HavipRecord, binding: Binding, sign: Sign, doubted: boolean): boolean {
  if (!noteAdoption(book, record, binding, sign)) return false;
  record.found = doubted ? 'doubted' : 'trusted';
  schedule(book, record, sign.atNs);
  return true;
}

/** The store says who holds it, or that nobody does. False: it says that one does here who is not here any more. */
export function agree(book: Book, record: HavipRecord, stored: Stored | null, sign: Sign): boolean {
  const claimant = stored === null ? null : noteStored(book, record, stored, sign);
  if (stored === null || claimant === null) {
    unbind(book, record, sign, stored === null ? 'the store says that nobody holds it' : `it has no port here any more`);
  } else if (record.holder !== claimant || isSeatedElsewhere(record, claimant)) heed(book, record, claimant, stored, sign);
  else noteRevision(record, stored.revision);
  schedule(book, record, sign.atNs);
  return stored === null || claimant !== null;
}

/** The store has the binding that was decided here, or has had it: its revision is the epoch. No matter of the switch's. */
export function noteRevision(record: HavipRecord, revision: number, spreadMs: number | null = null): void {
  const { lastFailover, holder } = record;
  if (spreadMs !== null && lastFailover !== null && lastFailover.to === holder?.instance)
    lastFailover.phasesMs.spread ??= spreadMs;
  record.epoch = revision;
  if (record.binding !== null && record.holder !== null) record.binding = { ...record.binding, epoch: revision };
}

/** A claim that lost to one elsewhere is ruled once more, as if that one were silent. */
export function ruleAgain(book: Book, record: HavipRecord, instance: string, sinceNs: number, sign: Sign): void {
  const claimant = unopposed(book, record, instance, sinceNs, sign.atNs);
  if (claimant === null) return;
  moveTo(book, record, claimant, sign);
  schedule(book, record, sign.atNs);
}

/**
 * An operator's unbinding. What was announced before it moves nothing any more: neither the adverts that a master goes on sending, nor that its
 * kernel answers for the address.
 */
export function takeOut(book: Book, record: HavipRecord, why: string, sign: Sign): string | null {
  const { holder, claimants, contest } = record;
  // Where there is a store, it is the store that says so.
  unbind(book, record, sign, why);
  record.takenOut = true;
  for (const claimant of claimants) if (claimant.lastNs > NEVER) claimant.lastNs = claimant.announcedNs = NEVER;
  if (contest !== null) contest.pending = contest.repeated = null;
  schedule(book, record, sign.atNs);
  return holder?.instance ?? null;
}

/** A reload: HAVIPs that did not change keep their binding. */
export function replaceNetwork(
  book: Book,
  records: (HavipRecord | null)[],
  network: Network,
  sign: Sign,
  recordOf: (havip: number) => HavipRecord | null,
): void {
  const successions: Succession[] = [];
  const reload = new Reload(book.network, network, book.store === 'none');
  reload.forgetLinks(book.links);
  book.pulses.clear(); // another guest may sit there; the old one answers again
  for (const record of reload.concerned(records)) {
    const { index } = record.havip;
    const fate = reload.note(record);
    if (fate === 'released' || fate === 'cut-off') successions.push(...reload.successions(record));
    if (fate === 'released') {
      unbind(book, record, sign, 'the HAVIP was released');
      book.forget(record);
      records[index] = null;
    } else if (fate !== 'same') {
      // Its port has another name, and nothing else: the binding goes on.
      if (fate === 'cut-off' && successions.at(-1)?.record !== record)
        withdrawShared(book, record, sign, 'its port may no longer claim it');
      reload.forgetStrangers(record);
      schedule(book, record, sign.atNs);
    }
  }
  book.configure(network);
  reload.forgetSpeakers(book.evidence);
  for (const succession of successions) {
    const record = recordOf(succession.havip);
    if (record === null) continue;
    inherit(book, record, succession, sign);
    schedule(book, record, sign.atNs);
  }
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

/** The last step of every pass: when to look at this record again. After a move it waits for what the move entails. */
function schedule(book: Book, record: HavipRecord, atNs: number): void {
  if (book.isBehind) book.afterwards(() => lookAgain(book, record, atNs));
  else lookAgain(book, record, atNs);
}

function lookAgain(book: Book, record: HavipRecord, atNs: number): void {
  const isWatched = !record.letGo && book.isUplinked(record.havip.vpc) && book.goesBeyond(record.havip);
  const nextNs = Math.min(
    lookAgainNs(book, record, atNs),
    isWatched && record.holder !== null ? silentFromNs(record.holder) : Infinity,
  );
  if (nextNs !== Infinity) book.deadlines.set(record, Math.max(nextNs, atNs + LEAST_WAIT_NS));
}
