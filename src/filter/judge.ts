/**
 * The judge: frame -> verdict. Runs in workers, once per frame; returns an index into VERDICTS.
 *
 * It reads from the frame only what decides. The whole sighting is for those few frames of which somebody wants to know more, and
 * for VRRP: filling it for every frame took a third of the time (24 against 32 M frames/s over every path). The order of the
 * functions is that of the inliner's budget: what most frames need is small and comes first.
 *
 * It answers as the kernel's guard does (vswitch/), from the same policy; a differential test sends the same frames
 * through both. The order is the guard's: who sends, then what it says; what only the agent can read comes last.
 *
 * filter/ is this, the policy that it reads (policy.ts) and how that is made (compile.ts), and the same verdict in words for people
 * (explain.ts).
 */
import { isVirtualMac } from '../base/mac.ts';
import { V } from '../base/verdict.ts';
import { isArp, isRarp } from '../decode/arp.ts';
import { viewOf } from '../decode/bytes.ts';
import { decodeView } from '../decode/frame.ts';
import { decodeIpv6, isDhcpv6Offer } from '../decode/nd.ts';
import * as S from '../decode/sighting.ts';
import type { Sighting } from '../decode/sighting.ts';
import { mayBeVrrp } from '../decode/vrrp.ts';
import { judgeIpv4 } from './ipv4.ts';
import { judgeIpv6 } from './nd.ts';
import * as L from './layout.ts';
import { isMember, lookUp, type Policy, portMayClaim, sharesAddress } from './policy.ts';
import * as W from './whose.ts';
import { whoseVmac } from './whose.ts';

// An imported value is loaded and checked at every use, a constant of the module becomes part of the machine code.
const { ARP, NONE, OTHER, RARP, VRRP } = S;
const { MINE, OTHERS } = W;
const { PORT_WORDS, PORT_PRESENT, PORT_MAC_HIGH, PORT_MAC_LOW, PORT_VPC, PORT_SUBNET, PORT_INSTANCE } = L;
const { PORT_FLAGS, PORT_ADDRESS, MAY_CLAIM, ROUTES, HAVIP_WORDS, HAVIP_SUBNET, UNKNOWN } = L;
const OWN_ADDRESS = V['own-address'];
const PROBE = V.probe;
const PROBE_TAKEN = V['probe-taken'];
const VMAC_HELD = V['vmac-held'];
const HAVIP_CLAIM = V['havip-claim'];
const RARP_ANNOUNCE = V['rarp-announce'];
const OTHER_IP = V['other-ip'];
const NOT_HAVIP = V['not-havip'];
const FOREIGN_SUBNET = V['foreign-subnet'];
const NOT_MEMBER = V['not-member'];
const MAC_MISMATCH = V['mac-mismatch'];
const MALFORMED = V.malformed;
const DHCP_OFFER = V['dhcp-offer'];
const TAGGED = V.tagged;
const ENCAPSULATED = V.encapsulated;
const ETHERTYPE = V.ethertype;
const LINK_CONTROL = V['link-control'];
const UNKNOWN_PORT = V['unknown-port'];

const UDP = 17;
/** EtherTypes of IEEE 802.1AB and 802.3 (LACP); the two LLC addresses of a BPDU (IEEE 802.1D). */
const LLDP = 0x88cc;
const SLOW_PROTOCOLS = 0x8809;
const SPANNING_TREE = 0x4242;

/** The EtherType of a frame whose tag, whatever its own, the kernel had taken off. */
const VLAN = 0x8100;
/**
 * @param bytes memory that holds the frame
 * @param at offset of the destination MAC
 * @param captured bytes present
 * @param tag VLAN tag that the kernel had taken off: TPID << 16 | TCI, 0 for none
 * @param port index of the port it came from; out of range or absent from the policy: unknown-port
 * @param out `protocol` and `havip` are set, of VRRP all else too; whoever needs more calls decodeFrame
 */
export function judge(
  policy: Policy,
  bytes: Uint8Array,
  at: number,
  captured: number,
  tag: number,
  port: number,
  out: Sighting,
): number {
  return judgeView(policy, viewOf(bytes), at, captured, tag, port, out);
}

