/**
 * What was refused, so that it can be explained afterwards: of each port and reason the last frame that a worker told of. Main thread;
 * bounded by the ports and the reasons.
 */
import { formatIpv4 } from '../base/address.ts';
import { readIpv6 } from '../base/ipv6.ts';
import { formatMac, readMac } from '../base/mac.ts';
import { type Reason, reasonOf } from '../base/verdict.ts';
import type { Claim } from '../lane/claim.ts';
import { spokenAt } from '../lane/samples.ts';

/** Enough to explain ARP and the head of a VRRP message. */
const SHOWN_BYTES = 64;

/** Values are null where the frame does not say them. */
export interface RefusedFrame {
  readonly sourceMac: string | null;
  /** Of ARP: what it says beside its source MAC. */
  readonly senderMac: string | null;
  /** ARP's sender address, or what a probe asks for; IPv4's source; what neighbour discovery speaks for, else IPv6's source. */
  readonly address: string | null;
  /** `0x0806` */
  readonly etherType: string | null;
  /** Its first bytes in hex, as `explain --frame` takes them; a VRRP password is blanked. */
  readonly frame: string;
}

export interface Refusal extends RefusedFrame {
  readonly reason: Reason;
  /** Wall clock, ISO 8601. */
  readonly at: string;
}

export class Refusals {
  readonly #last = new Map<number, Map<number, Refusal>>();

  note(claim: Claim, refused: RefusedFrame, wallMs: number): void {
    const ofPort = this.#last.get(claim.port) ?? new Map<number, Refusal>();
    this.#last.set(claim.port, ofPort);
    ofPort.set(claim.verdict, { reason: reasonOf(claim.verdict), at: new Date(wallMs).toISOString(), ...refused });
  }

  /** The port's, the newest first. */
  of(port: number): Refusal[] {
    return [...(this.#last.get(port)?.values() ?? [])].sort((a, b) => b.at.localeCompare(a.at));
  }
}

export function describeRefused({ frame }: Pick<Claim, 'frame'>): RefusedFrame {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  const type = frame.length < 14 ? null : view.getUint16(12);
  const isArp = (type === 0x0806 || type === 0x8035) && frame.length >= 42;
  const spoken = spokenAt(view, 0, frame.length);
  return {
    sourceMac: frame.length < 12 ? null : formatMac(readMac(frame, 6)),
    senderMac: isArp ? formatMac(readMac(frame, 22)) : null,
    address: spoken === 0 ? null : type === 0x86dd ? readIpv6(frame, spoken) : formatIpv4(view.getUint32(spoken)),
    etherType: type === null ? null : `0x${type.toString(16).padStart(4, '0')}`,
    frame: Buffer.from(frame.subarray(0, SHOWN_BYTES)).toString('hex'),
  };
}
