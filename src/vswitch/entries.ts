/**
 * The network and who holds what, as the entries that the switch shall have. Pure; main thread. Work is by subnet: nothing in one
 * subnet depends on a port or HAVIP of another, so a reload renders only the parts in which something differs.
 */
import { formatCidr, formatIpv4 } from '../base/address.ts';
import { must } from '../base/assert.ts';
import { type Binding, bindingElsewhere, bindingHere, UNKNOWN } from '../base/binding.ts';
import { formatCidr6, type Ipv6 } from '../base/ipv6.ts';
import { formatMac, parseMac } from '../base/mac.ts';
import {
  changedHavips,
  type Havip,
  havipsOf,
  mayClaim,
  type Network,
  ownIpv6,
  type Port,
  portsOf,
  routerIpv6,
  spareIpv6,
  type Subnet,
  type Uplink,
  type SubnetIpv6,
  type Vpc,
} from '../base/network.ts';
import { label } from './label.ts';
import type { Entry, EntryKind } from './vswitch.ts';

export type Mode = 'enforce' | 'audit';

type Take = (kind: EntryKind, key: string, value: string) => void;

/** All entries but the holders, one by one, of the whole network or of some parts. Uplinks and the guard itself are always among them. */
export function eachEntry(network: Network, mode: Mode, parts: Parts | null, take: Take): void {
  take('guard', '-', mode);
  const vpcLabel = network.vpcs.map((vpc) => (vpc === null ? '' : label(vpc.id)));
  const labelOf = (vpc: number) => must(vpcLabel[vpc], 'a subnet, port or uplink is in a VPC of the network');
  for (const uplink of network.uplinks) take('uplink', uplink.interface, labelOf(uplink.vpc));
  const wanted = (subnet: number) => parts === null || parts.whole.has(subnet) || parts.partly.has(subnet);
  for (const subnet of network.subnets) {
    if (subnet === null || !wanted(subnet.index)) continue;
    const where = `${labelOf(subnet.vpc)} ${formatCidr(subnet.cidr)}`;
    for (const port of portsOf(network, subnet.index)) {
      const mac = formatMac(port.mac);
      take('port', port.interface, `${where} ${mac}`);
      take('sender', `${port.interface} ${mac}`, '-');
      for (const address of port.addresses) take('own', `${port.interface} ${formatIpv4(address)}`, '-');
      eachIpv6Entry(port, subnet, take);
      let mayClaimAny = false;
      for (const havip of havipsOf(network, subnet.index)) {
        if (!mayClaim(port, havip)) continue;
        mayClaimAny = true;
        if (parts === null || parts.has(havip)) take('claim', `${port.interface} ${formatIpv4(havip.address)}`, '-');
      }
      if (mayClaimAny) take('virtual', port.interface, '-');
    }
  }
  for (const subnet of network.subnets) {
    if (subnet === null || !(parts?.vpcs.has(subnet.vpc) ?? true)) continue;
    const taken = (address: Ipv6) => take('taken', `${labelOf(subnet.vpc)} ${address}`, '-');
    for (const address of routerIpv6(subnet)) taken(address);
    for (const port of portsOf(network, subnet.index)) for (const address of ownIpv6(port, subnet)) taken(address);
  }
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

/** The parts of two networks in which they differ. */
export class Parts {
  /** Subnets with all that is in them. */
  readonly whole = new Set<number>();
  /** Subnets of which some HAVIPs differ and nothing else. */
  readonly partly = new Set<number>();
  /** Indexes of HAVIPs. */
  readonly havips = new Set<number>();
  /**
   * VPCs in which somebody's IPv6 addresses may differ. They are looked at as a whole: two subnets may name the same router, and a guest
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
    before.vpcs[a.vpc]?.id === after.vpcs[b.vpc]?.id &&
    sameIpv6(a.ipv6, b.ipv6);
  eachDifference(before.subnets, after.subnets, sameSubnet, (a, b) => parts.whole.add(must(a ?? b, 'one of the two').index));
  for (const { subnets } of [before, after])
    for (const index of parts.whole) if (subnets[index]) parts.vpcs.add(subnets[index].vpc);
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
  const vpc = must(network.vpcs[havip.vpc], 'a HAVIP is in a VPC');
  let name = vpcLabels.get(vpc);
  if (name === undefined) vpcLabels.set(vpc, (name = label(vpc.id)));
  return `${name} ${formatIpv4(havip.address)}`;
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