/** The same, for a caller that keeps the view. */
export function judgeView(
  policy: Policy,
  view: DataView,
  at: number,
  captured: number,
  tag: number,
  port: number,
  out: Sighting,
): number {
  out.havip = NONE;
  out.protocol = OTHER;
  const { words } = policy;
  const portAt = policy.portsAt + port * PORT_WORDS;
  const known = port >= 0 && port < policy.portCount && words[portAt + PORT_PRESENT] === 1;
  if (captured < 14) return known ? MALFORMED : UNKNOWN_PORT;
  const type = tag === 0 ? view.getUint16(at + 12) : VLAN;
  if (type === 0x0806) {
    out.protocol = ARP;
    return known ? judgeArp(policy, view, at, captured, port, portAt, out) : UNKNOWN_PORT;
  }
  return judgeOther(policy, view, at, captured, type, port, known, out);
}

function judgeArp(
  policy: Policy,
  view: DataView,
  at: number,
  captured: number,
  port: number,
  portAt: number,
  out: Sighting,
): number {
  if (!isArp(view, at, captured)) return MALFORMED;
  const { words } = policy;
  const senderHigh = view.getUint16(at + 22);
  const senderLow = view.getInt32(at + 24);
  // 0: the same MAC. Integers and one branch on their sum: as booleans each comparison was a branch.
  const offPort =
    (view.getUint16(at + 6) ^ words[portAt + PORT_MAC_HIGH]!) | (view.getInt32(at + 8) ^ words[portAt + PORT_MAC_LOW]!);
  const offSender = (view.getUint16(at + 6) ^ senderHigh) | (view.getInt32(at + 8) ^ senderLow);
  if ((offPort | offSender) !== 0) {
    // RFC 9568, 8.1.2, from the virtual MAC, or keepalived's and older senders' form: physical source, virtual sender.
    if ((offPort === 0 || offSender === 0) && isVirtualMac(senderHigh, senderLow))
      return judgeOther(policy, view, at, captured, 0x0806, port, true, out);
    return isUnicast(senderHigh, senderLow) ? MAC_MISMATCH : MALFORMED;
  }
  const address = view.getInt32(at + 28);
  if (address === 0) return judgeOther(policy, view, at, captured, 0x0806, port, true, out);
  return address === words[portAt + PORT_ADDRESS] ? OWN_ADDRESS : judgeAddress(policy, address, port, portAt, out);
}

function judgeAddress(policy: Policy, address: number, port: number, portAt: number, out: Sighting): number {
  const { words } = policy;
  const meaning = lookUp(policy, words[portAt + PORT_VPC]!, address);
  if (meaning >= 0) {
    out.havip = meaning;
    const havipAt = policy.havipsAt + meaning * HAVIP_WORDS;
    if (words[havipAt + HAVIP_SUBNET] !== words[portAt + PORT_SUBNET]) return FOREIGN_SUBNET;
    return isMember(words, havipAt, words[portAt + PORT_INSTANCE]!) ? HAVIP_CLAIM : NOT_MEMBER;
  }
  if (meaning === ~port) return OWN_ADDRESS;
  // 224.0.0.0 and above (multicast, reserved, broadcast), and 127.0.0.0/8: no sender's address (RFC 1122, 3.2.1.3).
  if (meaning === UNKNOWN && (address >>> 24 >= 224 || address >>> 24 === 127)) return MALFORMED;
  return sharesAddress(policy, words[portAt + PORT_VPC]!, address, meaning, port) ? OWN_ADDRESS : NOT_HAVIP;
}

/** What is not a port's own, nor a HAVIP of its own, nor nobody's: to ask for it keeps its owner from it. */
function judgeProbe(policy: Policy, view: DataView, at: number, port: number, portAt: number): number {
  if (view.getUint16(at + 20) !== 1) return MALFORMED;
  const vpc = policy.words[portAt + PORT_VPC]!;
  const target = lookUp(policy, vpc, view.getInt32(at + 38));
  if (target === UNKNOWN || target === ~port) return PROBE;
  if (target >= 0) return portMayClaim(policy, port, target) ? PROBE : PROBE_TAKEN;
  return sharesAddress(policy, vpc, view.getInt32(at + 38), target, port) ? PROBE : PROBE_TAKEN;
}

/** From a virtual MAC, which may be another cluster's: a HAVIP of the port's, and nothing else. */
function judgeVirtual(policy: Policy, view: DataView, at: number, port: number, portAt: number, out: Sighting): number {
  const address = view.getInt32(at + 28);
  if (address === 0) return view.getUint16(at + 20) === 1 ? MAC_MISMATCH : MALFORMED;
  const verdict = judgeAddress(policy, address, port, portAt, out);
  if (verdict === OWN_ADDRESS) return MAC_MISMATCH;
  if (verdict !== HAVIP_CLAIM) return verdict;
  return whoseVmac(policy, port, policy.words[portAt + PORT_VPC]!, view.getUint8(at + 27)) === OTHERS ? VMAC_HELD : HAVIP_CLAIM;
}

