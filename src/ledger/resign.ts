/**
 * The assisted resign: what a dead master would have said to its backups. Main thread, pure.
 *
 * Version 2: its last advert once more, with priority 0, so that a backup waits Skew_Time instead of the whole Master_Down_Interval.
 * Version 3, hastened: before that the same advert with Max Advertise Interval 1. A backup takes over the interval of a master that it
 * accepts (RFC 9568, 6.4.2), and its Skew_Time is a part of that: 7 ms instead of 0.7 s. keepalived takes no interval from priority 0,
 * hence two frames. Once master, a backup goes back to the interval that it is configured with.
 *
 * Two backups that wait 7 ms both become master, and the better one remains. So the likely successor alone is told first, the others
 * when it has not advertised a while later.
 *
 * Only priority and interval change, so the checksum is updated by difference (RFC 1624, equation 3). That is right for every form in
 * use (v2 with its authentication bytes, v3 with, without or with the wrong pseudo-header) without knowing which it is, and it never
 * reads the password. The IP header stays as it was, checksum included.
 */
import { placeOf, uplinksOf } from '../base/elsewhere.ts';
import type { Assist, Havip, Network, Port } from '../base/network.ts';
import { mayClaim } from '../base/rights.ts';
import { portsOf, portsOfInstance } from '../base/sorted.ts';
import { mayBeBeyond } from './beyond.ts';
import { compareElected, hasResigned, type Evidence, type Speaker } from './evidence.ts';
import { NS_PER_MS } from './limits.ts';
import type { Links } from './links.ts';

/** What one port is to be told, or an uplink by its place: these frames, each a millisecond after the one before it. */
export interface Saying {
  readonly port: number;
  readonly frames: readonly Uint8Array[];
}

/** `rest`: only if nobody of `first` has advertised a while later. */
export interface Resignation {
  readonly first: readonly Saying[];
  readonly rest: readonly Saying[];
}

const ETHERNET = 14;
const IPV4 = 0x0800;
const VRRP = 112;
const FRESH_INTERVALS = 3;
/** Version 3 counts in centiseconds. */
const SHORT_INTERVAL = 1;
const INTERVAL_BITS = 0x0fff;

/**
 * The same advert, but with priority 0, or with the short interval of version 3, or with both; null where the bytes are not a whole, plain
 * IPv4 VRRP frame.
 */
export function restate(advert: Uint8Array, { resigns, hastens }: { resigns: boolean; hastens: boolean }): Uint8Array | null {
  const view = new DataView(advert.buffer, advert.byteOffset, advert.byteLength);
  if (advert.byteLength < ETHERNET + 28 || view.getUint16(12) !== IPV4 || view.getUint8(ETHERNET + 9) !== VRRP) return null;
  const vrrp = ETHERNET + (view.getUint8(ETHERNET) & 15) * 4;
  if (vrrp + 8 > advert.byteLength || ETHERNET + view.getUint16(ETHERNET + 2) > advert.byteLength) return null;
  const frame = advert.slice();
  const out = new DataView(frame.buffer);
  // Priority and address count share a word of the sum, as do the reserved bits and the interval.
  if (resigns) replaceWord(out, vrrp, vrrp + 2, out.getUint16(vrrp + 2) & 0xff);
  if (hastens) replaceWord(out, vrrp, vrrp + 4, (out.getUint16(vrrp + 4) & ~INTERVAL_BITS) | SHORT_INTERVAL);
  return frame;
}

function replaceWord(message: DataView, vrrp: number, at: number, word: number): void {
  const sum = (~message.getUint16(vrrp + 6) & 0xffff) + (~message.getUint16(at) & 0xffff) + word;
  const folded = (sum & 0xffff) + (sum >>> 16);
  message.setUint16(at, word);
  message.setUint16(vrrp + 6, ~((folded & 0xffff) + (folded >>> 16)) & 0xffff);
}

/** Why nobody can resign in this speaker's name, or null. */
export function whyNoAssist(speaker: Speaker | null): string | null {
  if (speaker === null) return 'no VRRP advert of the holder was seen';
  if (speaker.facts.auth === 'ah') return 'its adverts are signed (AH, RFC 2402)';
  if (speaker.facts.auth === 'hmac') return 'its adverts carry an HMAC trailer';
  if (hasResigned(speaker)) return 'it has resigned itself';
  if (speaker.raw.length === 0) return 'its last advert was not kept whole';
  return null;
}

