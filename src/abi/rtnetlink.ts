/**
 * The kernel's interfaces, addresses and neighbours (man 7 rtnetlink), read and set by the thread that opened the socket.
 * IPv4 addresses are numbers of 32 bits, MAC addresses numbers of 48 bits, both big-endian.
 *
 *     ifinfomsg: family u8 | pad u8 | type u16 | index s32 | flags u32 | change u32
 *     ndmsg:     family u8 | pad u8 u16 | ifindex s32 | state u16 | flags u8 | type u8
 *     ifaddrmsg: family u8 | prefixlen u8 | flags u8 | scope u8 | index u32
 */
import * as libc from './libc.ts';
import { attribute, encodeAttribute, NetlinkSocket, NLM_F_CREATE, NLM_F_DUMP, NLM_F_REPLACE } from './netlink.ts';

export const NETLINK_ROUTE = 0;
export const RTMGRP_LINK = 1;
const RTM_NEWLINK = 16;
const RTM_DELLINK = 17;
const RTM_GETLINK = 18;
const RTM_GETADDR = 22;
const RTM_NEWNEIGH = 28;
const IFLA_ADDRESS = 1;
const IFLA_IFNAME = 3;
const IFLA_MASTER = 10;
const IFLA_OPERSTATE = 16;
const IFLA_LINKINFO = 18;
const IFLA_INFO_KIND = 1;
const IFLA_INFO_SLAVE_KIND = 4;
const IFLA_STATS64 = 23;
const IFLA_CARRIER_UP_COUNT = 47;
const IFA_ADDRESS = 1;
const IFA_LOCAL = 2;
const NDA_DST = 1;
const NDA_LLADDR = 2;
const IFF_UP = 0x1;
const IFF_LOWER_UP = 0x1_0000;
const LINK_EVENT_BYTES = 1024 * 1024;

/** Neighbour states that may be set. PERMANENT is left out: nothing would ever correct a wrong entry. */
export const NUD_REACHABLE = 0x02;
export const NUD_STALE = 0x04;

export interface Link {
  readonly index: number;
  readonly name: string;
  /** Set up by the administrator. */
  readonly up: boolean;
  /** Up, and the lower layer has a carrier: for a tap, that somebody holds it open. */
  readonly carrier: boolean;
  /** How often it has got one so far, by the kernel's count. */
  readonly carriers: number;
  /** RFC 2863: 0 unknown, 2 down, 5 dormant, 6 up. */
  readonly operstate: number;
  /** 0 for interfaces without a MAC address. */
  readonly mac: number;
  /** As its driver calls it: veth, bridge, vxlan, bond, ...; a tap is a `tun`. Empty for hardware. */
  readonly kind: string;
  /** Index of the Linux bridge of which it is a port; 0: it is none. */
  readonly bridge: number;
}

/** Asks the kernel and waits for its answer, which takes microseconds. */
export class Rtnetlink {
  readonly #socket = new NetlinkSocket(NETLINK_ROUTE);

  links(): Link[] {
    const links = new Map<number, Link>();
    this.#dump(RTM_GETLINK, Buffer.alloc(16), (body) => {
      const link = decodeLink(body);
      if (link !== null) links.set(link.index, link);
    });
    return [...links.values()];
  }

  /** One interface, and how many packets it has received by the kernel's count; null: there is none of this index. */
  link(ifindex: number): (Link & { readonly received: number }) | null {
    const body = Buffer.alloc(16);
    body.writeInt32LE(ifindex, 4);
    let found: (Link & { readonly received: number }) | null = null;
    this.#socket.request(RTM_GETLINK, 0, body, (_type, answered) => {
      const link = decodeLink(answered);
      // struct rtnl_link_stats64 begins with rx_packets.
      const received = attribute(answered, 16, IFLA_STATS64)?.readBigUInt64LE(0) ?? 0n;
      if (link !== null) found = { ...link, received: Number(received) };
    });
    return found;
  }

  /** Creates or replaces an entry. Returns 0, or the negative error number of the kernel's refusal. */
  setNeighbour(ifindex: number, address: number, mac: number, state: typeof NUD_REACHABLE | typeof NUD_STALE): number {
    const lladdr = Buffer.alloc(6);
    lladdr.writeUIntBE(mac, 0, 6);
    const body = Buffer.concat([ndmsg(ifindex, state), ipv4Attribute(NDA_DST, address), encodeAttribute(NDA_LLADDR, lladdr)]);
    return this.#socket.request(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, body);
  }

  /** Index of the interface of this name where it is a port of a Linux bridge; 0 where it is not, or is not there. */
  bridgePort(name: string): number {
    const body = Buffer.concat([Buffer.alloc(16), encodeAttribute(IFLA_IFNAME, Buffer.from(`${name}\0`, 'latin1'))]);
    let index = 0;
    this.#socket.request(RTM_GETLINK, 0, body, (_type, answer) => {
      if (bridgeOf(answer) !== 0) index = answer.readInt32LE(4);
    });
    return index;
  }

  /** IPv4 addresses of this host, and the index of the interface that has each. */
  addresses(): Map<number, number> {
    const found = new Map<number, number>();
    this.#dump(RTM_GETADDR, Buffer.from([libc.AF_INET, 0, 0, 0, 0, 0, 0, 0]), (body) => {
      const local = attribute(body, 8, IFA_LOCAL) ?? attribute(body, 8, IFA_ADDRESS);
      if (local?.length === 4) found.set(local.readUInt32BE(0), body.readUInt32LE(4));
    });
    return found;
  }

  #dump(type: number, body: Uint8Array, onBody: (body: Buffer) => void): void {
    const answer = this.#socket.request(type, NLM_F_DUMP, body, (_type, answered) => onBody(answered));
    if (answer < 0) throw new libc.SystemError('rtnetlink dump', -answer);
  }

  close(): void {
    this.#socket.close();
  }
}

