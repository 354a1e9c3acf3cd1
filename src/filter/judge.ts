/**
 * The judge: sighting -> verdict. Runs in workers, once per frame; returns an index into VERDICTS and sets `sighting.havip`.
 *
 * It answers as the kernel's guard does (vswitch/nftables), from the same policy; a differential test sends the same frames
 * through both. The order is the guard's: who sends, then what it says; what only the agent can read comes last.
 */
import { V } from '../base/verdict.ts';
import { u32, viewOf } from '../decode/bytes.ts';
import { ARP, NONE, OTHER, RARP, type Sighting, VRRP } from '../decode/sighting.ts';
import { HAVIP_WORDS, isMember, lookUp, type Policy, PORT_WORDS, portMayClaim, UNKNOWN } from './policy.ts';

const OWN_ADDRESS = V['own-address'];
const PROBE = V.probe;
const HAVIP_CLAIM = V['havip-claim'];
const VRRP_ADVERT = V['vrrp-advert'];
const VRRP_RESIGN = V['vrrp-resign'];
const RARP_ANNOUNCE = V['rarp-announce'];
const OTHER_IP = V['other-ip'];
const NOT_HAVIP = V['not-havip'];
const FOREIGN_SUBNET = V['foreign-subnet'];
const NOT_MEMBER = V['not-member'];
const MAC_MISMATCH = V['mac-mismatch'];
const MALFORMED = V.malformed;
const VRRP_SOURCE = V['vrrp-source'];
const VRRP_TTL = V['vrrp-ttl'];
const VRRP_NOT_HAVIP = V['vrrp-not-havip'];
const UNKNOWN_PORT = V['unknown-port'];

/** 224.0.0.18 */
const VRRP_GROUP = 0xe000_0012 | 0;
/** 00:00:5e:00:01:VRID (RFC 9568, 7.3): the upper 24 bits of the lower half. */
const VIRTUAL_LOW = 0x5e00_01;

/**
 * @param bytes memory that holds the frame, for the list of addresses in an advert
 * @param at offset of the frame in it
 * @param port index of the port it came from; out of range or absent from the policy: unknown-port
 */
export function judge(policy: Policy, bytes: Uint8Array, at: number, port: number, s: Sighting): number {
  s.havip = NONE;
  const { words } = policy;
  const portAt = policy.portsAt + port * PORT_WORDS;
  if (port < 0 || port >= policy.portCount || words[portAt] !== 1) return UNKNOWN_PORT;
  if (s.fault !== NONE) return s.fault;
  const fromPort = s.sourceHigh === words[portAt + 1] && s.sourceLow === words[portAt + 2];
  if (s.protocol === ARP) return judgeArp(policy, port, portAt, fromPort, s);
  if (s.protocol === RARP) return fromPort ? judgeRarp(words, portAt, s) : MAC_MISMATCH;
  if (!fromPort && !(words[portAt + 6] === 1 && isVirtual(s.sourceHigh, s.sourceLow))) return MAC_MISMATCH;
  if (s.protocol === OTHER) return OTHER_IP;
  return judgeVrrp(policy, bytes, at, port, portAt, s);
}

function isVirtual(high: number, low: number): boolean {
  return high === 0 && low >>> 8 === VIRTUAL_LOW && (low & 0xff) !== 0;
}

function judgeArp(policy: Policy, port: number, portAt: number, fromPort: boolean, s: Sighting): number {
  const { words } = policy;
  const plain = fromPort && s.senderHigh === s.sourceHigh && s.senderLow === s.sourceLow;
  // RFC 9568, 8.1.2, from the virtual MAC, or keepalived's and older senders' form: physical source, virtual sender.
  if (!plain && !isVirtualClaim(fromPort, s)) return isUnicast(s.senderHigh, s.senderLow) ? MAC_MISMATCH : MALFORMED;

  const address = s.senderAddress;
  if (address === 0) return s.operation !== 1 ? MALFORMED : plain ? PROBE : MAC_MISMATCH;
  const meaning = lookUp(policy, words[portAt + 3]!, address);
  if (meaning >= 0) return judgeClaim(words, policy.havipsAt + meaning * HAVIP_WORDS, portAt, meaning, s);
  if (meaning === ~port) return plain ? OWN_ADDRESS : MAC_MISMATCH;
  // 224.0.0.0 and above (multicast, reserved, broadcast), and 127.0.0.0/8: no sender's address (RFC 1122, 3.2.1.3).
  if (meaning === UNKNOWN && (address >>> 24 >= 224 || address >>> 24 === 127)) return MALFORMED;
  return NOT_HAVIP;
}

function isVirtualClaim(fromPort: boolean, s: Sighting): boolean {
  if (!isVirtual(s.senderHigh, s.senderLow)) return false;
  return fromPort || (s.sourceHigh === s.senderHigh && s.sourceLow === s.senderLow);
}

function isUnicast(high: number, low: number): boolean {
  return (high & 0x0100) === 0 && (high | low) !== 0;
}

function judgeClaim(words: Int32Array, havipAt: number, portAt: number, havip: number, s: Sighting): number {
  s.havip = havip;
  if (words[havipAt + 1] !== words[portAt + 4]) return FOREIGN_SUBNET;
  return isMember(words, havipAt, words[portAt + 5]!) ? HAVIP_CLAIM : NOT_MEMBER;
}

/** QEMU's self-announce after a live migration: sender and target are the port's own MAC, no address is said. */
function judgeRarp(words: Int32Array, portAt: number, s: Sighting): number {
  const high = words[portAt + 1];
  const low = words[portAt + 2];
  if (s.senderHigh !== high || s.senderLow !== low || s.targetHigh !== high || s.targetLow !== low) return MAC_MISMATCH;
  return s.senderAddress === 0 && s.targetAddress === 0 ? RARP_ANNOUNCE : MALFORMED;
}

function judgeVrrp(policy: Policy, bytes: Uint8Array, at: number, port: number, portAt: number, s: Sighting): number {
  const vpc = policy.words[portAt + 3]!;
  const source = lookUp(policy, vpc, s.ipSource);
  if (source !== ~port && !(source >= 0 && portMayClaim(policy, port, source))) return VRRP_SOURCE;
  if (s.ipDestination === VRRP_GROUP && s.ttl !== 255) return VRRP_TTL;
  if (s.vrrpFault !== NONE) return s.vrrpFault;
  const view = viewOf(bytes);
  for (let i = 0; i < s.addressCount; i++) {
    const havip = lookUp(policy, vpc, u32(view, at + s.addressesAt + 4 * i));
    if (havip < 0 || !portMayClaim(policy, port, havip)) continue;
    s.havip = havip;
    return s.priority === 0 ? VRRP_RESIGN : VRRP_ADVERT;
  }
  return VRRP_NOT_HAVIP;
}

/** Calls back with each HAVIP of an accepted advert that the port may claim; the judge names only the first. */
export function eachAdvertisedHavip(
  policy: Policy,
  bytes: Uint8Array,
  at: number,
  port: number,
  s: Sighting,
  take: (havip: number) => void,
): void {
  if (s.protocol !== VRRP) return;
  const vpc = policy.words[policy.portsAt + port * PORT_WORDS + 3]!;
  const view = viewOf(bytes);
  for (let i = 0; i < s.addressCount; i++) {
    const havip = lookUp(policy, vpc, u32(view, at + s.addressesAt + 4 * i));
    if (havip >= 0 && portMayClaim(policy, port, havip)) take(havip);
  }
}
