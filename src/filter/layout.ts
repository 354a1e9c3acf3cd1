/**
 * The words of a compiled policy (compile.ts makes the block, policy.ts asks it, this names what stands where):
 *
 *     header  16 words: see HEADER
 *     ports   8 words each:  present | mac high | mac low | vpc | subnet | instance | flags | first address, or 0
 *     havips  16 words each: vpc | subnet | address | number of members, or -1 for all | up to 10 instances | fenced | -
 *     lookup  4 words each:  vpc, or -1 when empty | address | meaning | -      open addressing, at most half full
 *     fellows 2 words each:  port, or -1 when empty | instance                  the same; where all of a subnet are, a flag says so
 *     ports6  4 words each:  flags | prefix of 64 bits | -
 *     lookup6 8 words each:  vpc, or -1 when empty | address of 128 bits | meaning | - | -
 *
 * Hot files copy what they need to constants of their own: an imported value is loaded and checked at every use, a constant of the
 * module becomes part of the machine code.
 */

export const POLICY_MAGIC = 0x4841_5649;
/** Where each table starts, in words, and how many it has room for; of a mask: slots minus one, and slots are a power of two. */
export const HEADER = {
  magic: 0,
  generation: 1,
  portCount: 2,
  portsAt: 3,
  havipCount: 4,
  havipsAt: 5,
  lookupMask: 6,
  lookupAt: 7,
  ports6At: 8,
  lookup6At: 9,
  lookup6Mask: 10,
  fellowsAt: 11,
  fellowsMask: 12,
} as const;
export const HEADER_WORDS = 16;

export const PORT_WORDS = 8;
export const PORT_PRESENT = 0;
export const PORT_MAC_HIGH = 1;
export const PORT_MAC_LOW = 2;
export const PORT_VPC = 3;
export const PORT_SUBNET = 4;
export const PORT_INSTANCE = 5;
export const PORT_FLAGS = 6;
export const PORT_ADDRESS = 7;

/** Flags of a port: it may claim some HAVIP. */
export const MAY_CLAIM = 1;
/** Some HAVIP of its subnet is everybody's. */
export const ALL_FELLOWS = 2;
/** Its IPv4 sources are not checked. */
export const ANY_SOURCE = 4;
/** It may also send redirects and DHCP offers, and from what others hold. */
export const ROUTES = 8;

export const HAVIP_WORDS = 16;
export const HAVIP_VPC = 0;
export const HAVIP_SUBNET = 1;
export const HAVIP_ADDRESS = 2;
/** How many instances may claim it; -1: all of its subnet. */
export const HAVIP_MEMBERS = 3;
/** The first of them; one that is known nowhere is -1. */
export const HAVIP_INSTANCES = 4;
export const MAX_MEMBERS = 10;
/** 1 where only its holder may send from it. */
export const HAVIP_FENCE = HAVIP_INSTANCES + MAX_MEMBERS;

export const LOOKUP_WORDS = 4;
/** Meanings of an address beside the index of a HAVIP (0 and above) and of a port (~port, below that). Nothing is known of it. */
export const UNKNOWN = -0x8000_0000;
/** It is a router's or gateway's, and no port's of this host. */
export const ROUTER = UNKNOWN + 1;
/** It is a subnet's network or broadcast address: what is sent there, all machines of the subnet hear. */
export const EVERYBODY = UNKNOWN + 2;

export const FELLOW_WORDS = 2;

export const PORT6_WORDS = 4;
export const PORT6_FLAGS = 0;
export const PORT6_PREFIX_HIGH = 1;
export const PORT6_PREFIX_LOW = 2;
/** Flags of a port: which addresses that are nobody's it may speak for, and whether it may speak as a router. */
export const ANY_SPARE = 1;
export const PREFIX_SPARE = 2;
export const IS_ROUTER = 4;

export const LOOKUP6_WORDS = 8;
