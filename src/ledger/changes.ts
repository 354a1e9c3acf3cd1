/**
 * Every change of a binding, and what follows from it. The switch's effect is always first in the queue: people can wait.
 * Main thread.
 */
import { must } from '../base/assert.ts';
import { bindingElsewhere, bindingHere, type Binding } from '../base/binding.ts';
import { formatMac } from '../base/mac.ts';
import type { Succession } from './reload.ts';
import { adviceOf } from './advice.ts';
import type { Book, Sign } from './book.ts';
import { forgetPace, type Claimant } from './claimant.ts';
import { holderTroubleNs, noteMove, noteOvertaken } from './contest.ts';
import { causeOf, openFailover } from './failover.ts';
import type { FailoverCause, ProposeEffect } from './effects.ts';
import { silenceMs } from './evidence.ts';
import { NEVER, NS_PER_MS } from './limits.ts';
import type { Links } from './links.ts';
import { settle } from './measures.ts';
import { claimantOf, contestOf, isHeldElsewhere, portOf, type HavipRecord } from './record.ts';
import type { StoredBinding } from './stored.ts';

/** Where a HAVIP was until it moved. */
interface Before {
  readonly holder: Claimant | null;
  readonly former: Claimant | null;
  readonly port: number;
  readonly sinceNs: number;
}

/** The HAVIP goes to this claimant, at its present port and MAC: the switch's effect at once, the rest when the ledger catches up. */
export function moveTo(book: Book, record: HavipRecord, claimant: Claimant, sign: Sign): void {
  const { holder, former, sinceNs } = record;
  const port = portOf(record);
  forgetPace(claimant);
  const binding = bind(book, record, claimant, sign);
  book.afterwards(() => explainMove(book, record, claimant, binding, sign, { holder, former, port, sinceNs }));
}

function explainMove(book: Book, record: HavipRecord, claimant: Claimant, binding: Binding, sign: Sign, before: Before): void {
  const from = before.holder ?? before.former;
  if (from === null || from === claimant) {
    share(book, record, claimant, sign, { cause: null, from: null, sinceMs: sign.wallMs });
    return told(book, record, binding, sign, null);
  }
  const { links, limits } = book;
  const { port: fromPort, sinceNs } = before;
  const { atNs, takenNs, wallMs } = sign;
  const justified = before.holder === null || holderTroubleNs(before.holder, fromPort, links, atNs) !== NEVER;
  const cause = causeOf(from, fromPort, claimant, links, atNs);
  const contest = contestOf(record, limits);
  // Two that play resign to each other.
  const played = cause === 'resign' && contest.contestedNs !== NEVER;
  noteMove(contest, claimant.lostNs !== NEVER, justified && !played, limits, atNs);
  from.lostNs = atNs;
  noteOvertaken(record, links, limits, atNs);
  if (atNs - aliveNs(before, links, atNs) > limits.graceMs * NS_PER_MS) {
    book.boundAfterOutage++;
    share(book, record, claimant, sign, { cause: null, from: from.instance, sinceMs: wallMs });
    told(book, record, binding, sign, { from: from.instance, cause: null });
    return settle(book, record, sign);
  }
  const { epoch } = record;
  record.open = openFailover(
    {
      cause,
      holder: from,
      holderPort: fromPort,
      sinceNs,
      claimant,
      atNs,
      takenNs,
      wallMs,
      epoch,
      assist: record.havip.assist,
      service: book.silentServices.get(record.havip.index) ?? null,
      limits,
    },
    links,
  );
  record.lastFailover = record.open.failover;
  record.failovers++;
  book.failovers[cause]++;
  share(book, record, claimant, sign, { cause, from: from.instance, sinceMs: wallMs });
  told(book, record, binding, sign, { from: from.instance, cause });
  settle(book, record, sign);
}

