/**
 * The way outside: where it leads now, and who speaks there for EIPs whose holders are here. Main thread, by the clock; nothing of it is in the path
 * of packets but ICMP errors, which the switch leaves to it.
 *
 *     the gateway's MAC   asked by ARP, in the name of an EIP that is here, until it answers; and again, so that it stays true
 *     ARP for an EIP      answered while its holder is here; announced when it comes, and once more after more than a second
 *     ICMP errors         readdressed with the packet that they carry (icmp-error.ts), so many a second at most
 *
 * With other hosts exactly one of them has the holder, so exactly one answers.
 */
import { attachFilter, type BpfInstruction } from '../abi/socket-filter.ts';
import * as libc from '../abi/libc.ts';
import { Rtnetlink } from '../abi/rtnetlink.ts';
import type { Ipv4 } from '../base/address.ts';
import type { Binding } from '../base/binding.ts';
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import { type Mac, readMac } from '../base/mac.ts';
import type { Eip, Network } from '../base/network.ts';
import { eipOf } from '../base/sorted.ts';
import type { Outside as Way } from '../vswitch/eips.ts';
import type { Reconciler } from '../vswitch/reconciler.ts';
import { readdressError } from './icmp-error.ts';
import { ASKER, EVERYBODY, arpAnnouncement, arpReply, arpWho } from './question.ts';

const POLL_MS = 4;
const LOOK_NS = 1e9;
/** While the gateway has not answered, and once it has. */
const ASK_NS = 1e9;
const ASK_AGAIN_NS = 15e9;
/** After the first; more than a second (RFC 5227, ANNOUNCE_INTERVAL is two). */
const AGAIN_NS = 1.2e9;
/** A path MTU is learned once a flow: a flood is no use of it. */
const ERRORS_A_SECOND = 200;
const FRAME_MOST = 2048;
const PACKET_IGNORE_OUTGOING = 23;
const SOL_PACKET = 263;
const ETH_P_ALL = 0x0300;

/** ARP, and IPv4 with ICMP of type 3, 4, 11 or 12; `LDX_HEADER_LENGTH` takes the IP header's length. */
const FILTER: readonly BpfInstruction[] = [
  { code: 0x28, jt: 0, jf: 0, k: 12 },
  { code: 0x15, jt: 9, jf: 0, k: 0x0806 },
  { code: 0x15, jt: 0, jf: 9, k: 0x0800 },
  { code: 0x30, jt: 0, jf: 0, k: 23 },
  { code: 0x15, jt: 0, jf: 7, k: 1 },
  { code: 0xb1, jt: 0, jf: 0, k: 14 },
  { code: 0x50, jt: 0, jf: 0, k: 14 },
  { code: 0x15, jt: 3, jf: 0, k: 3 },
  { code: 0x15, jt: 2, jf: 0, k: 4 },
  { code: 0x15, jt: 1, jf: 0, k: 11 },
  { code: 0x15, jt: 0, jf: 1, k: 12 },
  { code: 0x06, jt: 0, jf: 0, k: FRAME_MOST },
  { code: 0x06, jt: 0, jf: 0, k: 0 },
];

export interface OutsideParts {
  readonly clock: Clock;
  readonly log: Logger;
  readonly reconciler: Reconciler;
  readonly bindingOf: (havip: number) => Binding | null;
  /** Something is wanted of the switch. */
  readonly onWant: () => void;
}

interface Held {
  readonly eip: Eip;
  readonly havip: Ipv4;
  readonly binding: Binding;
  announceNs: number;
  left: number;
}

/** A socket that hears ARP and ICMP errors of one interface. */
interface Ear {
  readonly fd: number;
  readonly ifindex: number;
}

export class Outside {
  readonly #of: OutsideParts;
  readonly #kernel = new Rtnetlink();
  readonly #frame = Buffer.alloc(FRAME_MOST);
  #network: Network;
  #timer: NodeJS.Timeout | null = null;
  #isRunning = false;
  /** By interface: that which leads outside, and those of holders here. */
  readonly #ears = new Map<string, Ear>();
  /** By address. */
  readonly #held = new Map<Ipv4, Held>();
  #mac: Mac = 0;
  #ifindex = 0;
  #gatewayMac: Mac = 0;
  #gateways = new Map<number, Mac>();
  #askNs = 0;
  #lookNs = 0;
  #errorsNs = 0;
  #errors = 0;
  #told = '';
  /** ICMP errors that were over the budget, or made no sense. */
  dropped = 0;

  constructor(parts: OutsideParts, network: Network) {
    this.#of = parts;
    this.#network = network;
  }

