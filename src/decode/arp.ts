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
import { u16, u32 } from './bytes.ts';
import { ARP, RARP, type Sighting } from './sighting.ts';

const MALFORMED = V.malformed;

export function decodeArp(view: DataView, at: number, captured: number, type: number, out: Sighting): void {
  const reverse = type === 0x8035;
  out.protocol = reverse ? RARP : ARP;
  if (captured < 42) {
    out.fault = MALFORMED;
    return;
  }
  const operation = u16(view, at + 20);
  out.operation = operation;
  out.senderHigh = u16(view, at + 22);
  out.senderLow = u32(view, at + 24);
  out.senderAddress = u32(view, at + 28);
  out.targetHigh = u16(view, at + 32);
  out.targetLow = u32(view, at + 34);
  out.targetAddress = u32(view, at + 38);
  // hrd 1 and pro 0x0800, hln 6 and pln 4
  if (u32(view, at + 14) !== 0x0001_0800 || u16(view, at + 18) !== 0x0604) out.fault = MALFORMED;
  else if (reverse ? operation !== 3 : operation !== 1 && operation !== 2) out.fault = MALFORMED;
}
