/** Bytes of a live frame that are kept, of which decode must know: one that fills them may be the beginning of a longer one. */

/** Ethernet, IPv4 without options, and a VRRP version 2 advert of 113 addresses. */
export const SNAP_BYTES = 504;
