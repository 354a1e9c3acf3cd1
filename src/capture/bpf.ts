/**
 * Which frames leave the kernel: everything a guest sends except plain IPv4 and IPv6, for which this agent has no use. ARP, RARP,
 * VRRP (protocol 112, fragments included, also behind AH as in version 2), neighbour discovery, whatever carries a VLAN tag, LLC/SNAP, and
 * every unknown EtherType come through, since all of these are judged. Tagged IP does too: a tag is a disguise.
 *
 * Of IPv6 behind extension headers what may hide one of these comes through: the type of ICMPv6 behind one header is read here, two headers
 * in a row are rare enough to be judged. Bulk traffic of any kind, fragments included, stays in the kernel.
 *
 * Three times the same rule: eBPF that also limits the rate (police.ts); where the kernel or a missing privilege does not allow
 * that, classic BPF (kernel Documentation/networking/filter.rst); and a libpcap expression.
 */
import type { BpfInstruction } from '../abi/socket-filter.ts';
import { assert } from '../base/assert.ts';
import { SNAP_BYTES } from '../base/snap.ts';

/** Addresses of what is known about a frame but is not in it: SKF_AD_OFF + field. */
const ANCILLARY = 0xffff_f000;
export const SKF_AD_PKTTYPE = ANCILLARY + 4;
export const SKF_AD_VLAN_TAG_PRESENT = ANCILLARY + 48;
const PACKET_OUTGOING = 4;

const LDB = 0x30;
/** Of the frame at X + k. */
const LDB_INDEXED = 0x50;
/** X = length of the IPv4 header at k. */
const LDX_HEADER_LENGTH = 0xb1;
const LDH = 0x28;
const LD = 0x20;
const ADD = 0x04;
const SHIFT_LEFT = 0x64;
/** X = A */
const TAX = 0x07;
const JEQ = 0x15;
const JGE = 0x35;
/** Any of these bits. */
const JSET = 0x45;
const RET = 0x06;

interface Place {
  readonly at: string;
}

/** An instruction; the place of a name; or a jump to a name, taken if the accumulator is, or has, that. */
type Line = readonly [code: number, k: number] | Place | { readonly jump: number; readonly k: number; readonly to: string };

const goIf = (jump: number, k: number, to: string): Line => ({ jump, k, to });
const goIfAny = (values: readonly number[], to: string): Line[] => values.map((k) => goIf(JEQ, k, to));

/** TCP, UDP, ESP: never looked into. */
export const BULK_NEXT_HEADERS = [6, 17, 50];
/** Behind one header: VRRP, which is hidden there, or a header that hides more; a chain that ends in 255 has no end. */
export const HIDING_NEXT_HEADERS = [112, 0, 43, 44, 51, 60, 255];
/** RFC 4302: behind AH nothing is looked at, so nothing that is judged may be there. */
export const HIDING_BEHIND_AH = [58, 112, 0, 43, 44, 51, 59, 60];

/** VRRP, also behind AH; nothing else. */
const IPV4_LINES: readonly Line[] = [
  { at: 'ipv4' },
  [LDB, 23],
  goIf(JEQ, 112, 'pass'),
  goIf(JEQ, 51, 'signed ipv4'),
  [RET, 0],
  { at: 'signed ipv4' },
  [LDX_HEADER_LENGTH, 14],
  [LDB_INDEXED, 14],
  goIf(JEQ, 112, 'pass'),
  [RET, 0],
];

const IPV6_LINES: readonly Line[] = [
  { at: 'ipv6' },
  [LDB, 20],
  ...goIfAny(BULK_NEXT_HEADERS, 'drop'),
  goIf(JEQ, 58, 'icmpv6'),
  ...goIfAny([112, 255], 'pass'),
  goIf(JEQ, 44, 'fragment'),
  ...goIfAny([0, 43, 60], 'header'),
  goIf(JEQ, 51, 'signed'),
  [RET, 0],

  { at: 'icmpv6' },
  [LDB, 54],
  goIf(JGE, 0, 'type'),

  { at: 'fragment' },
  [LDB, 54],
  ...goIfAny(HIDING_NEXT_HEADERS, 'pass'),
  goIf(JEQ, 58, 'icmpv6 in a fragment'),
  [RET, 0],
  { at: 'icmpv6 in a fragment' },
  [LDH, 56],
  goIf(JSET, 0xfff8, 'drop'),
  [LDB, 62],
  goIf(JGE, 0, 'type'),

  { at: 'signed' },
  [LDB, 54],
  ...goIfAny(HIDING_BEHIND_AH, 'pass'),
  [RET, 0],

  { at: 'header' },
  [LDB, 54],
  ...goIfAny(HIDING_NEXT_HEADERS, 'pass'),
  goIf(JEQ, 58, 'icmpv6 behind a header'),
  [RET, 0],
  { at: 'icmpv6 behind a header' },
  [LDB, 55],
  [ADD, 1],
  [SHIFT_LEFT, 3],
  [TAX, 0],
  [LDB_INDEXED, 54],

  { at: 'type' },
  ...goIfAny([141, 142], 'pass'),
  goIf(JGE, 139, 'drop'),
  goIf(JGE, 133, 'pass'),
];

