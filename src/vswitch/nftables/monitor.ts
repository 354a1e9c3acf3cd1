/**
 * Notices that somebody else changed our table: the kernel's notifications (multicast group NFNLGRP_NFTABLES). Main thread; never
 * waits. A transaction is announced object by object and ends with NEWGEN, which names the process that made it. The number is
 * that of the first PID namespace: in a container of its own, our own transactions look foreign, which costs a listing each.
 *
 * Nothing is missed: NEWGEN also tells the generation, which every transaction of the network namespace counts up by one. When the
 * kernel is further than the last announcement that came, some are lost, also where nobody said so. That takes one small question;
 * a listing of 100,000 elements, once done every 30 s to be safe, held the main thread up for over a second.
 */
import * as libc from '../../abi/libc.ts';
import { attribute, NetlinkSocket } from '../../abi/netlink.ts';
import { header, NETLINK_NETFILTER, NFPROTO_NETDEV, SUBSYSTEM } from './wire.ts';

export const GROUP_NFTABLES = 1 << 6;
export const NEWGEN = (SUBSYSTEM << 8) | 15;
const GETGEN = (SUBSYSTEM << 8) | 16;
const GEN_ID = 1;
const GEN_PROC_PID = 2;
/** The first attribute of every object's announcement is the name of its table. */
const TABLE = 1;
/** A limit, not memory that is set aside. The announcements of 1,000 VPCs made at once fit; of lost ones the price is a listing. */
const EVENT_BYTES = 64 * 1024 * 1024;

export class Monitor {
  readonly #events = new NetlinkSocket(NETLINK_NETFILTER, GROUP_NFTABLES);
  readonly #questions = new NetlinkSocket(NETLINK_NETFILTER);
  readonly #table: string;
  /** The generation that was announced last, and the one that the kernel had when last asked. */
  #announced = 0;
  #asked = 0;
  #touchesUs = false;
  #changed = false;

  constructor(table: string) {
    this.#table = `${table}\0`;
    libc.setQueueBytes(this.#events.fd, 'receive', EVENT_BYTES);
    this.#asked = this.#ask();
    this.#announced = this.#asked;
  }

  /** Readable when there is something for drain(). */
  get fd(): number {
    return this.#events.fd;
  }

  /**
   * True once after each time that somebody else changed our table, or that announcements were lost. A loss at the end comes out one
   * call later: the kernel counts a transaction before it has announced it.
   */
  changed(): boolean {
    this.drain();
    if (isBefore(this.#announced, this.#asked)) {
      this.#changed = true;
      this.#announced = this.#asked;
    }
    this.#asked = this.#ask();
    const was = this.#changed;
    this.#changed = false;
    return was;
  }

  /** Takes what waits; also called after our own transactions, whose announcements would fill the queue. */
  drain(): void {
    const whole = this.#events.receive((type, body) => {
      if (type >> 8 !== SUBSYSTEM) return;
      if (type !== NEWGEN) {
        this.#touchesUs ||= body[0] === NFPROTO_NETDEV && attribute(body, 4, TABLE)?.toString() === this.#table;
        return;
      }
      if (this.#touchesUs && attribute(body, 4, GEN_PROC_PID)?.readUInt32BE(0) !== process.pid) this.#changed = true;
      this.#touchesUs = false;
      const generation = generationIn(body) ?? this.#announced;
      if (isBefore(this.#announced + 1, generation)) this.#changed = true;
      if (isBefore(this.#announced, generation)) this.#announced = generation;
    });
    if (!whole) this.#changed = true;
  }

  close(): void {
    this.#events.close();
    this.#questions.close();
  }

  #ask(): number {
    let generation = this.#announced;
    this.#questions.request(GETGEN, 0, header(0, 0), (_type, body) => {
      generation = generationIn(body) ?? generation;
    });
    return generation;
  }
}

function generationIn(body: Buffer): number | null {
  return attribute(body, 4, GEN_ID)?.readUInt32BE(0) ?? null;
}

/** Generations are 32 bits and wrap around. */
function isBefore(a: number, b: number): boolean {
  return ((a - b) | 0) < 0;
}
