/**
 * What can happen to the ledger: each function notes its fact and says what it calls for, and consider.ts does that. Main thread.
 */
import type { Binding } from '../base/binding.ts';
import type { Network, Port, Uplink } from '../base/network.ts';
import type { Claim, LinkChange } from '../lane/claim.ts';
import { noteAdoption } from './adoption.ts';
import type { Book, Sign } from './book.ts';
import { finishFailover } from './changes.ts';
import type { Claimant } from './claimant.ts';
import { consider, dispute, type Call } from './consider.ts';
import { ruleSeat } from './contest.ts';
import { assistAtNs } from './due.ts';
import { noteProgrammed, noteReachable } from './failover.ts';
import { type Heard, movedAlong, note, noteLink, noteResignation, noteUnlisted, seatOn } from './intake.ts';
import { NEVER, NS_PER_MS } from './limits.ts';
import { isSeatedElsewhere, type HavipRecord } from './record.ts';
import { Reload, type Succession } from './reload.ts';
import { noteStored, unopposed, type StoredBinding } from './stored.ts';
import { claimantBeyond, goneAlong } from './uplink.ts';

/** An announcement, an advert or a resignation. Hot: a holder's refresh is noted, and that is all. */
export function hear(book: Book, record: HavipRecord, claimant: Claimant, claim: Claim, sign: Sign): void {
  const heard = note(book, record, claimant, claim, sign);
  if (heard !== 'goes-on' || record.letGo) return consider(book, record, claimant, callOf(heard), sign);
  dispute(book, record, sign);
}

function callOf(heard: Heard): Call {
  if (heard === 'resigned') return 'heir';
  return heard === 'goes-on' ? 'keep' : heard;
}

/** The same from beyond an uplink; false: it is not believed. While a store answers it is evidence alone: who holds it, the store says. */
export function hearBeyond(book: Book, record: HavipRecord, uplink: Uplink, claim: Claim, sign: Sign): boolean {
  const claimant = claimantBeyond(book, record, uplink, claim);
  if (claimant === null) return false;
  if (isClaim(book, uplink)) hear(book, record, claimant, claim, sign);
  else if (claim.kind !== 'announce') {
    note(book, record, claimant, claim, sign);
    consider(book, record, claimant, 'keep', sign);
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
  for (const [record, holder] of goneAlong(book, uplink, claim)) considerSeat(book, record, holder, sign);
}

/** An advert that lists no HAVIP: what its sender holds begins to be timed by it, or is given up with it. */
export function hearUnlisted(book: Book, port: Port, claim: Claim, sign: Sign): void {
  for (const [record, holder] of noteUnlisted(book, port, claim)) {
    const resigned = claim.kind === 'resign' && noteResignation(book, record, holder, claim, sign) === 'resigned';
    consider(book, record, holder, resigned ? 'heir' : 'keep', sign);
  }
}

/** RARP: an instance's NIC is behind this port now, and so are the HAVIPs that it holds. */
export function relocate(book: Book, port: Port, claim: Claim, sign: Sign): void {
  book.noteAnnounced(port.index, sign.atNs);
  for (const [record, holder] of movedAlong(book, port, claim)) considerSeat(book, record, holder, sign);
}

function considerSeat(book: Book, record: HavipRecord, holder: Claimant, sign: Sign): void {
  consider(book, record, holder, ruleSeat(record, holder, book.links, sign.atNs), sign);
}

export function followLink(book: Book, change: LinkChange, sign: Sign): void {
  const held = noteLink(book, change, sign.wallMs);
  const fellow = book.fellowUp(change.port);
  for (const record of held) {
    const { holder } = record;
    if (fellow !== null && holder !== null) {
      seatOn(book, record, holder, fellow);
      considerSeat(book, record, holder, sign);
      continue;
    }
    consider(book, record, holder, 'heir', sign);
    const assistNs = assistAtNs(record, book.links, book.limits);
    if (assistNs !== Infinity) book.guardedUntilNs = Math.max(book.guardedUntilNs, assistNs);
  }
}

/** Time passed. */
export function check(book: Book, record: HavipRecord, atNs: number, wallMs: number): void {
  consider(book, record, record.holder, 'due', { atNs, takenNs: atNs, wallMs, claim: null });
}

/** The switch has the binding that this failover led to. */
export function acknowledge(book: Book, record: HavipRecord, epoch: number, atNs: number): void {
  const { open } = record;
  if (open === null || epoch < open.failover.epoch || open.untilNs < Infinity) return;
  noteProgrammed(open, atNs, atNs + book.limits.reachableMs * NS_PER_MS);
  if (record.havip.probe !== false) consider(book, record, null, 'look', { atNs, takenNs: atNs, wallMs: 0, claim: null });
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
  consider(book, record, null, 'look', sign);
  return true;
}

/** The store says who holds it, or that nobody does. False: it says that one does here who is not here any more. */
export function agree(book: Book, record: HavipRecord, stored: StoredBinding | null, sign: Sign): boolean {
  const claimant = stored === null ? null : noteStored(book, record, stored, sign);
  consider(book, record, claimant, callOfStore(record, claimant, stored), sign);
  return stored === null || claimant !== null;
}

function callOfStore(record: HavipRecord, claimant: Claimant | null, stored: StoredBinding | null): Call {
  if (stored === null) return { to: 'unbind', why: 'the store says that nobody holds it' };
  if (claimant === null) return { to: 'unbind', why: 'it has no port here any more' };
  if (record.holder !== claimant || isSeatedElsewhere(record, claimant)) return { to: 'heed', claimant, stored };
  noteRevision(record, stored.revision);
  return 'look';
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
  if (claimant !== null) consider(book, record, claimant, { to: 'move', claimant }, sign);
}

/**
 * An operator's unbinding. What was announced before it moves nothing any more: neither the adverts that a master goes on sending, nor that its
 * kernel answers for the address.
 */
export function takeOut(book: Book, record: HavipRecord, why: string, sign: Sign): string | null {
  const { holder, claimants, contest } = record;
  for (const claimant of claimants) if (claimant.lastNs > NEVER) claimant.lastNs = claimant.announcedNs = NEVER;
  if (contest !== null) contest.pending = contest.repeated = null;
  record.takenOut = true;
  // Where there is a store, it is the store that says so.
  consider(book, record, holder, { to: 'unbind', why }, sign);
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
    // Its port has another name, and nothing else: the binding goes on.
    const isOver = fate === 'cut-off' && successions.at(-1)?.record !== record;
    if (fate === 'released') {
      consider(book, record, null, { to: 'unbind', why: 'the HAVIP was released' }, sign);
      book.forget(record);
      records[index] = null;
    } else if (fate !== 'same') {
      if (!isOver) reload.forgetStrangers(record);
      consider(book, record, null, isOver ? { to: 'withdraw', why: 'its port may no longer claim it' } : 'look', sign);
      if (isOver) reload.forgetStrangers(record);
    }
  }
  book.configure(network);
  reload.forgetSpeakers(book.evidence);
  for (const succession of successions) {
    const record = recordOf(succession.havip);
    if (record !== null) consider(book, record, null, { to: 'inherit', succession }, sign);
  }
}
