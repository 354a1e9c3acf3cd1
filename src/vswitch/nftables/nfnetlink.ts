/**
 * Elements of sets, spoken to the kernel directly (linux/netfilter/nfnetlink.h, nf_tables.h): what changes at every failover, and
 * what there is much of. libnftables would read all chains and sets before each command; see abi/libnftables.ts. Main thread.
 *
 *     batch: BATCH_BEGIN | NEWSETELEM or DELSETELEM ... | BATCH_END, all or nothing
 *     body:  nfgenmsg (family u8 | version u8 | subsystem u16 big-endian) | attributes
 */
import * as libc from '../../abi/libc.ts';
import { errnoName } from '../../abi/native.ts';
import { attribute, encodeAttribute, NetlinkSocket, NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP } from '../../abi/netlink.ts';
import { formatMac, parseMac, readMac, writeMac } from '../../base/mac.ts';
import { must } from '../../base/assert.ts';
import { VSwitchError } from '../vswitch.ts';
import { decodeKey, type Element, encodeKey } from './elements.ts';

export const NETLINK_NETFILTER = 12;
export const NFPROTO_NETDEV = 5;
export const SUBSYSTEM = 10;
const BATCH_BEGIN = 16;
const BATCH_END = 17;
const NEWSETELEM = (SUBSYSTEM << 8) | 12;
const GETSETELEM = (SUBSYSTEM << 8) | 13;
const DELSETELEM = (SUBSYSTEM << 8) | 14;
const GETCHAIN = (SUBSYSTEM << 8) | 4;
const GETOBJ = (SUBSYSTEM << 8) | 19;
const NLM_F_REQUEST = 1;
const NLMSG_ERROR = 2;
const NLA_F_NESTED = 0x8000;
/** NFTA_SET_ELEM_LIST_* and NFTA_SET_ELEM_* */
const LIST_TABLE = 1;
const LIST_SET = 2;
const LIST_ELEMENTS = 3;
const ELEM_KEY = 1;
const ELEM_DATA = 2;
const ELEM_USERDATA = 6;
const DATA_VALUE = 1;
/** NFTA_CHAIN_* and NFTA_HOOK_* */
const CHAIN_NAME = 3;
const CHAIN_HOOK = 4;
const HOOK_DEVICE = 3;
const HOOK_DEVICES = 4;
/** libnftnl's user data: type u8 | length u8 | text with its zero; type 0 is the comment that nft shows. */
const USERDATA_COMMENT = 0;
const LIST_ELEM = 1;
const COUNTER_PACKETS = 2;
const SO_SNDBUFFORCE = 32;
const SEND_BYTES = 16 * 1024 * 1024;
/** A nested attribute's length is 16 bits. */
const ELEMENTS_PER_MESSAGE = 400;

export interface ElementChange {
  readonly add: boolean;
  readonly element: Element;
}

export class Nfnetlink {
  readonly #socket = new NetlinkSocket(NETLINK_NETFILTER);
  readonly #answers = Buffer.alloc(64 * 1024);
  readonly #table: Buffer;
  #sequence = 0;

