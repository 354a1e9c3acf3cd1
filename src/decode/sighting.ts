/**
 * What one frame says, as integers: the record that decode fills and the judge reads. One per thread, reused for every frame, so
 * that nothing is allocated (object per frame: 16 times slower).
 *
 * Everything is a signed 32-bit integer, which V8 keeps inside the object. A MAC is two of them: upper 16 bits, lower 32 bits.
 */
export const OTHER = 0;
export const ARP = 1;
export const RARP = 2;
export const VRRP = 3;
/** Neighbour discovery, ARP's twin of IPv6. */
export const ND = 4;
/** Bits that hold any of them. */
export const PROTOCOL_BITS = 3;

/** `fault` of a frame without one. Every other value is an index into VERDICTS. */
export const NONE = -1;

/** `vrrpChecksum`: which form matched (RFC 9568, 5.2.8; docs/protocol-facts.md, 13). */
export const CHECKSUM_WRONG = 0;
export const CHECKSUM_V2 = 1;
export const CHECKSUM_PSEUDO = 2;
export const CHECKSUM_PLAIN = 3;
export const CHECKSUM_PSEUDO_MULTICAST = 4;
/** The capture cut the message short of what it covers. */
export const CHECKSUM_UNSEEN = 5;

/** 224.0.0.18, which as `ipDestination` stands for VRRP's group of either family. */
export const VRRP_GROUP = 0xe000_0012 | 0;

/** `vrrpAuth`. */
export const AUTH_NONE = 0;
export const AUTH_PASS = 1;
export const AUTH_AH = 2;
export const AUTH_HMAC = 3;

export class Sighting {
  /** OTHER, ARP, RARP, VRRP or ND: the slot of havip_frames_total{protocol}. */
  protocol = OTHER;
  /** What the bytes alone decide: a verdict index, or NONE when the judge has to look. */
  fault = NONE;
  /** For VRRP: what is wrong inside the message, judged only after all that the kernel's guard can see; or NONE. */
  vrrpFault = NONE;

  sourceHigh = 0;
  sourceLow = 0;

  /** ARP and RARP (RFC 826, RFC 903). */
  operation = 0;
  senderHigh = 0;
  senderLow = 0;
  senderAddress = 0;
  targetHigh = 0;
  targetLow = 0;
  targetAddress = 0;

  /**
   * Neighbour discovery (RFC 4861); `operation` is its ICMPv6 type. Where in the frame is what it speaks for, 0: nothing there does.
   * Its IPv6 source, unless that is ::; the target of an advertisement, or of a solicitation from ::; the MAC in its option.
   */
  sourceAt = 0;
  targetAt = 0;
  optionMacAt = 0;

  /** IPv4 header of a VRRP packet. */
  ipSource = 0;
  ipDestination = 0;
  ttl = 0;

  /** VRRP (RFC 9568, 5.1; RFC 3768, 5.1 for version 2). */
  vrrpVersion = 0;
  vrid = 0;
  priority = 0;
  intervalMs = 0;
  addressCount = 0;
  /** Where the list of addresses starts, counted from the frame's first byte. */
  addressesAt = 0;
  vrrpAuth = AUTH_NONE;
  vrrpChecksum = CHECKSUM_WRONG;

  /** Filled by the judge: the HAVIP that the verdict is about, or NONE. */
  havip = NONE;
}
