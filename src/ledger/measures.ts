/** What the ledger does about a HAVIP whose binding stays as it is: makes a claimant wait, tells of a contest, asks. Main thread. */
import { formatIpv4 } from '../base/address.ts';
import type { Book, Sign } from './book.ts';
import type { Claimant } from './claimant.ts';
import { isContestedNow } from './contest.ts';
import { NEVER, NS_PER_MS } from './limits.ts';
import { announcersText, mastersText } from './overlap.ts';
import { ownAddressOf } from './pulse.ts';
import { contestOf, portOf, type HavipRecord } from './record.ts';
import { sidesOf } from './view.ts';
import { isTalking } from './withdrawal.ts';

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
  const { limits } = book;
  if (record.contest === null && !isContestedNow(record, limits, atNs)) return;
  const contest = contestOf(record, limits);
  const was = contest.contestedNs !== NEVER;
  const is = isContestedNow(record, limits, atNs);
  if (was === is) return;
  contest.contestedNs = is ? atNs : NEVER;
  book.contested += is ? 1 : -1;
  const why = mastersText(record, atNs) ?? announcersText(record, formatIpv4(record.havip.address), atNs);
  const sides = [...(why === null ? [] : [why]), ...sidesOf(record, book, atNs)];
  const said = is ? `contested: ${sides.join('; ')}` : 'no longer contested';
  book.recorder.notable(record.havip.index, null, atNs, portOf(record), wallMs, said, false);
  book.event(record, is ? 'contested' : 'settled', wallMs, said, { to: record.holder?.instance ?? null });
}

/** Asks a silent holder whether it still has the address. */
export function ask(book: Book, record: HavipRecord, { atNs, wallMs }: Sign): void {
  const { havip, binding, holder } = record;
  if (binding === null || binding.port === null) return;
  const { port, mac } = binding;
  book.effects.push({ kind: 'verify', havip: havip.index, port, mac, address: havip.address });
  // A bond hears by one of its ports at a time, and may have changed it without a word.
  for (const fellow of book.bondOf(port)) {
    if (!book.links.isUp(fellow.index)) continue;
    const its = mac === book.port(port)?.mac ? fellow.mac : mac;
    book.effects.push({ kind: 'verify', havip: havip.index, port: fellow.index, mac: its, address: havip.address });
  }
  const { round } = record;
  // One that talks is asked all the time.
  if (round === null || round.told !== 'nothing' || holder === null || isTalking(holder, atNs)) return;
  round.told = 'asked';
  book.event(record, 'verify', wallMs, `asks ${holder.instance} whether it still has it`);
}

export function tellMute(book: Book, record: HavipRecord, { wallMs }: Sign): void {
  const text = `${record.holder?.instance ?? ''} goes on talking and does not answer for the address: does it still have it?`;
  book.event(record, 'verify', wallMs, text, { from: record.holder?.instance ?? null });
}

export function tellAnswered(book: Book, record: HavipRecord, { wallMs }: Sign): void {
  if (record.round?.told !== 'asked') return;
  record.round.told = 'answered';
  book.event(record, 'verify', wallMs, `${record.holder?.instance ?? ''} answered: it still has the address`);
}

/** Asks the holder's machine whether it lives, by its own address; the last advert says which. */
export function askMachine(book: Book, record: HavipRecord): void {
  const port = book.port(portOf(record));
  const address = port === null ? null : ownAddressOf(port, record.holder?.speaker ?? null);
  if (port === null || address === null) return;
  book.effects.push({ kind: 'verify', havip: record.havip.index, port: port.index, mac: port.mac, address });
}
