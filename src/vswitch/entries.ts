/**
 * The network and who holds what, as the entries that the switch shall have. Pure; main thread. Work is by subnet: nothing in one
 * subnet depends on a port or HAVIP of another, so a reload renders only the parts in which something differs.
 */
import { formatCidr, formatIpv4, type Ipv4 } from '../base/address.ts';
import { must } from '../base/assert.ts';
import { type Binding, bindingElsewhere, bindingHere, UNKNOWN } from '../base/binding.ts';
import { formatCidr6 } from '../base/ipv6.ts';
import { formatMac, parseMac } from '../base/mac.ts';
import type { Havip, Network, Port, Subnet, Uplink, SubnetIpv6, Vpc } from '../base/network.ts';
import { fellowsIn, mayClaim, mayUse, ownIpv6, reservedIn, routerIpv6, spareIpv6 } from '../base/rights.ts';
import { changedHavips, havipsOf, portsOf } from '../base/sorted.ts';
import { label } from './label.ts';
import type { Entry, EntryKind } from './vswitch.ts';

export type Mode = 'enforce' | 'audit';

type Take = (kind: EntryKind, key: string, value: string) => void;

/** All entries but the holders, one by one, of the whole network or of some parts. Uplinks and the guard itself are always among them. */
export function eachEntry(network: Network, mode: Mode, parts: Parts | null, take: Take): void {
  take('guard', '-', mode);
  const vpcLabel = network.vpcs.map((vpc) => (vpc === null ? '' : label(vpc.id)));
  const labelOf = (vpc: number) => must(vpcLabel[vpc], 'a subnet, port or uplink is in a VPC of the network');
  for (const uplink of network.uplinks)
    if (uplink !== null) take('uplink', uplink.interface, `${labelOf(uplink.vpc)}${uplink.fdb === 'program' ? ' program' : ''}`);
  const wanted = (subnet: number) => parts === null || parts.whole.has(subnet) || parts.partly.has(subnet);
  for (const subnet of network.subnets) {
    if (subnet === null || !wanted(subnet.index)) continue;
    const where = `${labelOf(subnet.vpc)} ${formatCidr(subnet.cidr)}`;
    for (const port of portsOf(network, subnet.index)) {
      const mac = formatMac(port.mac);
      take('port', port.interface, `${where} ${mac}`);
      take('sender', `${port.interface} ${mac}`, '-');
      for (const address of port.addresses) take('own', `${port.interface} ${formatIpv4(address)}`, mac);
      if (port.router || subnet.sources === 'any') take('anysource', port.interface, '-');
      eachIpv6Entry(port, subnet, take);
      for (const havip of havipsOf(network, subnet.index)) {
        if (parts !== null && !parts.has(havip)) continue;
        if (mayClaim(port, havip)) take('claim', `${port.interface} ${formatIpv4(havip.address)}`, '-');
        else if (mayUse(port, havip)) take('source', `${port.interface} ${formatIpv4(havip.address)}`, '-');
      }
    }
    eachFellow(network, subnet.index, `${labelOf(subnet.vpc)}/${formatCidr(subnet.cidr)}`, take);
  }
  eachKnownAddress(network, parts, labelOf, take);
}

function eachIpv6Entry(port: Port, subnet: Subnet, take: Take): void {
  const name = port.interface;
  take('option', `${name} ${formatMac(port.mac)}`, '-');
  for (const address of ownIpv6(port, subnet)) take('own', `${name} ${address}`, '-');
  const { any, prefixes } = spareIpv6(subnet);
  if (any) take('open', name, '-');
  for (const base of prefixes) take('prefix', `${name} ${formatCidr6({ base, bits: 64 })}`, '-');
  if (port.router) take('router', name, '-');
}

