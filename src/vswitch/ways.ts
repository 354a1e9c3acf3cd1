/**
 * The way to machines on other hosts, for uplinks whose table the agent writes (`fdb: program`): behind which other end of the tunnel each
 * MAC is. By what hosts publish of their ports, by `peers`, and for virtual MACs by who holds them. What hosts publish is also who is
 * believed on an uplink, as `peers` are. Pure; main thread.
 */
import { formatIpv4, type Ipv4, parseIpv4 } from '../base/address.ts';
import type { Binding } from '../base/binding.ts';
import { portWithMac, uplinksOf } from '../base/elsewhere.ts';
import { formatMac, parseMac, type Mac, vridOf } from '../base/mac.ts';
import { type Network, NO_NETWORK, type Peer } from '../base/network.ts';
import { withPeers } from '../base/sorted.ts';
import type { Entry } from './vswitch.ts';

export interface Here {
  readonly host: string;
  readonly hasStore: boolean;
}

/** A machine as its host publishes it. */
export interface Machine {
  readonly instance: string;
  readonly mac: string;
  readonly vtep: string | null;
  readonly addresses: readonly string[];
}

interface Known extends Machine {
  readonly host: string;
}

/** Of the owner, four a second: however much comes, it is not waited for longer. */
const MOST_BEATS = 8;

export class Ways {
  readonly #want: (key: string, vtep: string | null) => void;
  readonly #here: Here;
  #network: Network = NO_NETWORK;
  /** By VPC, then `HOST INTERFACE`. */
  readonly #machines = new Map<string, Map<string, Known>>();
  /** VPCs of which all that the store has is known. */
  readonly #listed = new Set<string>();
  /** HAVIPs held elsewhere under a virtual MAC. */
  readonly #virtual = new Map<number, Binding>();
  /** As the switch had it at start. */
  readonly #found = new Map<string, string>();
  #told = new Map<string, string>();
  #isDirty = false;
  /** Machines changed: when the network was joined last, and whether that is so recent that more may come. */
  #isNews = false;
  #isFresh = false;
  #beats = 0;

  constructor(want: (key: string, vtep: string | null) => void, here: Here) {
    this.#want = want;
    this.#here = here;
  }

  configure(network: Network): void {
    this.#network = network;
    this.#isDirty = true;
  }

  adopt(found: readonly Entry[]): void {
    for (const { kind, key, value } of found) if (kind === 'fdb') this.#found.set(key, value);
  }

  /** All of a VPC is told again. */
  forget(vpc: string): void {
    this.#machines.delete(vpc);
    this.#listed.add(vpc);
    this.#isDirty = this.#isNews = this.#isFresh = true;
  }