  configure(network: Network): void {
    this.#network = network;
    if (this.#isRunning) this.run();
  }

  /** Without EIPs nothing wakes for them. */
  run(): void {
    this.#isRunning = true;
    const isWanted = (this.#network.eips ?? []).length > 0;
    if (isWanted) this.#timer ??= setInterval(() => this.#turn(), POLL_MS);
    // Also what is no longer wanted is told once.
    if (this.#timer !== null) this.#look();
    if (isWanted || this.#timer === null) return;
    clearInterval(this.#timer);
    this.#timer = null;
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    for (const { fd } of this.#ears.values()) libc.close(fd);
    this.#kernel.close();
  }

  /** What an operator should know. */
  get notes(): string[] {
    const { external, eips = [] } = this.#network;
    if (!external || eips.length === 0) return [];
    if (this.#ifindex === 0) return [`no EIP leads anywhere: ${external.interface} is not there`];
    const isSilent = this.#held.size > 0 && this.#gatewayMac === 0;
    return isSilent ? [`no EIP leads anywhere: the gateway behind ${external.interface} does not answer ARP`] : [];
  }

  /** The switch has it. */
  programmed(havip: number): void {
    if (eipOf(this.#network, havip) !== null) this.#look();
  }

  #turn(): void {
    const nowNs = this.#of.clock.nowNs();
    if (!this.#network.external) return;
    if (nowNs - this.#lookNs >= LOOK_NS) this.#look();
    for (const [name, ear] of this.#ears) this.#hear(name, ear);
    for (const held of this.#held.values()) if (held.left > 0 && nowNs >= held.announceNs) this.#announce(held, nowNs);
    if (this.#held.size > 0 && nowNs >= this.#askNs) this.#ask(nowNs);
  }

  /** Interfaces, holders, the way: as they are now. */
  #look(): void {
    const nowNs = this.#of.clock.nowNs();
    this.#lookNs = nowNs;
    const { external, eips = [], havips } = this.#network;
    const wanted = new Map<string, number>();
    this.#ifindex = external ? libc.ifNametoindex(external.interface) : 0;
    const link = this.#ifindex === 0 ? null : this.#kernel.link(this.#ifindex);
    this.#mac = link?.mac ?? 0;
    if (external && link !== null) wanted.set(external.interface, this.#ifindex);
    const here = new Set<Ipv4>();
    for (const eip of eips) {
      const binding = this.#of.bindingOf(eip.havip);
      const havip = havips[eip.havip];
      if (binding === null || binding.port === null || !havip || link === null) continue;
      here.add(eip.address);
      const before = this.#held.get(eip.address);
      const same = before?.binding.epoch === binding.epoch && before.binding.interface === binding.interface;
      if (!same) this.#held.set(eip.address, { eip, havip: havip.address, binding, announceNs: nowNs, left: 2 });
      const ifindex = libc.ifNametoindex(binding.interface);
      if (ifindex !== 0) wanted.set(binding.interface, ifindex);
    }
    for (const address of this.#held.keys()) if (!here.has(address)) this.#held.delete(address);
    this.#listenTo(wanted);
    this.#findGateways();
    this.#tellWay();
  }

  #listenTo(wanted: ReadonlyMap<string, number>): void {
    for (const [name, ear] of this.#ears) {
      if (wanted.get(name) === ear.ifindex) continue;
      libc.close(ear.fd);
      this.#ears.delete(name);
    }
    for (const [name, ifindex] of wanted) {
      if (this.#ears.has(name)) continue;
      const fd = libc.socket(libc.AF_PACKET, libc.SOCK_RAW | libc.SOCK_NONBLOCK, 0);
      attachFilter(fd, FILTER);
      libc.setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, 1);
      libc.bind(fd, linkAddress(ifindex, ETH_P_ALL));
      this.#ears.set(name, { fd, ifindex });
    }
  }

  /** MACs of gateways that are this host's, by subnet. */
  #findGateways(): void {
    this.#gateways = new Map();
    if (this.#held.size === 0) return;
    const addresses = this.#kernel.addresses();
    for (const subnet of this.#network.subnets) {
      const ifindex = subnet?.gateway ? addresses.get(subnet.gateway) : undefined;
      const mac = ifindex === undefined ? 0 : (this.#kernel.link(ifindex)?.mac ?? 0);
      if (subnet && mac !== 0) this.#gateways.set(subnet.index, mac);
    }
  }

  #tellWay(): void {
    const { external } = this.#network;
    const known = external && this.#ifindex !== 0 && this.#mac !== 0 && this.#gatewayMac !== 0;
    const gateways = this.#gateways;
    const way: Way | null = known
      ? {
          interface: external.interface,
          ifindex: this.#ifindex,
          mac: this.#mac,
          gateway: this.#gatewayMac,
          from: (subnet) => gateways.get(subnet) ?? ASKER,
        }
      : null;
    const told = way === null ? '' : [way.ifindex, way.mac, way.gateway, ...gateways].join(' ');
    if (told === this.#told) return;
    this.#told = told;
    if (this.#of.reconciler.want((desired) => desired.leads(way))) this.#of.onWant();
  }

  #ask(nowNs: number): void {
    this.#askNs = nowNs + (this.#gatewayMac === 0 ? ASK_NS : ASK_AGAIN_NS);
    const [first] = this.#held.values();
    const gateway = this.#network.external?.gateway;
    if (first !== undefined && gateway !== undefined) this.#sendOut(arpWho(this.#mac, first.eip.address, gateway));
  }

  #announce(held: Held, nowNs: number): void {
    held.left--;
    held.announceNs = nowNs + AGAIN_NS;
    this.#sendOut(arpAnnouncement(this.#mac, held.eip.address));
    this.#sendOut(arpReply(this.#mac, held.eip.address, EVERYBODY, held.eip.address));
  }

  #hear(name: string, { fd }: Ear): void {
    for (;;) {
      const length = libc.recv(fd, this.#frame, libc.MSG_DONTWAIT);
      if (length <= 0) return;
      const frame = this.#frame.subarray(0, length);
      const isOutside = name === this.#network.external?.interface;
      if (frame.readUInt16BE(12) === 0x0800) this.#error(name, isOutside, frame);
      else if (isOutside && length >= 42) this.#arp(frame);
    }
  }

  #arp(frame: Buffer): void {
    const operation = frame.readUInt16BE(20);
    const [from, sender, target] = [readMac(frame, 22), frame.readUInt32BE(28), frame.readUInt32BE(38)];
    const gateway = this.#network.external?.gateway;
    if (sender === gateway && operation === 2 && from !== this.#gatewayMac) {
      if (this.#gatewayMac !== 0) this.#of.log.info({}, 'the gateway outside has another MAC');
      this.#gatewayMac = from;
      this.#tellWay();
    }
    if (operation === 1 && this.#held.has(target)) this.#sendOut(arpReply(this.#mac, target, from, sender));
  }

  #error(name: string, isOutside: boolean, frame: Buffer): void {
    if (!this.#mayPass()) return;
    const { notNat = [] } = this.#network.external ?? {};
    for (const { eip, havip, binding } of this.#held.values()) {
      if (!isOutside && binding.interface !== name) continue;
      const [from, to] = isOutside ? [eip.address, havip] : [havip, eip.address];
      const readdressed = readdressError(frame, from, to, isOutside ? 'to' : 'from', notNat);
      if (readdressed === null) continue;
      if (isOutside) {
        const subnet = this.#network.havips[eip.havip]?.subnet ?? -1;
        this.#send(binding.interface, addressed(readdressed, binding.mac, this.#gateways.get(subnet) ?? ASKER));
      } else this.#sendOut(addressed(readdressed, this.#gatewayMac, this.#mac));
      return;
    }
  }

  #mayPass(): boolean {
    const nowNs = this.#of.clock.nowNs();
    if (nowNs - this.#errorsNs >= 1e9) {
      this.#errorsNs = nowNs;
      this.#errors = 0;
    }
    if (this.#errors++ < ERRORS_A_SECOND) return true;
    this.dropped++;
    return false;
  }

  #sendOut(frame: Uint8Array): void {
    const name = this.#network.external?.interface;
    if (name !== undefined) this.#send(name, frame);
  }

  #send(name: string, frame: Uint8Array): void {
    const ear = this.#ears.get(name);
    // An interface that is gone refuses; it is looked for each second.
    if (ear !== undefined) libc.sendTo(ear.fd, frame, linkAddress(ear.ifindex, 0));
  }
}

function addressed(frame: Buffer, to: Mac, from: Mac): Buffer {
  frame.writeUIntBE(to, 0, 6);
  frame.writeUIntBE(from, 6, 6);
  return frame;
}

/** struct sockaddr_ll (packet(7)): family, protocol, interface index. */
function linkAddress(ifindex: number, protocol: number): Uint8Array {
  const address = new DataView(new ArrayBuffer(20));
  address.setUint16(0, libc.AF_PACKET, true);
  address.setUint16(2, protocol, true);
  address.setInt32(4, ifindex, true);
  return new Uint8Array(address.buffer);
}
