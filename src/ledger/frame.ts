/** The two things that the ledger still reads in a claim's frame. Ethernet II without tags: the filter drops all others. */

const ARP = 0x0806;
const IPV4 = 0x0800;

/** Sender and target address are the same: an announcement, not an answer or a question. True when there is no ARP to look at. */
export function isGratuitous(frame: Uint8Array): boolean {
  if (frame.length < 42 || (((frame[12] ?? 0) << 8) | (frame[13] ?? 0)) !== ARP) return true;
  return frame[28] === frame[38] && frame[29] === frame[39] && frame[30] === frame[40] && frame[31] === frame[41];
}

/** IPv4 source address, or null. */
export function sourceOf(frame: Uint8Array): number | null {
  if (frame.length < 34 || (((frame[12] ?? 0) << 8) | (frame[13] ?? 0)) !== IPV4) return null;
  return new DataView(frame.buffer, frame.byteOffset).getUint32(26);
}