/**
 * An IPv4 frame too short to have a protocol field is dropped: a load beyond the end of the frame ends the program with 0. The kernel
 * takes the outermost tag off before this runs, priority tags (VID 0) too, hence the test for its presence; a further tag shows as the
 * EtherType.
 */
export const GUEST_CLAIMS: readonly BpfInstruction[] = assemble([
  [LD, SKF_AD_PKTTYPE],
  goIf(JEQ, PACKET_OUTGOING, 'drop'),
  [LD, SKF_AD_VLAN_TAG_PRESENT],
  goIf(JGE, 1, 'pass'),
  [LDH, 12],
  goIf(JEQ, 0x86dd, 'ipv6'),
  goIf(JEQ, 0x0800, 'ipv4'),
  [RET, SNAP_BYTES],

  ...IPV4_LINES,
  ...IPV6_LINES,
  { at: 'drop' },
  [RET, 0],
  { at: 'pass' },
  [RET, SNAP_BYTES],
]);

/**
 * Which frames of an uplink leave the kernel: ARP, RARP and VRRP, untagged. All else there is other hosts' business, and on a trunk it
 * is most of what they send.
 */
export const UPLINK_CLAIMS: readonly BpfInstruction[] = assemble([
  [LD, SKF_AD_PKTTYPE],
  goIf(JEQ, PACKET_OUTGOING, 'drop'),
  [LD, SKF_AD_VLAN_TAG_PRESENT],
  goIf(JGE, 1, 'drop'),
  [LDH, 12],
  goIf(JEQ, 0x0806, 'pass'),
  goIf(JEQ, 0x8035, 'pass'),
  goIf(JEQ, 0x0800, 'ipv4'),
  [RET, 0],

  ...IPV4_LINES,
  { at: 'drop' },
  [RET, 0],
  { at: 'pass' },
  [RET, SNAP_BYTES],
]);

/** Arrays have a method `at`. */
function isPlace(line: Line): line is Place {
  return !Array.isArray(line) && 'at' in line;
}

/** Jumps are relative to the next instruction, and go forward. */
function assemble(lines: readonly Line[]): BpfInstruction[] {
  const places = new Map<string, number>();
  const instructions: Exclude<Line, Place>[] = [];
  for (const line of lines) {
    if (isPlace(line)) places.set(line.at, instructions.length);
    else instructions.push(line);
  }
  return instructions.map((line, i) => {
    if (!('jump' in line)) return { code: line[0], jt: 0, jf: 0, k: line[1] };
    const jt = (places.get(line.to) ?? -1) - i - 1;
    assert(jt >= 0 && jt < 256, `there is a place ${line.to} ahead`);
    return { code: line.jump, jt, jf: 0, k: line.k };
  });
}

/** Of one header or one value after the other, for libpcap. */
const oneOf = (value: string, numbers: readonly number[]) => `(${numbers.map((number) => `${value} = ${number}`).join(' or ')})`;
const isNd = (type: string) => `((${type} >= 133 and ${type} <= 138) or ${type} = 141 or ${type} = 142)`;
const IPV6_CLAIMS = [
  `(ip6[6] = 58 and ${isNd('ip6[40]')})`,
  'ip6[6] = 112 or ip6[6] = 255',
  `(${oneOf('ip6[6]', [0, 43, 44, 60])} and ${oneOf('ip6[40]', HIDING_NEXT_HEADERS)})`,
  `(ip6[6] = 44 and ip6[40] = 58 and ip6[42:2] & 0xfff8 = 0 and ${isNd('ip6[48]')})`,
  `(${oneOf('ip6[6]', [0, 43, 60])} and ip6[40] = 58 and ${isNd('ip6[48 + ip6[41] * 8]')})`,
  `(ip6[6] = 51 and ${oneOf('ip6[40]', HIDING_BEHIND_AH)})`,
].join(' or ');

/** The filter of uplinks, for libpcap. */
export const UPLINK_CLAIMS_EXPRESSION =
  'inbound and (arp or rarp or ip proto 112 or (ip proto 51 and ip[(ip[0] & 15) * 4] = 112))';

/** The same rule for libpcap. `vlan` comes last: it shifts the offsets of all that follows it in an expression. */
export const GUEST_CLAIMS_EXPRESSION = `inbound and (not (ip or ip6) or ip proto 112 or (ip proto 51 and ip[(ip[0] & 15) * 4] = 112) or (ip6 and (${IPV6_CLAIMS})) or vlan)`;