/** Until when the old binding was alive. What came long after that is no failover, and how long it took is nobody's doing. */
function aliveNs({ holder, former, port, sinceNs }: Before, links: Links, atNs: number): number {
  const last = holder ?? former;
  const troubleNs = last === null ? NEVER : holderTroubleNs(last, port, links, atNs);
  if (troubleNs !== NEVER) return troubleNs;
  return holder === null ? sinceNs : atNs;
}

function told(
  book: Book,
  record: HavipRecord,
  binding: Binding,
  { atNs, wallMs, claim }: Sign,
  details: { from: string; cause: FailoverCause | null } | null,
): void {
  const { port, interface: name } = binding;
  const { instance } = binding;
  const cause = details === null ? '' : (details.cause ?? 'after an outage, no failover');
  const text = details === null ? `${instance} holds it` : `${instance} takes over from ${details.from}: ${cause}`;
  book.later(() => book.recorder.notable(record.havip.index, claim, atNs, port ?? -1, wallMs, text, true));
  book.event(record, 'bound', wallMs, `${text}, on ${name}`, { ...details, to: instance });
}

/** The holder's own port or MAC changed: programmed, but no failover. */
export function reseat(book: Book, record: HavipRecord, claimant: Claimant, sign: Sign): void {
  const was = record.binding;
  // RARP is what a hypervisor says of a guest that has moved; a bond's own port announces addresses.
  const announced = sign.claim?.kind === 'relocate';
  const bonded = !announced && was !== null && was.port !== null && book.isBond(was.port, claimant.port);
  const moved = hasMigrated(was, claimant);
  const migrated = moved && !bonded;
  const contest = contestOf(record, book.limits);
  contest.waitUntilNs = sign.atNs + contest.waitMs * NS_PER_MS;
  if (contest.pending === claimant) contest.pending = null;
  const is =
    bonded || isBetweenHosts(was, claimant)
      ? bind(book, record, claimant, { ...sign, wallMs: was.sinceMs }, record.epoch)
      : bind(book, record, claimant, sign);
  const placeOf = (binding: Binding | null) => (binding === null ? '?' : moved ? binding.interface : formatMac(binding.mac));
  const text = `${claimant.instance} holds it ${moved ? 'on' : 'with'} ${placeOf(is)} now, before ${placeOf(was)}`;
  if (migrated) book.migrations++;
  const sinceMs = was?.sinceMs ?? sign.wallMs;
  share(book, record, claimant, sign, { cause: migrated ? 'migration' : null, from: claimant.instance, sinceMs });
  book.recorder.notable(record.havip.index, sign.claim, sign.atNs, portOf(record), sign.wallMs, text, true);
  book.event(record, migrated ? 'migration' : 'bound', sign.wallMs, text, {
    from: claimant.instance,
    to: claimant.instance,
    cause: migrated ? 'migration' : null,
  });
}

function hasMigrated(was: Binding | null, { port, elsewhere }: Claimant): boolean {
  return was === null || (was.port ?? -1) !== port || (elsewhere !== null && was.interface !== elsewhere.uplink);
}

/** A machine that went to another host, or came from there, holds what it held: since then, and in the same epoch. */
function isBetweenHosts(was: Binding | null, { elsewhere }: Claimant): was is Binding {
  return was !== null && (was.port === null) !== (elsewhere !== null);
}

/**
 * The switch no longer points at a holder that is in trouble, since a member on another host may have the HAVIP before anybody here is
 * told: it would send clients to the dead. The record keeps the holder, for the grace time and for what is said of its successor.
 */
export function letGo(book: Book, record: HavipRecord, sign: Sign): void {
  const { holder, havip, epoch } = record;
  record.letGo = true;
  book.effects.push({ kind: 'bind', havip: havip.index, epoch, capturedNs: sign.claim?.capturedNs ?? null, binding: null });
  const text = `the switch no longer points at ${holder?.instance ?? '?'}: a member on another host may have it`;
  book.recorder.notable(havip.index, null, sign.atNs, portOf(record), sign.wallMs, text, false);
  book.event(record, 'let-go', sign.wallMs, text, { from: holder?.instance ?? null });
}

