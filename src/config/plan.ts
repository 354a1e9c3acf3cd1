/**
 * A configuration becomes a network: names looked up, things numbered. Pure, linear, main thread.
 *
 * An index stays with its thing from reload to reload, and a thing that did not change stays the same object, so that whoever
 * compares two networks may compare by identity. A thing that is another one in all but name (a HAVIP with another address, a
 * port with another MAC) gets a new index. An index is given away only when it was free in `previous` already: claims of the last
 * moments before a reload are still on their way between threads, and must not be taken for somebody else's.
 */
import { must } from '../base/assert.ts';
import { type Havip, type Network, NO_NETWORK, type Port, type Subnet, type Vpc } from '../base/network.ts';
import { keepSortedHavips, sortedHavips } from '../base/sorted.ts';
import type { Config, HavipConfig, PortConfig, VpcConfig } from './config.ts';

/** @param planned the configuration that `previous` was planned from: what a VPC that is the same object holds stays, unlooked at */
export function plan(config: Config, previous: Network = NO_NETWORK, planned: Config | null = null): Network {
  const vpcs = new Numbering(previous.vpcs, (vpc) => vpc.id);
  const subnets = new Numbering(
    previous.subnets,
    // Of two VPCs in the store two subnets may have one name.
    (subnet) => `${subnet.vpc} ${subnet.id}`,
  );
  const ports = new Numbering(
    previous.ports,
    (port) => port.interface,
    (a, b) => a.subnet === b.subnet && a.mac === b.mac && a.instance === b.instance,
  );
  const uplinks = new Numbering(
    previous.uplinks,
    (uplink) => uplink.interface,
    (a, b) => a.vpc === b.vpc,
  );

  const vpcById = new Map<string, Vpc>();
  // A subnet of the file is known by its id, one in the store by its VPC too.
  const subnetById = new Map<string, Subnet>();
  const subnetsOf = new Map<string, Map<string, Subnet>>();
  for (const { id, cidr, subnets: inside } of config.vpcs) {
    const vpc = vpcs.place({ index: 0, id, cidr });
    vpcById.set(id, vpc);
    const own = new Map<string, Subnet>();
    subnetsOf.set(id, own);
    for (const { probe: _, ...subnet } of inside) {
      const placed = subnets.place({ index: 0, vpc: vpc.index, ...subnet });
      own.set(subnet.id, placed);
      if (!subnetById.has(subnet.id)) subnetById.set(subnet.id, placed);
    }
  }
  for (const port of config.ports) {
    const known = port.vpc === undefined ? subnetById : find(subnetsOf, port.vpc);
    ports.place(portIn(find(known, port.subnet), port));
  }
  for (const uplink of config.uplinks) uplinks.place({ ...uplink, index: 0, vpc: find(vpcById, uplink.vpc).index });
  const peers = config.peers.map((peer) => Object.freeze({ ...peer, vpc: find(vpcById, peer.vpc).index }));
  const untouched = new Set(planned?.vpcs);
  const kept = new Set(config.vpcs.flatMap((vpc) => (untouched.has(vpc) ? find(vpcById, vpc.id).index : [])));
  const touched = config.vpcs.filter((vpc) => !untouched.has(vpc));
  const { havips, sorted } = planHavips(touched, previous, (vpc) => kept.has(vpc), subnetsOf);
  const network: Network = {
    vpcs: vpcs.things,
    subnets: subnets.things,
    havips,
    ports: ports.things,
    uplinks: uplinks.things,
    peers: isSame(previous.peers, peers) ? previous.peers : peers,
    ...outside(config, previous, havips),
  };
  keepSortedHavips(network, sorted);
  return network;
}

/** Of an EIP whose HAVIP is not there, which may be allocated yet, nothing is known here. */
function outside({ eips, external }: Config, previous: Network, havips: readonly (Havip | null)[]) {
  if (external === null) return {};
  const wanted = new Map(eips.map(({ havip, ...eip }) => [havip, eip]));
  const found =
    wanted.size === 0
      ? []
      : havips.flatMap((havip) => {
          const eip = havip === null ? undefined : wanted.get(havip.id);
          return havip === null || eip === undefined ? [] : Object.freeze({ ...eip, havip: havip.index });
        });
  return { eips: isSame(previous.eips, found) ? (previous.eips ?? found) : found, external };
}