/** Interfaces that come, change or go, as they do. Subscribe first, then ask for links(): nothing falls between. */
export class LinkEvents {
  readonly #socket = new NetlinkSocket(NETLINK_ROUTE, RTMGRP_LINK);

  constructor() {
    libc.setQueueBytes(this.#socket.fd, 'receive', LINK_EVENT_BYTES);
  }

  /** Readable when events wait; for epoll. */
  get fd(): number {
    return this.#socket.fd;
  }

  /** Hands over what waits, without blocking. False: events were lost, ask for links() again. */
  drain(onLink: (link: Link, gone: boolean) => void): boolean {
    return this.#socket.receive((type, body) => {
      if (type !== RTM_NEWLINK && type !== RTM_DELLINK) return;
      const link = decodeLink(body);
      if (link !== null) onLink(link, type === RTM_DELLINK);
    });
  }

  close(): void {
    this.#socket.close();
  }
}

/**
 * null for what is not an interface: bridges announce their ports with the same message types and family AF_BRIDGE, and an
 * interface that merely leaves a bridge looks like one that was deleted.
 */
function decodeLink(body: Buffer): Link | null {
  const name = body.length >= 16 ? attribute(body, 16, IFLA_IFNAME) : null;
  if (name === null || body.readUInt8(0) === libc.AF_BRIDGE) return null;
  const flags = body.readUInt32LE(8);
  return {
    index: body.readInt32LE(4),
    name: name.toString('latin1', 0, name.length - 1),
    up: (flags & IFF_UP) !== 0,
    carrier: (flags & IFF_LOWER_UP) !== 0,
    carriers: attribute(body, 16, IFLA_CARRIER_UP_COUNT)?.readUInt32LE(0) ?? 0,
    operstate: attribute(body, 16, IFLA_OPERSTATE)?.readUInt8(0) ?? 0,
    mac: macOf(attribute(body, 16, IFLA_ADDRESS)),
    kind: infoOf(body, IFLA_INFO_KIND),
    bridge: bridgeOf(body),
  };
}

function infoOf(body: Buffer, type: typeof IFLA_INFO_KIND | typeof IFLA_INFO_SLAVE_KIND): string {
  const info = attribute(body, 16, IFLA_LINKINFO);
  const text = info === null ? null : attribute(info, 0, type);
  return text === null ? '' : text.toString('latin1', 0, text.length - 1);
}

function bridgeOf(body: Buffer): number {
  return infoOf(body, IFLA_INFO_SLAVE_KIND) === 'bridge' ? (attribute(body, 16, IFLA_MASTER)?.readInt32LE(0) ?? 0) : 0;
}

function macOf(lladdr: Buffer | null): number {
  return lladdr?.length === 6 ? lladdr.readUIntBE(0, 6) : 0;
}

function ndmsg(ifindex: number, state: number): Buffer {
  const body = Buffer.alloc(12);
  body.writeUInt8(libc.AF_INET, 0);
  body.writeInt32LE(ifindex, 4);
  body.writeUInt16LE(state, 8);
  return body;
}

function ipv4Attribute(type: number, address: number): Buffer {
  const value = Buffer.alloc(4);
  value.writeUInt32BE(address >>> 0, 0);
  return encodeAttribute(type, value);
}
