/** The bytes of nfnetlink messages about sets (linux/netfilter/nf_tables.h): those that come; batch.ts makes those that go. Pure. */
import { attribute } from '../../abi/netlink.ts';
import { formatMac, readMac } from '../../base/mac.ts';
import { formatIpv4 } from '../../base/address.ts';
import { decodeKey, type Element, refusedSet } from './keys.ts';

export const NETLINK_NETFILTER = 12;
export const NFPROTO_NETDEV = 5;
/** NFNL_SUBSYS_NFTABLES: the upper byte of a message's type. */
export const SUBSYSTEM = 10;
export const NLA_F_NESTED = 0x8000;
/** NFTA_SET_ELEM_LIST_*; each kind of object has its table's name first. */
export const LIST = { table: 1, set: 2, elements: 3 } as const;
/** NFTA_SET_ELEM_*, NFTA_DATA_VALUE, and libnftnl's type of a comment. */
export const ELEMENT = { key: 1, data: 2, timeout: 4, user: 6, value: 1, comment: 0 } as const;

export function decodeElement(set: string, bytes: Buffer): Element | null {
  const valueOf = (type: number) => {
    const nested = attribute(bytes, 0, type);
    return nested === null ? null : attribute(nested, 0, ELEMENT.value);
  };
  const keyBytes = valueOf(ELEMENT.key);
  if (keyBytes === null) return null;
  const key = decodeKey(set, keyBytes);
  const data = valueOf(ELEMENT.data);
  const timeout = attribute(bytes, 0, ELEMENT.timeout);
  const comment = commentIn(attribute(bytes, 0, ELEMENT.user));
  return {
    set,
    key,
    data: readData(set, data),
    comment,
    timeoutMs: timeout === null ? null : Number(timeout.readBigUInt64BE(0)),
  };
}

/** Maps to addresses; others are to numbers. */
const OF_ADDRESSES = new Set([refusedSet('source'), 'eip_havip', 'eip_out']);

function readData(set: string, data: Buffer | null): string | null {
  if (data?.length === 6) return formatMac(readMac(data, 0));
  if (data?.length !== 4) return null;
  return OF_ADDRESSES.has(set) ? formatIpv4(data.readUInt32BE(0)) : String(data.readUInt32LE(0));
}

/** The comment in an object's user data; null without one. */
export function commentIn(user: Buffer | null): string | null {
  return user !== null && user[0] === ELEMENT.comment ? user.toString('utf8', 2, 1 + (user[1] ?? 1)) : null;
}

export function eachAttribute(bytes: Buffer, take: (value: Buffer) => void): void {
  for (let at = 0; at + 4 <= bytes.length;) {
    const size = bytes.readUInt16LE(at);
    if (size < 4) return;
    take(bytes.subarray(at + 4, at + size));
    at += (size + 3) & ~3;
  }
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
