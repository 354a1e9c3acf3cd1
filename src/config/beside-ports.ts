/**
 * Ports of files beside the configuration that came, changed or went, checked alone: against the VPCs that theirs are in, and against what may
 * stand once on the host. A guest's guard stands some milliseconds after its hook wrote it, however many HAVIPs there are. Any thread, pure.
 */
import { formatCidr, formatIpv4 } from '../base/address.ts';
import { formatCidr6 } from '../base/ipv6.ts';
import { formatMac } from '../base/mac.ts';
import { MAX_PORTS } from '../base/network.ts';
import { checkValue, type Config, type PeerConfig, type PortConfig, type StoreConfig, type VpcConfig } from './config.ts';
import { type DropIn, type Fragment, isMapping, type Share } from './drop-ins.ts';

/** The ports of all files together; null: something is wrong, or may be, and the check of the whole knows what. */
export function takePorts(
  config: Config,
  shares: readonly Share[],
  dropIns: readonly DropIn[],
  fresh: ReadonlyMap<string, Fragment>,
): readonly PortConfig[] | null {
  const before = shares.filter(({ list }) => list === 'ports');
  const own = config.ports.length - before.reduce((sum, { count }) => sum + count, 0);
  const paths = dropIns.flatMap(({ kind, path }) => (kind === 'ports' ? path : []));
  const there = new Set(paths);
  const kept = new Map<string, readonly PortConfig[]>();
  const touched = new Set<string>();
  let at = own;
  for (const { path, count } of before) {
    const ports = config.ports.slice(at, (at += count));
    if (there.has(path) && !fresh.has(path)) kept.set(path, ports);
    else for (const { instance } of ports) touched.add(instance);
  }
  const coming = paths.flatMap((path) => fresh.get(path) ?? []);
  const ports = config.ports.slice(0, own);
  const found = check(config, [...ports, ...[...kept.values()].flat()], coming);
  if (found === null) return null;
  for (const path of paths) ports.push(...(kept.get(path) ?? found.get(path) ?? []));
  if (ports.length > MAX_PORTS) return null;
  for (const { instance } of [...found.values()].flat()) touched.add(instance);
  return hasStrays(config, ports, touched) ? null : ports;
}

/** The new ones by file, as if they stood in their VPCs alone with who has a port there; null: something is wrong with them. */
function check(
  config: Config,
  staying: readonly PortConfig[],
  coming: readonly Fragment[],
): ReadonlyMap<string, readonly PortConfig[]> | null {
  if (coming.length === 0) return new Map();
  const items = coming.flatMap((fragment) => fragment.items);
  const wanted = new Set(items.map((item) => (isMapping(item) ? item['subnet'] : undefined)));
  const vpcs = config.vpcs.filter(({ subnets }) => subnets.some(({ id }) => wanted.has(id)));
  const ids = new Set(vpcs.map(({ id }) => id));
  const { near, far, value } = besideIn(config, vpcs, staying);
  const found = checkValue({ ...value, ports: [...value.ports, ...items] }, null).config?.ports.slice(near.length) ?? null;
  if (found === null || found.some((port) => collides(port, config, far, vpcs, ids))) return null;
  let at = 0;
  return new Map(coming.map(({ path, items: own }) => [path, found.slice(at, (at += own.length))]));
}

/** With what is not in its VPC, or with a HAVIP there. */
function collides(
  port: PortConfig,
  { uplinks, external, peers }: Config,
  far: readonly PortConfig[],
  vpcs: readonly VpcConfig[],
  ids: ReadonlySet<string>,
): boolean {
  const { interface: name, mac, addresses } = port;
  if (name === external?.interface || uplinks.some((uplink) => uplink.interface === name)) return true;
  if (far.some((other) => other.interface === name || other.mac === mac)) return true;
  if (peers.some((peer) => peer.mac === mac && peer.instance !== port.instance && !ids.has(peer.vpc))) return true;
  const vpc = vpcs.find(({ subnets }) => subnets.some(({ id }) => id === port.subnet));
  return vpc?.havips.some(({ address }) => addresses.includes(address)) === true;
}

/** Is one of these instances a member of a HAVIP that it can never claim? */
function hasStrays({ vpcs }: Config, ports: readonly PortConfig[], touched: ReadonlySet<string>): boolean {
  const homes = homesOf(ports.filter(({ instance }) => touched.has(instance)));
  return (
    homes.size > 0 &&
    vpcs.some(({ havips }) =>
      havips.some(({ members, subnet }) => members?.some((member) => homes.get(member)?.has(subnet) === false) === true),
    )
  );
}

/** The subnets in which an instance has ports. */
export function homesOf(ports: readonly PortConfig[]): Map<string, Set<string>> {
  const homes = new Map<string, Set<string>>();
  for (const { instance, subnet } of ports) homes.set(instance, (homes.get(instance) ?? new Set()).add(subnet));
  return homes;
}

/** Some VPCs, without their HAVIPs, and who has an address or a port in them, as a configuration of their own; `far`: ports elsewhere. */
export function besideIn(config: Config, vpcs: readonly VpcConfig[], ports: readonly PortConfig[]) {
  const { host, peers, store } = config;
  const ids = new Set(vpcs.map(({ id }) => id));
  const subnets = new Set(vpcs.flatMap((vpc) => vpc.subnets.map(({ id }) => id)));
  const isNear = ({ vpc, subnet }: PortConfig) => (vpc === undefined ? subnets.has(subnet) : ids.has(vpc));
  const near = ports.filter(isNear);
  const value = {
    host: { id: host.id },
    vpcs: vpcs.map(vpcAsWritten),
    ports: near.map(portAsWritten),
    peers: peers.filter(({ vpc }) => ids.has(vpc)).map(peerAsWritten),
    ...(store !== null && { store: storeAsWritten(store) }),
  };
  return { near, far: ports.filter((port) => !isNear(port)), value };
}

export function portAsWritten({ addresses6, ...port }: PortConfig): object {
  return { ...port, ...asText(port), addresses: [...port.addresses.map(formatIpv4), ...addresses6] };
}

function peerAsWritten({ instance, vpc, ...peer }: PeerConfig): object {
  return { instance, vpc, ...asText(peer) };
}

function storeAsWritten({ endpoints, prefix, tls, user, passwordFile, leaseSeconds }: StoreConfig): object {
  const { ca, cert, key } = tls ?? {};
  const files = tls !== null && { tls: { ca, ...(cert !== null && { cert }), ...(key !== null && { key }) } };
  const who = user !== null && passwordFile !== null && { user, passwordFile };
  return { endpoints, prefix, ...files, ...who, leaseSeconds };
}

function vpcAsWritten({ id, cidr, quota, subnets }: VpcConfig): object {
  return {
    id,
    cidr: formatCidr(cidr),
    quota,
    subnets: subnets.map(({ id: subnet, cidr: prefix, gateway, ipv6, sources, probe }) => ({
      id: subnet,
      cidr: formatCidr(prefix),
      ...(gateway !== null && { gateway: formatIpv4(gateway) }),
      ...(ipv6 !== null && { ipv6: { ...ipv6, cidr: formatCidr6(ipv6.cidr), gateway: ipv6.gateway ?? undefined } }),
      sources,
      probe,
    })),
  };
}

function asText({ mac, addresses }: Pick<PortConfig, 'mac' | 'addresses'>): { mac: string; addresses: string[] } {
  return { mac: formatMac(mac), addresses: addresses.map(formatIpv4) };
}
