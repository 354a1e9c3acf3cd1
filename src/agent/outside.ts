/**
 * The way outside: where it leads now, and who speaks there for EIPs whose holders are here. Main thread, by the clock; nothing of it is in the path
 * of packets but ICMP errors, which the switch leaves to it.
 *
 *     the gateway's MAC   asked by ARP until it answers; and again, so that it stays true. In the name of an EIP that is here; else in nobody's
 *                         (RFC 5227's probe), so that it is known when the first holder comes
 *     ARP for an EIP      answered while its holder is here; announced when it comes, and once more after more than a second
 *     ICMP errors         readdressed with the packet that they carry (icmp-error.ts), so many a second at most
 *
 * With other hosts exactly one of them has the holder, so exactly one answers. What is done for one EIP does not grow with how many there are.
 */
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
import { Ears } from './ears.ts';
import { readdressError } from './icmp-error.ts';
import { ASKER, EVERYBODY, arpAnnouncement, arpReply, arpWho } from './question.ts';

const POLL_MS = 4;
const LOOK_NS = 1e9;
/** While the gateway has not answered, and once it has. */
const ASK_NS = 1e9;
const ASK_AGAIN_NS = 15e9;
/** After the first; more than a second (RFC 5227, ANNOUNCE_INTERVAL is two). */
const AGAIN_NS = 1.2e9;
const TIMES = 2;
/** In one turn. */
const ANNOUNCED_MOST = 32;
const SWEPT = 8;
const NEW_SWEPT = 128;
/** A path MTU is learned once a flow: a flood is no use of it. */
const ERRORS_A_SECOND = 200;
/** Of an Ethernet frame with IPv4: where its addresses are. */
const SOURCE = 26;
const DESTINATION = 30;
const NOBODY: Ipv4 = 0;

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
  /** When it is announced again; how often still. */
  announceNs: number;
  left: number;
}

export class Outside {
  readonly #of: OutsideParts;
  readonly #kernel = new Rtnetlink();
  #network: Network;
  #timer: NodeJS.Timeout | null = null;
  #isRunning = false;
  /** At the interface which leads outside, and those of holders here. */
  readonly #ears = new Ears((name, frame) => this.#heard(name, frame));
  /** By address. */
  readonly #held = new Map<Ipv4, Held>();
  /** Of them, by interface, how many. */
  readonly #uses = new Map<string, number>();
  /** By interface and HAVIP. */
  readonly #senders = new Map<string, Held>();
  /** Those of them that are announced again. */
  readonly #due = new Set<Held>();
  #mac: Mac = 0;
  #ifindex = 0;
  #gatewayMac: Mac = 0;
  #gateways = new Map<number, Mac>();
  #askNs = 0;
  /** Place in the list of EIPs, and whether all are to be looked at soon. */
  #next = 0;
  #isNew = true;
  #lookNs = 0;
  #errorsNs = 0;
  #errors = 0;
  #told = '';
  /** ICMP errors of EIPs: those that went on, and those over the budget. */
  readonly errors = { readdressed: 0, 'over-budget': 0 };

  constructor(parts: OutsideParts, network: Network) {
    this.#of = parts;
    this.#network = network;
  }

