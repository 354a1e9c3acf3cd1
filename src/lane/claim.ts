/**
 * What workers tell the main thread, one value per frame that mattered. Ports and times are this host's: what another host knows comes
 * as bindings, not as claims.
 */
import type { Ipv4 } from '../base/address.ts';
import type { Mac } from '../base/mac.ts';
import type { LinkState } from '../base/network.ts';
import type { AUTHS, CHECKSUMS, CLAIM_KINDS } from './slot.ts';

/**
 * `announce`: ARP that says "I hold it". `advert`: VRRP evidence that the sender is master. `resign`: VRRP priority 0.
 * `relocate`: RARP; all HAVIPs of this MAC are behind this port now. `refused`: a sample of dropped frames (at most one per
 * port, reason and second), for logs and findings.
 */
export type ClaimKind = (typeof CLAIM_KINDS)[number];

export interface VrrpFacts {
  readonly version: 2 | 3;
  readonly vrid: number;
  readonly priority: number;
  readonly intervalMs: number;
  /** `none` sends no password; `pass` did, in clear text, and it is not kept; `hmac`: a trailer follows the VRRP data. */
  readonly auth: (typeof AUTHS)[number];
  /** Which of the forms in use the checksum had: v2 over the message; v3 with or without pseudo-header, or with 224.0.0.18 in it. */
  readonly checksum: (typeof CHECKSUMS)[number];
  readonly unicast: boolean;
  /** Left out: IPv4. With IPv6 `source` and `destination` are the last 32 bits of the addresses. */
  readonly family?: 'ipv6';
  readonly source: Ipv4;
  readonly destination: Ipv4;
}

export interface Claim {
  readonly kind: ClaimKind;
  /** Index into VERDICTS. */
  readonly verdict: number;
  /** Place at which it came in: index of a port, or an uplink's (base/elsewhere.ts). */
  readonly port: number;
  /** HAVIP index, or -1 (relocate; an advert that lists none; refused without a HAVIP). An advert that lists three HAVIPs makes three claims. */
  readonly havip: number;
  /** Sender: ARP sender hardware address, else the Ethernet source. */
  readonly mac: Mac;
  /** Kernel timestamp of the frame on the monotonic clock. */
  readonly capturedNs: number;
  /** null: no VRRP, or a message that could not be read. */
  readonly vrrp: VrrpFacts | null;
  /**
   * The frame's first bytes (at most 448) with any VRRP password blanked and taken out of the checksum. A copy; the receiver may
   * keep it.
   */
  readonly frame: Uint8Array;
  /**
   * The same bytes with the password still in them, for an assisted resign, which has to speak it. It must never reach a view, an
   * event, a log, a metric or a record; only adverts with PASS authentication have it.
   */
  readonly rawFrame?: Uint8Array;
}

/** A port's interface came, went, or changed its carrier; from rtnetlink. */
export interface LinkChange {
  readonly port: number;
  readonly state: LinkState;
  /** Index of the interface in the kernel, 0 while absent. */
  readonly ifindex: number;
  /** Where a carrier was lost: how often the interface has had one so far, by the kernel's count; -1: not told. */
  readonly carriers?: number;
  readonly atNs: number;
}

/** The main thread's end of a lane (reader.ts), or whoever makes claims up: rehearsals, tests. */
export interface ClaimSource {
  /** Hands over what is waiting, in order of capture, `most` of it at a time. */
  drain(onClaim: (claim: Claim) => void, onLink: (change: LinkChange) => void, most: number): void;
  /** Resolves when something is waiting, but never before others had their turn of the event loop. */
  wait(): Promise<void>;
}