/** The HAVIPs of VPCs that are not kept are placed anew. */
function planHavips(
  touched: readonly VpcConfig[],
  previous: Network,
  isKept: (vpc: number) => boolean,
  subnetsOf: ReadonlyMap<string, ReadonlyMap<string, Subnet>>,
) {
  const sorted = [...sortedHavips(previous)];
  const leaving = sorted.flatMap((havips = [], subnet) => {
    const [first] = havips;
    if (first === undefined || isKept(first.vpc)) return [];
    sorted[subnet] = undefined;
    return havips;
  });
  const numbering = new Numbering(
    previous.havips,
    (havip) => havip.id,
    (a, b) => a.subnet === b.subnet && a.address === b.address,
    leaving,
  );
  const placed: (Havip[] | undefined)[] = [];
  for (const vpc of touched) {
    const subnets = find(subnetsOf, vpc.id);
    for (const havip of vpc.havips) {
      const one = numbering.place(havipIn(find(subnets, havip.subnet), havip));
      (placed[one.subnet] ??= []).push(one);
    }
  }
  while (sorted.length < placed.length) sorted.push(undefined);
  for (const [subnet, havips] of placed.entries()) if (havips !== undefined) sorted[subnet] = havips;
  return { havips: numbering.things, sorted };
}

function havipIn(subnet: Subnet, havip: HavipConfig): Havip {
  // Field by field: V8 gives an object that is spread into room that it does not use, and puts half of it elsewhere.
  const { id, address, members, fence, vrid, assist, verify, probe } = havip;
  return { index: 0, id, vpc: subnet.vpc, subnet: subnet.index, address, members, fence, vrid, assist, verify, probe };
}

function portIn(subnet: Subnet, port: PortConfig): Port {
  return { index: 0, ...port, vpc: subnet.vpc, subnet: subnet.index };
}

function find<T>(things: ReadonlyMap<string, T>, id: string): T {
  return must(things.get(id), 'a checked configuration names only what exists');
}

type Numbered<T> = T & { index: number };

/** Things of one kind, each at its index. */
class Numbering<T extends { readonly index: number }> {
  readonly things: (T | null)[];
  /** Those that were there and have not been placed again, by name. */
  readonly #before = new Map<string, T>();
  readonly #name: (thing: T) => string;
  readonly #isSameThing: (a: T, b: T) => boolean;
  readonly #held: readonly (T | null)[];
  #freeFrom = 0;

  /**
   * @param isSameThing are two things of one name the same one?
   * @param leaving of `before`: all that goes unless it is placed again
   */
  constructor(
    before: readonly (T | null)[],
    name: (thing: T) => string,
    isSameThing: (a: T, b: T) => boolean = () => true,
    leaving: readonly (T | null)[] = before,
  ) {
    this.#held = before;
    this.things = before.slice();
    this.#name = name;
    this.#isSameThing = isSameThing;
    for (const thing of leaving) {
      if (thing === null) continue;
      this.things[thing.index] = null;
      this.#before.set(name(thing), thing);
    }
  }

  /** @param thing a new object, whose index is set here */
  place(thing: Numbered<T>): T {
    const named = this.#before.get(this.#name(thing));
    const before = named !== undefined && this.#isSameThing(named, thing) ? named : null;
    thing.index = before?.index ?? this.#free();
    const placed = before !== null && isSame(before, thing) ? before : Object.freeze(thing);
    this.things[placed.index] = placed;
    return placed;
  }

  /** The first index that was nobody's before. */
  #free(): number {
    const free = this.#held.indexOf(null, this.#freeFrom);
    this.#freeFrom = free < 0 ? this.#held.length : free + 1;
    return free < 0 ? this.things.length : free;
  }
}

/** Compares values made of plain fields, lists of those, and prefixes. */
function isSame(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  // for-in, unlike Object.keys, makes no list: planning 100,000 HAVIPs anew takes 0.15 s, not 0.4 s.
  for (const key in a) if (!isSame(a[key as never], b[key as never])) return false;
  return !Array.isArray(a) || (Array.isArray(b) && a.length === b.length);
}