/**
 * All but ARP, and ARP of the rarer kinds, which wants a second look-up: one function, and too long for V8 to inline (460 bytes of
 * bytecode). So the inliner's budget goes to what guests flood.
 */
function judgeOther(
  policy: Policy,
  view: DataView,
  at: number,
  captured: number,
  type: number,
  port: number,
  known: boolean,
  out: Sighting,
): number {
  const { words } = policy;
  const portAt = policy.portsAt + port * PORT_WORDS;
  if (type === 0x0806) {
    const isProbe = view.getInt32(at + 28) === 0 && view.getInt32(at + 24) === words[portAt + PORT_MAC_LOW];
    if (isProbe && view.getUint16(at + 22) === words[portAt + PORT_MAC_HIGH]) return judgeProbe(policy, view, at, port, portAt);
    return judgeVirtual(policy, view, at, port, portAt, out);
  }
  if (type === 0x8035) {
    out.protocol = RARP;
    if (!known) return UNKNOWN_PORT;
    // QEMU's self-announce after a live migration: sender and target are the port's own MAC, no address is said.
    if (!isRarp(view, at, captured)) return MALFORMED;
    const high = words[portAt + PORT_MAC_HIGH];
    const low = words[portAt + PORT_MAC_LOW];
    if (view.getUint16(at + 6) !== high || view.getInt32(at + 8) !== low) return MAC_MISMATCH;
    if (view.getUint16(at + 22) !== high || view.getInt32(at + 24) !== low) return MAC_MISMATCH;
    if (view.getUint16(at + 32) !== high || view.getInt32(at + 34) !== low) return MAC_MISMATCH;
    return view.getInt32(at + 28) === 0 && view.getInt32(at + 38) === 0 ? RARP_ANNOUNCE : MALFORMED;
  }
  if (type === 0x0800 && mayBeVrrp(view, at, captured)) decodeView(view, at, captured, 0, out);
  else if (type === 0x86dd) decodeIpv6(view, at, captured, out);
  if (!known) return UNKNOWN_PORT;
  if (type === 0x0800) return judgeIpv4(policy, view, at, captured, port, out);
  if (type === 0x86dd) {
    const high = view.getUint16(at + 6);
    const low = view.getInt32(at + 8);
    const offers = (words[portAt + PORT_FLAGS]! & ROUTES) === 0 && isDhcpv6Offer(view, at, captured);
    // Bulk is asked for it before its sender, what stands behind other headers after that.
    if (offers && view.getUint8(at + 20) === UDP) return DHCP_OFFER;
    const fromPort = high === words[portAt + PORT_MAC_HIGH] && low === words[portAt + PORT_MAC_LOW];
    if (!fromPort && ((words[portAt + PORT_FLAGS]! & MAY_CLAIM) === 0 || !isVirtualMac(high, low))) return MAC_MISMATCH;
    // Neighbour discovery and VRRP over IPv6 have no use for IPv4's virtual MACs: who does not hold one sends nothing from it.
    if (!fromPort && whoseVmac(policy, port, words[portAt + PORT_VPC]!, low & 0xff) !== MINE) return VMAC_HELD;
    if (out.fault !== NONE) return out.fault;
    if (offers) return DHCP_OFFER;
    return out.protocol === OTHER ? OTHER_IP : judgeIpv6(policy, view, at, captured, port, fromPort, out);
  }
  if (type === 0x8100 || type === 0x88a8 || type === 0x9100 || type === 0x9200) return TAGGED;
  if (type >= 0x0600) return type === LLDP || type === SLOW_PROTOCOLS ? LINK_CONTROL : ETHERTYPE;
  return captured >= 16 && view.getUint16(at + 14) === SPANNING_TREE ? LINK_CONTROL : ENCAPSULATED;
}

function isUnicast(high: number, low: number): boolean {
  return (high & 0x0100) === 0 && (high | low) !== 0;
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
  const vpc = policy.words[policy.portsAt + port * PORT_WORDS + PORT_VPC]!;
  const view = viewOf(bytes);
  for (let i = 0; i < s.addressCount; i++) {
    const havip = lookUp(policy, vpc, view.getInt32(at + s.addressesAt + 4 * i));
    if (havip >= 0 && portMayClaim(policy, port, havip)) take(havip);
  }
}
