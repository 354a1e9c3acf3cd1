/**
 * Notices that somebody else changed our table: the kernel's notifications (multicast group NFNLGRP_NFTABLES). Main thread; never
 * waits. A transaction is announced object by object and ends with NEWGEN, which names the process that made it. The number is
 * that of the first PID namespace: in a container of its own, our own transactions look foreign, which costs a listing each.
 */
import * as libc from '../../abi/libc.ts';
import { attribute, NetlinkSocket } from '../../abi/netlink.ts';
import { NETLINK_NETFILTER, NFPROTO_NETDEV, SUBSYSTEM } from './wire.ts';

const GROUP_NFTABLES = 1 << 6;
const NEWGEN = (SUBSYSTEM << 8) | 15;
const GEN_PROC_PID = 2;
/** The first attribute of every object's announcement is the name of its table. */
const TABLE = 1;
const SO_RCVBUFFORCE = 33;
const EVENT_BYTES = 8 * 1024 * 1024;

export class Monitor {
  readonly #socket = new NetlinkSocket(NETLINK_NETFILTER, GROUP_NFTABLES);
  readonly #table: string;
  #touchesUs = false;
  #changed = false;

  constructor(table: string) {
    this.#table = `${table}\0`;
    libc.setsockopt(this.#socket.fd, libc.SOL_SOCKET, SO_RCVBUFFORCE, EVENT_BYTES);
  }

  /** Readable when there is something for drain(). */
  get fd(): number {
    return this.#socket.fd;
  }

  /** True once after each time that somebody else changed our table, or that announcements were lost. */
  changed(): boolean {
    this.drain();
    const was = this.#changed;
    this.#changed = false;
    return was;
  }

  /** Takes what waits; also called after our own transactions, whose announcements would fill the queue. */
  drain(): void {
    const whole = this.#socket.receive((type, body) => {
      if (type >> 8 !== SUBSYSTEM) return;
      if (type !== NEWGEN) {
        this.#touchesUs ||= body[0] === NFPROTO_NETDEV && attribute(body, 4, TABLE)?.toString() === this.#table;
        return;
      }
      if (this.#touchesUs && attribute(body, 4, GEN_PROC_PID)?.readUInt32BE(0) !== process.pid) this.#changed = true;
      this.#touchesUs = false;
    });
    if (!whole) this.#changed = true;
  }

  close(): void {
    this.#socket.close();
  }
}
