/**
 * VRRP, the judge's rules: who may say what to whom. Hot, but rare: a guest in order sends one advert a second.
 *
 * A guest steps a cluster down by one advert with its VRID (RFC 9568, 6.4.3: a master that hears a higher priority becomes backup),
 * whatever the advert lists. So it is not the list alone that decides: a port that may claim nothing sends no VRRP; one that may
 * claim something speaks by multicast under a VRID that is its cluster's or nobody's, and by unicast to fellow members, or to
 * addresses that nobody knows.
 *
 * The guard in the kernel reads the same of it, in this order. What it cannot read, a checksum, what is listed after
 * the first address, is the message's own fault, and comes last.
 */
import { V } from '../base/verdict.ts';
import * as S from '../decode/sighting.ts';
import type { Sighting } from '../decode/sighting.ts';
import { isCarp, isSound } from '../decode/vrrp.ts';
import * as L from './layout.ts';
import { areFellows, lookUp, type Policy, portMayClaim, sharesAddress } from './policy.ts';
import { ownerOfVrid, strangerOfVrid } from './whose.ts';

// An imported value is loaded and checked at every use, a constant of the module becomes part of the machine code.
const { NONE } = S;
const { PORT_WORDS, PORT_VPC, PORT_FLAGS, PORT_ADDRESS, MAY_CLAIM, UNKNOWN } = L;
const CARP_ADVERT = V['carp-advert'];
const VRRP_ADVERT = V['vrrp-advert'];
const VRRP_RESIGN = V['vrrp-resign'];
const VRRP_SOURCE = V['vrrp-source'];
const VRRP_TTL = V['vrrp-ttl'];
const VRRP_HIDDEN = V['vrrp-hidden'];
const VRRP_MALFORMED = V['vrrp-malformed'];
const VRRP_NOT_HAVIP = V['vrrp-not-havip'];
const FOREIGN_VRRP = V['foreign-vrrp'];

const AH = 51;
/** An AH header with the 96 bits that RFC 4302's algorithms sign with, which VRRP version 2 uses (RFC 2338, 5.3.6.3), in words less two. */
const AH_WORDS = 4;
const AH_BYTES = (AH_WORDS + 2) * 4;
const ALL_HOSTS = 0xe000_0001 | 0;
const BROADCAST = 0xffff_ffff | 0;

/**
 * Who may speak, in which form, and to whom: why the guard drops it; NONE: it does not yet. Protocol 112, AH in front of it, and fragments of AH that do not say what they carry.
 * `havip` of a drop: the one that it names, by its address or its VRID.
 */
export function refuseVrrp(policy: Policy, view: DataView, at: number, captured: number, port: number, s: Sighting): number {
  const { words } = policy;
  const portAt = policy.portsAt + port * PORT_WORDS;
  if ((words[portAt + PORT_FLAGS]! & MAY_CLAIM) === 0) {
    s.havip = whomItNames(policy, view, at, captured, words[portAt + PORT_VPC]!);
    return FOREIGN_VRRP;
  }
  const hidden = ((view.getUint8(at + 14) & 15) ^ 5) | (view.getUint16(at + 20) & 0x3fff);
  if (hidden !== 0 || (view.getUint8(at + 23) === AH && view.getUint8(at + 35) !== AH_WORDS)) return VRRP_HIDDEN;
  const vpc = words[portAt + PORT_VPC]!;
  const source = view.getInt32(at + 26);
  if (!isOwn(policy, source, port, portAt)) {
    const meaning = lookUp(policy, vpc, source);
    if (meaning < 0 || !portMayClaim(policy, port, meaning)) return VRRP_SOURCE;
  }
  const to = view.getInt32(at + 30);
  if (to >>> 28 === 14) return view.getUint8(at + 22) !== 255 ? VRRP_TTL : to === ALL_HOSTS ? FOREIGN_VRRP : NONE;
  if (to !== BROADCAST && !isStranger(policy, vpc, port, to)) return NONE;
  s.havip = Math.max(NONE, lookUp(policy, vpc, to));
  return FOREIGN_VRRP;
}