/** Once for each death, and only for one who was heard shortly before. */
export function isFresh(speaker: Speaker, lostNs: number): boolean {
  return (
    lostNs - speaker.lastNs <= FRESH_INTERVALS * speaker.facts.intervalMs * NS_PER_MS && speaker.assistedNs <= speaker.lastNs
  );
}

export function isHastened({ hasten }: Assist, { facts }: Speaker): boolean {
  return hasten && facts.version === 3;
}

export interface ResignContext {
  readonly network: Network;
  readonly links: Links;
  readonly evidence: Evidence;
}

/** What to say where in this speaker's name; `first` is empty when nobody would hear it. */
export function planResign(context: ResignContext, havip: Havip, speaker: Speaker, hastened: boolean): Resignation {
  const sayings = sayingsOf(context, havip, speaker, hastened);
  const successor = hastened ? likelySuccessor(context, havip, speaker, sayings) : null;
  if (successor === null) return { first: sayings, rest: [] };
  const isFirst = (saying: Saying) => isHeardBy(saying, successor, context.network);
  return { first: sayings.filter(isFirst), rest: sayings.filter((saying) => !isFirst(saying)) };
}

function sayingsOf({ network, links }: ResignContext, havip: Havip, speaker: Speaker, hastened: boolean): Saying[] {
  return speaker.raw.flatMap(({ destination, frame }) => {
    const short = hastened ? restate(frame, { resigns: false, hastens: true }) : null;
    const last = restate(frame, { resigns: true, hastens: hastened });
    if (last === null) return [];
    const frames = short === null ? [last] : [short, last];
    return hearers(network, havip, speaker, links, destination).map((port) => ({ port, frames }));
  });
}

/**
 * The places of who shall hear it: the other members' ports that are up, of a unicast advert only the one that owns its destination. And
 * the VPC's uplinks, for a member on another host: nobody's table is put wrong by that, the speaker was behind this host.
 */
function hearers(network: Network, havip: Havip, speaker: Speaker, links: Links, destination: number): number[] {
  const multicast = destination >>> 28 === 0xe;
  const isUp = ({ index }: Port) => links.isUp(index);
  const owns = ({ vpc, addresses }: Port) => vpc === havip.vpc && addresses.includes(destination);
  const hears = (port: Port) =>
    port.instance !== speaker.instance && mayClaim(port, havip) && isUp(port) && (multicast || owns(port));
  // A hundred guests may have died at once, on a host of a thousand: no list of all ports for each.
  const candidates = havip.members?.flatMap((member) => portsOfInstance(network, member)) ?? portsOf(network, havip.subnet);
  const others = candidates.filter(hears).map(({ index }) => index);
  const uplinks = uplinksOf(network, havip.vpc);
  if (uplinks.length === 0) return others;
  const goesBeyond = multicast
    ? mayBeBeyond(network, links, othersOf(havip, speaker))
    : !network.ports.some((port) => port !== null && isUp(port) && owns(port));
  return goesBeyond ? [...uplinks.map(placeOf), ...others] : others;
}

/** Who of those to be told won elections before: by the best priority that it ever spoke with, then by address. null: none has spoken yet. */
function likelySuccessor(context: ResignContext, havip: Havip, speaker: Speaker, told: readonly Saying[]): Speaker | null {
  const rivals = context.evidence.group(havip.vpc, speaker.facts)?.speakers ?? [];
  let best: Speaker | null = null;
  for (const rival of rivals) {
    if (rival.priority === 0 || rival === speaker || !told.some((saying) => isHeardBy(saying, rival, context.network))) continue;
    if (best === null || compareElected(rival, best) > 0) best = rival;
  }
  return best;
}

/** At its instance's port, or, as far as it was heard there, beyond the uplink. */
function isHeardBy({ port: place }: Saying, { instance, port }: Speaker, network: Network): boolean {
  const at = network.ports[place] ?? null;
  return at === null ? place === port : at.instance === instance;
}

function othersOf(havip: Havip, speaker: Speaker): Havip {
  return { ...havip, members: havip.members?.filter((member) => member !== speaker.instance) ?? null };
}