/** It is there again. */
export function takeBack(book: Book, record: HavipRecord, sign: Sign): void {
  const { holder, havip, epoch, binding } = record;
  record.letGo = false;
  book.effects.push({ kind: 'bind', havip: havip.index, epoch, capturedNs: sign.claim?.capturedNs ?? null, binding });
  const text = `the switch points at ${holder?.instance ?? '?'} again`;
  book.recorder.notable(havip.index, null, sign.atNs, portOf(record), sign.wallMs, text, false);
  book.event(record, 'taken-back', sign.wallMs, text, { to: holder?.instance ?? null });
}

/** After a reload: the same instance goes on holding the same address by another name; where nobody can know, its ports are asked at once. */
export function inherit(book: Book, record: HavipRecord, succession: Succession, sign: Sign): void {
  const { instance, port, candidates, mac, sinceMs } = succession;
  const { havip } = record;
  if (port === null) {
    for (const one of candidates) {
      book.effects.push({ kind: 'verify', havip: havip.index, port: one.index, mac: one.mac, address: havip.address });
    }
    return book.event(record, 'verify', sign.wallMs, `asks ${instance}, which held it before the reload, whether it has it`);
  }
  const claimant = claimantOf(record, instance, port.index, mac, book.limits.claimants);
  claimant.port = port.index;
  claimant.mac = mac;
  const binding = bind(book, record, claimant, { ...sign, wallMs: sinceMs });
  const text = `${instance} goes on holding it after the reload, on ${binding.interface}`;
  book.recorder.notable(havip.index, null, sign.atNs, port.index, sign.wallMs, text, true);
  book.event(record, 'bound', sign.wallMs, text, { to: instance });
}

/** As the store says it: no claim of this host, so nothing to share and no failover of its own; the hold is the one that travels with it. */
export function heed(book: Book, record: HavipRecord, claimant: Claimant, stored: StoredBinding, sign: Sign): void {
  const { holder, former } = record;
  const from = holder ?? former;
  bind(book, record, claimant, { ...sign, wallMs: stored.sinceMs }, stored.revision);
  book.afterwards(() => {
    const where = stored.host === null ? `on ${record.binding?.interface ?? '?'}` : `on host ${stored.host}`;
    const moved = from !== null && from !== claimant;
    if (moved) {
      const contest = contestOf(record, book.limits);
      noteMove(contest, claimant.lostNs !== NEVER, true, book.limits, sign.atNs);
      contest.waitMs = Math.max(stored.holdMs, book.limits.waitMs);
      contest.waitUntilNs = sign.atNs + contest.waitMs * NS_PER_MS;
      from.lostNs = sign.atNs;
      record.failovers++;
    }
    const takes = moved ? `takes over from ${from.instance}` : 'holds it';
    const text = `${claimant.instance} ${takes} ${where}, as the store says (revision ${stored.revision})`;
    book.recorder.notable(record.havip.index, null, sign.atNs, claimant.port, sign.wallMs, text, true);
    const story = moved ? { from: from.instance, cause: stored.cause ?? null } : {};
    book.event(record, 'bound', sign.wallMs, text, { ...story, to: claimant.instance });
  });
}

/** What this host decided, for other hosts; nothing where there is no store. */
function share(
  book: Book,
  record: HavipRecord,
  claimant: Claimant | null,
  sign: Sign,
  details: Pick<ProposeEffect, 'cause' | 'from' | 'sinceMs'>,
): void {
  // What is elsewhere its own host tells.
  if (book.store === 'none' || (claimant !== null && claimant.elsewhere !== null)) return;
  const { speaker = null } = claimant ?? {};
  book.effects.push({
    kind: 'propose',
    havip: record.havip.index,
    instance: claimant?.instance ?? null,
    mac: claimant === null ? null : (record.binding?.mac ?? claimant.mac),
    startNs: sign.atNs,
    startMs: sign.wallMs,
    streakNs: claimant?.startNs ?? sign.atNs,
    holdMs: record.contest?.waitMs ?? book.limits.waitMs,
    masterDownMs: speaker === null ? null : silenceMs(speaker),
    ...details,
  });
}

