/**
 * The part of the configuration that stands in the store, as it is told: the VPCs of which this host has ports or uplinks and that its file does
 * not have. Put together with the file it is one configuration, which goes the way of any reload. Pure; nobody who writes the store is
 * believed to have kept its rules: what does not fit is left out, each alone, and said.
 *
 * Until the store has told of a VPC, and where there is neither it nor a copy of its last word (cache.ts), the ports there stand in a VPC that
 * is all addresses and has no HAVIP: their guests may speak for their own addresses, and nothing else.
 */
import { type Cidr, cidrInside, cidrLast, formatCidr, type Ipv4, parseCidr, parseIpv4 } from '../base/address.ts';
import { must } from '../base/assert.ts';
import { ASSIST_ON } from '../base/network.ts';
import type { Config, HavipConfig, SubnetConfig, VpcConfig } from '../config/config.ts';
import type { Item, Kind, ValueOf } from '../fabric/records.ts';
import { allocate, note, type Owner, type Site } from './rules.ts';

const ALL: Cidr = Object.freeze({ base: 0, bits: 0 });

/** What the catalogue is made of; nothing else is kept. */
const KINDS = new Set<Kind>(['net', 'subnet', 'havip']);

interface Shelved<K extends Kind> {
  readonly id: string;
  readonly value: ValueOf<K>;
  readonly revision: number;
}

interface Shelf {
  net: ValueOf<'net'> | null;
  readonly subnets: Map<string, Shelved<'subnet'>>;
  readonly havips: Map<string, Shelved<'havip'>>;
  /** As it was put together last; null: something has changed. */
  made: VpcConfig | null;
  /** The file's ports and peers at that time. */
  ports: Config['ports'] | null;
  peers: Config['peers'] | null;
  mistakes: readonly string[];
}

export interface Composed {
  readonly config: Config;
  /** What of the store was left out, and why. */
  readonly mistakes: readonly string[];
}

export class StoredConfig {
  readonly #vpcs = new Map<string, Shelf>();

  /** All there is of a VPC; true: something of it is the catalogue's. */
  snapshot(vpc: string, items: readonly Item[]): boolean {
    const had = this.#vpcs.delete(vpc);
    const found = items.filter(({ kind }) => KINDS.has(kind));
    for (const item of found) this.change(item);
    return had || found.length > 0;
  }

  change(item: Item): boolean {
    if (!KINDS.has(item.kind)) return false;
    const shelf = this.#shelf(item.vpc);
    shelf.made = null;
    if (item.kind === 'net') shelf.net = item.value;
    else if (item.kind === 'subnet') put(shelf.subnets, item);
    else if (item.kind === 'havip') put(shelf.havips, item);
    return true;
  }

  /** As they were told, for a copy. */
  *items(): IterableIterator<Item> {
    for (const [vpc, { net, subnets, havips }] of this.#vpcs) {
      if (net !== null) yield { kind: 'net', vpc, id: '', value: net, revision: 0, version: 0 };
      for (const one of subnets.values()) yield { kind: 'subnet', vpc, ...one, version: 0 };
      for (const one of havips.values()) yield { kind: 'havip', vpc, ...one, version: 0 };
    }
  }

  /** The file's configuration with what the store has to add for this host. */
  compose(config: Config): Composed {
    if (config.store === null) return { config, mistakes: [] };
    const mistakes: string[] = [];
    const ofFile = new Map(config.vpcs.map((vpc) => [vpc.id, vpc]));
    const wanted = new Set([...config.uplinks, ...config.peers, ...config.ports].flatMap(({ vpc }) => vpc ?? []));
    for (const vpc of ofFile.keys())
      if ((this.#vpcs.get(vpc)?.net ?? null) !== null)
        mistakes.push(`VPC ${vpc} stands in the file and in the store; what the file says is taken: take it out of one of them`);
    const ids = new Set(config.vpcs.flatMap(({ havips }) => havips.map(({ id }) => id)));
    const added: VpcConfig[] = [];
    for (const vpc of [...wanted].toSorted()) {
      if (ofFile.has(vpc)) continue;
      const { made, said } = this.#make(vpc, config);
      mistakes.push(...said);
      const twice = made.havips.filter(({ id }) => ids.has(id));
      for (const { id } of twice)
        mistakes.push(`HAVIP ${id} of VPC ${vpc} in the store is left out: another VPC has one of that id`);
      for (const { id } of made.havips) ids.add(id);
      added.push(
        withHomes(twice.length === 0 ? made : { ...made, havips: made.havips.filter((one) => !twice.includes(one)) }, config),
      );
    }
    if (added.length === 0) return { config, mistakes };
    return { config: Object.freeze({ ...config, vpcs: Object.freeze([...config.vpcs, ...added]) }), mistakes };
  }

  #make(vpc: string, { ports, peers }: Config): { made: VpcConfig; said: readonly string[] } {
    const shelf = this.#shelf(vpc);
    if (shelf.made === null || shelf.ports !== ports || shelf.peers !== peers) {
      const said: string[] = [];
      Object.assign(shelf, { ports, peers });
      shelf.made = makeVpc(vpc, shelf, said);
      shelf.mistakes = said;
    }
    return { made: shelf.made, said: shelf.mistakes };
  }

  #shelf(vpc: string): Shelf {
    let shelf = this.#vpcs.get(vpc);
    if (shelf === undefined)
      this.#vpcs.set(
        vpc,
        (shelf = { net: null, subnets: new Map(), havips: new Map(), made: null, ports: null, peers: null, mistakes: [] }),
      );
    return shelf;
  }
}

