/**
 * Linux cooked captures (LINKTYPE_LINUX_SLL, LINKTYPE_LINUX_SLL2): what `tcpdump -i any` writes. The kernel's pseudo header says the
 * source MAC, the EtherType, the direction, and in version 2 the interface's number; the destination MAC it does not say.
 *
 *      0          2         4        6                14       16
 *      | kind     | ARPHRD  | length | source MAC, 8  | type   | packet                                  version 1
 *
 *      0      2          4             8         10    11       12               20
 *      | type | reserved | ifindex     | ARPHRD  | kind | length | source MAC, 8  | packet               version 2
 *
 * An Ethernet header is written over the end of the pseudo header, in the reader's own memory: from there on it is a frame like others.
 * Hot for such files: once per frame, no allocation.
 */
import * as C from './section.ts';
import type { Batch } from './section.ts';

// An imported value is loaded and checked at every use, a constant of the module becomes part of the machine code.
const { COOKED, COOKED_2, INBOUND, OUTBOUND } = C;
const ETHERNET_BYTES = 14;
/** PACKET_BROADCAST, PACKET_OUTGOING (packet(7)). */
const BROADCAST = 1;
const OUTGOING = 4;

/** Bytes of the pseudo header in front of where the Ethernet header is written. */
export function cookedShift(linkType: number): number {
  return linkType === COOKED ? 16 - ETHERNET_BYTES : linkType === COOKED_2 ? 20 - ETHERNET_BYTES : 0;
}

/** Makes an Ethernet frame of frame `i` of the batch, in place; one too short for its pseudo header comes to 0 bytes. */
export function uncook(view: DataView, batch: Batch, i: number, linkType: number): void {
  const at = batch.offsets[i]!;
  const shift = cookedShift(linkType);
  const captured = batch.captured[i]!;
  batch.directions[i] = 0;
  batch.ifindexes[i] = 0;
  batch.offsets[i] = at + shift;
  batch.captured[i] = Math.max(0, captured - shift);
  if (captured < shift + ETHERNET_BYTES) {
    batch.captured[i] = 0;
    return;
  }
  const frame = at + shift;
  const second = linkType === COOKED_2;
  const kind = second ? view.getUint8(at + 10) : view.getUint16(at);
  if (second) batch.ifindexes[i] = view.getInt32(at + 4);
  const type = second ? view.getUint16(at) : view.getUint16(at + 14);
  const source = second ? at + 12 : at + 6;
  const high = view.getUint16(source);
  const low = view.getInt32(source + 2);
  const to = kind === BROADCAST ? -1 : 0;
  view.setInt16(frame, to);
  view.setInt32(frame + 2, to);
  view.setUint16(frame + 6, high);
  view.setInt32(frame + 8, low);
  view.setUint16(frame + 12, type);
  batch.directions[i] = kind === OUTGOING ? OUTBOUND : INBOUND;
  batch.directed = true;
}
