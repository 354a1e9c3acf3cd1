/**
 * ARP (RFC 826) and RARP (RFC 903) over Ethernet and IPv4: bytes -> sighting.
 *
 *      0      6     12   14    16    18   19   20   22     28     32     38     42
 *      | dst  | src | type| hrd | pro | hln| pln| op | sha  | spa  | tha  | tpa  | padding, ignored
 *
 * Which addresses may be said is the judge's business; here only the shape counts. InARP (op 8, 9) has the same shape and is
 * refused: nothing in a VPC needs it.
 */
import { V } from '../base/verdict.ts';
import { ARP, RARP, type Sighting } from './sighting.ts';

const MALFORMED = V.malformed;

/** A whole ARP request or reply. */
export function isArp(view: DataView, at: number, captured: number): boolean {
  // hrd 1, pro 0x0800, hln 6, pln 4. Requests and replies alternate at random: one branch for both, not one for each.
  return captured >= 42 && view.getInt32(at + 14) === 0x0001_0800 && ((view.getInt32(at + 18) - 0x0604_0001) & ~1) === 0;
}

/** A whole RARP request: what hosts announce themselves with. */
export function isRarp(view: DataView, at: number, captured: number): boolean {
  return captured >= 42 && view.getInt32(at + 14) === 0x0001_0800 && view.getInt32(at + 18) === 0x0604_0003;
}

export function decodeArp(view: DataView, at: number, captured: number, type: number, out: Sighting): void {
  const reverse = type === 0x8035;
  out.protocol = reverse ? RARP : ARP;
  if (!(reverse ? isRarp(view, at, captured) : isArp(view, at, captured))) out.fault = MALFORMED;
  if (captured < 42) return;
  out.operation = view.getUint16(at + 20);
  out.senderHigh = view.getUint16(at + 22);
  out.senderLow = view.getInt32(at + 24);
  out.senderAddress = view.getInt32(at + 28);
  out.targetHigh = view.getUint16(at + 32);
  out.targetLow = view.getInt32(at + 34);
  out.targetAddress = view.getInt32(at + 38);
}