/** Who may claim something in a subnet, and whom he may then send VRRP. */
function eachFellow(network: Network, subnet: number, name: string, take: Take): void {
  const { all, of } = fellowsIn(network, subnet);
  const ports = portsOf(network, subnet);
  const addressesOf = new Map<string, Ipv4[]>();
  for (const { instance, addresses } of ports) addressesOf.set(instance, [...(addressesOf.get(instance) ?? []), ...addresses]);
  for (const port of ports) {
    if (all) for (const address of port.addresses) take('peer', `${name} ${formatIpv4(address)}`, '-');
    const fellows = of.get(port.instance);
    if (all || fellows !== undefined) take('virtual', port.interface, '-');
    for (const fellow of fellows ?? [])
      for (const address of addressesOf.get(fellow) ?? []) take('fellow', `${port.interface} ${formatIpv4(address)}`, '-');
  }
}

/** Whose an address is, in all subnets of the VPCs that have something hooked here: others nobody asks for. */
function eachKnownAddress(network: Network, parts: Parts | null, labelOf: (vpc: number) => string, take: Take): void {
  const hooked = hookedVpcs(network);
  for (const subnet of network.subnets) {
    if (subnet === null || !hooked.has(subnet.vpc)) continue;
    const vpc = labelOf(subnet.vpc);
    const whole = parts === null || parts.vpcs.has(subnet.vpc);
    if (whole) {
      const taken = (address: string) => take('taken', `${vpc} ${address}`, '-');
      for (const address of reservedIn(subnet)) taken(formatIpv4(address));
      for (const address of routerIpv6(subnet)) taken(address);
      for (const port of portsOf(network, subnet.index)) {
        for (const address of port.addresses) taken(formatIpv4(address));
        for (const address of ownIpv6(port, subnet)) taken(address);
      }
    }
    if (!whole && !parts.partly.has(subnet.index)) continue;
    for (const havip of havipsOf(network, subnet.index))
      if (whole || parts.has(havip)) take('havip', `${vpc} ${formatIpv4(havip.address)}`, '-');
  }
}

function hookedVpcs(network: Network): Set<number> {
  const vpcs = new Set(network.uplinks.flatMap((uplink) => uplink?.vpc ?? []));
  for (const port of network.ports) if (port !== null) vpcs.add(port.vpc);
  return vpcs;
}

/** The parts of two networks in which they differ. */
export class Parts {
  /** Subnets with all that is in them. */
  readonly whole = new Set<number>();
  /** Subnets of which some HAVIPs differ and nothing else. */
  readonly partly = new Set<number>();
  /** Indexes of HAVIPs. */
  readonly havips = new Set<number>();
  /**
   * VPCs in which somebody's fixed addresses may differ. They are looked at as a whole: two subnets may name the same router, and a guest
   * may be one.
   */
  readonly vpcs = new Set<number>();

  has(havip: Havip): boolean {
    return this.whole.has(havip.subnet) || this.havips.has(havip.index);
  }
}

/** Compared by value: a reload parses everything anew. */
export function touchedParts(before: Network, after: Network): Parts {
  const parts = new Parts();
  const whole = (a: { subnet: number } | null, b: { subnet: number } | null) => {
    if (a !== null) parts.whole.add(a.subnet);
    if (b !== null) parts.whole.add(b.subnet);
  };
  eachDifference(before.ports, after.ports, samePort, whole);
  const sameSubnet = (a: Subnet, b: Subnet) =>
    a.id === b.id &&
    formatCidr(a.cidr) === formatCidr(b.cidr) &&
    a.gateway === b.gateway &&
    a.sources === b.sources &&
    before.vpcs[a.vpc]?.id === after.vpcs[b.vpc]?.id &&
    sameIpv6(a.ipv6, b.ipv6);
  eachDifference(before.subnets, after.subnets, sameSubnet, (a, b) => parts.whole.add(must(a ?? b, 'one of the two').index));
  for (const network of [before, after]) {
    const other = hookedVpcs(network === before ? after : before);
    for (const vpc of hookedVpcs(network)) if (!other.has(vpc)) parts.vpcs.add(vpc);
    for (const index of parts.whole) {
      const subnet = network.subnets[index];
      if (subnet) parts.vpcs.add(subnet.vpc);
    }
  }
  for (const index of changedHavips(before, after)) {
    const [a, b] = [before.havips[index] ?? null, after.havips[index] ?? null];
    if (a !== null && b !== null && sameHavip(a, b)) continue;
    for (const havip of [a, b]) if (havip !== null) parts.partly.add(havip.subnet);
    parts.havips.add(index);
  }
  return parts;
}

