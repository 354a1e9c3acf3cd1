/**
 * Elements of sets, spoken to the kernel directly (linux/netfilter/nfnetlink.h, nf_tables.h): what changes at every failover, and
 * what there is much of. libnftables would read all chains and sets before each command; see abi/libnftables.ts. Main thread.
 */
import { whoRuns } from '../../base/user.ts';
import * as libc from '../../abi/libc.ts';
import { errnoName } from '../../abi/native.ts';
import { attribute, encodeAttribute, NetlinkSocket, NLM_F_DUMP } from '../../abi/netlink.ts';
import { VSwitchError } from '../vswitch.ts';
import { ElementBatch, type ElementChange } from './batch.ts';
import type { Element } from './keys.ts';
import { decodeElement, eachAttribute, header, LIST, NETLINK_NETFILTER, NFPROTO_NETDEV, SUBSYSTEM, zeroEnded } from './wire.ts';

const GETSETELEM = 13;
const GETOBJ = 19;
const NLMSG_ERROR = 2;
/** NFTA_OBJ_* */
const OBJ_NAME = 2;
const OBJ_TYPE = 3;
const OBJ_DATA = 4;
const OBJECT_COUNTER = Buffer.from([0, 0, 0, 1]);
const COUNTER_PACKETS = 2;
const SO_SNDBUFFORCE = 32;
const SEND_BYTES = 16 * 1024 * 1024;

export class Nfnetlink {
  readonly #socket = new NetlinkSocket(NETLINK_NETFILTER);
  readonly #answers = Buffer.alloc(64 * 1024);
  readonly #tableName: Buffer;
  /** The same as an attribute. */
  readonly #table: Buffer;
  readonly #batch: ElementBatch;

  constructor(table: string) {
    this.#tableName = zeroEnded(table);
    this.#table = encodeAttribute(LIST.table, this.#tableName);
    this.#batch = new ElementBatch(table);
    libc.setsockopt(this.#socket.fd, libc.SOL_SOCKET, SO_SNDBUFFORCE, SEND_BYTES);
  }

  /** The address of the socket, by which the kernel's announcements name who made a transaction. */
  get port(): number {
    return this.#socket.port;
  }

  /** All or nothing, in the order given. Throws VSwitchError. */
  commit(changes: readonly ElementChange[]): void {
    const sent = libc.send(this.#socket.fd, this.#batch.encode(changes));
    if (sent < 0) throw refusal(-sent);
    this.#takeAnswers(this.#batch.acknowledged);
  }

  /**
   * The kernel works on a batch within send(): all answers wait when it returns, refusals before the acknowledgement of the last
   * message, which therefore ends a good batch's answers.
   */
  #takeAnswers(last: number): void {
    let error = 0;
    for (;;) {
      const length = libc.recv(this.#socket.fd, this.#answers, libc.MSG_DONTWAIT);
      if (length === -libc.EAGAIN) break;
      if (length < 0) throw refusal(-length);
      for (let at = 0; at + 20 <= length;) {
        const size = this.#answers.readUInt32LE(at);
        const code = -this.#answers.readInt32LE(at + 16);
        if (this.#answers.readUInt16LE(at + 4) === NLMSG_ERROR) {
          if (code === 0 && error === 0 && this.#answers.readUInt32LE(at + 8) === last) return;
          error ||= code;
        }
        at += Math.max(20, (size + 3) & ~3);
      }
    }
    if (error !== 0) throw refusal(error);
    throw new VSwitchError('refused', 'the kernel did not acknowledge a transaction');
  }

  /** Every element of a set; none when the set does not exist. */
  elements(set: string): Element[] {
    const found = new Map<string, Element>();
    this.dump(GETSETELEM, encodeAttribute(LIST.set, zeroEnded(set)), (body) => {
      const list = attribute(body, 4, LIST.elements);
      if (list === null) return;
      eachAttribute(list, (bytes) => {
        const element = decodeElement(set, bytes);
        if (element !== null) found.set(element.key.join(' '), element);
      });
    });
    return [...found.values()];
  }

  /** Hands over every object of this kind in our table; none without a table. An interrupted dump shows some of them twice. */
  dump(type: number, filter: Uint8Array, take: (body: Buffer) => void): void {
    this.#ask(type, NLM_F_DUMP, filter, (body) => {
      // Some kinds are dumped for all tables.
      if (attribute(body, 4, LIST.table)?.equals(this.#tableName) === true) take(body);
    });
  }

  /** One object of our table; not called without it. */
  get(type: number, filter: Uint8Array, take: (body: Buffer) => void): void {
    this.#ask(type, 0, filter, take);
  }

  #ask(type: number, flags: number, filter: Uint8Array, take: (body: Buffer) => void): void {
    const body = Buffer.concat([header(NFPROTO_NETDEV, 0), this.#table, filter]);
    const answer = this.#socket.request((SUBSYSTEM << 8) | type, flags, body, (_type, answered) => take(answered));
    if (answer < 0 && answer !== -libc.ENOENT) throw refusal(-answer);
  }

  /** Packets of a named counter; 0 when it does not exist. */
  counterPackets(name: string): number {
    const filter = [encodeAttribute(OBJ_NAME, zeroEnded(name)), encodeAttribute(OBJ_TYPE, OBJECT_COUNTER)];
    let packets = 0;
    this.get(GETOBJ, Buffer.concat(filter), (body) => {
      const data = attribute(body, 4, OBJ_DATA);
      const value = data === null ? null : attribute(data, 0, COUNTER_PACKETS);
      if (value !== null) packets = Number(value.readBigUInt64BE(0));
    });
    return packets;
  }

  close(): void {
    this.#socket.close();
  }
}

function refusal(code: number): VSwitchError {
  if (code === libc.EPERM)
    return new VSwitchError('unavailable', `nftables needs CAP_NET_ADMIN, which ${whoRuns()} does not have here (run as root)`);
  return new VSwitchError('refused', `the kernel refused an nftables transaction (${errnoName(code)})`);
}
