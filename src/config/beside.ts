/**
 * Files beside the configuration that came, changed or went, while the configuration itself is the same and nothing was refused: what they say
 * of HAVIPs is checked alone, against what is there. A HAVIP that is allocated is usable some milliseconds later, however large the rest is.
 * Anything else, and every mistake, is for the check of the whole (drop-ins.ts), whose answer this is in all it answers. Any thread, pure.
 */
import { formatCidr, formatIpv4 } from '../base/address.ts';
import { must } from '../base/assert.ts';
import { formatMac } from '../base/mac.ts';
import { checkValue, type Config, type HavipConfig, type PeerConfig, type PortConfig, type VpcConfig } from './config.ts';
import { type DropIn, type Fragment, readDropIn, type Share } from './drop-ins.ts';

/** What a configuration was put together from, none of it refused. */
export interface Beside {
  readonly dropIns: readonly DropIn[];
  readonly shares: readonly Share[];
}

export const NOTHING_BESIDE: Beside = { dropIns: [], shares: [] };

/** More of it is another thread's to check. */
const MOST_FILES = 256;
const MOST_CHARACTERS = 256 * 1024;

interface Fresh {
  readonly fragment: Fragment;
  havips: readonly HavipConfig[];
}

/** null: it takes the check of the whole. */
export function takeBeside(config: Config, before: Beside, dropIns: readonly DropIn[]): [Config, Beside] | null {
  const known = new Map(before.dropIns.map((one) => [one.path, one]));
  const changed = dropIns.filter((one) => known.get(one.path)?.text !== one.text);
  for (const { path } of dropIns) known.delete(path);
  const gone = [...known.values()];
  if (changed.length + gone.length === 0) return [config, before];
  const characters = changed.reduce((sum, { text }) => sum + (text?.length ?? Number.POSITIVE_INFINITY), 0);
  if ([...changed, ...gone].some(({ kind }) => kind === 'ports') || changed.length > MOST_FILES || characters > MOST_CHARACTERS)
    return null;
  const fresh = readAll(changed, config);
  if (fresh === null) return null;
  const left = new Set([...changed, ...gone].map(({ path }) => path));
  const touched = new Set<number>();
  for (const { path, list } of before.shares) if (left.has(path) && list !== 'ports') touched.add(list);
  for (const { fragment } of fresh.values()) touched.add(Number(fragment.list));
  const vpcs = [...config.vpcs];
  for (const v of touched) {
    const havips = putTogether(config, v, before, dropIns, fresh);
    if (havips === null) return null;
    vpcs[v] = Object.freeze({ ...must(config.vpcs[v], 'it is a place in the list'), havips: Object.freeze(havips) });
  }
  if (hasTwice(vpcs, fresh)) return null;
  const shares = new Map(before.shares.map((share) => [share.path, share]));
  for (const [path, { fragment, havips }] of fresh) shares.set(path, { path, list: fragment.list, count: havips.length });
  const beside = { dropIns, shares: dropIns.map(({ path }) => must(shares.get(path), 'each has a share')) };
  return [Object.freeze({ ...config, vpcs: Object.freeze(vpcs) }), beside];
}

function readAll(changed: readonly DropIn[], { vpcs }: Config): Map<string, Fresh> | null {
  const ids = vpcs.map(({ id }) => id);
  const fresh = new Map<string, Fresh>();
  for (const one of changed) {
    const fragment = readDropIn(one, ids);
    if (!('items' in fragment)) return null;
    fresh.set(one.path, { fragment, havips: [] });
  }
  return fresh;
}

