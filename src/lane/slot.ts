/**
 * A slot: one claim, or one change of a link, as words of shared memory. Written by a worker, read by the main thread; a ring's slots
 * (ring.ts) are 512 bytes each, a tape's (tape.ts) as long as their frame.
 *
 *     word 0 verdict | 1 port    | 2 havip   | 3 kind | 4 MAC, upper 16 bits | 5 lower 32 bits | 6 frame bytes
 *          0 state   | 1 port    | 2 ifindex | 3 LINK | 4 carriers
 *     word 7 VRRP version, auth, checksum form, unicast: 8 bits each; 0: no VRRP, or none that could be read
 *     word 8-9 capturedNs, a double
 *     word 10 VRID, priority: 8 bits each | 11 intervalMs
 *     word 12 where the 8 password bytes and the VRRP message start in the frame: 16 bits each, or 0
 *     word 13 of replay's tapes: the interface in the file | 14-15 free
 *     bytes 64..511 the frame's first bytes
 *
 * No word says an address: a claim's is that of its HAVIP, and IP's are in the frame, whose EtherType tells the family.
 */

export const SLOT_BYTES = 512;
export const FRAME_AT = 64;
export const FRAME_BYTES = SLOT_BYTES - FRAME_AT;

export const VERDICT = 0;
export const PORT = 1;
export const HAVIP = 2;
export const KIND = 3;
export const MAC_HIGH = 4;
export const MAC_LOW = 5;
export const LENGTH = 6;
export const VRRP_FORM = 7;
/** Counted in doubles. */
export const CAPTURED_NS = 4;
export const VRID = 10;
export const INTERVAL_MS = 11;
export const PASSWORD = 12;
export const STREAM = 13;

/** Of a change of a link. The kind tells it from a claim; its time is where a claim's is. */
export const STATE = 0;
export const IFINDEX = 2;
export const CARRIERS = 4;

/** Kinds of claims by number; claim.ts says what they mean. */
export const CLAIM_KINDS = ['announce', 'advert', 'resign', 'relocate', 'refused'] as const;

const kind = (name: (typeof CLAIM_KINDS)[number]) => CLAIM_KINDS.indexOf(name);
export const ANNOUNCE = kind('announce');
export const ADVERT = kind('advert');
export const RESIGN = kind('resign');
export const RELOCATE = kind('relocate');
export const REFUSED = kind('refused');
/** No claim. */
export const LINK = CLAIM_KINDS.length;

/** By decode/sighting.ts's AUTH_*. */
export const AUTHS = ['none', 'pass', 'ah', 'hmac'] as const;
/** By decode/sighting.ts's CHECKSUM_*. */
export const CHECKSUMS = ['wrong', 'v2', 'pseudo', 'plain', 'pseudo-multicast', 'unseen'] as const;

/** What slots are read from, three views of the same memory; a slot is its byte offset. */
export interface ClaimSlots {
  readonly words: Int32Array;
  readonly doubles: Float64Array;
  readonly bytes: Uint8Array;
}

/** What slots are written to. */
export interface ClaimSink extends ClaimSlots {
  /** Byte offset of a free slot; -1: there is none. The views are valid after it. */
  reserve(): number;
  /** Makes the reserved slot visible. */
  publish(): void;
}