/** Of VPCs whose HAVIPs moved: a pattern is no work for a failover. */
const vpcLabels = new WeakMap<Vpc, string>();

export function holderKey(network: Network, havip: Havip): string {
  return `${vpcLabel(network, havip.vpc)} ${formatIpv4(havip.address)}`;
}

export function vpcLabel(network: Network, index: number): string {
  const vpc = must(network.vpcs[index], 'a HAVIP is in a VPC');
  let name = vpcLabels.get(vpc);
  if (name === undefined) vpcLabels.set(vpc, (name = label(vpc.id)));
  return name;
}

export function holderValue(havip: Havip, binding: Binding): string {
  const who = `${binding.interface} ${formatMac(binding.mac)} ${binding.epoch} ${binding.sinceMs}`;
  return `${who} ${havip.fence ? 'fence' : 'open'}`;
}

/** The binding that a holder entry's value says; null when the entry is damaged, or its interface is none of these. */
export function bindingOf(value: string, ports: ReadonlyMap<string, Port>, uplinks: readonly Uplink[]): Binding | null {
  const [name, macText = '', epoch = '', since = '', fence] = value.split(' ');
  const mac = parseMac(macText);
  const port = ports.get(name ?? '');
  if (mac === null || (fence !== 'fence' && fence !== 'open')) return null;
  const uplink = uplinks.find((one) => one.interface === name);
  if (uplink !== undefined) return bindingElsewhere(UNKNOWN, UNKNOWN, uplink.interface, mac, Number(epoch), Number(since));
  return port === undefined ? null : bindingHere(port, mac, Number(epoch), Number(since));
}

/** A key of the map that holds entries of all kinds. */
export function entryId(item: Entry): string {
  return `${item.kind} ${item.key}`;
}

function eachDifference<T>(
  before: readonly (T | null)[],
  after: readonly (T | null)[],
  same: (a: T, b: T) => boolean,
  note: (a: T | null, b: T | null) => void,
): void {
  for (let i = 0; i < Math.max(before.length, after.length); i++) {
    const a = before[i] ?? null;
    const b = after[i] ?? null;
    if (a === b || (a !== null && b !== null && same(a, b))) continue;
    note(a, b);
  }
}

function samePort(a: Port, b: Port): boolean {
  return (
    a.interface === b.interface &&
    a.instance === b.instance &&
    a.vpc === b.vpc &&
    a.subnet === b.subnet &&
    a.mac === b.mac &&
    a.router === b.router &&
    sameList(a.addresses, b.addresses) &&
    sameList(a.addresses6, b.addresses6)
  );
}

function sameIpv6(a: SubnetIpv6 | null, b: SubnetIpv6 | null): boolean {
  if (a === null || b === null) return a === b;
  const prefix = formatCidr6(a.cidr) === formatCidr6(b.cidr) && a.addresses === b.addresses;
  return prefix && a.gateway === b.gateway && sameList(a.routers, b.routers);
}

function sameHavip(a: Havip, b: Havip): boolean {
  const members = a.members === null || b.members === null ? a.members === b.members : sameList(a.members, b.members);
  return members && a.vpc === b.vpc && a.subnet === b.subnet && a.address === b.address && a.fence === b.fence;
}

function sameList<T>(a: readonly T[], b: readonly T[]): boolean {
  return a.length === b.length && a.every((item, i) => item === b[i]);
}