  note(vpc: string, host: string, name: string, machine: Machine | null): void {
    if (host === this.#here.host) return;
    const machines = this.#machines.get(vpc) ?? new Map<string, Known>();
    this.#machines.set(vpc, machines);
    if (machine === null) machines.delete(`${host} ${name}`);
    else machines.set(`${host} ${name}`, { ...machine, host });
    this.#isDirty = this.#isNews = this.#isFresh = true;
  }

  /** True: machines changed since the network was joined last, and no more of it has come since the last call, or not for long. */
  settled(): boolean {
    if (!this.#isNews) return false;
    const waits = this.#isFresh && ++this.#beats < MOST_BEATS;
    this.#isFresh = false;
    return !waits;
  }

  /** The network with the machines that other hosts publish among its peers. */
  joined(network: Network): Network {
    this.#isNews = false;
    this.#beats = 0;
    const configured = new Set(network.peers.map(({ vpc, mac }) => `${vpc} ${mac}`));
    const learned = network.vpcs.flatMap((vpc): Peer[] =>
      [...((vpc && this.#machines.get(vpc.id)?.values()) ?? [])].flatMap(({ instance, mac: text, vtep, addresses }) => {
        const mac = parseMac(text);
        if (vpc === null || mac === null || configured.has(`${vpc.index} ${mac}`)) return [];
        configured.add(`${vpc.index} ${mac}`);
        return [
          {
            instance,
            vpc: vpc.index,
            mac,
            addresses: addresses.flatMap((one) => parseIpv4(one) ?? []),
            vtep: parseIpv4(vtep ?? ''),
          },
        ];
      }),
    );
    return learned.length === 0 ? network : withPeers(network, [...network.peers, ...learned]);
  }

  hold(havip: number, binding: Binding | null): void {
    const isVirtual = binding !== null && binding.port === null && vridOf(binding.mac) > 0;
    if (!isVirtual && !this.#virtual.has(havip)) return;
    if (isVirtual) this.#virtual.set(havip, binding);
    else this.#virtual.delete(havip);
    this.#isDirty = true;
  }

  /** True: something is to be told the switch. */
  tell(): boolean {
    if (!this.#isDirty) return false;
    this.#isDirty = false;
    const wanted = this.#wanted();
    let differs = false;
    for (const key of this.#told.keys()) if (!wanted.has(key)) differs = this.#say(key, null);
    for (const [key, vtep] of wanted) if (this.#told.get(key) !== vtep) differs = this.#say(key, vtep);
    this.#told = wanted;
    return differs;
  }

  #say(key: string, vtep: string | null): boolean {
    this.#want(key, vtep);
    return true;
  }

  #wanted(): Map<string, string> {
    const wanted = new Map<string, string>();
    for (const uplink of this.#network.uplinks) {
      if (uplink?.fdb !== 'program') continue;
      const { interface: name, vpc } = uplink;
      const id = this.#network.vpcs[vpc]?.id ?? '';
      const take = (mac: Mac, vtep: string | null) => {
        if (vtep !== null && portWithMac(this.#network, vpc, mac) === null) wanted.set(`${name} ${formatMac(mac)}`, vtep);
      };
      this.#keep(name, id, wanted);
      for (const { mac, vtep } of this.#network.peers.filter((peer) => peer.vpc === vpc)) take(mac, textOf(vtep));
      for (const { mac, vtep } of this.#machines.get(id)?.values() ?? []) take(parseMac(mac) ?? 0, vtep);
    }
    for (const [index, binding] of this.#virtual) this.#eachWay(index, binding, (key, vtep) => void wanted.set(key, vtep));
    return wanted;
  }

  /** What was there before the start stays until the store has told of all machines. */
  #keep(name: string, vpc: string, wanted: Map<string, string>): void {
    if (!this.#here.hasStore || this.#listed.has(vpc)) return;
    for (const [key, vtep] of this.#found) if (key.startsWith(`${name} `) && vtep !== 'damaged') wanted.set(key, vtep);
  }

  #eachWay(index: number, binding: Binding, take: (key: string, vtep: string) => void): void {
    const havip = this.#network.havips[index] ?? null;
    if (havip === null) return void this.#virtual.delete(index);
    for (const { interface: name, fdb } of uplinksOf(this.#network, havip.vpc)) {
      if (fdb !== 'program' || name !== binding.interface) continue;
      const key = `${name} ${formatMac(binding.mac)}`;
      const vtep = this.#otherEnd(havip.vpc, binding) ?? this.#found.get(key) ?? null;
      if (vtep !== null && vtep !== 'damaged') take(key, vtep);
    }
  }

  /** Of the holder's host. */
  #otherEnd(vpc: number, { instance, host }: Binding): string | null {
    const machines = [...(this.#machines.get(this.#network.vpcs[vpc]?.id ?? '')?.values() ?? [])];
    const own = machines.filter((one) => one.instance === instance);
    const there = own.find((one) => one.host === host) ?? own[0] ?? machines.find((one) => one.host === host);
    const peer = this.#network.peers.find((one) => one.vpc === vpc && one.instance === instance);
    return there?.vtep ?? textOf(peer?.vtep ?? null);
  }
}

function textOf(vtep: Ipv4 | null): string | null {
  return vtep === null ? null : formatIpv4(vtep);
}
