/**
 * Files beside the configuration that came, changed or went, while the configuration itself is the same and nothing was refused: what they say
 * is checked alone, against what is there. A HAVIP that is allocated is usable some milliseconds later, however large the rest is; so is a port
 * (beside-ports.ts). Every mistake is for the check of the whole (drop-ins.ts), whose answer this is in all it answers. Any thread, pure.
 */
import { must } from '../base/assert.ts';
import { besideIn, homesOf, takePorts } from './beside-ports.ts';
import { checkValue, type Config, type HavipConfig, type PortConfig, type VpcConfig } from './config.ts';
import { carryIds, wouldClash } from './ids.ts';
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
  if (changed.length > MOST_FILES || characters > MOST_CHARACTERS) return null;
  const fragments = readAll(changed, config);
  const isOfPorts = [...changed, ...gone].some(({ kind }) => kind === 'ports');
  const ports = fragments === null || !isOfPorts ? config.ports : takePorts(config, before.shares, dropIns, fragments);
  if (fragments === null || ports === null) return null;
  const shares = new Map(before.shares.map((share) => [share.path, share]));
  for (const { path, list, items } of fragments.values()) shares.set(path, { path, list, count: items.length });
  const vpcs = takeHavips({ ...config, ports: Object.freeze(ports) }, before, dropIns, fragments, gone);
  if (vpcs === null) return null;
  const beside = { dropIns, shares: dropIns.map(({ path }) => must(shares.get(path), 'each has a share')) };
  return [Object.freeze({ ...config, ports: Object.freeze(ports), vpcs }), beside];
}

/** The VPCs with the HAVIPs of all files together; null: it takes the check of the whole. */
function takeHavips(
  config: Config,
  before: Beside,
  dropIns: readonly DropIn[],
  fragments: ReadonlyMap<string, Fragment>,
  gone: readonly DropIn[],
): Config['vpcs'] | null {
  const fresh = new Map<string, Fresh>();
  for (const [path, fragment] of fragments) if (fragment.list !== 'ports') fresh.set(path, { fragment, havips: [] });
  const left = new Set([...fragments.keys(), ...gone.map(({ path }) => path)]);
  const touched = new Set<number>();
  for (const { path, list } of before.shares) if (left.has(path) && list !== 'ports') touched.add(list);
  for (const { fragment } of fresh.values()) touched.add(Number(fragment.list));
  const vpcs = [...config.vpcs];
  const changes = new Map<number, Change>();
  for (const v of touched) {
    const change = putTogether(config, v, before, dropIns, fresh);
    if (change === null) return null;
    changes.set(v, change);
    vpcs[v] = Object.freeze({ ...must(config.vpcs[v], 'it is a place in the list'), havips: Object.freeze(change.havips) });
  }
  if (hasTwice(config.vpcs, changes)) return null;
  for (const [v, { havips, gone: left, came }] of changes) carryIds(config.vpcs[v]?.havips ?? [], havips, left, came);
  return touched.size === 0 ? config.vpcs : Object.freeze(vpcs);
}

/** Of the HAVIPs of a VPC. */
interface Change {
  readonly havips: readonly HavipConfig[];
  readonly gone: readonly HavipConfig[];
  readonly came: readonly HavipConfig[];
}

function readAll(changed: readonly DropIn[], { vpcs }: Config): Map<string, Fragment> | null {
  const ids = vpcs.map(({ id }) => id);
  const fragments = new Map<string, Fragment>();
  for (const one of changed) {
    const fragment = readDropIn(one, ids);
    if (!('items' in fragment)) return null;
    fragments.set(one.path, fragment);
  }
  return fragments;
}

/** The HAVIPs of this VPC; null: something is wrong with a new one. */
function putTogether(
  config: Config,
  v: number,
  { shares }: Beside,
  dropIns: readonly DropIn[],
  fresh: ReadonlyMap<string, Fresh>,
): Change | null {
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
    if (one === undefined) kept.delete(path);
  }
  if (!fits(havips, coming)) return null;
  return { havips, gone: [...kept.values()].flat(), came: coming.flatMap((one) => one.havips) };
}

/** Each as if it stood alone in its VPC, among the ports and peers. */
function check(config: Config, vpc: VpcConfig, coming: readonly Fresh[]): boolean {
  const items = coming.flatMap(({ fragment }) => fragment.items);
  const { value } = besideIn(config, [vpc], config.ports);
  const checked = checkValue({ ...value, vpcs: value.vpcs.map((one) => Object.assign(one, { havips: items })) }, null).config;
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
function hasTwice(vpcs: readonly VpcConfig[], changes: ReadonlyMap<number, Change>): boolean {
  const came = [...changes.values()].flatMap((change) => change.came);
  if (new Set(came.map(({ id }) => id)).size < came.length) return true;
  return vpcs.some(({ havips }, v) => wouldClash(havips, changes.get(v)?.gone ?? [], came));
}

/** A member with ports, none of them in its HAVIP's subnet: said by the whole check, which knows where. */
export function hasStrayMembers(havips: readonly HavipConfig[], ports: readonly PortConfig[]): boolean {
  const homes = homesOf(ports);
  return havips.some(({ members, subnet }) => members?.some((member) => homes.get(member)?.has(subnet) === false) === true);
}
