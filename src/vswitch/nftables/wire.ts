/**
 * The bytes of nfnetlink messages about sets (linux/netfilter/nf_tables.h). Pure.
 *
 *     element: nested { KEY nested { VALUE } | DATA nested { VALUE } | USERDATA }
 *     user data (libnftnl): type u8 | length u8 | text with its zero; type 0 is the comment that nft shows
 */
import { attribute, encodeAttribute } from '../../abi/netlink.ts';
import { must } from '../../base/assert.ts';
import { formatMac, parseMac, readMac, writeMac } from '../../base/mac.ts';
import { decodeKey, type Element, encodeKey } from './elements.ts';

export const NETLINK_NETFILTER = 12;
export const NFPROTO_NETDEV = 5;
/** NFNL_SUBSYS_NFTABLES: the upper byte of a message's type. */
export const SUBSYSTEM = 10;
export const NLA_F_NESTED = 0x8000;
const LIST_ELEM = 1;
/** NFTA_SET_ELEM_* */
const ELEM_KEY = 1;
const ELEM_DATA = 2;
const ELEM_USERDATA = 6;
const DATA_VALUE = 1;
const USERDATA_COMMENT = 0;

export function encodeElement(element: Element, whole: boolean): Buffer {
  const parts = [encodeAttribute(ELEM_KEY | NLA_F_NESTED, encodeAttribute(DATA_VALUE, encodeKey(element)))];
  if (whole && element.data !== null) {
    const mac = Buffer.alloc(6);
    writeMac(mac, 0, must(parseMac(element.data), 'a flow leads to a MAC'));
    parts.push(encodeAttribute(ELEM_DATA | NLA_F_NESTED, encodeAttribute(DATA_VALUE, mac)));
  }
  if (whole && element.comment !== null) {
    const text = zeroEnded(element.comment);
    parts.push(encodeAttribute(ELEM_USERDATA, Buffer.concat([Buffer.from([USERDATA_COMMENT, text.length]), text])));
  }
  return encodeAttribute(LIST_ELEM | NLA_F_NESTED, Buffer.concat(parts));
}

export function decodeElement(set: string, bytes: Buffer): Element | null {
  const valueOf = (type: number) => {
    const nested = attribute(bytes, 0, type);
    return nested === null ? null : attribute(nested, 0, DATA_VALUE);
  };
  const keyBytes = valueOf(ELEM_KEY);
  if (keyBytes === null) return null;
  const key = decodeKey(set, keyBytes);
  const mac = valueOf(ELEM_DATA);
  const comment = commentIn(attribute(bytes, 0, ELEM_USERDATA));
  return { set, key, data: mac?.length === 6 ? formatMac(readMac(mac, 0)) : null, comment };
}

/** The comment in an object's user data; null without one. */
export function commentIn(user: Buffer | null): string | null {
  return user !== null && user[0] === USERDATA_COMMENT ? user.toString('utf8', 2, 1 + (user[1] ?? 1)) : null;
}

export function eachAttribute(bytes: Buffer, take: (value: Buffer) => void): void {
  for (let at = 0; at + 4 <= bytes.length;) {
    const size = bytes.readUInt16LE(at);
    if (size < 4) return;
    take(bytes.subarray(at + 4, at + size));
    at += (size + 3) & ~3;
  }
}

export function message(type: number, flags: number, sequence: number, body: Buffer): Buffer {
  const bytes = Buffer.alloc(16);
  bytes.writeUInt32LE(16 + body.length, 0);
  bytes.writeUInt16LE(type, 4);
  bytes.writeUInt16LE(flags, 6);
  bytes.writeUInt32LE(sequence, 8);
  return Buffer.concat([bytes, body]);
}

/** nfgenmsg: family u8 | version u8 | resource u16 big-endian. */
export function header(family: number, subsystem: number): Buffer {
  return Buffer.from([family, 0, 0, subsystem]);
}

export function zeroEnded(text: string): Buffer {
  return Buffer.from(`${text}\0`);
}

export function zeroTrimmed(bytes: Buffer): string {
  return bytes.toString('utf8', 0, bytes.length - 1);
}
