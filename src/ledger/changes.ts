/**
 * Every change of a binding, and what follows from it. The switch's effect is always first in the queue: people can wait.
 * Main thread.
 */
import { must } from '../base/assert.ts';
import { bindingHere, type Binding } from '../base/binding.ts';
import { formatMac } from '../base/mac.ts';
import type { Book, Sign } from './book.ts';
import type { Claimant } from './claimant.ts';
import { contestOf, holderTroubleNs, noteMove } from './contest.ts';
import { causeOf, openFailover } from './failover.ts';
import { NEVER, NS_PER_MS } from './limits.ts';
import { settle } from './measures.ts';
import { portOf, type HavipRecord } from './record.ts';

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
  const binding = bind(book, record, claimant, sign);
  book.afterwards(() => explainMove(book, record, claimant, binding, sign, { holder, former, port, sinceNs }));
}

function explainMove(book: Book, record: HavipRecord, claimant: Claimant, binding: Binding, sign: Sign, before: Before): void {
  const from = before.holder ?? before.former;
  if (from === null || from === claimant) return told(book, record, binding, sign, null);
  const { links, limits } = book;
  const { port: fromPort, sinceNs } = before;
  const { atNs, takenNs, wallMs } = sign;
  const justified = before.holder === null || holderTroubleNs(before.holder, fromPort, links, atNs) !== NEVER;
  const cause = causeOf(from, fromPort, claimant, links, atNs);
  noteMove(contestOf(record, limits), claimant.lostNs !== NEVER, justified, limits, atNs);
  from.lostNs = atNs;
  const { epoch } = record;
  record.open = openFailover(
    { cause, holder: from, holderPort: fromPort, sinceNs, claimant, atNs, takenNs, wallMs, epoch },
    links,
  );
  record.lastFailover = record.open.failover;
  record.failovers++;
  book.failovers[cause]++;
  told(book, record, binding, sign, { from: from.instance, cause });
  settle(book, record, sign);
}

function told(
  book: Book,
  record: HavipRecord,
  binding: Binding,
  { atNs, wallMs, claim }: Sign,
  details: { from: string; cause: ReturnType<typeof causeOf> } | null,
): void {
  const { port, interface: name } = binding;
  const { instance } = binding;
  const text = details === null ? `${instance} holds it` : `${instance} takes over from ${details.from}: ${details.cause}`;
  book.later(() => book.recorder.notable(record.havip.index, claim, atNs, port ?? -1, wallMs, text, true));
  book.event(record, 'bound', wallMs, `${text}, on ${name}`, { ...details, to: instance });
}

/** The holder's own port or MAC changed: programmed, but no failover. */
export function reseat(book: Book, record: HavipRecord, claimant: Claimant, sign: Sign): void {
  const was = record.binding;
  const migrated = was?.port !== claimant.port;
  const contest = contestOf(record, book.limits);
  contest.waitUntilNs = sign.atNs + contest.waitMs * NS_PER_MS;
  if (contest.pending === claimant) contest.pending = null;
  const is = bind(book, record, claimant, sign);
  const placeOf = (binding: Binding | null) => (binding === null ? '?' : migrated ? binding.interface : formatMac(binding.mac));
  const text = `${claimant.instance} holds it ${migrated ? 'on' : 'with'} ${placeOf(is)} now, before ${placeOf(was)}`;
  if (migrated) book.migrations++;
  book.recorder.notable(record.havip.index, sign.claim, sign.atNs, portOf(record), sign.wallMs, text, true);
  book.event(record, migrated ? 'migration' : 'bound', sign.wallMs, text, {
    from: claimant.instance,
    to: claimant.instance,
    cause: migrated ? 'migration' : null,
  });
}

function bind(book: Book, record: HavipRecord, claimant: Claimant, { wallMs, atNs, claim }: Sign): Binding {
  finishFailover(book, record);
  if (record.holder === null) book.bound++;
  else book.unseat(record);
  record.holder = claimant;
  record.former = null;
  record.sinceMs = wallMs;
  record.sinceNs = atNs;
  record.round = null;
  const { havip } = record;
  const epoch = ++record.epoch;
  const binding = bindingHere(must(book.port(claimant.port), 'who claims has a port here'), claimant.mac, epoch, wallMs);
  record.binding = binding;
  book.seat(record);
  book.effects.push({ kind: 'bind', havip: havip.index, epoch, capturedNs: claim?.capturedNs ?? null, binding });
  if (havip.probe) book.effects.push({ kind: 'probe', havip: havip.index });
  return binding;
}

/** Nobody holds it any more. */
export function unbind(book: Book, record: HavipRecord, sign: Sign, why: string): void {
  const { holder } = record;
  if (holder === null) return;
  finishFailover(book, record);
  book.unseat(record);
  book.bound--;
  record.holder = null;
  record.former = holder;
  record.sinceMs = sign.wallMs;
  record.sinceNs = sign.atNs;
  record.epoch++;
  record.round = null;
  if (record.contest !== null) record.contest.pending = null;
  const { index } = record.havip;
  book.effects.push({ kind: 'bind', havip: index, epoch: record.epoch, capturedNs: null, binding: null });
  const text = `${holder.instance} no longer holds it: ${why}`;
  book.recorder.notable(index, sign.claim, sign.atNs, portOf(record), sign.wallMs, text, true);
  book.event(record, 'unbound', sign.wallMs, text, { from: holder.instance });
}

/** Reports a failover with the phases known by now: all, or another change came first. */
export function finishFailover(book: Book, record: HavipRecord): void {
  if (record.open === null) return;
  const { failover } = record.open;
  record.open = null;
  book.effects.push({ kind: 'failover', havip: record.havip.index, failover });
  const { at, from, to, cause, phasesMs } = failover;
  const text = `failover from ${from} to ${to} (${cause}) in ${phasesMs.total.toFixed(3)} ms`;
  book.event(record, 'failover', 0, text, { at, from, to, cause, phasesMs: { ...phasesMs } });
}