  configure(network: Network): void {
    const before = this.#network.external?.interface;
    if (before !== undefined && before !== network.external?.interface) this.#ears.shut(before);
    this.#network = network;
    this.#isNew = true;
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
    for (const held of this.#held.values()) this.#leave(held);
    if (this.#network.external) this.#ears.shut(this.#network.external.interface);
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#ears.close();
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

  /** The switch has it: whoever asks from now on is answered by who has the holder. */
  programmed(havip: number): void {
    const eip = eipOf(this.#network, havip);
    if (eip === null || this.#ifindex === 0) return;
    const nowNs = this.#of.clock.nowNs();
    const held = this.#follow(eip, nowNs);
    if (held?.left === TIMES) this.#announce(held, nowNs);
  }

  #turn(): void {
    const nowNs = this.#of.clock.nowNs();
    if (!this.#network.external) return;
    if (nowNs - this.#lookNs >= LOOK_NS) this.#look();
    this.#sweep(nowNs);
    this.#ears.hear();
    this.#announceDue(nowNs);
    if (nowNs >= this.#askNs) this.#ask(nowNs);
  }

  /** The interface, and the way, as they are now. */
  #look(): void {
    this.#lookNs = this.#of.clock.nowNs();
    const { external, eips = [] } = this.#network;
    const ifindex = external ? libc.ifNametoindex(external.interface) : 0;
    const link = ifindex === 0 ? null : this.#kernel.link(ifindex);
    if ((link !== null) !== (this.#ifindex !== 0)) this.#isNew = true;
    this.#ifindex = link === null ? 0 : ifindex;
    this.#mac = link?.mac ?? 0;
    if (external && link !== null) this.#ears.open(external.interface, ifindex);
    else if (external) this.#ears.shut(external.interface);
    if (this.#isNew || this.#next >= eips.length) this.#next = 0;
    this.#findGateways();
    this.#tellWay();
  }

  /** Holders and their interfaces as they are now, some in each turn: what changes is told, but for an interface that was made anew. */
  #sweep(nowNs: number): void {
    const { eips = [] } = this.#network;
    const end = Math.min(eips.length, this.#next + (this.#isNew ? NEW_SWEPT : SWEPT));
    for (; this.#next < end; this.#next++) {
      const eip = eips[this.#next];
      if (eip !== undefined) this.#follow(eip, nowNs);
    }
    if (!this.#isNew || this.#next < eips.length) return;
    this.#isNew = false;
    for (const held of this.#held.values())
      if (eipOf(this.#network, held.eip.havip)?.address !== held.eip.address) this.#leave(held);
  }

  /** Its holder is here, or not. What came is to be announced. Returns null: it is not. */
  #follow(eip: Eip, nowNs: number): Held | null {
    const before = this.#held.get(eip.address);
    const havip = this.#network.havips[eip.havip];
    const binding = this.#ifindex === 0 ? null : this.#of.bindingOf(eip.havip);
    if (binding === null || binding.port === null || !havip) {
      if (before !== undefined) this.#leave(before);
      return null;
    }
    const ifindex = libc.ifNametoindex(binding.interface);
    if (ifindex !== 0) this.#ears.open(binding.interface, ifindex);
    if (
      before?.eip.havip === eip.havip &&
      before.binding.epoch === binding.epoch &&
      before.binding.interface === binding.interface
    )
      return before;
    if (before !== undefined) this.#leave(before);
    const held: Held = { eip, havip: havip.address, binding, announceNs: nowNs, left: TIMES };
    this.#held.set(eip.address, held);
    this.#uses.set(binding.interface, (this.#uses.get(binding.interface) ?? 0) + 1);
    this.#senders.set(`${binding.interface} ${havip.address}`, held);
    this.#due.add(held);
    return held;
  }

  #leave(held: Held): void {
    this.#held.delete(held.eip.address);
    this.#due.delete(held);
    const name = held.binding.interface;
    const sender = `${name} ${held.havip}`;
    if (this.#senders.get(sender) === held) this.#senders.delete(sender);
    const others = (this.#uses.get(name) ?? 1) - 1;
    this.#uses.set(name, others);
    if (others > 0) return;
    this.#uses.delete(name);
    this.#ears.shut(name);
  }

  /** MACs of gateways that are this host's, by subnet. */
  #findGateways(): void {
    this.#gateways = new Map();
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
    const [first] = this.#held.keys();
    const gateway = this.#network.external?.gateway;
    if (gateway !== undefined) this.#sendOut(arpWho(this.#mac, first ?? NOBODY, gateway));
  }

  /** The first due stand first. When thousands come at once, a start, the last ones wait. */
  #announceDue(nowNs: number): void {
    let most = ANNOUNCED_MOST;
    for (const held of this.#due) {
      if (nowNs < held.announceNs || most-- === 0) return;
      this.#announce(held, nowNs);
    }
  }

  #announce(held: Held, nowNs: number): void {
    this.#due.delete(held);
    if (--held.left > 0) this.#due.add(held);
    held.announceNs = nowNs + AGAIN_NS;
    this.#sendOut(arpAnnouncement(this.#mac, held.eip.address));
    this.#sendOut(arpReply(this.#mac, held.eip.address, EVERYBODY, held.eip.address));
  }

  #heard(name: string, frame: Buffer): void {
    const isOutside = name === this.#network.external?.interface;
    if (frame.readUInt16BE(12) === 0x0800) this.#error(name, isOutside, frame);
    else if (isOutside && frame.length >= 42) this.#arp(frame);
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
    const held = isOutside
      ? this.#held.get(frame.readUInt32BE(DESTINATION))
      : this.#senders.get(`${name} ${frame.readUInt32BE(SOURCE)}`);
    if (held === undefined || !this.#mayPass()) return;
    const { notNat = [] } = this.#network.external ?? {};
    const { eip, havip, binding } = held;
    const [from, to] = isOutside ? [eip.address, havip] : [havip, eip.address];
    const readdressed = readdressError(frame, from, to, isOutside ? 'to' : 'from', notNat);
    if (readdressed === null) return;
    this.errors.readdressed++;
    if (!isOutside) return this.#sendOut(addressed(readdressed, this.#gatewayMac, this.#mac));
    const subnet = this.#network.havips[eip.havip]?.subnet ?? -1;
    this.#ears.send(binding.interface, addressed(readdressed, binding.mac, this.#gateways.get(subnet) ?? ASKER));
  }

  #mayPass(): boolean {
    const nowNs = this.#of.clock.nowNs();
    if (nowNs - this.#errorsNs >= 1e9) {
      this.#errorsNs = nowNs;
      this.#errors = 0;
    }
    if (this.#errors++ < ERRORS_A_SECOND) return true;
    this.errors['over-budget']++;
    return false;
  }

  #sendOut(frame: Uint8Array): void {
    const name = this.#network.external?.interface;
    if (name !== undefined) this.#ears.send(name, frame);
  }
}

function addressed(frame: Buffer, to: Mac, from: Mac): Buffer {
  frame.writeUIntBE(to, 0, 6);
  frame.writeUIntBE(from, 6, 6);
  return frame;
}
