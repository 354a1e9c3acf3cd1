/**
 * Does a guest still live whose adverts are overdue? Main thread, pure; the owner asks and looks.
 *
 * It is asked three times, 50 ms apart, by a unicast ARP probe for its own fixed address, put into its port. Life is whatever the
 * port has received since the first question, by the kernel's own count: an answer, or any other frame. So neither a worker that does not run nor
 * a flood that is policed makes a living guest look hung; and a guest whose machine answers is alive, whatever its keepalived does.
 *
 * Silence says something only of one who answers at other times: a guest is asked once in peace, and until it has answered it is
 * never taken for hung.
 */
import type { Ipv4 } from '../base/address.ts';
import type { Port } from '../base/network.ts';
import type { Book } from './book.ts';
import type { Claimant } from './claimant.ts';
import { hasResigned, type Speaker } from './evidence.ts';
import { NEVER, NS_PER_MS } from './limits.ts';
import { portOf, type HavipRecord, type Pulse } from './record.ts';

export type PulseDue = 'ask' | 'hung' | null;

export const PULSE_ASKS = 3;
export const PULSE_MS = 50;
/** Its adverts are overdue by half an interval. */
const OVERDUE_INTERVALS = 1.5;
/** Later a resignation would not be fresh, and the backups take over by themselves. */
const LATE_INTERVALS = 3;
/** In peace an answer is there within that; if it is not, the question is asked again after a while. */
const PEACE_MS = 10;
const PEACE_AGAIN_MS = 10_000;

/** From when on the holder's adverts are overdue; Infinity where nobody asks. */
export function overdueNs({ havip }: HavipRecord, { speaker, elsewhere }: Claimant): number {
  if (havip.assist?.on.includes('hung') !== true || elsewhere !== null || speaker === null || hasResigned(speaker))
    return Infinity;
  return speaker.lastNs + OVERDUE_INTERVALS * speaker.facts.intervalMs * NS_PER_MS;
}

/** The fixed address by which a machine is asked: the one that its adverts come from. null: it has none. */
export function ownAddressOf({ addresses }: Port, speaker: Speaker | null): Ipv4 | null {
  const source = speaker?.facts.source;
  return addresses.find((address) => address === source) ?? addresses[0] ?? null;
}

/** When the holder's pulse is to be looked at again; Infinity: never, as things are. */
export function pulseNextNs(book: Book, record: HavipRecord): number {
  const { holder } = record;
  if (holder === null || book.look === null) return Infinity;
  const fromNs = overdueNs(record, holder);
  const port = portOf(record);
  const { speaker } = holder;
  if (fromNs === Infinity || speaker === null || !book.links.isUp(port) || speaker.assistedNs > speaker.lastNs) return Infinity;
  const pulse = book.pulses.get(port);
  if (pulse === undefined) return book.port(port)?.addresses.length === 0 ? Infinity : NEVER;
  if (!pulse.answers) return pulse.nextNs;
  if (pulse.hungNs > speaker.lastNs) return Math.max(pulse.hungNs, fromNs);
  const nextNs = Math.max(fromNs, pulse.nextNs);
  return nextNs > speaker.lastNs + LATE_INTERVALS * speaker.facts.intervalMs * NS_PER_MS ? Infinity : nextNs;
}

/** What is due now; changes the pulse. */
export function pulseDue(book: Book, record: HavipRecord, atNs: number): PulseDue {
  if (pulseNextNs(book, record) > atNs) return null;
  const port = portOf(record);
  const speaker = record.holder?.speaker ?? null;
  const pulse = pulseOf(book, port);
  const received = book.look?.received(book.links.ifindex(port)) ?? null;
  if (speaker === null || received === null) {
    pulse.nextNs = atNs + PEACE_AGAIN_MS * NS_PER_MS;
    return null;
  }
  if (!pulse.answers) return inPeace(pulse, received, atNs);
  if (pulse.hungNs > speaker.lastNs) return 'hung';
  if (!isUnderWay(pulse, speaker)) [pulse.asks, pulse.firstNs, pulse.received] = [0, atNs, received];
  else if (received !== pulse.received) {
    // Alive; asked again if it goes on saying nothing.
    [pulse.asks, pulse.received, pulse.nextNs] = [0, received, atNs + speaker.facts.intervalMs * NS_PER_MS];
    return null;
  } else if (pulse.asks >= PULSE_ASKS) {
    pulse.hungNs = atNs;
    return 'hung';
  }
  pulse.asks++;
  pulse.nextNs = atNs + PULSE_MS * NS_PER_MS;
  return 'ask';
}

function inPeace(pulse: Pulse, received: number, atNs: number): PulseDue {
  if (pulse.asks > 0 && received > pulse.received) {
    [pulse.answers, pulse.asks, pulse.nextNs] = [true, 0, atNs];
    return null;
  }
  if (pulse.asks > 0) {
    [pulse.asks, pulse.nextNs] = [0, atNs + PEACE_AGAIN_MS * NS_PER_MS];
    return null;
  }
  [pulse.asks, pulse.received, pulse.nextNs] = [1, received, atNs + PEACE_MS * NS_PER_MS];
  return 'ask';
}

/** The round belongs to this silence: no advert has come since its first question. */
function isUnderWay(pulse: Pulse, speaker: Speaker): boolean {
  return pulse.firstNs > speaker.lastNs;
}

function pulseOf({ pulses }: Book, port: number): Pulse {
  let pulse = pulses.get(port);
  if (pulse === undefined) {
    pulse = { answers: false, asks: 0, firstNs: NEVER, received: 0, nextNs: NEVER, hungNs: NEVER };
    pulses.set(port, pulse);
  }
  return pulse;
}
