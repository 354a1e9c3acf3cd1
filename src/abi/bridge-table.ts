/**
 * Tables of MACs (FDB) of bridges and VXLAN devices, by rtnetlink (man 8 bridge; linux/neighbour.h), by the thread that opened the socket.
 *
 *     ndmsg: family u8 | pad u8 u16 | ifindex s32 | state u16 | flags u8 | type u8
 */
import * as libc from './libc.ts';
import { attribute, encodeAttribute, NetlinkSocket, NLM_F_CREATE, NLM_F_DUMP, NLM_F_REPLACE } from './netlink.ts';

const NETLINK_ROUTE = 0;
const RTMGRP_NEIGH = 4;
const RTM_NEWNEIGH = 28;
const RTM_DELNEIGH = 29;
const RTM_GETNEIGH = 30;
const NDA_DST = 1;
const NDA_LLADDR = 2;
/** Ages as what was learned does. */
const NUD_REACHABLE = 0x02;
const NUD_NOARP = 0x40;
const NUD_PERMANENT = 0x80;
/** Of the device itself: where a tunnel sends to. */
export const NTF_SELF = 0x02;
/** Of the bridge that the device is a port of. */
export const NTF_MASTER = 0x04;
/** A program made it, not the kernel by learning. */
const NTF_EXT_LEARNED = 0x10;
const EVENT_BYTES = 1024 * 1024;

export interface BridgeEntry {
  readonly ifindex: number;
  readonly mac: number;
  /** IPv4 address of a tunnel's other end; 0: none. */
  readonly vtep: number;
  /** NTF_SELF or NTF_MASTER. */
  readonly table: number;
  /** A program made it, for good. */
  readonly programmed: boolean;
}

export class BridgeTable {
  readonly #socket = new NetlinkSocket(NETLINK_ROUTE);

  /** As the bridge would have learned it: the MAC is behind this port. Returns 0, or the negative error number. */
  learn(ifindex: number, mac: number): number {
    return this.#put(ifindex, mac, NUD_REACHABLE, NTF_MASTER, 0);
  }

  /** For good: the MAC is behind this tunnel's other end, and so behind this port of the bridge, where it is one. */
  program(ifindex: number, mac: number, vtep: number, isPort: boolean): number {
    // A tunnel calls permanent what a bridge would take for an address of its own.
    const answer = this.#put(ifindex, mac, NUD_NOARP | NUD_PERMANENT, NTF_SELF | NTF_EXT_LEARNED, vtep);
    return answer !== 0 || !isPort ? answer : this.#put(ifindex, mac, NUD_NOARP, NTF_MASTER | NTF_EXT_LEARNED, 0);
  }

  remove(ifindex: number, mac: number, table: number): number {
    return this.#socket.request(RTM_DELNEIGH, 0, Buffer.concat([ndmsg(ifindex, 0, table), macAttribute(mac)]));
  }

  /** Does its bridge know the MAC, behind whatever port? */
  isKnown(ifindex: number, mac: number): boolean {
    return this.#socket.request(RTM_GETNEIGH, 0, Buffer.concat([ndmsg(ifindex, 0, NTF_MASTER), macAttribute(mac)])) === 0;
  }

  /** All of one device: its own, and its bridge's that lead to it. */
  entries(ifindex: number): BridgeEntry[] {
    const ifinfomsg = Buffer.alloc(16);
    ifinfomsg.writeUInt8(libc.AF_BRIDGE, 0);
    ifinfomsg.writeInt32LE(ifindex, 4);
    const found: BridgeEntry[] = [];
    const answer = this.#socket.request(RTM_GETNEIGH, NLM_F_DUMP, ifinfomsg, (_type, body) => {
      const entry = decode(body);
      if (entry !== null && entry.ifindex === ifindex) found.push(entry);
    });
    if (answer < 0) throw new libc.SystemError('dump of a table of MACs', -answer);
    return found;
  }

  close(): void {
    this.#socket.close();
  }

  #put(ifindex: number, mac: number, state: number, flags: number, vtep: number): number {
    const parts = [ndmsg(ifindex, state, flags), macAttribute(mac)];
    if (vtep !== 0) {
      const destination = Buffer.alloc(4);
      destination.writeUInt32BE(vtep >>> 0, 0);
      parts.push(encodeAttribute(NDA_DST, destination));
    }
    return this.#socket.request(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, Buffer.concat(parts));
  }
}

/** What changes in these tables, whoever does it. */
export class BridgeEvents {
  readonly #socket = new NetlinkSocket(NETLINK_ROUTE, RTMGRP_NEIGH);

  constructor() {
    libc.setQueueBytes(this.#socket.fd, 'receive', EVENT_BYTES);
  }

  /** Hands over what waits, without blocking. False: events were lost. */
  drain(take: (entry: BridgeEntry, gone: boolean) => void): boolean {
    return this.#socket.receive((type, body) => {
      const entry = type === RTM_NEWNEIGH || type === RTM_DELNEIGH ? decode(body) : null;
      if (entry !== null) take(entry, type === RTM_DELNEIGH);
    });
  }

  close(): void {
    this.#socket.close();
  }
}

/** null: of another family, or without a MAC. The kernel tells a device's own entries by NTF_SELF, the bridge's by nothing or NTF_MASTER. */
function decode(body: Buffer): BridgeEntry | null {
  if (body.length < 12 || body.readUInt8(0) !== libc.AF_BRIDGE) return null;
  const lladdr = attribute(body, 12, NDA_LLADDR);
  if (lladdr?.length !== 6) return null;
  const [state, flags] = [body.readUInt16LE(8), body.readUInt8(10)];
  const destination = attribute(body, 12, NDA_DST);
  return {
    ifindex: body.readInt32LE(4),
    mac: lladdr.readUIntBE(0, 6),
    vtep: destination?.length === 4 ? destination.readUInt32BE(0) : 0,
    table: (flags & NTF_SELF) === 0 ? NTF_MASTER : NTF_SELF,
    programmed: (state & NUD_NOARP) !== 0 && (flags & NTF_EXT_LEARNED) !== 0,
  };
}

function ndmsg(ifindex: number, state: number, flags: number): Buffer {
  const body = Buffer.alloc(12);
  body.writeUInt8(libc.AF_BRIDGE, 0);
  body.writeInt32LE(ifindex, 4);
  body.writeUInt16LE(state, 8);
  body.writeUInt8(flags, 10);
  return body;
}

function macAttribute(mac: number): Buffer {
  const lladdr = Buffer.alloc(6);
  lladdr.writeUIntBE(mac, 0, 6);
  return encodeAttribute(NDA_LLADDR, lladdr);
}
