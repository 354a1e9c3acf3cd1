/**
 * An independent witness: the kernel's own announcements of nftables transactions in a network namespace (multicast group
 * NFNLGRP_NFTABLES), read by this thread, which blocks while it waits.
 */
import { pollReadable, pollReadableAny } from './libc.ts';
import { setsockopt, SOL_SOCKET } from '../../src/abi/libc.ts';
import { attribute, NetlinkSocket } from '../../src/abi/netlink.ts';
import { systemClock } from '../../src/base/clock.ts';
import { FLOW_MAPS } from '../../src/vswitch/nftables/keys.ts';
import { decodeElement, eachAttribute, NETLINK_NETFILTER, SUBSYSTEM, zeroTrimmed } from '../../src/vswitch/nftables/wire.ts';
import { inNamespace } from './wire.ts';

const GROUP_NFTABLES = 1 << 6;
const SO_RCVBUFFORCE = 33;
const QUEUE_BYTES = 8 << 20;
const NEWSETELEM = (SUBSYSTEM << 8) | 12;
const NEWGEN = (SUBSYSTEM << 8) | 15;
/** NFTA_SET_ELEM_LIST_* */
const LIST_SET = 2;
const LIST_ELEMENTS = 3;

/** One transaction that made packets to HAVIPs go elsewhere, or to the same MAC elsewhere. */
export interface FlowChange {
  /** When this process read of it. */
  readonly seenNs: number;
  /** The new MAC by HAVIP address. */
  readonly flows: ReadonlyMap<string, string>;
  /** The holder's interface by HAVIP address. */
  readonly holders: ReadonlyMap<string, string>;
}

export class SwitchWatch {
  readonly #socket: NetlinkSocket;
  readonly #seen: FlowChange[] = [];
  #flows = new Map<string, string>();
  #holders = new Map<string, string>();

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

  get fd(): number {
    return this.#socket.fd;
  }

  close(): void {
    this.#socket.close();
  }

  #receive(): void {
    const whole = this.#socket.receive((type, body) => {
      if (type === NEWSETELEM) this.#takeElements(body);
      if (type !== NEWGEN || this.#flows.size + this.#holders.size === 0) return;
      this.#seen.push({ seenNs: systemClock.nowNs(), flows: this.#flows, holders: this.#holders });
      this.#flows = new Map();
      this.#holders = new Map();
    });
    if (!whole) throw new Error('the kernel announced more transactions than this process could read');
  }

  #takeElements(body: Buffer): void {
    const name = attribute(body, 4, LIST_SET);
    const set = name === null ? '' : zeroTrimmed(name);
    const list = attribute(body, 4, LIST_ELEMENTS);
    if (list === null || !(set === 'holder' || FLOW_MAPS.includes(set))) return;
    eachAttribute(list, (bytes) => {
      const element = decodeElement(set, bytes);
      if (element?.data) this.#flows.set(element.key[1] ?? '', element.data);
      else if (element !== null && set === 'holder') this.#holders.set(element.key[1] ?? '', element.key[0] ?? '');
    });
  }
}

/** The switches of several hosts, each with what it was told last. */
export class SwitchWatches {
  readonly #watches: readonly SwitchWatch[];
  /** By host: MAC, or interface, by HAVIP address. */
  readonly macs: readonly Map<string, string>[];
  readonly holders: readonly Map<string, string>[];

  constructor(namespacePaths: readonly string[]) {
    this.#watches = namespacePaths.map((path) => new SwitchWatch(path));
    this.macs = namespacePaths.map(() => new Map());
    this.holders = namespacePaths.map(() => new Map());
  }

  /** Takes what is there, or waits so long for something; calls back with each change. Blocks this thread. */
  take(limitMs: number, onChange: (host: number, change: FlowChange) => void = () => {}): void {
    if (limitMs > 0)
      pollReadableAny(
        this.#watches.map(({ fd }) => fd),
        limitMs,
      );
    for (const [host, watch] of this.#watches.entries()) {
      for (let change = watch.next(0); change !== null; change = watch.next(0)) {
        for (const [address, mac] of change.flows) this.macs[host]!.set(address, mac);
        for (const [address, name] of change.holders) this.holders[host]!.set(address, name);
        onChange(host, change);
      }
    }
  }

  close(): void {
    for (const watch of this.#watches) watch.close();
  }
}