/** The HAVIPs of this VPC; null: something is wrong with a new one. */
function putTogether(
  config: Config,
  v: number,
  { shares }: Beside,
  dropIns: readonly DropIn[],
  fresh: ReadonlyMap<string, Fresh>,
): HavipConfig[] | null {
  const vpc = must(config.vpcs[v], 'it is a place in the list');
  const own = shares.filter(({ list }) => list === v);
  let at = vpc.havips.length - own.reduce((sum, { count }) => sum + count, 0);
  const havips = vpc.havips.slice(0, at);
  const kept = new Map<string, readonly HavipConfig[]>();
  for (const { path, count } of own) kept.set(path, vpc.havips.slice(at, (at += count)));
  const coming = dropIns.flatMap(({ path }) => {
    const one = fresh.get(path);
    return one === undefined || one.fragment.list !== v ? [] : [one];
  });
  if (!check(config, vpc, coming)) return null;
  for (const { path } of dropIns) {
    const one = fresh.get(path);
    const add = one === undefined ? (kept.get(path) ?? []) : one.fragment.list === v ? one.havips : [];
    for (const havip of add) havips.push(havip);
  }
  return fits(havips, coming) ? havips : null;
}

/** Each as if it stood alone in its VPC, among the ports and peers. */
function check(config: Config, vpc: VpcConfig, coming: readonly Fresh[]): boolean {
  const subnets = new Set(vpc.subnets.map(({ id }) => id));
  const items = coming.flatMap(({ fragment }) => fragment.items);
  const value = {
    host: { id: config.host.id },
    vpcs: [{ ...vpcAsWritten(vpc), havips: items }],
    ports: config.ports.filter(({ subnet }) => subnets.has(subnet)).map(portAsWritten),
    peers: config.peers.filter((peer) => peer.vpc === vpc.id).map(peerAsWritten),
  };
  const checked = checkValue(value, null).config;
  const found = checked?.vpcs[0]?.havips;
  if (found === undefined || hasStrayMembers(found, config.ports)) return false;
  let at = 0;
  for (const one of coming) one.havips = found.slice(at, (at += one.fragment.items.length));
  return true;
}

/** No address twice; who has a VRID may have it together with others, which is not looked into here. */
function fits(havips: readonly HavipConfig[], coming: readonly Fresh[]): boolean {
  if (coming.some((one) => one.havips.some(({ vrid }) => vrid !== null))) return false;
  return new Set(havips.map(({ address }) => address)).size === havips.length;
}

/** Is an id of a new one that of another HAVIP? */
function hasTwice(vpcs: readonly VpcConfig[], fresh: ReadonlyMap<string, Fresh>): boolean {
  const ids = new Map([...fresh.values()].flatMap((one) => one.havips.map((havip) => [havip.id, havip] as const)));
  if (ids.size === 0) return false;
  return vpcs.some(({ havips }) => havips.some((havip) => (ids.get(havip.id) ?? havip) !== havip));
}

/** A member with ports, none of them in its HAVIP's subnet: said by the whole check, which knows where. */
export function hasStrayMembers(havips: readonly HavipConfig[], ports: readonly PortConfig[]): boolean {
  const homes = new Map<string, Set<string>>();
  for (const { instance, subnet } of ports) homes.set(instance, (homes.get(instance) ?? new Set()).add(subnet));
  return havips.some(({ members, subnet }) => members?.some((member) => homes.get(member)?.has(subnet) === false) === true);
}

export function portAsWritten({ addresses6, ...port }: PortConfig): object {
  return { ...port, ...asText(port), addresses: [...port.addresses.map(formatIpv4), ...addresses6] };
}

function peerAsWritten({ instance, vpc, ...peer }: PeerConfig): object {
  return { instance, vpc, ...asText(peer) };
}

/** Without IPv6, which is no matter of HAVIPs: of ports in it only what they list is said. */
function vpcAsWritten({ id, cidr, quota, subnets }: VpcConfig): object {
  return {
    id,
    cidr: formatCidr(cidr),
    quota,
    subnets: subnets.map(({ id: subnet, cidr: prefix, gateway, probe }) => ({
      id: subnet,
      cidr: formatCidr(prefix),
      ...(gateway !== null && { gateway: formatIpv4(gateway) }),
      probe,
    })),
  };
}

function asText({ mac, addresses }: Pick<PortConfig, 'mac' | 'addresses'>): { mac: string; addresses: string[] } {
  return { mac: formatMac(mac), addresses: addresses.map(formatIpv4) };
}