/** A HAVIP, by the first address that is listed or by the VRID; NONE: neither names one. */
function whomItNames(policy: Policy, view: DataView, at: number, captured: number, vpc: number): number {
  const m = at + 34 + (view.getUint8(at + 23) === AH ? AH_BYTES : 0);
  const end = at + captured;
  const named = m + 12 <= end ? lookUp(policy, vpc, view.getInt32(m + 8)) : UNKNOWN;
  if (named >= 0) return named;
  return m + 2 <= end ? ownerOfVrid(policy, vpc, view.getUint8(m + 1)) : NONE;
}

/**
 * The names that it says, of a packet that may go where it goes: its VRID, and the first address that it lists, which the guard reads too;
 * then the message itself. CARP has other names, and says them to nobody's harm.
 */
export function judgeNames(policy: Policy, view: DataView, at: number, captured: number, port: number, s: Sighting): number {
  // Decode knows a sound packet, but for what is wrong with the message.
  if (s.vrrpFault === VRRP_MALFORMED && !isSound(view, at, captured)) return VRRP_MALFORMED;
  const portAt = policy.portsAt + port * PORT_WORDS;
  const vpc = policy.words[portAt + PORT_VPC]!;
  const signed = view.getUint8(at + 23) === AH;
  const carp = !signed && isCarp(view, at, captured);
  if (carp && isOwn(policy, view.getInt32(at + 26), port, portAt)) return CARP_ADVERT;
  const m = at + 34 + (signed ? AH_BYTES : 0);
  const end = at + captured;
  const named = m + 12 > end || view.getUint8(m + 3) === 0 ? UNKNOWN : lookUp(policy, vpc, view.getInt32(m + 8));
  // The HAVIP that it lists is the victim, rather than the one that has the VRID by now.
  if (named >= 0 && !portMayClaim(policy, port, named)) {
    s.havip = named;
    return FOREIGN_VRRP;
  }
  if (view.getInt32(at + 30) >>> 28 === 14 && m + 2 <= end) {
    const owner = strangerOfVrid(policy, port, vpc, view.getUint8(m + 1));
    if (owner >= 0) {
      s.havip = owner;
      return FOREIGN_VRRP;
    }
  }
  if (carp) return CARP_ADVERT;
  if (s.vrrpFault !== NONE) return s.vrrpFault;
  return judgeList(policy, view, at, port, vpc, named, s);
}

/** @param named what the first address means, if it is a HAVIP that the port may claim */
function judgeList(policy: Policy, view: DataView, at: number, port: number, vpc: number, named: number, s: Sighting): number {
  let havip = named;
  for (let i = 1; havip < 0 && i < s.addressCount; i++) {
    const next = lookUp(policy, vpc, view.getInt32(at + s.addressesAt + 4 * i));
    if (next >= 0 && portMayClaim(policy, port, next)) havip = next;
  }
  if (havip < 0) return VRRP_NOT_HAVIP;
  s.havip = havip;
  return s.priority === 0 ? VRRP_RESIGN : VRRP_ADVERT;
}

function isOwn(policy: Policy, address: number, port: number, portAt: number): boolean {
  if (address === 0) return false;
  if (address === policy.words[portAt + PORT_ADDRESS]) return true;
  const vpc = policy.words[portAt + PORT_VPC]!;
  const meaning = lookUp(policy, vpc, address);
  return meaning === ~port || sharesAddress(policy, vpc, address, meaning, port);
}

/** The address is known to be somebody's who is no fellow of the port. */
function isStranger(policy: Policy, vpc: number, port: number, address: number): boolean {
  const meaning = lookUp(policy, vpc, address);
  if (meaning === UNKNOWN) return false;
  if (meaning >= 0) return !portMayClaim(policy, port, meaning);
  // Neither a router nor a broadcast address is a port's.
  return ~meaning >= policy.portCount || !areFellows(policy, port, ~meaning);
}
