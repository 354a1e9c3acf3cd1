/**
 * Ethernet: bytes -> sighting. Runs in workers, once per frame: no throw, no allocation, nothing but integers.
 *
 * Ethernet II only. VLAN tags and LLC/SNAP are recognised in order to be refused: they are the disguises that get ARP past a
 * filter on EtherType 0x0806 (CVE-2021-27853, -27854, -27861, -27862), and Linux receivers accept most of them as plain ARP.
 *
 * From here arp.ts and vrrp.ts read on, into the one record of sighting.ts.
 */
import { V } from '../base/verdict.ts';
import { decodeArp } from './arp.ts';
import { viewOf } from './bytes.ts';
import { decodeIpv6 } from './nd.ts';
import { NONE, OTHER, type Sighting } from './sighting.ts';
import { decodeIpv4 } from './vrrp.ts';

const MALFORMED = V.malformed;
const TAGGED = V.tagged;
const ENCAPSULATED = V.encapsulated;
const ETHERTYPE = V.ethertype;

/**
 * @param bytes memory that holds the frame
 * @param at offset of the destination MAC
 * @param captured bytes present
 * @param tag VLAN tag that the kernel had taken off: TPID << 16 | TCI, 0 for none
 * @param out overwritten
 */
export function decodeFrame(bytes: Uint8Array, at: number, captured: number, tag: number, out: Sighting): void {
  decodeView(viewOf(bytes), at, captured, tag, out);
}

/** The same, for a caller that keeps the view. */
export function decodeView(view: DataView, at: number, captured: number, tag: number, out: Sighting): void {
  out.protocol = OTHER;
  out.fault = NONE;
  out.vrrpFault = NONE;
  if (captured < 14) {
    out.sourceHigh = out.sourceLow = 0;
    out.fault = MALFORMED;
    return;
  }
  out.sourceHigh = view.getUint16(at + 6);
  out.sourceLow = view.getInt32(at + 8);
  const type = view.getUint16(at + 12);
  if (tag !== 0) out.fault = TAGGED;
  else if (type === 0x0806 || type === 0x8035) decodeArp(view, at, captured, type, out);
  else if (type === 0x0800) decodeIpv4(view, at, captured, out);
  else if (type === 0x86dd) decodeIpv6(view, at, captured, out);
  else if (type === 0x8100 || type === 0x88a8 || type === 0x9100 || type === 0x9200) out.fault = TAGGED;
  else if (type < 0x0600) out.fault = ENCAPSULATED;
  else out.fault = ETHERTYPE;
}