function bindingOf(book: Book, { instance, port, mac, elsewhere }: Claimant, epoch: number, sinceMs: number): Binding {
  if (elsewhere !== null) return bindingElsewhere(instance, elsewhere.host, elsewhere.uplink, mac, epoch, sinceMs);
  return bindingHere(must(book.port(port), 'who claims has a port here'), mac, epoch, sinceMs);
}

function bind(
  book: Book,
  record: HavipRecord,
  claimant: Claimant,
  { wallMs, atNs, claim }: Sign,
  epoch = record.epoch + 1,
): Binding {
  finishFailover(book, record);
  if (record.holder === null) book.bound++;
  else book.unseat(record);
  record.holder = claimant;
  record.former = null;
  record.sinceMs = wallMs;
  record.sinceNs = atNs;
  record.round = null;
  const { havip } = record;
  record.epoch = epoch;
  const binding = bindingOf(book, claimant, epoch, wallMs);
  record.binding = binding;
  record.letGo = record.takenOut = false;
  book.seat(record);
  book.effects.push({ kind: 'bind', havip: havip.index, epoch, capturedNs: claim?.capturedNs ?? null, binding });
  if (havip.probe !== false) book.effects.push({ kind: 'probe', havip: havip.index });
  return binding;
}

/** Nobody holds it any more; told to other hosts where this one may say so. */
export function withdraw(book: Book, record: HavipRecord, sign: Sign, why: string): void {
  const { holder } = record;
  if (holder === null) return;
  const isHere = !isHeldElsewhere(record);
  unbind(book, record, sign, why);
  if (isHere) share(book, record, null, sign, { cause: null, from: holder.instance, sinceMs: sign.wallMs });
}

/** Nobody holds it any more. */
export function unbind(book: Book, record: HavipRecord, sign: Sign, why: string): void {
  const { holder } = record;
  if (holder === null) return;
  finishFailover(book, record);
  book.unseat(record);
  book.bound--;
  record.holder = null;
  record.letGo = false;
  record.former = holder;
  record.sinceMs = sign.wallMs;
  record.sinceNs = sign.atNs;
  record.epoch++;
  record.round = null;
  if (record.contest !== null) record.contest.pending = record.contest.repeated = null;
  const { index } = record.havip;
  book.effects.push({ kind: 'bind', havip: index, epoch: record.epoch, capturedNs: null, binding: null });
  const text = `${holder.instance} no longer holds it: ${why}`;
  book.recorder.notable(index, sign.claim, sign.atNs, portOf(record), sign.wallMs, text, true);
  book.event(record, 'unbound', sign.wallMs, text, { from: holder.instance });
}

/** Reports a failover with the phases known by now: all, or another change came first. */
export function finishFailover(book: Book, record: HavipRecord): void {
  if (record.open === null) return;
  const { failover, timers } = record.open;
  record.open = null;
  failover.advice = timers === null ? null : adviceOf(timers, failover.phasesMs);
  book.effects.push({ kind: 'failover', havip: record.havip.index, failover });
  const { at, from, to, cause, phasesMs, advice } = failover;
  const told = advice === null ? '' : `: ${advice}`;
  const { application } = phasesMs;
  const before = application === undefined ? '' : `, after its service had been silent for ${application.toFixed(0)} ms`;
  const text = `failover from ${from} to ${to} (${cause}) in ${phasesMs.total.toFixed(3)} ms${before}${told}`;
  book.event(record, 'failover', 0, text, { at, from, to, cause, phasesMs: { ...phasesMs } });
}
