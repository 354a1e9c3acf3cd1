/**
 * The assisted resign: a dead master's last advert, once more, with priority 0, so that its backup waits Skew_Time instead of the
 * whole Master_Down_Interval. Main thread, pure.
 *
 * Only the priority changes, so the checksum is updated by difference (RFC 1624, equation 3). That is right for every form in use
 * (v2 with its authentication bytes, v3 with, without or with the wrong pseudo-header) without knowing which it is, and it never
 * reads the password. The IP header stays as it was, checksum included.
 */
import { mayClaim, type Havip, type Network } from '../base/network.ts';
import { hasResigned, type Speaker } from './evidence.ts';
import { NS_PER_MS } from './limits.ts';
import type { Links } from './links.ts';

export interface Resignation {
  readonly frame: Uint8Array;
  readonly ports: readonly number[];
}

const ETHERNET = 14;
const IPV4 = 0x0800;
const VRRP = 112;
const FRESH_INTERVALS = 3;

/** The frame with priority 0, or null where the bytes are not a whole, plain IPv4 VRRP frame. */
export function resignFrame(advert: Uint8Array): Uint8Array | null {
  const view = new DataView(advert.buffer, advert.byteOffset, advert.byteLength);
  if (advert.byteLength < ETHERNET + 28 || view.getUint16(12) !== IPV4 || view.getUint8(ETHERNET + 9) !== VRRP) return null;
  const vrrp = ETHERNET + (view.getUint8(ETHERNET) & 15) * 4;
  if (vrrp + 8 > advert.byteLength || ETHERNET + view.getUint16(ETHERNET + 2) > advert.byteLength) return null;
  const frame = advert.slice();
  const out = new DataView(frame.buffer);
  // Priority and address count share a word of the sum.
  const oldWord = out.getUint16(vrrp + 2);
  const newWord = oldWord & 0xff;
  out.setUint16(vrrp + 2, newWord);
  const sum = (~out.getUint16(vrrp + 6) & 0xffff) + (~oldWord & 0xffff) + newWord;
  const folded = (sum & 0xffff) + (sum >>> 16);
  out.setUint16(vrrp + 6, ~((folded & 0xffff) + (folded >>> 16)) & 0xffff);
  return frame;
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

/** What to send where for a holder whose link was lost at this time; empty when its last advert is not fresh or nobody would hear. */
export function planResign(network: Network, havip: Havip, speaker: Speaker, links: Links, lostNs: number): Resignation[] {
  if (lostNs - speaker.lastNs > FRESH_INTERVALS * speaker.facts.intervalMs * NS_PER_MS || speaker.assistedNs > speaker.lastNs)
    return [];
  const plan: Resignation[] = [];
  for (const advert of speaker.raw) {
    const frame = resignFrame(advert.frame);
    const ports = hearers(network, havip, speaker, links, advert.destination);
    if (frame !== null && ports.length > 0) plan.push({ frame, ports });
  }
  return plan;
}

/** The other members' ports that are up; of a unicast advert only the one that owns its destination. */
function hearers(network: Network, havip: Havip, speaker: Speaker, links: Links, destination: number): number[] {
  const multicast = destination >>> 28 === 0xe;
  const ports: number[] = [];
  for (const port of network.ports) {
    if (port === null || port.instance === speaker.instance || !mayClaim(port, havip) || !links.isUp(port.index)) continue;
    if (multicast || port.addresses.includes(destination)) ports.push(port.index);
  }
  return ports;
}
