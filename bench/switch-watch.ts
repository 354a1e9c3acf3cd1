/**
 * An independent witness: the kernel's own announcements of nftables transactions in a network namespace (multicast group
 * NFNLGRP_NFTABLES), read by this thread, which blocks while it waits.
 */
import { pollReadable } from '../native-fixtures/lab/libc.ts';
import { setsockopt, SOL_SOCKET } from '../src/abi/libc.ts';
import { attribute, NetlinkSocket } from '../src/abi/netlink.ts';
import { systemClock } from '../src/base/clock.ts';
import { FLOW_MAPS } from '../src/vswitch/nftables/elements.ts';
import { decodeElement, eachAttribute, NETLINK_NETFILTER, SUBSYSTEM, zeroTrimmed } from '../src/vswitch/nftables/wire.ts';
import { inNamespace } from '../native-fixtures/lab/wire.ts';

const GROUP_NFTABLES = 1 << 6;
const SO_RCVBUFFORCE = 33;
const QUEUE_BYTES = 8 << 20;
const NEWSETELEM = (SUBSYSTEM << 8) | 12;
const NEWGEN = (SUBSYSTEM << 8) | 15;
/** NFTA_SET_ELEM_LIST_* */
const LIST_SET = 2;
const LIST_ELEMENTS = 3;

/** One transaction that made packets to HAVIPs go elsewhere. */
export interface FlowChange {
  /** When this process read of it. */
  readonly seenNs: number;
  /** The new MAC by HAVIP address. */
  readonly flows: ReadonlyMap<string, string>;
}

export class SwitchWatch {
  readonly #socket: NetlinkSocket;
  readonly #seen: FlowChange[] = [];
  #flows = new Map<string, string>();

  /** @param namespacePath as in /run/netns */
  constructor(namespacePath: string) {
    this.#socket = inNamespace(namespacePath, () => new NetlinkSocket(NETLINK_NETFILTER, GROUP_NFTABLES));
    setsockopt(this.#socket.fd, SOL_SOCKET, SO_RCVBUFFORCE, QUEUE_BYTES);
  }

  /** The next one that changes a flow, or null when none comes within the time. Blocks this thread. */
  next(limitMs: number): FlowChange | null {
    const deadlineNs = systemClock.nowNs() + limitMs * 1e6;
    for (;;) {
      this.#receive();
      const change = this.#seen.shift();
      if (change !== undefined) return change;
      const leftMs = Math.ceil((deadlineNs - systemClock.nowNs()) / 1e6);
      if (leftMs <= 0) return null;
      pollReadable(this.#socket.fd, leftMs);
    }
  }

  close(): void {
    this.#socket.close();
  }

  #receive(): void {
    const whole = this.#socket.receive((type, body) => {
      if (type === NEWSETELEM) this.#takeElements(body);
      if (type !== NEWGEN || this.#flows.size === 0) return;
      this.#seen.push({ seenNs: systemClock.nowNs(), flows: this.#flows });
      this.#flows = new Map();
    });
    if (!whole) throw new Error('the kernel announced more transactions than this process could read');
  }

  #takeElements(body: Buffer): void {
    const name = attribute(body, 4, LIST_SET);
    const set = name === null ? '' : zeroTrimmed(name);
    const list = attribute(body, 4, LIST_ELEMENTS);
    if (!FLOW_MAPS.includes(set) || list === null) return;
    eachAttribute(list, (bytes) => {
      const element = decodeElement(set, bytes);
      if (element?.data) this.#flows.set(element.key[1] ?? '', element.data);
    });
  }
}
