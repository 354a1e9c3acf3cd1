/** What the ledger does about a HAVIP whose binding stays as it is: makes a claimant wait, tells of a contest, asks, resigns for the dead. Main thread. */
import type { Book, Sign } from './book.ts';
import type { Claimant } from './claimant.ts';
import { contestOf, isContestedNow } from './contest.ts';
import { NEVER, NS_PER_MS } from './limits.ts';
import { portOf, type HavipRecord } from './record.ts';
import { planResign, whyNoAssist } from './resign.ts';
import { sidesOf } from './view.ts';

/** The claim waits, it is not lost: when the wait is over its sender gets the HAVIP if it still deserves it. */
export function defer(book: Book, record: HavipRecord, claimant: Claimant, sign: Sign): void {
  const contest = contestOf(record, book.limits);
  contest.pending = claimant;
  if (contest.told) return;
  contest.told = true;
  const waitMs = Math.round((contest.waitUntilNs - sign.atNs) / NS_PER_MS);
  const text = `${claimant.instance} claims it back too soon: waits ${waitMs} ms`;
  book.recorder.notable(record.havip.index, sign.claim, sign.atNs, claimant.port, sign.wallMs, text, false);
  book.event(record, 'deferred', sign.wallMs, text, { from: record.holder?.instance ?? null, to: claimant.instance });
}

/** Raises or clears `contested`. */
export function settle(book: Book, record: HavipRecord, { atNs, wallMs }: Sign): void {
  const { contest } = record;
  if (contest === null) return;
  const was = contest.contestedNs !== NEVER;
  const is = isContestedNow(record, book.limits, atNs);
  if (was === is) return;
  contest.contestedNs = is ? atNs : NEVER;
  book.contested += is ? 1 : -1;
  const said = is ? `contested: ${sidesOf(record, book, atNs).join('; ')}` : 'no longer contested';
  book.recorder.notable(record.havip.index, null, atNs, portOf(record), wallMs, said, false);
  book.event(record, is ? 'contested' : 'settled', wallMs, said, { to: record.holder?.instance ?? null });
}

/** Asks a silent holder whether it still has the address. */
export function ask(book: Book, record: HavipRecord, { wallMs }: Sign): void {
  const { havip, binding, holder } = record;
  if (binding === null || binding.port === null) return;
  const { port, mac } = binding;
  book.effects.push({ kind: 'verify', havip: havip.index, port, mac, address: havip.address });
  if (record.round?.asks === 1) book.event(record, 'verify', wallMs, `asks ${holder?.instance ?? ''} whether it still has it`);
}

export function tellAnswered(book: Book, record: HavipRecord, { wallMs }: Sign): void {
  book.event(record, 'verify', wallMs, `${record.holder?.instance ?? ''} answered: it still has the address`);
}

/** Resigns in the name of a holder that is gone, or says why not. */
export function assist(book: Book, record: HavipRecord, { atNs, wallMs }: Sign): void {
  const speaker = record.holder?.speaker ?? null;
  if (speaker === null) return;
  const why = whyNoAssist(speaker);
  const plan = why === null ? planResign(book.network, record.havip, speaker, book.links, book.links.lostNs(portOf(record))) : [];
  speaker.assistedNs = atNs;
  const { index } = record.havip;
  for (const { frame, ports } of plan) book.effects.push({ kind: 'resign', havip: index, frame, ports });
  if (plan.length > 0) book.assists++;
  const ports = plan.flatMap((one) => one.ports).map((port) => book.port(port)?.interface ?? '?');
  const text =
    plan.length > 0
      ? `resigned in the name of ${speaker.instance}, into ${[...new Set(ports)].join(', ')}`
      : `did not resign for ${speaker.instance}: ${why ?? 'its last advert was not fresh, or no other member would hear it'}`;
  book.recorder.notable(index, null, atNs, portOf(record), wallMs, text, false);
  book.event(record, 'assist', wallMs, text, { from: speaker.instance });
}
