/**
 * The question to a silent holder: a unicast ARP probe (RFC 5227: sender address 0.0.0.0), which an owner of the address answers
 * and from which nobody learns anything. Sent into the holder's own port only. And what a holder is announced by. Pure.
 */
import type { Ipv4 } from '../base/address.ts';
import { writeMac, type Mac } from '../base/mac.ts';

/** Who asks: locally administered, spells "havip"; no machine of the network has it. */
export const ASKER: Mac = 0x02_68_61_76_69_70;

export function arpQuestion(mac: Mac, address: Ipv4): Uint8Array {
  const frame = arpRequest(mac, ASKER);
  new DataView(frame.buffer).setUint32(38, address);
  return frame;
}

export const EVERYBODY: Mac = 0xff_ff_ff_ff_ff_ff;

/** What a holder says of itself: by it switches beyond an uplink learn where its MAC is. */
export function arpAnnouncement(mac: Mac, address: Ipv4): Uint8Array {
  const frame = arpRequest(EVERYBODY, mac);
  const view = new DataView(frame.buffer);
  view.setUint32(28, address);
  writeMac(frame, 32, EVERYBODY);
  view.setUint32(38, address);
  return frame;
}

/** Who has `target`? In the name of `address`. */
export function arpWho(mac: Mac, address: Ipv4, target: Ipv4): Uint8Array {
  const frame = arpRequest(EVERYBODY, mac);
  const view = new DataView(frame.buffer);
  view.setUint32(28, address);
  view.setUint32(38, target);
  return frame;
}

/** `address` is at `mac`. */
export function arpReply(mac: Mac, address: Ipv4, to: Mac, target: Ipv4): Uint8Array {
  const frame = arpRequest(to, mac);
  const view = new DataView(frame.buffer);
  view.setUint16(20, 2);
  view.setUint32(28, address);
  writeMac(frame, 32, to);
  view.setUint32(38, target);
  return frame;
}

/** An Ethernet frame, padded to the least size. */
function arpRequest(to: Mac, from: Mac): Uint8Array {
  const frame = new Uint8Array(60);
  const view = new DataView(frame.buffer);
  writeMac(frame, 0, to);
  writeMac(frame, 6, from);
  view.setUint16(12, 0x0806);
  view.setUint16(14, 1);
  view.setUint16(16, 0x0800);
  view.setUint8(18, 6);
  view.setUint8(19, 4);
  view.setUint16(20, 1);
  writeMac(frame, 22, from);
  return frame;
}