  constructor(table: string) {
    this.#table = encodeAttribute(LIST_TABLE, zeroEnded(table));
    libc.setsockopt(this.#socket.fd, libc.SOL_SOCKET, SO_SNDBUFFORCE, SEND_BYTES);
  }

  /** All or nothing, in the order given. Throws VSwitchError. */
  commit(changes: readonly ElementChange[]): void {
    const messages = [message(BATCH_BEGIN, NLM_F_REQUEST, ++this.#sequence, header(0, SUBSYSTEM))];
    for (let at = 0; at < changes.length;) {
      const { add, element } = changes[at]!;
      const elements: Buffer[] = [];
      let next = at;
      for (; next < changes.length && elements.length < ELEMENTS_PER_MESSAGE; next++) {
        const change = changes[next]!;
        if (change.add !== add || change.element.set !== element.set) break;
        elements.push(encodeElement(change.element, add));
      }
      at = next;
      const body = Buffer.concat([
        header(NFPROTO_NETDEV, 0),
        this.#table,
        encodeAttribute(LIST_SET, zeroEnded(element.set)),
        encodeAttribute(LIST_ELEMENTS | NLA_F_NESTED, Buffer.concat(elements)),
      ]);
      // The last message asks for an acknowledgement, which the kernel gives after the whole batch took effect.
      const flags = NLM_F_REQUEST | (add ? NLM_F_CREATE : 0) | (at === changes.length ? NLM_F_ACK : 0);
      messages.push(message(add ? NEWSETELEM : DELSETELEM, flags, ++this.#sequence, body));
    }
    const last = this.#sequence;
    messages.push(message(BATCH_END, NLM_F_REQUEST, ++this.#sequence, header(0, SUBSYSTEM)));
    const sent = libc.send(this.#socket.fd, Buffer.concat(messages));
    if (sent < 0) throw refusal(-sent);
    this.#takeAnswers(last);
  }

  /** The kernel works on a batch within send(): all answers wait when it returns. */
  #takeAnswers(last: number): void {
    let acknowledged = false;
    let error = 0;
    for (;;) {
      const length = libc.recv(this.#socket.fd, this.#answers, libc.MSG_DONTWAIT);
      if (length === -libc.EAGAIN) break;
      if (length < 0) throw refusal(-length);
      for (let at = 0; at + 20 <= length;) {
        const size = this.#answers.readUInt32LE(at);
        const code = -this.#answers.readInt32LE(at + 16);
        if (this.#answers.readUInt16LE(at + 4) === NLMSG_ERROR) {
          if (code === 0) acknowledged ||= this.#answers.readUInt32LE(at + 8) === last;
          else error ||= code;
        }
        at += Math.max(20, (size + 3) & ~3);
      }
    }
    if (error !== 0) throw refusal(error);
    if (!acknowledged) throw new VSwitchError('refused', 'the kernel did not acknowledge a transaction');
  }

  /** Every element of a set; none when the set does not exist. */
  elements(set: string): Element[] {
    const found = new Map<string, Element>();
    const body = Buffer.concat([header(NFPROTO_NETDEV, 0), this.#table, encodeAttribute(LIST_SET, zeroEnded(set))]);
    const answer = this.#socket.request(GETSETELEM, NLM_F_DUMP, body, (_type, part) => {
      const list = attribute(part, 4, LIST_ELEMENTS);
      if (list !== null) eachAttribute(list, (bytes) => decodeElement(set, bytes, found));
    });
    if (answer < 0 && answer !== -libc.ENOENT) throw refusal(-answer);
    return [...found.values()];
  }

  /** The interfaces at which each base chain of the table hangs; nft 1.0.6 leaves them out of its JSON. */
  devices(): Map<string, string[]> {
    const devices = new Map<string, string[]>();
    const ours = attribute(this.#table, 0, LIST_TABLE)!;
    const answer = this.#socket.request(GETCHAIN, NLM_F_DUMP, header(NFPROTO_NETDEV, 0), (_type, body) => {
      const name = attribute(body, 4, CHAIN_NAME);
      const hook = attribute(body, 4, CHAIN_HOOK);
      if (name === null || hook === null || attribute(body, 4, LIST_TABLE)?.equals(ours) !== true) return;
      const names: string[] = [];
      eachAttribute(attribute(hook, 0, HOOK_DEVICES) ?? Buffer.alloc(0), (device) => names.push(zeroTrimmed(device)));
      const [only] = names.length === 0 ? [attribute(hook, 0, HOOK_DEVICE)] : [];
      if (only) names.push(zeroTrimmed(only));
      devices.set(zeroTrimmed(name), names);
    });
    if (answer < 0) throw refusal(-answer);
    return devices;
  }

  /** Packets of a named counter; 0 when it does not exist. */
  counterPackets(name: string): number {
    const type = Buffer.from([0, 0, 0, 1]); // NFT_OBJECT_COUNTER
    const body = Buffer.concat([
      header(NFPROTO_NETDEV, 0),
      this.#table,
      encodeAttribute(2, zeroEnded(name)),
      encodeAttribute(3, type),
    ]);
    let packets = 0;
    const answer = this.#socket.request(GETOBJ, 0, body, (_type, part) => {
      const data = attribute(part, 4, 4);
      const value = data === null ? null : attribute(data, 0, COUNTER_PACKETS);
      if (value !== null) packets = Number(value.readBigUInt64BE(0));
    });
    if (answer < 0 && answer !== -libc.ENOENT) throw refusal(-answer);
    return packets;
  }

  close(): void {
    this.#socket.close();
  }
}

function encodeElement(element: Element, whole: boolean): Buffer {
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

function decodeElement(set: string, bytes: Buffer, to: Map<string, Element>): void {
  const valueOf = (type: number) => {
    const nested = attribute(bytes, 0, type);
    return nested === null ? null : attribute(nested, 0, DATA_VALUE);
  };
  const keyBytes = valueOf(ELEM_KEY);
  if (keyBytes === null) return;
  const key = decodeKey(set, keyBytes);
  const mac = valueOf(ELEM_DATA);
  const user = attribute(bytes, 0, ELEM_USERDATA);
  const comment = user !== null && user[0] === USERDATA_COMMENT ? user.toString('utf8', 2, 1 + (user[1] ?? 1)) : null;
  to.set(key.join(' '), { set, key, data: mac?.length === 6 ? formatMac(readMac(mac, 0)) : null, comment });
}

function eachAttribute(bytes: Buffer, take: (value: Buffer) => void): void {
  for (let at = 0; at + 4 <= bytes.length;) {
    const size = bytes.readUInt16LE(at);
    if (size < 4) return;
    take(bytes.subarray(at + 4, at + size));
    at += (size + 3) & ~3;
  }
}

function message(type: number, flags: number, sequence: number, body: Buffer): Buffer {
  const bytes = Buffer.alloc(16);
  bytes.writeUInt32LE(16 + body.length, 0);
  bytes.writeUInt16LE(type, 4);
  bytes.writeUInt16LE(flags, 6);
  bytes.writeUInt32LE(sequence, 8);
  return Buffer.concat([bytes, body]);
}

function header(family: number, subsystem: number): Buffer {
  return Buffer.from([family, 0, 0, subsystem]);
}

function zeroEnded(text: string): Buffer {
  return Buffer.from(`${text}\0`);
}

function zeroTrimmed(bytes: Buffer): string {
  return bytes.toString('utf8', 0, bytes.length - 1);
}

function refusal(code: number): VSwitchError {
  if (code === libc.EPERM) return new VSwitchError('unavailable', 'nftables needs CAP_NET_ADMIN (run as root)');
  return new VSwitchError('refused', `the kernel refused an nftables transaction (${errnoName(code)})`);
}
