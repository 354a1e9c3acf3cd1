/**
 * Speaks for a holder that cannot speak any more (resign.ts), and says what it did and on what evidence. Main thread.
 *
 *     link lost ── guard time ──▶ a last look at the link ─┐                        ┌─ 50 ms, and it has not advertised
 *     adverts overdue ── three questions unanswered ───────┴──▶ the likely successor ┴──▶ the others
 *
 * The last look: what links said has come through two threads, and one of them may not have run; a port that was renamed seems gone,
 * and its guest lives. So the kernel itself is asked before a word is spoken in somebody's name.
 */
import { interfaceAt } from '../base/elsewhere.ts';
import { formatIpv4 } from '../base/address.ts';
import type { AssistOn } from '../base/network.ts';
import type { Book, Sign } from './book.ts';
import type { Speaker } from './evidence.ts';
import { NS_PER_MS } from './limits.ts';
import { ownAddressOf, PULSE_ASKS, PULSE_MS } from './pulse.ts';
import { portOf, type HavipRecord } from './record.ts';
import { isFresh, isHastened, planResign, whyNoAssist, type Saying } from './resign.ts';

/** Resigns in the name of a holder that is gone, or says why not. */
export function assist(book: Book, record: HavipRecord, on: AssistOn, { atNs, wallMs }: Sign): void {
  const { havip, holder } = record;
  const speaker = holder?.speaker ?? null;
  if (speaker === null || holder === null || havip.assist === null) return;
  const port = portOf(record);
  const lostNs = on === 'hung' ? atNs : book.links.lostNs(port);
  const hastened = isHastened(havip.assist, speaker);
  const why =
    whyNoAssist(speaker) ??
    (isFresh(speaker, lostNs) ? null : 'its last advert was not fresh') ??
    (on === 'link-down' && isThere(book, port) ? 'the kernel says that its interface is there and has its carrier' : null);
  const { first, rest } = why === null ? planResign(book, havip, speaker, hastened) : NOTHING;
  speaker.assistedNs = atNs;
  if (on === 'hung' && why === null) holder.hungNs = atNs;
  say(book, record, first);
  if (first.length > 0) book.assists[on][hastened ? 'hastened' : 'plain']++;
  const untilNs = atNs + book.limits.successorMs * NS_PER_MS;
  record.resigning = rest.length > 0 ? { speaker, rest, sinceNs: atNs, untilNs } : null;
  const evidence = on === 'hung' ? `: hung, ${evidenceOf(book, port, speaker, atNs)}` : '';
  const text =
    first.length > 0
      ? `resigned in the name of ${speaker.instance}${hastened ? ', hastened' : ''}, into ${namesOf(book, first)}${evidence}`
      : `did not resign for ${speaker.instance}: ${why ?? 'no other member would hear it'}${evidence}`;
  tell(book, record, speaker, text, atNs, wallMs);
}

const NOTHING = { first: [], rest: [] };

/** The likely successor has not advertised: whoever else is there may. */
export function assistRest(book: Book, record: HavipRecord, { atNs, wallMs }: Sign): void {
  const { resigning } = record;
  if (resigning === null) return;
  record.resigning = null;
  const { speaker, rest, sinceNs } = resigning;
  const heard = book.evidence.group(record.havip.vpc, speaker.facts)?.speakers.some(({ lastNs }) => lastNs > sinceNs);
  if (heard === true) return;
  say(book, record, rest);
  const waitedMs = Math.round((atNs - sinceNs) / NS_PER_MS);
  const text = `nobody has advertised for ${waitedMs} ms: resigned in the name of ${speaker.instance} into ${namesOf(book, rest)} too`;
  tell(book, record, speaker, text, atNs, wallMs);
}

/** When the others would be told; Infinity: nobody is left. */
export function restAtNs({ resigning }: HavipRecord): number {
  return resigning === null ? Infinity : resigning.untilNs;
}

/** The same interface, by whatever name, with a carrier: then its guest is not cut off. */
function isThere({ look, links }: Book, port: number): boolean {
  return look !== null && !links.isUp(port) && look.isThere(links.ifindex(port), links.carriers(port));
}

function say(book: Book, { havip: { index } }: HavipRecord, sayings: readonly Saying[]): void {
  for (const { port, frames } of sayings) book.effects.push({ kind: 'resign', havip: index, port, frames });
}

function namesOf(book: Book, sayings: readonly Saying[]): string {
  return [...new Set(sayings.map(({ port }) => interfaceAt(book.network, port) ?? '?'))].join(', ');
}

function evidenceOf(book: Book, port: number, speaker: Speaker, atNs: number): string {
  const { facts, lastNs } = speaker;
  const agoMs = Math.round((atNs - lastNs) / NS_PER_MS);
  const asked = book.port(port);
  const address = asked === null ? null : ownAddressOf(asked, speaker);
  return (
    `its last advert is ${agoMs} ms old (interval ${facts.intervalMs} ms), ${PULSE_ASKS} ARP questions for ` +
    `${address === null ? '?' : formatIpv4(address)}, ${PULSE_MS} ms apart, got no answer, and nothing else came from its port`
  );
}

function tell(book: Book, record: HavipRecord, speaker: Speaker, text: string, atNs: number, wallMs: number): void {
  book.recorder.notable(record.havip.index, null, atNs, portOf(record), wallMs, text, false);
  book.event(record, 'assist', wallMs, text, { from: speaker.instance });
}

/** For whom nobody speaks is `assist` not ready; null: what the configuration asks for can be done. */
export function whyNotReady(record: HavipRecord, { look, pulses }: Pick<Book, 'look' | 'pulses'>): string | null {
  const why = whyNoAssist(record.holder?.speaker ?? null);
  if (why !== null || record.havip.assist?.on.includes('hung') !== true || look === null) return why;
  return pulses.get(portOf(record))?.answers === true
    ? null
    : 'a hung guest would not be told from it: it has answered no ARP question yet';
}
