/**
 * Which frames leave the kernel: everything a guest sends except plain IPv4 and IPv6, for which this agent has no use. ARP, RARP,
 * VRRP (protocol 112, fragments included, also behind AH as in version 2), whatever carries a VLAN tag, LLC/SNAP, and every unknown
 * EtherType come through, since all of these are judged. Tagged IP does too: a tag is a disguise.
 *
 * Three times the same rule: eBPF that also limits the rate (police.ts); where the kernel or a missing privilege does not allow
 * that, classic BPF (kernel Documentation/networking/filter.rst); and a libpcap expression.
 */
import type { BpfInstruction } from '../abi/socket-filter.ts';

/** Bytes of a frame that are kept: Ethernet, IPv4 without options, and a VRRP version 2 advert of 113 addresses. */
export const SNAP_BYTES = 504;

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
const JEQ = 0x15;
const RET = 0x06;

/**
 * Jumps are relative to the next instruction. An IPv4 frame too short to have a protocol field is dropped: a load beyond the end
 * of the frame ends the program with 0. The kernel takes the outermost tag off before this runs, priority tags (VID 0)
 * too, hence the test for its presence; a further tag shows as the EtherType.
 */
export const GUEST_CLAIMS: readonly BpfInstruction[] = [
  { code: LD, jt: 0, jf: 0, k: SKF_AD_PKTTYPE },
  { code: JEQ, jt: 12, jf: 0, k: PACKET_OUTGOING },
  { code: LD, jt: 0, jf: 0, k: SKF_AD_VLAN_TAG_PRESENT },
  { code: JEQ, jt: 0, jf: 9, k: 0 },
  { code: LDH, jt: 0, jf: 0, k: 12 },
  { code: JEQ, jt: 8, jf: 0, k: 0x86dd },
  { code: JEQ, jt: 0, jf: 6, k: 0x0800 },
  { code: LDB, jt: 0, jf: 0, k: 23 },
  { code: JEQ, jt: 4, jf: 0, k: 112 },
  { code: JEQ, jt: 0, jf: 4, k: 51 },
  { code: LDX_HEADER_LENGTH, jt: 0, jf: 0, k: 14 },
  { code: LDB_INDEXED, jt: 0, jf: 0, k: 14 },
  { code: JEQ, jt: 0, jf: 1, k: 112 },
  { code: RET, jt: 0, jf: 0, k: SNAP_BYTES },
  { code: RET, jt: 0, jf: 0, k: 0 },
];

/** The same rule for libpcap. `vlan` comes last: it shifts the offsets of all that follows it in an expression. */
export const GUEST_CLAIMS_EXPRESSION =
  'inbound and (not (ip or ip6) or ip proto 112 or (ip proto 51 and ip[(ip[0] & 15) * 4] = 112) or vlan)';