function put<K extends Kind>(
  things: Map<string, Shelved<K>>,
  { id, value, revision }: { readonly id: string; readonly value: ValueOf<K> | null; readonly revision: number },
): void {
  if (value === null) things.delete(id);
  else things.set(id, { id, value, revision });
}

/** Who was there first stays: in the order of revisions, which is the store's. */
function inOrder<K extends Kind>(things: ReadonlyMap<string, Shelved<K>>): Shelved<K>[] {
  return [...things.values()].toSorted((a, b) => a.revision - b.revision || (a.id < b.id ? -1 : 1));
}

function makeVpc(id: string, { net, subnets, havips, ports, peers }: Shelf, said: string[]): VpcConfig {
  const cidr = net === null ? ALL : must(parseCidr(net.cidr), 'the shape was checked');
  const made: SubnetConfig[] = [];
  for (const one of net === null ? [] : inOrder(subnets)) {
    const subnet = subnetOf(one);
    const why = subnetMisplaced(subnet, cidr, made);
    if (why === null) made.push(subnet);
    else said.push(`subnet ${one.id} of VPC ${id} in the store is left out: ${why}`);
  }
  const owners = new Map<Ipv4, Owner>();
  for (const port of ports ?? [])
    if (port.vpc === id) for (const one of port.addresses) owners.set(one, { kind: 'fixed', name: `port ${port.interface}` });
  for (const peer of peers ?? [])
    if (peer.vpc === id) for (const one of peer.addresses) owners.set(one, { kind: 'fixed', name: peer.instance });
  const site: Site = {
    vpc: id,
    quota: Number.POSITIVE_INFINITY,
    subnets: made,
    owners,
    havips: 0,
    vrids: new Map(),
    homes: new Map(),
  };
  const kept: HavipConfig[] = [];
  for (const one of net === null ? [] : inOrder(havips)) {
    const havip = havipOf(one);
    const given = allocate(site, havip);
    if ('refusal' in given) said.push(`HAVIP ${one.id} of VPC ${id} in the store is left out: ${given.refusal.message}`);
    else {
      note(site, havip, given.address);
      kept.push(havip);
    }
  }
  const quota = net?.quota ?? 0;
  return Object.freeze({ id, cidr: Object.freeze(cidr), quota, subnets: Object.freeze(made), havips: Object.freeze(kept) });
}

function subnetOf({ id, value }: Shelved<'subnet'>): SubnetConfig {
  const { gateway, probe, sources = 'checked' } = value;
  return Object.freeze({
    id,
    cidr: Object.freeze(must(parseCidr(value.cidr), 'the shape was checked')),
    gateway: gateway === null ? null : parseIpv4(gateway),
    ipv6: null,
    sources,
    probe,
  });
}

/** Why a VPC cannot have this subnet beside these; null: it can. */
export function subnetMisplaced(
  subnet: Pick<SubnetConfig, 'cidr' | 'gateway'>,
  vpc: Cidr,
  others: readonly Pick<SubnetConfig, 'id' | 'cidr'>[],
): string | null {
  const { cidr, gateway } = subnet;
  if (!cidrInside(cidr, vpc)) return `${formatCidr(cidr)} is outside of the VPC's ${formatCidr(vpc)}`;
  const other = others.find((one) => one.cidr.base <= cidrLast(cidr) && cidr.base <= cidrLast(one.cidr));
  if (other !== undefined) return `${formatCidr(cidr)} overlaps ${other.id} (${formatCidr(other.cidr)})`;
  if (gateway === null) return null;
  const isHost = cidr.bits > 30 || (gateway !== cidr.base && gateway !== cidrLast(cidr));
  return gateway >= cidr.base && gateway <= cidrLast(cidr) && isHost
    ? null
    : `its gateway is no machine's address of ${formatCidr(cidr)}`;
}

function havipOf({ id, value }: Shelved<'havip'>): HavipConfig {
  const { subnet, address, members, fence, assist, verify, probe, vrid } = value;
  return Object.freeze({
    id,
    subnet,
    address: must(parseIpv4(address), 'the shape was checked'),
    members: members === null ? null : Object.freeze(members),
    fence,
    vrid: vrid ?? null,
    assist:
      assist === null
        ? null
        : Object.freeze({ on: Object.freeze(ASSIST_ON.filter((one) => assist.on.includes(one))), hasten: assist.hasten }),
    verify,
    probe,
  });
}

/** With a subnet of all addresses for each port whose own is not known: nobody there may claim anything. */
function withHomes(vpc: VpcConfig, { ports }: Config): VpcConfig {
  const known = new Set(vpc.subnets.map(({ id }) => id));
  const missing = new Set(ports.filter((port) => port.vpc === vpc.id && !known.has(port.subnet)).map(({ subnet }) => subnet));
  if (missing.size === 0) return vpc;
  const none = { cidr: ALL, gateway: null, ipv6: null, sources: 'checked', probe: false } as const;
  const subnets = [...vpc.subnets, ...[...missing].map((id) => Object.freeze(Object.assign({ id }, none)))];
  return Object.freeze({ ...vpc, subnets: Object.freeze(subnets) });
}
