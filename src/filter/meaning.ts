/** What a policy's look-ups answer beside the index of a HAVIP (0 and above) and of a port (~port, below that). */

/** Nothing is known of the address. */
export const UNKNOWN = -0x8000_0000;
/** It is a router's or gateway's, and no port's of this host. */
export const ROUTER = UNKNOWN + 1;
/** It is a subnet's network or broadcast address: what is sent there, all machines of the subnet hear. */
export const EVERYBODY = UNKNOWN + 2;
